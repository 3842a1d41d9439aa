//! Makes a living cluster what a config file says: load → compare → refuse or ask → close, grow, tell, open, shrink, switch.
//!
//! Each of these is the verb that a person would type for it, so each fails, is taken back or is completed as that verb is;
//! what is left of the difference is what the same command does next.

use std::sync::Arc;

use serde::Serialize;

use super::node::{grow, may_go, shrink, untouched, wish};
use super::reshape::{Found, find_again, find_to_change, reshape};
use super::whole::must_be_whole;
use super::{Session, addons, create, port, table};
use crate::addons::{self as addon, Addon, Chosen, state};
use crate::cli::args::addons::{Disable, Enable};
use crate::cli::args::node::Manner;
use crate::cli::args::{Apply, OneCluster};
use crate::cluster::{self, Recalled};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::image::versions;
use crate::kubernetes::{Selection, kinds};
use crate::plan::layout::Layout;
use crate::plan::{Difference, Line, NewNode, Sides, Verb, Wish};
use crate::spec::ClusterSpec;
use crate::spec::ports::HostPort;
use crate::spec::values::PortMapping;

/// What became of the cluster.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Done<'a> {
    cluster: &'a str,
    /// Whether it is not what it was; always false of a dry run.
    changed: bool,
    difference: &'a [Line],
}

/// Runs `knarr apply`.
pub async fn run(session: &Session<impl Engine>, args: Apply) -> Result<()> {
    let creation = args.as_creation();
    let reading = create::load(session, &creation, "apply", "nothing was changed");
    let stopped = "stopped before anything was changed";
    let (spec, written) = session.unless_interrupted(stopped, reading).await?;
    let looking = async {
        let engine = session.engine().await?;
        Ok(cluster::list(&*engine).await?.iter().any(|cluster| cluster.name == spec.name.as_str()))
    };
    if !session.unless_interrupted(stopped, looking).await.map_err(untouched)? {
        return create::carry_out(session, spec, &written, &creation).await;
    }
    let comparing = compare(session, &spec, &args, None);
    let (mut found, difference) = session.unless_interrupted(stopped, comparing).await.map_err(untouched)?;
    if !written.is_empty() {
        session.note(format!(
            "the file's manifests are for new clusters and are left alone; apply them with `knarr kubectl --name {} apply`",
            spec.name
        ));
    }
    let done = Done {
        cluster: spec.name.as_str(),
        changed: !args.manner.dry_run && !difference.is_empty(),
        difference: &difference.lines,
    };
    match show(session, &done, &difference, &args).await? {
        Go::No => return Ok(()),
        Go::Yes => {}
        // A person may take minutes.
        Go::Asked => {
            let comparing = compare(session, &spec, &args, Some(found));
            let (now, again) = session.unless_interrupted(stopped, comparing).await.map_err(untouched)?;
            if again != difference {
                return Err(Error::failed(format!("cluster `{}` has changed since you were asked", done.cluster))
                    .state("nothing was changed")
                    .hint("see what lies between it and the file now with the same command"));
            }
            found = now;
        }
    }
    let rest = format!("then go on with the rest by `knarr apply -f {} --name {}`", args.file, done.cluster);
    carry_out(session, found, &difference, &args).await.map_err(|e| e.hint(rest))?;
    session.note(format!("cluster `{}` is what the file says", done.cluster));
    if session.json() { session.print_json(&done) } else { Ok(()) }
}

/// Whether the difference shall be done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    No,
    Yes,
    /// A person said so.
    Asked,
}

/// Tells the difference, and whether it shall be done.
async fn show(session: &Session<impl Engine>, done: &Done<'_>, difference: &Difference, args: &Apply) -> Result<Go> {
    let text = || table(&difference.lines.iter().map(Line::cells).collect::<Vec<_>>());
    let told = || format!("cluster `{}` differs from the file, and changes:\n{}", done.cluster, text());
    let settled = args.yes || args.manner.dry_run || difference.lines.is_empty();
    if difference.is_empty() {
        session.note(format!("cluster `{}` is what the file says already", done.cluster));
    } else if args.manner.dry_run && !session.json() {
        session.print(&text())?;
    } else if !difference.lines.is_empty() && (settled || !session.environment.stdin_terminal) {
        session.note(told());
    }
    if difference.is_empty() || args.manner.dry_run {
        return if session.json() { session.print_json(done) } else { Ok(()) }.map(|()| Go::No);
    }
    if settled {
        return Ok(Go::Yes);
    }
    // With the difference in it: whoever is asked must see it, also where notes are not wanted.
    let question = format!("{}\nchange cluster `{}`?", told(), done.cluster);
    let asked = session.confirm(&question).await.map_err(|e| {
        let e = untouched(e);
        if e.kind == ErrorKind::Interrupted {
            e
        } else {
            e.hint("go on without being asked with `--yes`, or only look with `--dry-run`")
        }
    })?;
    if !asked {
        session.note("nothing was changed");
    }
    Ok(if asked { Go::Asked } else { Go::No })
}

