//! Plans that change a cluster which is there. They depend on what its nodes do now: what is done already is not planned
//! again, so running the same verb again completes what was cut off.

use std::fmt;

use knarr_contract::Role;
use serde_json::{Value, json};

use super::layout::{Layout, NodeLayout};
use super::{Milestone, Phase, Plan, Step, Verb, phase};
use crate::engine::ContainerState;
use crate::node::render::{self, FileSpec};

/// One change of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The node.
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
    /// Freeze it.
    Pause,
    /// Let it go on.
    Unpause,
    /// Put files into it, running or not.
    PutFiles(Vec<FileSpec>),
    /// End every component that holds certificates in memory; `knarr-node` starts each again. Pods go on running.
    RestartComponents,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = &self.node;
        match &self.action {
            Action::Stop => write!(f, "stop {node}"),
            Action::Start => write!(f, "start {node}"),
            Action::Pause => write!(f, "pause {node}"),
            Action::Unpause => write!(f, "unpause {node}"),
            Action::PutFiles(files) => write!(f, "put {} files with new certificates into {node}", files.len()),
            Action::RestartComponents => write!(f, "restart the components of {node} that hold certificates"),
        }
    }
}

/// A cluster as it is now.
#[derive(Clone, Debug)]
pub struct Living {
    /// Where everything stands.
    pub layout: Layout,
    /// What each node of the layout does, in its order.
    pub states: Vec<ContainerState>,
    /// The nodes whose certificates must be made anew.
    pub renew: Vec<String>,
}

impl Living {
    fn nodes(&self, wanted: impl Fn(ContainerState) -> bool) -> Vec<&NodeLayout> {
        let all = self.layout.nodes.iter().zip(&self.states);
        all.filter(|(_, state)| wanted(**state)).map(|(node, _)| node).collect()
    }

    /// Whether the node runs now, or is only frozen.
    fn is_up(&self, node: &NodeLayout) -> bool {
        self.nodes(is_up).iter().any(|up| up.spec.name == node.spec.name)
    }
}

const fn is_up(state: ContainerState) -> bool {
    matches!(state, ContainerState::Running | ContainerState::Paused | ContainerState::Restarting)
}

impl Plan {
    /// Stops every node that is not stopped.
    pub fn stop(living: &Living) -> Self {
        let phases = [unpausing(living), stopping(living)];
        assemble(Verb::Stop, living, phases.into_iter().flatten().collect())
    }

    /// Starts every node that does not run, with certificates that last; with `wait`, until the cluster is usable.
    pub fn start(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().collect();
        phases.extend(renewing(living, |node| living.is_up(node)));
        phases.extend(acting("starting", "started", &living.nodes(|s| !is_up(s)), &Action::Start));
        phases.extend(waiting(wait));
        assemble(Verb::Start, living, phases)
    }

    /// Stops what runs and starts everything.
    pub fn restart(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().chain(stopping(living)).collect();
        phases.extend(renewing(living, |_| false));
        phases.extend(acting("starting", "started", &living.nodes(|_| true), &Action::Start));
        phases.extend(waiting(wait));
        assemble(Verb::Restart, living, phases)
    }

    /// Freezes every node that runs.
    pub fn pause(living: &Living) -> Self {
        let nodes = living.nodes(|s| s == ContainerState::Running);
        assemble(Verb::Pause, living, acting("pausing", "paused", &nodes, &Action::Pause).into_iter().collect())
    }

    /// Lets every frozen node go on; with `wait`, until the cluster is usable.
    pub fn unpause(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = unpausing(living).into_iter().collect();
        if !phases.is_empty() {
            phases.extend(waiting(wait));
        }
        assemble(Verb::Unpause, living, phases)
    }

    /// Gives nodes new certificates; those that run restart their components, the others will find them.
    pub fn renew(living: &Living, wait: bool) -> Self {
        let mut phases: Vec<Phase> = renewing(living, |node| living.is_up(node)).into_iter().collect();
        if living.states.iter().all(|s| *s == ContainerState::Running) {
            phases.extend(waiting(wait));
        }
        assemble(Verb::Renew, living, phases)
    }

    /// Whether nothing is changed: what is left are waits.
    pub fn changes_nothing(&self) -> bool {
        self.phases.iter().flat_map(|p| &p.steps).all(|step| matches!(step, Step::Await(_)))
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

/// Every title names the cluster: several may be at work at once.
fn assemble(verb: Verb, living: &Living, mut phases: Vec<Phase>) -> Plan {
    let cluster = living.layout.name();
    for phase in &mut phases {
        phase.title = format!("{cluster}: {}", phase.title);
        phase.done = format!("{cluster}: {}", phase.done);
    }
    Plan { verb, layout: living.layout.clone(), phases }
}

fn count(nodes: &[&NodeLayout]) -> String {
    format!("{} node{}", nodes.len(), if nodes.len() == 1 { "" } else { "s" })
}

/// One action on all of these nodes together.
fn acting(doing: &str, done: &str, nodes: &[&NodeLayout], action: &Action) -> Option<Phase> {
    let what = count(nodes);
    let change = |node: &&NodeLayout| Step::Change(Change { node: node.spec.name.to_string(), action: action.clone() });
    let steps: Vec<Step> = nodes.iter().map(change).collect();
    (!steps.is_empty()).then(|| phase(format!("{doing} {what}"), format!("{done} {what}"), steps))
}

fn unpausing(living: &Living) -> Option<Phase> {
    acting("unpausing", "unpaused", &living.nodes(|s| s == ContainerState::Paused), &Action::Unpause)
}

fn stopping(living: &Living) -> Option<Phase> {
    acting("stopping", "stopped", &living.nodes(is_up), &Action::Stop)
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
    let what = count(&nodes);
    let mut phases = vec![phase(
        format!("renewing the certificates of {what}"),
        format!("renewed the certificates of {what}"),
        nodes.iter().map(put).collect(),
    )];
    let (planes, workers): (Vec<&NodeLayout>, Vec<&NodeLayout>) =
        nodes.into_iter().filter(|node| runs(node)).partition(|node| node.spec.role == Role::ControlPlane);
    let restart = |nodes: &[&NodeLayout]| {
        acting("restarting the components of", "restarted the components of", nodes, &Action::RestartComponents)
    };
    phases.extend(planes.into_iter().filter_map(|plane| restart(&[plane])));
    phases.extend(restart(&workers));
    phases
}

/// What makes a cluster usable that was adopted long ago.
fn waiting(wait: bool) -> Vec<Phase> {
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
