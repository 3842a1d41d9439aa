//! Removes clusters: containers, network, volumes by label, and their kubeconfig entries. Absent is success.

use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;

use super::{Session, together};
use crate::cli::args::DeleteCluster;
use crate::cluster;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::execute::undo::{self, Swept};
use crate::kubeconfig::Store;
use crate::plan::names;
use crate::report::{Event, Step};

/// How long a deletion may still take after an interrupt.
const GRACE: Duration = Duration::from_secs(12);

#[derive(Serialize)]
struct Deleted {
    cluster: String,
    #[serde(flatten)]
    swept: Swept,
}

/// Runs `knarr delete cluster`.
pub async fn run(session: &Session<impl Engine>, args: DeleteCluster) -> Result<()> {
    let engine = session.engine().await?;
    let names = if args.all {
        cluster::list(&*engine).await?.into_iter().map(|c| c.name).collect()
    } else {
        let mut names = args.names.clone();
        if names.is_empty() {
            names.push(session.cluster(args.name.as_deref()).map_err(|e| e.state("nothing was deleted"))?);
        }
        names
    };
    if names.is_empty() {
        session.note("no cluster exists");
    }
    let store = session.kubeconfig_store(args.kubeconfig.as_deref(), args.break_lock)?;
    let deleting = async {
        let engine = &*engine;
        let all = join_all(names.into_iter().map(|name| delete_one(session, engine, name))).await;
        let mut done = Vec::new();
        // One after the other: which context is the current one then does not depend on which cluster went first.
        for deleted in all {
            let cleaned = forget(session, store.as_ref(), of(&deleted.cluster), &deleted.swept).await;
            done.push((deleted, cleaned));
        }
        done
    };
    let all = patiently(session, deleting)
        .await
        .map_err(|e| e.hint("see what is left with `knarr get clusters`, and run `knarr delete cluster NAME` again"))?;
    let mut failures: Vec<Error> = Vec::new();
    let mut done = Vec::new();
    for (deleted, cleaned) in all {
        if !deleted.swept.left.is_empty() {
            let again = format!("knarr delete cluster {}", deleted.cluster);
            failures.push(incomplete(&deleted.cluster, &deleted.swept, &again));
        }
        if let Err(e) = cleaned {
            failures.push(e.state(format!("the cluster `{}` itself is deleted", deleted.cluster)));
        }
        done.push(deleted);
    }
    if session.json() {
        session.print_json(&done)?;
    }
    together(failures)
}

/// Half a deletion helps nobody: an interrupt lets it finish, unless Docker takes too long.
pub(super) async fn patiently<T>(session: &Session<impl Engine>, deleting: impl Future<Output = T>) -> Result<T> {
    let patience = async {
        session.outside.interrupt.token().cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        all = deleting => Ok(all),
        () = patience => Err(Error::new(ErrorKind::Interrupted, "stopped deleting while Docker was still at it")),
    }
}

async fn delete_one<E: Engine>(session: &Session<E>, engine: &E, cluster: String) -> Deleted {
    let step = session.steps().start(format!("deleting cluster `{cluster}`"));
    let done = |swept: &Swept| {
        if swept.is_empty() {
            format!("there is no cluster `{cluster}`, nothing to delete")
        } else {
            format!("deleted cluster `{cluster}`")
        }
    };
    let swept = sweep(session, engine, of(&cluster), step, done).await;
    Deleted { cluster, swept }
}

/// Everything of that name.
const fn of(cluster: &str) -> Target<'_> {
    Target { cluster, create_id: None }
}

/// What is removed.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    /// The cluster's name.
    pub cluster: &'a str,
    /// Only what this run made; everything of that name without it.
    pub create_id: Option<&'a str>,
}

/// Removes what the target has in Docker and then, if nothing of that is left, its kubeconfig entries.
pub(super) async fn remove<E: Engine>(
    session: &Session<E>,
    engine: &E,
    store: Option<&Store>,
    target: Target<'_>,
    step: Step,
    done: impl Fn(&Swept) -> String,
) -> (Swept, Result<()>) {
    let swept = sweep(session, engine, target, step, done).await;
    let cleaned = forget(session, store, target, &swept).await;
    (swept, cleaned)
}

/// Removes what the target has in Docker.
async fn sweep<E: Engine>(
    session: &Session<E>,
    engine: &E,
    target: Target<'_>,
    step: Step,
    done: impl Fn(&Swept) -> String,
) -> Swept {
    let label = target.create_id.map_or_else(|| names::of_cluster(target.cluster), names::of_run);
    let swept = undo::clean(engine, &label).await;
    swept.notes().for_each(|note| session.note(note));
    if swept.left.is_empty() {
        step.done(done(&swept));
        if !swept.is_empty() {
            session.reporter.event(Event::Detail(swept.state()));
        }
    }
    swept
}

/// Removes its kubeconfig entries, unless something of it is left to be reached.
async fn forget<E: Engine>(
    session: &Session<E>,
    store: Option<&Store>,
    target: Target<'_>,
    swept: &Swept,
) -> Result<()> {
    if swept.left.is_empty() { session.forget_context(store, target.cluster, target.create_id).await } else { Ok(()) }
}

/// What is left of a cluster, and how to get rid of it.
pub(super) fn incomplete(cluster: &str, swept: &Swept, again: &str) -> Error {
    let error = Error::failed(format!("cluster `{cluster}` is not wholly deleted"));
    let error = swept.left_lines().into_iter().fold(error, Error::cause);
    let error = swept.describe().into_iter().fold(error, Error::state);
    swept.hints().into_iter().fold(error, Error::hint).hint(format!("then run `{again}` again"))
}
