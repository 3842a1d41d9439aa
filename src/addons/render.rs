//! From an addon's manifest to its objects in one cluster.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::workload::SETTINGS;
use super::{Addon, LABEL, Settings, is_workload};
use crate::error::Result;
use crate::manifests;
use crate::pki;

/// What a manifest must know of the cluster that it is for.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The addresses for Services of type LoadBalancer.
    pub load_balancer_range: Ipv4Net,
    /// Now: the beginning of certificates.
    pub now: OffsetDateTime,
}

/// The objects of an addon; every one carries its label, and workloads tell their settings.
pub fn render(addon: &Addon, settings: &Settings, site: &Site) -> Result<Vec<Value>> {
    let mut text = addon.manifest.replace("{{LOAD_BALANCER_RANGE}}", &site.load_balancer_range.to_string());
    for setting in addon.settings {
        text = text.replace(setting.placeholder, if is_on(settings, setting.name) { "true" } else { "false" });
    }
    if text.contains("{{METRICS_SERVER_") {
        text = with_certificate(&text, site.now)?;
    }
    let mut objects = manifests::documents(&format!("{}.yaml", addon.name), &text)?;
    for object in &mut objects {
        object["metadata"]["labels"][LABEL] = json!(addon.name);
        if is_workload(object) {
            // The Pods are found by it too.
            object["spec"]["template"]["metadata"]["labels"][LABEL] = json!(addon.name);
            let on: Vec<&str> = addon.settings.iter().map(|s| s.name).filter(|name| is_on(settings, name)).collect();
            if !on.is_empty() {
                object["metadata"]["annotations"][SETTINGS] = json!(on.join(","));
            }
        }
    }
    Ok(objects)
}

fn is_on(settings: &Settings, name: &str) -> bool {
    settings.get(name).copied().unwrap_or(false)
}

/// Fills in a certificate for metrics-server that was made for this rendering.
fn with_certificate(text: &str, now: OffsetDateTime) -> Result<String> {
    let names = ["metrics-server.kube-system.svc", "metrics-server.kube-system", "metrics-server"];
    let (authority, pair) = pki::lone_server(&names, now)?;
    let fingerprint = BASE64.encode(Sha256::digest(pair.certificate()));
    Ok(text
        .replace("{{METRICS_SERVER_AUTHORITY}}", &BASE64.encode(authority))
        .replace("{{METRICS_SERVER_CERTIFICATE}}", &BASE64.encode(pair.certificate()))
        .replace("{{METRICS_SERVER_KEY}}", &BASE64.encode(pair.key().expose()))
        .replace("{{METRICS_SERVER_FINGERPRINT}}", &fingerprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::{ALL, find, settings_of, workloads};

    fn site() -> Site {
        let load_balancer_range = "10.89.0.192/26".parse().expect("a subnet");
        Site { load_balancer_range, now: OffsetDateTime::UNIX_EPOCH }
    }

    #[test]
    fn every_manifest_is_whole_and_labelled() {
        for addon in &ALL {
            let objects = render(addon, &Settings::new(), &site()).expect("it parses");
            assert!(!format!("{objects:?}").contains("{{"), "{} has placeholders left", addon.name);
            for object in &objects {
                let labels = &object["metadata"]["labels"];
                assert_eq!(labels["app.kubernetes.io/managed-by"], "knarr", "{object}");
                assert_eq!(labels[LABEL], addon.name, "{object}");
                let namespace = object["metadata"]["namespace"].as_str();
                assert!(namespace.is_none_or(|n| n == "kube-system"), "{object}");
            }
            assert!(objects.is_empty() || workloads(&objects).count() > 0, "{} makes no Pods", addon.name);
        }
    }

    #[test]
    fn settings_are_remembered_by_the_workload() {
        let ingress = find("ingress").expect("it is in the table");
        let workload = |settings: &Settings| {
            let mut object = json!({"kind": "Deployment", "metadata": {}});
            if is_on(settings, "allowSnippets") {
                object["metadata"]["annotations"][SETTINGS] = json!("allowSnippets");
            }
            object
        };
        let on = Settings::from([("allowSnippets", true)]);
        assert_eq!(settings_of(ingress, &workload(&on)), on);
        assert_eq!(settings_of(ingress, &workload(&Settings::new())), Settings::new());
    }

    #[test]
    fn no_two_renderings_share_a_key() {
        let metrics = find("metrics-server").expect("it is in the table");
        let secret = || {
            let objects = render(metrics, &Settings::new(), &site()).expect("it parses");
            objects.into_iter().find(|o| o["kind"] == "Secret").expect("a Secret")["data"]["tls.key"].clone()
        };
        assert_ne!(secret(), secret());
    }
}
