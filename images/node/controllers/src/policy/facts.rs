//! What of Pods, Namespaces and NetworkPolicies matters here. Everything else is forgotten at once: memory counts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::Selector;

/// An object's labels.
pub type Labels = BTreeMap<String, String>;

/// A transport protocol that policies can name. Everything else passes only where a rule has no ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// The default.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// As the API writes it; nothing said means TCP.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text.unwrap_or("TCP") {
            "TCP" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            "SCTP" => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A Pod that lives on some node in a network of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    /// Its labels.
    pub labels: Labels,
    /// Where it was put.
    pub node: String,
    /// Its addresses; none until the kubelet has told them.
    pub addresses: BTreeSet<IpAddr>,
    /// Its named ports; of ports with one name the first counts, as everywhere in Kubernetes.
    pub ports: BTreeMap<(String, Protocol), u16>,
    /// Whether it is being deleted.
    pub ending: bool,
    /// When it was made.
    pub created: Option<Time>,
}

impl Pod {
    /// None for Pods to which no policy applies and which are no one's peer: not yet placed, finished, or in the
    /// node's own network, where their traffic cannot be told from the node's.
    pub fn of(pod: &core::Pod) -> Option<Self> {
        let (spec, status) = (pod.spec.as_ref()?, pod.status.as_ref());
        let finished = status.and_then(|s| s.phase.as_deref()).is_some_and(|p| p == "Succeeded" || p == "Failed");
        if finished || spec.host_network == Some(true) {
            return None;
        }
        let one = status.and_then(|s| s.pod_ip.as_deref());
        let all = status.and_then(|s| s.pod_ips.as_deref()).unwrap_or_default();
        Some(Self {
            labels: pod.metadata.labels.clone().unwrap_or_default(),
            node: spec.node_name.clone()?,
            addresses: one.into_iter().chain(all.iter().map(|a| a.ip.as_str())).flat_map(str::parse).collect(),
            ports: named_ports(spec),
            ending: pod.metadata.deletion_timestamp.is_some(),
            created: pod.metadata.creation_timestamp.clone(),
        })
    }
}

fn named_ports(spec: &core::PodSpec) -> BTreeMap<(String, Protocol), u16> {
    // Init containers that keep running are sidecars; the others are gone when anybody asks.
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).flat_map(|c| c.ports.iter().flatten());
    let mut named = BTreeMap::new();
    for port in ports {
        if let (Some(name), Some(protocol), Ok(number)) =
            (&port.name, Protocol::parse(port.protocol.as_deref()), u16::try_from(port.container_port))
        {
            named.entry((name.clone(), protocol)).or_insert(number);
        }
    }
    named
}

/// Which way a connection goes, seen from the Pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the Pod.
    Ingress,
    /// From the Pod.
    Egress,
}

/// A NetworkPolicy.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which Pods of its namespace it isolates.
    pub pods: Selector,
    /// What may come in; none when it says nothing about that.
    pub ingress: Option<Vec<Rule>>,
    /// What may go out; none when it says nothing about that.
    pub egress: Option<Vec<Rule>>,
}

/// One entry of `ingress` or `egress`.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// With whom; none is everybody.
    pub peers: Option<Vec<Peer>>,
    /// On which ports of the connection's target; none is all, of every protocol.
    pub ports: Option<Vec<Port>>,
}

/// One entry of `from` or `to`.
#[derive(Clone, Debug, PartialEq)]
pub enum Peer {
    /// Pods: of the policy's own namespace unless namespaces are selected; all of them unless Pods are selected.
    Pods {
        /// Selects among all namespaces.
        namespaces: Option<Selector>,
        /// Selects among their Pods.
        pods: Selector,
    },
    /// Addresses.
    Block {
        /// The network.
        net: IpNet,
        /// What of it is not meant.
        except: Vec<IpNet>,
    },
}

/// One entry of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its protocol.
    pub protocol: Protocol,
    /// Which ports of it.
    pub number: Number,
}

/// The `port` and `endPort` of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Number {
    /// From the first to the last, both included; all ports when none was named.
    Range(u16, u16),
    /// The port that the target calls so.
    Named(String),
}

impl Policy {
    /// What a NetworkPolicy says. An entry that cannot be understood allows nothing, a selector of the isolated Pods
    /// that cannot be understood isolates all: the API server lets neither through, but old objects may have them.
    pub fn of(policy: &networking::NetworkPolicy) -> Self {
        let spec = policy.spec.clone().unwrap_or_default();
        let (types, has_egress) =
            (spec.policy_types.unwrap_or_default(), spec.egress.as_ref().is_some_and(|e| !e.is_empty()));
        let named = |name: &str| types.iter().any(|t| t == name);
        let ingress = || spec.ingress.into_iter().flatten().map(|r| rule(r.from, r.ports)).collect();
        let egress = || spec.egress.into_iter().flatten().map(|r| rule(r.to, r.ports)).collect();
        Self {
            pods: selector(spec.pod_selector.unwrap_or_default()).unwrap_or_default(),
            ingress: (types.is_empty() || named("Ingress")).then(ingress),
            egress: if types.is_empty() { has_egress } else { named("Egress") }.then(egress),
        }
    }

    /// What it allows in one direction; none when it does not isolate in this direction.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

fn rule(peers: Option<Vec<networking::NetworkPolicyPeer>>, ports: Option<Vec<networking::NetworkPolicyPort>>) -> Rule {
    let (peers, ports) = (peers.unwrap_or_default(), ports.unwrap_or_default());
    Rule {
        peers: (!peers.is_empty()).then(|| peers.into_iter().filter_map(peer).collect()),
        ports: (!ports.is_empty()).then(|| ports.into_iter().filter_map(port).collect()),
    }
}

fn peer(peer: networking::NetworkPolicyPeer) -> Option<Peer> {
    if let Some(block) = peer.ip_block {
        let except: Result<_, _> = block.except.into_iter().flatten().map(|e| e.parse()).collect();
        return Some(Peer::Block { net: block.cidr.parse().ok()?, except: except.ok()? });
    }
    if peer.namespace_selector.is_none() && peer.pod_selector.is_none() {
        return None;
    }
    let namespaces = match peer.namespace_selector {
        Some(namespaces) => Some(selector(namespaces)?),
        None => None,
    };
    Some(Peer::Pods { namespaces, pods: selector(peer.pod_selector.unwrap_or_default())? })
}

fn selector(selector: LabelSelector) -> Option<Selector> {
    selector.try_into().ok()
}

fn port(port: networking::NetworkPolicyPort) -> Option<Port> {
    let protocol = Protocol::parse(port.protocol.as_deref())?;
    let number = match (port.port, port.end_port) {
        (None, _) => Number::Range(0, u16::MAX),
        (Some(IntOrString::Int(first)), last) => {
            Number::Range(u16::try_from(first).ok()?, u16::try_from(last.unwrap_or(first)).ok()?)
        }
        (Some(IntOrString::String(name)), _) => Number::Named(name),
    };
    Some(Port { protocol, number })
}

/// Namespace and name.
pub type Key = (String, String);

/// Everything that the rules of a node follow from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Pods that live.
    pub pods: BTreeMap<Key, Pod>,
    /// The labels of namespaces; their key's first part is empty.
    pub namespaces: BTreeMap<Key, Labels>,
    /// Policies.
    pub policies: BTreeMap<Key, Policy>,
}
