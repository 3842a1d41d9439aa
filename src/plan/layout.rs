//! Where everything of a cluster stands: addresses, subnets, ports, names. Pure data, decided before the first call.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::Ipv4Net;
use knarr_contract::Role;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::names;
use crate::spec::ports::HostPort;
use crate::spec::registries::RegistryHost;
use crate::spec::values::{NodeName, Protocol};
use crate::spec::{ClusterSpec, NodeSpec};

pub use crate::spec::ports::API_PORT;

/// A cluster with all its choices made. Every node keeps it in a file, which is how a cluster remembers itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// The identity of the cluster: label of everything it is made of, token of the etcd cluster.
    pub create_id: String,
    /// When it may be removed, if ever.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires: Option<OffsetDateTime>,
    /// Who made it, in the words of a CI system, if one did.
    pub owner: Option<String>,
    /// Counts the changes: of two that are found, the higher one holds.
    pub generation: u64,
    /// What was asked for. The nodes of [`Layout::nodes`] are the same ones, in the same order.
    pub spec: ClusterSpec,
    /// All addresses of the cluster's Docker network.
    pub subnet: Ipv4Net,
    /// The host's address on it.
    pub gateway: Ipv4Addr,
    /// Where Docker takes addresses for foreign containers; no node stands in it.
    pub ip_range: Ipv4Net,
    /// Where the API is published on the host.
    pub api: SocketAddr,
    /// Whether a balancer stands in front of the API servers. A cluster that once had several control planes keeps it.
    pub balancer: bool,
    /// The nodes, in the order of the spec.
    pub nodes: Vec<NodeLayout>,
    /// The ports of the host that were opened while it lived.
    #[serde(default)]
    pub forwarders: Vec<Forwarder>,
    /// Registries that an earlier config named, which leave files behind in nodes.
    #[serde(default)]
    pub former_registries: BTreeSet<RegistryHost>,
    /// Proxy variables and trust for image pulls.
    pub egress: Egress,
    /// Whether the Docker daemon is known to have CAP_SYS_RESOURCE and can give it to nodes.
    pub sys_resource: bool,
}

/// One node with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLayout {
    /// What was asked for.
    pub spec: NodeSpec,
    /// Its fixed address on the Docker network.
    pub address: Ipv4Addr,
    /// Its pods' addresses.
    pub pod_cidr: Ipv4Net,
    /// How its etcd member begins; none on a worker.
    pub etcd: Option<EtcdStart>,
}

/// How an etcd member begins its life. etcd heeds it until it has data, so it never changes for a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EtcdStart {
    /// The members there are then, this one among them.
    pub members: Vec<NodeName>,
    /// Whether it joins others that have data already.
    pub joins: bool,
    /// The generation of the layout with which this member began; 0 for those that founded the cluster. Each has a folder
    /// of its own, so that the data of a broken one stays where it is.
    pub life: u64,
}

/// A port of the host that was opened on the living cluster, and where it leads. Docker cannot give a container another
/// port, so each has a small container of its own that passes it on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forwarder {
    /// Its container's fixed address on the Docker network.
    pub address: Ipv4Addr,
    /// The host's address.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// What is spoken there: TCP or UDP.
    pub protocol: Protocol,
    /// The node that it leads to.
    pub node: NodeName,
    /// The port of that node.
    pub node_port: u16,
}

impl Forwarder {
    /// What it is known by.
    pub fn host(&self) -> HostPort {
        HostPort { port: self.host_port, protocol: self.protocol }
    }
}

impl fmt::Display for Forwarder {
    /// `127.0.0.1:8080->dev-worker:30080/tcp`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host_address, host_port, protocol, node, node_port, .. } = self;
        write!(f, "{}->{node}:{node_port}/{protocol}", SocketAddr::new(*host_address, *host_port))
    }
}

/// How nodes reach registries: the host's proxy settings and certificate authorities, for containerd only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as containerd shall see them; the last is already extended by the
    /// cluster's own subnets and names.
    pub proxy: Vec<(String, String)>,
    /// A PEM bundle to trust beside the node image's own, if the host has one.
    pub ca_bundle: Option<String>,
}

impl Layout {
    /// The cluster's name.
    pub fn name(&self) -> &str {
        self.spec.name.as_str()
    }

    /// The control planes.
    pub fn control_planes(&self) -> impl Iterator<Item = &NodeLayout> {
        self.nodes.iter().filter(|n| n.spec.role == Role::ControlPlane)
    }

    /// The first control plane.
    pub fn first_control_plane(&self) -> &NodeLayout {
        self.control_planes().next().expect("validation wants at least one control plane")
    }

    /// A node by name.
    pub fn node(&self, name: &str) -> Option<&NodeLayout> {
        self.nodes.iter().find(|node| node.spec.name.as_str() == name)
    }

    /// The names of all its containers: nodes first, then the helpers beside them.
    pub fn containers(&self) -> impl Iterator<Item = String> {
        let balancer = self.balancer.then(|| names::balancer(self.name()));
        let forwarders = self.forwarders.iter().map(|forwarder| names::forwarder(self.name(), forwarder));
        self.nodes.iter().map(|node| node.spec.name.to_string()).chain(balancer).chain(forwarders)
    }

    /// The API server's address inside the cluster's Docker network, by name so that it survives address changes.
    pub fn internal_api_url(&self) -> String {
        if self.balancer {
            return format!("https://{}:{API_PORT}", names::balancer(self.name()));
        }
        format!("https://{}:{API_PORT}", self.first_control_plane().spec.name)
    }

    /// The balancer's address: kept free for it from the beginning, so that every API server's certificate has it and
    /// a balancer can be added later.
    pub fn balancer_address(&self) -> Ipv4Addr {
        nth(self.subnet, quarter(self.subnet) - 1)
    }

    /// The API server's address on the host.
    pub fn host_api_url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// The addresses of Services of type LoadBalancer.
    pub fn load_balancer_range(&self) -> Ipv4Net {
        last_quarter(self.subnet)
    }

    /// The Service address of the API: the first of the service subnet.
    pub fn api_service_address(&self) -> Ipv4Addr {
        nth(self.spec.networking.service_subnet, 1)
    }

    /// The Service address of the cluster DNS: the tenth of the service subnet.
    pub fn dns_service_address(&self) -> Ipv4Addr {
        nth(self.spec.networking.service_subnet, 10)
    }
}

/// The `n`th address of a subnet, counted from its network address.
pub fn nth(subnet: Ipv4Net, n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + n)
}

/// How many addresses a quarter of a subnet has. The quarters of a cluster's Docker network: host, nodes and helpers;
/// spare; foreign containers; Services of type LoadBalancer.
pub fn quarter(subnet: Ipv4Net) -> u32 {
    1 << (30 - u32::from(subnet.prefix_len().min(30)))
}

/// The last quarter of a cluster's Docker network, which is for Services of type LoadBalancer. A network of a single
/// address, which no cluster has, is its own quarter.
pub fn last_quarter(subnet: Ipv4Net) -> Ipv4Net {
    let quarter = (subnet.prefix_len() + 2).min(32);
    let first = nth(subnet, 3 << (32 - quarter));
    Ipv4Net::new(first, quarter).unwrap_or(subnet)
}
