//! From spec and choices to a plan: data that can be printed, compared and refused. Pure: no I/O, no clock, no env.
//!
//! Phases run in order, the steps of a phase together. Steps name certificates and files; secret bytes come into being
//! only when they are executed, so a plan can be shown to anyone.

pub mod container;
mod difference;
mod fixed;
mod helpers;
pub mod layout;
mod living;
pub mod names;
pub mod ports;
mod print;
mod relocate;
mod reshape;
mod target;
mod verb;

use ipnet::Ipv4Net;
use knarr_contract::Role;
use time::OffsetDateTime;

pub use self::difference::{Difference, Line, Marked, Sides, Sign};
use self::layout::{Egress, EtcdStart, Layout, NodeLayout, nth};
pub use self::living::{Action, Change, Living, Through};
pub use self::reshape::{Stranger, Wish};
pub use self::target::NewNode;
pub use self::verb::Verb;
use crate::engine::{ContainerSpec, NetworkSpec};
use crate::error::{Error, ErrorKind};
use crate::node::default_taints;
use crate::node::render::{self, FileSpec};
use crate::report::some;
use crate::spec::values::NodeName;
use crate::spec::{ClusterSpec, NodeSpec};

/// What was found out or chosen about this host before planning, so that planning itself is pure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    /// The identity of this run.
    pub create_id: String,
    /// When the cluster may be removed: its `ttl` from now.
    pub expires: Option<OffsetDateTime>,
    /// Who makes it, in the words of a CI system.
    pub owner: Option<String>,
    /// The free subnet for the cluster's Docker network.
    pub subnet: Ipv4Net,
    /// The free host port for the API; used when the spec leaves it open.
    pub api_port: u16,
    /// Free host ports for the port mappings that leave theirs open, in their order.
    pub host_ports: Vec<u16>,
    /// Proxy and trust for image pulls.
    pub egress: Egress,
    /// Whether the Docker daemon is known to have CAP_SYS_RESOURCE.
    pub sys_resource: bool,
}

/// Everything that a verb will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What it is for.
    pub verb: Verb,
    /// Where everything stands.
    pub layout: Layout,
    /// Nodes of the layout that are lost and that this plan does not make anew: nobody waits for them.
    pub absent: Vec<String>,
    /// What happens, in order.
    pub phases: Vec<Phase>,
}

/// Steps that run together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// While it runs: `starting 3 nodes`.
    pub title: String,
    /// When it is done: `started 3 nodes`.
    pub done: String,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make the cluster's network.
    CreateNetwork(NetworkSpec),
    /// Make the first control plane's container: its name is the lock against a second run for the same cluster.
    ClaimName(Box<ContainerSpec>),
    /// Make the container of a node or of a helper (unless it was the claim), put its files in and start it.
    StartNode(Box<NodeStep>),
    /// Wait until something holds.
    Await(Milestone),
    /// Apply the objects that the cluster's own components need before they can work.
    ApplyRights,
    /// Give the Node objects what only an administrator may: role labels, taints, pod CIDR.
    AdoptNodes,
    /// Apply `manifests/system`.
    ApplySystem,
    /// Apply the addons that were chosen.
    ApplyAddons,
    /// Do something to a node that is there already.
    Change(Change),
}

/// One container and what goes into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStep {
    /// The container.
    pub container: ContainerSpec,
    /// Its files, node.json among them.
    pub files: Vec<FileSpec>,
}

/// Something that a cluster reaches on its way to being usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Milestone {
    /// The API server answers an authenticated request.
    ApiAnswers,
    /// Every component on every node serves.
    ComponentsReady,
    /// All nodes are Ready.
    NodesReady,
    /// All nodes are Ready, and said so after their last start: what the API server knew before does not count.
    NodesBack,
    /// The default ServiceAccount exists, so that pods can be created.
    DefaultServiceAccount,
    /// The cluster DNS answers inside a pod's network.
    DnsAnswers,
    /// Every helper that the plan makes does its work.
    PortsOpen,
}

