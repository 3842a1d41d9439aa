//! From what a cluster is to what it shall be: nodes that come and go, the balancer, and what that means to the others.
//!
//! Growing, shrinking and repairing are all this one plan, between two layouts. The order keeps every moment safe: a name
//! is taken before anything is done in it, the nodes that stay hear of a removal when it is done (so that the same command
//! finishes one that was cut off), and a container is there with the authorities' keys at every instant. Ports of the host are
//! the outermost: those that go are closed first, those that come are opened when all nodes know of them, so that no
//! container of a port is ever there that no layout has.

use std::collections::BTreeMap;

use knarr_contract::Role;

use super::helpers::{balancer_step, forwarder_step};
use super::layout::{Forwarder, Layout, NodeLayout};
use super::living::{Action, Change, Living, Through, acting, assemble, is_up};
use super::{Milestone, Phase, Plan, Step, Verb, names, node_step, phase};
use crate::engine::ContainerState;
use crate::error::{Error, ErrorKind};
use crate::kubernetes::Marks;
use crate::node::render::{self, Content, FileSpec};
use crate::report::some;

/// What shall become of a living cluster.
#[derive(Clone, Debug)]
pub struct Wish {
    /// In which words it is told.
    pub verb: Verb,
    /// What the cluster shall be.
    pub target: Layout,
    /// Nodes that are there, belong to no version of the cluster, and go without being asked: the removal or the addition
    /// of each was cut off.
    pub strangers: Vec<Stranger>,
    /// Nodes that go without waiting for their pods: they do not run.
    pub abandoned: Vec<String>,
    /// Whether pods of nodes that go are ended even if nobody makes them anew.
    pub force: bool,
    /// Control planes that are there but whose etcd member is broken.
    pub broken: Vec<String>,
    /// Nodes that do not know the layout yet.
    pub behind: Vec<String>,
    /// What becomes of labels and taints, by node.
    pub marks: BTreeMap<String, Marks>,
    /// Whether the plan ends with a usable cluster.
    pub wait: bool,
}

impl Wish {
    /// Another layout, and nothing else.
    pub fn new(verb: Verb, target: Layout) -> Self {
        Self {
            verb,
            target,
            strangers: Vec::new(),
            abandoned: Vec::new(),
            force: false,
            broken: Vec::new(),
            behind: Vec::new(),
            marks: BTreeMap::new(),
            wait: false,
        }
    }
}

/// A node that is in no layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Its name.
    pub name: String,
    /// What it was for.
    pub role: Role,
}

impl Plan {
    /// Plans the way from a living cluster to a wish. Fails where no control plane is left to go through.
    pub fn reshape(living: &Living, wish: &Wish) -> Result<Self, Error> {
        let (old, new) = (&living.layout, &wish.target);
        let completes = wish.verb == Verb::Repair;
        let mut phases: Vec<Phase> = closing(living, new).into_iter().collect();
        // A port is closed without anybody's help.
        if wish.verb != Verb::Close {
            phases.extend(waking(living, new));
        }
        if completes {
            let up: Vec<String> = living.containers(is_up).into_iter().filter(|name| stays(new, name)).collect();
            let doing = "making sure that Docker brings back";
            phases.extend(acting(new, doing, "made sure that Docker brings back", &up, &Action::Keep));
            phases.extend(clearing(living, wish));
        }
        // What the first control plane and the balancer know by now; the others know what they were told before.
        let mut known = old.clone();
        if new.balancer && !old.balancer {
            known = Layout { balancer: true, generation: old.generation + 1, ..old.clone() };
            phases.extend(behind_balancer(&known));
        } else if new.balancer && living.lacks_balancer() {
            phases.push(phase("making the balancer anew", "made the balancer anew", vec![balancer_step(new)]));
        }
        let route = Route { through: through(living, wish), layout: new };
        let gone = gone(old, wish);
        if !gone.is_empty() {
            phases.extend(draining(&gone, wish, &route)?);
            phases.extend(removing(living, &gone, &route)?);
        }
        phases.extend(adding(living, wish, &route)?);
        phases.extend(marking(&wish.marks));
        // Last: until then the layout that the nodes know has what is not wholly gone, so the same wish finishes it.
        phases.extend(telling(living, &known, wish));
        phases.extend(opening(living, wish));
        phases.extend(rebuilding(living, &known, wish, &route)?);
        let planes = if completes && new.control_planes().count() > 1 {
            // Also what an addition that was cut off did not come to.
            new.control_planes().map(name).collect()
        } else {
            joining(living, wish)
        };
        phases.extend(route.vote(&planes)?);
        if completes {
            phases.extend(forgetting_asides(wish));
        }
        phases.extend(settling(wish, completes || !lost(living, wish).is_empty()));
        Ok(assemble(wish.verb, new, phases))
    }
}

