//! Workloads that do not have the Pods that they should have; the Pods usually know why.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, span};
use super::super::target;
use super::not_ready::PATIENCE;

fn describe(facts: &Facts, object: &Value) -> String {
    facts.kubectl(object.namespace(), &format!("describe {}/{}", target::short(object.kind()), object.name()))
}

pub fn stuck(facts: &Facts, deployment: &Value) -> Option<Finding> {
    let condition = deployment.condition("Progressing").filter(|c| c["reason"] == "ProgressDeadlineExceeded")?;
    let number = |field: &str| deployment.number(field).unwrap_or_default();
    Some(
        Finding::new(format!(
            "The rollout made no progress for {}, its limit.",
            span(deployment.number("/spec/progressDeadlineSeconds").unwrap_or(600))
        ))
        .line(condition.text("/message"))
        .line(format!(
            "{} wanted, {} updated, {} available",
            number("/spec/replicas"),
            number("/status/updatedReplicas"),
            number("/status/availableReplicas")
        ))
        .try_(facts.kubectl(deployment.namespace(), &format!("rollout undo deployment/{}", deployment.name()))),
    )
}

pub fn missing(facts: &Facts, object: &Value) -> Option<Finding> {
    let number = |field: &str| object.number(field);
    let (wanted, ready) = match object.kind() {
        "DaemonSet" => (number("/status/desiredNumberScheduled"), number("/status/numberReady")),
        _ => (number("/spec/replicas"), number("/status/readyReplicas")),
    };
    let (wanted, ready) = (wanted.unwrap_or(1), ready.unwrap_or(0));
    if ready >= wanted || facts.age(object) < PATIENCE {
        return None;
    }
    if object.flag("/spec/paused") {
        return Some(
            Finding::new("The rollout is paused, and Pods are missing.")
                .line(format!("{ready} of {wanted} Pods are ready"))
                .try_(facts.kubectl(object.namespace(), &format!("rollout resume deployment/{}", object.name()))),
        );
    }
    Some(
        Finding::new(format!("Only {ready} of {wanted} Pods are ready."))
            .lines(
                object
                    .list("/status/conditions")
                    .iter()
                    .filter(|c| c["status"] != "True")
                    .map(|c| c.text("/message").to_owned()),
            )
            .try_(describe(facts, object)),
    )
}
