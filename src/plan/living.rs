//! Plans that change a cluster which is there. They depend on what its nodes do now: what is done already is not planned
//! again, so running the same verb again completes what was cut off.

use std::collections::BTreeMap;
use std::fmt;

use knarr_contract::Role;
use serde_json::{Value, json};

use super::layout::{Layout, NodeLayout};
use super::{Milestone, Phase, Plan, Step, Verb, helpers, names, phase};
use crate::engine::ContainerState;
use crate::kubernetes::Marks;
use crate::node::render::{self, FileSpec};
use crate::report::some;
use crate::spec::values::NodeName;

/// One change of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The node, or the helper.
    pub node: String,
    /// What is done to it.
    pub action: Action,
}

/// What may be done to a node that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask it to stop; it ends its components in order.
    Stop,
    /// Start it again.
    Start,
    /// Let Docker bring it back whenever Docker itself starts: a stop that was cut off has said otherwise.
    Keep,
    /// Freeze it.
    Pause,
    /// Let it go on.
    Unpause,
    /// Put files into it, running or not.
    PutFiles(Vec<FileSpec>),
    /// End every component that holds certificates in memory; `knarr-node` starts each again. Pods go on running.
    RestartComponents,
    /// Put files into it and let it read them: what changed of its components starts anew, everything else goes on.
    Adapt(Vec<FileSpec>),
    /// Remove its container, and its volume too if `data` is set. Without it the next container goes on with the data.
    Discard {
        /// Whether the volume goes as well.
        data: bool,
    },
    /// Give its container the name [`names::aside`], so that another can take its place before it is removed.
    SetAside,
    /// Let etcd forget members that nobody makes any more: an addition was cut off after they were announced.
    TidyEtcd(Through),
    /// Tell etcd that its member is coming.
    JoinEtcd(Through),
    /// Give its member a vote, once it has caught up.
    PromoteEtcd(Through),
    /// Tell etcd that its member is gone for good.
    LeaveEtcd(Through),
    /// Move its pods elsewhere.
    Drain {
        /// Where kubectl runs.
        through: Through,
        /// Whether pods that nobody makes anew are ended too.
        force: bool,
    },
    /// Delete its Node object, and what volumes it had.
    Forget,
    /// Change labels and taints of its Node.
    Mark(Marks),
}

/// The control plane on which a program of the cluster runs that changes another node.
pub type Through = NodeName;

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        match &self.action {
            Action::Stop => write!(f, "stop {node}"),
            Action::Start => write!(f, "start {node}"),
            Action::Keep => write!(f, "let Docker bring {node} back"),
            Action::Pause => write!(f, "pause {node}"),
            Action::Unpause => write!(f, "unpause {node}"),
            Action::PutFiles(files) => write!(f, "put {} with new certificates into {node}", some(files.len(), "file")),
            Action::RestartComponents => write!(f, "restart the components of {node} that hold certificates"),
            Action::Adapt(files) => {
                write!(f, "put {} into {node} and let it read them", some(files.len(), "changed file"))
            }
            Action::Discard { data: true } => write!(f, "remove the container of {node} and its volume"),
            Action::Discard { data: false } => write!(f, "remove the container of {node}, not its data"),
            Action::SetAside => write!(f, "call the container of {node} {}", names::aside(node)),
            Action::TidyEtcd(through) => write!(f, "let etcd forget members that nobody makes, on {through}"),
            Action::JoinEtcd(through) => write!(f, "announce {node} to etcd, on {through}"),
            Action::PromoteEtcd(through) => write!(f, "give {node} a vote in etcd, on {through}"),
            Action::LeaveEtcd(through) => write!(f, "take {node} out of etcd, on {through}"),
            Action::Drain { force: true, .. } => {
                write!(f, "move the pods of {node} elsewhere, ending those nobody makes anew")
            }
            Action::Drain { .. } => write!(f, "move the pods of {node} elsewhere"),
            Action::Forget => write!(f, "delete the Node {node}"),
            Action::Mark(_) => write!(f, "change labels and taints of the Node {node}"),
        }
    }
}

