//! One failure, or Ctrl-C, at every call of the verbs that stop and start clusters and renew their certificates: it is
//! told, and the next command completes what was broken off.

use std::time::Duration;

use knarr::cluster::State;
use knarr::engine::fake::{How, When};
use knarr::engine::{EngineErrorKind, op};
use knarr::signal::Interrupt;
use tokio::time::Instant;

use crate::env::{Env, filtered};
use crate::lifecycle::{created, state};

/// One failure at every call of every verb: it is told, and the same verb then does the rest.
#[tokio::test(start_paused = true)]
async fn every_failure_of_docker() {
    for (prepare, verb, end) in VERBS {
        let good = ready(prepare).await;
        let begin = good.engine.calls().len();
        assert_eq!(good.knarr(&format!("{verb} dev")).await.status, 0);
        let calls = good.engine.calls();
        assert!(calls.len() > begin + 3, "{verb}");
        for call in &calls[begin..] {
            for how in [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)] {
                let env = ready(prepare).await;
                let left = env.left();
                env.engine.inject(When::Call(call.number), how);
                let run = env.knarr(&format!("{verb} dev")).await;
                let place = format!("{verb}, call {} ({call}), {how:?}\n{run}", call.number);
                if run.status != 0 {
                    assert!(run.stderr.contains("error: ") && run.stderr.contains("the test wants "), "{place}");
                    let again = env.knarr(&format!("{verb} dev")).await;
                    assert_eq!(again.status, 0, "{place}\n{again}");
                }
                assert_eq!((state(&env).await, env.left()), (end, left), "{place}");
            }
        }
    }
}

/// What comes before, the verb, and what it leads to.
const VERBS: [(&str, &str, State); 6] = [
    ("", "stop", State::Stopped),
    ("stop dev", "start", State::Running),
    ("", "restart", State::Running),
    ("", "pause", State::Paused),
    ("pause dev", "unpause", State::Running),
    ("", "certs renew", State::Running),
];

async fn ready(prepare: &str) -> Env {
    let env = created("").await;
    if !prepare.is_empty() {
        assert_eq!(env.knarr(prepare).await.status, 0);
    }
    env
}

/// Ctrl-C before every call of every verb: it ends in time, drops no call that changes something, and says how to go on.
#[tokio::test(start_paused = true)]
async fn interrupted_at_every_call() {
    for (prepare, verb, end) in VERBS {
        let good = ready(prepare).await;
        let begin = good.engine.calls().len();
        assert_eq!(good.knarr(&format!("{verb} dev")).await.status, 0);
        for number in begin + 1..=good.engine.calls().len() {
            let env = ready(prepare).await;
            let left = env.left();
            let interrupt = Interrupt::manual();
            let signal = interrupt.clone();
            env.engine.on_call(move |call| {
                if call.number == number {
                    signal.signal();
                }
            });
            let began = Instant::now();
            let run = env.run(&format!("{verb} dev"), interrupt).await;
            let place = format!("{verb}, call {number}\n{run}");
            assert!(began.elapsed() < Duration::from_secs(15), "{place}");
            // Only what comes after the last step may still be finished.
            if run.status != 0 {
                assert_eq!(run.status, 130, "{place}");
                assert!(run.stderr.contains("interrupted: "), "{place}");
            }
            let next = match (verb, run.status) {
                (_, 0) => continue,
                ("restart", _) => "start",
                (verb, _) => verb,
            };
            let again = env.knarr(&format!("{next} dev")).await;
            assert_eq!((again.status, state(&env).await, env.left()), (0, end, left), "{place}\n{again}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_says_where_and_how_to_go_on() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    let interrupt = Interrupt::manual();
    let signal = interrupt.clone();
    env.engine.on_call(move |call| {
        if call.operation == op::STOP_CONTAINER && call.object == "dev-worker" {
            signal.signal();
        }
    });
    insta::assert_snapshot!(env.run("restart dev", interrupt).await, @r"
    $ knarr restart dev
    --- stderr ---
    dev: stopped 2 nodes (TIME)
    interrupted: restarting cluster `dev` broke off at step 2 of 4 (dev: starting 2 nodes)
    hint: go on with `knarr start dev`
    --- exit status 130 ---
    ");
}
