//! A Pod that its node sent away.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::Look;

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    if pod.text("/status/reason") != "Evicted" {
        return None;
    }
    Some(
        Finding::new(format!(
            "The node `{}` ran short of something and sent the Pod away.",
            pod.text("/spec/nodeName")
        ))
        .line(pod.text("/status/message"))
        .try_(facts.kubectl("", &format!("describe node {}", pod.text("/spec/nodeName"))))
        .try_(facts.kubectl(pod.namespace(), &format!("delete pod {}", pod.name()))),
    )
}