/// A cluster as it is now.
#[derive(Clone, Debug)]
pub struct Living {
    /// Where everything stands.
    pub layout: Layout,
    /// What each of its containers does, by name. One that is gone is not here, nor is one that never ran: neither has
    /// all of its files.
    pub states: BTreeMap<String, ContainerState>,
    /// Its containers that never ran: the making of each was cut off.
    pub unborn: Vec<String>,
    /// Those of its containers that are no nodes, whether the layout has them or not.
    pub helpers: Vec<String>,
    /// The nodes whose certificates must be made anew.
    pub renew: Vec<String>,
}

impl Living {
    /// The containers of the layout that are there and in one of the wanted states: nodes first, in its order.
    pub(super) fn containers(&self, wanted: impl Fn(ContainerState) -> bool) -> Vec<String> {
        let all = self.layout.containers();
        all.filter(|name| self.states.get(name).is_some_and(|state| wanted(*state))).collect()
    }

    /// Whether the node runs now, or is only frozen.
    pub(super) fn is_up(&self, node: &NodeLayout) -> bool {
        self.states.get(node.spec.name.as_str()).copied().is_some_and(is_up)
    }

    /// Whether its balancer is gone. It holds nothing, so whoever misses it makes it anew.
    pub(super) fn lacks_balancer(&self) -> bool {
        self.layout.balancer && !self.states.contains_key(&names::balancer(self.layout.name()))
    }

    /// Whether a container beside its nodes is gone.
    pub fn lacks_helper(&self) -> bool {
        !helpers::lost(self).is_empty()
    }
}

pub(super) const fn is_up(state: ContainerState) -> bool {
    matches!(state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting)
}

impl Plan {
    /// Stops every node that is not stopped.
    pub fn stop(living: &Living) -> Self {
        let phases = [unpausing(living), stopping(living)];
        of_living(Verb::Stop, living, phases.into_iter().flatten().collect())
    }

    /// Starts every node that does not run, with certificates that last; with `wait`, until the cluster is usable.
    pub fn start(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().collect();
        phases.extend(renewing(living, |node| living.is_up(node)));
        phases.extend(starting(living, |s| !is_up(s)));
        phases.extend(waiting(wait));
        of_living(Verb::Start, living, phases)
    }

    /// Stops what runs and starts everything.
    pub fn restart(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().chain(stopping(living)).collect();
        phases.extend(renewing(living, |_| false));
        phases.extend(starting(living, |_| true));
        phases.extend(waiting(wait));
        of_living(Verb::Restart, living, phases)
    }

    /// Freezes every node that runs.
    pub fn pause(living: &Living) -> Self {
        let nodes = living.containers(|s| s == ContainerState::Running);
        assemble(
            Verb::Pause,
            &living.layout,
            acting(&living.layout, "pausing", "paused", &nodes, &Action::Pause).into_iter().collect(),
        )
    }

    /// Lets every frozen node go on; with `wait`, until the cluster is usable.
    pub fn unpause(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().collect();
        if !phases.is_empty() {
            phases.extend(waiting(wait));
        }
        of_living(Verb::Unpause, living, phases)
    }

    /// Gives nodes new certificates; those that run restart their components, the others will find them.
    pub fn renew(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = renewing(living, |node| living.is_up(node)).into_iter().collect();
        if living.states.values().all(|s| *s == ContainerState::Running) {
            phases.extend(waiting(wait));
        }
        of_living(Verb::Renew, living, phases)
    }

    /// The command that goes on where this plan broke off.
    pub fn command(&self) -> String {
        let cluster = self.layout.name();
        match self.verb {
            Verb::Create => format!("knarr delete cluster {cluster}"),
            Verb::Stop => format!("knarr stop {cluster}"),
            // What was stopped is stopped; the other half of a restart is a start.
            Verb::Start | Verb::Restart => format!("knarr start {cluster}"),
            Verb::Pause => format!("knarr pause {cluster}"),
            Verb::Unpause => format!("knarr unpause {cluster}"),
            Verb::Renew => format!("knarr certs renew {cluster}"),
            Verb::Shrink => format!("knarr node delete --name {cluster} {}", self.leaving().join(" ")),
            Verb::Close => format!("knarr port remove --name {cluster} {}", self.closing().join(" ")),
            Verb::Grow | Verb::Open | Verb::Repair | Verb::Change => format!("knarr repair {cluster}"),
        }
    }

