//! Stops, starts, pauses clusters and renews their certificates: find → recall → check → plan → execute → kubeconfig.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use super::{Session, blocking, entry, holder, kubeconfig::internal_url, together};
use crate::cli::args::lifecycle::{Chosen, Halt, Refresh, Resume};
use crate::cluster::{self, Cluster, State, certificates};
use crate::engine::{ContainerInfo, ContainerState, Engine, EngineErrorKind};
use crate::error::{Error, ErrorKind, Result};
use crate::execute::{self, Context, Failed, Keys};
use crate::host::pick_free_port;
use crate::kubeconfig::Store;
use crate::kubernetes::Access;
use crate::pki::Pki;
use crate::plan::layout::Layout;
use crate::plan::{Living, Plan, Verb};

/// How long a stop may take: six times what it does.
const STOPPING: Duration = Duration::from_secs(40);
/// How long a cluster that nobody waits for may take to be told to start.
const UNWATCHED: Duration = Duration::from_secs(120);

/// How often a balancer gets another port, should the one that was free be taken in the same moment.
const RELOCATIONS: u32 = 5;

/// What became of one cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    cluster: String,
    verb: &'static str,
    changed: bool,
    nodes: Vec<String>,
    /// The nodes that got new certificates.
    renewed: Vec<String>,
    /// `updated`, `unchanged`, or `absent`: the user has no entry, or wants none touched.
    kubeconfig: &'static str,
}

/// What a verb needs beside its clusters.
struct Wish {
    verb: Verb,
    wait: Duration,
    dry_run: bool,
    store: Option<Store>,
}

/// Runs `knarr stop` and `knarr pause`.
pub async fn halt(session: &Session<impl Engine>, verb: Verb, args: Halt) -> Result<()> {
    let wish = Wish { verb, wait: STOPPING, dry_run: args.chosen.dry_run, store: None };
    run(session, &args.chosen, wish).await
}

/// Runs `knarr start`, `knarr restart`, `knarr unpause` and `knarr certs renew`.
pub async fn resume(session: &Session<impl Engine>, verb: Verb, args: Resume) -> Result<()> {
    let store = store(session, &args.refresh)?;
    let wish = Wish { verb, wait: args.wait, dry_run: args.chosen.dry_run, store };
    run(session, &args.chosen, wish).await
}

/// The kubeconfig to bring up to date, if any.
pub(super) fn store(session: &Session<impl Engine>, refresh: &Refresh) -> Result<Option<Store>> {
    if refresh.no_kubeconfig {
        return Ok(None);
    }
    session.kubeconfig_store(refresh.kubeconfig.as_deref(), refresh.break_lock)
}

async fn run(session: &Session<impl Engine>, chosen: &Chosen, wish: Wish) -> Result<()> {
    let stopped = "stopped before anything was changed";
    let finding = async {
        let engine = session.engine().await?;
        let clusters = choose(session, &cluster::list(&*engine).await?, chosen)?;
        Ok((engine, clusters))
    };
    let (engine, clusters) = session.unless_interrupted(stopped, finding).await?;
    if clusters.is_empty() {
        session.note("no cluster exists");
    }
    let all = clusters.iter().map(|cluster| one(session, &engine, cluster, &wish));
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for outcome in futures::future::join_all(all).await {
        match outcome {
            Ok(Some(one)) => done.push(one),
            Ok(None) => {}
            Err(e) => failures.push(e),
        }
    }
    if session.json() && !wish.dry_run {
        session.print_json(&done)?;
    }
    together(failures)
}

/// The clusters that were named; every name that is none at once.
fn choose(session: &Session<impl Engine>, existing: &[Cluster], chosen: &Chosen) -> Result<Vec<Cluster>> {
    if chosen.all {
        return Ok(existing.to_vec());
    }
    let mut names = chosen.names.clone();
    if names.is_empty() {
        names.push(session.cluster(chosen.name.as_deref()).map_err(|e| e.state("nothing was changed"))?);
    }
    names.dedup();
    let find = |name: &String| existing.iter().find(|cluster| cluster.name == *name);
    let unknown: Vec<String> = names.iter().filter(|name| find(name).is_none()).map(|n| format!("`{n}`")).collect();
    if unknown.is_empty() {
        return Ok(names.iter().filter_map(find).cloned().collect());
    }
    let known: Vec<String> = existing.iter().map(|cluster| format!("`{}`", cluster.name)).collect();
    let error = Error::new(ErrorKind::NotFound, format!("there is no cluster {}", unknown.join(", ")));
    let cause =
        if known.is_empty() { "no cluster exists".into() } else { format!("these exist: {}", known.join(", ")) };
    Err(error.cause(cause).state("nothing was changed").hint("list them with `knarr get clusters`"))
}

