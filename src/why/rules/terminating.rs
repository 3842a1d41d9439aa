//! A Pod or claim that was deleted and does not go: a finalizer, a node that is gone, a Pod that still mounts it.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::is_node_ready;
use super::super::finding::Finding;
use super::super::follow::consumers;
use super::super::look::{Look, some, span};
use super::super::target;

/// How long after its time an object may still be there, in seconds.
const PATIENCE: i64 = 5;

pub fn check(facts: &Facts, object: &Value) -> Option<Finding> {
    // For Pods the moment includes the grace period.
    let gone = object.moment("/metadata/deletionTimestamp")?;
    let late = facts.now - gone;
    if late < PATIENCE {
        return None;
    }
    let (short, name, namespace) = (target::short(object.kind()), object.name(), object.namespace());
    let finalizers: Vec<&str> = object.list("/metadata/finalizers").iter().filter_map(Value::as_str).collect();
    let deleted = format!("it should have been gone {} ago", span(late));
    if finalizers.contains(&"kubernetes.io/pvc-protection") {
        let pods: Vec<&str> = consumers(facts, object).into_iter().map(Look::name).collect();
        let first = *pods.first()?;
        return Some(
            Finding::new(format!(
                "The claim was deleted, but it stays until no Pod uses it any more: {} does.",
                some(&pods, 3)
            ))
            .line(deleted)
            .line("finalizer: kubernetes.io/pvc-protection")
            .try_(facts.kubectl(namespace, &format!("delete pod {first}"))),
        );
    }
    if !finalizers.is_empty() {
        let remove = format!("patch {short} {name} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'");
        return Some(
            Finding::new(format!(
                "The object was deleted, but the finalizer `{}` keeps it until its owner removes that.",
                some(&finalizers, 3)
            ))
            .line(deleted)
            .line(format!("finalizers: {}", finalizers.join(", ")))
            .line("whoever set the finalizer cleans up and then removes it; when nobody does, remove it by hand")
            .try_(facts.kubectl(namespace, &remove)),
        );
    }
    if object.kind() != "Pod" {
        return None;
    }
    let node = object.text("/spec/nodeName");
    let force = facts.kubectl(namespace, &format!("delete pod {name} --grace-period=0 --force"));
    match facts.one("Node", "", node) {
        Some(found) if is_node_ready(found) => Some(
            Finding::new("The Pod was deleted, but its containers do not end.")
                .line(deleted)
                .line(format!(
                    "grace period: {}s, after which the kubelet of `{node}` kills what is left",
                    object.number("/metadata/deletionGracePeriodSeconds").unwrap_or(30)
                ))
                .try_(facts.kubectl(namespace, &format!("describe pod {name}")))
                .try_(force),
        ),
        found => Some(
            Finding::new(format!(
                "The Pod was deleted, but its node `{node}` {}, so nobody can say that its containers ended.",
                if found.is_some() { "does not answer" } else { "does not exist any more" }
            ))
            .line(deleted)
            .try_all(
                facts
                    .containers
                    .get(node)
                    .filter(|state| *state != "running")
                    .map(|_| format!("knarr start {}", facts.cluster)),
            )
            .try_(force),
        ),
    }
}