    /// The ports of the host that are closed, as commands name them.
    fn closing(&self) -> Vec<String> {
        let steps = self.phases.iter().flat_map(|phase| &phase.steps);
        let changes = steps.filter_map(|step| if let Step::Change(change) = step { Some(change) } else { None });
        changes.filter_map(|change| names::forwarded(self.layout.name(), &change.node)).collect()
    }

    /// Whether it starts this node.
    pub fn starts(&self, node: &str) -> bool {
        let mut steps = self.phases.iter().flat_map(|phase| &phase.steps);
        steps.any(|step| matches!(step, Step::Change(change) if change.node == node && change.action == Action::Start))
    }

    /// The nodes that go.
    fn leaving(&self) -> Vec<&str> {
        let steps = self.phases.iter().flat_map(|phase| &phase.steps);
        let changes = steps.filter_map(|step| if let Step::Change(change) = step { Some(change) } else { None });
        changes.filter(|change| change.action == Action::Forget).map(|change| change.node.as_str()).collect()
    }

    /// Whether nothing is changed: what is left are waits.
    pub fn changes_nothing(&self) -> bool {
        self.phases.iter().flat_map(|p| &p.steps).all(|step| matches!(step, Step::Await(_)))
    }

    /// Whether a container is made or changed; what else there is only makes sure of something.
    pub fn changes_something(&self) -> bool {
        let sure = |step: &Step| match step {
            Step::Await(_) | Step::AdoptNodes => true,
            Step::Change(change) => {
                matches!(change.action, Action::Keep | Action::TidyEtcd(_) | Action::PromoteEtcd(_))
            }
            _ => false,
        };
        !self.phases.iter().flat_map(|p| &p.steps).all(sure)
    }

    pub(super) fn show_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "cluster {}: {} it", self.layout.name(), self.verb.doing())?;
        for (number, phase) in self.phases.iter().enumerate() {
            writeln!(f, "\n{}. {}", number + 1, phase.title)?;
            for step in &phase.steps {
                writeln!(f, "   {step}")?;
            }
        }
        Ok(())
    }

    pub(super) fn changes_to_json(&self) -> Value {
        let phase = |phase: &Phase| {
            let steps: Vec<String> = phase.steps.iter().map(ToString::to_string).collect();
            json!({"title": phase.title, "steps": steps})
        };
        json!({
            "cluster": self.layout.name(),
            "verb": self.verb.done(),
            "phases": self.phases.iter().map(phase).collect::<Vec<_>>(),
        })
    }
}

/// A plan for the containers that are there.
fn of_living(verb: Verb, living: &Living, phases: Vec<Phase>) -> Plan {
    let lost = |node: &&NodeLayout| !living.states.contains_key(node.spec.name.as_str());
    let absent = living.layout.nodes.iter().filter(lost).map(|node| node.spec.name.to_string()).collect();
    Plan { absent, ..assemble(verb, &living.layout, phases) }
}

/// Every title names the cluster: several may be at work at once.
pub(super) fn assemble(verb: Verb, layout: &Layout, mut phases: Vec<Phase>) -> Plan {
    let cluster = layout.name();
    for phase in &mut phases {
        phase.title = format!("{cluster}: {}", phase.title);
        phase.done = format!("{cluster}: {}", phase.done);
    }
    Plan { verb, layout: layout.clone(), absent: Vec::new(), phases }
}

