//! Carries out what changes a living cluster's shape: recall → wish → plan → execute → kubeconfig, and back again if a
//! growth fails.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::Session;
use super::lifecycle::{refresh, store, url};
use crate::cli::args::node::Manner;
use crate::cluster::{self, Cluster, Recalled, certificates};
use crate::engine::{ContainerState, Engine};
use crate::error::{Error, Result};
use crate::execute::{self, Context, Keys};
use crate::kubernetes::Access;
use crate::pki::Pki;
use crate::plan::layout::{Layout, NodeLayout};
use crate::plan::{Living, Plan, Verb, Wish};

/// How long a growth that failed may take to be taken back.
const UNDO: Duration = Duration::from_secs(30);
/// How long a change may take that nobody waits for.
const UNWATCHED: Duration = Duration::from_secs(180);

/// What became of the cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    cluster: String,
    verb: &'static str,
    changed: bool,
    added: Vec<String>,
    removed: Vec<String>,
    nodes: Vec<String>,
    kubeconfig: &'static str,
}

/// A cluster with its layout, found before anything is changed.
pub(super) struct Found<E> {
    /// Docker.
    pub engine: Arc<E>,
    /// The cluster's containers.
    pub cluster: Cluster,
    /// Where everything stands.
    pub recalled: Recalled,
}

/// Finds a cluster and reads its layout.
pub(super) async fn find<E: Engine>(session: &Session<E>, name: &str) -> Result<Found<E>> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, name).await?;
    let recalled = cluster::recall(&*engine, &cluster).await?;
    Ok(Found { engine, cluster, recalled })
}

/// Makes a wish come true, or prints the plan for it.
pub(super) async fn reshape<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    wish: Wish,
    manner: &Manner,
) -> Result<()> {
    let Found { engine, cluster, recalled } = found;
    let store = store(session, &manner.refresh)?;
    let living = living(cluster, &recalled.layout);
    let plan = Plan::reshape(&living, &wish)?;
    if manner.dry_run {
        return if session.json() { session.print_json(&plan.to_json()) } else { session.print(&plan.to_string()) };
    }
    let changed = wish.target != recalled.layout || plan.changes_something();
    if !changed {
        session.note(format!("cluster `{}` is as it should be", cluster.name));
    }
    let preparing = try_join(keys(&**engine, cluster, &wish.target), cluster::credentials(&**engine, cluster));
    let stopped = format!("stopped before anything of cluster `{}` was changed", cluster.name);
    let (pki, access) = session.unless_interrupted(&stopped, preparing).await?;
    let access = Access { url: url(&wish.target), ..access };
    let wait = if manner.wait.is_zero() { UNWATCHED } else { manner.wait };
    let context = |cancel: CancellationToken| Context {
        engine: Arc::clone(engine),
        connector: Arc::clone(&session.outside.kubernetes),
        reporter: Arc::clone(&session.reporter),
        cancel,
    };
    let keys = Keys { access: Some(access), pki: Some(&pki) };
    let interrupt = session.outside.interrupt.token().clone();
    if let Err(failed) = execute::change(&context(interrupt), &plan, keys.clone(), wait).await {
        if wish.verb != Verb::Grow {
            return Err(failed.error);
        }
        let undone = undo(found, &wish, |plan| async move {
            execute::change(&context(CancellationToken::new()), &plan, keys, UNDO).await.map_err(|failed| failed.error)
        });
        return Err(told(failed.error, undone.await, &plan, &wish, recalled));
    }
    let kubeconfig = refresh(session, &**engine, cluster, store.as_ref()).await.map_err(|e| {
        e.context(format!("cluster `{}` is changed, but its kubeconfig entry is not up to date", cluster.name))
            .state("the cluster runs")
            .hint(format!("try again with `knarr export kubeconfig --name {}`", cluster.name))
    })?;
    let (before, after) = (names(&recalled.layout), names(&wish.target));
    let without = |all: &[String], others: &[String]| all.iter().filter(|n| !others.contains(n)).cloned().collect();
    let done = Done {
        cluster: cluster.name.clone(),
        verb: wish.verb.done(),
        changed,
        added: without(&after, &before),
        removed: without(&before, &after),
        nodes: after,
        kubeconfig,
    };
    for (what, nodes) in [("added", &done.added), ("removed", &done.removed)] {
        if !nodes.is_empty() {
            session.note(format!("{what} {}", nodes.join(", ")));
        }
    }
    if session.json() { session.print_json(&done) } else { Ok(()) }
}

