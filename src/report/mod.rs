//! The only road from logic to screen: logic emits [`Event`]s, reporters draw them.

pub mod choose;
pub mod plain;
pub mod steps;
pub mod terminal;

use std::time::Duration;

pub use self::choose::{Options, choose};
pub use self::steps::{Step, Steps};

/// Something that a person may want to see while a command runs. All of it goes to stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step began; `id` is unique within the run.
    StepStarted {
        /// Names the step in the events that follow.
        id: u32,
        /// What is being done: `starting 3 nodes`.
        title: String,
    },
    /// A running step has something to say: what it waits for, `3 of 14 kube-proxy`.
    StepProgress {
        /// The step.
        id: u32,
        /// The newest word, replacing the one before.
        detail: String,
    },
    /// A step ended well.
    StepDone {
        /// The step.
        id: u32,
        /// What was done: `3 nodes started`.
        title: String,
        /// How long it took.
        took: Duration,
    },
    /// A step failed; the error itself is returned, not reported here.
    StepFailed {
        /// The step.
        id: u32,
        /// Its title.
        title: String,
    },
    /// A sentence worth keeping: what was decided, what was found.
    Note(String),
    /// Something is not as it should be, and the command goes on.
    Warning(String),
    /// Only with `-v`.
    Detail(String),
}

/// Receives events; implementations draw on stderr, or record.
pub trait Reporter: Send + Sync + 'static {
    /// Takes one event. Never blocks for long, never fails.
    fn event(&self, event: Event);
    /// Erases whatever is still moving on the screen, before final words are printed.
    fn finish(&self) {}
    /// Runs `print` while nothing moves on the screen, so that what it writes is not torn.
    fn suspend(&self, print: &mut dyn FnMut()) {
        print();
    }
}

/// A duration as people read it: `0.41s`, `12.3s`, `2m05s`.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    // The limits lie where rounding would show a wider number: 9.996 s is `10.0s`, not `10.00s`.
    if seconds < 9.995 {
        format!("{seconds:.2}s")
    } else if seconds < 59.95 {
        format!("{seconds:.1}s")
    } else {
        let whole = (duration + Duration::from_millis(500)).as_secs();
        match whole / 3600 {
            0 => format!("{}m{:02}s", whole / 60, whole % 60),
            hours => format!("{hours}h{:02}m", whole % 3600 / 60),
        }
    }
}

/// So many of something: `1 worker`, `2 workers`.
pub fn some(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A long duration in its two largest units, of which a day is the largest: `1h 59m`, `26d 3h`.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |large, mark, small, other| {
        if small == 0 { format!("{large}{mark}") } else { format!("{large}{mark} {small}{other}") }
    };
    match seconds {
        86_400.. => two(days, 'd', hours, 'h'),
        3600.. => two(hours, 'h', minutes, 'm'),
        60.. => two(minutes, 'm', seconds % 60, 's'),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown: Vec<String> = [0.0, 0.412, 9.994, 9.999, 12.34, 59.94, 59.96, 125.0, 3725.0]
            .map(|s| human(Duration::from_secs_f64(s)))
            .into();
        assert_eq!(shown, ["0.00s", "0.41s", "9.99s", "10.0s", "12.3s", "59.9s", "1m00s", "2m05s", "1h02m"]);
    }
}
