//! One supervised component: at rest, waiting for its gates, running, backing off, ending because of a reload.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use knarr_contract::{Component, ComponentState, ComponentStatus, Gate};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

use crate::fault::{Context, Result};
use crate::gate::{self, Cancel};
use crate::history::History;
use crate::logs::Log;
use crate::process::{self, Processes};
use crate::say;
use crate::supervise::Event;

/// How long a process that a reload ends may take after SIGTERM.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What all slots share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where gates report.
    pub events: Sender<Event>,
    /// When the agent started.
    pub origin: Instant,
    /// The folder of the components' log files.
    pub logs: PathBuf,
    /// Starts and signals processes.
    pub processes: Arc<dyn Processes>,
}

/// A component and what it is doing.
#[derive(Debug)]
pub struct Slot {
    /// Tells this slot from all others, also from an earlier one of the same name; gates report with it.
    id: u64,
    /// What runs here, or will as soon as the process of an older node file has ended.
    component: Component,
    shared: Shared,
    log: Log,
    state: State,
    /// Whether the newest node file does not name it any more.
    leaving: bool,
    /// Its place in the node file that was last carried out completely.
    place: usize,
    /// Counts the waits and starts, so that a late report of an earlier one is recognised.
    life: u64,
    cancel: Cancel,
    history: History,
}

#[derive(Debug)]
enum State {
    /// Nothing runs and nothing is awaited.
    Stopped,
    Waiting {
        open: usize,
    },
    Running {
        pid: Pid,
        since: Instant,
        ready: bool,
    },
    BackOff {
        until: Instant,
        pause: Duration,
    },
    /// The process is not wanted any more.
    Ending {
        pid: Pid,
        /// When it is ended by force; none as long as it was not even asked.
        kill: Option<Instant>,
    },
}

/// What a node file that names a component already known has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing that the component would notice.
    None,
    /// It was on its way out and is wanted again.
    Started,
    /// It ends, to be started anew.
    Restarted,
    /// Its process was told to read its files again.
    Signalled,
}

impl Slot {
    /// A new component at `place` of the node file; nothing happens before [`Slot::settle`].
    pub fn new(id: u64, component: Component, place: usize, shared: Shared) -> Result<Self> {
        let log = Log::open(&shared.logs, &component.name).context(|| &component.name)?;
        Ok(Self {
            id,
            component,
            shared,
            log,
            state: State::Stopped,
            leaving: false,
            place,
            life: 0,
            cancel: Cancel::default(),
            history: History::new(),
        })
    }

    /// Its number, never given twice.
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The component's name, which never changes.
    pub fn name(&self) -> &str {
        &self.component.name
    }

    /// Its place in the node file that was last carried out completely.
    pub const fn place(&self) -> usize {
        self.place
    }

