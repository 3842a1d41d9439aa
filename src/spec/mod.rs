//! What the program believes a cluster should be: valid by construction, no I/O.
//!
//! Only `config` builds these (it reports every problem first); `plan` reads them. A cluster keeps its own spec in its
//! nodes (`node/paths.rs`, [`CLUSTER_FILE`](crate::node::paths::CLUSTER_FILE)): serde is for that file alone, and what
//! is read back is checked like anything else.

pub mod limits;
pub mod ports;
pub mod registries;
pub mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::Ipv4Net;
pub use knarr_contract::{Limits, Role};
use serde::{Deserialize, Serialize};

use self::registries::Registries;
use self::values::{ClusterName, DnsDomain, ImageRef, NodeName, PortMapping, Taint};
use crate::addons::Chosen;

/// A whole cluster as asked for, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Its name: prefix of every container, name of its network.
    pub name: ClusterName,
    /// The node image.
    pub image: ImageRef,
    /// The nodes, control planes first, in order of their names' numbers; at least one control plane.
    pub nodes: Vec<NodeSpec>,
    /// Addresses, ports and proxying.
    pub networking: Networking,
    /// Kubernetes feature gates for every component that takes them.
    pub feature_gates: BTreeMap<String, bool>,
    /// `--runtime-config` of the API server: API versions switched on or off.
    pub runtime_config: BTreeMap<String, String>,
    /// Further flags per component, without dashes; protected ones were refused by validation.
    pub extra_args: BTreeMap<ExtraArgsTarget, BTreeMap<String, String>>,
    /// Whether the API server writes an audit log.
    pub audit: bool,
    /// What runs beside Kubernetes itself. A living cluster's are in its API server, so they are not kept twice.
    #[serde(skip)]
    pub addons: Chosen,
    /// Registries that nodes do not reach as their names say.
    #[serde(default)]
    pub registries: Registries,
    /// What is applied to the new cluster, in this order; of no meaning afterwards.
    #[serde(skip)]
    pub manifests: Vec<Manifest>,
    /// How long it may live, counted from the begin of its creation; `None` lets it live until it is deleted.
    pub ttl: Option<Duration>,
}

/// Where manifests of the user's own come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// Standard input.
    Stdin,
    /// A file, or a folder of files; absolute.
    Path(PathBuf),
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The components that take extra arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ExtraArgsTarget {
    /// kube-apiserver
    ApiServer,
    /// kube-controller-manager
    ControllerManager,
    /// kube-scheduler
    Scheduler,
    /// etcd
    Etcd,
    /// kubelet
    Kubelet,
    /// kube-proxy
    KubeProxy,
}

/// One node as asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSpec {
    /// Its name, generated: `<cluster>-control-plane`, `<cluster>-worker2`, …
    pub name: NodeName,
    /// What it is for.
    pub role: Role,
    /// The image of this node, where it differs from the cluster's.
    pub image: Option<ImageRef>,
    /// Labels for the Node object.
    pub labels: BTreeMap<String, String>,
    /// Taints for the Node object. `None` means the role's default: control planes are tainted when there are workers.
    pub taints: Option<Vec<Taint>>,
    /// How much of the machine it may use.
    pub limits: Limits,
    /// Host folders and files seen inside the node.
    pub mounts: Vec<Mount>,
    /// Ports of the node published on the host.
    pub ports: Vec<PortMapping>,
}

/// A host path seen inside a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mount {
    /// Absolute path on the Docker host; it must exist.
    pub host_path: PathBuf,
    /// Absolute, normalised path in the node.
    pub container_path: String,
    /// Whether the node may only read.
    pub read_only: bool,
    /// How mounts below it spread.
    pub propagation: Propagation,
    /// Whether Docker relabels it for SELinux.
    pub selinux_relabel: bool,
}

/// How mounts below a bind mount spread between host and node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Propagation {
    /// Not at all (`rprivate`).
    #[default]
    None,
    /// From the host into the node (`rslave`).
    HostToContainer,
    /// Both ways (`rshared`).
    Bidirectional,
}

/// Addresses, ports and proxying of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Networking {
    /// The host address at which the API is published; loopback unless asked otherwise.
    pub api_address: IpAddr,
    /// The host port of the API; `None` lets knarr choose a free one and keep it.
    pub api_port: Option<u16>,
    /// The Docker network's subnet; `None` lets knarr choose a free one.
    pub node_subnet: Option<Ipv4Net>,
    /// The addresses of all pods; each node gets a /24 of it.
    pub pod_subnet: Ipv4Net,
    /// The addresses of Services; the first is the API's, the tenth is the cluster DNS's.
    pub service_subnet: Ipv4Net,
    /// The DNS suffix of the cluster.
    pub dns_domain: DnsDomain,
    /// How kube-proxy programs the kernel.
    pub proxy_mode: ProxyMode,
    /// Further names and addresses for the API server's certificate.
    pub extra_sans: Vec<String>,
}

/// How kube-proxy programs the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyMode {
    /// nftables, the default.
    #[default]
    Nftables,
    /// iptables, for tools that read its rules.
    Iptables,
}

impl ClusterSpec {
    /// The control planes.
    pub fn control_planes(&self) -> impl Iterator<Item = &NodeSpec> {
        self.nodes.iter().filter(|n| n.role == Role::ControlPlane)
    }

    /// The workers.
    pub fn workers(&self) -> impl Iterator<Item = &NodeSpec> {
        self.nodes.iter().filter(|n| n.role == Role::Worker)
    }
}
