//! How a cluster is: containers, components on every node, Kubernetes itself, certificates.

use futures::future::join_all;
use knarr_contract::NodeStatus;
use serde::Serialize;
use time::OffsetDateTime;

use super::{Session, table};
use crate::addons::state::{self, State};
use crate::cli::args::Status;
use crate::cluster::{self, Cluster, role};
use crate::config::DEFAULT_NAME;
use crate::engine::{ContainerInfo, ContainerState, Engine, ExecSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::NodeHealth;
use crate::node::paths;

/// Certificates with less time than this are worth a warning, in days.
const SOON_DAYS: i64 = 30;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterStatus {
    cluster: String,
    healthy: bool,
    problems: Vec<String>,
    nodes: Vec<NodeReport>,
    certificates: Vec<Certificate>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeReport {
    name: String,
    role: Option<&'static str>,
    container: String,
    agent: Option<NodeStatus>,
    kubernetes: Option<NodeHealth>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate {
    node: String,
    path: String,
    expires: String,
    days_left: i64,
}

/// Runs `knarr status`; a cluster that is not well is an error after its report.
pub async fn run(session: &Session<impl Engine>, args: Status) -> Result<()> {
    let engine = session.engine().await?;
    let name = args.name.or(args.positional_name).unwrap_or_else(|| DEFAULT_NAME.into());
    let cluster = cluster::find(&*engine, &name).await?;
    let status = gather(session, &*engine, &cluster).await;
    if session.json() {
        session.print_json(&status)?;
    } else {
        session.print(&text(&status))?;
    }
    if status.healthy {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotReady, format!("cluster `{name}` is not well"))
        .hint(format!("see the logs with `knarr logs --name {name}`")))
}

async fn gather<E: Engine>(session: &Session<E>, engine: &E, cluster: &Cluster) -> ClusterStatus {
    let (agents, kubernetes, certificates) = futures::future::join3(
        join_all(cluster.nodes.iter().map(|node| agent(engine, node))),
        kubernetes(session, engine, cluster),
        join_all(cluster.nodes.iter().map(|node| certificates(engine, node))),
    )
    .await;
    let mut problems = Vec::new();
    let api_answers = kubernetes.is_ok();
    let (nodes_seen, failing) = match kubernetes {
        Ok(found) => found,
        Err(e) => {
            problems.push(std::iter::once(&e.message).chain(&e.causes).cloned().collect::<Vec<_>>().join(": "));
            (Vec::new(), Vec::new())
        }
    };
    problems.extend(failing);
    let mut nodes = Vec::new();
    for (node, agent) in cluster.nodes.iter().zip(agents) {
        let seen = nodes_seen.iter().find(|n| n.name == node.name).cloned();
        problems.extend(node_problems(node, agent.as_ref(), seen.as_ref(), api_answers));
        nodes.push(NodeReport {
            name: node.name.clone(),
            role: role(node).map(knarr_contract::Role::as_str),
            container: node.state.to_string(),
            agent,
            kubernetes: seen,
        });
    }
    let certificates: Vec<Certificate> = certificates.into_iter().flatten().collect();
    problems.extend(
        certificates
            .iter()
            .filter(|c| c.days_left < SOON_DAYS)
            .map(|c| format!("certificate `{}` of `{}` expires in {} days", c.path, c.node, c.days_left)),
    );
    ClusterStatus { cluster: cluster.name.clone(), healthy: problems.is_empty(), problems, nodes, certificates }
}

fn node_problems(
    node: &ContainerInfo,
    agent: Option<&NodeStatus>,
    seen: Option<&NodeHealth>,
    api_answers: bool,
) -> Vec<String> {
    if node.state != ContainerState::Running {
        return vec![format!("container `{}` is {}", node.name, node.state)];
    }
    let Some(agent) = agent else {
        return vec![format!("the agent of `{}` does not answer", node.name)];
    };
    let mut problems: Vec<String> = agent
        .components
        .iter()
        .filter(|c| !c.ready)
        .map(|c| {
            let why = c.waiting_for.as_deref().or(c.last_exit.as_deref()).unwrap_or("not ready yet");
            format!("`{}` on `{}`: {why}", c.name, node.name)
        })
        .collect();
    match seen {
        Some(health) if !health.ready => {
            problems.push(format!("Node `{}`: {}", node.name, health.reason.as_deref().unwrap_or("not Ready")));
        }
        None if api_answers => problems.push(format!("Node `{}` is not registered", node.name)),
        _ => {}
    }
    problems
}

async fn agent<E: Engine>(engine: &E, node: &ContainerInfo) -> Option<NodeStatus> {
    if node.state != ContainerState::Running {
        return None;
    }
    let outcome = engine.exec(&node.name, &ExecSpec::new(["knarr-node", "status", "-o", "json"])).await.ok()?;
    serde_json::from_slice(&outcome.stdout).ok()
}

async fn kubernetes<E: Engine>(
    session: &Session<E>,
    engine: &E,
    cluster: &Cluster,
) -> Result<(Vec<NodeHealth>, Vec<String>)> {
    let access = cluster::access(engine, cluster).await?;
    let client = session.outside.kubernetes.connect(&access)?;
    let (nodes, checks, addons) =
        futures::future::try_join3(client.nodes(), client.failing_checks(), state::look(&*client)).await?;
    let failing = checks.iter().map(|check| format!("the API server's check `{check}` fails"));
    let failing = failing.chain(addons.iter().filter_map(|found| match &found.state {
        State::Failing { reason, .. } => Some(format!("addon `{}`: {reason}", found.addon.name)),
        _ => None,
    }));
    Ok((nodes, failing.collect()))
}

/// When the certificates of a running node end.
async fn certificates<E: Engine>(engine: &E, node: &ContainerInfo) -> Vec<Certificate> {
    let wanted: &[String] = &match role(node) {
        Some(knarr_contract::Role::ControlPlane) => {
            let mut all: Vec<String> = ["apiserver", "apiserver-kubelet-client", "apiserver-etcd-client"]
                .into_iter()
                .chain(["front-proxy-client", "etcd/server", "etcd/peer"])
                .map(|stem| paths::pki(stem, "crt"))
                .collect();
            all.push(paths::CA.to_owned());
            all.extend([paths::ADMIN_PEM, paths::CONTROLLER_MANAGER_PEM, paths::SCHEDULER_PEM].map(String::from));
            all.push(paths::KUBELET_CLIENT.to_owned());
            all
        }
        _ => vec![paths::KUBELET_CLIENT.to_owned()],
    };
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let mut found = Vec::new();
    for (path, pem) in certificates_only(engine, node, wanted).await {
        let parsed = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok();
        let end = parsed.and_then(|(_, pem)| Some(pem.parse_x509().ok()?.validity().not_after.timestamp()));
        let Some(end) = end else { continue };
        let expires = OffsetDateTime::from_unix_timestamp(end)
            .ok()
            .and_then(|t| t.format(&time::format_description::well_known::Rfc3339).ok())
            .unwrap_or_default();
        found.push(Certificate { node: node.name.clone(), path, expires, days_left: (end - now) / 86_400 });
    }
    found
}

/// The certificates of some files by path. Nothing else leaves the node: a combined file holds a key too.
async fn certificates_only<E: Engine>(engine: &E, node: &ContainerInfo, paths: &[String]) -> Vec<(String, String)> {
    if node.state != ContainerState::Running {
        return Vec::new();
    }
    let script = r#"for f; do echo "== $f"; sed -n '/BEGIN CERT/,/END CERT/p' "$f"; done"#;
    let argv = ["sh", "-c", script, "sh"].into_iter().chain(paths.iter().map(String::as_str));
    let Ok(outcome) = engine.exec(&node.name, &ExecSpec::new(argv)).await else { return Vec::new() };
    let mut found: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(&outcome.stdout).lines() {
        // No line of a certificate has a blank behind equals signs.
        match (line.strip_prefix("== "), found.last_mut()) {
            (Some(path), _) => found.push((path.to_owned(), String::new())),
            (None, Some((_, pem))) => pem.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    found
}

fn text(status: &ClusterStatus) -> String {
    let mut lines = vec![format!("cluster {} is {}", status.cluster, if status.healthy { "well" } else { "not well" })];
    lines.extend(status.problems.iter().map(|p| format!("  {p}")));
    let mut rows =
        vec![["NODE", "CONTAINER", "KUBERNETES", "COMPONENT", "STATE", "RESTARTS"].map(String::from).to_vec()];
    for node in &status.nodes {
        let kubernetes = node
            .kubernetes
            .as_ref()
            .map_or("unknown".to_owned(), |k| format!("{} {}", if k.ready { "Ready" } else { "NotReady" }, k.version));
        let mut first = vec![node.name.clone(), node.container.clone(), kubernetes];
        let components = node.agent.as_ref().map(|a| a.components.as_slice()).unwrap_or_default();
        if components.is_empty() {
            rows.push(first.clone());
        }
        for component in components {
            let state = match (component.ready, component.state) {
                (true, _) => "ready".to_owned(),
                (false, state) => format!("{state:?}").to_lowercase(),
            };
            first.extend([component.name.clone(), state, component.restarts.to_string()]);
            rows.push(std::mem::replace(&mut first, vec![String::new(); 3]));
        }
    }
    lines.push(String::new());
    lines.push(table(&rows));
    if status.certificates.is_empty() {
        return lines.join("\n");
    }
    let mut rows = vec![["CERTIFICATE", "NODE", "EXPIRES", "DAYS LEFT"].map(String::from).to_vec()];
    rows.extend(
        status
            .certificates
            .iter()
            .map(|c| vec![c.path.clone(), c.node.clone(), c.expires.clone(), c.days_left.to_string()]),
    );
    lines.push(String::new());
    lines.push(table(&rows));
    lines.join("\n")
}
