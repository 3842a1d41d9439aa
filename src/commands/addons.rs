//! Runs `knarr addons`: what a cluster runs beside Kubernetes itself.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use ipnet::IpNet;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Session, table};
use crate::addons::state::{self, Found, State};
use crate::addons::{self, Addon, LABEL, Settings, Site};
use crate::cli::args::addons::{Disable, Enable};
use crate::cli::args::{Addons, OneCluster};
use crate::cluster;
use crate::config::unknown;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::Kubernetes;
use crate::plan::{layout, names};
use crate::report::some;

/// How long addons that nobody waits for may take to be applied.
const UNWATCHED: Duration = Duration::from_secs(60);

/// Runs `knarr addons list`, `enable` or `disable`.
pub async fn run(session: &Session<impl Engine>, what: Addons) -> Result<()> {
    match what {
        Addons::List { cluster } => list(session, &session.cluster(cluster.name.as_deref())?).await,
        Addons::Enable(args) => enable(session, &args).await,
        Addons::Disable(args) => disable(session, &args).await,
    }
}

/// The API server of a cluster that exists, and the addresses for its load balancers.
async fn reach<E: Engine>(session: &Session<E>, name: &str) -> Result<(Arc<dyn Kubernetes>, Site)> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, name).await?;
    let access = cluster::access(&*engine, &cluster).await?;
    let network = names::network(name);
    let networks = engine.list_networks().await?;
    let subnet = networks.iter().find(|n| n.name == network).and_then(|n| {
        n.subnets.iter().find_map(|subnet| match subnet {
            IpNet::V4(subnet) => Some(*subnet),
            IpNet::V6(_) => None,
        })
    });
    let subnet = subnet.ok_or_else(|| {
        Error::new(ErrorKind::NotFound, format!("cluster `{name}` has no network `{network}`"))
            .hint(format!("remove what is left with `knarr delete cluster {name}`"))
    })?;
    let site = Site { load_balancer_range: layout::last_quarter(subnet), now: OffsetDateTime::now_utc() };
    Ok((session.outside.kubernetes.connect(&access)?, site))
}

async fn list(session: &Session<impl Engine>, name: &str) -> Result<()> {
    let (kubernetes, _) = reach(session, name).await?;
    let found = state::look(&*kubernetes).await?;
    let memory = state::memory(&*kubernetes, &found).await?;
    let rows = found.iter().zip(&memory);
    if session.json() {
        let list: Vec<Value> = rows.map(|(found, memory)| as_json(found, *memory)).collect();
        return session.print_json(&json!({
            "cluster": name, "memory": "working set, from the kubelets' /stats/summary", "addons": list,
        }));
    }
    let mut lines = vec![["NAME", "STATE", "VERSION", "MEMORY", "WHAT IT GIVES"].map(String::from).to_vec()];
    lines.extend(rows.map(|(found, memory)| {
        let memory = memory.map_or_else(|| "-".to_owned(), |bytes| format!("{:.1} MiB", mebibytes(bytes)));
        let version = found.version.clone().unwrap_or_else(|| "-".to_owned());
        vec![found.addon.name.to_owned(), found.state.to_string(), version, memory, found.addon.about.to_owned()]
    }));
    session.print(&table(&lines))?;
    for found in &found {
        if let State::Failing { reason, .. } = &found.state {
            session.warn(format!("addon `{}` fails: {reason}", found.addon.name));
        }
    }
    session.note("memory is the working set that the kubelets measured");
    Ok(())
}

fn as_json(found: &Found, memory: Option<u64>) -> Value {
    let mut out = json!({
        "name": found.addon.name,
        "about": found.addon.about,
        "byDefault": found.addon.by_default,
        "version": found.version,
        "settings": found.settings,
        "memoryBytes": memory,
    });
    if let (Value::Object(out), Ok(Value::Object(state))) = (&mut out, serde_json::to_value(&found.state)) {
        out.extend(state);
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The addons of these names, each once; every unknown one at once.
fn known(names: &[String]) -> Result<Vec<&'static Addon>> {
    let mut known: Vec<&'static Addon> = Vec::new();
    let mut wrong = Vec::new();
    for name in names {
        match addons::find(name) {
            Some(addon) if !known.contains(&addon) => known.push(addon),
            Some(_) => {}
            None => wrong.push(unknown(name, "an addon", &addons::names())),
        }
    }
    refuse(wrong).map(|()| known)
}

/// An error if anything of what was typed is wrong.
fn refuse(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Usage, "this cannot be done to addons")
        .details(wrong)
        .state("nothing was changed")
        .hint("see all addons with `knarr addons list`"))
}

