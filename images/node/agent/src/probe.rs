//! `knarr-node probe dns`: does a name resolve where a pod would ask?

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, setns};

use crate::cli::{Netns, ProbeDns};
use crate::dns;
use crate::fault::{Context, Fault, Result};
use crate::say;

/// Where containerd keeps the network namespaces of pods.
const PODS: &str = "/run/netns";
const POD_PREFIX: &str = "cni-";
/// How long one question may take: short at first, because one that is asked before kube-proxy knows the Service falls
/// into the void; longer when nothing has answered for a while, because then the machine is slow.
const FIRST_PATIENCE: Duration = Duration::from_millis(200);
const LAST_PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// Prints the address of the name, or fails with the reason why there is none.
pub fn dns(probe: &ProbeDns) -> Result<()> {
    let begun = Instant::now();
    let deadline = probe.timeout.map(|timeout| begun + timeout);
    for attempt in 0.. {
        let patience = match deadline {
            Some(_) => (begun.elapsed() / 4).clamp(FIRST_PATIENCE, LAST_PATIENCE),
            None => LAST_PATIENCE,
        };
        let outcome = enter(&probe.from, attempt).and_then(|()| ask(probe.server, &probe.name, patience));
        match (outcome, deadline) {
            (Ok(address), _) => return say::answer(&address.to_string()),
            (Err(_), Some(deadline)) if Instant::now() < deadline => thread::sleep(PAUSE),
            (Err(fault), _) => return Err(fault),
        }
    }
    Ok(())
}

/// Moves this process into the wanted network namespace.
fn enter(netns: &Netns, attempt: usize) -> Result<()> {
    let path = match netns {
        Netns::Own => return Ok(()),
        Netns::Path(path) => path.clone(),
        Netns::AnyPod => {
            let mut pods = pods(Path::new(PODS));
            if pods.is_empty() {
                return Err(Fault::new(format!("no pod has a network here ({PODS}/{POD_PREFIX}* is empty)")));
            }
            // Another one at each attempt: one pod may just be going away.
            pods.swap_remove(attempt % pods.len())
        }
    };
    let file = File::open(&path).context(|| format!("the network {} cannot be opened", path.display()))?;
    setns(file, CloneFlags::CLONE_NEWNET).context(|| format!("the network {} cannot be entered", path.display()))
}

fn pods(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(POD_PREFIX)));
    let mut paths: Vec<PathBuf> = ours.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn ask(server: SocketAddr, name: &str, patience: Duration) -> Result<Ipv4Addr> {
    let what = || format!("asking {server} for {name}");
    let id = dns::random_id();
    let question = dns::question(id, name)?;
    let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let socket = UdpSocket::bind(any).context(what)?;
    socket.connect(server).context(what)?;
    socket.set_read_timeout(Some(patience)).context(what)?;
    socket.send(&question).context(what)?;
    let mut buffer = [0; 4096];
    let count = match socket.recv(&mut buffer) {
        Ok(count) => count,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            return Err(Fault::new(format!("{server} did not answer within {} ms", patience.as_millis())));
        }
        Err(error) => return Err(error).context(what),
    };
    dns::address(&buffer[..count], id).context(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_pods_networks_are_taken() {
        let scratch = Scratch::new();
        for name in ["cni-b", "cni-a", "other"] {
            fs::write(scratch.path(name), "").expect("written");
        }
        assert_eq!(pods(scratch.as_ref()), [scratch.path("cni-a"), scratch.path("cni-b")]);
        assert!(pods(&scratch.path("none")).is_empty());
    }

    #[test]
    fn silence_and_refusal_have_words() {
        let silent = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let address = silent.local_addr().expect("an address");
        let fault = ask(address, "a.example", Duration::from_millis(20)).expect_err("silence").to_string();
        assert!(fault.contains("did not answer within 20 ms"), "{fault}");
        drop(silent);
        assert!(ask(address, "a.example", Duration::from_millis(200)).is_err());
    }

    #[test]
    fn a_missing_network_is_named() {
        let fault = enter(&Netns::Path("/no/such/netns".into()), 0).expect_err("missing").to_string();
        assert!(fault.contains("/no/such/netns"), "{fault}");
    }
}
