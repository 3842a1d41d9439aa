//! What a living cluster cannot become, and why.

use std::fmt::Display;
use std::time::Duration;

use super::Sides;
use crate::spec::{Limits, NodeSpec, limits};

const OF_FLAGS: &str = "the components take it when their nodes are made";
const OF_CONTAINERS: &str = "Docker fixes it when the node's container is made";

/// One sentence: `networking.podSubnet: the config says …, the cluster has …: every pod has an address of it`.
fn refusal(what: &str, wanted: impl Display, has: impl Display, why: &str) -> String {
    format!("{what}: the config says {wanted}, the cluster has {has}: {why}")
}

/// Of the cluster as a whole.
pub(super) fn of_cluster(sides: &Sides<'_>) -> Vec<String> {
    let (layout, wanted) = (sides.layout, sides.wanted);
    let has = &layout.spec;
    let mut all = Vec::new();
    let mut compare = |what: &str, wanted: String, has: String, why: &str| {
        if wanted != has {
            all.push(refusal(what, show(&wanted), show(&has), why));
        }
    };
    // A config that names no image means the one of the knarr that reads it.
    if wanted.image.as_str() != sides.default_image {
        compare("image", wanted.image.to_string(), has.image.to_string(), OF_CONTAINERS);
    }
    let (net, old) = (&wanted.networking, &has.networking);
    let published = "Docker publishes the API's port when the container in front of it is made";
    compare("networking.apiServerAddress", net.api_address.to_string(), layout.api.ip().to_string(), published);
    if let Some(port) = net.api_port {
        compare("networking.apiServerPort", port.to_string(), layout.api.port().to_string(), published);
    }
    if let Some(subnet) = net.node_subnet {
        let why = "every node has an address of it";
        compare("networking.nodeSubnet", subnet.to_string(), layout.subnet.to_string(), why);
    }
    let pods = "every pod has an address of it";
    compare("networking.podSubnet", net.pod_subnet.to_string(), old.pod_subnet.to_string(), pods);
    let services = "every Service has an address of it";
    compare("networking.serviceSubnet", net.service_subnet.to_string(), old.service_subnet.to_string(), services);
    let names = "pods know it from the moment when they start";
    compare("networking.dnsDomain", net.dns_domain.to_string(), old.dns_domain.to_string(), names);
    compare("networking.proxyMode", json(&net.proxy_mode), json(&old.proxy_mode), OF_FLAGS);
    compare(
        "networking.extraSans",
        net.extra_sans.join(", "),
        old.extra_sans.join(", "),
        "they are in the certificates",
    );
    compare("featureGates", json(&wanted.feature_gates), json(&has.feature_gates), OF_FLAGS);
    compare("runtimeConfig", json(&wanted.runtime_config), json(&has.runtime_config), OF_FLAGS);
    compare("extraArgs", json(&wanted.extra_args), json(&has.extra_args), OF_FLAGS);
    compare("audit", wanted.audit.to_string(), has.audit.to_string(), OF_FLAGS);
    // Mostly said by a flag of the creation, so a config that is silent about it asks for nothing.
    if wanted.ttl.is_some() {
        let ttl = |ttl: Option<Duration>| ttl.map_or_else(String::new, |t| humantime::format_duration(t).to_string());
        compare("ttl", ttl(wanted.ttl), ttl(has.ttl), "it is a label of Docker's, which cannot change");
    }
    all
}

/// Of one node.
pub(super) fn of_node(has: &NodeSpec, wanted: &NodeSpec) -> Vec<String> {
    let mut all = Vec::new();
    let mut compare = |what: &str, wanted: String, old: String, why: &str| {
        if wanted != old {
            all.push(refusal(&format!("node {}, {what}", has.name), show(&wanted), show(&old), why));
        }
    };
    let image = |node: &NodeSpec| node.image.as_ref().map_or_else(String::new, ToString::to_string);
    compare("image", image(wanted), image(has), OF_CONTAINERS);
    let size = "a kubelet learns the size of its node when that starts";
    let cpus = |limits: Limits| limits.milli_cpus.map_or_else(String::new, limits::show_cpus);
    let memory = |limits: Limits| limits.memory_bytes.map_or_else(String::new, limits::show_memory);
    // As of what else flags of the creation say, a silent config asks for nothing.
    if wanted.limits.milli_cpus.is_some() {
        compare("cpus", cpus(wanted.limits), cpus(has.limits), size);
    }
    if wanted.limits.memory_bytes.is_some() {
        compare("memory", memory(wanted.limits), memory(has.limits), size);
    }
    compare("extraMounts", json(&wanted.mounts), json(&has.mounts), OF_CONTAINERS);
    all
}

fn json(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(value) if value.as_object().is_some_and(serde_json::Map::is_empty) => String::new(),
        Ok(value) if value.as_array().is_some_and(Vec::is_empty) => String::new(),
        Ok(value) => value.to_string(),
        Err(_) => String::new(),
    }
}

fn show(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}
