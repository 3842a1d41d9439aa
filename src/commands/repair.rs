//! Makes anew what a cluster has lost, from what is left of it, and finishes what a change that was cut off had begun.

use futures::future::join_all;
use knarr_contract::{ComponentStatus, NodeStatus};

use super::Session;
use super::node::untouched;
use super::reshape::{Found, find_to_change, print, reshape};
use crate::cli::args::node::{Manner, Repair};
use crate::cluster::etcd::{self, Member};
use crate::cluster::{self, Recalled};
use crate::engine::{ContainerState, Engine, ExecSpec};
use crate::error::{Error, Result};
use crate::plan::layout::NodeLayout;
use crate::plan::{Verb, Wish, names};
use crate::spec::values::NodeName;

/// An etcd that was started again this often, and still does not serve, will not come up by itself.
const HOPELESS_RESTARTS: u32 = 3;
const STOPPED: &str = "stopped before anything was changed";

/// Runs `knarr repair`.
pub async fn run(session: &Session<impl Engine>, args: Repair) -> Result<()> {
    let name = session.cluster(args.cluster.typed()).map_err(untouched)?;
    let finding = async {
        let engine = session.engine().await?;
        let cluster = cluster::find(&*engine, &name).await?;
        Ok((engine, cluster))
    };
    let (engine, cluster) = session.unless_interrupted(STOPPED, finding).await.map_err(untouched)?;
    // Not to be dropped in the middle: what it makes is removed below, also after an interrupt.
    let salvaged = cluster::salvage(&*engine, &cluster).await.map_err(untouched)?;
    let outcome = mend(session, &name, &args.manner).await;
    let Some(container) = salvaged else { return outcome };
    // A repair that is carried out removes it itself.
    let clearing = async {
        match engine.inspect_container(&container).await? {
            Some(left) => engine.remove_container(&left.id).await,
            None => Ok(()),
        }
    };
    let cleared = clearing.await.map_err(|e| Error::from(e).context(format!("`{container}` is left")));
    outcome.and(cleared)
}

async fn mend(session: &Session<impl Engine>, name: &str, manner: &Manner) -> Result<()> {
    let looking = async {
        let found = find_to_change(session, name).await?;
        let statuses = statuses(&found).await;
        let hopeless = |etcd: &ComponentStatus| !etcd.ready && etcd.restarts >= HOPELESS_RESTARTS;
        let broken: Vec<String> =
            statuses.iter().filter(|(_, etcd)| hopeless(etcd)).map(|(plane, _)| plane.clone()).collect();
        let left = match members(&found, &broken).await {
            // It answers, so most of its members are there, whatever the layout says of a change that was cut off.
            Some(members) => left(&found, &members).into_iter().filter(|plane| !broken.contains(plane)).collect(),
            None => majority(&found, &broken).map(|()| Vec::new())?,
        };
        Ok((found, broken, left))
    };
    let (found, broken, left) = session.unless_interrupted(STOPPED, looking).await.map_err(untouched)?;
    let layout = &found.recalled.layout;
    let lost = found.recalled.lost_nodes();
    let plane = |name: &&String| layout.node(name).is_some_and(|node| node.etcd.is_some());
    // The only control plane has nobody to join: it goes on with the data of its volume.
    let joins = layout.control_planes().count() > 1;
    let rebuilt = [broken.clone(), left.clone()].concat();
    let anew: Vec<String> = lost.iter().filter(plane).filter(|_| joins).chain(&rebuilt).cloned().collect();
    say(session, &found, &broken, &left);
    let Recalled { missing, strangers, behind, .. } = &found.recalled;
    let nothing = anew.is_empty() && missing.is_empty() && strangers.is_empty() && behind.is_empty();
    let target = if nothing { layout.clone() } else { layout.rebuilding(&anew) };
    let wish = Wish {
        strangers: strangers.clone(),
        broken: rebuilt,
        behind: behind.clone(),
        wait: !manner.wait.is_zero(),
        ..Wish::new(Verb::Repair, target)
    };
    let done = reshape(session, &found, wish, manner).await?;
    print(session, done.as_ref())
}