fn names(layout: &Layout) -> Vec<String> {
    layout.nodes.iter().map(|node| node.spec.name.to_string()).collect()
}

fn living(cluster: &Cluster, layout: &Layout) -> Living {
    let states = cluster.containers().map(|container| (container.name.clone(), container.state)).collect();
    Living { layout: layout.clone(), states, renew: Vec::new() }
}

/// Every certificate of the target, from the cluster's own authorities.
async fn keys<E: Engine>(engine: &E, cluster: &Cluster, target: &Layout) -> Result<Pki> {
    Pki::reissue(certificates::roots(engine, cluster).await?, target, OffsetDateTime::now_utc())
}

/// Takes back a growth: the way from what was half made to what was there before. Returns what the cluster is then.
async fn undo<E: Engine, F: Future<Output = Result<execute::Created>>>(
    found: &Found<E>,
    wish: &Wish,
    carry_out: impl FnOnce(Plan) -> F,
) -> Result<Layout> {
    let cluster = cluster::find(&*found.engine, &found.cluster.name).await?;
    let was = &found.recalled.layout;
    let plane = was.first_control_plane().spec.name.as_str();
    let container =
        |cluster: &Cluster| cluster.nodes.iter().find(|node| node.name == plane).map(|node| node.id.clone());
    // Until its container is made anew, a single control plane has the port that was to move.
    let stayed = wish.target.balancer && !was.balancer && container(&cluster) == container(&found.cluster);
    let half = Layout { balancer: wish.target.balancer && !stayed, ..wish.target.clone() };
    let mut living = living(&cluster, &half);
    if stayed {
        // It may have been told to stop, or not to come back with Docker: it is started in any case.
        living.states.insert(plane.to_owned(), ContainerState::Exited);
    }
    let added: Vec<String> = names(&wish.target).into_iter().filter(|name| was.node(name).is_none()).collect();
    let back = Wish {
        verb: Verb::Shrink,
        target: half.without(&added),
        abandoned: added,
        // How far they were told is not known.
        behind: names(was),
        wait: false,
        ..wish.clone()
    };
    let plan = Plan::reshape(&living, &back)?;
    carry_out(plan).await?;
    Ok(back.target)
}

fn told(error: Error, undone: Result<Layout>, plan: &Plan, wish: &Wish, recalled: &Recalled) -> Error {
    let name = plan.layout.name();
    match undone {
        Ok(layout) => {
            let added: Vec<&NodeLayout> =
                wish.target.nodes.iter().filter(|n| recalled.layout.node(n.spec.name.as_str()).is_none()).collect();
            let planes = if added.iter().any(|node| node.etcd.is_some()) { " --control-plane" } else { "" };
            let stays = layout.balancer && !recalled.layout.balancer;
            let state = if stays {
                "the nodes are removed again; the balancer stays"
            } else {
                "what was added is removed again"
            };
            // There is nothing left to go on with.
            let mut error = error.state(state);
            error.hints.retain(|hint| !hint.contains(&plan.command()));
            error.hint(format!("try again with `knarr node add --name {name}{planes} --count {}`", added.len()))
        }
        Err(e) => error
            .cause(format!("taking it back failed too: {}", e.message))
            .state("some of what was added may be left")
            .hint(format!("complete it with `knarr repair {name}`, or remove what was added with `knarr node delete`")),
    }
}
