//! Ctrl-C before, during and after every call of a creation, and while Docker does not answer at all.

use std::time::Duration;

use knarr::engine::fake::{Call, How, Outcome, When};
use knarr::engine::op;
use knarr::kubernetes::fake::Script;
use knarr::signal::Interrupt;
use tokio::time::Instant;

use crate::env::{Env, KUBECONFIG, Transcript, filtered};

/// The calls of a creation to which nothing happens.
async fn calls_of(words: &str) -> Vec<Call> {
    let good = Env::new();
    assert_eq!(good.knarr(words).await.status, 0);
    good.engine.calls()
}

/// When the signal comes.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Before the call is carried out.
    Before(usize),
    /// While Docker carries it out: it ends a while later.
    After(usize),
}

async fn interrupted(words: &str, moment: Moment) -> (Env, Transcript) {
    let env = Env::new();
    let interrupt = Interrupt::manual();
    let (signal, engine) = (interrupt.clone(), env.engine.clone());
    env.engine.on_call(move |call| match moment {
        Moment::Before(number) if call.number == number => signal.signal(),
        // The next call begins: the one before is over, or runs beside it.
        Moment::After(number) if engine.calls().len() == number + 1 => signal.signal(),
        _ => {}
    });
    let began = Instant::now();
    let run = env.run(words, interrupt).await;
    assert!(began.elapsed() < Duration::from_secs(15), "{moment:?}: {:?}\n{run}", began.elapsed());
    (env, run)
}

