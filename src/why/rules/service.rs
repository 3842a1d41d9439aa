//! Services that send nothing to anybody: no Pod has the labels, or none is ready.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::is_ready;
use super::super::finding::Finding;
use super::super::follow::beneath;
use super::super::look::{Look, pairs, span};
use super::super::target;
use super::not_ready::PATIENCE;

/// What could have been meant: a workload or a Pod, and the labels of its Pods.
type Candidate<'f> = (&'f Value, BTreeMap<&'f str, &'f str>);

pub fn selector(facts: &Facts, service: &Value) -> Option<Finding> {
    let (namespace, wanted) = (service.namespace(), service.texts("/spec/selector"));
    if wanted.is_empty() || !beneath(facts, service).is_empty() {
        return None;
    }
    let asked = format!("selector: {}", pairs(&wanted));
    let candidates = candidates(facts, namespace);
    let matching = candidates.iter().find(|(_, labels)| wanted.iter().all(|(k, v)| labels.get(k) == Some(v)));
    if let Some((workload, _)) = matching {
        let refers = format!("{}/{}", target::short(workload.kind()), workload.name());
        if workload.number("/spec/replicas") == Some(0) {
            return Some(
                Finding::new(format!("The Service selects {refers}, which is scaled to 0 Pods."))
                    .line(asked)
                    .try_(facts.kubectl(namespace, &format!("scale {refers} --replicas=1"))),
            );
        }
        // Its Pods are missing for a reason that the workload knows.
        return Some(
            Finding::new(format!("The Service selects {refers}, which has no Pods."))
                .line(asked)
                .try_(facts.knarr(&format!("why {refers} -n {namespace}"))),
        );
    }
    let finding = |near: &str| {
        Finding::new(format!(
            "The Service has no endpoints: no Pod in namespace `{namespace}` has the labels {}{near}.",
            pairs(&wanted)
        ))
        .line(asked.clone())
    };
    let Some((near, labels)) =
        candidates.iter().max_by_key(|(object, labels)| likeness(service, &wanted, object, labels))
    else {
        return Some(
            finding("").line("the namespace has no Pods").try_(facts.kubectl(namespace, "get pods --show-labels")),
        );
    };
    let refers = format!("{}/{}", target::short(near.kind()), near.name());
    let differing: Vec<String> = wanted
        .iter()
        .filter(|(k, v)| labels.get(*k) != Some(v))
        .map(|(key, value)| match labels.get(key) {
            Some(other) => format!("{key}: the Service wants `{value}`, the Pods have `{other}`"),
            None => format!("{key}: the Service wants `{value}`, the Pods have no such label"),
        })
        .collect();
    let corrected: Vec<String> = wanted.keys().filter_map(|key| Some(format!("{key}={}", labels.get(key)?))).collect();
    let all: Vec<String> =
        labels.iter().filter(|(k, _)| !k.contains("hash")).map(|(k, v)| format!("{k}={v}")).collect();
    let selector = if corrected.is_empty() { all.join(",") } else { corrected.join(",") };
    Some(
        finding(&format!("; nearest is {refers}"))
            .line(format!("labels of the Pods of {refers}: {}", all.join(", ")))
            .lines(differing)
            .try_(facts.kubectl(namespace, &format!("set selector service {} {selector}", service.name())))
            .try_(facts.kubectl(namespace, "get pods --show-labels")),
    )
}

/// Workloads with the labels that they give their Pods, and Pods that nobody controls.
fn candidates<'f>(facts: &'f Facts, namespace: &'f str) -> Vec<Candidate<'f>> {
    let mut found = Vec::new();
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        found.extend(facts.within(kind, namespace).map(|w| (w, w.texts("/spec/template/metadata/labels"))));
    }
    let bare = facts.within("Pod", namespace).filter(|pod| pod.list("/metadata/ownerReferences").is_empty());
    found.extend(bare.map(|pod| (pod, pod.texts("/metadata/labels"))));
    found
}

/// How likely it is that a Service means these labels: equal pairs, then equal keys, then an equal name.
fn likeness(
    service: &Value,
    wanted: &BTreeMap<&str, &str>,
    object: &Value,
    labels: &BTreeMap<&str, &str>,
) -> (usize, usize, bool) {
    let pairs = wanted.iter().filter(|(k, v)| labels.get(*k) == Some(v)).count();
    let near = wanted
        .iter()
        .filter(|(k, v)| labels.get(*k).is_some_and(|other| crate::config::suggest::nearest(v, &[other]).is_some()))
        .count();
    (pairs, near, object.name() == service.name())
}

pub fn not_ready(facts: &Facts, service: &Value) -> Option<Finding> {
    let pods = beneath(facts, service);
    if pods.is_empty() || pods.iter().any(|pod| is_ready(pod)) || service.flag("/spec/publishNotReadyAddresses") {
        return None;
    }
    let youngest = pods.iter().map(|pod| facts.age(pod)).min().unwrap_or_default();
    if youngest < PATIENCE {
        return None;
    }
    Some(
        Finding::new(format!("None of the {} Pods that the Service selects is ready.", pods.len()))
            .lines(
                pods.iter().take(5).map(|pod| {
                    format!("Pod {}: {} since {}", pod.name(), pod.text("/status/phase"), span(facts.age(pod)))
                }),
            )
            .try_(facts.kubectl(
                service.namespace(),
                &format!("get pods -l {}", pairs(&service.texts("/spec/selector")).replace(", ", ",")),
            )),
    )
}