async fn one<E: Engine>(session: &Session<E>, engine: &Arc<E>, cluster: &Cluster, wish: &Wish) -> Result<Option<Done>> {
    let stopped = format!("stopped before anything of cluster `{}` was changed", cluster.name);
    let untouched = |e: Error| if e.state.is_some() { e } else { e.state("nothing was changed") };
    fit(cluster, wish.verb).map_err(untouched)?;
    let preparing = session.unless_interrupted(&stopped, prepare(&**engine, cluster, wish));
    let Prepared { living, missing, pki, access } = preparing.await.map_err(untouched)?;
    if asks(wish.verb) && !missing.is_empty() {
        session.warn(format!("{} lost; make what is lost anew with `knarr repair {}`", be(&missing), cluster.name));
    }
    let plan = plan(&living, wish);
    if wish.dry_run {
        if session.json() {
            session.print_json(&plan.to_json())?;
        } else {
            session.print(&plan.to_string())?;
        }
        return Ok(None);
    }
    let access = match &pki {
        Some(pki) if !living.renew.is_empty() => Some(pki.admin_access(&living.layout)?),
        _ => access,
    };
    let access = access.map(|access| Access { url: url(&living.layout), ..access });
    let context = Context {
        engine: Arc::clone(engine),
        connector: Arc::clone(&session.outside.kubernetes),
        reporter: Arc::clone(&session.reporter),
        cancel: session.outside.interrupt.token().clone(),
    };
    let keys = Keys { access, pki: pki.as_ref() };
    match execute::change(&context, &plan, keys.clone(), patience(wish)).await {
        Ok(_) => {}
        Err(failed) if asks(wish.verb) && failed.taken == Some(EngineErrorKind::PortTaken) => {
            relocate(session, &context, cluster, wish, keys, *failed).await?;
        }
        Err(failed) => return Err(holder::named(&**engine, cluster, *failed).await),
    }
    let changed = !plan.changes_nothing();
    if !changed {
        session.note(format!("cluster `{}` {}", cluster.name, already(wish.verb)));
    }
    let kubeconfig = refresh(session, &**engine, cluster, wish.store.as_ref()).await.map_err(|e| {
        e.context(format!(
            "cluster `{}` is {}, but its kubeconfig entry is not up to date",
            cluster.name,
            wish.verb.done()
        ))
        .state("the cluster runs")
        .hint(format!("try again with `knarr export kubeconfig --name {}`", cluster.name))
    })?;
    Ok(Some(Done {
        cluster: cluster.name.clone(),
        verb: wish.verb.done(),
        changed,
        nodes: cluster.nodes.iter().map(|node| node.name.clone()).collect(),
        renewed: living.renew,
        kubeconfig,
    }))
}

/// How long carrying out a wish may take.
const fn patience(wish: &Wish) -> Duration {
    if wish.wait.is_zero() { UNWATCHED } else { wish.wait }
}

/// Goes on where a start met a port that somebody else has. A balancer is nothing but its port, and gets another one;
/// from a node, which holds data, Docker cannot take a port.
async fn relocate<E: Engine>(
    session: &Session<E>,
    context: &Context<E>,
    cluster: &Cluster,
    wish: &Wish,
    keys: Keys<'_>,
    mut failed: Failed,
) -> Result<()> {
    let engine = &*context.engine;
    for _ in 0..RELOCATIONS {
        let now = cluster::find(engine, &cluster.name).await?;
        let recalled = cluster::recall(engine, &now).await?;
        let serves = now.balancer().is_some_and(|balancer| balancer.state == ContainerState::Running);
        if serves || !recalled.layout.balancer || failed.taken != Some(EngineErrorKind::PortTaken) {
            break;
        }
        let (living, old) = (recalled.living(&now), recalled.layout.api);
        let target = living.layout.published_at((old.ip(), pick_free_port(old.ip(), &[old.port()])?).into());
        session.warn(format!(
            "port {} is taken: the API of cluster `{}` moves to {}",
            old.port(),
            cluster.name,
            url(&target)
        ));
        let pki = Pki::reissue(certificates::roots(engine, &now).await?, &target, OffsetDateTime::now_utc())?;
        let access = keys.access.clone().map(|access| Access { url: url(&target), ..access });
        let keys = Keys { access, pki: Some(&pki) };
        let plan = Plan::relocate(&living, target, !wish.wait.is_zero());
        match execute::change(context, &plan, keys.clone(), patience(wish)).await {
            // What else met a taken port meanwhile is told of.
            Ok(_) => {
                let now = cluster::find(engine, &cluster.name).await?;
                let living = cluster::recall(engine, &now).await?.living(&now);
                let rest = execute::change(context, &self::plan(&living, wish), keys, patience(wish)).await;
                return match rest {
                    Ok(_) => Ok(()),
                    Err(failed) => Err(holder::named(engine, &now, *failed).await),
                };
            }
            Err(again) => failed = *again,
        }
    }
    Err(holder::named(engine, cluster, failed).await)
}