#[tokio::test(start_paused = true)]
async fn at_every_call() {
    for words in ["create dev", "create dev --workers 2"] {
        let calls = calls_of(words).await;
        let last = calls.len();
        for call in calls {
            for moment in [Moment::Before(call.number), Moment::After(call.number)] {
                if matches!(moment, Moment::After(number) if number == last) {
                    continue;
                }
                let (env, run) = interrupted(words, moment).await;
                let place = format!("{words}, {moment:?} ({call})\n{run}");
                assert_eq!(run.status, 130, "{place}");
                assert!(
                    run.stderr.contains("\ninterrupted: stopped ") || run.stderr.starts_with("interrupted: "),
                    "{place}"
                );
                assert_eq!(env.left(), Vec::<String>::new(), "{place}");
                assert_eq!(env.kubeconfig(), KUBECONFIG, "{place}");
                let dropped: Vec<Call> = env.engine.calls();
                let dropped = dropped.iter().filter(|c| c.outcome == Outcome::Unfinished && c.operation != op::EXEC);
                assert_eq!(dropped.filter(|c| c.changes()).count(), 0, "{place}\n{}", env.engine.transcript());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_says_where_it_stopped_and_what_was_removed() {
    let _filters = filtered();
    let calls = calls_of("create dev --workers 2").await;
    let start = calls.iter().find(|c| c.operation == op::START_CONTAINER).expect("nodes are started");
    let (_, run) = interrupted("create dev --workers 2", Moment::Before(start.number)).await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --workers 2
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    failed: starting 3 nodes (TIME)
    removed what this run made (TIME)
    interrupted: stopped creating cluster `dev` at step 3 of 8 (starting 3 nodes)
      removed 3 containers, 1 network and 3 volumes
      your kubeconfig was not touched
    --- exit status 130 ---
    ");
    let (_, run) = interrupted("create dev", Moment::Before(1)).await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    interrupted: stopped before anything of cluster `dev` was created
      nothing was created
    --- exit status 130 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn while_kubernetes_is_waited_for() {
    for operation in ["answers", "apply", "adopt", "nodes_ready", "default_service_account", "first_pod_running"] {
        let env = Env::scripted(Script { hangs: Some(operation), ..Script::default() });
        let interrupt = Interrupt::manual();
        let later = async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            interrupt.signal();
        };
        let began = Instant::now();
        let (run, ()) = tokio::join!(env.run("create dev", interrupt.clone()), later);
        assert!(began.elapsed() < Duration::from_secs(21), "{operation}: waits are dropped at once");
        assert_eq!(run.status, 130, "{operation}: {run}");
        assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()), "{operation}");
    }
}

/// Lets one call hang and interrupts a while later.
async fn hanging(words: &str, number: usize, how: How) -> (Env, Transcript, Duration) {
    let env = Env::new();
    env.engine.inject(When::Call(number), how);
    let interrupt = Interrupt::manual();
    let later = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        interrupt.signal();
        Instant::now()
    };
    let (run, signalled) = tokio::join!(env.run(words, interrupt.clone()), later);
    (env, run, signalled.elapsed())
}

#[tokio::test(start_paused = true)]
async fn while_docker_does_not_answer() {
    for words in ["create dev", "create dev --workers 2"] {
        for call in calls_of(words).await {
            for how in [How::Hang, How::HangAfterwards] {
                let (env, run, took) = hanging(words, call.number, how).await;
                let place = format!("{words}, call {} ({call}), {how:?}\n{run}", call.number);
                if run.status == 0 {
                    // The stream of an agent that says nothing more is no obstacle when the boot is over.
                    assert!(matches!(call.operation, op::EXEC | op::INSPECT_CONTAINER), "{place}");
                    continue;
                }
                assert_eq!(run.status, 130, "{place}");
                assert!(took <= Duration::from_secs(15), "{took:?} {place}");
                assert_eq!(env.left(), Vec::<String>::new(), "{place}");
                assert_eq!(env.kubeconfig(), KUBECONFIG, "{place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_named() {
    let _filters = filtered();
    let calls = calls_of("create dev").await;
    let create = calls.iter().find(|c| c.operation == op::CREATE_CONTAINER).expect("a node is made");
    let (_, run, took) = hanging("create dev", create.number, How::HangAfterwards).await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    failed: claiming the name (TIME)
    removed what this run made (TIME)
    interrupted: stopped creating cluster `dev` at step 2 of 8 (claiming the name)
      caused by: Docker does not answer: create container `dev-control-plane`
      removed 1 container, 1 network and 1 volume
      your kubeconfig was not touched
    hint: Docker may still carry this out; when it answers again, run `knarr delete cluster dev`
    --- exit status 130 ---
    ");
    assert_eq!(took.as_secs(), 5, "calls in flight have five seconds to end");
}

/// Without an interrupt the deadline of the boot ends such a wait too.
#[tokio::test(start_paused = true)]
async fn the_deadline_counts_for_docker_too() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Every(op::START_CONTAINER), How::Hang);
    let run = env.knarr("create dev --wait 40s").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --wait 40s
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    failed: starting 1 node (TIME)
    removed what this run made (TIME)
    error: cluster `dev` did not become usable within 40s
      caused by: Docker does not answer: start container `dev-control-plane`
      removed 1 container, 1 network and 1 volume
    hint: Docker may still carry this out; when it answers again, run `knarr delete cluster dev`
    --- exit status 5 ---
    ");
    assert_eq!(env.left(), Vec::<String>::new());
}

/// An undo that Docker does not answer ends too, and says how to go on.
#[tokio::test(start_paused = true)]
async fn an_undo_that_hangs() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Every(op::REMOVE_CONTAINER), How::Hang);
    let interrupt = Interrupt::manual();
    let (signal, began) = (interrupt.clone(), Instant::now());
    env.engine.on_call(move |call| {
        if call.operation == op::START_CONTAINER {
            signal.signal();
        }
    });
    let run = env.run("create dev", interrupt).await;
    assert!(began.elapsed() <= Duration::from_secs(15));
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: removing what this run made (TIME)
    interrupted: stopped creating cluster `dev` at step 4 of 8 (waiting for the API server)
      clean-up did not end within 9s
      your kubeconfig was not touched
    hint: remove what is left with `knarr delete cluster dev`
    --- exit status 130 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn a_second_interrupt_gives_up_on_the_undo() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Every(op::REMOVE_CONTAINER), How::Hang);
    let interrupt = Interrupt::manual();
    let signal = interrupt.clone();
    let began = Instant::now();
    env.engine.on_call(move |call| {
        if matches!(call.operation, op::START_CONTAINER | op::REMOVE_CONTAINER) {
            signal.signal();
        }
    });
    let run = env.run("create dev", interrupt).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "it ends at once");
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: removing what this run made (TIME)
    interrupted: stopped at once by a second signal
      what was made of cluster `dev` so far may be left
    hint: remove it with `knarr delete cluster dev`
    --- exit status 130 ---
    ");
    env.engine.heal();
    assert_eq!(env.knarr("delete cluster dev").await.status, 0, "the hint's command cleans up");
    assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn retained_nodes_survive_an_interrupt() {
    let env = Env::scripted(Script { hangs: Some("nodes_ready"), ..Script::default() });
    let interrupt = Interrupt::manual();
    let later = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        interrupt.signal();
    };
    let (run, ()) = tokio::join!(env.run("create dev --retain", interrupt.clone()), later);
    assert_eq!(run.status, 130, "{run}");
    assert_eq!(env.left(), ["container dev-control-plane", "network knarr-dev", "volume dev-control-plane-var"]);
}

/// Commands that only look are dropped at once.
#[tokio::test(start_paused = true)]
async fn looking_ends_at_once() {
    for words in ["get clusters", "get nodes", "status", "get kubeconfig", "load docker-image app"] {
        let (_, run, took) = hanging(words, 1, How::Hang).await;
        assert_eq!((run.status, took), (130, Duration::ZERO), "{run}");
    }
}
