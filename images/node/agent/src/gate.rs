//! Gates: conditions that are watched until they hold. Nothing is logged meanwhile; the status says what is waited for.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use knarr_contract::Gate;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::fault::{Context, Fault, Result};

/// Between two tries: from 20 ms up to 100 ms.
const PAUSES: [u64; 5] = [20, 30, 45, 70, 100];
/// After a sign that something has just changed.
const AT_ONCE: Duration = Duration::from_millis(1);
/// A server that has bound its port but is not serving yet lets its clients wait; this is how long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells watchers that nobody waits for them any more.
pub type Cancel = Arc<AtomicBool>;

/// The gate in words.
pub fn in_words(gate: &Gate) -> String {
    match gate {
        Gate::UnixSocket { path } => format!("the socket {path}"),
        Gate::Http { url, .. } => format!("an answer from {url}"),
    }
}

/// Watches until the gate is open; false means that it was cancelled.
pub fn wait(gate: &Gate, cancel: &Cancel) -> bool {
    let mut tries: Box<dyn FnMut() -> bool> = match gate {
        Gate::UnixSocket { path } => {
            let path = path.clone();
            Box::new(move || UnixStream::connect(&path).is_ok())
        }
        Gate::Http { .. } => {
            let gate = gate.clone();
            let mut agent = None;
            Box::new(move || get(&gate, &mut agent).is_ok())
        }
    };
    let mut watch = FolderWatch::new(gate);
    let mut pauses = PAUSES.iter().copied().chain(std::iter::repeat(PAUSES[PAUSES.len() - 1]));
    loop {
        if cancel.load(Ordering::Relaxed) {
            return false;
        }
        if tries() {
            return true;
        }
        let pause = Duration::from_millis(pauses.next().unwrap_or_default());
        watch.sleep(pause);
    }
}

/// Sleeps, but wakes early when something appears in the folder of an awaited socket.
struct FolderWatch<'a> {
    folder: Option<&'a Path>,
    inotify: Option<Inotify>,
}

impl<'a> FolderWatch<'a> {
    fn new(gate: &'a Gate) -> Self {
        let folder = match gate {
            Gate::UnixSocket { path } => Path::new(path).parent(),
            Gate::Http { .. } => None,
        };
        Self { folder, inotify: None }
    }

    fn sleep(&mut self, pause: Duration) {
        // The folder may appear only later, and a host may be out of inotify instances: then sleeping has to do.
        if let (Some(folder), None) = (self.folder, &self.inotify) {
            self.inotify = watched(folder);
            if self.inotify.is_some() {
                // What appeared just before the watch began is found by trying once more.
                return;
            }
        }
        let Some(inotify) = &self.inotify else { return thread::sleep(pause) };
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        let mut wanted = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wanted, timeout).is_ok_and(|count| count > 0) {
            let _ = inotify.read_events();
            // A socket is visible a moment before its owner listens.
            thread::sleep(AT_ONCE);
        }
    }
}

fn watched(folder: &Path) -> Option<Inotify> {
    if !folder.is_dir() {
        return None;
    }
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
    inotify.add_watch(folder, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO).ok()?;
    Some(inotify)
}

/// One GET; `agent` keeps its keys and its connection for the next try.
fn get(gate: &Gate, agent: &mut Option<Agent>) -> Result<()> {
    let Gate::Http { url, .. } = gate else { return Ok(()) };
    if agent.is_none() {
        *agent = Some(client(gate)?);
    }
    let outcome = agent.as_ref().map(|agent| agent.get(url).call());
    match outcome {
        Some(Ok(answer)) if answer.status() == 200 => Ok(()),
        Some(Ok(answer)) => Err(Fault::new(format!("{url} answers {}", answer.status()))),
        Some(Err(error)) => {
            // The files may have been renewed meanwhile.
            *agent = None;
            Err(Fault::new(format!("{url}: {error}")))
        }
        None => Err(Fault::new("no client")),
    }
}

