//! A person's manifests in the cluster that was just made: read before it is made, applied and waited for afterwards.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::{Session, load};
use crate::addons::{self, Chosen, state};
use crate::cluster::{self, Cluster};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::{Kubernetes, objects};
use crate::manifests::apply::{Outcome, apply};
use crate::manifests::user::{self, Written};
use crate::manifests::wait::{Waits, until_they_work};
use crate::spec::{ClusterSpec, Manifest};

/// How long the applying alone may take when nothing is waited for.
const NO_WAIT: Duration = Duration::from_secs(120);

/// How a person wants it.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// How long applying and waiting may take; zero does not wait.
    pub wait: Duration,
    /// Whether images of the host's Docker are loaded first.
    pub load_images: bool,
}

/// Reads all manifests of a spec; everything that is wrong with them is one error.
pub async fn read(session: &Session<impl Engine>, spec: &ClusterSpec) -> Result<Vec<Written>> {
    let mut texts = Vec::new();
    for manifest in &spec.manifests {
        match manifest {
            Manifest::Stdin => texts.push(("<stdin>".to_owned(), session.read_stdin().await?)),
            Manifest::Path(path) => texts.extend(user::texts(path)?),
        }
    }
    user::parse(&texts)
}

/// Puts objects into a cluster that runs; returns what was applied, in words. Whatever happens, the cluster stays.
pub async fn put<E: Engine>(
    session: &Session<E>,
    name: &str,
    addons: &Chosen,
    written: &[Written],
    wish: Wish,
) -> Result<Vec<String>> {
    if written.is_empty() {
        return Ok(Vec::new());
    }
    let work = async {
        let engine = session.engine().await?;
        let cluster = cluster::find(&*engine, name).await?;
        if wish.load_images {
            load_images(session, engine.clone(), &cluster, written).await?;
        }
        let access = cluster::access(&*engine, &cluster).await?;
        let kubernetes = session.outside.kubernetes.connect(&access)?;
        let deadline = Instant::now() + if wish.wait.is_zero() { NO_WAIT } else { wish.wait };
        let applied = apply_all(session, &*kubernetes, name, written, deadline).await?;
        if !wish.wait.is_zero() {
            wait_for(session, &*kubernetes, addons, &applied, deadline).await?;
        }
        Ok(applied.iter().map(objects::describe).collect())
    };
    let stopped = "stopped applying the manifests";
    session.unless_interrupted(stopped, work).await.map_err(|e| e.also(&format!("the cluster `{name}` runs")))
}

/// Loads the images that the host's Docker has and the nodes have not.
async fn load_images<E: Engine>(
    session: &Session<E>,
    engine: Arc<E>,
    cluster: &Cluster,
    written: &[Written],
) -> Result<()> {
    let nodes: Vec<String> = cluster.running_nodes()?.into_iter().map(|node| node.name.clone()).collect();
    let mut wanted = Vec::new();
    for image in user::images(written) {
        if engine.find_image(&image).await?.is_some() && !load::everywhere(&*engine, &nodes, &image).await? {
            wanted.push(image);
        }
    }
    if wanted.is_empty() {
        session.note("the host's Docker has no image of the manifests that the nodes lack");
        return Ok(());
    }
    load::from_docker(session, engine, nodes, &wanted).await.map(|_| ())
}

async fn apply_all(
    session: &Session<impl Engine>,
    kubernetes: &dyn Kubernetes,
    cluster: &str,
    written: &[Written],
    deadline: Instant,
) -> Result<Vec<Value>> {
    let total = written.len();
    let plural = if total == 1 { "" } else { "s" };
    let step = session.steps().start(format!("applying {total} object{plural}"));
    let mut outcome = Outcome::default();
    let progress = |what: &str| step.progress(what);
    let end = timeout_at(deadline, apply(kubernetes, written, &mut outcome, &progress)).await;
    let Outcome { applied, refused } = outcome;
    if refused.is_empty() && matches!(end, Ok(Ok(()))) {
        step.done(format!("applied {total} object{plural}"));
        return Ok(applied.into_iter().map(|one| one.object).collect());
    }
    let done: Vec<String> = applied.iter().map(|one| objects::describe(&one.object)).collect();
    let known: BTreeSet<&str> = applied
        .iter()
        .map(|one| one.origin.as_str())
        .chain(refused.iter().map(|(one, _)| one.origin.as_str()))
        .collect();
    let line = |one: &Written, why: &str| format!("{}: {}: {why}", one.origin, objects::describe(&one.object));
    let untried = written.iter().filter(|one| !known.contains(one.origin.as_str()));
    let lines: Vec<String> = refused
        .iter()
        .map(|(one, why)| line(one, why))
        .chain(untried.map(|one| line(one, "was not tried any more")))
        .collect();
    let (kind, cause) = match end {
        Ok(Ok(())) => (ErrorKind::Failed, None),
        Ok(Err(e)) => (e.kind, Some(e)),
        Err(_) => (ErrorKind::NotReady, Some(Error::new(ErrorKind::NotReady, "the time was up"))),
    };
    let mut error = Error::new(kind, format!("only {} of {total} objects of the manifests were applied", done.len()))
        .details(lines);
    if let Some(cause) = cause {
        error = error.cause(&cause.message);
        error.causes.extend(cause.causes);
    }
    let done = if done.is_empty() { "nothing was applied".to_owned() } else { format!("applied: {}", done.join(", ")) };
    Err(error
        .state(done)
        .hint(format!("apply them again, mended, with `knarr kubectl --name {cluster} apply -f FILE`")))
}

async fn wait_for(
    session: &Session<impl Engine>,
    kubernetes: &dyn Kubernetes,
    addons: &Chosen,
    applied: &[Value],
    deadline: Instant,
) -> Result<()> {
    let has = |addon: &str| addons.contains_key(addon);
    let mut awaited = Vec::new();
    for object in applied {
        let balanced = object["kind"] == "Service" && object["spec"]["type"] == "LoadBalancer";
        let lacks = match object["kind"].as_str() {
            Some("Ingress") if !has("ingress") => Some("ingress"),
            Some("Service") if balanced && !has("load-balancer") => Some("load-balancer"),
            _ => None,
        };
        match lacks {
            // Somebody else may serve it; whoever that is, it is not waited for.
            Some(addon) => {
                let name = objects::describe(object);
                session.warn(format!("{name} may get no address: addon `{addon}` is off"));
            }
            None => awaited.push(object.clone()),
        }
    }
    let step = session.steps().start("waiting until what was applied works");
    let progress = |what: &str| step.progress(what);
    let (waits, mut last) = (Waits::default(), Vec::new());
    let needed = addons::needed_by(applied, addons);
    let work = async {
        until_they_work(kubernetes, &awaited, &waits, &progress).await?;
        state::until_ready(kubernetes, &needed, &progress, &mut last).await.map(|_| ())
    };
    match timeout_at(deadline, work).await {
        Ok(Ok(())) => {
            step.done("what was applied works");
            Ok(())
        }
        Ok(Err(e)) => Err(e.details(waits.lines()).state("everything was applied")),
        Err(_) => Err(Error::new(ErrorKind::NotReady, "what was applied does not work yet, and the time is up")
            .details(waits.lines())
            .details(last)
            .state("everything was applied, and may still begin to work")),
    }
}
