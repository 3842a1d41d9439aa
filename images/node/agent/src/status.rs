//! The board: the node's status as it is now, and everybody who waits for the next change of it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use knarr_contract::{NodeStatus, Phase};

use crate::say;

/// The shared status.
#[derive(Debug)]
pub struct Board {
    inner: Mutex<Inner>,
    changed: Condvar,
}

#[derive(Debug)]
struct Inner {
    status: NodeStatus,
    version: u64,
}

impl Board {
    /// The board of the node called `node`, which is being prepared.
    pub fn new(node: &str) -> Self {
        let status =
            NodeStatus { node: node.to_owned(), phase: Phase::Preparing, adaptations: vec![], components: vec![] };
        Self { inner: Mutex::new(Inner { status, version: 0 }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets `edit` change the status; waiters wake only if it really did.
    pub fn update(&self, edit: impl FnOnce(&mut NodeStatus)) {
        let mut inner = self.lock();
        let before = inner.status.clone();
        edit(&mut inner.status);
        if inner.status != before {
            inner.version += 1;
            self.changed.notify_all();
        }
    }

    /// Records what the host lacks and what was done instead, in one sentence, and prints it.
    pub fn adapted(&self, sentence: impl Into<String>) {
        let sentence = sentence.into();
        say::note(&sentence);
        self.update(|status| {
            if !status.adaptations.contains(&sentence) {
                status.adaptations.push(sentence);
            }
        });
    }

    /// The status now and its version.
    pub fn now(&self) -> (NodeStatus, u64) {
        let inner = self.lock();
        (inner.status.clone(), inner.version)
    }

    /// Waits for a version other than `seen`, until `given_up` says that nobody is interested any more.
    pub fn next(&self, seen: u64, given_up: impl Fn() -> bool) -> Option<(NodeStatus, u64)> {
        let waiting = |inner: &mut Inner| inner.version == seen && !given_up();
        let inner = self.changed.wait_while(self.lock(), waiting).unwrap_or_else(PoisonError::into_inner);
        (inner.version != seen).then(|| (inner.status.clone(), inner.version))
    }

    /// Makes every waiter look again, also at whether it has given up.
    pub fn wake(&self) {
        // Under the lock, so that a waiter between its check and its sleep does not miss it.
        let _inner = self.lock();
        self.changed.notify_all();
    }

    /// Gives watchers a moment to pass on the last change before PID 1 ends.
    pub fn linger() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn only_real_changes_count() {
        let board = Board::new("n");
        board.update(|status| status.phase = Phase::Preparing);
        assert_eq!(board.now().1, 0);
        board.adapted("x is missing: y");
        board.adapted("x is missing: y");
        let (status, version) = board.now();
        assert_eq!((status.adaptations.len(), version), (1, 1));
    }

    #[test]
    fn a_change_is_pushed_and_a_waiter_can_give_up() {
        let board = Arc::new(Board::new("n"));
        let gone = Arc::new(AtomicBool::new(false));
        let waiter = {
            let (board, gone) = (board.clone(), gone.clone());
            std::thread::spawn(move || {
                let first = board.next(0, || gone.load(Ordering::SeqCst));
                (first, board.next(1, || gone.load(Ordering::SeqCst)))
            })
        };
        board.update(|status| status.phase = Phase::Running);
        std::thread::sleep(Duration::from_millis(20));
        gone.store(true, Ordering::SeqCst);
        board.wake();
        let (first, second) = waiter.join().expect("no panic");
        assert_eq!(first.expect("pushed").0.phase, Phase::Running);
        assert_eq!(second, None);
    }
}