/// `allowSnippets=true` for one of the addons.
fn parse_settings(chosen: &[&'static Addon], texts: &[String]) -> Result<Vec<(&'static str, &'static str, bool)>> {
    let (mut out, mut wrong) = (Vec::new(), Vec::new());
    for text in texts {
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let owners = chosen.iter().flat_map(|addon| addon.settings.iter().map(move |s| (addon.name, s.name)));
        match (owners.clone().find(|(_, setting)| *setting == name), value.parse::<bool>()) {
            (Some((addon, setting)), Ok(value)) => out.push((addon, setting, value)),
            (Some(_), Err(_)) => wrong.push(format!("--set {text}: write `{name}=true` or `{name}=false`")),
            (None, _) => {
                let settings: Vec<&str> = owners.map(|(_, setting)| setting).collect();
                let words = if settings.is_empty() {
                    "the named addons have no settings".to_owned()
                } else {
                    unknown(name, "a setting of the named addons", &settings)
                };
                wrong.push(format!("--set {text}: {words}"));
            }
        }
    }
    refuse(wrong).map(|()| out)
}

/// Switches on those of these addons that are off, and says why.
pub async fn ensure(
    session: &Session<impl Engine>,
    cluster: &OneCluster,
    names: &[&str],
    wait: Duration,
    why: &str,
) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let (kubernetes, _) = reach(session, &session.cluster(cluster.name.as_deref())?).await?;
    let found = state::look(&*kubernetes).await?;
    let off = found.iter().filter(|f| f.state == State::Off && names.contains(&f.addon.name));
    let off: Vec<String> = off.map(|f| f.addon.name.to_owned()).collect();
    if off.is_empty() {
        return Ok(());
    }
    session.note(format!("{why} needs {}, which the cluster does not have yet", off.join(", ")));
    let args = Enable { addons: off, settings: Vec::new(), wait, cluster: cluster.clone() };
    switch_on(session, &args).await.map(|_| ())
}

async fn enable(session: &Session<impl Engine>, args: &Enable) -> Result<()> {
    let ready = switch_on(session, args).await?;
    if session.json() {
        session.print_json(&json!({
            "cluster": session.cluster(args.cluster.name.as_deref())?,
            "addons": ready.iter().map(|found| as_json(found, None)).collect::<Vec<_>>(),
        }))?;
    }
    Ok(())
}

