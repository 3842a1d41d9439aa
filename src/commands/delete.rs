//! Removes clusters: containers, network, volumes by label, and their kubeconfig entries. Absent is success.

use std::time::Duration;

use serde::Serialize;

use super::Session;
use crate::cli::args::DeleteCluster;
use crate::cluster;
use crate::config::DEFAULT_NAME;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::execute::undo::{self, Swept};
use crate::plan::names;
use crate::report::Event;
use crate::spec::values::ClusterName;

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
            names.push(args.name.clone().unwrap_or_else(|| DEFAULT_NAME.into()));
        }
        for name in &names {
            ClusterName::parse(name).map_err(|e| Error::new(ErrorKind::Usage, e.0).state("nothing was deleted"))?;
        }
        names
    };
    if names.is_empty() {
        session.note("no cluster exists");
    }
    let store = session.kubeconfig_store(args.kubeconfig.as_deref(), args.break_lock)?;
    let deleting = futures::future::join_all(names.into_iter().map(|name| {
        let (engine, store) = (&engine, &store);
        async move {
            let deleted = delete_one(session, &**engine, name).await;
            let cleaned = match &deleted.swept.left[..] {
                [] => session.forget_context(store, &deleted.cluster).await,
                _ => Ok(()),
            };
            (deleted, cleaned)
        }
    }));
    let patience = async {
        session.outside.interrupt.token().cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    // Half a deletion helps nobody: an interrupt lets it finish, unless Docker takes too long.
    let all = tokio::select! {
        biased;
        all = deleting => all,
        () = patience => {
            return Err(Error::new(ErrorKind::Interrupted, "stopped deleting while Docker was still at it")
                .hint("see what is left with `knarr get clusters`, and run `knarr delete cluster NAME` again"));
        }
    };
    let mut failures: Vec<Error> = Vec::new();
    let mut done = Vec::new();
    for (deleted, cleaned) in all {
        if !deleted.swept.left.is_empty() {
            failures.push(incomplete(&deleted));
        }
        if let Err(e) = cleaned {
            failures.push(e.state(format!("the cluster `{}` itself is deleted", deleted.cluster)));
        }
        done.push(deleted);
    }
    if session.json() {
        session.print_json(&done)?;
    }
    let mut failures = failures.into_iter();
    let Some(first) = failures.next() else { return Ok(()) };
    // All problems at once: the first in full, every other one as what else went wrong.
    Err(failures.fold(first, |error, other| {
        let facts: Vec<String> = std::iter::once(other.message).chain(other.causes).collect();
        error.cause(facts.join(": "))
    }))
}

async fn delete_one<E: Engine>(session: &Session<E>, engine: &E, cluster: String) -> Deleted {
    let step = session.steps().start(format!("deleting cluster `{cluster}`"));
    let swept = undo::clean(engine, &names::of_cluster(&cluster)).await;
    if swept.is_empty() {
        step.done(format!("there is no cluster `{cluster}`, nothing to delete"));
    } else if swept.left.is_empty() {
        step.done(format!("deleted cluster `{cluster}`"));
        session.reporter.event(Event::Detail(swept.state()));
    }
    Deleted { cluster, swept }
}

fn incomplete(deleted: &Deleted) -> Error {
    let error = Error::failed(format!("cluster `{}` is not wholly deleted", deleted.cluster));
    let error = deleted.swept.left_lines().into_iter().fold(error, Error::cause);
    let error = deleted.swept.describe().into_iter().fold(error, Error::state);
    deleted
        .swept
        .hints()
        .into_iter()
        .fold(error, Error::hint)
        .hint(format!("then run `knarr delete cluster {}` again", deleted.cluster))
}
