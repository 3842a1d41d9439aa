//! Nodes that are not ready, short of something, or closed, and Pods that stand on a node that is gone.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{is_done, is_node_ready};
use super::super::finding::Finding;
use super::super::look::{Look, span};

pub fn container(facts: &Facts, node: &Value) -> Option<Finding> {
    let name = node.name();
    let state = facts.containers.get(name).filter(|state| *state != "running")?;
    let (what, command) = match state.as_str() {
        "paused" => ("is frozen", format!("knarr unpause {}", facts.cluster)),
        _ => ("does not run", format!("knarr start {}", facts.cluster)),
    };
    let ready = node.condition("Ready");
    let since = ready
        .and_then(|c| c.moment("/lastTransitionTime"))
        .map(|at| format!("not ready since {}", span(facts.now - at)));
    Some(
        Finding::new(format!("The node's container `{name}` {what} (Docker says: {state})."))
            .lines(since.filter(|_| !is_node_ready(node)))
            .line(pods_here(facts, name))
            .try_(command),
    )
}

fn pods_here(facts: &Facts, node: &str) -> String {
    let count = facts.all("Pod").iter().filter(|pod| pod.text("/spec/nodeName") == node && !is_done(pod)).count();
    format!("Pods on it: {count}")
}

pub fn not_ready(facts: &Facts, node: &Value) -> Option<Finding> {
    if is_node_ready(node) || container(facts, node).is_some() {
        return None;
    }
    let name = node.name();
    let ready = node.condition("Ready");
    let silent = ready.is_some_and(|c| c["status"] == "Unknown");
    let since = ready.and_then(|c| c.moment("/lastTransitionTime")).map(|at| format!("since {}", span(facts.now - at)));
    let sentence = if silent {
        "The node runs, but its kubelet does not report any more."
    } else {
        "The node's kubelet says that it is not ready."
    };
    Some(
        Finding::new(sentence)
            .lines(ready.map(|c| format!("{}: {}", c.text("/reason"), c.text("/message"))))
            .lines(since)
            .line(pods_here(facts, name))
            .try_(facts.knarr("status"))
            .try_(facts.knarr(&format!("logs {name} --component kubelet"))),
    )
}

pub fn pressure(facts: &Facts, node: &Value) -> Option<Finding> {
    let kinds = [
        (
            "DiskPressure",
            "disk",
            "images and Pods' data fill Docker's disk; free it with `docker image prune`, or see what fills it",
        ),
        ("MemoryPressure", "memory", "lower what Pods may use, or give the machine more"),
        ("PIDPressure", "process numbers", "some Pod starts processes without end"),
    ];
    let (kind, what, help) =
        kinds.into_iter().find(|(kind, ..)| node.condition(kind).is_some_and(|c| c["status"] == "True"))?;
    let condition = node.condition(kind)?;
    Some(
        Finding::new(format!("The node is short of {what}, so it takes no new Pods and may send some away."))
            .line(format!("{kind}: {}", condition.text("/message")))
            .line(help)
            .try_(if kind == "DiskPressure" {
                "docker system df".to_owned()
            } else {
                facts.kubectl("", &format!("describe node {}", node.name()))
            })
            .try_(facts.kubectl("", "get pods -A --field-selector=status.phase=Failed")),
    )
}

pub fn cordoned(facts: &Facts, node: &Value) -> Option<Finding> {
    if !node.flag("/spec/unschedulable") {
        return None;
    }
    Some(
        Finding::new("The node is cordoned: somebody closed it for new Pods.")
            .line(pods_here(facts, node.name()))
            .try_(facts.kubectl("", &format!("uncordon {}", node.name()))),
    )
}

pub fn lost(facts: &Facts, pod: &Value) -> Option<Finding> {
    let name = pod.text("/spec/nodeName");
    let node = facts.one("Node", "", name).filter(|node| !is_node_ready(node) && !is_done(pod))?;
    let ready = node.condition("Ready");
    Some(
        Finding::new(format!("The Pod's node `{name}` is not ready."))
            .lines(ready.map(|c| c.text("/message").to_owned()))
            .try_(facts.knarr(&format!("why node/{name}"))),
    )
}