impl Milestone {
    /// While it is waited for.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ApiAnswers => "waiting for the API server",
            Self::ComponentsReady => "waiting for every component to serve",
            Self::NodesReady => "waiting for the nodes to be Ready",
            Self::NodesBack => "waiting for the nodes to say that they are Ready again",
            Self::PortsOpen => "waiting for the forwarders to pass on",
            Self::DefaultServiceAccount => "waiting for the default ServiceAccount",
            Self::DnsAnswers => "waiting for the cluster DNS to answer inside a pod",
        }
    }
}

impl Plan {
    /// Plans the creation of a cluster. With `wait` the plan ends with the milestones that make a cluster usable.
    pub fn create(spec: ClusterSpec, choices: &Choices, wait: bool) -> Result<Self, Error> {
        let layout = lay_out(spec, choices)?;
        let mut nodes: Vec<Step> = layout.nodes.iter().map(|node| node_step(&layout, node)).collect();
        if layout.balancer {
            nodes.push(helpers::balancer_step(&layout));
        }
        let claim = match nodes.first() {
            Some(Step::StartNode(first)) => Step::ClaimName(Box::new(first.container.clone())),
            _ => return Err(Error::new(ErrorKind::Bug, "a cluster without nodes was planned")),
        };
        let count = layout.nodes.len();
        let plural = if count == 1 { "" } else { "s" };
        let mut phases = vec![
            phase("creating the network", "created the network", vec![Step::CreateNetwork(network(&layout))]),
            phase("claiming the name", "claimed the name", vec![claim]),
            phase(format!("starting {count} node{plural}"), format!("started {count} node{plural}"), nodes),
            phase("waiting for the API server", "the API server answers", vec![Step::Await(Milestone::ApiAnswers)]),
            phase("granting rights to the components", "granted rights to the components", vec![Step::ApplyRights]),
            phase(
                "installing the cluster DNS and adopting the nodes",
                "installed the cluster DNS and adopted the nodes",
                vec![Step::AdoptNodes, Step::ApplySystem],
            ),
        ];
        if wait {
            phases.push(phase(
                "waiting until the cluster is usable",
                "the cluster is usable",
                vec![
                    Step::Await(Milestone::ComponentsReady),
                    Step::Await(Milestone::NodesReady),
                    Step::Await(Milestone::DefaultServiceAccount),
                    Step::Await(Milestone::DnsAnswers),
                ],
            ));
        }
        if !layout.spec.addons.is_empty() {
            // After all that is waited for: they never slow the boot.
            phases.push(phase("switching on the addons", "switched on the addons", vec![Step::ApplyAddons]));
        }
        Ok(Self { verb: Verb::Create, layout, absent: Vec::new(), phases })
    }

    /// The nodes that are there when the plan is carried out.
    pub fn present(&self) -> impl Iterator<Item = &NodeLayout> {
        self.layout.nodes.iter().filter(|node| !self.absent.iter().any(|name| name == node.spec.name.as_str()))
    }

    /// Every container of the plan with its files.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeStep> {
        self.phases.iter().flat_map(|p| &p.steps).filter_map(|step| match step {
            Step::StartNode(node) => Some(node.as_ref()),
            _ => None,
        })
    }
}

/// The making of one node.
fn node_step(layout: &Layout, node: &NodeLayout) -> Step {
    let container = container::node(layout, node);
    Step::StartNode(Box::new(NodeStep { container, files: render::files(layout, node) }))
}

fn phase(title: impl Into<String>, done: impl Into<String>, steps: Vec<Step>) -> Phase {
    Phase { title: title.into(), done: done.into(), steps }
}

fn network(layout: &Layout) -> NetworkSpec {
    NetworkSpec {
        name: names::network(layout.name()),
        labels: names::labels(layout, None),
        subnet: layout.subnet,
        gateway: layout.gateway,
        ip_range: layout.ip_range,
    }
}

