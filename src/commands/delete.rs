//! Removes clusters: containers, network, volumes by label, and their kubeconfig entries. Absent is success.

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
    let all = futures::future::join_all(names.into_iter().map(|name| {
        let (engine, store) = (&engine, &store);
        async move {
            let deleted = delete_one(session, &**engine, name).await;
            let cleaned = match &deleted.swept.left[..] {
                [] => session.forget_context(store, &deleted.cluster).await,
                _ => Ok(()),
            };
            (deleted, cleaned)
        }
    }))
    .await;
    let mut failure: Option<Error> = None;
    let mut done = Vec::new();
    for (deleted, cleaned) in all {
        if !deleted.swept.left.is_empty() {
            failure = Some(incomplete(&deleted));
        }
        if let Err(e) = cleaned {
            failure = Some(e.state(format!("the cluster `{}` itself is deleted", deleted.cluster)));
        }
        done.push(deleted);
    }
    if session.json() {
        session.print_json(&done)?;
    }
    failure.map_or(Ok(()), Err)
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
