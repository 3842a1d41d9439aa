//! All components of the node file, and the change from one node file to the next: what is not wanted any more ends, the
//! last first and one after the other; only then what is new or changed starts, the first first.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use knarr_contract::{Component, ComponentStatus, Reloaded};
use nix::unistd::Pid;

use crate::fault::Result;
use crate::slot::{Change, Shared, Slot};

/// The components in the order of the newest node file; behind them those that it does not name and that still end.
#[derive(Debug)]
pub struct Slots {
    all: Vec<Slot>,
    shared: Shared,
    next_id: u64,
}

impl Slots {
    /// No components yet.
    pub const fn new(shared: Shared) -> Self {
        Self { all: Vec::new(), shared, next_id: 0 }
    }

    /// Takes over the components of a node file, also in the middle of an earlier change. Their status is true at once;
    /// processes end and start in [`Slots::advance`]. On failure nothing has changed.
    pub fn follow(&mut self, components: &[Component]) -> Result<Reloaded> {
        let mut fresh = Vec::new();
        for (place, component) in components.iter().enumerate() {
            if !self.all.iter().any(|slot| slot.name() == component.name) {
                fresh.push(Slot::new(self.next_id, component.clone(), place, self.shared.clone())?);
                self.next_id += 1;
            }
        }
        let mut reloaded = Reloaded::default();
        let mut old = std::mem::take(&mut self.all);
        let mut fresh = fresh.into_iter();
        for component in components {
            let known = old.iter().position(|slot| slot.name() == component.name).map(|at| old.remove(at));
            let (slot, change) = match known {
                Some(mut slot) => {
                    let change = slot.follow(component);
                    (Some(slot), change)
                }
                None => (fresh.next(), Change::Started),
            };
            self.all.extend(slot);
            let list = match change {
                Change::None => continue,
                Change::Started => &mut reloaded.started,
                Change::Restarted => &mut reloaded.restarted,
                Change::Signalled => &mut reloaded.signalled,
            };
            list.push(component.name.clone());
        }
        old.sort_by_key(|slot| Reverse(slot.place()));
        let leaving = old.iter_mut().filter_map(|slot| slot.leave().then(|| slot.name().to_owned()));
        reloaded.stopped = leaving.collect();
        self.all.append(&mut old);
        Ok(reloaded)
    }

    /// Goes on with the change of the node file and does all else that has become due; returns when to come back.
    pub fn advance(&mut self, now: Instant) -> Option<Instant> {
        let last = self.all.iter_mut().filter(|slot| slot.is_ending()).max_by_key(|slot| slot.place());
        if let Some(slot) = last {
            slot.ask_to_end(now);
        } else {
            // A log is left to its own thread: what the process has left behind may still write to it.
            self.all.retain(|slot| !slot.is_leaving());
            for (place, slot) in self.all.iter_mut().enumerate() {
                slot.settle(place);
            }
        }
        self.all.iter_mut().filter_map(|slot| slot.tick(now)).min()
    }

    /// A child of PID 1 has ended; it may be nobody's process here, but an orphan that PID 1 had inherited.
    pub fn ended(&mut self, pid: Pid, how: &str, stopping: bool) {
        let _known = self.all.iter_mut().any(|slot| slot.ended(pid, how, stopping));
    }

    /// The slot with this number, if it was not forgotten meanwhile.
    pub fn find(&mut self, id: u64) -> Option<&mut Slot> {
        self.all.iter_mut().find(|slot| slot.id() == id)
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.all.iter()
    }

    /// No further start of any; living processes are left to [`Slot::signal`].
    pub fn stop_starting(&mut self) {
        for slot in self.all.iter_mut().filter(|slot| slot.pid().is_none()) {
            slot.stop();
        }
    }

    /// How they are.
    pub fn status(&self) -> Vec<ComponentStatus> {
        self.all.iter().map(Slot::status).collect()
    }

    /// Completes the logs.
    pub fn close(self, patience: Duration) {
        for slot in self.all {
            slot.close(patience);
        }
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
pub mod tests;
