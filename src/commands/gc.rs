//! Removes what nobody needs any more: look → judge → remove by the identity of the run → kubeconfig → report.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;

use super::delete::{self, Target, incomplete, patiently};
use super::{Session, blocking, table, together};
use crate::cli::args::Gc;
use crate::engine::{Engine, EngineInfo};
use crate::error::Result;
use crate::execute::undo::{Left, Swept};
use crate::gc::{self, Finding, Reason};
use crate::kubeconfig::{Store, context_name};
use crate::report::Steps;

/// How long a creation may be held up by what others left behind.
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    WouldRemove,
    Removed,
    Incomplete,
    Kept,
}

#[derive(Serialize)]
struct Row {
    outcome: Outcome,
    #[serde(flatten)]
    finding: Finding,
    /// What could not be removed and why.
    left: Vec<Left>,
}

/// Runs `knarr gc`.
pub async fn run(session: &Session<impl Engine>, args: Gc) -> Result<()> {
    let store = session.kubeconfig_store(args.kubeconfig.as_deref(), args.break_lock)?;
    let looking = async {
        // Before Docker is asked: see `gc::survey`.
        let entries = match store.clone() {
            Some(store) => blocking(move || store.marked()).await?,
            None => Vec::new(),
        };
        let engine = session.engine().await?;
        let info = engine.info().await?;
        let findings = gc::survey(&*engine, &info, &entries).await?;
        Ok((engine, findings))
    };
    let looking = session.unless_interrupted("stopped before anything was removed", looking);
    let (engine, findings) =
        looking.await.map_err(|e| if e.state.is_some() { e } else { e.state("nothing was removed") })?;
    if args.dry_run {
        return show(session, findings);
    }
    let steps = session.steps();
    let removing = findings.into_iter().map(|finding| remove(session, &steps, &*engine, store.as_ref(), finding));
    let all = patiently(session, join_all(removing)).await.map_err(|e| e.hint("run `knarr gc` again"))?;
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (row, outcome) in all {
        rows.push(row);
        failures.extend(outcome.err());
    }
    if session.json() {
        session.print_json(&rows)?;
    } else {
        tell_kept(session, &rows);
        if rows.iter().all(|row| row.outcome == Outcome::Kept) {
            session.note("there is nothing to remove");
        }
    }
    together(failures)
}

/// Removes the clusters that have expired before another is created; says so, takes bounded time, and fails nobody.
pub async fn sweep_expired<E: Engine>(session: &Session<E>, engine: &E, info: &EngineInfo, store: Option<&Store>) {
    let sweeping = async {
        let findings = gc::survey(engine, info, &[]).await?;
        let expired = findings.into_iter().filter(|finding| finding.reason == Some(Reason::Expired));
        let steps = session.steps();
        let outcomes = join_all(expired.map(|finding| remove(session, &steps, engine, store, finding))).await;
        together(outcomes.into_iter().filter_map(|(_, outcome)| outcome.err()))
    };
    let why = match tokio::time::timeout(PATIENCE, sweeping).await {
        Ok(Ok(())) => return,
        Ok(Err(e)) => std::iter::once(e.message).chain(e.causes).collect::<Vec<_>>().join(": "),
        Err(_) => format!("Docker did not remove them within {}", humantime::format_duration(PATIENCE)),
    };
    session.warn(format!("expired clusters are still there: {why}; `knarr gc` tries again"));
}

