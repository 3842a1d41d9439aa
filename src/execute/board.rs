//! What the steps of a phase wait for, side by side: the line on the screen is the first that is still open.

use std::sync::Mutex;

use crate::report::Step;

/// One line for several steps that run at once.
pub struct Board<'a> {
    shown: &'a Step,
    /// By step: the last thing it said it waits for; none before it says anything and after it is done.
    waits: Mutex<Vec<Option<String>>>,
}

impl<'a> Board<'a> {
    /// A board for `steps` steps, drawn on `shown`.
    pub fn new(shown: &'a Step, steps: usize) -> Self {
        Self { shown, waits: Mutex::new(vec![None; steps]) }
    }

    /// A step says what it waits for.
    pub fn say(&self, step: usize, what: &str) {
        self.set(step, Some(what.to_owned()));
    }

    /// A step is over.
    pub fn done(&self, step: usize) {
        self.set(step, None);
    }

    fn set(&self, step: usize, what: Option<String>) {
        let Ok(mut waits) = self.waits.lock() else { return };
        waits[step] = what;
        if let Some(first) = waits.iter().flatten().next() {
            self.shown.progress(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::report::plain::Recorder;
    use crate::report::{Event, Reporter, Steps};

    #[test]
    fn what_is_over_is_no_longer_waited_for() {
        let recorder = Arc::new(Recorder::default());
        let reporter: Arc<dyn Reporter> = recorder.clone();
        let shown = Steps::new(reporter).start("waiting");
        let board = Board::new(&shown, 2);
        board.say(0, "nodes");
        board.say(1, "DNS");
        board.done(0);
        shown.done("waited");
        let said: Vec<String> = recorder
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::StepProgress { detail, .. } => Some(detail),
                _ => None,
            })
            .collect();
        assert_eq!(said, ["nodes", "nodes", "DNS"]);
    }
}
