//! Services that send to a port on which their Pods do not listen.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::is_ready;
use super::super::finding::Finding;
use super::super::follow::beneath;
use super::super::look::Look;

/// The declared ports of a Pod: name and number.
fn declared(pod: &Value) -> Vec<(&str, i64)> {
    let ports = pod.list("/spec/containers").iter().flat_map(|c| c.list("/ports"));
    ports.map(|port| (port.text("/name"), port.number("/containerPort").unwrap_or_default())).collect()
}

/// The port of a Pod that a port of a Service means: a name or a number.
fn meant(port: &Value) -> Result<i64, &str> {
    match port.pointer("/targetPort") {
        Some(Value::String(name)) => name.parse().map_err(|_| name.as_str()),
        Some(number) => Ok(number.as_i64().unwrap_or_default()),
        None => Ok(port.number("/port").unwrap_or_default()),
    }
}

/// The TCP ports of a Service, by place, with the reason to doubt that Pods listen there: none declares it.
fn undeclared<'s>(service: &'s Value, pod: &Value) -> Vec<(usize, &'s Value)> {
    let declared = declared(pod);
    let is_declared = |port: &Value| match meant(port) {
        Ok(number) => declared.iter().any(|(_, known)| *known == number),
        Err(name) => declared.iter().any(|(known, _)| *known == name),
    };
    let is_tcp = |port: &Value| matches!(port.text("/protocol"), "" | "TCP");
    service.list("/spec/ports").iter().enumerate().filter(|(_, port)| is_tcp(port) && !is_declared(port)).collect()
}

/// The Pods of which must be known where they listen, because a Service sends to a port that none of them declares.
pub fn doubtful<'f>(facts: &'f Facts, service: &'f Value) -> Vec<&'f Value> {
    beneath(facts, service)
        .into_iter()
        .filter(|pod| is_ready(pod) && !undeclared(service, pod).is_empty())
        .take(1)
        .collect()
}

/// Finds a Service that sends to a port on which nobody listens.
pub fn check(facts: &Facts, service: &Value) -> Option<Finding> {
    let pods = beneath(facts, service);
    let pod = *pods.iter().find(|pod| is_ready(pod)).or(pods.first())?;
    let listening = facts.listening.get(pod.text("/metadata/uid"));
    let declared = declared(pod);
    let is_wrong = |port: &Value| match (meant(port), listening) {
        (Err(_), _) => true,
        (Ok(number), Some(ports)) => !ports.contains(&number),
        // Declarations are only words, but they are all there is.
        (Ok(_), None) => !declared.is_empty(),
    };
    let (index, port) = undeclared(service, pod).into_iter().find(|(_, port)| is_wrong(port))?;
    let (namespace, number) = (service.namespace(), port.number("/port").unwrap_or_default());
    let who = facts.root(pod).1;
    let sentence = match meant(port) {
        Err(name) => format!(
            "The Service sends port {number} to a port named `{name}`, and no container of `{who}` names a port so."
        ),
        Ok(target) => format!(
            "The Service sends port {number} to port {target} of the Pods, and nobody there listens on {target}."
        ),
    };
    let known: Vec<String> = declared
        .iter()
        .map(|(name, number)| if name.is_empty() { number.to_string() } else { format!("{number} ({name})") })
        .collect();
    let heard = listening.map(|ports| ports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let better =
        declared.first().map(|(_, number)| *number).or_else(|| listening.and_then(|ports| ports.first().copied()));
    let patch = |better: i64| {
        let patch = format!("[{{\"op\":\"replace\",\"path\":\"/spec/ports/{index}/targetPort\",\"value\":{better}}}]");
        facts.kubectl(namespace, &format!("patch service {} --type=json -p '{patch}'", service.name()))
    };
    Some(
        Finding::new(sentence)
            .line(format!(
                "ports that the containers declare: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
            .lines(heard.map(|ports| {
                format!("ports on which Pod {} listens: {}", pod.name(), if ports.is_empty() { "none" } else { &ports })
            }))
            .try_all(better.map(patch))
            .try_(facts.kubectl(namespace, &format!("edit service {}", service.name()))),
    )
}
