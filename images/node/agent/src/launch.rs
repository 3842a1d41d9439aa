//! The moment between the agent and a component: a process of its own that sets itself up and then becomes the component.
//!
//! Doing this in a fresh process instead of between fork and exec keeps it ordinary, safe code.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use crate::cli::Launch;
use crate::fault::{Context, Fault, Result};
use crate::{say, view};

/// Becomes the component; returns only when that fails.
pub fn run(launch: &Launch) -> Result<()> {
    setsid().context(|| "starting a session")?;
    std::env::set_current_dir("/").context(|| "changing to /")?;
    // PID 1 blocks signals for itself, and a blocked signal stays blocked in what it starts.
    SigSet::empty().thread_set_mask().context(|| "unblocking signals")?;
    if launch.nice != 0 {
        if let Err(fault) = renice(launch.nice) {
            say::note(&fault.to_string());
        }
    }
    if let Some(score) = launch.oom {
        if let Err(error) = fs::write("/proc/self/oom_score_adj", score.to_string()) {
            say::note(&format!("the OOM score {score} cannot be set: {error}"));
        }
    }
    if launch.view {
        view::enter()?;
    }
    let error = Command::new(&launch.argv[0]).args(&launch.argv[1..]).exec();
    Err(Fault::new(format!("{} cannot be started: {error}", launch.argv[0])))
}

fn renice(nice: i32) -> Result<()> {
    // SAFETY: the call takes three numbers and touches no memory; 0 means the calling process.
    let outcome = unsafe { nix::libc::setpriority(nix::libc::PRIO_PROCESS, 0, nice) };
    nix::errno::Errno::result(outcome).map(drop).context(|| format!("the priority {nice} cannot be set"))
}
