//! The restart law: 0.25 s, doubling to 30 s, from the beginning again after 60 s of life. It never gives up.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(30);
const SETTLED: Duration = Duration::from_secs(60);

/// How long the next restart of one component is held back.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    /// A component that has not failed yet.
    pub const fn new() -> Self {
        Self { next: FIRST }
    }

    /// The pause before the next start of a process that lived for `lived`.
    pub fn after(&mut self, lived: Duration) -> Duration {
        if lived >= SETTLED {
            self.next = FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_longest() {
        let mut backoff = Backoff::new();
        let mut expected = 250;
        for _ in 0..100 {
            assert_eq!(backoff.after(Duration::ZERO), Duration::from_millis(expected));
            expected = (expected * 2).min(30_000);
        }
    }

    #[test]
    fn begins_again_after_a_settled_life() {
        let mut backoff = Backoff::new();
        for _ in 0..20 {
            backoff.after(Duration::from_millis(59_999));
        }
        assert_eq!(backoff.after(Duration::from_secs(60)), FIRST);
        assert_eq!(backoff.after(Duration::ZERO), FIRST * 2);
    }
}
