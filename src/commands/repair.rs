//! Makes anew what a cluster has lost, from what is left of it, and finishes what a change that was cut off had begun.

use futures::future::join_all;
use knarr_contract::{ComponentStatus, NodeStatus};

use super::Session;
use super::reshape::{Found, find, reshape};
use crate::cli::args::node::Repair;
use crate::cluster::Recalled;
use crate::config::DEFAULT_NAME;
use crate::engine::{ContainerState, Engine, ExecSpec};
use crate::error::{Error, Result};
use crate::plan::{Verb, Wish};

/// An etcd that was started again this often, and still does not serve, will not come up by itself.
const HOPELESS_RESTARTS: u32 = 3;

/// Runs `knarr repair`.
pub async fn run(session: &Session<impl Engine>, args: Repair) -> Result<()> {
    let name = args.positional_name.or(args.name).unwrap_or_else(|| DEFAULT_NAME.into());
    let looking = async {
        let found = find(session, &name).await?;
        let members = members(&found).await;
        let hopeless = |etcd: &ComponentStatus| !etcd.ready && etcd.restarts >= HOPELESS_RESTARTS;
        let broken: Vec<String> =
            members.iter().filter(|(_, etcd)| hopeless(etcd)).map(|(plane, _)| plane.clone()).collect();
        majority(&found, &broken)?;
        Ok((found, broken))
    };
    let stopped = "stopped before anything was changed";
    let (found, broken) = session.unless_interrupted(stopped, looking).await.map_err(|e| match e.state {
        Some(_) => e,
        None => e.state("nothing was changed"),
    })?;
    let layout = &found.recalled.layout;
    let lost = found.recalled.lost_nodes();
    let plane = |name: &&String| layout.node(name).is_some_and(|node| node.etcd.is_some());
    // The only control plane has nobody to join: it goes on with the data of its volume.
    let joins = layout.control_planes().count() > 1;
    let anew: Vec<String> = lost.iter().filter(plane).filter(|_| joins).chain(&broken).cloned().collect();
    say(session, &found, &broken);
    let Recalled { missing, strangers, behind, .. } = &found.recalled;
    let nothing = anew.is_empty() && missing.is_empty() && strangers.is_empty() && behind.is_empty();
    let target = if nothing { layout.clone() } else { layout.rebuilding(&anew) };
    let wish = Wish {
        verb: Verb::Repair,
        target,
        strangers: strangers.clone(),
        abandoned: Vec::new(),
        force: false,
        broken,
        behind: behind.clone(),
        wait: !args.manner.wait.is_zero(),
    };
    reshape(session, &found, wish, &args.manner).await
}

/// What is going to be done and why, before it is done.
fn say<E: Engine>(session: &Session<E>, found: &Found<E>, broken: &[String]) {
    for name in &found.recalled.missing {
        session.note(format!("`{name}` is gone: it is made anew"));
    }
    for name in broken {
        session.note(format!(
            "etcd on `{name}` cannot use its data: it gets a copy of the others', and the broken data stays where it is"
        ));
    }
    for name in &found.recalled.behind {
        session.note(format!("`{name}` does not know the last change: it is told"));
    }
    for stranger in &found.recalled.strangers {
        session.note(format!(
            "`{}` belongs to no version of the cluster, for a change was cut off: it goes",
            stranger.name
        ));
    }
}

/// What the control planes that run say of their etcd.
async fn members<E: Engine>(found: &Found<E>) -> Vec<(String, ComponentStatus)> {
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

/// An error if too few members are whole to make the others anew from.
fn majority<E>(found: &Found<E>, broken: &[String]) -> Result<()> {
    let planes: Vec<String> = found.recalled.layout.control_planes().map(|n| n.spec.name.to_string()).collect();
    let there = |name: &String| found.cluster.nodes.iter().any(|n| n.name == *name && n.state != ContainerState::Dead);
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
