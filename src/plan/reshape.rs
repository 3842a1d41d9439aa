//! From what a cluster is to what it shall be: nodes that come and go, the balancer, and what that means to the others.
//!
//! Growing, shrinking, repairing and applying a file are all this one plan, between two layouts. What is done already
//! is not planned again, so the same wish again completes what was cut off.

use knarr_contract::Role;

use super::layout::{Layout, NodeLayout};
use super::living::{Action, Change, Living, Through, acting, assemble};
use super::{Milestone, Phase, Plan, Step, Verb, balancer_step, names, node_step, phase};
use crate::engine::ContainerState;
use crate::error::{Error, ErrorKind};
use crate::node::render::{self, Content, FileSpec};

/// What shall become of a living cluster.
#[derive(Clone, Debug)]
pub struct Wish {
    /// In which words it is told.
    pub verb: Verb,
    /// What the cluster shall be.
    pub target: Layout,
    /// Nodes that go without waiting for their pods: they do not run.
    pub abandoned: Vec<String>,
    /// Whether pods of nodes that go are ended even if nobody makes them anew.
    pub force: bool,
    /// Control planes that are there but whose etcd member is broken.
    pub broken: Vec<String>,
    /// Nodes that do not know the layout yet.
    pub behind: Vec<String>,
    /// Whether the plan ends with a usable cluster.
    pub wait: bool,
}

impl Plan {
    /// Plans the way from a living cluster to a wish. Fails where no control plane is left to go through.
    pub fn reshape(living: &Living, wish: &Wish) -> Result<Self, Error> {
        let (old, new) = (&living.layout, &wish.target);
        let mut phases = Vec::new();
        phases.extend(clearing(living, wish));
        // What the nodes that are there know by now.
        let mut known = old.clone();
        if new.balancer && !old.balancer {
            // A version of its own, so that a run that is cut off leaves no two of one number.
            known = Layout { balancer: true, generation: old.generation + 1, ..old.clone() };
            phases.extend(behind_balancer(&known));
        } else if new.balancer && living.lacks_balancer() {
            phases.push(phase("making the balancer anew", "made the balancer anew", vec![balancer_step(new)]));
        }
        let (through, woken) = match through(living, wish) {
            Some(through) => (Some(through), Vec::new()),
            None => waking(living, wish, &mut phases),
        };
        let gone: Vec<&NodeLayout> = old.nodes.iter().filter(|node| new.node(name(node)).is_none()).collect();
        phases.extend(removing(&gone, wish, through.as_ref())?);
        let lost = |node: &&NodeLayout| !living.is_there(name(node)) && !woken.iter().any(|woken| woken == name(node));
        let missing: Vec<&NodeLayout> = new.nodes.iter().filter(lost).collect();
        let planes = missing.iter().filter(|node| node.spec.role == Role::ControlPlane).map(|node| name(node));
        let planes: Vec<&str> = planes.chain(wish.broken.iter().map(String::as_str)).collect();
        let again: Vec<&str> = planes.iter().copied().filter(|plane| old.node(plane).is_some()).collect();
        phases.extend(each("taking", "took", &again, "out of etcd", through.as_ref(), new, Action::LeaveEtcd)?);
        phases.extend(each("announcing", "announced", &planes, "to etcd", through.as_ref(), new, Action::JoinEtcd)?);
        let made: Vec<Step> = missing.iter().map(|node| node_step(new, node)).collect();
        if !made.is_empty() {
            let what = super::some(made.len(), "node");
            phases.push(phase(format!("starting {what}"), format!("started {what}"), made));
        }
        let mut stopped = living.containers(|state| !super::living::is_up(state));
        stopped
            .retain(|name| !woken.contains(name) && (new.node(name).is_some() || *name == names::balancer(new.name())));
        phases.extend(acting(new, "starting", "started", &stopped, &Action::Start));
        phases.extend(telling(living, &known, wish));
        // A repair also completes what a change that was cut off did not come to.
        let completes = wish.verb == Verb::Repair;
        let voters: Vec<&str> =
            if completes && new.balancer { new.control_planes().map(name).collect() } else { planes };
        phases.extend(each(
            "giving",
            "gave",
            &voters,
            "all data and a vote",
            through.as_ref(),
            new,
            Action::PromoteEtcd,
        )?);
        phases.extend(settling(wish, completes || !missing.is_empty()));
        Ok(assemble(wish.verb, new, phases))
    }
}

