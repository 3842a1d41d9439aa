//! Containers that run but whose readiness probe fails, so that no Service sends them anything.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::{Container, containers};
use super::super::finding::Finding;
use super::super::look::{Look, some};
use super::{network_policy, words};

/// A probe in words: `GET http on port 8080 at /healthz every 10s`.
pub fn shown(container: &Container<'_>, probe: &Value) -> String {
    let port = |pointer: &str| {
        let port = probe.pointer(pointer);
        let named = port.and_then(Value::as_str);
        let number = named.and_then(|name| {
            container.spec.list("/ports").iter().find(|p| p.text("/name") == name)?.number("/containerPort")
        });
        match (named, number) {
            (Some(name), Some(number)) => format!("{number} ({name})"),
            (Some(name), None) => format!("`{name}`, which the container does not declare"),
            _ => port.and_then(Value::as_i64).unwrap_or_default().to_string(),
        }
    };
    let what = if probe.pointer("/httpGet").is_some() {
        let path = probe.text("/httpGet/path");
        format!("GET {} at port {}", if path.is_empty() { "/" } else { path }, port("/httpGet/port"))
    } else if probe.pointer("/tcpSocket").is_some() {
        format!("a connection to port {}", port("/tcpSocket/port"))
    } else if probe.pointer("/grpc").is_some() {
        format!("gRPC at port {}", port("/grpc/port"))
    } else {
        let command: Vec<&str> = probe.list("/exec/command").iter().filter_map(Value::as_str).collect();
        format!("the command `{}`", command.join(" "))
    };
    let number = |field: &str, default| probe.number(field).unwrap_or(default);
    format!(
        "{what}, every {}s, {} failures allowed, answer within {}s",
        number("/periodSeconds", 10),
        number("/failureThreshold", 3),
        number("/timeoutSeconds", 1)
    )
}

/// What a probe (`Readiness`, `Liveness`, `Startup`) was answered last, from the kubelet's event.
pub fn answer(facts: &Facts, pod: &Value, probe: &str) -> Option<String> {
    let events = facts.events(pod);
    let event = events.into_iter().find(|event| {
        event.text("/reason") == "Unhealthy" && event.text("/message").contains(&format!("{probe} probe"))
    })?;
    let message = event.text("/message");
    let words = message
        .split_once(" probe failed: ")
        .or_else(|| message.split_once("unknown state: "))
        .map_or(message, |(_, words)| words);
    // What containerd says before the reason is how it came to it, with an id that changes each time.
    let words = words.rsplit("unable to start container process: ").next().unwrap_or(words);
    Some(words.trim().to_owned())
}

pub fn check(facts: &Facts, pod: &Value) -> Option<Finding> {
    let unready = |c: &Container<'_>| c.status.pointer("/state/running").is_some() && c.status["ready"] == false;
    let container = containers(pod)
        .into_iter()
        .find(|c| unready(c) && (c.spec["readinessProbe"].is_object() || c.spec["startupProbe"].is_object()))?;
    let starting = container.spec["startupProbe"].is_object() && container.status["started"] == false;
    let (word, probe) = if starting {
        ("Startup", &container.spec["startupProbe"])
    } else {
        ("Readiness", &container.spec["readinessProbe"])
    };
    let answer = answer(facts, pod, word)?;
    let listening = facts.listening.get(pod.text("/metadata/uid"));
    let ports: Vec<String> = listening.into_iter().flatten().map(ToString::to_string).collect();
    let declared: Vec<String> = container
        .spec
        .list("/ports")
        .iter()
        .filter_map(|p| p.number("/containerPort"))
        .map(|p| p.to_string())
        .collect();
    let policies: Vec<&str> = facts.policies(pod).into_iter().map(Look::name).collect();
    let effect = if starting { "so it does not count as started" } else { "so no Service sends it requests" };
    let mut finding =
        Finding::new(format!("The {} probe of {} fails, {effect}.", word.to_lowercase(), container.shown()))
            .line(format!("probe: {}", shown(&container, probe)))
            .line(format!("answer: {answer}"));
    let connects = !probe["exec"].is_object();
    if connects && !ports.is_empty() {
        finding = finding.line(format!("it listens on: {}", ports.join(", ")));
    } else if connects && !declared.is_empty() {
        finding = finding.line(format!("ports that the container declares: {}", declared.join(", ")));
    }
    if words::is_about_connections(&answer) && !policies.is_empty() {
        finding = finding.line(network_policy::hint(&some(&policies, 3)));
    }
    Some(
        finding
            .try_all(words::edit(facts, pod))
            .try_(facts.kubectl(pod.namespace(), &format!("logs {} -c {}", pod.name(), container.name()))),
    )
}
