//! Logs of nodes and their components, on stdout or in a folder. No key is ever among them.

use std::path::Path;

use futures::StreamExt;
use serde_json::json;
use zeroize::Zeroizing;

use super::{Session, blocking};
use crate::cli::args::{Logs, OneCluster};
use crate::cluster;
use crate::engine::{ContainerState, Engine, ExecOutput, ExecSpec, archive};
use crate::error::{Error, ErrorKind, Result};
use crate::fs;

/// The only folders of a node that are exported; keys and data live elsewhere.
const LOG_FOLDERS: [&str; 2] = [knarr_contract::LOG_DIR, "/var/log/pods"];

/// Runs `knarr logs`.
pub async fn run(session: &Session<impl Engine>, args: Logs) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &args.cluster.name).await?;
    let nodes: Vec<_> =
        cluster.nodes.iter().filter(|n| args.node.as_ref().is_none_or(|wanted| *wanted == n.name)).collect();
    if nodes.is_empty() {
        let wanted = args.node.as_deref().unwrap_or("any");
        return Err(Error::new(ErrorKind::NotFound, format!("cluster `{}` has no node `{wanted}`", cluster.name))
            .hint(format!("list its nodes with `knarr get nodes --name {}`", cluster.name)));
    }
    if let Some(component) = &args.component
        && !component.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        return Err(Error::new(ErrorKind::Usage, format!("`{component}` is not a component's name"))
            .hint(format!("see their names with `knarr status {}`", cluster.name)));
    }
    let files = match &args.component {
        Some(component) => format!("{}/{component}.log", knarr_contract::LOG_DIR),
        None => format!("{}/*.log", knarr_contract::LOG_DIR),
    };
    let follow = if args.follow { "-F" } else { "" };
    // The shell is only there to find the files; nothing of the user's is put into its words.
    let script = format!("exec tail -n {} {follow} {files}", args.tail);
    let spec = ExecSpec::new(["sh", "-c", script.as_str()]);
    let many = nodes.len() > 1;
    let all = nodes.into_iter().map(|node| {
        let (engine, spec) = (&engine, &spec);
        async move {
            if node.state != ContainerState::Running {
                for line in engine.container_logs(&node.name, args.tail).await? {
                    session.print(&format!("{}: {line}", node.name))?;
                }
                return Ok(());
            }
            let mut exec = engine.exec_attached(&node.name, spec).await?;
            let mut pending = Vec::new();
            while let Some(piece) = exec.output.next().await {
                let (ExecOutput::Stdout(bytes) | ExecOutput::Stderr(bytes)) = piece?;
                pending.extend_from_slice(&bytes);
                while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    let prefix = if many { format!("{}: ", node.name) } else { String::new() };
                    session.print(&format!("{prefix}{}", String::from_utf8_lossy(&line)))?;
                }
            }
            Ok::<(), Error>(())
        }
    });
    let printing = futures::future::try_join_all(all);
    tokio::select! {
        result = printing => result.map(|_| ()),
        () = session.outside.interrupt.token().cancelled() => Ok(()),
    }
}

/// Runs `knarr export logs`: best effort, and what could not be had is named at the end.
pub async fn export(session: &Session<impl Engine>, one: &OneCluster, folder: &Path) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &one.name).await?;
    let step = session.steps().start(format!("collecting the logs of {} nodes", cluster.nodes.len()));
    let mut missing = Vec::new();
    for node in &cluster.nodes {
        let target = folder.join(&node.name);
        fs::create_dir_all(&target, 0o755, None)?;
        let lines = engine.container_logs(&node.name, 10_000).await.unwrap_or_default();
        fs::write(&target.join("knarr-node.log"), lines.join("\n").as_bytes(), 0o644)?;
        let inspect = json!({
            "name": node.name, "image": node.image, "state": node.state.to_string(), "labels": node.labels,
            "addresses": node.addresses,
        });
        fs::write(&target.join("container.json"), format!("{inspect:#}\n").as_bytes(), 0o644)?;
        for source in LOG_FOLDERS {
            let stream = match engine.get_archive(&node.name, source).await {
                Ok(stream) => stream,
                Err(e) => {
                    missing.push(format!("`{source}` of `{}`: {}", node.name, e.detail));
                    continue;
                }
            };
            let entries = archive::read_all(stream).await?;
            let target = target.clone();
            blocking(move || unpack(entries, &target)).await?;
        }
    }
    step.done(format!("wrote the logs of {} nodes to `{}`", cluster.nodes.len(), folder.display()));
    for what in &missing {
        session.warn(what);
    }
    if session.json() {
        session.print_json(&json!({"folder": folder, "missing": missing}))
    } else {
        session.print(&folder.display().to_string())
    }
}

fn unpack(entries: Vec<(String, Zeroizing<Vec<u8>>)>, target: &Path) -> Result<()> {
    for (path, bytes) in entries {
        let file = target.join(path);
        fs::create_dir_all(fs::folder_of(&file), 0o755, None)?;
        fs::write(&file, &bytes, 0o644)?;
    }
    Ok(())
}
