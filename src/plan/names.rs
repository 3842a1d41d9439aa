//! Names and labels of everything that knarr makes. The labels are the database: nothing else is remembered.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::layout::{Forwarder, Layout};
use crate::engine::Labels;

/// Carried by every container, network and volume: the cluster's name.
pub const CLUSTER: &str = "dev.knarr.cluster";
/// Carried by containers and volumes: `control-plane` or `worker` for nodes, [`BALANCER`] and [`FORWARDER`] for the helpers
/// beside them.
pub const ROLE: &str = "dev.knarr.role";
/// The role of the container that publishes the API of several control planes.
pub const BALANCER: &str = "balancer";
/// The role of a container that passes a port of the host on to a node.
pub const FORWARDER: &str = "forwarder";
/// Carried by everything one `create` made: a clean-up touches nothing else.
pub const CREATE_ID: &str = "dev.knarr.create-id";
/// Carried by everything of a cluster with a `ttl`: when it may be removed, RFC 3339 in UTC.
pub const EXPIRES: &str = "dev.knarr.expires";
/// Carried by everything that a CI job made: which job, in the words of its CI system.
pub const OWNER: &str = "dev.knarr.owner";
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

/// The container that passes a port of the host on to a node.
pub fn forwarder(cluster: &str, forwarder: &Forwarder) -> String {
    format!("{cluster}-port-{}-{}", forwarder.host_port, forwarder.protocol)
}

/// The port that a container of [`forwarder`] passes on, as commands name it.
pub fn forwarded(cluster: &str, container: &str) -> Option<String> {
    let (port, protocol) = container.strip_prefix(&format!("{cluster}-port-"))?.split_once('-')?;
    Some(format!("{port}/{protocol}"))
}

/// What the container of a node is called while another takes its place.
pub fn aside(node: &str) -> String {
    format!("{node}-before")
}

/// The labels of an object of this cluster; `role` is a node's or a helper's.
pub fn labels(layout: &Layout, role: Option<&str>) -> Labels {
    let mut labels = Labels::from([
        (CLUSTER.into(), layout.name().into()),
        (CREATE_ID.into(), layout.create_id.clone()),
        (VERSION.into(), env!("CARGO_PKG_VERSION").into()),
    ]);
    labels.extend(layout.expires.map(|at| (EXPIRES.into(), stamp(at))));
    labels.extend(layout.owner.clone().map(|owner| (OWNER.into(), owner)));
    if let Some(role) = role {
        labels.insert(ROLE.into(), role.into());
    }
    labels
}

/// A moment as labels and results have it: `2026-11-28T14:00:00Z`.
pub fn stamp(at: OffsetDateTime) -> String {
    humantime::format_rfc3339_seconds(at.into()).to_string()
}

/// When an object may be removed. A label that cannot be read is none: nothing is removed because of it.
pub fn expires(labels: &Labels) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(labels.get(EXPIRES)?, &Rfc3339).ok()
}

/// The filter that finds everything of one cluster.
pub fn of_cluster(cluster: &str) -> String {
    format!("{CLUSTER}={cluster}")
}

/// The filter that finds everything of one run.
pub fn of_run(create_id: &str) -> String {
    format!("{CREATE_ID}={create_id}")
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;
    use crate::node::fixture;

    #[test]
    fn labels_say_when_and_whose() {
        let plain = labels(&fixture::layout(1, 0), None);
        assert!(!plain.contains_key(EXPIRES) && !plain.contains_key(OWNER));
        let at = OffsetDateTime::UNIX_EPOCH + Duration::seconds(1_796_000_000);
        let layout = Layout { expires: Some(at), owner: Some("github:acme/web:7:1".into()), ..fixture::layout(1, 0) };
        let labels = labels(&layout, Some("worker"));
        assert_eq!(labels[EXPIRES], "2026-11-30T00:53:20Z");
        assert_eq!((labels[OWNER].as_str(), labels[ROLE].as_str()), ("github:acme/web:7:1", "worker"));
        assert_eq!(expires(&labels), Some(at));
        assert_eq!(expires(&Labels::from([(EXPIRES.into(), "soon".into())])), None);
    }
}