/// Finds the cluster and what lies between it and the config; whatever cannot be done is an error now, all of it.
async fn compare<E: Engine>(
    session: &Session<E>,
    spec: &ClusterSpec,
    args: &Apply,
    held: Option<Found<E>>,
) -> Result<(Found<E>, Difference)> {
    let found = match held {
        Some(found) => find_again(found).await?,
        None => find_to_change(session, spec.name.as_str()).await?,
    };
    must_be_whole(&found)?;
    let access = cluster::access(&*found.engine, &found.cluster).await?;
    let kubernetes = session.outside.kubernetes.connect(&access)?;
    let (nodes, on) =
        futures::future::try_join(kubernetes.list(&kinds::NODE, Selection::default()), state::look(&*kubernetes))
            .await?;
    for found in &on {
        if let state::State::Failing { reason, .. } = &found.state {
            session.warn(format!("addon `{}` fails: {reason}", found.addon.name));
        }
    }
    let on = on.into_iter().filter(|found| found.state != state::State::Off);
    let on: Chosen = on.map(|found| (found.addon.name, found.settings)).collect();
    let sides = Sides {
        layout: &found.recalled.layout,
        nodes: &nodes,
        addons: &on,
        wanted: spec,
        default_image: &versions::default_reference(),
    };
    let difference = Difference::between(&sides);
    possible(&difference, spec, &args.file)?;
    // Whatever cannot be opened is found now; a port that goes to another node is ours already.
    let closed = found.recalled.layout.closing(&difference.closed)?;
    let opened = chosen(&difference.opened)?;
    opening(&closed, &opened)?;
    let fresh = |port: &&PortMapping| {
        let moves = |closed: &HostPort| (Some(closed.port), closed.protocol) == (port.host_port, port.protocol);
        !difference.closed.iter().any(moves)
    };
    let made_with = difference.added.iter().flat_map(NewNode::ports).filter(|port| port.host_port.is_some());
    let fresh: Vec<PortMapping> = opened.iter().map(|(_, port)| port).chain(made_with).filter(fresh).cloned().collect();
    port::must_be_free(session, &found, &fresh).await?;
    if !difference.added.is_empty() {
        create::must_fit(spec, &found.engine.info().await?, "nothing was changed")?;
    }
    if !difference.removed.is_empty() {
        // By then no port leads to them any more.
        let then = Found {
            engine: Arc::clone(&found.engine),
            cluster: found.cluster.clone(),
            recalled: Recalled { layout: closed, ..found.recalled.clone() },
            lock: None,
        };
        may_go(session, &then, &difference.removed, args.force).await?;
    }
    if !args.force {
        let off: Vec<&'static Addon> = difference.addons_off.iter().filter_map(|name| addon::find(name)).collect();
        addons::must_be_unneeded(&*kubernetes, &off).await?;
    }
    Ok((found, difference))
}

/// An error if a living cluster cannot become what the config says.
fn possible(difference: &Difference, spec: &ClusterSpec, file: &str) -> Result<()> {
    if difference.refused.is_empty() {
        return Ok(());
    }
    let name = &spec.name;
    let file = if file == "-" { "FILE" } else { file };
    let again = format!("`knarr delete cluster {name}` and `knarr create cluster --config {file}`");
    Err(Error::new(ErrorKind::Config, format!("cluster `{name}` cannot become what the config says while it lives"))
        .details(difference.refused.clone())
        .hint("what is said of a node alone holds for a new one: remove it with `knarr node delete`, then apply again")
        .hint(format!("for all else make the cluster anew with {again}, which ends all that runs in it")))
}

