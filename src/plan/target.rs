//! The layouts that a cluster may change into: with more nodes, with fewer, with an etcd member made anew.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use knarr_contract::Role;

use super::layout::{EtcdStart, Layout, NodeLayout, nth, quarter};
use super::{Marked, names, settle};
use crate::error::{Error, ErrorKind};
use crate::spec::registries::Registries;
use crate::spec::values::{NodeName, PortMapping};
use crate::spec::{Limits, NodeSpec};

/// A node to add; its address and its pods' addresses are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewNode {
    /// One that nothing was said about but what it is for; its name is chosen.
    Plain(Role),
    /// One as a config has it, under its own name if that is free.
    Described(Box<NodeSpec>),
}

impl NewNode {
    /// The ports of the host that it is made with.
    pub fn ports(&self) -> &[PortMapping] {
        match self {
            Self::Plain(_) => &[],
            Self::Described(spec) => &spec.ports,
        }
    }

    const fn role(&self) -> Role {
        match self {
            Self::Plain(role) => *role,
            Self::Described(spec) => spec.role,
        }
    }
}

impl Layout {
    /// The same cluster with these nodes beside its own, called otherwise than anything that is `taken` in Docker. Several
    /// control planes get a balancer; the version between, in which only that is new, has a generation of its own.
    pub fn with(&self, nodes: &[NewNode], taken: &[String]) -> Result<Self, Error> {
        let mut grown = self.next();
        let workers = |node: &NewNode| node.role() == Role::Worker;
        let mut added = Vec::new();
        let has_workers = self.spec.workers().next().is_some() || nodes.iter().any(workers);
        for new in nodes {
            let mut spec = match new {
                NewNode::Plain(role) => NodeSpec {
                    name: grown.free_name(*role, taken)?,
                    role: *role,
                    image: None,
                    labels: BTreeMap::new(),
                    taints: None,
                    limits: Limits::default(),
                    mounts: Vec::new(),
                    ports: Vec::new(),
                },
                NewNode::Described(spec) if grown.is_free(spec.name.as_str(), taken) => NodeSpec::clone(spec),
                NewNode::Described(spec) => {
                    NodeSpec { name: grown.free_name(spec.role, taken)?, ..NodeSpec::clone(spec) }
                }
            };
            settle(&mut spec, has_workers);
            let (address, pod_cidr) = (grown.free_address()?, grown.free_pods()?);
            added.push(spec.name.clone());
            grown.nodes.push(NodeLayout { address, pod_cidr, etcd: None, spec });
            grown.nodes.sort_by_key(|node| {
                let name = node.spec.name.as_str();
                (node.spec.role, name.len(), name.to_owned())
            });
        }
        if grown.control_planes().count() > 1 && !grown.balancer {
            grown.balancer = true;
            grown.generation += 1;
        }
        grown.join(|name| added.contains(name));
        grown.name_nodes();
        Ok(grown)
    }

    /// The same cluster without these nodes.
    pub fn without(&self, names: &[String]) -> Self {
        let mut shrunk = self.next();
        shrunk.nodes.retain(|node| !names.iter().any(|name| name == node.spec.name.as_str()));
        shrunk.name_nodes();
        shrunk
    }

    /// The same cluster, in which nodes have these labels and taints.
    pub fn marked(&self, marked: &[Marked]) -> Self {
        let mut changed = self.next();
        for node in &mut changed.nodes {
            if let Some(new) = marked.iter().find(|marked| marked.node == node.spec.name.as_str()) {
                node.spec.labels = new.labels.clone();
                node.spec.taints = Some(new.taints.clone());
            }
        }
        changed.name_nodes();
        changed
    }

    /// The same cluster, whose nodes reach registries like this.
    pub fn reaching(&self, registries: &Registries) -> Self {
        let mut changed = self.next();
        changed.former_registries.extend(self.spec.registries.keys().cloned());
        changed.former_registries.retain(|host| !registries.contains_key(host));
        changed.spec.registries.clone_from(registries);
        changed
    }

    /// The same cluster, in which the etcd members of these control planes begin anew, from what the others have.
    pub fn rebuilding(&self, planes: &[String]) -> Self {
        let mut rebuilt = self.next();
        rebuilt.join(|name| planes.iter().any(|plane| plane == name.as_str()));
        rebuilt
    }

    /// The same cluster, as a new version.
    pub fn next(&self) -> Self {
        Self { generation: self.generation + 1, ..self.clone() }
    }

    fn name_nodes(&mut self) {
        self.spec.nodes = self.nodes.iter().map(|node| node.spec.clone()).collect();
    }

    /// Lets the members of some control planes begin anew beside the others. All are announced before one starts, and
    /// each must know exactly those that etcd knows then. The folder of each is new: its number is that of the change.
    fn join(&mut self, joins: impl Fn(&NodeName) -> bool) {
        let life = self.generation;
        let members: Vec<NodeName> = self.control_planes().map(|node| node.spec.name.clone()).collect();
        for node in &mut self.nodes {
            if node.spec.role == Role::ControlPlane && joins(&node.spec.name) {
                node.etcd = Some(EtcdStart { members: members.clone(), joins: true, life });
            }
        }
    }

