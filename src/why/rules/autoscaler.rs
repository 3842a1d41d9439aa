//! HorizontalPodAutoscalers that do not scale: no target, no requests, no metrics.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, any};
use super::super::target;
use super::words::nearest;

/// Measurements of new Pods may take this long, in seconds.
const PATIENCE: i64 = 60;

fn goal(hpa: &Value) -> (&str, &str) {
    (hpa.text("/spec/scaleTargetRef/kind"), hpa.text("/spec/scaleTargetRef/name"))
}

pub fn target(facts: &Facts, hpa: &Value) -> Option<Finding> {
    let (kind, name) = goal(hpa);
    let namespace = hpa.namespace();
    let is_known = target::kinds().any(|known| known == kind);
    if !is_known || facts.one(kind, namespace, name).is_some() {
        return None;
    }
    let known = facts.names(kind, namespace);
    let near =
        known.first().copied().filter(|_| known.len() == 1).or_else(|| crate::config::suggest::nearest(name, &known));
    let patch = format!(
        "patch hpa {} --type=merge -p '{{\"spec\":{{\"scaleTargetRef\":{{\"name\":\"{}\"}}}}}}'",
        hpa.name(),
        near.unwrap_or("NAME")
    );
    Some(
        Finding::new(format!(
            "The autoscaler should scale the {kind} `{name}`, which does not exist in namespace `{namespace}`{}.",
            nearest(name, &known)
        ))
        .line(format!("the namespace has: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }))
        .try_(facts.kubectl(namespace, &patch)),
    )
}

pub fn requests(facts: &Facts, hpa: &Value) -> Option<Finding> {
    let (kind, name) = goal(hpa);
    let workload = facts.one(kind, hpa.namespace(), name)?;
    let containers = workload.list("/spec/template/spec/containers");
    let wanted = hpa
        .list("/spec/metrics")
        .iter()
        .filter(|m| m["resource"]["target"]["type"] == "Utilization")
        .map(|m| m.text("/resource/name"));
    let (resource, container) = wanted.into_iter().find_map(|resource| {
        let lacks = |c: &&Value| {
            !c.texts("/resources/requests").contains_key(resource)
                && !c.texts("/resources/limits").contains_key(resource)
        };
        Some((resource, containers.iter().find(lacks)?.text("/name")))
    })?;
    let amount = if resource == "cpu" { "100m" } else { "128Mi" };
    let set = format!("set resources {}/{name} -c {container} --requests={resource}={amount}", target::short(kind));
    Some(
        Finding::new(format!("The autoscaler compares with the requested {resource}, and container `{container}` of `{name}` requests none."))
            .lines(words(hpa))
            .try_(facts.kubectl(hpa.namespace(), &set)),
    )
}

pub fn metrics(facts: &Facts, hpa: &Value) -> Option<Finding> {
    let condition = inactive_condition(hpa)?;
    let signs = ["could not find the requested resource", "unable to handle the request"];
    if !any(condition.text("/message"), &signs) {
        return None;
    }
    let there = facts.one("Deployment", "kube-system", "metrics-server");
    let finding = |sentence: &str| Finding::new(sentence).lines(words(hpa));
    Some(match there {
        None => finding("Nobody measures the Pods: the addon `metrics-server` is off in this cluster.")
            .try_(facts.knarr("addons enable metrics-server")),
        // It may only have been started a moment ago.
        Some(_) if since(facts, condition) < PATIENCE => return None,
        Some(_) => finding("The metrics-server does not answer, so the autoscaler knows nothing of the Pods.")
            .try_(facts.knarr("why deployment/metrics-server -n kube-system")),
    })
}

pub fn inactive(facts: &Facts, hpa: &Value) -> Option<Finding> {
    let condition =
        inactive_condition(hpa).or_else(|| hpa.condition("AbleToScale").filter(|c| c["status"] == "False"))?;
    // The first measurements of new Pods take their time; scaled to 0 is what somebody wanted.
    if since(facts, condition) < PATIENCE || condition["reason"] == "ScalingDisabled" {
        return None;
    }
    Some(
        Finding::new("The autoscaler cannot scale.")
            .lines(words(hpa))
            .try_(facts.kubectl(hpa.namespace(), &format!("describe hpa {}", hpa.name()))),
    )
}

/// How long a condition is as it is, in seconds.
fn since(facts: &Facts, condition: &Value) -> i64 {
    condition.moment("/lastTransitionTime").map_or(i64::MAX, |at| facts.now - at)
}

fn inactive_condition(hpa: &Value) -> Option<&Value> {
    hpa.condition("ScalingActive").filter(|c| c["status"] == "False")
}

fn words(hpa: &Value) -> Vec<String> {
    let bad = hpa.list("/status/conditions").iter().filter(|c| c["status"] == "False" && c["type"] != "ScalingLimited");
    bad.map(|c| {
        format!("{}: {}", c.text("/reason"), c.text("/message").rsplit(": unable to ").next().unwrap_or_default())
    })
    .collect()
}
