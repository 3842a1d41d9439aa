//! Services of type LoadBalancer that get no address.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, span};

/// An address is given within a second; this is patience for slow machines, in seconds.
const PATIENCE: i64 = 20;

pub fn check(facts: &Facts, service: &Value) -> Option<Finding> {
    let pending = service["spec"]["type"] == "LoadBalancer" && service.list("/status/loadBalancer/ingress").is_empty();
    let class = service.text("/spec/loadBalancerClass");
    if !pending || facts.age(service) < PATIENCE {
        return None;
    }
    let waits = format!("EXTERNAL-IP is pending since {}", span(facts.age(service)));
    let describe = facts.kubectl(service.namespace(), &format!("describe service {}", service.name()));
    let events = facts.events(service).into_iter().filter(|e| e["type"] == "Warning").take(3);
    let events: Vec<String> = events.map(|e| format!("event {}: {}", e.text("/reason"), e.text("/message"))).collect();
    Some(if facts.has_addon("load-balancer") {
        let class = if class.is_empty() { String::new() } else { format!(" for its class `{class}`") };
        Finding::new(format!("The Service of type LoadBalancer was given no address{class}."))
            .line(waits)
            .lines(events)
            .try_(describe)
            .try_(facts.kubectl("kube-system", "get pods -l dev.knarr.addon=load-balancer"))
    } else {
        Finding::new(
            "The Service wants an address from a load balancer, and the addon `load-balancer` is off in this cluster.",
        )
        .line(waits)
        .try_(facts.knarr("addons enable load-balancer"))
        .try_(describe)
    })
}