/// First what comes, then what goes, so that the work always has a place to be. Ports alone are closed first: one that goes
/// to another node must be free.
async fn carry_out<E: Engine>(
    session: &Session<E>,
    mut found: Found<E>,
    difference: &Difference,
    args: &Apply,
) -> Result<()> {
    let (name, manner) = (found.cluster.name.clone(), &Manner { dry_run: false, ..args.manner.clone() });
    if !difference.closed.is_empty() {
        let target = found.recalled.layout.closing(&difference.closed)?;
        port::carry_out(session, &found, Verb::Close, target, false).await?;
        found = find_again(found).await?;
    }
    if !difference.added.is_empty() {
        let new = with_ports(&difference.added)?;
        grow(session, &found, &new, manner).await?;
        found = find_again(found).await?;
    }
    if !difference.marked.is_empty() || difference.registries.is_some() {
        let marked = found.recalled.layout.marked(&difference.marked);
        let target = difference.registries.as_ref().map_or(marked.clone(), |wanted| marked.reaching(wanted));
        let marks = difference.marked.iter().map(|marked| (marked.node.clone(), marked.marks.clone())).collect();
        let wish = Wish { marks, ..wish(Verb::Change, target, &found, manner) };
        reshape(session, &found, wish, manner).await?;
        found = find_again(found).await?;
    }
    if !difference.opened.is_empty() {
        let target = opening(&found.recalled.layout, &chosen(&difference.opened)?)?;
        port::carry_out(session, &found, Verb::Open, target, false).await?;
        found = find_again(found).await?;
    }
    if !difference.removed.is_empty() {
        let removed = may_go(session, &found, &difference.removed, args.force).await?;
        shrink(session, &found, &removed, args.force, manner).await?;
    }
    switch(session, &name, difference, args).await
}

/// The layout with these ports open besides.
fn opening(layout: &Layout, ports: &[(String, PortMapping)]) -> Result<Layout> {
    ports.iter().try_fold(layout.clone(), |layout, (node, port)| layout.opening(std::slice::from_ref(port), Some(node)))
}

/// The ports, each with a free one of this host where the config leaves it open.
fn chosen(ports: &[(String, PortMapping)]) -> Result<Vec<(String, PortMapping)>> {
    let mut ports = ports.to_vec();
    choose(&mut ports.iter_mut().map(|(_, port)| port).collect::<Vec<_>>())?;
    Ok(ports)
}

fn choose(ports: &mut [&mut PortMapping]) -> Result<()> {
    let mut taken: Vec<u16> = ports.iter().filter_map(|port| port.host_port).collect();
    for port in ports.iter_mut().filter(|port| port.host_port.is_none()) {
        let free = host::pick_free_port(port.host_address, &taken)?;
        taken.push(free);
        port.host_port = Some(free);
    }
    Ok(())
}

/// The new nodes, with a free port of this host wherever the config leaves it open.
fn with_ports(added: &[NewNode]) -> Result<Vec<NewNode>> {
    let mut added = added.to_vec();
    let specs = added.iter_mut().filter_map(|new| match new {
        NewNode::Described(spec) => Some(spec),
        NewNode::Plain(_) => None,
    });
    choose(&mut specs.flat_map(|spec| &mut spec.ports).collect::<Vec<_>>())?;
    Ok(added)
}

/// Switches addons on and off.
async fn switch(session: &Session<impl Engine>, name: &str, difference: &Difference, args: &Apply) -> Result<()> {
    let (cluster, stopped) =
        (OneCluster { name: Some(name.to_owned()) }, "stopped; what was begun goes on in the cluster");
    if !difference.addons_on.is_empty() {
        let settings = difference.addons_on.iter().flat_map(|(name, wanted)| {
            let all = addon::find(name).into_iter().flat_map(|addon| addon.settings);
            all.map(|setting| format!("{}={}", setting.name, wanted.get(setting.name).copied().unwrap_or_default()))
        });
        let enable = Enable {
            addons: difference.addons_on.keys().map(ToString::to_string).collect(),
            settings: settings.collect(),
            wait: args.manner.wait,
            cluster: cluster.clone(),
        };
        session.unless_interrupted(stopped, addons::switch_on(session, &enable)).await?;
    }
    if !difference.addons_off.is_empty() {
        let names = difference.addons_off.iter().map(ToString::to_string).collect();
        let disable = Disable { addons: names, force: args.force, cluster };
        session.unless_interrupted(stopped, addons::switch_off(session, &disable)).await?;
    }
    Ok(())
}
