//! Programs that cannot be started at all: not there, not executable, or for another processor.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::Container;
use super::super::finding::Finding;
use super::super::look::{Look, any, between};
use super::words;

/// The first container that did not start or failed, and everything that was said about it.
fn said<'f>(facts: &'f Facts, pod: &'f Value) -> Option<(Container<'f>, Vec<&'f str>)> {
    let waiting = super::super::facts::pods::containers(pod)
        .into_iter()
        .find(|c| matches!(c.waiting().0, "RunContainerError" | "CreateContainerError" | "StartError"));
    let (container, end) = match waiting {
        Some(container) => (container, container.failed(facts).unwrap_or(&Value::Null)),
        None => words::failed(facts, pod)?,
    };
    let log = words::log(facts, pod, &container).unwrap_or_default();
    Some((container, vec![container.waiting().1, end.text("/message"), log]))
}

pub fn wrong_architecture(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, said) = said(facts, pod)?;
    let line = said.iter().flat_map(|text| text.lines()).find(|line| line.contains("exec format error"))?;
    let node = pod.text("/spec/nodeName");
    let arch = facts.one("Node", "", node).map_or("", |node| node.text("/status/nodeInfo/architecture"));
    Some(
        Finding::new(format!(
            "The program of {} was built for another processor than that of node `{node}` ({arch}).",
            container.shown()
        ))
        .line(line)
        .line(format!("image: {}", container.image()))
        .line("a script without its first line `#!/bin/sh` fails with the same words")
        .try_(format!(
            "docker build --platform linux/{arch} -t {} . && {}",
            container.image(),
            facts.knarr(&format!("load docker-image {}", container.image()))
        )),
    )
}

pub fn not_found(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, said) = said(facts, pod)?;
    let signs = ["executable file not found", "no such file or directory", "permission denied", "is a directory"];
    let message = said[..2].iter().find(|text| text.contains("exec: ") && any(text, &signs))?;
    let program = between(message, "exec: \"", "\"").unwrap_or("?");
    let why = if any(message, &signs[..2]) {
        "is not in the image"
    } else {
        "may not be executed: its mode or its folder forbids it"
    };
    Some(
        Finding::new(format!("The program `{program}`, with which {} should start, {why}.", container.shown()))
            .line(format!("exec: {}", message.rsplit("exec: ").next().unwrap_or(message)))
            .line(format!("image: {}", container.image()))
            .line("`command` and `args` of the container replace what the image itself would start")
            .try_all(words::edit(facts, pod)),
    )
}
