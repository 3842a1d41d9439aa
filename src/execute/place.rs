//! Where a run is in its plan, told with `-v`: each step and each of its calls that changes something, as it begins and
//! when it is over. Between any two of these lines is where a run can be cut off.

use crate::plan::Step;
use crate::report::Steps;

tokio::task_local! {
    /// The step that is being carried out: it follows the step through everything that it awaits.
    static HERE: Place;
}

/// One step of a plan.
#[derive(Clone)]
pub struct Place {
    steps: Steps,
    name: String,
}

impl Place {
    /// The place of a step; both numbers count from zero.
    pub fn new(steps: &Steps, phase: usize, number: usize, step: &Step) -> Self {
        let name = format!("phase {} step {} ({step})", phase + 1, number + 1);
        Self { steps: steps.clone(), name }
    }

    /// Carries the step out, and tells.
    pub async fn told<T, E>(self, step: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let here = self.clone();
        HERE.scope(self, here.tell("", step)).await
    }

    async fn tell<T, E>(&self, what: &str, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let (name, mark) = (&self.name, if what.is_empty() { "" } else { ": " });
        self.steps.detail(format!("{name}{mark}{what}: begun"));
        let outcome = work.await;
        let end = if outcome.is_ok() { "done" } else { "failed" };
        self.steps.detail(format!("{name}{mark}{what}: {end}"));
        outcome
    }
}

/// Makes a call of the step that is being carried out, and tells.
pub async fn telling<T, E>(what: &str, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match HERE.try_with(Place::clone) {
        Ok(place) => place.tell(what, call).await,
        Err(_) => call.await,
    }
}
