//! One supervised component: waiting for its gates, running, backing off, stopped.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use knarr_contract::{Component, ComponentState, ComponentStatus, Gate};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::backoff::Backoff;
use crate::fault::{Context, Result};
use crate::gate::{self, Cancel};
use crate::logs::Log;
use crate::process;
use crate::say;
use crate::supervise::Event;

/// Exits within this time count as recent.
const RECENT: Duration = Duration::from_secs(60);

/// What all slots share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where gates report.
    pub events: Sender<Event>,
    /// When the agent started.
    pub origin: Instant,
    /// Whether OOM scores may be lowered.
    pub protect: bool,
}

/// A component and what it is doing.
#[derive(Debug)]
pub struct Slot {
    component: Component,
    index: usize,
    shared: Shared,
    log: Log,
    state: State,
    /// Counts the waits and starts, so that a late report of an earlier one is recognised.
    life: u64,
    cancel: Cancel,
    backoff: Backoff,
    starts: u32,
    exits: VecDeque<Instant>,
    started_ms: Option<u64>,
    ready_ms: Option<u64>,
    last_exit: Option<String>,
}

#[derive(Debug)]
enum State {
    Waiting { open: usize },
    Running { pid: Pid, since: Instant, ready: bool },
    BackOff { until: Instant, pause: Duration },
    Stopped,
}

impl Slot {
    /// The component at place `index` of the node file; nothing happens before [`Slot::begin`].
    pub fn new(component: Component, index: usize, shared: Shared, log: Log) -> Self {
        Self {
            component,
            index,
            shared,
            log,
            state: State::Waiting { open: 0 },
            life: 0,
            cancel: Cancel::default(),
            backoff: Backoff::new(),
            starts: 0,
            exits: VecDeque::new(),
            started_ms: None,
            ready_ms: None,
            last_exit: None,
        }
    }

    /// Starts the component as soon as its gates are open.
    pub fn begin(&mut self) {
        self.new_life();
        self.state = State::Waiting { open: 0 };
        if self.component.start_when.is_empty() {
            self.start();
        } else {
            let gates = self.component.start_when.clone();
            if let Err(fault) = self.watch(gates, |slot, life, open| Event::Passed { slot, life, open }) {
                self.fail(&fault.to_string());
            }
        }
    }

    fn new_life(&mut self) {
        self.cancel.store(true, Ordering::Relaxed);
        self.cancel = Cancel::default();
        self.life += 1;
    }

    /// Watches `gates` one after the other and reports how many are open.
    fn watch(&self, gates: Vec<Gate>, event: fn(usize, u64, usize) -> Event) -> Result<()> {
        let (index, life, cancel, events) = (self.index, self.life, self.cancel.clone(), self.shared.events.clone());
        let watcher = move || {
            for (done, gate) in gates.iter().enumerate() {
                if !gate::wait(gate, &cancel) || events.send(event(index, life, done + 1)).is_err() {
                    return;
                }
            }
        };
        let name = format!("gate-{}", self.component.name);
        thread::Builder::new().name(name).spawn(watcher).map(drop).context(|| "its gates cannot be watched")
    }

    /// A start gate has opened.
    pub fn passed(&mut self, life: u64, open: usize) {
        if life == self.life && matches!(self.state, State::Waiting { .. }) {
            self.state = State::Waiting { open };
            if open == self.component.start_when.len() {
                self.start();
            }
        }
    }

    /// The ready gate has opened.
    pub fn ready(&mut self, life: u64) {
        if let State::Running { ready, .. } = &mut self.state {
            if life == self.life {
                *ready = true;
                self.ready_ms = Some(self.shared.now());
            }
        }
    }

    fn start(&mut self) {
        self.new_life();
        match process::start(&self.component, self.log.end(), self.shared.protect) {
            Ok(pid) => {
                self.starts += 1;
                self.started_ms = Some(self.shared.now());
                let gate = self.component.ready_when.clone();
                self.state = State::Running { pid, since: Instant::now(), ready: gate.is_none() };
                self.note(&format!("started as process {pid}"));
                if let Some(gate) = gate {
                    // It runs all the same, only nobody will say that it is ready.
                    if let Err(fault) = self.watch(vec![gate], |slot, life, _| Event::Ready { slot, life }) {
                        self.note(&fault.to_string());
                    }
                } else {
                    self.ready_ms = self.started_ms;
                }
            }
            Err(fault) => self.fail(&fault.to_string()),
        }
    }

