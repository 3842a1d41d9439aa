//! The one cluster of three nodes for all cases that only look; created by the first that asks, deleted at the end.

use std::sync::Mutex;

use crate::cluster::Cluster;
use crate::docker;
use crate::scene::{Scene, prefix};

static CREATED: Mutex<Option<Scene>> = Mutex::new(None);

fn name() -> String {
    format!("{}-shared", prefix())
}

/// A cluster with a control plane and two workers. What a case puts into it must carry the case's own names.
pub struct Shared<'s> {
    /// Seen from the case's own scene, so that its kubeconfig is not the one that the creation wrote.
    pub cluster: std::mem::ManuallyDrop<Cluster<'s>>,
    /// All nodes, the control plane first.
    pub nodes: Vec<String>,
}

/// The shared cluster.
pub fn cluster(scene: &Scene) -> Shared<'_> {
    let name = name();
    let mut created = CREATED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if created.is_none() {
        let own = Scene::new("(the shared cluster)");
        let run = own.knarr(&["create", "cluster", &name, "--workers", "2", "--timings"]).ok();
        eprintln!("{}", run.out());
        *created = Some(own);
    }
    let nodes = ["control-plane", "worker", "worker2"].map(|node| format!("{name}-{node}")).to_vec();
    // Its end comes after the last case, not with this one.
    Shared { cluster: std::mem::ManuallyDrop::new(Cluster::named(scene, name)), nodes }
}

/// Deletes it, if it was made, as a person would; returns what went wrong.
pub fn end() -> Option<String> {
    let scene = CREATED.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()?;
    let run = scene.knarr(&["delete", "cluster", &name()]);
    let left = docker::objects(&name());
    let fine = run.status == 0 && left.is_empty();
    (!fine).then(|| format!("the shared cluster was not deleted, left {left:?}\n{run}"))
}
