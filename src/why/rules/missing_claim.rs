//! Pods that wait for a claim: it does not exist, or it is not bound.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, some};
use super::{scheduling, words};

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    scheduling::refused(pod)?;
    let namespace = pod.namespace();
    let name = Facts::claims(pod).find(|name| facts.one("PersistentVolumeClaim", namespace, name).is_none())?;
    let known = facts.names("PersistentVolumeClaim", namespace);
    let near = words::nearest(name, &known);
    let has = if known.is_empty() {
        "the namespace has no claim".to_owned()
    } else {
        format!("the namespace has: {}", some(&known, 5))
    };
    Some(
        Finding::new(format!(
            "The Pod uses the PersistentVolumeClaim `{name}`, which does not exist in namespace `{namespace}`{near}."
        ))
        .line(has)
        .try_(facts.kubectl(namespace, "get pvc"))
        .try_all(words::edit(facts, pod)),
    )
}

pub fn unbound(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = scheduling::refused(pod)?;
    if !message.contains("unbound immediate PersistentVolumeClaims") {
        return None;
    }
    let names: Vec<&str> = Facts::claims(pod).collect();
    Some(
        Finding::new("The Pod waits for a claim that has no volume yet.")
            .line(format!("its claims: {}", some(&names, 5)))
            .try_(facts.kubectl(pod.namespace(), "get pvc")),
    )
}
