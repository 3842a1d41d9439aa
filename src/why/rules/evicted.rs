//! A Pod that its node sent away.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, any};
use super::words;

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    if pod.text("/status/reason") != "Evicted" {
        return None;
    }
    let (node, message) = (pod.text("/spec/nodeName"), pod.text("/status/message"));
    // The kubelet's words about a Pod, a container or an emptyDir over its own limit; all others are about the node.
    if any(message, &["exceeds the", "exceeded its"]) {
        let sentence = format!("The Pod wrote more than it may, so its node `{node}` sent it away.");
        return Some(Finding::new(sentence).line(message.trim()).try_all(words::edit(facts, pod)));
    }
    Some(
        Finding::new(format!("The node `{node}` ran short of something and sent the Pod away."))
            .line(message.trim())
            .try_(facts.kubectl("", &format!("describe node {node}")))
            .try_(facts.kubectl(pod.namespace(), &format!("delete pod {}", pod.name()))),
    )
}
