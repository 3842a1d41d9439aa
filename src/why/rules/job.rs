//! Jobs that failed.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::Look;

pub fn check(facts: &Facts, job: &Value) -> Option<Finding> {
    let failed = job.condition("Failed").filter(|c| c["status"] == "True")?;
    let why = match failed.text("/reason") {
        "BackoffLimitExceeded" => "its Pods failed as often as `backoffLimit` allows".to_owned(),
        "DeadlineExceeded" => "it took longer than `activeDeadlineSeconds` allows".to_owned(),
        other => format!("{other}: {}", failed.text("/message")),
    };
    Some(
        Finding::new(format!("The Job failed: {why}."))
            .line(failed.text("/message"))
            .line(format!(
                "Pods: {} failed, {} succeeded",
                job.number("/status/failed").unwrap_or(0),
                job.number("/status/succeeded").unwrap_or(0)
            ))
            .try_(facts.kubectl(job.namespace(), &format!("describe job {}", job.name()))),
    )
}
