//! What Kubernetes' documents say about one connection, read straight from the objects: slow, and written without a
//! look at how the compiler does it. Also how a ruleset judges the same connection, so that the two can be compared.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::facts::{self, Direction, Facts, Protocol};
use super::ruleset::{Guard, Ruleset, Service};

/// All objects of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub pods: Vec<Pod>,
    pub namespaces: Vec<Namespace>,
    pub policies: Vec<NetworkPolicy>,
}

/// A connection as it is after a Service was resolved.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub from: IpAddr,
    pub to: IpAddr,
    pub protocol: Protocol,
    pub port: u16,
}

impl Objects {
    pub fn facts(&self) -> Facts {
        let key = |m: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta| {
            (m.namespace.clone().unwrap_or_default(), m.name.clone().unwrap_or_default())
        };
        let labels = |n: &Namespace| n.metadata.labels.clone().unwrap_or_default();
        Facts {
            pods: self.pods.iter().filter_map(|p| Some((key(&p.metadata), facts::Pod::of(p)?))).collect(),
            namespaces: self.namespaces.iter().map(|n| (key(&n.metadata), labels(n))).collect(),
            policies: self.policies.iter().map(|p| (key(&p.metadata), facts::Policy::of(p))).collect(),
        }
    }

    /// Whether the policies of both ends allow a connection.
    pub fn allow(&self, connection: Connection) -> bool {
        let (from, to) = (self.pod(connection.from), self.pod(connection.to));
        let same = connection.from == connection.to;
        let egress = from.is_none_or(|pod| same || self.pod_allows(pod, "Egress", connection.to, to, connection, to));
        let ingress =
            to.is_none_or(|pod| same || self.pod_allows(pod, "Ingress", connection.from, from, connection, to));
        egress && ingress
    }

    /// The living Pod, in a network of its own, that has an address.
    fn pod(&self, address: IpAddr) -> Option<&Pod> {
        self.pods.iter().find(|pod| {
            let (spec, status) = (pod.spec.as_ref().expect("a spec"), pod.status.as_ref().expect("a status"));
            let lives = !matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
            let ips = status.pod_ips.iter().flatten().any(|ip| ip.ip.parse() == Ok(address));
            lives && ips && !spec.host_network.unwrap_or(false)
        })
    }

    fn pod_allows(
        &self,
        pod: &Pod,
        kind: &str,
        remote: IpAddr,
        remote_pod: Option<&Pod>,
        connection: Connection,
        target: Option<&Pod>,
    ) -> bool {
        let isolating: Vec<&NetworkPolicy> = self
            .policies
            .iter()
            .filter(|p| p.metadata.namespace == pod.metadata.namespace && types(p).contains(&kind))
            .filter(|p| {
                let selector = p.spec.as_ref().and_then(|s| s.pod_selector.clone()).unwrap_or_default();
                selects(&selector, pod.metadata.labels.as_ref())
            })
            .collect();
        isolating.is_empty()
            || isolating.iter().any(|policy| {
                let spec = policy.spec.as_ref().expect("a spec");
                let rules: Vec<_> = if kind == "Ingress" {
                    spec.ingress.iter().flatten().map(|r| (r.from.clone(), r.ports.clone())).collect()
                } else {
                    spec.egress.iter().flatten().map(|r| (r.to.clone(), r.ports.clone())).collect()
                };
                rules.into_iter().any(|(peers, ports)| {
                    let (peers, ports) = (peers.unwrap_or_default(), ports.unwrap_or_default());
                    let with = |peer| self.is_peer(peer, policy.metadata.namespace.as_ref(), remote, remote_pod);
                    (peers.is_empty() || peers.iter().any(with))
                        && (ports.is_empty() || ports.iter().any(|port| is_port(port, connection, target)))
                })
            })
    }

