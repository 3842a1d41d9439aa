//! Where everything of a cluster stands, read back from the cluster itself: every node keeps the whole layout in a file.

use futures::future::join_all;

use super::{Cluster, read_file, role};
use crate::engine::{ContainerInfo, ContainerState, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::node::paths::{BALANCER_CONFIG, CLUSTER_FILE};
use crate::node::render::{self, Content};
use crate::plan::layout::Layout;
use crate::plan::{Living, Stranger};

/// A cluster's layout, and how far Docker and its nodes agree with it.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// Where everything stands.
    pub layout: Layout,
    /// Containers that the layout has and Docker has not.
    pub missing: Vec<String>,
    /// Nodes that Docker has and the layout has not: a change was cut off.
    pub strangers: Vec<Stranger>,
    /// Nodes that do not know the layout, or a balancer that does not: a change was cut off before they heard of it.
    pub behind: Vec<String>,
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
    let in_docker = |name: &str| cluster.containers().any(|container| container.name == name && ran(container));
    let missing: Vec<String> = newest.containers().filter(|name| !in_docker(name)).collect();
    let known = |name: &str| newest.node(name).is_some();
    let stranger = |node: &ContainerInfo| Some(Stranger { name: node.name.clone(), role: role(node)? });
    let strangers = cluster.nodes.iter().filter(|node| !known(&node.name)).filter_map(stranger).collect();
    // Also one that knows another layout of the same generation: two changes came at once.
    let old = told.iter().filter(|(_, layout)| *layout != newest).map(|(node, _)| *node);
    let untold = old.chain(refused.iter().map(|(node, _)| *node));
    let mut behind: Vec<String> = untold.filter(|node| known(node) && !missing.contains(node)).cloned().collect();
    if let Some(balancer) = cluster.balancer().filter(|balancer| newest.balancer && ran(balancer))
        && !serves(engine, &balancer.name, &newest).await
    {
        behind.push(balancer.name.clone());
    }
    Ok(Recalled { layout: newest, missing, strangers, behind })
}

/// Whether the balancer has the configuration of this layout. It keeps no layout itself.
async fn serves<E: Engine>(engine: &E, balancer: &str, layout: &Layout) -> bool {
    let wanted = render::balancer_files(layout).into_iter().find(|file| file.path == BALANCER_CONFIG);
    let has = read_file(engine, balancer, BALANCER_CONFIG).await;
    match (wanted.map(|file| file.content), has) {
        (Some(Content::Text(text)), Ok(has)) => text.as_bytes() == &has[..],
        _ => false,
    }
}

impl Recalled {
    /// The cluster as plans see it.
    pub fn living(&self, cluster: &Cluster) -> Living {
        let (there, unborn): (Vec<_>, Vec<_>) = cluster.containers().partition(|container| ran(container));
        Living {
            layout: self.layout.clone(),
            states: there.into_iter().map(|container| (container.name.clone(), container.state)).collect(),
            unborn: unborn.into_iter().map(|container| container.name.clone()).collect(),
            helpers: cluster.helpers.iter().map(|helper| helper.name.clone()).collect(),
            renew: Vec::new(),
        }
    }

    /// The nodes that are lost.
    pub fn lost_nodes(&self) -> Vec<String> {
        self.missing.iter().filter(|name| self.layout.node(name).is_some()).cloned().collect()
    }
}

/// Whether a container has ever run. Docker calls one `created` that has not, and knarr starts each that it makes, after
/// its files are in.
const fn ran(container: &ContainerInfo) -> bool {
    !matches!(container.state, ContainerState::Created | ContainerState::Dead)
}

async fn layout_of<E: Engine>(engine: &E, node: &str) -> Result<Layout> {
    let bytes = read_file(engine, node, CLUSTER_FILE).await.map_err(|e| Error { kind: ErrorKind::Failed, ..e })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::failed(format!("`{CLUSTER_FILE}` of node `{node}` is not what knarr wrote")).cause(e))
}
