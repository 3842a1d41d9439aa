//! What stands beneath an object: where the cause of its trouble may lie.

use serde_json::Value;

use super::facts::Facts;
use super::facts::pods::{is_done, is_node_ready};
use super::look::Look;

/// The objects directly beneath one.
pub fn beneath<'f>(facts: &'f Facts, object: &'f Value) -> Vec<&'f Value> {
    let namespace = object.namespace();
    match object.kind() {
        "Deployment" => facts
            .controlled("ReplicaSet", object)
            .into_iter()
            .filter(|set| set.number("/spec/replicas") != Some(0))
            .collect(),
        "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" => {
            facts.controlled("Pod", object).into_iter().filter(|pod| !is_done(pod)).collect()
        }
        "Service" => match object.pointer("/spec/selector") {
            Some(selector) if !object.texts("/spec/selector").is_empty() => {
                facts.pods_of(namespace, selector).into_iter().filter(|pod| !is_done(pod)).collect()
            }
            _ => Vec::new(),
        },
        "Ingress" => {
            services(object).into_iter().filter_map(|(name, _)| facts.one("Service", namespace, name)).collect()
        }
        "HorizontalPodAutoscaler" => {
            let target = ("/spec/scaleTargetRef/kind", "/spec/scaleTargetRef/name");
            facts.one(object.text(target.0), namespace, object.text(target.1)).into_iter().collect()
        }
        "Pod" => {
            let claims = Facts::claims(object).filter_map(|claim| facts.one("PersistentVolumeClaim", namespace, claim));
            // A claim whose class waits for its Pod waits because of the Pod, not the other way round.
            let claims = claims.filter(|claim| !waits_for_pods(facts, claim));
            let node = facts.one("Node", "", object.text("/spec/nodeName")).filter(|node| !is_node_ready(node));
            claims.chain(node).collect()
        }
        "PersistentVolumeClaim" if waits_for_pods(facts, object) => consumers(facts, object),
        _ => Vec::new(),
    }
}

/// An object and everything beneath it, each once.
pub fn all_beneath<'f>(facts: &'f Facts, object: &'f Value) -> Vec<&'f Value> {
    let mut found = vec![object];
    let mut next = 0;
    while let Some(one) = found.get(next).copied() {
        for below in beneath(facts, one) {
            if !found.iter().any(|known| std::ptr::eq(*known, below)) {
                found.push(below);
            }
        }
        next += 1;
    }
    found
}

/// The Services that an Ingress names, with their ports.
pub fn services(ingress: &Value) -> Vec<(&str, &Value)> {
    let rules = ingress
        .list("/spec/rules")
        .iter()
        .flat_map(|rule| rule.list("/http/paths"))
        .map(|path| &path["backend"]["service"]);
    let default = ingress.pointer("/spec/defaultBackend/service");
    rules
        .chain(default)
        .filter(|service| service.is_object())
        .map(|service| (service.text("/name"), &service["port"]))
        .collect()
}

/// Whether a claim is unbound because its class waits for the first Pod.
pub fn waits_for_pods(facts: &Facts, claim: &Value) -> bool {
    let class = facts.one("StorageClass", "", claim.text("/spec/storageClassName"));
    claim.text("/status/phase") != "Bound"
        && class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer")
}

/// The Pods that mount a claim.
pub fn consumers<'f>(facts: &'f Facts, claim: &'f Value) -> Vec<&'f Value> {
    let mounts = |pod: &&Value| !is_done(pod) && Facts::claims(pod).any(|name| name == claim.name());
    facts.within("Pod", claim.namespace()).filter(mounts).collect()
}
