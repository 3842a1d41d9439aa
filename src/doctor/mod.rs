//! `knarr doctor`: is this machine fit for clusters, and if not, which command makes it so.
//!
//! Checks are data: a list of named questions, each answered by one small function from [`Facts`] that were gathered
//! before. [`examine`] asks all of them, [`preflight`] the fast ones before a create, [`apply`] does what is safe.

mod apply;
mod cgroup;
mod clock;
mod docker;
mod facts;
mod fix;
mod kernel;
mod limits;
mod network;
mod preflight;
mod space;
mod system;
mod table;

use serde::Serialize;

pub use self::apply::{Applied, Outcome, RealShell, Shell, ShellOutput, apply};
pub use self::facts::{Demand, Facts};
pub use self::fix::{Fix, ShellCommand};
pub use self::preflight::{Preflight, advise, preflight};
pub use self::system::{Init, PackageManager};
pub use self::table::{render, render_applied};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It could not be seen from here.
    Unknown,
    /// Clusters work, with a drawback or a risk.
    Warn,
    /// No cluster will work.
    Fail,
}

/// A question about the machine.
#[derive(Clone, Copy)]
pub struct Check {
    /// The stable name: `storage-driver`.
    pub id: &'static str,
    /// The name for people: `storage driver`.
    pub title: &'static str,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// Whether it is asked before every create: cheap, and worth stopping or warning for.
    pub fast: bool,
    /// Answers it.
    pub probe: fn(&Facts) -> Finding,
}

/// The answer to a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it came out.
    pub status: Status,
    /// What is there.
    pub found: String,
    /// What should be there; empty if nothing is asked for.
    pub needed: String,
    /// The command or the advice that puts it right.
    pub fix: Option<String>,
    /// What `--fix` may do about it.
    pub safe_fix: Option<Fix>,
}

impl Finding {
    /// All is well with what was found.
    pub fn ok(found: impl Into<String>) -> Self {
        Self::new(Status::Ok, found)
    }

    /// It works, but.
    pub fn warn(found: impl Into<String>) -> Self {
        Self::new(Status::Warn, found)
    }

    /// It cannot work.
    pub fn fail(found: impl Into<String>) -> Self {
        Self::new(Status::Fail, found)
    }

    /// It cannot be seen; `why_not` says why.
    pub fn unknown(why_not: impl Into<String>) -> Self {
        Self::new(Status::Unknown, why_not)
    }

    fn new(status: Status, found: impl Into<String>) -> Self {
        Self { status, found: found.into(), needed: String::new(), fix: None, safe_fix: None }
    }

    /// Says what should be there.
    pub fn needed(mut self, needed: impl Into<String>) -> Self {
        self.needed = needed.into();
        self
    }

    /// Says what the user can do.
    pub fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix = Some(command.into());
        self
    }

    /// Says what `--fix` can do; the user reads the same commands.
    pub fn safe(mut self, fix: Fix) -> Self {
        self.fix = Some(fix.shown());
        self.safe_fix = Some(fix);
        self
    }
}

/// One row of a report: a check with its finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The check's stable name.
    pub id: &'static str,
    /// The check's name for people.
    pub title: &'static str,
    /// How it came out.
    pub status: Status,
    /// What is there.
    pub found: String,
    /// What should be there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub needed: String,
    /// Why it matters.
    pub why: &'static str,
    /// What puts it right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// What `--fix` may do about it; programs see only whether there is something.
    #[serde(rename = "fixable", serialize_with = "is_some")]
    pub safe_fix: Option<Fix>,
}

#[expect(clippy::ref_option, reason = "serde hands fields over by reference")]
fn is_some<S: serde::Serializer>(fix: &Option<Fix>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(fix.is_some())
}

/// All that was found. Serialized, it is the answer of `doctor -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The worst that was found.
    pub status: Status,
    /// One row per check, in the order of [`checks`].
    pub checks: Vec<Entry>,
}

impl Report {
    fn new(checks: Vec<Entry>) -> Self {
        let status = checks.iter().map(|entry| entry.status).max().unwrap_or(Status::Ok);
        Self { status, checks }
    }

    /// What `--fix` may do, in order, each thing once.
    pub fn safe_fixes(&self) -> Vec<Fix> {
        let mut fixes: Vec<Fix> = Vec::new();
        for fix in self.checks.iter().filter_map(|entry| entry.safe_fix.as_ref()) {
            if !fixes.contains(fix) {
                fixes.push(fix.clone());
            }
        }
        fixes
    }
}

/// Every check, in the order of the report.
pub fn checks() -> Vec<Check> {
    [
        docker::CHECKS.as_slice(),
        cgroup::CHECKS.as_slice(),
        kernel::CHECKS.as_slice(),
        limits::CHECKS.as_slice(),
        space::CHECKS.as_slice(),
        network::CHECKS.as_slice(),
        clock::CHECKS.as_slice(),
    ]
    .concat()
}

/// Asks every check.
pub fn examine(facts: &Facts) -> Report {
    Report::new(ask(checks(), facts))
}

fn ask(checks: impl IntoIterator<Item = Check>, facts: &Facts) -> Vec<Entry> {
    let answer = |check: Check| {
        let Finding { status, found, needed, fix, safe_fix } = (check.probe)(facts);
        Entry { id: check.id, title: check.title, status, found, needed, why: check.why, fix, safe_fix }
    };
    checks.into_iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_stable() {
        let checks = checks();
        let ids: BTreeSet<&str> = checks.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), checks.len());
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }

    #[test]
    fn a_healthy_machine_passes_every_check() {
        let report = examine(&facts::healthy());
        let unhealthy: Vec<&Entry> = report.checks.iter().filter(|entry| entry.status != Status::Ok).collect();
        assert!(unhealthy.is_empty(), "{unhealthy:#?}");
        assert!(report.safe_fixes().is_empty());
    }

    #[test]
    fn whoever_needs_something_says_how_to_get_it() {
        let report = examine(&facts::poor());
        for entry in report.checks.iter().filter(|entry| entry.status >= Status::Warn) {
            assert!(entry.fix.is_some() || entry.id == "cap-sys-resource", "{entry:#?}");
        }
        assert_eq!(report.status, Status::Fail);
    }

    #[test]
    fn programs_read_the_same() {
        let report = examine(&facts::poor());
        let inotify = report.checks.iter().find(|entry| entry.id == "inotify").expect("it is asked");
        insta::assert_snapshot!(serde_json::to_string_pretty(inotify).expect("plain data"), @r#"
        {
          "id": "inotify",
          "title": "inotify",
          "status": "warn",
          "found": "1 of 64 instances in use, 1048576 watches",
          "needed": "110 instances left and 98304 watches for 3 nodes",
          "why": "all nodes share root's limit; when it is reached, components stop with «too many open files»",
          "fix": "sudo sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=1048576",
          "fixable": true
        }
        "#);
    }
}
