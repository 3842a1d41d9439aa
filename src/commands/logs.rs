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
use crate::report::some;

/// The only folders of a node that are exported; keys and data live elsewhere.
const LOG_FOLDERS: [&str; 2] = [knarr_contract::LOG_DIR, "/var/log/pods"];

/// Runs `knarr logs`.
pub async fn run(session: &Session<impl Engine>, args: Logs) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = match &args.node {
        // A node's name is unique on the machine, so its cluster need not be named.
        Some(node) => {
            let all = cluster::list(&*engine).await?;
            match all.into_iter().find(|c| c.nodes.iter().any(|n| n.name == *node)) {
                Some(cluster) => cluster,
                None => cluster::find(&*engine, &session.cluster(args.cluster.name.as_deref())?).await?,
            }
        }
        None => cluster::find(&*engine, &session.cluster(args.cluster.name.as_deref())?).await?,
    };
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
    // The shell is only there to find the files; nothing of the user's is put into its words. One that follows ends with
    // its stdin, which closes when this program is gone.
    let script = if args.follow {
        format!("tail -n {} -F {files} & tail=$!; cat >/dev/null; kill $tail", args.tail)
    } else {
        format!("exec tail -n {} {files}", args.tail)
    };
    let spec = ExecSpec { attach_stdin: args.follow, ..ExecSpec::new(["sh", "-c", script.as_str()]) };
    let many = nodes.len() > 1;
    let line = |node: &str, text: &str| {
        if session.json() {
            return session.print(&json!({"node": node, "line": text.trim_end()}).to_string());
        }
        let prefix = if many { format!("{node}: ") } else { String::new() };
        session.print(&format!("{prefix}{text}"))
    };
    let all = nodes.into_iter().map(|node| {
        let (engine, spec, line, component) = (&engine, &spec, &line, &args.component);
        async move {
            if node.state != ContainerState::Running {
                // Its components' logs cannot be read now; what its agent said last can.
                for text in engine.container_logs(&node.name, args.tail).await? {
                    line(&node.name, &text)?;
                }
                return Ok(());
            }
            let mut exec = engine.exec_attached(&node.name, spec).await?;
            let (mut pending, mut said) = (Vec::new(), Vec::new());
            while let Some(piece) = exec.output.next().await {
                match piece? {
                    ExecOutput::Stdout(bytes) => pending.extend_from_slice(&bytes),
                    ExecOutput::Stderr(bytes) => said.extend_from_slice(&bytes),
                }
                while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                    let text: Vec<u8> = pending.drain(..=end).collect();
                    line(&node.name, &String::from_utf8_lossy(&text))?;
                }
            }
            if !pending.is_empty() {
                line(&node.name, &String::from_utf8_lossy(&pending))?;
            }
            match (engine.exec_status(&exec.id).await?, component) {
                (0, _) => Ok::<(), Error>(()),
                (_, Some(component)) => Err(no_such_log(&node.name, component)),
                (_, None) => Err(Error::failed(format!("cannot read the logs of `{}`", node.name))
                    .cause(String::from_utf8_lossy(&said).trim_end())),
            }
        }
    });
    let printing = futures::future::try_join_all(all);
    tokio::select! {
        result = printing => result.map(|_| ()),
        () = session.outside.interrupt.token().cancelled() => Ok(()),
    }
}

fn no_such_log(node: &str, component: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("`{node}` has no log of a component `{component}`"))
        .hint("see the components of every node with `knarr status`; a worker has no control plane's")
}

/// Runs `knarr export logs`: best effort, and what could not be had is named at the end.
pub async fn export(session: &Session<impl Engine>, one: &OneCluster, folder: &Path) -> Result<()> {
    let engine = session.engine().await?;
    let cluster = cluster::find(&*engine, &session.cluster(one.name.as_deref())?).await?;
    let nodes = some(cluster.nodes.len(), "node");
    let step = session.steps().start(format!("collecting the logs of {nodes}"));
    let mut missing = Vec::new();
    for node in &cluster.nodes {
        let target = folder.join(&node.name);
        fs::create_dir_all(&target, 0o755, None)?;
        match engine.container_logs(&node.name, 10_000).await {
            Ok(lines) => fs::write(&target.join("knarr-node.log"), lines.join("\n").as_bytes(), 0o644)?,
            Err(e) => missing.push(format!("what the agent of `{}` printed: {}", node.name, e.detail)),
        }
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
            let entries = match archive::read_all(stream).await {
                Ok(entries) => entries,
                Err(e) => {
                    missing.push(format!("`{source}` of `{}`: {}", node.name, e.message));
                    continue;
                }
            };
            let target = target.clone();
            blocking(move || unpack(entries, &target)).await?;
        }
    }
    step.done(format!("wrote the logs of {nodes} to `{}`", folder.display()));
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
