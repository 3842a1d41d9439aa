//! Stopping the node: everything within five seconds, clients before servers, the data store last.
//!
//! 1. The components are asked to end, the last first, all but the data store; after a second they are ended.
//! 2. Everything that is left (pods, shims, the data store) is asked; after another second all but the store is ended.
//! 3. The store has the rest of the time to bring its data to the disk.

use std::fs;
use std::time::{Duration, Instant};

use knarr_contract::Phase;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::slot::Slot;
use crate::supervise::Supervisor;

const ASKED: Duration = Duration::from_secs(1);
const PODS_ASKED: Duration = Duration::from_secs(2);
const STORE_ASKED: Duration = Duration::from_millis(4300);
const KILLED: Duration = Duration::from_millis(300);
const EVERYBODY: Pid = Pid::from_raw(-1);
/// How long at most between two looks at who is left.
const LOOK: Duration = Duration::from_millis(20);

/// Ends every other process of the container.
pub fn run(supervisor: &mut Supervisor) {
    let begun = Instant::now();
    for slot in supervisor.slots().rev().filter(|slot| !slot.is_store()) {
        slot.signal(Signal::SIGTERM);
    }
    let clients = |supervisor: &Supervisor| supervisor.slots().any(|slot| !slot.is_store() && slot.pid().is_some());
    if !until(supervisor, begun + ASKED, clients) {
        for slot in supervisor.slots().filter(|slot| !slot.is_store()) {
            slot.signal(Signal::SIGKILL);
        }
        until(supervisor, begun + ASKED + KILLED, clients);
    }

    let _ = kill(EVERYBODY, Signal::SIGTERM);
    if !until(supervisor, begun + PODS_ASKED, |_| others_live()) {
        let store: Vec<Pid> = supervisor.slots().filter(|slot| slot.is_store()).filter_map(Slot::pid).collect();
        for pid in processes().into_iter().filter(|pid| !store.contains(pid)) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }

    if !until(supervisor, begun + STORE_ASKED, |_| others_live()) {
        let _ = kill(EVERYBODY, Signal::SIGKILL);
        until(supervisor, begun + STORE_ASKED + KILLED, |_| others_live());
    }
    supervisor.publish(Phase::Stopping);
}

/// Handles events as long as `busy`; false means that the time was over first.
fn until(supervisor: &mut Supervisor, deadline: Instant, busy: impl Fn(&Supervisor) -> bool) -> bool {
    while busy(supervisor) {
        let now = Instant::now();
        if now >= deadline {
            return false;
        }
        // The end of a process that is nobody's child here comes without an event.
        supervisor.wait(Some(deadline.min(now + LOOK)));
        supervisor.publish(Phase::Stopping);
    }
    true
}

/// Whether any process besides PID 1 is left, not counting nothing but its own threads.
fn others_live() -> bool {
    kill(EVERYBODY, None) != Err(Errno::ESRCH)
}

/// All processes but PID 1.
fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.filter(|id| *id > 1).map(Pid::from_raw).collect()
}
