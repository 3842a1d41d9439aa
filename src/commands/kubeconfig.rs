//! One cluster's access, printed or written.

use super::{Session, entry};
use crate::cli::args::{KubeconfigTarget, OneCluster};
use crate::cluster::{self, Cluster};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kubeconfig::{self, Entry, context_name};
use crate::plan::layout::API_PORT;
use crate::yaml::{self, YamlError};

/// Runs `knarr get kubeconfig`.
pub async fn get(session: &Session<impl Engine>, one: &OneCluster, internal: bool) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &session.cluster(one.name.as_deref())?).await?;
    let entry = entry_of(&*engine, &cluster, internal).await?;
    let text = kubeconfig::render(&entry);
    if !session.json() {
        return session.print(&text);
    }
    let broken = |e: YamlError| Error::new(ErrorKind::Bug, "the rendered kubeconfig does not parse").cause(e);
    session.print_json(&yaml::parse_value(&text).map_err(broken)?)
}

/// Runs `knarr export kubeconfig`.
pub async fn export(
    session: &Session<impl Engine>,
    one: &OneCluster,
    target: &KubeconfigTarget,
    internal: bool,
) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &session.cluster(one.name.as_deref())?).await?;
    let entry = entry_of(&*engine, &cluster, internal).await?;
    let Some(store) = session.kubeconfig(target)? else { return Ok(()) };
    let outcome = session.remember_context(&store, entry, target.switch_context).await?;
    let context = context_name(&cluster.name);
    if outcome.written.is_empty() {
        session.note(format!("context `{context}` was as it should be"));
    } else {
        session.note(format!("wrote context `{context}` to `{}`", store.paths().target().display()));
    }
    Ok(())
}

/// The entry of an existing cluster.
pub async fn entry_of<E: Engine>(engine: &E, cluster: &Cluster, internal: bool) -> Result<Entry> {
    let mut access = cluster::access(engine, cluster).await?;
    if internal {
        access.url = internal_url(cluster)?;
    }
    Ok(entry(&cluster.name, &cluster.create_id, &engine.info().await?, &access))
}

/// The API's address for containers on the cluster's network.
pub fn internal_url(cluster: &Cluster) -> Result<String> {
    Ok(format!("https://{}:{API_PORT}", cluster.front()?.name))
}
