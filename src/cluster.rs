//! The clusters that exist, read from Docker's labels: there is no other memory.

pub mod certificates;
pub mod etcd;
mod lock;
mod recall;
mod salvage;
mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use knarr_contract::Role;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::engine::{ContainerInfo, ContainerState, Engine, archive};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::Access;
use crate::node::paths::{ADMIN_PEM, CA};
use crate::plan::layout::API_PORT;
use crate::plan::names;

pub use self::lock::{Lock, lock};
pub use self::recall::{Recalled, recall};
pub use self::salvage::salvage;
pub use self::state::State;

/// A cluster as Docker's labels tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// The identity of the run that made it.
    pub create_id: String,
    /// When it may be removed, if ever.
    pub expires: Option<OffsetDateTime>,
    /// Which job of a CI system made it, if one did.
    pub owner: Option<String>,
    /// Whether its Docker network is there.
    pub has_network: bool,
    /// Its nodes, control planes first, by number.
    pub nodes: Vec<ContainerInfo>,
    /// Its containers that are no nodes: the balancer, and the forwarders of ports.
    pub helpers: Vec<ContainerInfo>,
}

impl Cluster {
    /// The first control plane, if it is there.
    pub fn first_control_plane(&self) -> Option<&ContainerInfo> {
        self.nodes.iter().find(|n| role(n) == Some(Role::ControlPlane))
    }

    /// The first control plane, or an error that says the cluster is only half there.
    pub fn control_plane(&self) -> Result<&ContainerInfo> {
        self.first_control_plane().ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("cluster `{}` has no control plane", self.name))
                .cause("its container is gone, or a creation or deletion was cut off")
                .hint(format!("if it ever ran, make it anew from its volume with `knarr repair {}`", self.name))
                .hint(format!("remove what is left with `knarr delete cluster {}`", self.name))
        })
    }

    /// All of its containers.
    pub fn containers(&self) -> impl Iterator<Item = &ContainerInfo> {
        self.nodes.iter().chain(&self.helpers)
    }

    /// The balancer in front of several API servers, if it has one.
    pub fn balancer(&self) -> Option<&ContainerInfo> {
        self.helpers.iter().find(|helper| helper.labels.get(names::ROLE).is_some_and(|role| role == names::BALANCER))
    }

    /// The container that publishes the API.
    pub fn front(&self) -> Result<&ContainerInfo> {
        self.balancer().map_or_else(|| self.control_plane(), Ok)
    }

    /// Where the API is published on the host.
    pub fn api(&self) -> Result<SocketAddr> {
        let node = self.front()?;
        let port = node.ports.iter().find(|p| p.container_port == API_PORT).ok_or_else(|| {
            Error::new(ErrorKind::Failed, format!("`{}` publishes no API port", node.name))
                .cause(format!("its container is {}", node.state))
                .hint(format!("start it with `knarr start {}`", self.name))
        })?;
        Ok(SocketAddr::new(crate::plan::container::reachable(port.host_address), port.host_port))
    }

    /// The nodes that run, or an error naming one that does not.
    pub fn running_nodes(&self) -> Result<Vec<&ContainerInfo>> {
        self.nodes
            .iter()
            .map(|node| match node.state {
                ContainerState::Running => Ok(node),
                state => Err(Error::failed(format!("node `{}` is {state}", node.name))
                    .hint(format!("see `knarr status {}`; start it with `knarr start {}`", self.name, self.name))),
            })
            .collect()
    }
}

/// The role of a node, from its label.
pub fn role(node: &ContainerInfo) -> Option<Role> {
    match node.labels.get(names::ROLE)?.as_str() {
        "control-plane" => Some(Role::ControlPlane),
        "worker" => Some(Role::Worker),
        _ => None,
    }
}