fn plan(living: &Living, wish: &Wish) -> Plan {
    let wait = !wish.wait.is_zero();
    match wish.verb {
        Verb::Stop => Plan::stop(living),
        Verb::Restart => Plan::restart(living, wait),
        Verb::Pause => Plan::pause(living),
        Verb::Unpause => Plan::unpause(living, wait),
        Verb::Renew => Plan::renew(living, wait),
        _ => Plan::start(living, wait),
    }
}

/// Whether the verb ends with a cluster that is asked whether it is well.
const fn asks(verb: Verb) -> bool {
    !matches!(verb, Verb::Stop | Verb::Pause)
}

const fn already(verb: Verb) -> &'static str {
    match verb {
        Verb::Stop => "is stopped already",
        Verb::Pause => "is paused already",
        _ => "runs already",
    }
}

/// An error if the verb makes no sense for a cluster in this state.
fn fit(cluster: &Cluster, verb: Verb) -> Result<()> {
    let (name, state) = (&cluster.name, cluster.state());
    if state == State::Incomplete && asks(verb) || cluster.first_control_plane().is_none() {
        let error = Error::failed(format!("cluster `{name}` is incomplete"));
        let error = cluster.missing().into_iter().fold(error, Error::cause);
        let ran = |node: &ContainerInfo| !matches!(node.state, ContainerState::Created | ContainerState::Dead);
        let error = if cluster.containers().any(ran) {
            error.hint(format!("make it whole with `knarr repair {name}`"))
        } else {
            error
        };
        return Err(if cluster.first_control_plane().is_some_and(ran) {
            error
        } else {
            error.hint(format!("remove what is left with `knarr delete cluster {name}`"))
        });
    }
    let stopped: Vec<String> =
        cluster.containers().filter(|n| n.state == ContainerState::Exited).map(|n| format!("`{}`", n.name)).collect();
    if matches!(verb, Verb::Pause | Verb::Unpause) && !stopped.is_empty() {
        let what =
            if verb == Verb::Pause { "only running nodes can be paused" } else { "stopped nodes cannot be unpaused" };
        return Err(Error::failed(format!("cluster `{name}` is not running"))
            .cause(format!("{} stopped; {what}", be(&stopped)))
            .hint(format!("start it with `knarr start {name}`")));
    }
    Ok(())
}

fn be(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// What was found out before anything is changed.
struct Prepared {
    living: Living,
    /// Nodes that are lost.
    missing: Vec<String>,
    /// New certificates, where they or a helper are needed.
    pki: Option<Pki>,
    /// Who asks the API server, where it is asked.
    access: Option<Access>,
}

async fn prepare<E: Engine>(engine: &E, cluster: &Cluster, wish: &Wish) -> Result<Prepared> {
    let credentials =
        async { if asks(wish.verb) { cluster::credentials(engine, cluster).await.map(Some) } else { Ok(None) } };
    let (recalled, access) = futures::future::try_join(cluster::recall(engine, cluster), credentials).await?;
    let (missing, mut living) = (recalled.lost_nodes(), recalled.living(cluster));
    let layout = &living.layout;
    let now = OffsetDateTime::now_utc();
    living.renew = match wish.verb {
        Verb::Start | Verb::Restart => {
            certificates::wanting_renewal(&certificates::check(engine, cluster, layout, now).await?)
        }
        Verb::Renew => cluster.nodes.iter().map(|node| node.name.clone()).collect(),
        _ => Vec::new(),
    };
    // A helper that is made anew gets files; a balancer's have the authority that its servers are checked by.
    let pki = if living.renew.is_empty() && !living.lacks_helper() {
        None
    } else {
        Some(Pki::reissue(certificates::roots(engine, cluster).await?, &living.layout, now)?)
    };
    Ok(Prepared { living, missing, pki, access })
}

/// Where this host reaches the API.
pub(super) fn url(layout: &Layout) -> String {
    let api = layout.api;
    format!("https://{}", std::net::SocketAddr::new(crate::plan::container::reachable(api.ip()), api.port()))
}

/// Brings the user's entry up to date, if there is one.
pub(super) async fn refresh<E: Engine>(
    session: &Session<E>,
    engine: &E,
    cluster: &Cluster,
    store: Option<&Store>,
) -> Result<&'static str> {
    let Some(store) = store.cloned() else { return Ok("absent") };
    let (reader, name) = (store.clone(), cluster.name.clone());
    let Some(found) = blocking(move || reader.find(&name)).await? else { return Ok("absent") };
    if found.entry.create_id != cluster.create_id {
        return Ok("absent");
    }
    // The ports of a container are known while it runs.
    let cluster = cluster::find(engine, &cluster.name).await?;
    let mut access = cluster::access(engine, &cluster).await?;
    let internal = internal_url(&cluster)?;
    if found.entry.server == internal {
        access.url = internal;
    }
    let entry = entry(&cluster.name, &cluster.create_id, &engine.info().await?, &access);
    if found.entry == entry {
        return Ok("unchanged");
    }
    session.remember_context(&store, entry, false).await?;
    session.note(format!("brought the kubeconfig entry of cluster `{}` up to date", cluster.name));
    Ok("updated")
}
