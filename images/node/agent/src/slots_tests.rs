//! Changes from one node file to the next, with processes that only the test knows.

use std::fs::File;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use knarr_contract::{ComponentState, Gate};
use nix::sys::signal::Signal;

use super::*;
use crate::process::Processes;
use crate::scratch::Scratch;
use crate::slot::PATIENCE;
use crate::supervise::Event;

/// Writes down what would be done to processes.
#[derive(Debug, Default)]
pub struct Script {
    done: Mutex<Vec<String>>,
    names: Mutex<Vec<String>>,
}

impl Script {
    fn note(&self, what: String) {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// What has been done since the last call.
    pub fn done(&self) -> Vec<String> {
        std::mem::take(&mut self.done.lock().expect("not poisoned"))
    }

    fn name(&self, pid: Pid) -> String {
        self.names.lock().expect("not poisoned")[usize::try_from(pid.as_raw()).expect("ours") - 100].clone()
    }
}

impl Processes for Script {
    fn start(&self, component: &Component, _log: &File) -> Result<Pid> {
        let mut names = self.names.lock().expect("not poisoned");
        names.push(component.name.clone());
        self.note(format!("start {}", component.argv.join(" ")));
        Ok(Pid::from_raw(99 + i32::try_from(names.len()).expect("few")))
    }

    fn signal(&self, pid: Pid, signal: Signal) {
        self.note(format!("{signal} {}", self.name(pid)));
    }

    fn kill_group(&self, pid: Pid) {
        self.note(format!("kill {}", self.name(pid)));
    }
}

/// Components of a container that exists in this test only.
pub struct Stage {
    pub slots: Slots,
    pub script: Arc<Script>,
    inbox: Receiver<Event>,
    _logs: Scratch,
    now: Instant,
}

impl Stage {
    pub fn new() -> Self {
        let (logs, script, (events, inbox)) = (Scratch::new(), Arc::new(Script::default()), channel());
        let now = Instant::now();
        let shared = Shared { events, origin: now, logs: logs.path(""), processes: script.clone() };
        Self { slots: Slots::new(shared), script, inbox, _logs: logs, now }
    }

    /// The components of a file that was carried out, with nothing noted.
    fn of(components: &[Component]) -> Self {
        let mut stage = Self::new();
        stage.follow(components);
        stage.advance();
        stage.script.done();
        stage
    }

    fn follow(&mut self, components: &[Component]) -> Reloaded {
        self.slots.follow(components).expect("logs can be opened")
    }

    /// Advances and tells what was done.
    fn advance(&mut self) -> Vec<String> {
        self.slots.advance(self.now);
        self.script.done()
    }

    fn status(&self, name: &str) -> ComponentStatus {
        self.slots.status().into_iter().find(|status| status.name == name).expect("is shown")
    }

    fn shown(&self) -> Vec<String> {
        self.slots.status().into_iter().map(|status| status.name).collect()
    }

