//! Examines this machine, and repairs what is safe to repair.

use serde_json::json;

use super::Session;
use crate::cli::args::Doctor;
use crate::config::{DEFAULT_NAME, Overrides, Source};
use crate::doctor::{self, Applied, Demand, Facts, Outcome, RealShell, Report, Status};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};

/// Repairs may uncover the next thing to repair: Docker is installed, and only then tells about the rest.
const ROUNDS: u32 = 3;

/// Runs `knarr doctor`.
pub async fn run(session: &Session<impl Engine>, args: Doctor) -> Result<()> {
    let (report, applied) = if args.fix { repair(session).await? } else { (examine(session).await?, Vec::new()) };
    if session.json() {
        session.print_json(&if args.fix { json!({ "report": report, "applied": applied }) } else { json!(report) })?;
    } else {
        let colors = session.environment.stdout_terminal && !session.environment.no_color;
        let mut text = doctor::render_applied(&applied, colors);
        if !text.is_empty() {
            text.push('\n');
        }
        session.print(&(text + &doctor::render(&report, colors)))?;
    }
    if report.status == Status::Fail {
        return Err(Error::new(ErrorKind::Environment, "this machine is not fit for clusters yet")
            .hint("do what is said under `fix` above, then run `knarr doctor` again"));
    }
    Ok(())
}

/// Repairs what is safe, for `knarr up --fix`; says what was done, and leaves it to the next step to fail.
pub async fn mend(session: &Session<impl Engine>) -> Result<()> {
    let (_, applied) = repair(session).await?;
    if !applied.is_empty() {
        session.note(doctor::render_applied(&applied, false).trim_end());
    }
    Ok(())
}

/// Examines and repairs until nothing more can be done; never tries the same thing twice.
async fn repair(session: &Session<impl Engine>) -> Result<(Report, Vec<Applied>)> {
    let (mut report, mut all, mut tried) = (examine(session).await?, Vec::new(), Vec::new());
    let steps = session.steps();
    for _ in 0..ROUNDS {
        let fixes: Vec<_> = report.safe_fixes().into_iter().filter(|fix| !tried.contains(fix)).collect();
        if fixes.is_empty() {
            break;
        }
        let applied = tokio::select! {
            applied = doctor::apply(&fixes, &RealShell, &steps) => applied,
            () = session.outside.interrupt.token().cancelled() => {
                return Err(Error::new(ErrorKind::Interrupted, "stopped repairing this machine")
                    .hint("see what is left to do with `knarr doctor`"));
            }
        };
        tried.extend(fixes);
        let helped = applied.iter().any(|one| one.outcome == Outcome::Done);
        all.extend(applied);
        if !helped {
            break;
        }
        report = examine(session).await?;
    }
    Ok((report, all))
}

/// Asks every check, for a cluster as `knarr create` makes it without flags.
async fn examine(session: &Session<impl Engine>) -> Result<Report> {
    // It is about no cluster, so what the environment says of one is no matter.
    let usual = Overrides { name: Some(DEFAULT_NAME.to_owned()), ..Overrides::default() };
    let spec = session.load_config("create", &Source::None, &usual)?.spec;
    let engine = session.dial().await;
    let env = session.environment.all.clone();
    let facts =
        Facts::gather(engine.as_ref().map_err(Clone::clone), (session.outside.host)(), env, Demand::of(&spec)).await;
    super::blocking(move || Ok(doctor::examine(&facts))).await
}
