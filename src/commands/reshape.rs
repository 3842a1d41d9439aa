//! Carries out what changes a living cluster's shape: lock → recall → wish → plan → execute → kubeconfig, and back again if
//! an addition fails.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join;
use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::lifecycle::{refresh, store, url};
use super::{Session, holder};
use crate::cli::args::node::Manner;
use crate::cluster::{self, Cluster, Lock, Recalled, certificates};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::execute::{self, Context, Failed, Keys};
use crate::kubernetes::Access;
use crate::pki::Pki;
use crate::plan::layout::Layout;
use crate::plan::ports::OpenPort;
use crate::plan::{Living, Plan, Stranger, Verb, Wish, names as plan_names};

/// How long an addition that failed may take to be taken back.
const UNDO: Duration = Duration::from_secs(30);
/// How long a change may take that nobody waits for.
const UNWATCHED: Duration = Duration::from_secs(180);

/// How long others are waited for without a word.
const TELL_AFTER: Duration = Duration::from_secs(1);

/// What became of the cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Done {
    cluster: String,
    verb: &'static str,
    changed: bool,
    added: Vec<String>,
    removed: Vec<String>,
    nodes: Vec<String>,
    /// The ports of the host that were opened while it lived.
    ports: Vec<OpenPort>,
    kubeconfig: &'static str,
}

/// Prints what became of the cluster, where that is wanted as JSON; a person has heard it by then.
pub(super) fn print(session: &Session<impl Engine>, done: Option<&Done>) -> Result<()> {
    done.filter(|_| session.json()).map_or(Ok(()), |done| session.print_json(done))
}

/// A cluster with its layout, found before anything is changed.
pub(super) struct Found<E> {
    /// Docker.
    pub engine: Arc<E>,
    /// The cluster's containers.
    pub cluster: Cluster,
    /// Where everything stands.
    pub recalled: Recalled,
    /// The right to change it: what was found stays true. Who only reads has none, and nor has a cluster that is stopped.
    pub lock: Option<Lock>,
}

/// Finds a cluster and reads its layout.
pub(super) async fn find<E: Engine>(session: &Session<E>, name: &str) -> Result<Found<E>> {
    read(session.engine().await?, name, None).await
}

/// Finds a cluster that is going to be changed, by nobody else meanwhile.
pub(super) async fn find_to_change<E: Engine>(session: &Session<E>, name: &str) -> Result<Found<E>> {
    let engine = session.engine().await?;
    let lock = lock(session, &*engine, name).await?;
    // Only now: until then it was somebody else's to change.
    read(engine, name, lock).await
}

async fn lock<E: Engine>(session: &Session<E>, engine: &E, name: &str) -> Result<Option<Lock>> {
    let cluster = cluster::find(engine, name).await?;
    let mut locking = pin!(cluster::lock(engine, &cluster));
    tokio::select! {
        lock = &mut locking => lock,
        () = tokio::time::sleep(TELL_AFTER) => {
            session.note(format!("another run of knarr changes cluster `{name}`: waiting until it is done"));
            locking.await
        }
    }
}

/// Finds a cluster again after a part of its change.
pub(super) async fn find_again<E: Engine>(found: Found<E>) -> Result<Found<E>> {
    read(found.engine, &found.cluster.name, found.lock).await
}

async fn read<E: Engine>(engine: Arc<E>, name: &str, lock: Option<Lock>) -> Result<Found<E>> {
    let cluster = cluster::find(&*engine, name).await?;
    let recalled = cluster::recall(&*engine, &cluster).await?;
    Ok(Found { engine, cluster, recalled, lock })
}

