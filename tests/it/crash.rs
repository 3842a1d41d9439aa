//! SIGKILL and SIGINT at every boundary of every verb that changes a cluster: wherever it is cut off, the next command
//! completes it or takes it back, and nothing is left over.
//!
//! The boundaries are those of a run to which nothing happens: each line of `-v`, which tells of every step of the plan
//! and of every call of it that changes something, before it begins and after it ended; and each call of Docker while
//! Docker carries it out. No list is kept by hand: a new step, or a new shape below, brings its own.
#![expect(clippy::print_stderr, reason = "how many points there are is worth seeing; `--nocapture` shows it")]

use std::sync::{Arc, Mutex};
use std::time::Instant;

use knarr::cluster::{self, State};
use knarr::signal::Interrupt;
use tokio_util::sync::CancellationToken;

use crate::env::{Env, KUBECONFIG, Transcript};

/// The clusters that are made: further flags of `create`.
const SHAPES: [&str; 3] = ["", "--workers 2", "--control-planes 3 --workers 2"];

/// How a run is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// It ends on the spot, and undoes nothing.
    Kill,
    /// It is asked to end.
    Interrupt,
}

/// The boundaries of a run in the order in which it passes them, and what happens at one of them.
struct Boundaries {
    passed: Mutex<Vec<String>>,
    at: Option<String>,
    happens: Box<dyn Fn() + Send + Sync>,
}

impl Boundaries {
    fn pass(&self, name: &str) {
        let mut passed = self.passed.lock().expect("nobody panics with it");
        // What is done more than once is told apart by a number.
        let mut names = (1..).map(|n| if n == 1 { name.to_owned() } else { format!("{name} ({n})") });
        let name = names.find(|name| !passed.contains(name)).expect("numbers do not end");
        if self.at.as_ref() == Some(&name) {
            (self.happens)();
        }
        passed.push(name);
    }
}

/// Runs a future on a runtime of its own. What blocks and has begun is over when this returns, as Docker ends what it was
/// asked for although the one who asked is dead.
fn alone<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().expect("a runtime").block_on(work)
}

/// Runs `knarr` and cuts it off at a boundary, if one is named. Returns its boundaries, and no transcript if it was killed.
fn cut_off(env: &mut Env, words: &str, at: Option<(&str, Signal)>) -> (Vec<String>, Option<Transcript>) {
    let (killed, interrupt) = (CancellationToken::new(), Interrupt::manual());
    let happens: Box<dyn Fn() + Send + Sync> = match at {
        Some((_, Signal::Kill)) => Box::new({
            let killed = killed.clone();
            move || killed.cancel()
        }),
        Some((_, Signal::Interrupt)) => Box::new({
            let interrupt = interrupt.clone();
            move || interrupt.signal()
        }),
        None => Box::new(|| ()),
    };
    let at = at.map(|(name, _)| name.to_owned());
    let boundaries = Arc::new(Boundaries { passed: Mutex::default(), at: at.clone(), happens });
    let told = Arc::clone(&boundaries);
    env.listener = Some(Arc::new(move |line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        if let (Some("detail"), Some(text)) = (event["event"].as_str(), event["text"].as_str()) {
            told.pass(text);
        }
    }));
    let asked = Arc::clone(&boundaries);
    env.engine.on_call(move |call| {
        // Ids of the fake are numbers with many zeros in front.
        asked.pass(&format!("Docker at work: {} `{}`", call.operation, call.object.trim_start_matches('0')));
    });
    let words = format!("{words} -v -o json");
    let run = alone(async {
        tokio::select! {
            biased;
            () = killed.cancelled() => None,
            run = env.run(&words, interrupt) => Some(run),
        }
    });
    env.listener = None;
    env.engine.on_call(|_| ());
    let passed = boundaries.passed.lock().expect("nobody panics with it").clone();
    if let Some(at) = at {
        assert!(passed.contains(&at), "`knarr {words}` did not come to «{at}»; it passed:\n{}", passed.join("\n"));
    }
    (passed, run)
}

/// A command that must go well.
fn well(env: &Env, words: &str, place: &str) {
    let run = alone(env.knarr(words));
    assert_eq!(run.status, 0, "{place}\n{run}");
}

/// Nothing but what the user had before.
fn nothing_is_left(env: &Env, place: &str) {
    assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()), "{place}");
    no_lock_is_left(env, place);
}

/// Neither a lock nor half a file beside the kubeconfig.
fn no_lock_is_left(env: &Env, place: &str) {
    let kubeconfig = env.kubeconfig_path();
    let folder = std::fs::read_dir(kubeconfig.parent().expect("a folder")).expect("it can be listed");
    let names: Vec<_> = folder.map(|entry| entry.expect("it can be read").file_name()).collect();
    assert_eq!(names, ["config"], "{place}");
}

/// A whole cluster of this shape and nothing else.
fn is_whole(env: &Env, whole: &Env, place: &str) {
    assert_eq!(env.left(), whole.left(), "{place}");
    let entries = |env: &Env| env.kubeconfig().matches("name: knarr-dev\n").count();
    assert_eq!(entries(env), entries(whole), "{place}\n{}", env.kubeconfig());
    assert_eq!(alone(cluster::find(&env.engine, "dev")).expect("it is there").state(), State::Running, "{place}");
    no_lock_is_left(env, place);
}