    fn is_peer(&self, peer: &NetworkPolicyPeer, own: Option<&String>, remote: IpAddr, pod: Option<&Pod>) -> bool {
        if let Some(block) = &peer.ip_block {
            return inside(&block.cidr, remote) && !block.except.iter().flatten().any(|net| inside(net, remote));
        }
        let Some(pod) = pod else { return false };
        let there = pod.metadata.namespace.as_ref();
        let namespace = match &peer.namespace_selector {
            None => there == own,
            Some(selector) => {
                let namespace = self.namespaces.iter().find(|n| n.metadata.name.as_ref() == there);
                namespace.is_some_and(|n| selects(selector, n.metadata.labels.as_ref()))
            }
        };
        namespace && peer.pod_selector.as_ref().is_none_or(|s| selects(s, pod.metadata.labels.as_ref()))
    }
}

fn types(policy: &NetworkPolicy) -> Vec<&str> {
    let spec = policy.spec.as_ref().expect("a spec");
    let said: Vec<&str> = spec.policy_types.iter().flatten().map(String::as_str).collect();
    match (said.is_empty(), spec.egress.as_ref().is_some_and(|e| !e.is_empty())) {
        (false, _) => said,
        (true, true) => vec!["Ingress", "Egress"],
        (true, false) => vec!["Ingress"],
    }
}

fn selects(selector: &LabelSelector, labels: Option<&facts::Labels>) -> bool {
    let value = |key: &str| labels.and_then(|l| l.get(key));
    selector.match_labels.iter().flatten().all(|(key, wanted)| value(key) == Some(wanted))
        && selector.match_expressions.iter().flatten().all(|e| {
            let listed = |value: &String| e.values.iter().flatten().any(|v| v == value);
            match e.operator.as_str() {
                "In" => value(&e.key).is_some_and(listed),
                "NotIn" => !value(&e.key).is_some_and(listed),
                "Exists" => value(&e.key).is_some(),
                "DoesNotExist" => value(&e.key).is_none(),
                other => panic!("no operator: {other}"),
            }
        })
}

/// By bits, not by ranges.
fn inside(net: &str, address: IpAddr) -> bool {
    let (base, length) = net.split_once('/').expect("a network");
    let length: u32 = length.parse().expect("a length");
    match (base.parse().expect("an address"), address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= length,
        _ => false,
    }
}

fn is_port(port: &NetworkPolicyPort, connection: Connection, target: Option<&Pod>) -> bool {
    let protocol = connection.protocol.to_string().to_uppercase();
    if port.protocol.as_deref().unwrap_or("TCP") != protocol {
        return false;
    }
    let number = i32::from(connection.port);
    match &port.port {
        None => true,
        Some(IntOrString::Int(first)) => (*first..=port.end_port.unwrap_or(*first)).contains(&number),
        Some(IntOrString::String(name)) => target.is_some_and(|pod| {
            let containers = &pod.spec.as_ref().expect("a spec").containers;
            let ports = containers.iter().flat_map(|c| c.ports.iter().flatten());
            let mut so_called =
                ports.filter(|p| p.name.as_ref() == Some(name) && p.protocol.as_deref().unwrap_or("TCP") == protocol);
            so_called.next().is_some_and(|p| p.container_port == number)
        }),
    }
}

/// Whether a node with this ruleset would forward a connection.
pub fn forwards(ruleset: &Ruleset, connection: Connection) -> bool {
    let Connection { from, to, .. } = connection;
    from == to
        || (passes(&ruleset.egress, Direction::Egress, connection)
            && passes(&ruleset.ingress, Direction::Ingress, connection))
}

fn passes(guard: &Guard, direction: Direction, connection: Connection) -> bool {
    let (own, remote) = match direction {
        Direction::Egress => (connection.from, connection.to),
        Direction::Ingress => (connection.to, connection.from),
    };
    let mut groups = guard.groups.iter().filter(|group| group.pods.contains(&own));
    let Some(group) = groups.next() else { return true };
    assert!(groups.next().is_none(), "{own} is in two groups, and nft would refuse that");
    group.policies.iter().flat_map(|policy| &guard.policies[*policy].rules).any(|rule| {
        rule.remote.as_ref().is_none_or(|all| all.contains(remote))
            && match &rule.service {
                Service::Any => true,
                Service::Ports(protocol, ports) => *protocol == connection.protocol && ports.contains(&connection.port),
                Service::Endpoints(protocol, all) => {
                    *protocol == connection.protocol && all.contains(&(connection.to, connection.port))
                }
            }
    })
}
