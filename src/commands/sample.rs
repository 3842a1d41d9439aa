//! Runs `knarr sample`: the embedded samples into a cluster and out of it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{Session, addons, table};
use crate::cli::args::Sample as What;
use crate::cli::args::sample::InCluster;
use crate::cluster;
use crate::config::DEFAULT_NAME;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::kinds::{NAMESPACE, VOLUME};
use crate::kubernetes::{Kubernetes, Selection, objects};
use crate::manifests::wait::{Waits, until_they_work};
use crate::samples::{self, LABEL, Sample};

/// Between two looks at what is being deleted: the end of an object is nothing that a watch could bring up.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Runs `knarr sample list`, `apply`, `delete` or `show`.
pub async fn run(session: &Session<impl Engine>, what: What) -> Result<()> {
    match what {
        What::List => list(session),
        What::Show { sample } => show(session, &samples::find(&sample)?),
        What::Apply(args) => apply(session, &samples::find(&args.sample)?, &args).await,
        What::Delete(args) => delete(session, &samples::find(&args.sample)?, &args).await,
    }
}

fn as_json(sample: &Sample) -> Value {
    json!({
        "name": sample.name, "shows": sample.title(), "addons": sample.addons(), "broken": sample.is_broken(),
    })
}

fn list(session: &Session<impl Engine>) -> Result<()> {
    let all = samples::all();
    if session.json() {
        return session.print_json(&json!({ "samples": all.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let (broken, whole): (Vec<&Sample>, Vec<&Sample>) = all.iter().partition(|sample| sample.is_broken());
    let rows = |heading: &str, samples: &[&Sample]| {
        let row = |sample: &&Sample| [sample.name.as_str(), sample.title()].map(str::to_owned).to_vec();
        table(
            &std::iter::once([heading, "WHAT IT SHOWS"].map(str::to_owned).to_vec())
                .chain(samples.iter().map(row))
                .collect::<Vec<_>>(),
        )
    };
    let mut text = rows("NAME", &whole);
    if !broken.is_empty() {
        text = format!("{text}\n\n{}", rows("BROKEN ON PURPOSE", &broken));
    }
    session.print(&text)?;
    session.note("put one into a cluster with `knarr sample apply NAME`");
    Ok(())
}

fn show(session: &Session<impl Engine>, sample: &Sample) -> Result<()> {
    if !session.json() {
        return session.print(sample.text);
    }
    let mut out = as_json(sample);
    out["steps"] = json!(sample.steps());
    out["manifest"] = sample.text.into();
    session.print_json(&out)
}

async fn reach<E: Engine>(session: &Session<E>, name: &str) -> Result<Arc<dyn Kubernetes>> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, name).await?;
    cluster.running_nodes()?;
    session.outside.kubernetes.connect(&cluster::access(&*engine, &cluster).await?)
}

async fn apply(session: &Session<impl Engine>, sample: &Sample, args: &InCluster) -> Result<()> {
    let (name, cluster) = (&sample.name, &session.cluster(args.cluster.name.as_deref())?);
    let objects = sample.objects()?;
    let kubernetes = reach(session, cluster).await?;
    must_be_ours(&*kubernetes, sample, &objects).await?;
    addons::ensure(session, &args.cluster, &sample.addons(), args.wait, &format!("sample `{name}`")).await?;
    let step = session.steps().start(format!("applying sample `{name}`"));
    let waits = Waits::default();
    let work = async {
        kubernetes.apply(&objects, &|what| step.progress(waits.only([what.to_owned()]))).await?;
        waits.only([]);
        if sample.is_broken() {
            Ok(())
        } else {
            until_they_work(&*kubernetes, &objects, &waits, &|what| step.progress(what)).await
        }
    };
    let headline = format!("sample `{name}` does not work");
    within(session, args.wait, &headline, work).await.map_err(|e| {
        e.details(waits.lines())
            .state("what was applied stays, and may still begin to work")
            .hint(format!("remove it with `knarr sample delete {name}{}`", flag(cluster)))
    })?;
    step.done(format!("sample `{name}` {}", if sample.is_broken() { "is there, broken on purpose" } else { "works" }));
    if session.json() {
        let applied: Vec<String> = objects.iter().map(objects::describe).collect();
        return session.print_json(&json!({
            "cluster": cluster, "sample": name, "applied": applied, "steps": sample.steps(),
        }));
    }
    session.print(&sample.watch())?;
    session.note(format!("remove it with `knarr sample delete {name}{}`", flag(cluster)));
    Ok(())
}

async fn delete(session: &Session<impl Engine>, sample: &Sample, args: &InCluster) -> Result<()> {
    let (name, cluster) = (&sample.name, &session.cluster(args.cluster.name.as_deref())?);
    let objects = sample.objects()?;
    let kubernetes = reach(session, cluster).await?;
    let found = !ours(&*kubernetes, sample).await?.is_empty();
    if found {
        let step = session.steps().start(format!("deleting sample `{name}`"));
        // With a namespace goes what is in it, also what was added by hand.
        let roots: Vec<Value> = objects.into_iter().filter(|o| o["metadata"]["namespace"].is_null()).collect();
        let waits = Waits::default();
        let work = async {
            kubernetes.delete(&roots).await?;
            loop {
                let left = ours(&*kubernetes, sample).await?;
                if left.is_empty() {
                    return Ok(());
                }
                step.progress(waits.only(left.iter().map(|name| format!("{name} is still there"))));
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let headline = format!("sample `{name}` is not gone");
        within(session, args.wait, &headline, work).await.map_err(|e| {
            e.details(waits.lines())
                .state("its deletion goes on in the cluster")
                .hint(format!("see what holds it up with `knarr kubectl --name {cluster} get namespaces`"))
        })?;
        step.done(format!("deleted sample `{name}`"));
    } else {
        session.note(format!("nothing of sample `{name}` is in cluster `{cluster}`"));
    }
    if session.json() {
        session.print_json(&json!({"cluster": cluster, "sample": name, "deleted": found}))?;
    }
    Ok(())
}

/// Does the work within the time, unless it is interrupted.
async fn within(
    session: &Session<impl Engine>,
    wait: Duration,
    headline: &str,
    work: impl Future<Output = Result<()>>,
) -> Result<()> {
    let late = || Error::new(ErrorKind::NotReady, format!("{headline} after {}", humantime::format_duration(wait)));
    let work = async { tokio::time::timeout(wait, work).await.unwrap_or_else(|_| Err(late())) };
    session.unless_interrupted(&format!("stopped while {headline}"), work).await
}

/// What is left of a sample in the cluster: its namespaces, and what stands in none.
async fn ours(kubernetes: &dyn Kubernetes, sample: &Sample) -> Result<Vec<String>> {
    let labels = format!("{LABEL}={}", sample.label());
    let all = Selection { labels: &labels, ..Selection::default() };
    let found = try_join_all([&NAMESPACE, &VOLUME].map(|kind| kubernetes.list(kind, all))).await?;
    Ok(found.iter().flatten().map(objects::describe).collect())
}

/// Refuses to work in namespaces that somebody else made: a deletion would take all that is in them.
async fn must_be_ours(kubernetes: &dyn Kubernetes, sample: &Sample, objects: &[Value]) -> Result<()> {
    let names = objects.iter().filter(|o| o["kind"] == "Namespace").filter_map(|o| o["metadata"]["name"].as_str());
    let found = try_join_all(names.map(|name| kubernetes.get(&NAMESPACE, None, name))).await?;
    let foreign = |namespace: &Value| namespace["metadata"]["labels"][LABEL] != sample.label();
    let foreign: Vec<String> = found.iter().flatten().filter(|n| foreign(n)).map(objects::describe).collect();
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Exists, format!("sample `{}` needs names that are taken", sample.name))
        .details(foreign)
        .state("nothing was changed")
        .hint(format!(
            "change the names in what `knarr sample show {}` prints, and apply that with kubectl",
            sample.name
        )))
}

/// The flag that names a cluster which is not the default one.
fn flag(cluster: &str) -> String {
    if cluster == DEFAULT_NAME { String::new() } else { format!(" --name {cluster}") }
}
