//! From facts to the rules of one node: pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use kube::core::SelectorExt;
use rangemap::RangeInclusiveSet;

use super::addresses::Addresses;
use super::facts::{self, Direction, Facts, Key, Number, Peer, Pod, Policy, Protocol};
use super::ruleset::{Chain, Expected, Group, Guard, Rule, Ruleset, Service};

/// The rules that guard the Pods of a node.
pub fn compile(facts: &Facts, node: &str) -> Ruleset {
    let cluster = Cluster::of(facts);
    let mut expected = Expected::default();
    let ingress = cluster.guard(node, Direction::Ingress, &mut expected.ingress);
    let egress = cluster.guard(node, Direction::Egress, &mut expected.egress);
    if expected.any() {
        let here = facts.pods.iter().filter(|(_, pod)| pod.node == node);
        expected.known = here.flat_map(|(_, pod)| pod.addresses.iter().copied()).collect();
    }
    Ruleset { ingress, egress, expected }
}

/// The facts, and to which Pod each address belongs.
struct Cluster<'f> {
    facts: &'f Facts,
    owners: BTreeMap<IpAddr, &'f Key>,
}

/// The entries of one namespace.
fn within<'m, V>(all: &'m BTreeMap<Key, V>, namespace: &'m str) -> impl Iterator<Item = (&'m Key, &'m V)> {
    all.range((namespace.to_owned(), String::new())..).take_while(move |(key, _)| key.0 == namespace)
}

impl<'f> Cluster<'f> {
    fn of(facts: &'f Facts) -> Self {
        let mut owners: BTreeMap<IpAddr, &Key> = BTreeMap::new();
        for (key, pod) in &facts.pods {
            for address in &pod.addresses {
                let owner = owners.entry(*address).or_insert(key);
                // The address of a Pod that ends is given away before the Pod is gone from the API.
                let rank = |pod: &Pod| (!pod.ending, pod.created.clone());
                if rank(pod) > rank(&facts.pods[*owner]) {
                    *owner = key;
                }
            }
        }
        Self { facts, owners }
    }

    /// The addresses that are really a Pod's.
    fn addresses<'c>(&'c self, key: &'c Key, pod: &'c Pod) -> impl Iterator<Item = IpAddr> + 'c {
        pod.addresses.iter().copied().filter(move |address| self.owners[address] == key)
    }

    fn guard(&self, node: &str, direction: Direction, expected: &mut bool) -> Guard {
        let mut groups: BTreeMap<Vec<&Key>, BTreeSet<IpAddr>> = BTreeMap::new();
        for (key, pod) in self.facts.pods.iter().filter(|(_, pod)| pod.node == node) {
            let isolates = |policy: &Policy| policy.rules(direction).is_some() && policy.pods.matches(&pod.labels);
            let policies = within(&self.facts.policies, &key.0).filter(|(_, policy)| isolates(policy));
            let policies: Vec<&Key> = policies.map(|(key, _)| key).collect();
            if !policies.is_empty() {
                *expected |= pod.addresses.is_empty();
                groups.entry(policies).or_default().extend(self.addresses(key, pod));
            }
        }
        groups.retain(|_, pods| !pods.is_empty());
        let used: BTreeSet<&Key> = groups.keys().flatten().copied().collect();
        let place: BTreeMap<&Key, usize> = used.iter().copied().zip(0..).collect();
        let chain = |key: &&Key| {
            let isolated = groups.iter().filter(|(policies, _)| policies.contains(key)).flat_map(|(_, pods)| pods);
            self.chain(key, direction, &isolated.copied().collect())
        };
        Guard {
            policies: used.iter().map(chain).collect(),
            groups: groups
                .iter()
                .map(|(policies, pods)| Group {
                    policies: policies.iter().map(|key| place[key]).collect(),
                    pods: pods.clone(),
                })
                .collect(),
        }
    }

    fn chain(&self, key: &Key, direction: Direction, isolated: &BTreeSet<IpAddr>) -> Chain {
        let rules = self.facts.policies[key].rules(direction).unwrap_or_default();
        let rules = rules.iter().flat_map(|rule| self.rules(&key.0, rule, direction, isolated)).collect();
        Chain { policy: format!("{}/{}", key.0, key.1), rules }
    }

    fn rules(
        &self,
        namespace: &str,
        rule: &facts::Rule,
        direction: Direction,
        isolated: &BTreeSet<IpAddr>,
    ) -> Vec<Rule> {
        let remote = rule.peers.as_ref().map(|peers| self.remote(namespace, peers));
        if remote.as_ref().is_some_and(Addresses::is_empty) {
            return Vec::new();
        }
        let Some(ports) = &rule.ports else {
            return vec![Rule { remote, service: Service::Any }];
        };
        let mut numbers: BTreeMap<Protocol, RangeInclusiveSet<u16>> = BTreeMap::new();
        let mut endpoints: BTreeMap<Protocol, BTreeSet<(IpAddr, u16)>> = BTreeMap::new();
        for port in ports {
            match &port.number {
                // A range that ends before it begins has nothing in it.
                Number::Range(first, last) if first > last => {}
                Number::Range(first, last) => numbers.entry(port.protocol).or_default().insert(*first..=*last),
                Number::Named(name) => {
                    let all = self.named(name, port.protocol);
                    let targets = all.filter(|(address, _)| match direction {
                        Direction::Ingress => isolated.contains(address),
                        Direction::Egress => remote.as_ref().is_none_or(|remote| remote.contains(*address)),
                    });
                    endpoints.entry(port.protocol).or_default().extend(targets);
                }
            }
        }
        endpoints.retain(|_, targets| !targets.is_empty());
        // Whom the endpoints of an egress rule belong to was looked at above.
        let rest = if direction == Direction::Ingress { remote.clone() } else { None };
        let numbered = numbers.into_iter().map(|(protocol, ports)| Service::Ports(protocol, ports));
        let named = endpoints.into_iter().map(|(protocol, targets)| Service::Endpoints(protocol, targets));
        numbered
            .map(|service| Rule { remote: remote.clone(), service })
            .chain(named.map(|service| Rule { remote: rest.clone(), service }))
            .collect()
    }

    /// Where a port's name leads to, in all Pods that have such a port.
    fn named<'c>(&'c self, name: &str, protocol: Protocol) -> impl Iterator<Item = (IpAddr, u16)> + 'c {
        let wanted = (name.to_owned(), protocol);
        self.facts.pods.iter().flat_map(move |(key, pod)| {
            let port = pod.ports.get(&wanted).copied();
            port.into_iter().flat_map(move |port| self.addresses(key, pod).map(move |address| (address, port)))
        })
    }

    fn remote(&self, namespace: &str, peers: &[Peer]) -> Addresses {
        let mut all = Addresses::default();
        for peer in peers {
            match peer {
                Peer::Block { net, except } => all.insert_block(*net, except),
                Peer::Pods { namespaces: None, pods } => self.insert_pods(&mut all, namespace, pods),
                Peer::Pods { namespaces: Some(namespaces), pods } => {
                    for ((_, name), _) in self.facts.namespaces.iter().filter(|(_, labels)| namespaces.matches(labels))
                    {
                        self.insert_pods(&mut all, name, pods);
                    }
                }
            }
        }
        all
    }

    fn insert_pods(&self, all: &mut Addresses, namespace: &str, pods: &kube::core::Selector) {
        for (key, pod) in within(&self.facts.pods, namespace).filter(|(_, pod)| pods.matches(&pod.labels)) {
            self.addresses(key, pod).for_each(|address| all.insert(address));
        }
    }
}
