//! Shows the certificates of a cluster, and which of them are broken or end soon.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Session, table};
use crate::cli::args::Named;
use crate::cluster;
use crate::cluster::certificates::{self, Found};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::pki::{Cert, WARN_DAYS};

/// One certificate, as printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The node.
    pub node: String,
    /// Its file there.
    pub path: String,
    /// Whose it is.
    pub subject: String,
    /// What it covers.
    pub names: Vec<String>,
    /// Its end.
    pub expires: String,
    /// Whole days until then.
    pub days_left: i64,
    /// Whether it is an authority, which a renewal keeps.
    pub authority: bool,
    /// What is wrong with it.
    pub problems: Vec<String>,
}

impl From<Found> for Row {
    fn from(found: Found) -> Self {
        let checked = found.checked;
        let mut problems = checked.flaws;
        if problems.is_empty() && checked.days_left < WARN_DAYS {
            problems.push(format!("it ends in {} days", checked.days_left));
        }
        Self {
            node: found.node,
            path: found.path,
            subject: checked.subject,
            names: checked.names,
            expires: checked.until.and_then(|until| until.format(&Rfc3339).ok()).unwrap_or_default(),
            days_left: checked.days_left,
            authority: matches!(found.cert, Cert::Authority(_)),
            problems,
        }
    }
}

/// Runs `knarr certs check`.
pub async fn check(session: &Session<impl Engine>, named: &Named) -> Result<()> {
    let engine = session.engine().await?;
    let name = session.cluster(named.typed())?;
    let cluster = cluster::find(&*engine, &name).await?;
    let layout = cluster::recall(&*engine, &cluster).await?.layout;
    let found = certificates::check(&*engine, &cluster, &layout, OffsetDateTime::now_utc()).await?;
    let rows: Vec<Row> = found.into_iter().map(Row::from).collect();
    if session.json() {
        session.print_json(&rows)?;
    } else {
        session.print(&text(&rows))?;
    }
    let bad: Vec<&Row> = rows.iter().filter(|row| !row.problems.is_empty()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    let lines = bad.iter().map(|row| format!("`{}` of `{}`: {}", row.path, row.node, row.problems.join(", ")));
    let count = format!("{} certificate{} of cluster `{name}`", bad.len(), if bad.len() == 1 { "" } else { "s" });
    let needs = if bad.len() == 1 { "needs" } else { "need" };
    let error = Error::new(ErrorKind::NotReady, format!("{count} {needs} attention")).details(lines);
    Err(if bad.iter().any(|row| row.authority) {
        error.hint("an authority cannot be renewed: create the cluster anew before it ends")
    } else {
        error.hint(format!("renew them with `knarr certs renew {name}`"))
    })
}

/// A line for each of these certificates.
pub(super) fn text<'r>(rows: impl IntoIterator<Item = &'r Row>) -> String {
    let mut lines = vec![["NODE", "CERTIFICATE", "SUBJECT", "DAYS LEFT", "NAMES"].map(String::from).to_vec()];
    lines.extend(rows.into_iter().map(|row| {
        let names = if row.problems.is_empty() { row.names.join(",") } else { row.problems.join("; ") };
        vec![row.node.clone(), row.path.clone(), row.subject.clone(), row.days_left.to_string(), names]
    }));
    table(&lines)
}