fn name(node: &NodeLayout) -> &str {
    node.spec.name.as_str()
}

/// A control plane that is there, stays, and is whole; one that runs already is best.
fn through(living: &Living, wish: &Wish) -> Option<Through> {
    let state = |node: &NodeLayout| living.states.get(name(node)).copied();
    let fit = |node: &&NodeLayout| {
        state(node).is_some() && wish.target.node(name(node)).is_some() && !wish.broken.iter().any(|b| b == name(node))
    };
    let mut fit: Vec<&NodeLayout> = living.layout.control_planes().filter(fit).collect();
    fit.sort_by_key(|node| state(node) != Some(ContainerState::Running));
    fit.first().map(|node| node.spec.name.clone())
}

/// The way to etcd and kubectl: the control plane on which they are asked.
struct Route<'a> {
    through: Option<Through>,
    layout: &'a Layout,
}

impl Route<'_> {
    fn through(&self) -> Result<Through, Error> {
        self.through.clone().ok_or_else(|| {
            let cluster = self.layout.name();
            Error::new(ErrorKind::Failed, format!("no control plane of cluster `{cluster}` is left that could do it"))
                .hint(format!("see how they are with `knarr status {cluster}`"))
        })
    }

    /// One action of etcd on each of these control planes, one after the other: etcd takes one change at a time.
    fn one_by_one(
        &self,
        planes: &[&str],
        (doing, done, what): (&str, &str, &str),
        action: fn(Through) -> Action,
    ) -> Result<Vec<Phase>, Error> {
        let each = |plane: &&str| {
            let step = change(plane, action(self.through()?));
            Ok(alone(format!("{doing} {plane} {what}"), format!("{done} {plane} {what}"), step))
        };
        planes.iter().map(each).collect()
    }

    fn leave(&self, planes: &[&str]) -> Result<Vec<Phase>, Error> {
        self.one_by_one(planes, ("taking", "took", "out of etcd"), Action::LeaveEtcd)
    }

    fn announce(&self, planes: &[&str]) -> Result<Vec<Phase>, Error> {
        self.one_by_one(planes, ("announcing", "announced", "to etcd"), Action::JoinEtcd)
    }

    /// Gives votes to all of them together: each waits for its data.
    fn vote(&self, planes: &[&str]) -> Result<Option<Phase>, Error> {
        if planes.is_empty() {
            return Ok(None);
        }
        let through = self.through()?;
        let steps = planes.iter().map(|plane| change(plane, Action::PromoteEtcd(through.clone()))).collect();
        let (who, have) = (planes.join(", "), if planes.len() == 1 { "has" } else { "have" });
        Ok(Some(phase(
            format!("waiting until {who} {have} all data and a vote"),
            format!("{who} {have} all data and a vote"),
            steps,
        )))
    }
}

fn change(node: &str, action: Action) -> Step {
    Step::Change(Change { node: node.to_owned(), action })
}

/// One step as a phase of its own.
fn alone(doing: String, done: String, step: Step) -> Phase {
    phase(doing, done, vec![step])
}

/// Whether a container is one of this layout.
fn stays(layout: &Layout, container: &str) -> bool {
    layout.containers().any(|name| name == container)
}

/// Lets everything run that is there and stays: etcd needs its members for each change.
fn waking(living: &Living, new: &Layout) -> Vec<Phase> {
    let all = |wanted: fn(ContainerState) -> bool| -> Vec<String> {
        living.containers(wanted).into_iter().filter(|name| stays(new, name)).collect()
    };
    let paused = all(|state| state == ContainerState::Paused);
    let stopped = all(|state| !is_up(state));
    let unpausing = acting(new, "unpausing", "unpaused", &paused, &Action::Unpause);
    unpausing.into_iter().chain(acting(new, "starting", "started", &stopped, &Action::Start)).collect()
}

