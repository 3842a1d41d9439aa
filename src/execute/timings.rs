//! When each milestone of a boot was reached, counted from Enter.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The first marks of each of these are kept, in the order they happen.
pub const CONTAINERS_STARTED: &str = "first container started";
/// etcd serves.
pub const ETCD: &str = "etcd";
/// The API server answers an authenticated request.
pub const API: &str = "API answering";
/// The first Node object exists.
pub const NODE_REGISTERED: &str = "first Node registered";
/// Every Node is Ready.
pub const NODES_READY: &str = "nodes Ready";
/// A Pod is Running.
pub const FIRST_POD: &str = "first Pod Running";
/// The cluster DNS answers inside a pod.
pub const DNS: &str = "DNS answering";

/// Marks shared by everything that runs.
#[derive(Clone, Debug)]
pub struct Timings {
    begun: Instant,
    marks: Arc<Mutex<Vec<(&'static str, Duration)>>>,
}

impl Timings {
    /// Starts counting.
    pub fn start() -> Self {
        Self { begun: Instant::now(), marks: Arc::default() }
    }

    /// Notes that something was reached now; only the first time counts.
    pub fn mark(&self, what: &'static str) {
        let now = self.begun.elapsed();
        if let Ok(mut marks) = self.marks.lock()
            && !marks.iter().any(|(known, _)| *known == what)
        {
            marks.push((what, now));
        }
    }

    /// What was reached, and when.
    pub fn marks(&self) -> Vec<(&'static str, Duration)> {
        self.marks.lock().map(|m| m.clone()).unwrap_or_default()
    }
}
