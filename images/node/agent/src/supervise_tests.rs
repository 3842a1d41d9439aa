//! The event loop, with processes that only the test knows.

use std::sync::mpsc::channel;

use knarr_contract::CONTRACT;

use super::*;
use crate::scratch::Scratch;
use crate::slots::tests::{Script, component};

fn helper(components: Vec<knarr_contract::Component>) -> NodeFile {
    NodeFile { contract: CONTRACT, cluster: "c".into(), node: "n".into(), member: None, forwards: vec![], components }
}

/// A supervisor of a helper with one component, and what reaches it.
fn supervisor(logs: &Scratch) -> (Supervisor, Sender<Event>, Arc<Script>) {
    let (events, inbox) = channel();
    let script = Arc::new(Script::default());
    let shared =
        Shared { events: events.clone(), origin: Instant::now(), logs: logs.path(""), processes: script.clone() };
    let board = Arc::new(Board::new("n"));
    let mut supervisor = Supervisor::new(board, helper(vec![component("a", "1")]), inbox, shared).expect("opened");
    supervisor.slots.advance(Instant::now());
    supervisor.publish(Phase::Running);
    assert_eq!(script.done(), ["start /a 1"]);
    (supervisor, events, script)
}

#[test]
fn a_newer_file_is_carried_out_by_the_loop() {
    let logs = Scratch::new();
    let (mut supervisor, events, script) = supervisor(&logs);
    let reloaded = supervisor.follow(helper(vec![component("a", "2")])).expect("carried out");
    assert_eq!(reloaded.restarted, ["a"]);
    supervisor.slots.advance(Instant::now());
    assert_eq!(script.done(), ["SIGTERM a"]);
    events.send(Event::Ended { pid: Pid::from_raw(100), how: "exit status 0".into() }).expect("heard");
    supervisor.wait(None);
    supervisor.slots.advance(Instant::now());
    assert_eq!(script.done(), ["start /a 2"]);
}

#[test]
fn a_file_for_another_container_changes_nothing() {
    let logs = Scratch::new();
    let (mut supervisor, _events, script) = supervisor(&logs);
    let before = supervisor.board.now();
    let foreign = NodeFile { node: "m".into(), ..helper(vec![]) };
    let fault = supervisor.follow(foreign).expect_err("refused").to_string();
    assert!(fault.contains("nothing was changed"), "{fault}");
    supervisor.slots.advance(Instant::now());
    supervisor.publish(Phase::Running);
    assert_eq!(supervisor.board.now(), before);
    assert_eq!(script.done(), [""; 0]);
}

#[test]
fn a_stopping_node_is_not_changed() {
    let logs = Scratch::new();
    let (mut supervisor, events, _script) = supervisor(&logs);
    let (asker, answer) = channel();
    events.send(Event::Stop).expect("heard");
    events.send(Event::Reload(Some(asker))).expect("heard");
    supervisor.wait(None);
    assert_eq!(answer.recv().expect("answered"), Err(Fault::new("the node is stopping")));
}

#[test]
fn an_unreadable_file_is_an_answer() {
    let logs = Scratch::new();
    let (mut supervisor, events, _script) = supervisor(&logs);
    let (asker, answer) = channel();
    events.send(Event::Reload(Some(asker))).expect("heard");
    supervisor.wait(None);
    let fault = answer.recv().expect("answered").expect_err("this machine is no node").to_string();
    assert!(fault.contains(NODE_FILE), "{fault}");
    assert!(!supervisor.stopping);
}
