//! Pods that are not well for a reason that no other rule knows: what the cluster itself says about them.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{containers, is_done, is_ready};
use super::super::finding::Finding;
use super::super::look::{Look, span};

/// A Pod may take this long to become ready, in seconds.
pub const PATIENCE: i64 = 60;

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let failed = pod.text("/status/phase") == "Failed";
    let deleted = !pod.text("/metadata/deletionTimestamp").is_empty();
    let of_job = facts.root(pod).0 == "Job";
    if is_ready(pod) || is_done(pod) || deleted || facts.age(pod) < PATIENCE || failed && of_job {
        return None;
    }
    let conditions =
        pod.list("/status/conditions").iter().filter(|c| c["status"] != "True" && !c.text("/message").is_empty());
    let waiting =
        containers(pod).into_iter().map(|c| (c.shown(), c.waiting())).filter(|(_, (reason, _))| !reason.is_empty());
    let events = facts.events(pod).into_iter().filter(|event| event["type"] == "Warning").take(4);
    Some(
        Finding::new(format!("The Pod is not ready since {}.", span(facts.age(pod))))
            .line(format!("phase {}", pod.text("/status/phase")))
            .lines(conditions.map(|c| format!("{}: {}", c.text("/type"), c.text("/message"))).take(3))
            .lines(waiting.map(|(who, (reason, message))| format!("{who}: {reason} {message}")))
            .lines(events.map(|event| format!("event {}: {}", event.text("/reason"), event.text("/message"))))
            .try_(facts.kubectl(pod.namespace(), &format!("describe pod {}", pod.name()))),
    )
}
