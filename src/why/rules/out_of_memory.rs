//! Containers that the kernel killed because they needed more memory than they may have.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::Look;
use super::super::quantity::{parse, show};
use super::words;

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, end) = words::failed(facts, pod)?;
    if end.text("/reason") != "OOMKilled" {
        return None;
    }
    let namespace = pod.namespace();
    let limit = container.spec.text("/resources/limits/memory");
    let peak = facts.peaks.get(pod.text("/metadata/uid")).map(|bytes| show("memory", *bytes));
    let peak = peak.map_or("how much it used at most is not known any more".to_owned(), |peak| {
        format!("most memory that the Pod used: {peak}")
    });
    let sentence = if limit.is_empty() {
        format!("The kernel killed {} because its node had no memory left.", container.shown())
    } else {
        format!("The kernel killed {} because it needed more memory than its limit of {limit}.", container.shown())
    };
    let double = parse(limit).map_or("512Mi".to_owned(), |bytes| show("memory", bytes * 2.0));
    let commands = if words::is_bare(facts, pod) {
        words::edit(facts, pod)
    } else {
        vec![facts.kubectl(
            namespace,
            &format!("set resources {} -c {} --limits=memory={double}", words::workload(facts, pod), container.name()),
        )]
    };
    Some(
        Finding::new(sentence)
            .line(format!("reason OOMKilled, exit code 137; {}", container.runs(facts, end)))
            .line(peak)
            .log("its last words", words::log(facts, pod, &container))
            .try_all(commands)
            .try_(facts.kubectl(namespace, &format!("top pod {} --containers", pod.name()))),
    )
}
