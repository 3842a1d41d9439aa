//! Images that are near: in the host's Docker, or on the node already.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::containers;
use super::super::finding::Finding;
use super::super::look::Look;
use super::image::{on_nodes, reason, refused};
use super::words;
use crate::image::reference::full_name;

pub fn pull_policy(facts: &Facts, pod: &Value) -> Option<Finding> {
    let (container, message) = refused(pod)?;
    let image = container.image();
    if container.spec.text("/imagePullPolicy") != "Always" || !on_nodes(facts).contains(&full_name(image).as_str()) {
        return None;
    }
    let index = containers(pod).iter().filter(|c| !c.init).position(|c| c.name() == container.name());
    let patch = |index| {
        format!(
            "patch {} --type=json -p '[{{\"op\":\"replace\",\"path\":\"/spec/template/spec/containers/{index}/imagePullPolicy\",\"value\":\"IfNotPresent\"}}]'",
            words::workload(facts, pod)
        )
    };
    let commands = match index {
        Some(index) if !words::is_bare(facts, pod) => vec![facts.kubectl(pod.namespace(), &patch(index))],
        _ => words::edit(facts, pod),
    };
    Some(
        Finding::new(format!("The nodes have the image `{image}`, but `imagePullPolicy: Always` makes them ask a registry for it, which fails."))
            .line(format!("{}: imagePullPolicy Always; IfNotPresent uses what is there", container.shown()))
            .line(reason(message))
            .try_all(commands),
    )
}

pub fn not_loaded(facts: &Facts, pod: &Value) -> Option<Finding> {
    let container = containers(pod).into_iter().find(|c| {
        matches!(c.waiting().0, "ErrImagePull" | "ImagePullBackOff" | "ErrImageNeverPull")
            && facts.images.contains_key(c.image())
    })?;
    let image = container.image();
    let always = container.spec.text("/imagePullPolicy") == "Always";
    let also = if always { words::edit(facts, pod) } else { Vec::new() };
    let finding = Finding::new(format!(
        "The image `{image}` is in this machine's Docker, but it was never loaded into the cluster."
    ))
    .line(format!("{}: {}", container.shown(), reason(container.waiting().1)))
    .try_(facts.knarr(&format!("load docker-image {image}")));
    let line = "its imagePullPolicy is Always (the default with the tag `latest`): set IfNotPresent too, or the nodes go on asking a registry";
    Some(if always { finding.line(line).try_all(also) } else { finding })
}

pub fn never_pulled(facts: &Facts, pod: &Value) -> Option<Finding> {
    let container = containers(pod).into_iter().find(|c| c.waiting().0 == "ErrImageNeverPull")?;
    Some(
        Finding::new(format!(
            "No node has the image `{}`, and `imagePullPolicy: Never` forbids to pull it.",
            container.image()
        ))
        .line(format!("{}: {}", container.shown(), container.waiting().1))
        .line(format!("node: {}", pod.text("/spec/nodeName")))
        .try_(facts.knarr(&format!("load docker-image {}", container.image())))
        .try_all(words::edit(facts, pod)),
    )
}
