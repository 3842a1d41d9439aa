//! Adds nodes to a living cluster and removes them.

use serde_json::Value;

use super::Session;
use super::reshape::{Done, Found, find_to_change, print, reshape};
use super::whole::must_be_whole;
use crate::cli::args::node::{Add, Delete, Manner};
use crate::cluster::{self, Cluster};
use crate::engine::{ContainerState, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::{Selection, kinds, objects};
use crate::plan::layout::Layout;
use crate::plan::{NewNode, Verb, Wish, names};
use crate::spec::Role;

/// Runs `knarr node add`.
pub async fn add(session: &Session<impl Engine>, args: Add) -> Result<()> {
    let stopped = "stopped before anything was changed";
    let name = session.cluster(args.cluster.name.as_deref()).map_err(untouched)?;
    let found = session.unless_interrupted(stopped, find_to_change(session, &name)).await.map_err(untouched)?;
    must_be_whole(&found).map_err(untouched)?;
    let role = if args.control_plane { Role::ControlPlane } else { Role::Worker };
    let new = vec![NewNode::Plain(role); args.count as usize];
    let done = grow(session, &found, &new, &args.manner).await?;
    print(session, done.as_ref())
}

/// Adds nodes to a cluster that is whole.
pub(super) async fn grow<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    new: &[NewNode],
    manner: &Manner,
) -> Result<Option<Done>> {
    let layout = &found.recalled.layout;
    let taken = taken(found).await.map_err(untouched)?;
    let target = layout.with(new, &taken)?;
    let planes = target.control_planes().count();
    if planes != layout.control_planes().count() && planes % 2 == 0 {
        session.warn(format!("{planes} control planes survive the loss of no more of them than {} do", planes - 1));
    }
    if target.balancer && !layout.balancer {
        let first = &layout.first_control_plane().spec.name;
        session
            .warn(format!("`{first}` restarts, for its port {} moves to a balancer: its pods start again", layout.api));
    }
    let wish = wish(Verb::Grow, target, found, manner);
    reshape(session, found, wish, manner).await
}

/// Runs `knarr node delete`.
pub async fn delete(session: &Session<impl Engine>, args: Delete) -> Result<()> {
    let finding = async {
        let name = match session.named_cluster(args.name.as_deref())? {
            Some(name) => name,
            None => owner(session, &args.nodes).await?,
        };
        let found = find_to_change(session, &name).await?;
        let removed = may_go(session, &found, &args.nodes, args.force).await?;
        Ok((found, removed))
    };
    let stopped = "stopped before anything was changed";
    let (found, removed) = session.unless_interrupted(stopped, finding).await.map_err(untouched)?;
    let done = shrink(session, &found, &removed, args.force, &args.manner).await?;
    print(session, done.as_ref())
}

/// The nodes to remove, if the cluster can do without them, and unless told otherwise without the data that lies on them.
pub(super) async fn may_go<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    nodes: &[String],
    force: bool,
) -> Result<Vec<String>> {
    let removed = chosen(found, nodes)?;
    if !force {
        nothing_lost(session, found, &removed).await?;
    }
    Ok(removed)
}

/// Removes nodes that may go.
pub(super) async fn shrink<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    removed: &[String],
    force: bool,
    manner: &Manner,
) -> Result<Option<Done>> {
    let target = found.recalled.layout.without(removed);
    let runs = |name: &String| {
        found.cluster.nodes.iter().any(|node| node.name == *name && node.state == ContainerState::Running)
    };
    let abandoned = removed.iter().filter(|name| !runs(name)).cloned().collect();
    let wish = Wish { abandoned, force, ..wish(Verb::Shrink, target, found, manner) };
    reshape(session, found, wish, manner).await
}

/// Says of an error that came before anything else that it did no harm.
pub(super) fn untouched(error: Error) -> Error {
    if error.state.is_some() { error } else { error.state("nothing was changed") }
}

/// A wish for another layout, and nothing else.
pub(super) fn wish<E>(verb: Verb, target: Layout, found: &Found<E>, manner: &Manner) -> Wish {
    Wish { behind: found.recalled.behind.clone(), wait: !manner.wait.is_zero(), ..Wish::new(verb, target) }
}

/// The names that a new node cannot have: those of every container, and of this cluster's volumes.
async fn taken<E: Engine>(found: &Found<E>) -> Result<Vec<String>> {
    let label = names::of_cluster(&found.cluster.name);
    let (containers, volumes) =
        futures::future::try_join(found.engine.list_containers(""), found.engine.list_volumes(&label)).await?;
    let containers = containers.into_iter().map(|container| container.name);
    Ok(containers.chain(volumes.into_iter().map(|volume| volume.name)).collect())
}