/// A verb, what must be there for it, and how it is completed after it was cut off.
struct Verb {
    before: &'static [&'static str],
    words: &'static str,
    again: &'static str,
}

const OPEN: &str = "port add 8080:30080 -n dev";
const CLOSE: &str = "port remove 8080 -n dev";
const GROW: &str = "node add -n dev";
const SHRINK: &str = "node delete dev-worker2 -n dev";

const VERBS: [Verb; 10] = [
    Verb { before: &[], words: "delete dev", again: "delete dev" },
    Verb { before: &[], words: "stop dev", again: "stop dev" },
    Verb { before: &["stop dev"], words: "start dev", again: "start dev" },
    // What a restart stopped is started again.
    Verb { before: &[], words: "restart dev", again: "start dev" },
    Verb { before: &[], words: "pause dev", again: "pause dev" },
    Verb { before: &[], words: "certs renew dev", again: "certs renew dev" },
    Verb { before: &[], words: OPEN, again: "repair dev" },
    Verb { before: &[OPEN], words: CLOSE, again: "repair dev" },
    Verb { before: &[], words: GROW, again: "repair dev" },
    Verb { before: &[GROW], words: SHRINK, again: "repair dev" },
];

fn created(shape: &str) -> Env {
    let env = Env::new();
    well(&env, &format!("create dev {shape}"), "nothing happens");
    env
}

#[test]
fn of_a_creation() {
    for shape in SHAPES {
        let (began, create) = (Instant::now(), format!("create dev {shape}"));
        let mut whole = Env::new();
        let (boundaries, run) = cut_off(&mut whole, &create, None);
        assert_eq!(run.map(|run| run.status), Some(0));
        assert!(boundaries.len() > 40, "only {} boundaries", boundaries.len());
        for signal in [Signal::Kill, Signal::Interrupt] {
            for boundary in &boundaries {
                let mut env = Env::new();
                let (_, run) = cut_off(&mut env, &create, Some((boundary, signal)));
                let shown = run.as_ref().map(ToString::to_string).unwrap_or_default();
                let place = format!("{create}, {signal:?} at «{boundary}»\n{shown}");
                match (run.map(|run| run.status), signal) {
                    // A killed one leaves what it made.
                    (None, Signal::Kill) => {}
                    (Some(130), Signal::Interrupt) => nothing_is_left(&env, &place),
                    (Some(0), _) => is_whole(&env, &whole, &place),
                    other => panic!("it ended with {other:?}\n{place}"),
                }
                well(&env, "delete dev", &place);
                nothing_is_left(&env, &place);
                well(&env, &create, &place);
                is_whole(&env, &whole, &place);
            }
        }
        let count = boundaries.len() * 2;
        eprintln!("{create}: {count} points in {:?}\n  {}", began.elapsed(), boundaries.join("\n  "));
    }
}

#[test]
fn of_every_other_verb() {
    let shape = "--workers 1";
    let whole = created(shape);
    for verb in &VERBS {
        let began = Instant::now();
        let prepared = || {
            let env = created(shape);
            verb.before.iter().for_each(|words| well(&env, words, "nothing happens"));
            env
        };
        let (boundaries, run) = cut_off(&mut prepared(), verb.words, None);
        assert_eq!(run.map(|run| run.status), Some(0), "{}", verb.words);
        assert!(boundaries.len() > 4, "only {boundaries:?}");
        for signal in [Signal::Kill, Signal::Interrupt] {
            for boundary in &boundaries {
                let mut env = prepared();
                let (_, run) = cut_off(&mut env, verb.words, Some((boundary, signal)));
                let place = format!("{}, {signal:?} at «{boundary}»", verb.words);
                if let Some(run) = run {
                    // Half a deletion helps nobody: it goes on to its end.
                    let ended = run.status == 130 && !verb.words.starts_with("delete") || run.status == 0;
                    assert!(ended, "{place}\n{run}");
                }
                completed(&env, &whole, verb, &format!("create dev {shape}"), &place);
            }
        }
        eprintln!("{}: {} points in {:?}", verb.words, boundaries.len() * 2, began.elapsed());
    }
}

/// The verb, again, does what it says; and then the cluster can be brought back whole.
fn completed(env: &Env, whole: &Env, verb: &Verb, create: &str, place: &str) {
    well(env, verb.again, place);
    let found = alone(cluster::find(&env.engine, "dev"));
    let back = match verb.again {
        "delete dev" => {
            nothing_is_left(env, place);
            create
        }
        "stop dev" => {
            assert_eq!(found.expect("it is there").state(), State::Stopped, "{place}");
            "start dev"
        }
        "pause dev" => {
            assert_eq!(found.expect("it is there").state(), State::Paused, "{place}");
            "unpause dev"
        }
        // The node is there or not, and whole in either case.
        "repair dev" if [GROW, SHRINK].contains(&verb.words) => {
            let there = env.left().contains(&"container dev-worker2".to_owned());
            ["certs check dev", SHRINK][usize::from(there)]
        }
        // The port is open or not: one way or the other it can be opened, and closed.
        "repair dev" => {
            well(env, OPEN, place);
            CLOSE
        }
        _ => "certs check dev",
    };
    well(env, back, place);
    is_whole(env, whole, place);
}
