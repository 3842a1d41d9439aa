//! Waiting by watching: the only place that sleeps.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_millis(100);

/// Asks until there is an answer; panics with the last reason after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(why) if begun.elapsed() > limit => panic!("{what}: not within {limit:?}; last: {why}"),
            Err(_) => std::thread::sleep(EVERY),
        }
    }
}

/// Short for whole seconds.
pub const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