/// Removes one thing by the identity of its run; what is only suspicious stays.
async fn remove<E: Engine>(
    session: &Session<E>,
    steps: &Steps,
    engine: &E,
    store: Option<&Store>,
    finding: Finding,
) -> (Row, Result<()>) {
    let cluster = finding.cluster.clone();
    let target = Target { cluster: &cluster, create_id: Some(&finding.create_id) };
    let what = subject(&finding);
    let (swept, cleaned) = match finding.reason {
        None => return (Row { outcome: Outcome::Kept, finding, left: Vec::new() }, Ok(())),
        Some(Reason::NoCluster) => {
            let cleaned = session.forget_context(store, target.cluster, target.create_id).await;
            if cleaned.is_ok() {
                session.note(format!("removed {what}: {}", finding.why));
            }
            (Swept::default(), cleaned)
        }
        Some(_) => {
            let step = steps.start(format!("removing {what}"));
            let done = |swept: &Swept| {
                if swept.is_empty() {
                    format!("{what} is gone already")
                } else {
                    format!("removed {what}: {}", finding.why)
                }
            };
            delete::remove(session, engine, store, target, step, done).await
        }
    };
    let outcome = match cleaned {
        Ok(()) if swept.left.is_empty() => Ok(()),
        Ok(()) => Err(incomplete(&cluster, &swept, "knarr gc")),
        Err(e) if finding.reason == Some(Reason::NoCluster) => Err(e),
        Err(e) => Err(e.state(format!("the cluster `{cluster}` itself is deleted"))),
    };
    let word = if outcome.is_ok() { Outcome::Removed } else { Outcome::Incomplete };
    (Row { outcome: word, finding, left: swept.left }, outcome)
}

/// Says what would go and why, object by object, and what would stay.
fn show(session: &Session<impl Engine>, findings: Vec<Finding>) -> Result<()> {
    let row = |finding: Finding| {
        let outcome = if finding.reason.is_some() { Outcome::WouldRemove } else { Outcome::Kept };
        Row { outcome, finding, left: Vec::new() }
    };
    let rows: Vec<Row> = findings.into_iter().map(row).collect();
    if session.json() {
        return session.print_json(&rows);
    }
    tell_kept(session, &rows);
    let going = rows.iter().filter(|row| row.outcome == Outcome::WouldRemove);
    let lines: Vec<Vec<String>> = going.flat_map(|row| objects(&row.finding)).collect();
    if lines.is_empty() {
        session.note("there is nothing to remove");
        return Ok(());
    }
    let head = ["KIND", "NAME", "CLUSTER", "WHY"].map(String::from).to_vec();
    session.print(&table(&std::iter::once(head).chain(lines).collect::<Vec<_>>()))
}

/// A line for each object.
fn objects(finding: &Finding) -> Vec<Vec<String>> {
    let row = |kind: &str, name: &str, why: String| vec![kind.into(), name.into(), finding.cluster.clone(), why];
    let line = |kind: &str, name: &str| row(kind, name, finding.why.clone());
    let context = context_name(&finding.cluster);
    let entry = |file: &PathBuf| row("kubeconfig", &context, format!("{}; in {}", finding.why, file.display()));
    let containers = finding.containers.iter().map(|name| line("container", name));
    let networks = finding.networks.iter().map(|name| line("network", name));
    let volumes = finding.volumes.iter().map(|name| line("volume", name));
    let connections = finding
        .connected
        .iter()
        .map(|c| row("connection", &c.container, format!("it is on network `{}`; the container stays", c.network)));
    containers.chain(networks).chain(volumes).chain(connections).chain(finding.kubeconfigs.iter().map(entry)).collect()
}

fn tell_kept(session: &Session<impl Engine>, rows: &[Row]) {
    for Row { finding, .. } in rows.iter().filter(|row| row.outcome == Outcome::Kept) {
        session.note(format!("kept {}: {}", subject(finding), finding.why));
    }
}

/// What a finding is about, in words.
fn subject(finding: &Finding) -> String {
    let cluster = &finding.cluster;
    match finding.reason {
        Some(Reason::Orphaned) => format!("what was left of cluster `{cluster}`"),
        None | Some(Reason::NoCluster) if finding.containers.is_empty() => {
            let files: Vec<String> = finding.kubeconfigs.iter().map(|file| format!("`{}`", file.display())).collect();
            format!("the kubeconfig entry `{}` in {}", context_name(cluster), files.join(", "))
        }
        _ => format!("cluster `{cluster}`"),
    }
}