    fn free_name(&self, role: Role, taken: &[String]) -> Result<NodeName, Error> {
        let cluster = self.name();
        let numbers = 2..=u32::MAX;
        let all = std::iter::once(format!("{cluster}-{role}")).chain(numbers.map(|n| format!("{cluster}-{role}{n}")));
        let free = all.into_iter().find(|name| self.is_free(name, taken)).unwrap_or_default();
        NodeName::parse(&free).map_err(|refused| Error::new(ErrorKind::Bug, refused.0))
    }

    fn is_free(&self, name: &str, taken: &[String]) -> bool {
        let volume = names::volume(name);
        self.node(name).is_none() && !taken.iter().any(|taken| taken == name || *taken == volume)
    }

    /// The lowest address for a node that nobody has.
    fn free_address(&self) -> Result<Ipv4Addr, Error> {
        self.free_addresses()
            .next()
            .ok_or_else(|| full(self, &format!("its network {} has no address left for a node", self.subnet)))
    }

    /// The addresses of the first quarter that nobody has: 0 is the network's, 1 the host's, the last the balancer's.
    /// Nodes take the first, forwarders the last.
    pub(super) fn free_addresses(&self) -> impl DoubleEndedIterator<Item = Ipv4Addr> {
        let all = (2..quarter(self.subnet) - 1).map(|n| nth(self.subnet, n));
        all.filter(|address| {
            self.nodes.iter().all(|node| node.address != *address)
                && self.forwarders.iter().all(|forwarder| forwarder.address != *address)
        })
    }

    fn free_pods(&self) -> Result<ipnet::Ipv4Net, Error> {
        let pods = self.spec.networking.pod_subnet;
        let mask = self.nodes.first().map_or(24, |node| node.pod_cidr.prefix_len());
        let mut all = pods.subnets(mask).into_iter().flatten();
        all.find(|net| self.nodes.iter().all(|node| node.pod_cidr != *net))
            .ok_or_else(|| full(self, &format!("the pod subnet {pods} is given out")))
    }
}

fn full(layout: &Layout, why: &str) -> Error {
    Error::new(ErrorKind::Environment, format!("cluster `{}` has no room for another node", layout.name()))
        .cause(why)
        .state("nothing was changed")
        .hint("create a cluster with a larger `networking.nodeSubnet` or `networking.podSubnet`")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::fixture::layout;

    fn new(role: Role) -> NewNode {
        NewNode::Plain(role)
    }

    fn names(layout: &Layout) -> Vec<&str> {
        layout.nodes.iter().map(|node| node.spec.name.as_str()).collect()
    }

    #[test]
    fn a_new_node_takes_the_first_free_name_and_place() {
        let grown = layout(1, 3).without(&["dev-worker2".into()]).with(&[new(Role::Worker)], &[]).expect("room");
        assert_eq!(names(&grown), ["dev-control-plane", "dev-worker", "dev-worker2", "dev-worker3"]);
        let again = grown.node("dev-worker2").expect("there");
        assert_eq!(
            (again.address.to_string(), again.pod_cidr.to_string()),
            ("10.89.0.4".into(), "10.244.2.0/24".into())
        );
        assert_eq!((grown.generation, grown.balancer), (3, false));
        assert_eq!(grown.spec.nodes.len(), 4);
    }

    #[test]
    fn what_is_taken_in_docker_is_not_taken_again() {
        let taken = ["dev-worker2".to_owned(), "dev-worker3-var".into()];
        let grown = layout(1, 1).with(&[new(Role::Worker)], &taken).expect("room");
        assert_eq!(names(&grown), ["dev-control-plane", "dev-worker", "dev-worker4"]);
    }

    #[test]
    fn control_planes_join_those_that_are_there() {
        let grown = layout(1, 1).with(&[new(Role::ControlPlane), new(Role::ControlPlane)], &[]).expect("room");
        assert_eq!((grown.balancer, grown.generation), (true, 3), "the version with the balancer alone was the second");
        assert_eq!(names(&grown), ["dev-control-plane", "dev-control-plane2", "dev-control-plane3", "dev-worker"]);
        let members = |name: &str| grown.node(name).and_then(|node| node.etcd.clone()).expect("a member");
        assert_eq!(members("dev-control-plane").members.len(), 1);
        assert!(!members("dev-control-plane").joins);
        assert_eq!((members("dev-control-plane2").members.len(), members("dev-control-plane2").joins), (3, true));
        assert_eq!(members("dev-control-plane3").members.len(), 3);
        let taints = grown.node("dev-control-plane3").and_then(|node| node.spec.taints.clone()).expect("chosen");
        assert_eq!(taints.len(), 1, "workers do the work");
        assert!(grown.without(&["dev-control-plane2".into(), "dev-control-plane3".into()]).balancer, "it stays");
    }

    #[test]
    fn a_member_that_begins_anew_has_a_folder_of_its_own() {
        let rebuilt = layout(3, 0).rebuilding(&["dev-control-plane2".into()]);
        let start = rebuilt.node("dev-control-plane2").and_then(|node| node.etcd.clone()).expect("a member");
        assert_eq!((start.members.len(), start.joins, start.life), (3, true, 2));
        assert_eq!(rebuilt.nodes[0], layout(3, 0).nodes[0]);
    }
}
