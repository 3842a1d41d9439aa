//! The event loop of PID 1: one thread decides, all others report to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use knarr_contract::{LOG_DIR, NODE_FILE, NodeFile, Phase};
use nix::unistd::Pid;

use crate::fault::{Context, Fault, Result};
use crate::logs::Log;
use crate::network;
use crate::nodefile;
use crate::say;
use crate::slot::{Shared, Slot};
use crate::status::Board;
use crate::stop;

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
        /// The component's place.
        slot: usize,
        /// Which wait this was.
        life: u64,
        /// How many.
        open: usize,
    },
    /// The ready gate of a component is open.
    Ready {
        /// The component's place.
        slot: usize,
        /// Which start this was.
        life: u64,
    },
}

/// All components of the node.
pub struct Supervisor {
    board: Arc<Board>,
    node: NodeFile,
    /// In the order of the node file.
    pub slots: Vec<Slot>,
    inbox: Receiver<Event>,
    stopping: bool,
}

impl Supervisor {
    /// A supervisor that has started nothing yet.
    pub fn new(board: Arc<Board>, node: NodeFile, inbox: Receiver<Event>, shared: &Shared) -> Result<Self> {
        let mut slots = Vec::with_capacity(node.components.len());
        for (index, component) in node.components.iter().enumerate() {
            let log = Log::open(Path::new(LOG_DIR), &component.name).context(|| &component.name)?;
            slots.push(Slot::new(component.clone(), index, shared.clone(), log));
        }
        Ok(Self { board, node, slots, inbox, stopping: false })
    }

    /// Supervises until the container is to be stopped, stops everything, and completes the logs.
    pub fn run(mut self) {
        for slot in &mut self.slots {
            slot.begin();
        }
        self.publish(Phase::Running);
        while !self.stopping {
            let due = self.tick();
            self.publish(Phase::Running);
            self.wait(due);
        }
        say::note("stopping");
        for slot in self.slots.iter_mut().filter(|slot| slot.pid().is_none()) {
            slot.stop();
        }
        self.publish(Phase::Stopping);
        stop::run(&mut self);
        for slot in self.slots {
            slot.close(Duration::from_millis(200));
        }
        say::note("stopped");
    }

    /// Does what has become due; returns when something will be due next.
    fn tick(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.slots.iter_mut().filter_map(|slot| slot.tick(now)).min()
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
            Event::Ended { pid, how } => {
                let stopping = self.stopping;
                // Nobody's process was an orphan that PID 1 had inherited.
                let _known = self.slots.iter_mut().any(|slot| slot.ended(pid, &how, stopping));
            }
            Event::Passed { slot, life, open } if !self.stopping => self.slots[slot].passed(life, open),
            Event::Ready { slot, life } if !self.stopping => self.slots[slot].ready(life),
            Event::Passed { .. } | Event::Ready { .. } => {}
            Event::Reload(asker) => {
                let outcome = self.reload();
                match (&outcome, asker) {
                    (outcome, Some(asker)) => drop(asker.send(outcome.clone())),
                    (Ok(answer), None) => say::note(answer),
                    (Err(fault), None) => say::note(&fault.to_string()),
                }
            }
        }
    }

    /// Applies the peers and routes of a changed node file. Components keep running as they are until the next start.
    fn reload(&mut self) -> Result<String> {
        let new = nodefile::read(NODE_FILE)?;
        let (Some(member), Some(before)) = (new.member, &self.node.member) else {
            return Err(Fault::new("a helper has no routes"));
        };
        network::apply(&member.network, Some(&before.network))?;
        let later = if new.components == self.node.components { "" } else { "; changed components wait for a restart" };
        let answer = format!("routes to {} other nodes are set{later}", member.network.peers.len());
        self.node.member = Some(member);
        Ok(answer)
    }

    /// Shows everybody how things are.
    pub fn publish(&self, phase: Phase) {
        self.board.update(|status| {
            status.phase = phase;
            status.components = self.slots.iter().map(Slot::status).collect();
        });
    }
}
