//! A relay to the container's own name server. Docker's listens on 127.0.0.11, which a pod's network cannot reach; the
//! relay listens on [`RESOLVER_ADDRESS`], which it can.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use knarr_contract::{POD_RESOLV_CONF, RESOLVER_ADDRESS};

use crate::dns;
use crate::fault::{Context, Result};

const OWN_CONF: &str = "/etc/resolv.conf";
const PORT: u16 = 53;
/// Questions that may be under way at once; the ones above are dropped, and asked again by the client.
const MOST: usize = 256;
/// How long one name server may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a TCP client may be silent.
const SILENCE: Duration = Duration::from_secs(10);
const LONGEST_UDP: usize = 4096;
const STACK: usize = 256 * 1024;

/// Writes the resolver configuration of pods. Search domains and options stay out: Docker's are not meant for pods.
pub fn write_pod_conf() -> Result<()> {
    fs::write(POD_RESOLV_CONF, format!("nameserver {RESOLVER_ADDRESS}\n"))
        .context(|| format!("writing {POD_RESOLV_CONF}"))
}

/// Starts the relay; its address must have been set before.
pub fn start() -> Result<()> {
    let address = SocketAddr::from((RESOLVER_ADDRESS, PORT));
    serve(address, own_servers).map(drop).context(|| format!("the resolver for pods cannot listen on {address}"))
}

/// The name servers of this container, read anew each time because Docker rewrites the file.
fn own_servers() -> Vec<SocketAddr> {
    servers(&fs::read_to_string(OWN_CONF).unwrap_or_default())
}