/// Removes containers that never ran, and helpers that no layout has, without any data. One that was set aside may be all
/// that tells the authorities' keys, and goes last.
fn clearing(living: &Living, wish: &Wish) -> Option<Phase> {
    let surplus = |helper: &&String| !stays(&living.layout, helper) && living.states.contains_key(*helper);
    let unborn = living.unborn.iter().filter(|name| !is_aside(wish, name));
    let all = unborn.chain(living.helpers.iter().filter(surplus));
    let steps: Vec<Step> = all.map(|name| change(name, Action::Discard { data: false })).collect();
    let what = some(steps.len(), "half-made container");
    (!steps.is_empty()).then(|| phase(format!("removing {what}"), format!("removed {what}"), steps))
}

/// The only control plane gives its port on the host to a balancer. Docker cannot take a port from a container, so the
/// container is made anew around its volume; the old one is kept until the new one answers.
fn behind_balancer(layout: &Layout) -> Vec<Phase> {
    let plane = layout.first_control_plane();
    let node = name(plane);
    vec![
        alone(
            format!("stopping {node} to move its port to a balancer"),
            format!("stopped {node}"),
            change(node, Action::Stop),
        ),
        alone(format!("setting {node} aside"), format!("set {node} aside"), change(node, Action::SetAside)),
        phase(
            format!("starting the balancer and {node} behind it"),
            format!("started the balancer and {node} behind it"),
            vec![balancer_step(layout), node_step(layout, plane)],
        ),
        alone("waiting for the API server".into(), "the API server answers".into(), Step::Await(Milestone::ApiAnswers)),
        alone(
            format!("removing the former container of {node}, not its data"),
            format!("removed the former container of {node}, not its data"),
            change(&names::aside(node), Action::Discard { data: false }),
        ),
    ]
}

/// The nodes that go: those that the target has not, and those that no layout has.
fn gone(old: &Layout, wish: &Wish) -> Vec<Stranger> {
    let left = old.nodes.iter().filter(|node| wish.target.node(name(node)).is_none());
    let left = left.map(|node| Stranger { name: name(node).to_owned(), role: node.spec.role });
    let strangers = wish.strangers.iter().filter(|stranger| !is_aside(wish, &stranger.name)).cloned();
    let mut gone: Vec<Stranger> = left.chain(strangers).collect();
    gone.dedup();
    gone
}

/// Whether a container is the former one of a node, which shares its data.
fn is_aside(wish: &Wish, container: &str) -> bool {
    wish.target.nodes.iter().any(|node| names::aside(name(node)) == container)
}

/// The former containers of nodes that have a new one by now.
fn forgetting_asides(wish: &Wish) -> Option<Phase> {
    let asides = wish.strangers.iter().filter(|stranger| is_aside(wish, &stranger.name));
    let steps: Vec<Step> = asides.map(|aside| change(&aside.name, Action::Discard { data: false })).collect();
    let what = some(steps.len(), "former container");
    (!steps.is_empty()).then(|| phase(format!("removing {what}"), format!("removed {what}"), steps))
}

/// Moves pods away from the nodes that go.
fn draining(gone: &[Stranger], wish: &Wish, route: &Route<'_>) -> Result<Option<Phase>, Error> {
    let through = route.through()?;
    let wanted = |node: &&Stranger| !wish.abandoned.contains(&node.name) && !wish.strangers.contains(node);
    let steps: Vec<Step> = gone
        .iter()
        .filter(wanted)
        .map(|node| change(&node.name, Action::Drain { through: through.clone(), force: wish.force }))
        .collect();
    let what = some(steps.len(), "node");
    Ok((!steps.is_empty()).then(|| phase(format!("draining {what}"), format!("drained {what}"), steps)))
}

/// Takes nodes out: control planes one after the other, so that etcd always knows who it is; then all together.
fn removing(living: &Living, gone: &[Stranger], route: &Route<'_>) -> Result<Vec<Phase>, Error> {
    let mut phases = Vec::new();
    let mut planes: Vec<&Stranger> = gone.iter().filter(|node| node.role == Role::ControlPlane).collect();
    // The dead go first: etcd lets no member go if too few of those that remain are alive.
    planes.sort_by_key(|plane| living.states.get(&plane.name) == Some(&ContainerState::Running));
    for plane in planes {
        // First: of two, each must still agree.
        phases.extend(route.leave(&[&plane.name])?);
        phases.extend(stopping(living, route.layout, &[plane]));
    }
    let workers: Vec<&Stranger> = gone.iter().filter(|node| node.role == Role::Worker).collect();
    phases.extend(stopping(living, route.layout, &workers));
    let each = |action: Action| gone.iter().map(|node| change(&node.name, action.clone())).collect::<Vec<_>>();
    let what = some(gone.len(), "node");
    phases.push(phase(format!("removing {what}"), format!("removed {what}"), each(Action::Discard { data: true })));
    // Last: a kubelet that still ran would register its Node again.
    phases.push(phase("deleting the Nodes", "deleted the Nodes", each(Action::Forget)));
    Ok(phases)
}

