//! Where everything of a cluster stands, read back from the cluster itself: every node keeps the whole layout in a file.

use futures::future::join_all;

use super::{Cluster, read_file};
use crate::engine::{ContainerState, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::node::paths::CLUSTER_FILE;
use crate::plan::layout::Layout;
use crate::plan::names;

/// A cluster's layout, and how far Docker and its nodes agree with it.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// Where everything stands.
    pub layout: Layout,
    /// Containers that the layout has, and that Docker has not or never started.
    pub missing: Vec<String>,
    /// Nodes that Docker has and the layout has not: a change was cut off.
    pub strangers: Vec<String>,
    /// Nodes that do not know the layout: a change was cut off before they heard of it.
    pub behind: Vec<String>,
    /// Nodes that only those behind know: they were removed, and that was cut off before everybody heard of it.
    pub former: Vec<String>,
}

/// Reads the layout of a cluster out of its nodes, running or not. Of several versions the newest holds.
pub async fn recall<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Recalled> {
    cluster.control_plane()?;
    let asked =
        join_all(cluster.nodes.iter().map(|node| async move { (&node.name, layout_of(engine, &node.name).await) }));
    let (mut told, mut refused) = (Vec::new(), Vec::new());
    for (node, answer) in asked.await {
        match answer {
            Ok(layout) => told.push((node, layout)),
            Err(e) => refused.push((node, e)),
        }
    }
    let Some(newest) = told.iter().map(|(_, layout)| layout).max_by_key(|layout| layout.generation).cloned() else {
        let error = Error::failed(format!("cannot tell how cluster `{}` was made", cluster.name));
        let facts = refused.into_iter().flat_map(|(_, e)| std::iter::once(e.message).chain(e.causes));
        return Err(facts.fold(error, Error::cause));
    };
    let in_docker = |name: &str| cluster.containers().any(|c| c.name == name && c.state != ContainerState::Created);
    let balancer = newest.balancer.then(|| names::balancer(&cluster.name));
    let wanted = newest.nodes.iter().map(|node| node.spec.name.to_string()).chain(balancer);
    let missing = wanted.filter(|name| !in_docker(name)).collect();
    let known = |name: &str| newest.node(name).is_some();
    let strangers = cluster.nodes.iter().map(|node| node.name.clone()).filter(|name| !known(name)).collect();
    let mut former: Vec<String> =
        told.iter().flat_map(|(_, layout)| &layout.nodes).map(|n| n.spec.name.to_string()).collect();
    former.retain(|name| !known(name) && !in_docker(name));
    former.sort();
    former.dedup();
    let old = told.iter().filter(|(_, layout)| layout.generation < newest.generation).map(|(node, _)| *node);
    let behind = old.chain(refused.iter().map(|(node, _)| *node)).filter(|node| known(node)).cloned().collect();
    Ok(Recalled { layout: newest, missing, strangers, behind, former })
}

async fn layout_of<E: Engine>(engine: &E, node: &str) -> Result<Layout> {
    let bytes = read_file(engine, node, CLUSTER_FILE).await.map_err(|e| Error { kind: ErrorKind::Failed, ..e })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::failed(format!("`{CLUSTER_FILE}` of node `{node}` is not what knarr wrote")).cause(e))
}