/// What is going to be done and why, before it is done.
fn say<E: Engine>(session: &Session<E>, found: &Found<E>, broken: &[String], left: &[String]) {
    for name in &found.recalled.missing {
        let data = if found.cluster.nodes.iter().any(|node| node.name == names::aside(name)) {
            ", with the data of its volume"
        } else {
            ""
        };
        session.note(format!("`{name}` is gone: it is made anew{data}"));
    }
    for name in broken {
        session.note(format!(
            "etcd on `{name}` cannot use its data: it gets a copy of the others', and the broken data stays where it is"
        ));
    }
    for name in left {
        session.note(format!("`{name}` was taken out of etcd by a removal that was cut off: it joins again"));
    }
    for name in &found.recalled.behind {
        session.note(format!("`{name}` does not know the last change: it is told"));
    }
    let aside =
        |name: &str| found.recalled.layout.nodes.iter().any(|node| names::aside(node.spec.name.as_str()) == name);
    for stranger in found.recalled.strangers.iter().filter(|stranger| !aside(&stranger.name)) {
        session.note(format!(
            "`{}` belongs to no version of the cluster, for a change was cut off: it goes",
            stranger.name
        ));
    }
}

/// What the control planes that run say of their etcd.
async fn statuses<E: Engine>(found: &Found<E>) -> Vec<(String, ComponentStatus)> {
    let status = ExecSpec::new(["knarr-node", "status", "-o", "json"]);
    let planes = found.recalled.layout.control_planes().map(|node| node.spec.name.to_string());
    let asked = planes.map(|plane| {
        let (status, engine) = (&status, &found.engine);
        async move {
            let told = engine.exec(&plane, status).await.ok()?;
            let status: NodeStatus = serde_json::from_slice(&told.stdout).ok()?;
            Some((plane, status.components.into_iter().find(|c| c.name == "etcd")?))
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The members of etcd, if it answers: whoever does has a majority behind it, so all who do say the same.
async fn members<E: Engine>(found: &Found<E>, broken: &[String]) -> Option<Vec<Member>> {
    let whole = |plane: &&NodeLayout| !broken.iter().any(|broken| broken == plane.spec.name.as_str());
    let planes = found.recalled.layout.control_planes().filter(whole);
    let asked = planes.map(|plane| etcd::members(&*found.engine, plane.spec.name.as_str()));
    join_all(asked).await.into_iter().find_map(Result::ok)
}

/// The control planes that are there but were taken out of etcd: their removal was cut off.
fn left<E>(found: &Found<E>, members: &[Member]) -> Vec<String> {
    let states = found.recalled.living(&found.cluster).states;
    let there = |plane: &&NodeName| states.contains_key(plane.as_str());
    let planes = found.recalled.layout.control_planes().map(|plane| &plane.spec.name).filter(there);
    planes.filter(|plane| !members.iter().any(|member| member.is_of(plane))).map(ToString::to_string).collect()
}

/// An error if too few members are whole to make the others anew from.
fn majority<E>(found: &Found<E>, broken: &[String]) -> Result<()> {
    let planes: Vec<String> = found.recalled.layout.control_planes().map(|n| n.spec.name.to_string()).collect();
    // A container that was set aside has the same volume.
    let is = |name: &String, other: &str| other == name || other == names::aside(name);
    let there =
        |name: &String| found.cluster.nodes.iter().any(|n| is(name, &n.name) && n.state != ContainerState::Dead);
    let lost: Vec<&String> = planes.iter().filter(|plane| !there(plane) || broken.contains(plane)).collect();
    if lost.is_empty() || planes.len() - lost.len() > planes.len() / 2 {
        return Ok(());
    }
    let lost: Vec<String> = lost.into_iter().map(|name| format!("`{name}`")).collect();
    Err(Error::failed(format!("the data of cluster `{}` cannot be made anew", found.cluster.name))
        .cause(format!("{} of {} members of etcd are lost: {}", lost.len(), planes.len(), lost.join(", ")))
        .hint(format!("look at what is left with `knarr logs --name {} -c etcd`", found.cluster.name))
        .hint(format!(
            "give the data up and begin anew with `knarr delete cluster {0}` and `knarr create cluster {0}`",
            found.cluster.name
        )))
}