/// Switches addons on and waits until they are ready.
pub(super) async fn switch_on(session: &Session<impl Engine>, args: &Enable) -> Result<Vec<Found>> {
    let chosen = known(&args.addons)?;
    let cluster = session.cluster(args.cluster.name.as_deref())?;
    let wanted_settings = parse_settings(&chosen, &args.settings)?;
    let (kubernetes, site) = reach(session, &cluster).await?;
    let before = state::look(&*kubernetes).await?;
    let mut objects = Vec::new();
    for addon in &chosen {
        let mut settings = before.iter().find(|f| f.addon == *addon).map_or_else(Settings::new, |f| f.settings.clone());
        settings.extend(wanted_settings.iter().filter(|(owner, ..)| *owner == addon.name).map(|(_, s, v)| (*s, *v)));
        objects.extend(addons::render(addon, &settings, &site)?);
    }
    must_be_ours(&*kubernetes, &objects).await?;
    let names: Vec<&str> = chosen.iter().map(|addon| addon.name).collect();
    let list = names.join(", ");
    let step = session.steps().start(format!("switching on {list}"));
    let progress = |what: &str| step.progress(what);
    let mut last = Vec::new();
    let bound = if args.wait.is_zero() { UNWATCHED } else { args.wait };
    let work = async {
        addons::apply(&*kubernetes, objects, &progress).await?;
        let awaited: &[&'static Addon] = if args.wait.is_zero() { &[] } else { &chosen };
        state::until_ready(&*kubernetes, awaited, &progress, &mut last).await
    };
    let Ok(ready) = tokio::time::timeout(bound, work).await else {
        let wait = humantime::format_duration(bound);
        return Err(Error::new(ErrorKind::NotReady, format!("{list} did not become ready within {wait}"))
            .details(last)
            .state("what was applied stays, and may still become ready")
            .hint(format!("look again with `knarr addons list --name {cluster}`")));
    };
    let ready = ready?;
    step.done(format!("{list} {} on", if names.len() == 1 { "is" } else { "are" }));
    for addon in &chosen {
        let off = |wanted: &str| before.iter().any(|f| f.addon.name == wanted && f.state == State::Off);
        if let Some(wanted) = addon.wants.filter(|wanted| off(wanted) && !names.contains(wanted)) {
            session.warn(format!(
                "`{}` gets no address of its own while `{wanted}` is off; try `knarr addons enable {wanted}`",
                addon.name
            ));
        }
    }
    Ok(ready)
}

/// Refuses to take over what somebody else put into the cluster under the same names.
async fn must_be_ours(kubernetes: &dyn Kubernetes, objects: &[Value]) -> Result<()> {
    let found = try_join_all(objects.iter().map(|object| kubernetes.current(object))).await?;
    let foreign = |(object, found): (&Value, Option<Value>)| {
        let label = object["metadata"]["labels"][LABEL].clone();
        let foreign = found.is_some_and(|f| f["metadata"]["labels"][LABEL] != label);
        foreign.then(|| crate::kubernetes::objects::describe(object))
    };
    let foreign: Vec<String> = objects.iter().zip(found).filter_map(foreign).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Exists, "the cluster has objects of these names already that knarr did not make")
        .details(foreign)
        .state("nothing was changed")
        .hint("remove whatever they belong to first, or do without the addon"))
}

async fn disable(session: &Session<impl Engine>, args: &Disable) -> Result<()> {
    let (names, deleted) = switch_off(session, args).await?;
    let cluster = session.cluster(args.cluster.name.as_deref())?;
    if session.json() {
        session.print_json(&json!({"cluster": cluster, "disabled": names, "deleted": deleted}))?;
    }
    Ok(())
}

/// An error if other objects depend on these addons.
pub(super) async fn must_be_unneeded(kubernetes: &dyn Kubernetes, addons: &[&'static Addon]) -> Result<()> {
    let mut needed = Vec::new();
    for addon in addons {
        let dependents = addons::dependents(kubernetes, addon).await?;
        needed.extend(dependents.into_iter().map(|object| format!("{}: {object}", addon.name)));
    }
    if needed.is_empty() {
        return Ok(());
    }
    Err(Error::failed("other objects depend on what shall be switched off")
        .details(needed)
        .state("nothing was changed")
        .hint("delete them first, or leave them without it with `--force`"))
}

/// Switches addons off; their names, and how many objects went with them.
pub(super) async fn switch_off(session: &Session<impl Engine>, args: &Disable) -> Result<(Vec<&'static str>, usize)> {
    let chosen = known(&args.addons)?;
    let cluster = session.cluster(args.cluster.name.as_deref())?;
    let (kubernetes, site) = reach(session, &cluster).await?;
    if !args.force {
        must_be_unneeded(&*kubernetes, &chosen).await?;
    }
    let names: Vec<&str> = chosen.iter().map(|addon| addon.name).collect();
    let list = names.join(", ");
    let step = session.steps().start(format!("switching off {list}"));
    let mut deleted = 0;
    for addon in &chosen {
        let objects = addons::render(addon, &Settings::new(), &site)?;
        let found = try_join_all(objects.iter().map(|object| kubernetes.current(object))).await?;
        // What carries the same name but not the label is somebody else's.
        let ours: Vec<Value> =
            found.into_iter().flatten().filter(|object| object["metadata"]["labels"][LABEL] == addon.name).collect();
        kubernetes.delete(&ours).await?;
        deleted += ours.len();
    }
    step.done(match deleted {
        0 => format!("{list} {} off already", if names.len() == 1 { "was" } else { "were" }),
        n => format!("{list} {} off; deleted {}", if names.len() == 1 { "is" } else { "are" }, some(n, "object")),
    });
    Ok((names, deleted))
}
