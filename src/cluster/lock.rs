//! One change of a living cluster at a time: a lock on a file in its first node that runs.
//!
//! A program in that node holds it for as long as its stdin is open, which is ours. However knarr ends, Docker closes it,
//! and the kernel drops the lock: there is nothing to clean up, and no Docker or machine that knarr must share with others.

use futures::StreamExt;

use super::Cluster;
use crate::engine::{AttachedExec, ContainerState, Engine, ExecOutput, ExecSpec};
use crate::error::{Error, ErrorKind, Result};

/// On a tmpfs: no lock is older than its node.
const FILE: &str = "/run/knarr/change.lock";
/// How long somebody else's change is waited for, in seconds: longer than one takes that goes well.
const PATIENCE_SECONDS: &str = "60";
/// flock's exit status when it has waited in vain.
const TAKEN: &str = "75";
/// What the program prints once the lock is held.
const HELD: &[u8] = b"held";

/// The right to change a cluster, until it is dropped.
pub struct Lock(#[expect(dead_code, reason = "it is held, not read")] AttachedExec);

/// Takes the lock; a cluster of which no node runs has none.
///
/// # Errors
/// When somebody else changes the cluster, or the node cannot be asked.
pub async fn lock<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Option<Lock>> {
    let Some(node) = cluster.nodes.iter().find(|node| node.state == ContainerState::Running) else { return Ok(None) };
    let hold = format!("echo {} && exec cat >/dev/null", String::from_utf8_lossy(HELD));
    let options = ["flock", "--timeout", PATIENCE_SECONDS, "--conflict-exit-code", TAKEN, FILE, "sh", "-c", &hold];
    let mut exec = ExecSpec::new(options);
    exec.attach_stdin = true;
    let mut holder = engine.exec_attached(&node.name, &exec).await?;
    let mut said = Vec::new();
    while let Some(piece) = holder.output.next().await {
        let (ExecOutput::Stdout(bytes) | ExecOutput::Stderr(bytes)) = piece?;
        said.extend(bytes);
        if said.starts_with(HELD) {
            return Ok(Some(Lock(holder)));
        }
    }
    let status = engine.exec_status(&holder.id).await?;
    if status.to_string() == TAKEN {
        return Err(Error::new(
            ErrorKind::Exists,
            format!("cluster `{}` is being changed by another run of knarr", cluster.name),
        )
        .cause(format!("it did not end within {PATIENCE_SECONDS} seconds"))
        .hint("try again when it is done"));
    }
    let why = String::from_utf8_lossy(&said).trim().to_owned();
    Err(Error::failed(format!("cannot lock cluster `{}`", cluster.name))
        .cause(format!("flock in `{}` ended with {status}: {why}", node.name))
        .hint(format!("see how its nodes are with `knarr status {}`", cluster.name)))
}
