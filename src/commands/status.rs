//! How a cluster is: containers, components on every node, Kubernetes itself, certificates.

use std::time::Duration;

use futures::future::join_all;
use knarr_contract::{NodeStatus, Role};
use serde::Serialize;
use time::OffsetDateTime;

use super::certs::{self, Row};
use super::{Session, table};
use crate::addons::state as addon;
use crate::cli::args::Status;
use crate::cluster::{self, Cluster, Recalled, State, certificates, role};
use crate::engine::{ContainerInfo, ContainerState, Engine, ExecSpec, FREE_DISK};
use crate::error::{Error, ErrorKind, Result};
use crate::health::straits::{self, Straits};
use crate::kubernetes::NodeHealth;
use crate::pki::RENEW_DAYS;
use crate::plan::names;

/// Between two looks of a watch: nobody pushes the state of containers and of Kubernetes together.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long the API server may take to say how it is: many times what it needs, and more than an election of etcd.
const ANSWER: Duration = Duration::from_secs(15);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterStatus {
    cluster: String,
    state: State,
    healthy: bool,
    /// When it may be removed, if ever.
    expires: Option<String>,
    /// Which job of a CI system made it.
    owner: Option<String>,
    #[serde(skip)]
    time_left: Option<String>,
    problems: Vec<String>,
    nodes: Vec<NodeReport>,
    certificates: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NodeReport {
    name: String,
    /// `control-plane`, `worker`; `balancer` and `forwarder`, which are no Nodes.
    role: Option<String>,
    container: String,
    agent: Option<NodeStatus>,
    kubernetes: Option<NodeHealth>,
    /// How many of its own processes the kernel has ended for want of memory, where one of them has ended.
    memory_kills: u64,
    #[serde(skip)]
    disk_is_full: bool,
}

/// Runs `knarr status`; a cluster that is not well is an error after its report.
pub async fn run(session: &Session<impl Engine>, args: Status) -> Result<()> {
    let engine = session.engine().await?;
    let name = session.cluster(args.cluster.typed())?;
    if args.watch {
        return watch(session, &*engine, &name).await;
    }
    let looking = async {
        let cluster = cluster::find(&*engine, &name).await?;
        Ok(gather(session, &*engine, &cluster).await)
    };
    let status = session.unless_interrupted("stopped before there was an answer", looking).await?;
    if session.json() {
        session.print_json(&status)?;
    } else {
        session.print(&text(&status))?;
    }
    if status.healthy {
        return Ok(());
    }
    let error = Error::new(ErrorKind::NotReady, format!("cluster `{name}` is {}", word(status.state)));
    Err(match status.state {
        State::Stopped => error.hint(format!("start it with `knarr start {name}`")),
        State::Paused => error.hint(format!("let it go on with `knarr unpause {name}`")),
        State::Incomplete if status.nodes.iter().any(|node| node.agent.is_some()) => {
            error.hint(format!("make it whole with `knarr repair {name}`"))
        }
        State::Incomplete => error.hint(format!("remove what is left with `knarr delete cluster {name}`")),
        State::Running | State::Degraded if status.nodes.iter().any(|node| node.disk_is_full) => {
            error.hint(format!("{FREE_DISK}; the cluster then goes on by itself"))
        }
        State::Running | State::Degraded if status.nodes.iter().any(|node| node.agent.is_none()) => {
            error.hint(format!("start what does not run with `knarr start {name}`"))
        }
        State::Running | State::Degraded => error.hint(format!("see the logs with `knarr logs --name {name}`")),
    })
}

/// The state as a predicate.
const fn word(state: State) -> &'static str {
    match state {
        State::Running => "well",
        State::Degraded => "not well",
        State::Stopped => "stopped",
        State::Paused => "paused",
        State::Incomplete => "incomplete",
    }
}

