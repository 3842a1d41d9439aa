//! Facts about the machine that runs Docker, as far as they can be seen from here.
//!
//! Everything is read through [`Probe`], so that tests describe a machine in a few lines. What cannot be seen — the
//! daemon is remote, or lives in a virtual machine — is `None`: unknown, never guessed.

mod egress;
mod http;
mod kernel;
mod limits;
mod ports;
pub mod probe;
mod routes;
mod subnet;

use std::collections::BTreeMap;

pub(crate) use self::egress::redact;
pub use self::egress::{CaBundle, CaOrigin, Proxies};
pub use self::http::until_http_answers;
pub use self::kernel::{Feature, Presence};
pub use self::limits::{Inotify, Memory};
pub use self::ports::{pick_free_port, port_is_free, why_taken};
pub use self::probe::{Probe, RealProbe, Space};
pub use self::routes::Route;
pub use self::subnet::{Taken, choose_subnet, taken_subnets};

use crate::engine::EngineInfo;

/// The environment as it was when the program started.
pub type Env = BTreeMap<String, String>;

/// The machine that knarr runs on.
pub struct Host {
    probe: Box<dyn Probe>,
}

impl Host {
    /// This machine.
    pub fn real() -> Self {
        Self::new(RealProbe)
    }

    /// A machine as `probe` describes it.
    pub fn new(probe: impl Probe) -> Self {
        Self { probe: Box::new(probe) }
    }

    /// What is read from.
    pub fn probe(&self) -> &dyn Probe {
        self.probe.as_ref()
    }

    /// Whether this machine is also the one whose kernel runs the containers.
    ///
    /// A local socket is not enough: Docker Desktop puts one in front of a virtual machine. The kernel tells.
    pub fn runs_docker(&self, engine: &EngineInfo) -> bool {
        let local = engine.address.starts_with("unix:") || engine.address.starts_with('/');
        local && self.kernel_release().is_some_and(|release| release == engine.kernel)
    }

    /// The release of the running kernel.
    pub fn kernel_release(&self) -> Option<String> {
        self.text("/proc/sys/kernel/osrelease")
    }

    /// Whether this process was started with SIGHUP ignored (`nohup`), and should leave it so.
    pub fn ignores_hangup(&self) -> bool {
        let status = self.text("/proc/self/status");
        let mask = status.as_deref().and_then(|status| hex_field(status, "SigIgn:"));
        mask.is_some_and(|mask| mask & 1 != 0)
    }

    /// A small text file without the white space around its content.
    fn text(&self, path: &str) -> Option<String> {
        let bytes = self.probe.read(path)?;
        Some(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// A file that holds one number.
    fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }
}

/// A hexadecimal field of a `/proc/…/status` file.
fn hex_field(status: &str, key: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(key))?;
    u64::from_str_radix(value.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::probe::{FakeProbe, sample_engine};
    use super::*;

    #[test]
    fn a_socket_before_a_virtual_machine_is_not_this_machine() {
        let host = Host::new(FakeProbe::default().file("/proc/sys/kernel/osrelease", "6.12.1-amd64\n"));
        let mut engine = EngineInfo { kernel: "6.12.1-amd64".into(), ..sample_engine() };
        assert!(host.runs_docker(&engine));
        engine.kernel = "6.10.14-linuxkit".into();
        assert!(!host.runs_docker(&engine));
        engine = EngineInfo { address: "tcp://10.0.0.5:2376".into(), kernel: "6.12.1-amd64".into(), ..engine };
        assert!(!host.runs_docker(&engine));
    }

    #[test]
    fn nohup_is_seen() {
        let status = |mask| format!("Name:\tknarr\nSigIgn:\t{mask}\nSigCgt:\t0000000000000000\n");
        let host = |mask| Host::new(FakeProbe::default().file("/proc/self/status", status(mask)));
        assert!(host("0000000000001001").ignores_hangup());
        assert!(!host("0000000000001000").ignores_hangup());
        assert!(!Host::new(FakeProbe::default()).ignores_hangup());
    }
}