    /// Whether the newest node file does not name it any more.
    pub const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether its process is not wanted any more and still lives.
    pub const fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. })
    }

    /// Takes over what a newer node file says about the component.
    pub fn follow(&mut self, new: &Component) -> Change {
        if self.component == *new && !self.leaving {
            return Change::None;
        }
        let files_only = Component { revision: new.revision.clone(), ..self.component.clone() } == *new;
        let signal = reload_signal(new).filter(|_| files_only && !self.leaving);
        self.component = new.clone();
        if let Some(signal) = signal {
            // Without a process the next one reads the files anyway.
            let State::Running { pid, .. } = self.state else { return Change::None };
            self.note(&format!("reads its files again ({signal})"));
            self.shared.processes.signal(pid, signal);
            return Change::Signalled;
        }
        let change = if self.leaving { Change::Started } else { Change::Restarted };
        self.leaving = false;
        self.give_up();
        change
    }

    /// The newest node file does not name the component; tells whether that is news.
    pub fn leave(&mut self) -> bool {
        let news = !self.leaving;
        self.leaving = true;
        self.give_up();
        news
    }

    /// What was is over: a living process is to end, and nothing of it is remembered.
    fn give_up(&mut self) {
        self.new_life();
        self.history = History::new();
        self.state = match self.state {
            State::Running { pid, .. } => State::Ending { pid, kill: None },
            State::Ending { pid, kill } => State::Ending { pid, kill },
            State::Stopped | State::Waiting { .. } | State::BackOff { .. } => State::Stopped,
        };
    }

    /// Asks the process that is not wanted any more to end, once.
    pub fn ask_to_end(&mut self, now: Instant) {
        if let State::Ending { pid, kill: kill @ None } = &mut self.state {
            *kill = Some(now + PATIENCE);
            self.shared.processes.signal(*pid, Signal::SIGTERM);
            self.note("is asked to end: the node file has changed");
        }
    }

    /// Everything that had to end has ended: takes its new place, and starts if it is at rest.
    pub fn settle(&mut self, place: usize) {
        self.place = place;
        if matches!(self.state, State::Stopped) {
            self.begin();
        }
    }

    /// Starts the component as soon as its gates are open.
    fn begin(&mut self) {
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
    fn watch(&self, gates: Vec<Gate>, event: fn(u64, u64, usize) -> Event) -> Result<()> {
        let (id, life, cancel, events) = (self.id, self.life, self.cancel.clone(), self.shared.events.clone());
        let watcher = move || {
            for (done, gate) in gates.iter().enumerate() {
                if !gate::wait(gate, &cancel) || events.send(event(id, life, done + 1)).is_err() {
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
                self.history.ready_ms = Some(self.shared.now());
            }
        }
    }

    fn start(&mut self) {
        self.new_life();
        match self.shared.processes.start(&self.component, self.log.end()) {
            Ok(pid) => {
                self.history.started(self.shared.now());
                let gate = self.component.ready_when.clone();
                self.state = State::Running { pid, since: Instant::now(), ready: gate.is_none() };
                self.note(&format!("started as process {pid}"));
                if let Some(gate) = gate {
                    // It runs all the same, only nobody will say that it is ready.
                    if let Err(fault) = self.watch(vec![gate], |slot, life, _| Event::Ready { slot, life }) {
                        self.note(&fault.to_string());
                    }
                } else {
                    self.history.ready_ms = self.history.started_ms;
                }
            }
            Err(fault) => self.fail(&fault.to_string()),
        }
    }

    /// The component could not even be started; for whoever watches that is the same as an exit.
    fn fail(&mut self, why: &str) {
        self.hold_back(Duration::ZERO, why);
    }

    /// The process `pid` has ended; tells whether it was this component's. With `stopping` it is not started again.
    pub fn ended(&mut self, pid: Pid, how: &str, stopping: bool) -> bool {
        if self.pid() != Some(pid) {
            return false;
        }
        match self.state {
            State::Running { since, .. } if !stopping => self.hold_back(since.elapsed(), how),
            _ => {
                if stopping {
                    self.history.last_exit = Some(how.to_owned());
                }
                self.note(&format!("ended: {how}"));
                self.stop();
            }
        }
        true
    }

    fn hold_back(&mut self, lived: Duration, how: &str) {
        self.new_life();
        let pause = self.history.exited(lived, how);
        self.state = State::BackOff { until: Instant::now() + pause, pause };
        self.note(&format!("ended: {how}; next start in {} s", pause.as_secs_f32()));
    }

    fn note(&mut self, text: &str) {
        self.log.note(&format!("{} {text}", self.component.name));
        say::note(&format!("{} {text}", self.component.name));
    }

    /// Does what has become due, and says when to come back.
    pub fn tick(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.state {
            State::BackOff { until, .. } if *until <= now => self.begin(),
            State::Ending { pid, kill: Some(due) } if *due <= now => {
                *due = now + PATIENCE;
                self.shared.processes.kill_group(*pid);
                self.note("is ended by force");
            }
            _ => {}
        }
        let due = match self.state {
            State::BackOff { until, .. } => Some(until),
            State::Ending { kill, .. } => kill,
            State::Stopped | State::Waiting { .. } | State::Running { .. } => None,
        };
        due.into_iter().chain(self.history.forget(now)).min()
    }

    /// Whether this is the data store.
    pub fn is_store(&self) -> bool {
        process::is_store(&self.component)
    }

    /// Its process, as long as it lives.
    pub const fn pid(&self) -> Option<Pid> {
        match self.state {
            State::Running { pid, .. } | State::Ending { pid, .. } => Some(pid),
            State::Stopped | State::Waiting { .. } | State::BackOff { .. } => None,
        }
    }

    /// No further start. A living process is left to [`Slot::signal`].
    pub fn stop(&mut self) {
        self.new_life();
        self.state = State::Stopped;
    }

    /// Asks the process to end, or with SIGKILL ends it and its whole group.
    pub fn signal(&self, signal: Signal) {
        match self.pid() {
            Some(pid) if signal == Signal::SIGKILL => self.shared.processes.kill_group(pid),
            Some(pid) => self.shared.processes.signal(pid, signal),
            None => {}
        }
    }

    /// Completes the log.
    pub fn close(self, patience: Duration) {
        self.log.close(patience);
    }

    /// The status as it is now.
    pub fn status(&self) -> ComponentStatus {
        let component = &self.component;
        let (state, ready, waiting_for) = match &self.state {
            State::Waiting { open } => {
                (ComponentState::Waiting, false, component.start_when.get(*open).map(gate::in_words))
            }
            State::Running { ready, .. } => {
                let gate = component.ready_when.as_ref().filter(|_| !ready);
                (ComponentState::Running, *ready, gate.map(gate::in_words))
            }
            State::BackOff { pause, .. } => {
                let next = format!("the next start, {} s after the exit", pause.as_secs_f32());
                (ComponentState::BackOff, false, Some(next))
            }
            State::Ending { .. } => (ComponentState::Running, false, Some("the end of its process".to_owned())),
            State::Stopped => (ComponentState::Stopped, false, None),
        };
        ComponentStatus {
            name: component.name.clone(),
            state,
            ready,
            pid: self.pid().map(|pid| pid.as_raw().unsigned_abs()),
            restarts: self.history.restarts(),
            recent_exits: self.history.recent_exits(),
            started_ms: self.history.started_ms,
            ready_ms: self.history.ready_ms,
            last_exit: self.history.last_exit.clone(),
            waiting_for,
        }
    }
}

/// The signal as the kernel knows it; node files with an unknown one are refused when they are read.
fn reload_signal(component: &Component) -> Option<Signal> {
    component.reload_signal.as_deref()?.parse().ok()
}

impl Shared {
    /// Milliseconds since the agent's start.
    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
