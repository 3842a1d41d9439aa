//! Steps as logic writes them: `let step = steps.start("starting 3 nodes"); …; step.done("3 nodes started")`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::{Event, Reporter};

/// Hands out steps and passes single sentences on; clones share the numbering.
#[derive(Clone)]
pub struct Steps {
    reporter: Arc<dyn Reporter>,
    next: Arc<AtomicU32>,
}

impl Steps {
    /// Steps that are told to `reporter`.
    pub fn new(reporter: Arc<dyn Reporter>) -> Self {
        Self { reporter, next: Arc::new(AtomicU32::new(1)) }
    }

    /// Begins a step; `title` says what is being done: `starting 3 nodes`.
    pub fn start(&self, title: impl Into<String>) -> Step {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let title = title.into();
        self.reporter.event(Event::StepStarted { id, title: title.clone() });
        Step { reporter: Arc::clone(&self.reporter), id, title, began: Instant::now(), ended: false }
    }

    /// A sentence worth keeping.
    pub fn note(&self, text: impl Into<String>) {
        self.reporter.event(Event::Note(text.into()));
    }

    /// Something is not as it should be, and the command goes on.
    pub fn warn(&self, text: impl Into<String>) {
        self.reporter.event(Event::Warning(text.into()));
    }

    /// Shown only with `-v`.
    pub fn detail(&self, text: impl Into<String>) {
        self.reporter.event(Event::Detail(text.into()));
    }

    /// Where the events go.
    pub fn reporter(&self) -> &Arc<dyn Reporter> {
        &self.reporter
    }
}

/// A running step. Dropped without [`Step::done`] — by `?`, by cancellation — it counts as failed.
#[must_use = "a dropped step is reported as failed"]
pub struct Step {
    reporter: Arc<dyn Reporter>,
    id: u32,
    title: String,
    began: Instant,
    ended: bool,
}

impl Step {
    /// Says what the step waits for or how far it is.
    pub fn progress(&self, detail: impl Into<String>) {
        self.reporter.event(Event::StepProgress { id: self.id, detail: detail.into() });
    }

    /// Ends the step well; `title` says what was done: `3 nodes started`. Returns how long it took.
    pub fn done(mut self, title: impl Into<String>) -> Duration {
        self.ended = true;
        let took = self.began.elapsed();
        self.reporter.event(Event::StepDone { id: self.id, title: title.into(), took });
        took
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.reporter.event(Event::StepFailed { id: self.id, title: std::mem::take(&mut self.title) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::plain::Recorder;

    #[test]
    fn a_step_ends_once() {
        let recorder = Arc::new(Recorder::default());
        let steps = Steps::new(recorder.clone());
        let first = steps.start("starting 3 nodes");
        first.progress("2 of 3");
        let _ = first.done("3 nodes started");
        drop(steps.clone().start("joining"));

        let events = recorder.events();
        assert_eq!(events[0], Event::StepStarted { id: 1, title: "starting 3 nodes".into() });
        assert_eq!(events[1], Event::StepProgress { id: 1, detail: "2 of 3".into() });
        assert!(matches!(&events[2], Event::StepDone { id: 1, title, .. } if title == "3 nodes started"));
        assert_eq!(events[4], Event::StepFailed { id: 2, title: "joining".into() });
        assert_eq!(events.len(), 5);
    }
}
