//! Volumes that cannot be mounted.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::containers;
use super::super::finding::Finding;
use super::super::look::Look;

/// The kubelet's newest words about a volume that a waiting Pod cannot mount.
pub fn failure<'f>(facts: &'f Facts, pod: &'f Value) -> Option<&'f str> {
    let waits = |reason: &str| matches!(reason, "ContainerCreating" | "PodInitializing");
    if !containers(pod).iter().any(|c| waits(c.waiting().0)) {
        return None;
    }
    facts.event(pod, &["FailedMount", "FailedAttachVolume", "FailedMapVolume"]).map(|event| event.text("/message"))
}

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = failure(facts, pod)?;
    Some(
        Finding::new("A volume of the Pod cannot be mounted, so its containers are not started.")
            .line(message)
            .line(format!("node: {}", pod.text("/spec/nodeName")))
            .try_(facts.kubectl(pod.namespace(), &format!("describe pod {}", pod.name()))),
    )
}