fn servers(conf: &str) -> Vec<SocketAddr> {
    let own = IpAddr::V4(RESOLVER_ADDRESS);
    conf.lines()
        .filter_map(|line| line.trim_start().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .filter(|ip: &IpAddr| *ip != own)
        .map(|ip| SocketAddr::from((ip, PORT)))
        .collect()
}

type Servers = fn() -> Vec<SocketAddr>;

/// Counts what is under way.
#[derive(Clone, Default)]
struct Load(Arc<AtomicUsize>);

impl Load {
    /// Runs `work` in a thread of its own unless there is too much to do already.
    fn take_on(&self, work: impl FnOnce() + Send + 'static) {
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST {
            let load = self.clone();
            let work = move || {
                work();
                load.0.fetch_sub(1, Ordering::Relaxed);
            };
            if thread::Builder::new().name("dns".into()).stack_size(STACK).spawn(work).is_ok() {
                return;
            }
        }
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn serve(address: SocketAddr, servers: Servers) -> io::Result<SocketAddr> {
    let udp = Arc::new(UdpSocket::bind(address)?);
    let bound = udp.local_addr()?;
    let tcp = TcpListener::bind(bound)?;
    let load = Load::default();
    let shared = load.clone();
    thread::Builder::new().name("dns-udp".into()).spawn(move || udp_clients(&udp, servers, &load))?;
    thread::Builder::new().name("dns-tcp".into()).spawn(move || tcp_clients(&tcp, servers, &shared))?;
    Ok(bound)
}

fn udp_clients(socket: &Arc<UdpSocket>, servers: Servers, load: &Load) {
    let mut buffer = [0; LONGEST_UDP];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((count, client)) => {
                let (query, socket) = (buffer[..count].to_vec(), socket.clone());
                load.take_on(move || {
                    let answer = relay(&query, &servers(), ask_udp).or_else(|| dns::server_failure(&query));
                    if let Some(answer) = answer {
                        let _ = socket.send_to(&answer, client);
                    }
                });
            }
            // Errors here are about an earlier answer that a client did not want any more.
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn tcp_clients(listener: &TcpListener, servers: Servers, load: &Load) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => load.take_on(move || {
                let _ = tcp_client(stream, servers);
            }),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn tcp_client(mut client: TcpStream, servers: Servers) -> io::Result<()> {
    client.set_read_timeout(Some(SILENCE))?;
    client.set_write_timeout(Some(SILENCE))?;
    loop {
        let query = read_framed(&mut client)?;
        let answer = relay(&query, &servers(), ask_tcp).or_else(|| dns::server_failure(&query));
        let Some(answer) = answer else { return Ok(()) };
        write_framed(&mut client, &answer)?;
    }
}

/// The answer of the first name server that gives one.
fn relay(query: &[u8], servers: &[SocketAddr], ask: fn(&[u8], SocketAddr) -> io::Result<Vec<u8>>) -> Option<Vec<u8>> {
    servers.iter().find_map(|server| ask(query, *server).ok())
}

fn ask_udp(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    // A socket of its own for each question: only this server, and only the answer to this question, comes back here.
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    socket.send(query)?;
    let deadline = Instant::now() + PATIENCE;
    let mut buffer = vec![0; LONGEST_UDP];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let count = socket.recv(&mut buffer)?;
        if count >= 2 && buffer[..2] == query[..query.len().min(2)] {
            buffer.truncate(count);
            return Ok(buffer);
        }
    }
}

fn ask_tcp(query: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write_framed(&mut stream, query)?;
    read_framed(&mut stream)
}

/// Over TCP each message follows its length.
fn read_framed(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; u16::from_be_bytes(length).into()];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_framed(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed)
}

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::*;

    #[test]
    fn only_name_servers_are_read_and_never_itself() {
        let conf = "# nameserver 9.9.9.9\nsearch corp\nnameserver 127.0.0.11\nnameserver 169.254.53.53\n \
                    nameserver ::1 # x\noptions ndots:0\nnameserver nonsense\n";
        let found: Vec<String> = servers(conf).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.11:53", "[::1]:53"]);
    }

    /// A name server that answers with the question and one byte more, over UDP and TCP.
    fn upstream() -> SocketAddr {
        static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
        *ADDRESS.get_or_init(|| {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("bound");
            let address = udp.local_addr().expect("an address");
            let tcp = TcpListener::bind(address).expect("bound");
            thread::spawn(move || {
                let mut buffer = [0; 512];
                while let Ok((count, client)) = udp.recv_from(&mut buffer) {
                    // First an answer to somebody else, which must be passed over.
                    let _ = udp.send_to(&[0xff, 0xff, 0], client);
                    buffer[count] = 42;
                    let _ = udp.send_to(&buffer[..=count], client);
                }
            });
            thread::spawn(move || {
                for mut stream in tcp.incoming().flatten() {
                    while let Ok(mut message) = read_framed(&mut stream) {
                        message.push(42);
                        let _ = write_framed(&mut stream, &message);
                    }
                }
            });
            address
        })
    }

    fn exchange_udp(relay: SocketAddr, query: &[u8]) -> Vec<u8> {
        let client = UdpSocket::bind("127.0.0.1:0").expect("bound");
        client.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        client.send_to(query, relay).expect("sent");
        let mut buffer = [0; 512];
        let (count, _) = client.recv_from(&mut buffer).expect("answered");
        buffer[..count].to_vec()
    }

    #[test]
    fn questions_are_passed_on_over_udp_and_tcp() {
        let relay = serve(([127, 0, 0, 1], 0).into(), || vec![upstream()]).expect("serving");
        let query = dns::question(3, "a.example").expect("good");
        let expected = [query.as_slice(), &[42]].concat();
        assert_eq!(exchange_udp(relay, &query), expected);
        let mut stream = TcpStream::connect(relay).expect("connected");
        for _ in 0..2 {
            write_framed(&mut stream, &query).expect("sent");
            assert_eq!(read_framed(&mut stream).expect("answered"), expected);
        }
    }

    #[test]
    fn without_a_server_the_client_hears_so_at_once() {
        let relay = serve(([127, 0, 0, 1], 0).into(), Vec::new).expect("serving");
        let query = dns::question(3, "a.example").expect("good");
        let fault = dns::address(&exchange_udp(relay, &query), 3).expect_err("a failure");
        assert!(fault.to_string().contains("SERVFAIL"));
        // Nonsense gets no answer and does no harm.
        let client = UdpSocket::bind("127.0.0.1:0").expect("bound");
        for nonsense in [&[][..], &[1], &[0xff; 600]] {
            client.send_to(nonsense, relay).expect("sent");
        }
        assert_eq!(exchange_udp(relay, &query).len(), query.len());
    }

    #[test]
    fn the_load_is_bounded() {
        let (load, (release, held)) = (Load::default(), std::sync::mpsc::channel::<()>());
        let held = Arc::new(std::sync::Mutex::new(held));
        for _ in 0..MOST + 50 {
            let held = held.clone();
            load.take_on(move || drop(held.lock().map(|held| held.recv())));
        }
        assert_eq!(load.0.load(Ordering::Relaxed), MOST);
        drop(release);
    }
}