/// Makes a wish come true; or prints the plan for it, and then nothing became of the cluster.
pub(super) async fn reshape<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    wish: Wish,
    manner: &Manner,
) -> Result<Option<Done>> {
    let Found { engine, cluster, recalled, .. } = found;
    let store = store(session, &manner.refresh)?;
    let living = recalled.living(cluster);
    let plan = Plan::reshape(&living, &wish)?;
    if manner.dry_run {
        return if session.json() { session.print_json(&plan.to_json()) } else { session.print(&plan.to_string()) }
            .map(|()| None);
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
        let (made, undoes) = (failed.made.clone(), matches!(wish.verb, Verb::Grow | Verb::Open));
        // What is taken back is not gone on with.
        let hints = if undoes { Vec::new() } else { failed.error.hints };
        let failed = Failed { error: Error { hints, ..failed.error }, ..*failed };
        let error = holder::named(&**engine, cluster, failed).await;
        if !undoes {
            return Err(error);
        }
        let undone = undo(session, found, &wish, &made, |plan| async move {
            execute::change(&context(CancellationToken::new()), &plan, keys, UNDO).await.map_err(|failed| failed.error)
        });
        return Err(told(error, undone.await, &wish));
    }
    let (before, after) = (names(&recalled.layout), names(&wish.target));
    let without = |all: &[String], others: &[String]| -> Vec<String> {
        all.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    let (added, removed) = (without(&after, &before), without(&before, &after));
    for (what, nodes) in [("added", &added), ("removed", &removed)] {
        if !nodes.is_empty() {
            session.note(format!("{what} {}", nodes.join(", ")));
        }
    }
    let kubeconfig = refresh(session, &**engine, cluster, store.as_ref()).await.map_err(|e| {
        e.context(format!("cluster `{}` is changed, but its kubeconfig entry is not up to date", cluster.name))
            .state("the cluster runs")
            .hint(format!("try again with `knarr export kubeconfig --name {}`", cluster.name))
    })?;
    Ok(Some(Done {
        cluster: cluster.name.clone(),
        verb: wish.verb.done(),
        changed,
        added,
        removed,
        nodes: after,
        ports: wish.target.open_ports().into_iter().filter(|port| !port.fixed).collect(),
        kubeconfig,
    }))
}

fn names(layout: &Layout) -> Vec<String> {
    layout.nodes.iter().map(|node| node.spec.name.to_string()).collect()
}

/// Every certificate of the target, from the cluster's own authorities.
async fn keys<E: Engine>(engine: &E, cluster: &Cluster, target: &Layout) -> Result<Pki> {
    Pki::reissue(certificates::roots(engine, cluster).await?, target, OffsetDateTime::now_utc())
}

/// Takes back an addition: what this run made goes, and the others hear what was before. Once the only control plane was set
/// aside for a balancer, that is completed: it is a shape as good as the former one. Tells whether that balancer stays.
async fn undo<E: Engine, F: Future<Output = Result<execute::Created>>>(
    session: &Session<E>,
    found: &Found<E>,
    wish: &Wish,
    made: &[String],
    carry_out: impl FnOnce(Plan) -> F,
) -> Result<bool> {
    let Found { cluster, recalled, .. } = find(session, &found.cluster.name).await?;
    let old = &found.recalled.layout;
    let first = old.first_control_plane().spec.name.as_str();
    let there = recalled.living(&cluster).states;
    let moved =
        [plan_names::aside(first), plan_names::balancer(old.name())].iter().any(|name| there.contains_key(name));
    let added: Vec<String> = names(&wish.target).into_iter().filter(|name| old.node(name).is_none()).collect();
    let target = if moved {
        Layout { forwarders: old.forwarders.clone(), ..wish.target.without(&added) }
    } else {
        Layout { generation: wish.target.generation + 1, ..old.clone() }
    };
    let ours = |stranger: &Stranger| made.contains(&stranger.name) || !added.contains(&stranger.name);
    let new = wish.target.nodes.iter().filter(|node| made.iter().any(|name| name == node.spec.name.as_str()));
    let new = new.filter(|node| old.node(node.spec.name.as_str()).is_none());
    let new = new.map(|node| Stranger { name: node.spec.name.to_string(), role: node.spec.role });
    let strangers: Vec<Stranger> = new.chain(recalled.strangers.iter().cloned()).filter(ours).collect();
    let mut living = Living { layout: target.clone(), ..recalled.living(&cluster) };
    // What another run has made meanwhile is not ours to take back.
    living.unborn.retain(|name| made.contains(name));
    living.helpers.retain(|name| made.contains(name) || target.containers().any(|other| other == *name));
    let back = Wish {
        verb: Verb::Repair,
        // Whatever each was told, it is told again.
        behind: names(old).into_iter().chain([plan_names::balancer(old.name())]).collect(),
        target,
        strangers,
        wait: false,
        ..wish.clone()
    };
    carry_out(Plan::reshape(&living, &back)?).await?;
    Ok(moved && !old.balancer)
}

fn told(error: Error, undone: Result<bool>, wish: &Wish) -> Error {
    let cluster = wish.target.name();
    let removing = if wish.verb == Verb::Open { "port remove" } else { "node delete" };
    match undone {
        Ok(stays) => {
            let but = if stays { ", but for the balancer, which publishes the API now" } else { "" };
            error.state(format!("what was added is removed again{but}"))
        }
        Err(e) => error
            .cause(format!("taking it back failed too: {}", e.message))
            .state("some of what was added may be left")
            .hint(format!(
                "complete it with `knarr repair {cluster}`, or remove what was added with `knarr {removing}`"
            )),
    }
}
