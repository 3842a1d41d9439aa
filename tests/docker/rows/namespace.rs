//! A namespace of one case, deleted with all that is in it when the case ends.

use crate::cluster::Cluster;
use crate::processes::Run;

/// The namespace.
pub struct Namespace<'c> {
    cluster: &'c Cluster<'c>,
    name: &'static str,
}

impl<'c> Namespace<'c> {
    /// Makes it.
    #[track_caller]
    pub fn create(cluster: &'c Cluster<'c>, name: &'static str) -> Self {
        cluster.kubectl(&["create", "namespace", name]).ok();
        Self { cluster, name }
    }

    /// Runs kubectl in it.
    pub fn kubectl(&self, arguments: &[&str]) -> Run {
        self.kubectl_reading(arguments, b"")
    }

    /// Runs kubectl in it, with something on its stdin.
    pub fn kubectl_reading(&self, arguments: &[&str], input: &[u8]) -> Run {
        self.cluster.kubectl_reading(&[&["--namespace", self.name], arguments].concat(), input)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        self.cluster.kubectl(&["delete", "namespace", self.name, "--wait=false"]);
    }
}
