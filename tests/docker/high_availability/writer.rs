//! What a client that writes all the time bears: how long writes are away, and that none is lost.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::writes::Writes;
use crate::cluster::{Cluster, text};
use crate::wait::{seconds, until};

/// So many acknowledged writes, three seconds of them, mean that writes go on.
const GOES_ON: usize = 30;
/// How long writes may be away before the case is given up.
const AWAY: Duration = seconds(120);

/// The client; it ends when it is dropped.
pub struct Writer(Writes);

impl Writer {
    /// Begins to write; returns when writes are acknowledged.
    pub fn start(kubeconfig: &Path) -> Self {
        let writer = Self(Writes::start(kubeconfig));
        writer.goes_on();
        writer
    }

    /// How many writes were acknowledged.
    fn count(&self) -> usize {
        self.0.record().acknowledged.len()
    }

    /// Waits until writes go on.
    pub fn goes_on(&self) {
        let before = self.count();
        until("writes go on", AWAY, || match self.count() - before {
            GOES_ON.. => Ok(()),
            few => Err(format!("{few} writes; {:#?}", self.0.record().refusals)),
        });
    }

    /// Does something, waits until writes go on, and prints how long they did not. More than `limit` is a failure.
    #[track_caller]
    pub fn bears<T>(&self, what: &str, limit: Duration, disturb: impl FnOnce() -> T) -> T {
        self.0.record().set_back();
        let outcome = disturb();
        self.goes_on();
        let record = self.0.record();
        eprintln!("failover, {what}: {:.1} s", record.longest.as_secs_f64());
        assert!(record.longest <= limit, "{what}: no write for {:?}; {:#?}", record.longest, record.refusals);
        outcome
    }

    /// Every write that was acknowledged is there.
    #[track_caller]
    pub fn lost_nothing(&self, cluster: &Cluster<'_>) {
        // Before the list: what is acknowledged afterwards need not be in it.
        let acknowledged = self.0.record().acknowledged.clone();
        let list = cluster.get(&["configmaps", "-l", "written=here"]);
        let name = |object| text(object, "/metadata/name").trim_start_matches("write-").parse().expect("a number");
        let there: BTreeSet<u32> = list["items"].as_array().expect("a list").iter().map(name).collect();
        let lost: Vec<&u32> = acknowledged.difference(&there).collect();
        eprintln!("{} writes acknowledged, {} lost", acknowledged.len(), lost.len());
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }
}