fn stopping(living: &Living, layout: &Layout, nodes: &[&Stranger]) -> Option<Phase> {
    let runs = |node: &&&Stranger| living.states.get(&node.name) == Some(&ContainerState::Running);
    let running: Vec<String> = nodes.iter().filter(runs).map(|node| node.name.clone()).collect();
    acting(layout, "stopping", "stopped", &running, &Action::Stop)
}

/// The nodes of the target that are not there and are to be made. Only a repair makes nodes anew that were there before.
fn lost<'w>(living: &Living, wish: &'w Wish) -> Vec<&'w NodeLayout> {
    let made = |node: &&NodeLayout| {
        let new = living.layout.node(name(node)).is_none();
        !living.states.contains_key(name(node)) && (new || wish.verb == Verb::Repair)
    };
    wish.target.nodes.iter().filter(made).collect()
}

/// The control planes among them whose members join etcd. The only one of a cluster has nobody to join: it goes on with
/// the data of its volume.
fn joining<'w>(living: &Living, wish: &'w Wish) -> Vec<&'w str> {
    let several = wish.target.control_planes().count() > 1;
    let joins = |node: &&&NodeLayout| several && node.etcd.as_ref().is_some_and(|start| start.joins);
    let lost = lost(living, wish);
    let planes: Vec<&str> = lost.iter().filter(joins).map(|node| name(node)).collect();
    planes.into_iter().chain(wish.broken.iter().map(String::as_str)).collect()
}

/// Makes the nodes that are not there: first their names are taken, then etcd hears of them, then they start.
fn adding(living: &Living, wish: &Wish, route: &Route<'_>) -> Result<Vec<Phase>, Error> {
    let (new, lost) = (&wish.target, lost(living, wish));
    let mut phases = Vec::new();
    if lost.is_empty() {
        return Ok(phases);
    }
    let what = some(lost.len(), "node");
    let steps: Vec<Step> = lost.iter().map(|node| node_step(new, node)).collect();
    let claims = steps.iter().filter_map(|step| match step {
        Step::StartNode(node) => Some(Step::ClaimName(Box::new(node.container.clone()))),
        _ => None,
    });
    phases.push(phase(
        format!("claiming the names of {what}"),
        format!("claimed the names of {what}"),
        claims.collect(),
    ));
    let broken = |plane: &&str| !wish.broken.iter().any(|b| b == plane);
    let planes: Vec<&str> = joining(living, wish).into_iter().filter(broken).collect();
    phases.extend(entering(living, wish, route, &planes)?);
    phases.push(phase(format!("starting {what}"), format!("started {what}"), steps));
    Ok(phases)
}

/// Announces members to etcd; those of the same names that it knows are lost, and leave first.
fn entering(living: &Living, wish: &Wish, route: &Route<'_>, planes: &[&str]) -> Result<Vec<Phase>, Error> {
    if planes.is_empty() {
        return Ok(Vec::new());
    }
    let through = route.through()?;
    let mut phases = vec![alone(
        "looking for members of etcd that nobody makes".into(),
        "etcd has no member that nobody makes".into(),
        change(through.as_str(), Action::TidyEtcd(through.clone())),
    )];
    let known = |plane: &&str| living.layout.node(plane).is_some() && wish.verb == Verb::Repair;
    let again: Vec<&str> = planes.iter().copied().filter(known).collect();
    phases.extend(route.leave(&again)?);
    phases.extend(route.announce(planes)?);
    Ok(phases)
}

/// Removes the containers of ports that go, however far they came.
fn closing(living: &Living, new: &Layout) -> Option<Phase> {
    let goes = |port: &&Forwarder| !new.forwarders.contains(port) && living.helpers.contains(&container(new, port));
    let gone: Vec<&Forwarder> = living.layout.forwarders.iter().filter(goes).collect();
    let discard = |port: &&Forwarder| change(&container(new, port), Action::Discard { data: false });
    let what = listed(&gone);
    (!gone.is_empty())
        .then(|| phase(format!("closing {what}"), format!("closed {what}"), gone.iter().map(discard).collect()))
}