/// Gives every node its address and its pods' addresses, and every port that was left open its number.
fn lay_out(mut spec: ClusterSpec, choices: &Choices) -> Result<Layout, Error> {
    let mut open_ports = choices.host_ports.iter().copied();
    for port in spec.nodes.iter_mut().flat_map(|node| &mut node.ports).filter(|port| port.host_port.is_none()) {
        port.host_port =
            Some(open_ports.next().ok_or_else(|| {
                Error::new(ErrorKind::Bug, "fewer free ports were chosen than the config leaves open")
            })?);
    }
    let has_workers = spec.workers().next().is_some();
    for node in &mut spec.nodes {
        settle(node, has_workers);
    }
    let subnet = choices.subnet;
    let too_small = |what: &str, net: Ipv4Net| {
        Error::new(ErrorKind::Config, format!("{what} `{net}` is too small for {} nodes", spec.nodes.len()))
            .hint("use a larger one: a /24 network serves 61 nodes, and every node takes a /24 of the pod subnet")
    };
    // The network's own address, the host, the nodes, the balancer.
    let quarter = subnet.prefix_len() + 2;
    if quarter > 29 || spec.nodes.len() + 3 > 1 << (32 - quarter) {
        return Err(too_small("the node subnet", subnet));
    }
    let ip_range = Ipv4Net::new(nth(subnet, 2 << (32 - quarter)), quarter)
        .map_err(|e| Error::new(ErrorKind::Bug, "cannot divide the node subnet").source(&e))?;
    let node_mask = 24.max(spec.networking.pod_subnet.prefix_len());
    let pod_cidrs: Vec<Ipv4Net> = spec
        .networking
        .pod_subnet
        .subnets(node_mask)
        .map(|all| all.take(spec.nodes.len()).collect())
        .unwrap_or_default();
    if pod_cidrs.len() < spec.nodes.len() {
        return Err(too_small("the pod subnet", spec.networking.pod_subnet));
    }
    let members: Vec<NodeName> = spec.control_planes().map(|node| node.name.clone()).collect();
    let mut next_address = 2..;
    let nodes = spec
        .nodes
        .iter()
        .zip(pod_cidrs)
        .map(|(node, pod_cidr)| NodeLayout {
            spec: node.clone(),
            address: nth(subnet, next_address.next().unwrap_or(2)),
            pod_cidr,
            etcd: (node.role == Role::ControlPlane).then(|| EtcdStart {
                members: members.clone(),
                joins: false,
                life: 0,
            }),
        })
        .collect();
    let api_port = spec.networking.api_port.unwrap_or(choices.api_port);
    Ok(Layout {
        create_id: choices.create_id.clone(),
        generation: 1,
        balancer: members.len() > 1,
        expires: choices.expires,
        owner: choices.owner.clone(),
        subnet,
        gateway: nth(subnet, 1),
        ip_range,
        api: (spec.networking.api_address, api_port).into(),
        nodes,
        forwarders: Vec::new(),
        former_registries: std::collections::BTreeSet::new(),
        egress: choices.egress.clone(),
        sys_resource: choices.sys_resource,
        spec,
    })
}

/// Decides what a node leaves to its role: once, when it is laid out, since the cluster around it may change.
fn settle(node: &mut NodeSpec, has_workers: bool) {
    node.taints.get_or_insert_with(|| default_taints(node.role, has_workers));
}

/// How many nodes of each role, in words: `1 control plane and 2 workers`.
pub fn describe(spec: &ClusterSpec) -> String {
    let count = |role: Role| spec.nodes.iter().filter(|n| n.role == role).count();
    match (count(Role::ControlPlane), count(Role::Worker)) {
        (planes, 0) => some(planes, "control plane"),
        (planes, workers) => format!("{} and {}", some(planes, "control plane"), some(workers, "worker")),
    }
}
