//! The only road from logic to screen: logic emits [`Event`]s, reporters draw them.

pub mod plain;
pub mod terminal;

use std::time::Duration;

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
}
