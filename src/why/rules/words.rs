//! Sentences and commands that several rules share.

use serde_json::Value;

use super::super::facts::pods::{Container, containers};
use super::super::facts::{Facts, log_key};
use super::super::look::{Look, any};
use super::super::target;

/// What to name in a command that changes a Pod's template: `deployment/web`, or the Pod itself.
pub fn workload(facts: &Facts, pod: &Value) -> String {
    let (kind, name) = facts.root(pod);
    format!("{}/{name}", target::short(&kind))
}

/// Whether a Pod was written by hand: most of it cannot be changed, it must be made anew.
pub fn is_bare(facts: &Facts, pod: &Value) -> bool {
    facts.root(pod).0 == "Pod"
}

/// How to change what a command cannot set: edit the workload, or replace a bare Pod.
pub fn edit(facts: &Facts, pod: &Value) -> Vec<String> {
    let namespace = pod.namespace();
    if !is_bare(facts, pod) {
        return vec![facts.kubectl(namespace, &format!("edit {}", workload(facts, pod)))];
    }
    let file = format!("{}.yaml", pod.name());
    let get = facts.kubectl(namespace, &format!("get pod {} -o yaml > {file}", pod.name()));
    let replace = facts.kubectl(namespace, &format!("replace --force -f {file}"));
    vec![format!("{get} && ${{EDITOR:-vi}} {file} && {replace}")]
}

/// How to read what a container wrote before it ended.
pub fn logs(facts: &Facts, pod: &Value, container: &Container<'_>) -> String {
    let previous = if container.status.pointer("/state/terminated").is_some() { "" } else { " --previous" };
    facts.kubectl(pod.namespace(), &format!("logs {} -c {}{previous}", pod.name(), container.name()))
}

/// What a container wrote last.
pub fn log<'f>(facts: &'f Facts, pod: &Value, container: &Container<'_>) -> Option<&'f str> {
    facts.logs.get(&log_key(pod, container.name())).map(String::as_str)
}

/// The first container that failed, and how it ended.
pub fn failed<'p>(facts: &Facts, pod: &'p Value) -> Option<(Container<'p>, &'p Value)> {
    if pod.text("/status/phase") == "Succeeded" || belongs_to_done_job(facts, pod) {
        return None;
    }
    containers(pod).into_iter().find_map(|container| Some((container, container.failed(facts)?)))
}

fn belongs_to_done_job(facts: &Facts, pod: &Value) -> bool {
    let job = pod.list("/metadata/ownerReferences").iter().find(|owner| owner["kind"] == "Job");
    let job = job.and_then(|owner| facts.one("Job", pod.namespace(), owner.text("/name")));
    job.and_then(|job| job.condition("Complete")).is_some_and(|c| c["status"] == "True")
}

/// Whether words are about connections that did not come about.
pub fn is_about_connections(text: &str) -> bool {
    let words = [
        "timed out",
        "timeout",
        "refused",
        "unreachable",
        "no route to host",
        "no such host",
        "bad address",
        "deadline exceeded",
    ];
    any(&text.to_lowercase(), &words)
}

/// The name nearest to one that does not exist, as half a sentence.
pub fn nearest(name: &str, known: &[&str]) -> String {
    crate::config::suggest::nearest(name, known).map(|near| format!("; there is `{near}`")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_recognized() {
        assert!(is_about_connections("dial tcp 10.0.0.1:80: i/o timeout"));
        assert!(is_about_connections("wget: download timed out"));
        assert!(!is_about_connections("no orders found"));
    }
}