/// `3 nodes`, `3 nodes, the balancer and 2 ports`
fn count(layout: &Layout, containers: &[String]) -> String {
    let balancer = containers.contains(&names::balancer(layout.name()));
    let is_forwarder = |name: &&String| layout.forwarders.iter().any(|f| names::forwarder(layout.name(), f) == **name);
    let ports = containers.iter().filter(is_forwarder).count();
    // A node that goes is in the layout no longer.
    let nodes = containers.len() - ports - usize::from(balancer);
    let parts = [
        (nodes > 0).then(|| some(nodes, "node")),
        balancer.then(|| "the balancer".to_owned()),
        (ports > 0).then(|| some(ports, "port")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => parts.concat(),
    }
}

/// One action on all of these containers together.
pub(super) fn acting(
    layout: &Layout,
    doing: &str,
    done: &str,
    containers: &[String],
    action: &Action,
) -> Option<Phase> {
    let what = count(layout, containers);
    let change = |node: &String| Step::Change(Change { node: node.clone(), action: action.clone() });
    let steps: Vec<Step> = containers.iter().map(change).collect();
    (!steps.is_empty()).then(|| phase(format!("{doing} {what}"), format!("{done} {what}"), steps))
}

/// Starts those in one of the wanted states, and makes helpers in place of those that are gone.
fn starting(living: &Living, wanted: impl Fn(ContainerState) -> bool) -> Option<Phase> {
    let mut phase = acting(&living.layout, "starting", "started", &living.containers(wanted), &Action::Start);
    let (lost, making): (Vec<String>, Vec<Step>) = helpers::lost(living).into_iter().unzip();
    match &mut phase {
        Some(phase) => phase.steps.extend(making),
        None if lost.is_empty() => {}
        None => {
            let what = count(&living.layout, &lost);
            phase = Some(super::phase(format!("making {what} anew"), format!("made {what} anew"), making));
        }
    }
    phase
}

fn unpausing(living: &Living) -> Option<Phase> {
    acting(
        &living.layout,
        "unpausing",
        "unpaused",
        &living.containers(|s| s == ContainerState::Paused),
        &Action::Unpause,
    )
}

fn stopping(living: &Living) -> Option<Phase> {
    acting(&living.layout, "stopping", "stopped", &living.containers(is_up), &Action::Stop)
}

/// New certificates for the nodes that need them. Where a node runs then, its components restart: control planes one
/// after the other, so that the API goes on answering where there are several; workers together.
fn renewing(living: &Living, runs: impl Fn(&NodeLayout) -> bool) -> Vec<Phase> {
    let wanted = |node: &&NodeLayout| living.renew.iter().any(|name| *name == node.spec.name.as_str());
    let nodes: Vec<&NodeLayout> = living.layout.nodes.iter().filter(wanted).collect();
    if nodes.is_empty() {
        return Vec::new();
    }
    let put = |node: &&NodeLayout| {
        let files = render::leaf_files(&living.layout, node);
        Step::Change(Change { node: node.spec.name.to_string(), action: Action::PutFiles(files) })
    };
    let what = some(nodes.len(), "node");
    let mut phases = vec![phase(
        format!("renewing the certificates of {what}"),
        format!("renewed the certificates of {what}"),
        nodes.iter().map(put).collect(),
    )];
    let (planes, workers): (Vec<&NodeLayout>, Vec<&NodeLayout>) =
        nodes.into_iter().filter(|node| runs(node)).partition(|node| node.spec.role == Role::ControlPlane);
    let restart = |nodes: &[&NodeLayout]| {
        let names: Vec<String> = nodes.iter().map(|node| node.spec.name.to_string()).collect();
        acting(
            &living.layout,
            "restarting the components of",
            "restarted the components of",
            &names,
            &Action::RestartComponents,
        )
    };
    phases.extend(planes.into_iter().filter_map(|plane| restart(&[plane])));
    phases.extend(restart(&workers));
    phases
}

/// What makes a cluster usable that was adopted long ago.
pub(super) fn waiting(wait: bool) -> Vec<Phase> {
    if !wait {
        return Vec::new();
    }
    vec![
        phase("waiting for the API server", "the API server answers", vec![Step::Await(Milestone::ApiAnswers)]),
        phase(
            "waiting until it is usable",
            "it is usable",
            vec![
                Step::Await(Milestone::ComponentsReady),
                Step::Await(Milestone::NodesBack),
                Step::Await(Milestone::DefaultServiceAccount),
                Step::Await(Milestone::DnsAnswers),
            ],
        ),
    ]
}