fn client(gate: &Gate) -> Result<Agent> {
    let Gate::Http { ca, cert, key, .. } = gate else { return Err(Fault::new("not an HTTP gate")) };
    let mut tls = TlsConfig::builder();
    if let Some(ca) = ca {
        let roots: Vec<Certificate<'static>> = pem(ca)?.into_iter().filter_map(certificate).collect();
        tls = tls.root_certs(RootCerts::new_with_certs(&roots));
    }
    if let Some(cert) = cert {
        let chain: Vec<Certificate<'static>> = pem(cert)?.into_iter().filter_map(certificate).collect();
        let key = pem(key.as_ref().unwrap_or(cert))?.into_iter().find_map(private_key);
        let key = key.ok_or_else(|| Fault::new("the client's key is missing"))?;
        tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .timeout_global(Some(PATIENCE))
        .http_status_as_error(false)
        .max_redirects(0)
        // A gate is about this node; a proxy in the environment is not meant for it.
        .proxy(None);
    Ok(config.build().new_agent())
}

fn pem(path: &str) -> Result<Vec<PemItem<'static>>> {
    let bytes = fs::read(path).context(|| path)?;
    parse_pem(&bytes).collect::<std::result::Result<_, _>>().context(|| path)
}

fn certificate(item: PemItem<'static>) -> Option<Certificate<'static>> {
    if let PemItem::Certificate(certificate) = item { Some(certificate) } else { None }
}

fn private_key(item: PemItem<'static>) -> Option<PrivateKey<'static>> {
    if let PemItem::PrivateKey(key) = item { Some(key) } else { None }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;
    use crate::scratch::Scratch;

    fn http(url: String) -> Gate {
        Gate::Http { url, ca: None, cert: None, key: None }
    }

    #[test]
    fn a_socket_that_appears_opens_its_gate() {
        let scratch = Scratch::new();
        let path = scratch.path("late/x.sock");
        let gate = Gate::UnixSocket { path: path.display().to_string() };
        let waiter = thread::spawn(move || wait(&gate, &Cancel::default()));
        thread::sleep(Duration::from_millis(150));
        fs::create_dir(scratch.path("late")).expect("made");
        thread::sleep(Duration::from_millis(150));
        assert!(!waiter.is_finished());
        let _listener = UnixListener::bind(&path).expect("bound");
        let begun = Instant::now();
        assert!(waiter.join().expect("no panic"));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_dead_socket_file_keeps_it_shut_and_cancelling_ends_the_wait() {
        let scratch = Scratch::new();
        let path = scratch.path("x.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        let (gate, cancel) = (Gate::UnixSocket { path: path.display().to_string() }, Cancel::default());
        let waiter = {
            let cancel = cancel.clone();
            thread::spawn(move || wait(&gate, &cancel))
        };
        thread::sleep(Duration::from_millis(100));
        assert!(!waiter.is_finished());
        cancel.store(true, Ordering::Relaxed);
        assert!(!waiter.join().expect("no panic"));
    }

    #[test]
    fn only_status_200_opens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let gate = http(format!("http://{}/readyz", listener.local_addr().expect("an address")));
        let server = thread::spawn(move || {
            for status in ["500 Bad", "302 Found\r\nLocation: /elsewhere", "200 OK"] {
                let (mut stream, _) = listener.accept().expect("a client");
                let _ = stream.read(&mut [0; 1024]);
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("written");
            }
        });
        assert!(wait(&gate, &Cancel::default()));
        server.join().expect("three tries");
    }

    #[test]
    fn missing_files_keep_it_shut() {
        let gate = Gate::Http {
            url: "https://127.0.0.1:1/".into(),
            ca: Some("/no/such/ca".into()),
            cert: Some("/no/such/cert".into()),
            key: None,
        };
        assert!(get(&gate, &mut None).expect_err("no files").to_string().contains("/no/such/ca"));
    }
}