/// Makes the containers of ports that come, and in a repair those that are lost; then waits until they pass on.
fn opening(living: &Living, wish: &Wish) -> Vec<Phase> {
    let new = &wish.target;
    let comes = |port: &&Forwarder| {
        let known = living.layout.forwarders.contains(port);
        !living.states.contains_key(&container(new, port)) && (!known || wish.verb == Verb::Repair)
    };
    let coming: Vec<&Forwarder> = new.forwarders.iter().filter(comes).collect();
    if coming.is_empty() {
        return Vec::new();
    }
    let what = listed(&coming);
    let steps = coming.iter().map(|port| forwarder_step(new, port)).collect();
    vec![
        phase(format!("opening {what}"), format!("opened {what}"), steps),
        phase(
            "waiting until every port leads into the cluster",
            "every port leads into the cluster",
            vec![Step::Await(Milestone::PortsOpen)],
        ),
    ]
}

fn container(layout: &Layout, port: &Forwarder) -> String {
    names::forwarder(layout.name(), port)
}

fn listed(ports: &[&Forwarder]) -> String {
    ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Makes members of etcd anew whose nodes are there: each begins again in a folder of its own.
fn rebuilding(living: &Living, known: &Layout, wish: &Wish, route: &Route<'_>) -> Result<Vec<Phase>, Error> {
    let broken: Vec<&str> = wish.broken.iter().map(String::as_str).collect();
    let mut phases = entering(living, wish, route, &broken)?;
    let nodes = wish.target.nodes.iter().filter(|node| broken.contains(&name(node)));
    let steps: Vec<Step> = nodes.filter_map(|node| told(known, wish, node)).collect();
    if !steps.is_empty() {
        phases.push(phase("beginning the broken members anew", "began the broken members anew", steps));
    }
    Ok(phases)
}

/// Changes labels and taints. Before the layout says so: whoever was cut off between the two still finds the difference.
fn marking(marks: &BTreeMap<String, Marks>) -> Option<Phase> {
    let marks = marks.iter().filter(|(_, marks)| !marks.is_empty());
    let steps: Vec<Step> = marks.map(|(node, marks)| change(node, Action::Mark(marks.clone()))).collect();
    let what = some(steps.len(), "node");
    (!steps.is_empty()).then(|| phase(format!("marking {what}"), format!("marked {what}"), steps))
}

/// Gives the nodes that stay what has changed for them, and lets them read it.
pub(super) fn telling(living: &Living, known: &Layout, wish: &Wish) -> Option<Phase> {
    let new = &wish.target;
    let there =
        |node: &&NodeLayout| living.states.contains_key(name(node)) && !wish.broken.iter().any(|b| b == name(node));
    let knows = |node: &NodeLayout| {
        if name(node) == name(living.layout.first_control_plane()) { known } else { &living.layout }
    };
    let mut steps: Vec<Step> =
        new.nodes.iter().filter(there).filter_map(|node| told(knows(node), wish, node)).collect();
    if new.balancer && living.layout.balancer && !living.lacks_balancer() {
        let behind = wish.behind.contains(&names::balancer(new.name()));
        let old = if behind { Vec::new() } else { render::balancer_files(known) };
        steps.extend(put(&names::balancer(new.name()), render::balancer_files(new), &old));
    } else if new.balancer && !living.layout.balancer {
        steps.extend(put(&names::balancer(new.name()), render::balancer_files(new), &render::balancer_files(known)));
    }
    let what = some(steps.len(), "container");
    (!steps.is_empty())
        .then(|| phase(format!("telling {what} of the change"), format!("told {what} of the change"), steps))
}

/// What one node is given. One that is behind may know anything, and gets everything.
fn told(known: &Layout, wish: &Wish, node: &NodeLayout) -> Option<Step> {
    let before = known.node(name(node)).filter(|_| !wish.behind.iter().any(|behind| behind == name(node)));
    let old = before.map(|before| render::files(known, before)).unwrap_or_default();
    put(name(node), render::files(&wish.target, node), &old)
}

/// Puts the texts that differ. Certificates stay as they are: what they say depends on their own node alone.
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
