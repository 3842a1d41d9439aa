//! What is remembered of a component's lives: starts, exits, times, and how long the next start is held back.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::backoff::Backoff;

/// Exits within this time count as recent.
const RECENT: Duration = Duration::from_secs(60);

/// The memory of one component; a changed component begins with a new one.
#[derive(Debug)]
pub struct History {
    backoff: Backoff,
    starts: u32,
    exits: VecDeque<Instant>,
    /// Milliseconds after the agent's start at which the process was last started.
    pub started_ms: Option<u64>,
    /// Milliseconds after the agent's start at which the component last became ready.
    pub ready_ms: Option<u64>,
    /// How it last ended, in words.
    pub last_exit: Option<String>,
}

impl History {
    /// Of a component that has not been started yet.
    pub const fn new() -> Self {
        Self {
            backoff: Backoff::new(),
            starts: 0,
            exits: VecDeque::new(),
            started_ms: None,
            ready_ms: None,
            last_exit: None,
        }
    }

    /// Records a start, `now_ms` after the agent's.
    pub const fn started(&mut self, now_ms: u64) {
        self.starts += 1;
        self.started_ms = Some(now_ms);
    }

    /// Records an exit that nobody wanted, after a life of `lived`; returns the pause before the next start.
    pub fn exited(&mut self, lived: Duration, how: &str) -> Duration {
        self.exits.push_back(Instant::now());
        self.last_exit = Some(how.to_owned());
        self.backoff.after(lived)
    }

    /// Lets exits stop counting as recent; returns when the next one will.
    pub fn forget(&mut self, now: Instant) -> Option<Instant> {
        while self.exits.front().is_some_and(|at| now.saturating_duration_since(*at) >= RECENT) {
            self.exits.pop_front();
        }
        self.exits.front().map(|at| *at + RECENT)
    }

    /// How often it was started again.
    pub const fn restarts(&self) -> u32 {
        self.starts.saturating_sub(1)
    }

    /// How often it has exited recently.
    pub fn recent_exits(&self) -> u32 {
        u32::try_from(self.exits.len()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exits_are_recent_for_a_minute() {
        let mut history = History::new();
        let now = Instant::now();
        history.exited(Duration::ZERO, "exit status 1");
        let until = history.forget(now).expect("there is one");
        assert_eq!(history.recent_exits(), 1);
        assert_eq!(history.forget(until), None);
        assert_eq!((history.recent_exits(), history.last_exit.as_deref()), (0, Some("exit status 1")));
    }
}