fn name(node: &NodeLayout) -> &str {
    node.spec.name.as_str()
}

/// Removes containers that were never started, but not their volumes: whoever made them was cut off, and each is made
/// anew or is not wanted.
fn clearing(living: &Living, wish: &Wish) -> Option<Phase> {
    let unborn = |name: &&String| living.states.get(*name) == Some(&ContainerState::Created);
    let known: Vec<String> = living.states.keys().filter(unborn).cloned().collect();
    let stray = |name: &String| wish.target.node(name).is_none() && *name != names::balancer(wish.target.name());
    let what = known.join(", ");
    let steps: Vec<Step> = known.iter().map(|name| change(name, Action::Discard { data: stray(name) })).collect();
    (!steps.is_empty()).then(|| {
        phase(format!("removing {what}, which never started"), format!("removed {what}, which never started"), steps)
    })
}

/// Brings control planes back where none is up: those that are stopped, and an only one whose container is gone, which
/// begins again around its volume, for nobody else has its data. Returns the first, and all of them.
fn waking(living: &Living, wish: &Wish, phases: &mut Vec<Phase>) -> (Option<Through>, Vec<String>) {
    let (old, new) = (&living.layout, &wish.target);
    let stays = |node: &&NodeLayout| old.node(name(node)).is_some() && !wish.broken.iter().any(|b| b == name(node));
    let only = new.control_planes().count() == 1;
    let planes: Vec<&NodeLayout> =
        new.control_planes().filter(stays).filter(|node| only || living.is_there(name(node))).collect();
    let Some(first) = planes.first() else { return (None, Vec::new()) };
    let wake = |node: &&NodeLayout| {
        if living.is_there(name(node)) { change(name(node), Action::Start) } else { node_step(new, node) }
    };
    let names: Vec<String> = planes.iter().map(|node| name(node).to_owned()).collect();
    let what = names.join(", ");
    phases.push(phase(format!("starting {what}"), format!("started {what}"), planes.iter().map(wake).collect()));
    phases.push(alone(
        "waiting for the API server".into(),
        "the API server answers".into(),
        Step::Await(Milestone::ApiAnswers),
    ));
    (Some(first.spec.name.clone()), names)
}

/// A control plane that is there now, stays, and is whole.
fn through(living: &Living, wish: &Wish) -> Option<Through> {
    let fit = |node: &&NodeLayout| {
        living.is_up(node) && wish.target.node(name(node)).is_some() && !wish.broken.iter().any(|b| b == name(node))
    };
    living.layout.control_planes().find(fit).map(|node| node.spec.name.clone())
}

fn nobody_left(layout: &Layout) -> Error {
    Error::new(ErrorKind::Failed, format!("no control plane of cluster `{}` is left that could do it", layout.name()))
        .state("nothing was changed")
        .hint(format!(
            "see how they are with `knarr status {0}`; make them anew with `knarr repair {0}`",
            layout.name()
        ))
}

fn change(node: &str, action: Action) -> Step {
    Step::Change(Change { node: node.to_owned(), action })
}

/// One step as a phase of its own.
fn alone(doing: String, done: String, step: Step) -> Phase {
    phase(doing, done, vec![step])
}

/// The only control plane gives its port on the host to a balancer. Docker cannot take a port from a container, so the
/// container is made anew around its volume; everything of the node that cannot be made again lives there.
fn behind_balancer(layout: &Layout) -> Vec<Phase> {
    let plane = layout.first_control_plane();
    let node = name(plane);
    vec![
        alone(
            format!("stopping {node} to move its port to a balancer"),
            format!("stopped {node}"),
            change(node, Action::Stop),
        ),
        alone(
            format!("removing the container of {node}, not its data"),
            format!("removed the container of {node}, not its data"),
            change(node, Action::Discard { data: false }),
        ),
        phase(
            format!("starting the balancer and {node} behind it"),
            format!("started the balancer and {node} behind it"),
            vec![balancer_step(layout), node_step(layout, plane)],
        ),
        alone("waiting for the API server".into(), "the API server answers".into(), Step::Await(Milestone::ApiAnswers)),
    ]
}