/// Every cluster, by name; half-made ones too, even when only a network or a volume is left.
pub async fn list<E: Engine>(engine: &E) -> Result<Vec<Cluster>> {
    let (containers, networks, volumes) = futures::future::try_join3(
        engine.list_containers(names::CLUSTER),
        engine.list_networks(),
        engine.list_volumes(names::CLUSTER),
    )
    .await?;
    let mut clusters: BTreeMap<String, Cluster> = BTreeMap::new();
    let labels = networks.iter().map(|n| &n.labels).chain(volumes.iter().map(|v| &v.labels));
    for labels in labels.chain(containers.iter().map(|c| &c.labels)) {
        if let Some(name) = labels.get(names::CLUSTER) {
            clusters.entry(name.clone()).or_insert_with(|| Cluster {
                name: name.clone(),
                create_id: labels.get(names::CREATE_ID).cloned().unwrap_or_default(),
                expires: names::expires(labels),
                owner: labels.get(names::OWNER).cloned(),
                has_network: networks.iter().any(|n| n.labels.get(names::CLUSTER) == Some(name)),
                nodes: Vec::new(),
                helpers: Vec::new(),
            });
        }
    }
    for container in containers {
        if let Some(cluster) = container.labels.get(names::CLUSTER).and_then(|name| clusters.get_mut(name)) {
            if role(&container).is_some() { &mut cluster.nodes } else { &mut cluster.helpers }.push(container);
        }
    }
    for cluster in clusters.values_mut() {
        cluster.nodes.sort_by_key(|n| (role(n), n.name.len(), n.name.clone()));
        cluster.helpers.sort_by(|a, b| a.name.cmp(&b.name));
    }
    Ok(clusters.into_values().collect())
}

/// One cluster, or an error that lists those that exist.
pub async fn find<E: Engine>(engine: &E, name: &str) -> Result<Cluster> {
    let clusters = list(engine).await?;
    let known: Vec<String> = clusters.iter().map(|c| format!("`{}`", c.name)).collect();
    clusters.into_iter().find(|c| c.name == name).ok_or_else(|| {
        let error = Error::new(ErrorKind::NotFound, format!("there is no cluster `{name}`"));
        if known.is_empty() {
            error.cause("no cluster exists").hint(format!("create it with `knarr create cluster {name}`"))
        } else {
            error.cause(format!("these exist: {}", known.join(", "))).hint("name one of them with `--name`")
        }
    })
}

/// The administrator's access to a cluster that runs.
pub async fn access<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Access> {
    Ok(Access { url: format!("https://{}", cluster.api()?), ..credentials(engine, cluster).await? })
}

/// Reads the administrator's credentials out of a control plane, running or not, into memory only.
pub async fn credentials<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Access> {
    from_any(cluster, |node| credentials_of(engine, node)).await
}

/// Asks the control planes one after the other, those that run first, until one can tell.
pub(crate) async fn from_any<'c, T, F: Future<Output = Result<T>>>(
    cluster: &'c Cluster,
    ask: impl Fn(&'c str) -> F,
) -> Result<T> {
    let mut planes: Vec<&ContainerInfo> =
        cluster.nodes.iter().filter(|node| role(node) == Some(Role::ControlPlane)).collect();
    planes.sort_by_key(|node| node.state != ContainerState::Running);
    let mut refused = cluster.control_plane().map(drop);
    for plane in planes {
        match ask(&plane.name).await {
            Ok(told) => return Ok(told),
            // The first one's reason is the one that counts.
            Err(e) if refused.is_ok() => refused = Err(e),
            Err(_) => {}
        }
    }
    Err(refused.err().unwrap_or_else(|| Error::failed(format!("cluster `{}` has no control plane", cluster.name))))
}

async fn credentials_of<E: Engine>(engine: &E, node: &str) -> Result<Access> {
    let (ca, pem) = futures::future::try_join(read_file(engine, node, CA), read_file(engine, node, ADMIN_PEM)).await?;
    // The file holds the certificate and then its key; each side wants only its own.
    let text = String::from_utf8_lossy(&pem);
    let split = text
        .find("-----BEGIN PRIVATE KEY")
        .ok_or_else(|| Error::failed(format!("`{ADMIN_PEM}` of node `{node}` is not what knarr wrote")))?;
    Ok(Access {
        url: String::new(),
        ca: ca.to_vec(),
        cert: pem[..split].to_vec(),
        key: Zeroizing::new(pem[split..].to_vec()),
    })
}

/// Reads one file of a node, running or not, into memory.
pub async fn read_file<E: Engine>(engine: &E, node: &str, path: &str) -> Result<Zeroizing<Vec<u8>>> {
    let stream = engine.get_archive(node, path).await?;
    archive::read_one(stream).await.map_err(|e| e.context(format!("cannot read `{path}` of node `{node}`")))
}
