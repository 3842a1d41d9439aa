//! Names and labels of everything that knarr makes. The labels are the database: nothing else is remembered.

use super::layout::Layout;
use crate::engine::Labels;

/// Carried by every container, network and volume: the cluster's name.
pub const CLUSTER: &str = "dev.knarr.cluster";
/// Carried by containers and volumes: `control-plane` or `worker` for nodes, [`BALANCER`] for the helper in front of
/// several API servers.
pub const ROLE: &str = "dev.knarr.role";
/// The role of the container that publishes the API of several control planes.
pub const BALANCER: &str = "balancer";
/// Carried by everything one `create` made: a clean-up touches nothing else.
pub const CREATE_ID: &str = "dev.knarr.create-id";
/// The version of knarr that made it.
pub const VERSION: &str = "dev.knarr.version";

/// The cluster's Docker network.
pub fn network(cluster: &str) -> String {
    format!("knarr-{cluster}")
}

/// The volume that holds `/var` of a node.
pub fn volume(node: &str) -> String {
    format!("{node}-var")
}

/// The container that publishes the API of several control planes.
pub fn balancer(cluster: &str) -> String {
    format!("{cluster}-{BALANCER}")
}

/// The labels of an object of this cluster; `role` is a node's or a helper's.
pub fn labels(layout: &Layout, role: Option<&str>) -> Labels {
    let mut labels = Labels::from([
        (CLUSTER.into(), layout.name().into()),
        (CREATE_ID.into(), layout.create_id.clone()),
        (VERSION.into(), env!("CARGO_PKG_VERSION").into()),
    ]);
    if let Some(role) = role {
        labels.insert(ROLE.into(), role.into());
    }
    labels
}

/// The filter that finds everything of one cluster.
pub fn of_cluster(cluster: &str) -> String {
    format!("{CLUSTER}={cluster}")
}

/// The filter that finds everything of one run.
pub fn of_run(create_id: &str) -> String {
    format!("{CREATE_ID}={create_id}")
}
