//! Pods for which no node is free for other reasons: ports of the node, other Pods, and what only the scheduler knows.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, any, some, span};
use super::scheduling::refused;
use super::words;

/// The scheduler's words, one reason a line.
fn reasons(message: &str) -> Vec<String> {
    let words = message.split(" preemption:").next().unwrap_or(message).replace(" no new claims to deallocate,", "");
    let words = words.split_once(": ").map_or(words.as_str(), |(_, reasons)| reasons).trim_end_matches('.');
    words.split(", ").map(|reason| format!("scheduler: {}", reason.trim_end_matches('.'))).collect()
}

pub fn host_port(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = refused(pod)?;
    if !message.contains("didn't have free ports") {
        return None;
    }
    let ports = |pod: &Value| -> Vec<i64> {
        pod.list("/spec/containers")
            .iter()
            .flat_map(|c| c.list("/ports"))
            .filter_map(|p| p.number("/hostPort"))
            .collect()
    };
    let wanted = ports(pod);
    let holders: Vec<String> = facts
        .all("Pod")
        .iter()
        .filter(|other| !other.text("/spec/nodeName").is_empty() && ports(other).iter().any(|p| wanted.contains(p)))
        .map(|other| {
            format!("node {}: taken by Pod {}/{}", other.text("/spec/nodeName"), other.namespace(), other.name())
        })
        .collect();
    let shown: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Some(
        Finding::new(format!(
            "The Pod wants port {} of a node for itself (hostPort), and no node has it free.",
            shown.join(", ")
        ))
        .lines(holders)
        .line("a hostPort allows one Pod per node; a Service of type NodePort or LoadBalancer has no such limit")
        .try_all(words::edit(facts, pod)),
    )
}

pub fn affinity(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = refused(pod)?;
    if !any(message, &["pod affinity rules", "pod anti-affinity rules", "topology spread constraints"]) {
        return None;
    }
    let what = if message.contains("anti-affinity") {
        "The Pod must not stand beside others of its kind (pod anti-affinity), and every node has one."
    } else if message.contains("topology spread") {
        "The Pod must be spread evenly (topologySpreadConstraints), and the nodes that would keep it even cannot take it."
    } else {
        "The Pod must stand beside another Pod (pod affinity), and no node has such a one."
    };
    Some(Finding::new(what).lines(rules(pod)).lines(reasons(message)).try_all(words::edit(facts, pod)))
}

/// The required rules about other Pods, a line each.
fn rules(pod: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for (kind, pointer) in
        [("podAffinity", "/spec/affinity/podAffinity"), ("podAntiAffinity", "/spec/affinity/podAntiAffinity")]
    {
        let Some(part) = pod.pointer(pointer) else { continue };
        for rule in part.list("/requiredDuringSchedulingIgnoredDuringExecution") {
            let labels = super::super::look::pairs(&rule.texts("/labelSelector/matchLabels"));
            lines.push(format!("{kind}: Pods with {labels}, by {}", rule.text("/topologyKey")));
        }
    }
    lines
}

pub fn other(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = refused(pod)?;
    // Claims have rules of their own.
    if message.contains("PersistentVolumeClaims") {
        return None;
    }
    let nodes: Vec<&str> = facts.all("Node").iter().map(Look::name).collect();
    Some(
        Finding::new(format!("The scheduler finds no node for the Pod among {} ({}).", nodes.len(), some(&nodes, 3)))
            .line(format!("it waits since {}", span(facts.age(pod))))
            .lines(reasons(message))
            .try_(facts.kubectl(pod.namespace(), &format!("describe pod {}", pod.name()))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedulers_words_are_split() {
        let message = "0/2 nodes are available: 1 node(s) didn't match pod affinity rules, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
        assert_eq!(
            reasons(message),
            ["scheduler: 1 node(s) didn't match pod affinity rules", "scheduler: 1 node(s) had untolerated taint(s)"]
        );
    }
}