    /// The component could not even be started.
    fn fail(&mut self, why: &str) {
        self.last_exit = Some(why.to_owned());
        // For whoever watches it is the same as an exit: the component does not come up.
        self.exits.push_back(Instant::now());
        self.hold_back(Duration::ZERO, why);
    }

    /// The process `pid` has ended; tells whether it was this component's.
    pub fn ended(&mut self, pid: Pid, how: &str, stopping: bool) -> bool {
        let State::Running { pid: own, since, .. } = self.state else { return false };
        if own != pid {
            return false;
        }
        self.last_exit = Some(how.to_owned());
        if stopping {
            self.note(&format!("ended: {how}"));
            self.stop();
        } else {
            self.exits.push_back(Instant::now());
            self.hold_back(since.elapsed(), how);
        }
        true
    }

    fn hold_back(&mut self, lived: Duration, how: &str) {
        self.new_life();
        let pause = self.backoff.after(lived);
        self.state = State::BackOff { until: Instant::now() + pause, pause };
        self.note(&format!("ended: {how}; next start in {} s", pause.as_secs_f32()));
    }

    fn note(&mut self, text: &str) {
        self.log.note(&format!("{} {text}", self.component.name));
        say::note(&format!("{} {text}", self.component.name));
    }

    /// Does what has become due, and says when to come back.
    pub fn tick(&mut self, now: Instant) -> Option<Instant> {
        while self.exits.front().is_some_and(|at| now.duration_since(*at) >= RECENT) {
            self.exits.pop_front();
        }
        if matches!(self.state, State::BackOff { until, .. } if until <= now) {
            self.begin();
        }
        let restart = if let State::BackOff { until, .. } = self.state { Some(until) } else { None };
        let forget = self.exits.front().map(|at| *at + RECENT);
        restart.into_iter().chain(forget).min()
    }

    /// Whether this is the data store.
    pub fn is_store(&self) -> bool {
        process::is_store(&self.component)
    }

    /// Whether its process still lives.
    pub const fn pid(&self) -> Option<Pid> {
        if let State::Running { pid, .. } = self.state { Some(pid) } else { None }
    }

    /// No further start. A living process is left to [`Slot::signal`].
    pub fn stop(&mut self) {
        self.new_life();
        self.state = State::Stopped;
    }

    /// Asks the process to end, or with SIGKILL ends it and its whole group.
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may just have ended, which is as good.
            let _ = if signal == Signal::SIGKILL { killpg(pid, signal) } else { kill(pid, signal) };
        }
    }

    /// Completes the log.
    pub fn close(self, patience: Duration) {
        self.log.close(patience);
    }

    /// The status as it is now.
    pub fn status(&self) -> ComponentStatus {
        let (state, ready, waiting_for) = match &self.state {
            State::Waiting { open } => {
                (ComponentState::Waiting, false, self.component.start_when.get(*open).map(gate::in_words))
            }
            State::Running { ready, .. } => (
                ComponentState::Running,
                *ready,
                self.component.ready_when.as_ref().filter(|_| !ready).map(gate::in_words),
            ),
            State::BackOff { pause, .. } => (
                ComponentState::BackOff,
                false,
                Some(format!("the next start, {} s after the exit", pause.as_secs_f32())),
            ),
            State::Stopped => (ComponentState::Stopped, false, None),
        };
        ComponentStatus {
            name: self.component.name.clone(),
            state,
            ready,
            pid: self.pid().map(|pid| pid.as_raw().unsigned_abs()),
            restarts: self.starts.saturating_sub(1),
            recent_exits: u32::try_from(self.exits.len()).unwrap_or(u32::MAX),
            started_ms: self.started_ms,
            ready_ms: self.ready_ms,
            last_exit: self.last_exit.clone(),
            waiting_for,
        }
    }
}

impl Shared {
    /// Milliseconds since the agent's start.
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
