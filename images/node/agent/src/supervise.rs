//! The event loop of PID 1: one thread decides, all others report to it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use knarr_contract::{NODE_FILE, NodeFile, Phase, Reloaded};
use nix::unistd::Pid;

use crate::fault::{Context, Fault, Result};
use crate::slot::{Shared, Slot};
use crate::slots::Slots;
use crate::status::Board;
use crate::{forwards, network, nodefile, say, stop};

/// What the other threads report.
#[derive(Debug)]
pub enum Event {
    /// The container is to be stopped.
    Stop,
    /// The node file is to be read again; whoever asked wants to hear how that went.
    Reload(Option<Sender<Result<String>>>),
    /// A child has ended.
    Ended {
        /// Which.
        pid: Pid,
        /// How, in words.
        how: String,
    },
    /// So many start gates of a component are open.
    Passed {
        /// The component's slot.
        slot: u64,
        /// Which wait this was.
        life: u64,
        /// How many.
        open: usize,
    },
    /// The ready gate of a component is open.
    Ready {
        /// The component's slot.
        slot: u64,
        /// Which start this was.
        life: u64,
    },
}

/// The node file as it was last carried out, and the components that run by it.
#[derive(Debug)]
pub struct Supervisor {
    board: Arc<Board>,
    node: NodeFile,
    slots: Slots,
    inbox: Receiver<Event>,
    stopping: bool,
}

impl Supervisor {
    /// A supervisor that has started nothing yet.
    pub fn new(board: Arc<Board>, node: NodeFile, inbox: Receiver<Event>, shared: Shared) -> Result<Self> {
        let mut slots = Slots::new(shared);
        slots.follow(&node.components)?;
        Ok(Self { board, node, slots, inbox, stopping: false })
    }

    /// Supervises until the container is to be stopped, stops everything, and completes the logs.
    pub fn run(mut self) {
        while !self.stopping {
            let due = self.slots.advance(Instant::now());
            self.publish(Phase::Running);
            self.wait(due);
        }
        say::note("stopping");
        self.slots.stop_starting();
        self.publish(Phase::Stopping);
        stop::run(&mut self);
        self.slots.close(Duration::from_millis(200));
        say::note("stopped");
    }

    /// All components, in the order of the node file.
    pub fn slots(&self) -> impl DoubleEndedIterator<Item = &Slot> {
        self.slots.iter()
    }

    /// Handles the next event, and all that came with it; returns without one at `until`.
    pub fn wait(&mut self, until: Option<Instant>) {
        let event = match until {
            Some(until) => self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => self.inbox.recv().map_err(RecvTimeoutError::from),
        };
        let mut next = event.ok();
        while let Some(event) = next {
            self.handle(event);
            next = self.inbox.try_recv().ok();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Stop => self.stopping = true,
            Event::Ended { pid, how } => self.slots.ended(pid, &how, self.stopping),
            Event::Passed { .. } | Event::Ready { .. } if self.stopping => {}
            Event::Passed { slot, life, open } => {
                if let Some(slot) = self.slots.find(slot) {
                    slot.passed(life, open);
                }
            }
            Event::Ready { slot, life } => {
                if let Some(slot) = self.slots.find(slot) {
                    slot.ready(life);
                }
            }
            Event::Reload(asker) => {
                let outcome = self.reload();
                match (outcome, asker) {
                    // The asker may have gone meanwhile.
                    (outcome, Some(asker)) => drop(asker.send(outcome)),
                    (Ok(answer), None) => say::note(&format!("the node file was read again: {answer}")),
                    (Err(fault), None) => say::note(&fault.to_string()),
                }
            }
        }
    }

    /// Makes the node what its file says now; the answer in JSON tells what happens to the components.
    fn reload(&mut self) -> Result<String> {
        if self.stopping {
            return Err(Fault::new("the node is stopping"));
        }
        let reloaded = self.follow(nodefile::read(NODE_FILE)?)?;
        // Before the answer, so that nobody who has it can still read that a changed component is ready.
        self.publish(Phase::Running);
        serde_json::to_string(&reloaded).context(|| "rendering the answer")
    }

    /// Carries out a newer node file as far as that needs no waiting. What fails can be repeated.
    fn follow(&mut self, new: NodeFile) -> Result<Reloaded> {
        nodefile::succeeds(&self.node, &new)?;
        if let Some(member) = &new.member {
            network::apply(&member.network, self.node.member.as_ref().map(|before| &before.network))?;
        }
        forwards::apply(&new.forwards, &self.node.forwards, &self.board)?;
        let reloaded = self.slots.follow(&new.components)?;
        self.node = new;
        Ok(reloaded)
    }

    /// Shows everybody how things are.
    pub fn publish(&self, phase: Phase) {
        self.board.update(|status| {
            status.phase = phase;
            status.components = self.slots.status();
        });
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
