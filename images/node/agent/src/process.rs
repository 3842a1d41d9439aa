//! The processes of components, and what is known about some components by their name.

use std::fmt::Debug;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use knarr_contract::Component;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::fault::{Context, Result};
use crate::reap;

/// Without these the node is lost, so the kernel is asked to end anything else first when memory runs out.
const VITAL: [&str; 4] = ["containerd", "etcd", "kube-apiserver", "kubelet"];
const VITAL_SCORE: &str = "-999";
const USUAL_SCORE: &str = "0";
/// The component with data of its own: it is asked to end after all its clients, and gets the most time for it.
const STORE: &str = "etcd";

/// Whether the component is the cluster's data store.
pub fn is_store(component: &Component) -> bool {
    component.name == STORE
}

/// Protects this process itself: with PID 1 the whole node would end.
pub fn protect_oneself() {
    // Asked for only where it is allowed; if it fails nevertheless, the node is as it was.
    let _ = std::fs::write("/proc/self/oom_score_adj", VITAL_SCORE);
}

/// What a supervisor does to processes; in tests none are needed.
pub trait Processes: Debug + Send + Sync {
    /// Starts the component in a session of its own; both its outputs go to `log`.
    fn start(&self, component: &Component, log: &File) -> Result<Pid>;
    /// Sends a signal to a process; it may just have ended, which is no failure.
    fn signal(&self, pid: Pid, signal: Signal);
    /// Ends a component's process and all others of its group at once.
    fn kill_group(&self, pid: Pid);
}

/// The children of PID 1.
#[derive(Debug)]
pub struct Children {
    /// Whether OOM scores may be lowered.
    pub protect: bool,
}

impl Processes for Children {
    fn start(&self, component: &Component, log: &File) -> Result<Pid> {
        let what = || format!("starting {}", component.name);
        let output = || log.try_clone().map(OwnedFd::from).map(Stdio::from).context(what);
        let mut command = Command::new("/proc/self/exe");
        command.arg("launch").args(["--nice", &component.nice.to_string()]);
        if self.protect {
            // Always told, because PID 1 would pass on its own.
            command.args(["--oom", if VITAL.contains(&component.name.as_str()) { VITAL_SCORE } else { USUAL_SCORE }]);
        }
        command.arg("--").args(&component.argv);
        command.env_clear().env("PATH", reap::search_path()).env("HOME", "/root").envs(&component.env);
        command.stdin(Stdio::null()).stdout(output()?).stderr(output()?);
        reap::spawn(&mut command).context(what)
    }

    fn signal(&self, pid: Pid, signal: Signal) {
        let _ = kill(pid, signal);
    }

    fn kill_group(&self, pid: Pid) {
        let _ = killpg(pid, Signal::SIGKILL);
    }
}
