//! Containers that the kubelet kills because their liveness or startup probe fails.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{Container, containers};
use super::super::finding::Finding;
use super::super::look::{Look, some, span};
use super::{network_policy, readiness, words};

pub fn liveness(facts: &Facts, pod: &Value) -> Option<Finding> {
    let container = killed(facts, pod, "liveness")?;
    let spec = &container.spec["livenessProbe"];
    Some(tell(facts, pod, &container, spec, "Liveness").line(
        "a liveness probe should only fail when nothing but a restart helps; slow starts belong into a startupProbe",
    ))
}

pub fn startup(facts: &Facts, pod: &Value) -> Option<Finding> {
    let container = killed(facts, pod, "startup")?;
    let spec = &container.spec["startupProbe"];
    let number = |field: &str, default| spec.number(field).unwrap_or(default);
    let allowed = number("/initialDelaySeconds", 0) + number("/periodSeconds", 10) * number("/failureThreshold", 3);
    Some(tell(facts, pod, &container, spec, "Startup").line(format!(
        "it may take {} to start; raise failureThreshold of the startupProbe if it needs longer",
        span(allowed)
    )))
}

/// The container that the kubelet killed last for this probe, unless it is well since.
fn killed<'p>(facts: &Facts, pod: &'p Value, probe: &str) -> Option<Container<'p>> {
    let events = facts.events(pod);
    containers(pod).into_iter().find(|container| {
        let sign = format!("Container {} failed {probe} probe", container.name());
        let is_killed =
            events.iter().any(|event| event.text("/reason") == "Killing" && event.text("/message").starts_with(&sign));
        is_killed && (container.failed(facts).is_some() || container.status.pointer("/state/running").is_none())
    })
}

fn tell(facts: &Facts, pod: &Value, container: &Container<'_>, probe: &Value, word: &str) -> Finding {
    let how = readiness::shown(container, probe);
    let (title, words) = (word.to_lowercase(), readiness::answer(facts, pod, word));
    let runs = container.failed(facts).map(|end| container.runs(facts, end));
    let policies: Vec<&str> = facts.policies(pod).into_iter().map(Look::name).collect();
    let finding = Finding::new(format!(
        "The {title} probe of {} fails, so the kubelet kills it and starts it again.",
        container.shown()
    ))
    .line(format!("probe: {how}"))
    .lines(words.as_deref().map(|answer| format!("answer: {answer}")))
    .lines(runs);
    let blocked = words.as_deref().is_some_and(words::is_about_connections) && !policies.is_empty();
    let finding = if blocked { finding.line(network_policy::hint(&some(&policies, 3))) } else { finding };
    finding
        .log("its last words", words::log(facts, pod, container))
        .try_all(words::edit(facts, pod))
        .try_(words::logs(facts, pod, container))
}
