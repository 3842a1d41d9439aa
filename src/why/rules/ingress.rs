//! Ingresses that nobody serves, or that name what does not exist.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::follow::services;
use super::super::look::{Look, some};
use super::words::nearest;

/// What the IngressClass of knarr's own addon is called, and the controller that it names.
const OUR_CLASS: &str = "nginx";
const OUR_CONTROLLER: &str = "k8s.io/ingress-nginx";
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

fn class_of(ingress: &Value) -> &str {
    let old = ingress.texts("/metadata/annotations").get("kubernetes.io/ingress.class").copied();
    Some(ingress.text("/spec/ingressClassName")).filter(|name| !name.is_empty()).or(old).unwrap_or_default()
}

fn default_class(facts: &Facts) -> Option<&Value> {
    facts.all("IngressClass").iter().find(|class| class.texts("/metadata/annotations").get(DEFAULT) == Some(&"true"))
}

fn patch(facts: &Facts, ingress: &Value, class: &str) -> String {
    let patch =
        format!("patch ingress {} --type=merge -p '{{\"spec\":{{\"ingressClassName\":\"{class}\"}}}}'", ingress.name());
    facts.kubectl(ingress.namespace(), &patch)
}

fn edit(facts: &Facts, ingress: &Value) -> String {
    facts.kubectl(ingress.namespace(), &format!("edit ingress {}", ingress.name()))
}

pub fn addon_off(facts: &Facts, ingress: &Value) -> Option<Finding> {
    let name = class_of(ingress);
    let class = facts.one("IngressClass", "", name);
    let is_ours = class.map_or(name == OUR_CLASS, |class| class["spec"]["controller"] == OUR_CONTROLLER);
    let nothing = name.is_empty() && facts.all("IngressClass").is_empty();
    if !(is_ours || nothing) || facts.has_addon("ingress") || is_served(facts) {
        return None;
    }
    let finding = Finding::new("Nobody serves the Ingress: the addon `ingress` is off in this cluster.")
        .line(if name.is_empty() { "it names no class".to_owned() } else { format!("class: {name}") })
        .try_(facts.knarr("addons enable ingress"));
    Some(if nothing { finding.try_(patch(facts, ingress, OUR_CLASS)) } else { finding })
}

/// Whether somebody brought a controller of their own for the well-known class.
fn is_served(facts: &Facts) -> bool {
    facts
        .all("Pod")
        .iter()
        .any(|pod| pod.texts("/metadata/labels").get("app.kubernetes.io/name") == Some(&"ingress-nginx"))
}

pub fn class(facts: &Facts, ingress: &Value) -> Option<Finding> {
    let name = class_of(ingress);
    let known: Vec<&str> = facts.all("IngressClass").iter().map(Look::name).collect();
    let has = if known.is_empty() {
        "the cluster has no IngressClass".to_owned()
    } else {
        format!("the cluster has: {}", some(&known, 5))
    };
    let is_known = if name.is_empty() { default_class(facts).is_some() } else { known.contains(&name) };
    if is_known || addon_off(facts, ingress).is_some() {
        return None;
    }
    let (sentence, better) = if name.is_empty() {
        (
            "The Ingress names no class, and no class is the default, so nobody serves it.".to_owned(),
            known.first().copied(),
        )
    } else {
        let options: Vec<&str> = known.iter().copied().chain([OUR_CLASS]).collect();
        let better = crate::config::suggest::nearest(name, &options);
        (
            format!(
                "The Ingress names the class `{name}`, which does not exist{}, so nobody serves it.",
                nearest(name, &known)
            ),
            better.or(known.first().copied()),
        )
    };
    let finding = Finding::new(sentence).line(has).try_(patch(facts, ingress, better.unwrap_or(OUR_CLASS)));
    Some(if facts.has_addon("ingress") { finding } else { finding.try_(facts.knarr("addons enable ingress")) })
}

pub fn service(facts: &Facts, ingress: &Value) -> Option<Finding> {
    let namespace = ingress.namespace();
    let (name, _) = services(ingress).into_iter().find(|(name, _)| facts.one("Service", namespace, name).is_none())?;
    let known = facts.names("Service", namespace);
    let has = if known.is_empty() {
        "the namespace has no Service".to_owned()
    } else {
        format!("the namespace has: {}", some(&known, 5))
    };
    Some(
        Finding::new(format!(
            "The Ingress sends to the Service `{name}`, which does not exist in namespace `{namespace}`{}.",
            nearest(name, &known)
        ))
        .line(has)
        .try_(edit(facts, ingress))
        .try_(facts.kubectl(namespace, "get services")),
    )
}

pub fn port(facts: &Facts, ingress: &Value) -> Option<Finding> {
    let namespace = ingress.namespace();
    let has = |service: &Value, port: &Value| {
        let ports = service.list("/spec/ports").iter();
        let mut ports = ports.filter(|known| {
            known["port"] == port["number"] || !port.text("/name").is_empty() && known["name"] == port["name"]
        });
        ports.next().is_some()
    };
    let (service, port) = services(ingress).into_iter().find_map(|(name, port)| {
        let service = facts.one("Service", namespace, name)?;
        (!has(service, port)).then_some((service, port))
    })?;
    let wanted =
        port.number("/number").map_or_else(|| format!("`{}`", port.text("/name")), |number| number.to_string());
    let known: Vec<String> = service
        .list("/spec/ports")
        .iter()
        .map(|p| {
            let (number, name) = (p.number("/port").unwrap_or_default(), p.text("/name"));
            if name.is_empty() { number.to_string() } else { format!("{number} ({name})") }
        })
        .collect();
    Some(
        Finding::new(format!(
            "The Ingress sends to port {wanted} of the Service `{}`, which has no such port.",
            service.name()
        ))
        .line(format!("ports of the Service: {}", known.join(", ")))
        .line("an Ingress names the port of the Service (`port`), not that of the container (`targetPort`)")
        .try_(edit(facts, ingress)),
    )
}

pub fn secret(facts: &Facts, ingress: &Value) -> Option<Finding> {
    let namespace = ingress.namespace();
    let names = ingress.list("/spec/tls").iter().map(|tls| tls.text("/secretName")).filter(|name| !name.is_empty());
    let name = names.into_iter().find(|name| {
        let keys = facts.one("Secret", namespace, name).map(|secret| secret.texts("/data"));
        keys.is_none_or(|keys| !keys.contains_key("tls.crt") || !keys.contains_key("tls.key"))
    })?;
    let known = facts.names("Secret", namespace);
    let there = facts.one("Secret", namespace, name).is_some();
    let what = if there {
        "has no `tls.crt` and `tls.key`".to_owned()
    } else {
        format!("does not exist in namespace `{namespace}`{}", nearest(name, &known))
    };
    let finding = Finding::new(format!("The Ingress takes its certificate from the Secret `{name}`, which {what}."))
        .line(if known.is_empty() {
            "the namespace has no Secret".to_owned()
        } else {
            format!("the namespace has: {}", some(&known, 5))
        });
    let finding =
        if there { finding.try_(facts.kubectl(namespace, &format!("delete secret {name}"))) } else { finding };
    Some(finding.try_(facts.kubectl(namespace, &format!("create secret tls {name} --cert=tls.crt --key=tls.key"))))
}