/// The cluster that has all of these nodes.
async fn owner(session: &Session<impl Engine>, nodes: &[String]) -> Result<String> {
    let engine = session.engine().await?;
    let clusters = cluster::list(&*engine).await?;
    let mut known: Vec<(&Cluster, Vec<String>)> = Vec::new();
    for cluster in &clusters {
        // A node whose removal was cut off may be in the layout only. A cluster that cannot tell is not the one to change.
        let layout = cluster::recall(&*engine, cluster).await.map(|recalled| recalled.layout.nodes).unwrap_or_default();
        let remembered = layout.into_iter().map(|node| node.spec.name.to_string());
        known.push((cluster, remembered.chain(cluster.nodes.iter().map(|node| node.name.clone())).collect()));
    }
    let has = |node: &String| known.iter().find(|(_, names)| names.contains(node)).map(|(cluster, _)| *cluster);
    let unknown: Vec<String> = nodes.iter().filter(|node| has(node).is_none()).map(|n| format!("`{n}`")).collect();
    if !unknown.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no node {}", unknown.join(", ")))
            .hint("list the nodes with `knarr get nodes -A`"));
    }
    let mut owners: Vec<&str> = nodes.iter().filter_map(has).map(|c| c.name.as_str()).collect();
    owners.dedup();
    match owners[..] {
        [one] => Ok(one.to_owned()),
        _ => Err(Error::new(ErrorKind::Usage, "the nodes belong to several clusters")
            .cause(owners.join(", "))
            .hint("remove those of one cluster at a time")),
    }
}

/// The nodes to remove, if the cluster can do without them.
fn chosen<E>(found: &Found<E>, names: &[String]) -> Result<Vec<String>> {
    let (layout, cluster) = (&found.recalled.layout, &found.cluster.name);
    let mut removed = names.to_vec();
    removed.sort();
    removed.dedup();
    let unknown: Vec<String> =
        removed.iter().filter(|name| layout.node(name).is_none()).map(|name| format!("`{name}`")).collect();
    if !unknown.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, format!("cluster `{cluster}` has no node {}", unknown.join(", ")))
            .hint(format!("list its nodes with `knarr get nodes --name {cluster}`")));
    }
    let mut ports = layout.forwarders.iter().filter(|port| removed.iter().any(|name| name == port.node.as_str()));
    if let Some(port) = ports.next() {
        return Err(Error::failed(format!("node `{}` is where a port of this machine leads", port.node))
            .cause(port)
            .hint(format!("first close it with `knarr port remove {} --name {cluster}`", port.host())));
    }
    let runs =
        |name: &str| found.cluster.nodes.iter().any(|node| node.name == name && node.state == ContainerState::Running);
    let planes: Vec<&str> = layout.control_planes().map(|node| node.spec.name.as_str()).collect();
    let left: Vec<&str> = planes.iter().copied().filter(|plane| !removed.iter().any(|r| r == plane)).collect();
    if left.is_empty() {
        return Err(Error::failed(format!("cluster `{cluster}` cannot do without its last control plane"))
            .hint(format!("remove the whole cluster with `knarr delete cluster {cluster}`")));
    }
    let well = |all: &[&str]| all.iter().filter(|plane| runs(plane)).count();
    let quorum = |all: usize| all / 2 + 1;
    // etcd must agree to each removal, and must still be able to agree afterwards.
    if left.len() < planes.len() && (well(&planes) < quorum(planes.len()) || well(&left) < quorum(left.len())) {
        return Err(Error::failed(format!("removing {} would leave etcd without a majority", names.join(", ")))
            .cause(format!(
                "{} of {} control planes run; of the {} that stay, {} do",
                well(&planes),
                planes.len(),
                left.len(),
                well(&left)
            ))
            .hint(format!("first bring the others back with `knarr start {cluster}` or `knarr repair {cluster}`")));
    }
    Ok(removed)
}

/// An error if claims have their data on these nodes.
async fn nothing_lost<E: Engine>(session: &Session<E>, found: &Found<E>, removed: &[String]) -> Result<()> {
    let access = cluster::access(&*found.engine, &found.cluster).await?;
    let kubernetes = session.outside.kubernetes.connect(&access)?;
    let volumes = kubernetes.list(&kinds::VOLUME, Selection::default()).await?;
    let lost: Vec<String> = volumes
        .iter()
        .filter(|volume| removed.iter().any(|node| objects::lies_on(volume, node)))
        .map(|volume| match (&volume["spec"]["claimRef"]["namespace"], &volume["spec"]["claimRef"]["name"]) {
            (Value::String(namespace), Value::String(name)) => format!("claim {namespace}/{name}"),
            _ => objects::describe(volume),
        })
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::failed(format!("data would be lost with {}", removed.join(", ")))
        .details(lost)
        .hint("copy it elsewhere first, or give it up with `--force`"))
}
