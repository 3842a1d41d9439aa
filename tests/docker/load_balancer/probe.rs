//! Looking at load balancers from the host: who answers, who is seen, and until when.

use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, text};
use crate::docker::{docker, inspect};
use crate::http;
use crate::wait::{seconds, until};

/// Waits until the load balancer runs on every node.
pub fn running(cluster: &Cluster) {
    let waiting = ["-n", "kube-system", "rollout", "status", "daemonset/knarr-load-balancer", "--timeout=1s"];
    until("the load balancer runs on every node", seconds(60), || {
        let run = cluster.kubectl(&waiting);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
}

/// An address for Services that none has.
pub fn free_address(cluster: &Cluster) -> IpAddr {
    let network = docker(&["network", "inspect", &format!("knarr-{}", cluster.name)]).ok().json();
    let prefix = text(&network, "/0/IPAM/Config/0/Subnet").strip_suffix(".0/24").expect("a /24").to_owned();
    let services = cluster.get(&["services", "--all-namespaces"]).to_string();
    let mut all = (193..255).map(|last| format!("{prefix}.{last}"));
    let free = all.find(|address| !services.contains(&format!("\"{address}\""))).expect("few are taken");
    free.parse().expect("an address")
}

/// Whom the sample application sees when this host asks.
pub fn client_of(address: IpAddr) -> Result<IpAddr, String> {
    let (_, body) = http::get(SocketAddr::new(address, 80), "/")?;
    let client = body.lines().find_map(|line| line.strip_prefix("client:")).ok_or(format!("no client in {body}"))?;
    Ok(client.trim().parse::<SocketAddr>().map_err(|e| format!("{client}: {e}"))?.ip())
}

/// The node that this host sends an address's packets to, as its neighbour table has it.
pub fn owner(cluster: &Cluster, address: IpAddr) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/arp").expect("the neighbour table can be read");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.first() == Some(&address.to_string().as_str()))?;
    let nodes = ["control-plane", "worker", "worker2"].map(|node| format!("{}-{node}", cluster.name));
    let network = format!("knarr-{}", cluster.name);
    nodes.into_iter().find(|node| inspect(node)["NetworkSettings"]["Networks"][&network]["MacAddress"] == row[3])
}

/// How long it takes until an address answers again.
pub fn answered_within(address: IpAddr, limit: Duration) -> Duration {
    let begun = Instant::now();
    let at = SocketAddr::new(address, 80);
    // Short tries: a connection that began before the move would wait for its next packet.
    until("the address answers again", limit, || {
        TcpStream::connect_timeout(&at, Duration::from_millis(300)).map_err(|e| e.to_string())?;
        http::get(at, "/")
    });
    begun.elapsed()
}

/// Asks a DNS server for the address of a name, by UDP.
pub fn resolves(server: SocketAddr, name: &str) -> Result<(), String> {
    let fail = |e: std::io::Error| e.to_string();
    let socket = UdpSocket::bind("0.0.0.0:0").map_err(fail)?;
    socket.set_read_timeout(Some(Duration::from_secs(1))).map_err(fail)?;
    let mut question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
    for label in name.split('.') {
        question.push(u8::try_from(label.len()).expect("labels are short"));
        question.extend(label.as_bytes());
    }
    question.extend(b"\x00\x00\x01\x00\x01");
    socket.send_to(&question, server).map_err(fail)?;
    let mut answer = [0; 512];
    let (length, from) = socket.recv_from(&mut answer).map_err(fail)?;
    let found = length > 12 && answer[..2] == [0x12, 0x34] && answer[3] % 16 == 0 && answer[7] > 0;
    if found && from == server { Ok(()) } else { Err(format!("{:?} from {from}", &answer[..length])) }
}