/// Prints a line at every change until Ctrl-C, which ends it well.
async fn watch<E: Engine>(session: &Session<E>, engine: &E, name: &str) -> Result<()> {
    let watching = async {
        let mut last = None;
        loop {
            let cluster = cluster::find(engine, name).await?;
            let status = gather(session, engine, &cluster).await;
            let now = (status.state, status.problems.clone());
            if last.as_ref() != Some(&now) {
                if session.json() {
                    session.print(&serde_json::json!(&status).to_string())?;
                } else {
                    let lines = std::iter::once(format!("cluster {name} is {}", status.state));
                    let lines = lines.chain(status.problems.iter().map(|problem| format!("  {problem}")));
                    session.print(&lines.collect::<Vec<_>>().join("\n"))?;
                }
                last = Some(now);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::select! {
        outcome = watching => outcome,
        () = session.outside.interrupt.token().cancelled() => Ok(()),
    }
}

async fn gather<E: Engine>(session: &Session<E>, engine: &E, cluster: &Cluster) -> ClusterStatus {
    // A frozen API server accepts connections and never answers.
    let running = |container: &ContainerInfo| container.state == ContainerState::Running;
    let planes = || cluster.nodes.iter().filter(|node| role(node) == Some(Role::ControlPlane));
    let asked = planes().any(running) && cluster.front().is_ok_and(running);
    let kubernetes = async {
        if !asked {
            return Ok((Vec::new(), Vec::new()));
        }
        // Without its etcd it holds a request for a minute before it says that it cannot.
        let answer = tokio::time::timeout(ANSWER, kubernetes(session, engine, cluster)).await;
        answer.unwrap_or_else(|_| {
            let within = humantime::format_duration(ANSWER);
            Err(Error::new(ErrorKind::NotReady, format!("the API server gave no answer within {within}")))
        })
    };
    let (agents, kubernetes, recalled) = futures::future::join3(
        join_all(cluster.containers().map(|container| look(engine, container))),
        kubernetes,
        certificates(engine, cluster),
    )
    .await;
    let mut problems = cluster.missing();
    let (cut_off, certificates) = recalled.unwrap_or_else(|e| {
        problems.extend(cluster.first_control_plane().map(|_| facts(&e)));
        (Vec::new(), Vec::new())
    });
    let mut state = if cut_off.is_empty() { cluster.state() } else { State::Incomplete };
    problems.extend(cut_off);
    let api_answers = asked && kubernetes.is_ok();
    let (nodes_seen, failing) = match kubernetes {
        Ok(found) => found,
        Err(e) => {
            problems.push(facts(&e));
            (Vec::new(), Vec::new())
        }
    };
    problems.extend(failing);
    let mut nodes = Vec::new();
    for (node, agent) in cluster.containers().zip(agents) {
        let seen = nodes_seen.iter().find(|n| n.name == node.name).cloned();
        let (agent, straits) = agent.map_or_else(|| (None, Straits::default()), |(agent, found)| (Some(agent), found));
        problems.extend(node_problems(node, agent.as_ref(), seen.as_ref(), api_answers));
        problems.extend(straits.problems(&node.name));
        nodes.push(NodeReport {
            name: node.name.clone(),
            role: node.labels.get(names::ROLE).cloned(),
            container: node.state.to_string(),
            agent,
            kubernetes: seen,
            memory_kills: straits.memory_kills,
            disk_is_full: straits.full_disk.is_some(),
        });
    }
    problems.extend(
        certificates
            .iter()
            .filter(|row| !row.problems.is_empty())
            .map(|row| format!("certificate `{}` of `{}`: {}", row.path, row.node, row.problems.join(", "))),
    );
    if state == State::Running && !problems.is_empty() {
        state = State::Degraded;
    }
    let healthy = state == State::Running;
    ClusterStatus {
        cluster: cluster.name.clone(),
        state,
        healthy,
        expires: cluster.expires.map(names::stamp),
        owner: cluster.owner.clone(),
        time_left: cluster.time_left(OffsetDateTime::now_utc()),
        problems,
        nodes,
        certificates,
    }
}

fn facts(e: &Error) -> String {
    std::iter::once(&e.message).chain(&e.causes).cloned().collect::<Vec<_>>().join(": ")
}

/// What of the cluster's layout is not true, in words, and every certificate of the nodes that are there.
async fn certificates<E: Engine>(engine: &E, cluster: &Cluster) -> Result<(Vec<String>, Vec<Row>)> {
    let Recalled { layout, missing, strangers, behind } = cluster::recall(engine, cluster).await?;
    let found = certificates::check(engine, cluster, &layout, OffsetDateTime::now_utc()).await?;
    let missing = missing.into_iter().map(|name| format!("`{name}` is gone"));
    let strangers = strangers
        .into_iter()
        .map(|s| format!("`{}` belongs to no version of the cluster: a change was cut off", s.name));
    let behind = behind.into_iter().map(|name| format!("node `{name}` does not know the last change of the cluster"));
    Ok((missing.chain(strangers).chain(behind).collect(), found.into_iter().map(Row::from).collect()))
}

fn node_problems(
    node: &ContainerInfo,
    agent: Option<&NodeStatus>,
    seen: Option<&NodeHealth>,
    api_answers: bool,
) -> Vec<String> {
    match node.state {
        ContainerState::Running => {}
        // They are told among what is missing.
        ContainerState::Created | ContainerState::Dead => return Vec::new(),
        state => return vec![format!("container `{}` is {state}", node.name)],
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
        None if api_answers && role(node).is_some() => problems.push(format!("Node `{}` is not registered", node.name)),
        _ => {}
    }
    problems
}

/// What the agent of a node says, and what ails the node where that is not all well.
async fn look<E: Engine>(engine: &E, node: &ContainerInfo) -> Option<(NodeStatus, Straits)> {
    if node.state != ContainerState::Running {
        return None;
    }
    let outcome = engine.exec(&node.name, &ExecSpec::new(["knarr-node", "status", "-o", "json"])).await.ok()?;
    let agent: NodeStatus = serde_json::from_slice(&outcome.stdout).ok()?;
    let straits = straits::look(engine, &node.name, &agent).await;
    Some((agent, straits))
}

async fn kubernetes<E: Engine>(
    session: &Session<E>,
    engine: &E,
    cluster: &Cluster,
) -> Result<(Vec<NodeHealth>, Vec<String>)> {
    let access = cluster::access(engine, cluster).await?;
    let client = session.outside.kubernetes.connect(&access)?;
    let (nodes, checks, addons) =
        futures::future::try_join3(client.nodes(), client.failing_checks(), addon::look(&*client)).await?;
    let failing = checks.iter().map(|check| format!("the API server's check `{check}` fails"));
    let failing = failing.chain(addons.iter().filter_map(|found| match &found.state {
        addon::State::Failing { reason, .. } => Some(format!("addon `{}`: {reason}", found.addon.name)),
        _ => None,
    }));
    Ok((nodes, failing.collect()))
}

fn text(status: &ClusterStatus) -> String {
    let mut lines = vec![format!("cluster {} is {}", status.cluster, status.state)];
    lines.extend(status.problems.iter().map(|p| format!("  {p}")));
    if let (Some(left), Some(end)) = (&status.time_left, &status.expires) {
        lines.push(format!("time left: {left}; it expires at {end}"));
    }
    lines.extend(status.owner.iter().map(|owner| format!("made by {owner}")));
    let mut rows = vec![
        ["NODE", "CONTAINER", "KUBERNETES", "COMPONENT", "STATE", "RESTARTS", "LAST END"].map(String::from).to_vec(),
    ];
    for node in &status.nodes {
        let is_helper = matches!(node.role.as_deref(), Some(names::BALANCER | names::FORWARDER));
        let unseen = if is_helper { "" } else { "unknown" };
        let kubernetes = node
            .kubernetes
            .as_ref()
            .map_or(unseen.to_owned(), |k| format!("{} {}", if k.ready { "Ready" } else { "NotReady" }, k.version));
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
            first.extend(component.last_exit.as_ref().map(|how| ended(how, node.memory_kills)));
            rows.push(std::mem::replace(&mut first, vec![String::new(); 3]));
        }
    }
    // Where nothing has ended there is nothing to say of it.
    if rows.iter().skip(1).all(|row| row.len() < rows[0].len()) {
        rows[0].pop();
    }
    lines.push(String::new());
    lines.push(table(&rows));
    // Of a cluster that does not run they are no news: a start renews what is old.
    if status.certificates.is_empty() || !matches!(status.state, State::Running | State::Degraded) {
        return lines.join("\n");
    }
    lines.push(String::new());
    lines.push(certificates_text(&status.cluster, &status.certificates));
    lines.join("\n")
}

/// The certificates that are broken or end soon, or else how many there are: a long list hides what matters.
fn certificates_text(cluster: &str, all: &[Row]) -> String {
    let check = format!("`knarr certs check {cluster}` lists them");
    let soon: Vec<&Row> = all.iter().filter(|row| !row.problems.is_empty() || row.days_left < RENEW_DAYS).collect();
    if soon.is_empty() {
        let first = all.iter().map(|row| row.days_left).min().unwrap_or_default();
        return format!("certificates: {}, the first ends in {first} days ({check})", all.len());
    }
    let (some, all) = (soon.len(), all.len());
    let headline = format!("certificates that are broken or end within {RENEW_DAYS} days: {some} of {all} ({check})");
    format!("{headline}\n{}", certs::text(soon))
}

/// How a component last ended. The kernel only ever kills; of what, it keeps count.
fn ended(how: &str, memory_kills: u64) -> String {
    match memory_kills {
        1.. if how.starts_with("signal 9 ") => format!("{how}; out of memory"),
        _ => how.to_owned(),
    }
}