/// Takes nodes out: control planes one after the other, so that etcd always knows who it is; workers together.
fn removing(gone: &[&NodeLayout], wish: &Wish, through: Option<&Through>) -> Result<Vec<Phase>, Error> {
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    let through = through.ok_or_else(|| nobody_left(&wish.target))?;
    let abandoned = |node: &NodeLayout| wish.abandoned.iter().any(|a| a == name(node));
    let drained: Vec<Step> = gone
        .iter()
        .filter(|node| !abandoned(node))
        .map(|node| change(name(node), Action::Drain { through: through.clone(), force: wish.force }))
        .collect();
    let mut phases = Vec::new();
    if !drained.is_empty() {
        let what = super::some(drained.len(), "node");
        phases.push(phase(format!("draining {what}"), format!("drained {what}"), drained));
    }
    for plane in gone.iter().filter(|node| node.spec.role == Role::ControlPlane) {
        let node = name(plane);
        phases.push(alone(
            format!("taking {node} out of etcd"),
            format!("took {node} out of etcd"),
            change(node, Action::LeaveEtcd(through.clone())),
        ));
    }
    // In order, so that connections to an API server end instead of hanging.
    let running: Vec<String> = gone.iter().filter(|node| !abandoned(node)).map(|node| name(node).to_owned()).collect();
    phases.extend(acting(&wish.target, "stopping", "stopped", &running, &Action::Stop));
    let each = |action: Action| gone.iter().map(|node| change(name(node), action.clone())).collect::<Vec<_>>();
    let what = super::some(gone.len(), "node");
    phases.push(phase(format!("removing {what}"), format!("removed {what}"), each(Action::Discard { data: true })));
    // Last: a kubelet that still ran would register its Node again.
    phases.push(phase("deleting the Nodes", "deleted the Nodes", each(Action::Forget)));
    Ok(phases)
}

/// One action of etcd on each of these control planes.
fn each(
    doing: &str,
    done: &str,
    planes: &[&str],
    what: &str,
    through: Option<&Through>,
    layout: &Layout,
    action: fn(Through) -> Action,
) -> Result<Option<Phase>, Error> {
    if planes.is_empty() {
        return Ok(None);
    }
    let through = through.ok_or_else(|| nobody_left(layout))?;
    let steps = planes.iter().map(|plane| change(plane, action(through.clone()))).collect();
    let who = planes.join(", ");
    Ok(Some(phase(format!("{doing} {who} {what}"), format!("{done} {who} {what}"), steps)))
}

/// Gives those that stay what has changed for them, and lets them read it. The balancer is first, for it keeps no layout:
/// while a node does not know the last change, it may not know it either.
fn telling(living: &Living, known: &Layout, wish: &Wish) -> Vec<Phase> {
    let (new, mut phases, mut steps) = (&wish.target, Vec::new(), Vec::new());
    if new.balancer && known.balancer && !living.lacks_balancer() {
        let old = if wish.behind.is_empty() { render::balancer_files(known) } else { Vec::new() };
        let told = put(&names::balancer(new.name()), render::balancer_files(new), &old);
        phases.extend(told.map(|step| {
            alone("telling the balancer of the change".into(), "told the balancer of the change".into(), step)
        }));
    }
    for node in new.nodes.iter().filter(|node| living.is_there(name(node))) {
        let Some(before) = known.node(name(node)) else { continue };
        let old = if wish.behind.iter().any(|b| b == name(node)) { Vec::new() } else { render::files(known, before) };
        steps.extend(put(name(node), render::files(new, node), &old));
    }
    if !steps.is_empty() {
        let what = super::some(steps.len(), "node");
        phases.push(phase(format!("telling {what} of the change"), format!("told {what} of the change"), steps));
    }
    phases
}

/// Puts the files that differ. Certificates stay as they are: what they say depends on their own node alone.
fn put(container: &str, files: Vec<FileSpec>, old: &[FileSpec]) -> Option<Step> {
    let changed = |file: &FileSpec| matches!(file.content, Content::Text(_)) && !old.contains(file);
    let files: Vec<FileSpec> = files.into_iter().filter(changed).collect();
    (!files.is_empty()).then(|| change(container, Action::Adapt(files)))
}

/// What makes the change complete.
fn settling(wish: &Wish, adopt: bool) -> Vec<Phase> {
    let mut phases = Vec::new();
    if adopt {
        phases.push(phase("adopting the nodes", "adopted the nodes", vec![Step::AdoptNodes]));
    }
    if wish.wait {
        let milestones = [Milestone::ApiAnswers, Milestone::ComponentsReady, Milestone::NodesReady];
        phases.push(phase(
            "waiting until it is usable",
            "it is usable",
            milestones.into_iter().map(Step::Await).collect(),
        ));
    }
    phases
}
