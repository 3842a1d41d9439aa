//! Programs that give up because of a connection, in Pods that a NetworkPolicy selects.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, some};
use super::words;

/// The hint that other rules give too.
pub fn hint(policies: &str) -> String {
    format!("NetworkPolicy {policies} selects this Pod: what it does not allow is dropped")
}

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, end) = words::failed(facts, pod)?;
    let log = words::log(facts, pod, &container)?;
    let policies = facts.policies(pod);
    let egress = |policy: &&&Value| policy.list("/spec/policyTypes").iter().any(|t| t == "Egress");
    let policies: Vec<&str> = policies.iter().filter(egress).map(|policy| policy.name()).collect();
    if policies.is_empty() || !words::is_about_connections(log) {
        return None;
    }
    let names = some(&policies, 3);
    Some(
        Finding::new(format!(
            "The {} cannot connect to what it needs, and the NetworkPolicy {names} restricts where it may connect to.",
            container.shown()
        ))
        .line(format!("exit code {}; {}", end.number("/exitCode").unwrap_or_default(), container.runs(facts, end)))
        .line("allowed must be both: egress of this Pod (to DNS too) and ingress of the other side")
        .log("its last words", Some(log))
        .try_(facts.kubectl(pod.namespace(), &format!("describe networkpolicy {}", policies[0])))
        .try_(words::logs(facts, pod, &container)),
    )
}
