//! `flock` in a container: the one program whose whole point is how long it lives. It prints once it holds the lock, and
//! holds it until its stdin ends or nobody is attached to it any more.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::unfold;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::FakeEngine;
use crate::engine::{AttachedExec, ExecOutput, ExecSpec};

/// The locks of all containers, by container.
pub(super) type Locks = std::collections::BTreeMap<String, Arc<Mutex<()>>>;

/// What it does next.
enum Flock {
    Wants(DuplexStream),
    Holds(OwnedMutexGuard<()>, DuplexStream),
}

/// Whether this is `flock`.
pub(super) fn is_flock(exec: &ExecSpec) -> bool {
    exec.argv.first().is_some_and(|program| program == "flock")
}

/// The value of one of its options.
fn option(exec: &ExecSpec, name: &str) -> u32 {
    let value = exec.argv.iter().skip_while(|word| *word != name).nth(1);
    value.and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// Starts it.
pub(super) fn flock(engine: &FakeEngine, container: &str, id: String, exec: &ExecSpec) -> AttachedExec {
    let lock = Arc::clone(engine.lock().world.locks.entry(container.to_owned()).or_default());
    let patience = Duration::from_secs(option(exec, "--timeout").into());
    let taken = i64::from(option(exec, "--conflict-exit-code"));
    let (input, stdin) = tokio::io::duplex(64);
    let (engine, exec_id) = (engine.clone(), id.clone());
    let ended = move |status| {
        engine.lock().world.execs.insert(exec_id.clone(), Some(status));
    };
    let output = unfold(Flock::Wants(stdin), move |state| {
        let (lock, ended) = (Arc::clone(&lock), ended.clone());
        async move {
            match state {
                Flock::Wants(stdin) => {
                    let Ok(guard) = tokio::time::timeout(patience, lock.lock_owned()).await else {
                        ended(taken);
                        return None;
                    };
                    Some((Ok(ExecOutput::Stdout(b"held\n".to_vec())), Flock::Holds(guard, stdin)))
                }
                Flock::Holds(guard, mut stdin) => {
                    // A pipe in memory breaks only by ending.
                    let _ = stdin.read_to_end(&mut Vec::new()).await;
                    drop(guard);
                    ended(0);
                    None
                }
            }
        }
    });
    AttachedExec { id, output: Box::pin(output), input: Box::pin(input) }
}