    /// Lets the process of a component end, and tells what is done then.
    fn end(&mut self, name: &str) -> Vec<String> {
        let pid = self.status(name).pid.expect("lives");
        self.slots.ended(Pid::from_raw(i32::try_from(pid).expect("ours")), "exit status 0", false);
        self.advance()
    }
}

/// A component whose command line is its name and `version`.
pub fn component(name: &str, version: &str) -> Component {
    Component {
        name: name.into(),
        argv: vec![format!("/{name}"), version.into()],
        env: std::collections::BTreeMap::new(),
        start_when: vec![],
        ready_when: None,
        nice: 0,
        revision: String::new(),
        reload_signal: None,
    }
}

fn reader(revision: &str) -> Component {
    Component { revision: revision.into(), reload_signal: Some("SIGUSR2".into()), ..component("haproxy", "1") }
}

fn never() -> Gate {
    Gate::UnixSocket { path: "/nonexistent/knarr.sock".into() }
}

#[test]
fn the_first_file_starts_everything_in_order() {
    let mut stage = Stage::new();
    let reloaded = stage.follow(&[component("etcd", "1"), component("api", "1")]);
    assert_eq!(reloaded.started, ["etcd", "api"]);
    assert_eq!(stage.advance(), ["start /etcd 1", "start /api 1"]);
    assert!(stage.status("etcd").ready);
}

#[test]
fn what_has_not_changed_is_left_alone() {
    let file = [component("etcd", "1"), component("api", "1")];
    let mut stage = Stage::of(&file);
    assert_eq!(stage.follow(&file), Reloaded::default());
    assert_eq!(stage.advance(), [""; 0]);
    assert!(stage.status("api").ready);
}

#[test]
fn changed_ones_end_in_reverse_and_start_in_order() {
    let mut stage = Stage::of(&[component("etcd", "1"), component("api", "1"), component("proxy", "1")]);
    let reloaded = stage.follow(&[component("etcd", "2"), component("api", "2"), component("proxy", "1")]);
    assert_eq!(reloaded, Reloaded { restarted: vec!["etcd".into(), "api".into()], ..Reloaded::default() });
    // Nobody can read the old readiness any more, though both still run.
    for name in ["etcd", "api"] {
        let status = stage.status(name);
        assert!(!status.ready && status.pid.is_some() && status.state == ComponentState::Running, "{status:?}");
        assert_eq!(status.waiting_for.as_deref(), Some("the end of its process"));
    }
    assert_eq!(stage.advance(), ["SIGTERM api"]);
    assert_eq!(stage.advance(), [""; 0], "asked once");
    assert_eq!(stage.end("api"), ["SIGTERM etcd"]);
    assert_eq!(stage.status("api").state, ComponentState::Stopped);
    assert_eq!(stage.end("etcd"), ["start /etcd 2", "start /api 2"]);
    assert!(stage.status("etcd").ready && stage.status("proxy").ready);
}

#[test]
fn the_old_order_decides_about_the_end() {
    let mut stage = Stage::of(&[component("etcd", "1"), component("api", "1")]);
    stage.follow(&[component("api", "2"), component("etcd", "2")]);
    assert_eq!(stage.shown(), ["api", "etcd"]);
    assert_eq!(stage.advance(), ["SIGTERM api"]);
    assert_eq!(stage.end("api"), ["SIGTERM etcd"]);
    assert_eq!(stage.end("etcd"), ["start /api 2", "start /etcd 2"]);
}

#[test]
fn new_ones_wait_for_the_end_of_old_ones() {
    let mut stage = Stage::of(&[component("a", "1"), component("b", "1"), component("c", "1")]);
    let reloaded = stage.follow(&[component("d", "1"), component("b", "1")]);
    assert_eq!((reloaded.started, reloaded.stopped), (vec!["d".to_owned()], vec!["c".to_owned(), "a".to_owned()]));
    assert_eq!(stage.shown(), ["d", "b", "c", "a"]);
    assert_eq!(stage.advance(), ["SIGTERM c"]);
    assert_eq!(stage.end("c"), ["SIGTERM a"]);
    assert_eq!(stage.end("a"), ["start /d 1"]);
    assert_eq!(stage.shown(), ["d", "b"]);
}

#[test]
fn whoever_does_not_listen_is_ended_by_force() {
    let mut stage = Stage::of(&[component("a", "1")]);
    stage.follow(&[]);
    assert_eq!(stage.advance(), ["SIGTERM a"]);
    let due = stage.slots.advance(stage.now).expect("watched");
    assert_eq!(due, stage.now + PATIENCE);
    stage.now += PATIENCE / 2;
    assert_eq!(stage.advance(), [""; 0]);
    stage.now = due;
    assert_eq!(stage.advance(), ["kill a"]);
    assert_eq!(stage.advance(), [""; 0]);
    assert_eq!(stage.end("a"), [""; 0]);
    assert_eq!(stage.shown(), [""; 0]);
}

#[test]
fn a_new_revision_is_signalled_where_there_is_a_signal() {
    let mut stage = Stage::of(&[reader("1"), component("api", "1")]);
    let changed = Component { revision: "2".into(), ..component("api", "1") };
    let reloaded = stage.follow(&[reader("2"), changed]);
    assert_eq!(reloaded.signalled, ["haproxy"]);
    assert_eq!(reloaded.restarted, ["api"]);
    assert!(stage.status("haproxy").ready, "it serves on");
    assert_eq!(stage.advance(), ["SIGUSR2 haproxy", "SIGTERM api"]);
    // More than the files has changed: the signal does not help.
    let reloaded = stage.follow(&[Component { nice: 1, ..reader("3") }]);
    assert_eq!((reloaded.restarted, reloaded.signalled.len()), (vec!["haproxy".to_owned()], 0));
}

#[test]
fn without_a_process_there_is_nothing_to_signal() {
    let waiting = |revision: &str| Component { start_when: vec![never()], ..reader(revision) };
    let mut stage = Stage::of(&[waiting("1")]);
    assert_eq!(stage.follow(&[waiting("2")]), Reloaded::default());
    assert_eq!(stage.advance(), [""; 0]);
    assert_eq!(stage.status("haproxy").state, ComponentState::Waiting);
}

#[test]
fn a_wanted_end_is_no_failure() {
    let mut stage = Stage::of(&[component("a", "1")]);
    stage.end("a");
    stage.now = Instant::now() + Duration::from_millis(250);
    assert_eq!(stage.advance(), ["start /a 1"]);
    assert_eq!((stage.status("a").restarts, stage.status("a").recent_exits), (1, 1));
    stage.follow(&[component("a", "2")]);
    stage.advance();
    assert_eq!(stage.end("a"), ["start /a 2"]);
    let status = stage.status("a");
    assert_eq!((status.restarts, status.recent_exits, status.last_exit), (0, 0, None));
    // Its first failure is held back as the very first one.
    stage.end("a");
    assert_eq!(stage.status("a").waiting_for.as_deref(), Some("the next start, 0.25 s after the exit"));
}

#[test]
fn a_change_does_not_wait_for_a_held_back_start() {
    let mut stage = Stage::of(&[component("a", "1"), Component { start_when: vec![never()], ..component("b", "1") }]);
    stage.end("a");
    assert_eq!(stage.status("a").state, ComponentState::BackOff);
    stage.follow(&[component("a", "2"), component("b", "2")]);
    assert_eq!(stage.advance(), ["start /a 2", "start /b 2"]);
}

#[test]
fn a_second_file_in_the_middle_wins() {
    let mut stage = Stage::of(&[component("a", "1"), component("b", "1"), component("c", "1")]);
    stage.follow(&[component("a", "2"), component("b", "2"), component("new", "1")]);
    assert_eq!(stage.advance(), ["SIGTERM c"]);
    // a changes again, b goes, c comes back, and what has not even started goes.
    let reloaded = stage.follow(&[component("a", "3"), component("c", "1")]);
    assert_eq!(reloaded.restarted, ["a"]);
    assert_eq!(reloaded.started, ["c"]);
    assert_eq!(reloaded.stopped, ["new", "b"]);
    assert_eq!(stage.advance(), [""; 0], "c was asked already");
    assert_eq!(stage.end("c"), ["SIGTERM b"]);
    assert_eq!(stage.end("b"), ["SIGTERM a"]);
    assert_eq!(stage.end("a"), ["start /a 3", "start /c 1"]);
    assert_eq!(stage.shown(), ["a", "c"]);
}

#[test]
fn a_late_report_reaches_nobody_else() {
    let scratch = Scratch::new();
    let path = scratch.path("x.sock");
    let gate = Gate::UnixSocket { path: path.display().to_string() };
    let _listener = std::os::unix::net::UnixListener::bind(&path).expect("bound");
    let mut stage = Stage::of(&[Component { start_when: vec![gate], ..component("a", "1") }]);
    let Event::Passed { slot, life, open } = stage.inbox.recv().expect("the gate is open") else {
        panic!("another event")
    };
    // The component has gone, another one of that name has come, and then the report is heard.
    stage.follow(&[]);
    stage.advance();
    assert!(stage.slots.find(slot).is_none());
    stage.follow(&[Component { start_when: vec![never()], ..component("a", "2") }]);
    stage.advance();
    assert!(stage.slots.find(slot).is_none());
    // Nor is a report of an earlier wait of the same slot taken for one of this wait.
    let id = stage.slots.iter().next().expect("one").id();
    stage.slots.find(id).expect("this one").passed(life - 1, open);
    assert_eq!(stage.script.done(), [""; 0]);
    stage.slots.find(id).expect("this one").passed(life, open);
    assert_eq!(stage.script.done(), ["start /a 2"]);
}

#[test]
fn the_end_of_the_node_wins_over_a_change() {
    let mut stage = Stage::of(&[component("a", "1"), component("b", "1")]);
    stage.follow(&[component("a", "2"), component("c", "1")]);
    assert_eq!(stage.advance(), ["SIGTERM b"]);
    stage.slots.stop_starting();
    for slot in stage.slots.iter().rev() {
        slot.signal(Signal::SIGTERM);
    }
    assert_eq!(stage.script.done(), ["SIGTERM b", "SIGTERM a"]);
    for name in ["a", "b"] {
        let pid = stage.status(name).pid.expect("lives");
        stage.slots.ended(Pid::from_raw(i32::try_from(pid).expect("ours")), "exit status 0", true);
    }
    assert!(stage.slots.status().iter().all(|status| status.state == ComponentState::Stopped && status.pid.is_none()));
    assert_eq!(stage.script.done(), [""; 0]);
}
