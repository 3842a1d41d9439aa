//! What a cluster runs beside Kubernetes itself: the table of addons, and which of them a cluster shall have.
//!
//! An addon is one manifest and a line of this table. Its objects carry [`LABEL`] in the cluster, which is all that
//! remembers it: nothing else says which addons a cluster has, and with which settings.

mod dependents;
mod render;
pub mod state;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use serde_json::Value;

pub use self::dependents::dependents;
pub use self::render::{Site, render};
pub use self::workload::{is_workload, settings_of, workloads};
use crate::error::Result;
use crate::kubernetes::{Kubernetes, Progress};

/// The label of every object of an addon: the addon's name.
pub const LABEL: &str = "dev.knarr.addon";

/// One addon.
#[derive(Debug, PartialEq, Eq)]
pub struct Addon {
    /// Its name, as flags and configs spell it.
    pub name: &'static str,
    /// What it gives, in a sentence.
    pub about: &'static str,
    /// Whether a cluster has it unless told otherwise.
    pub by_default: bool,
    /// Another addon without which it is of little use.
    pub wants: Option<&'static str>,
    /// What may be set.
    pub settings: &'static [Setting],
    manifest: &'static str,
}

/// Something about an addon that is off unless it is set.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name, as configs spell it.
    pub name: &'static str,
    /// What it allows, in a sentence.
    pub about: &'static str,
    placeholder: &'static str,
}

/// The settings of one addon by name; one that is not here is off.
pub type Settings = BTreeMap<&'static str, bool>;

/// The addons that a cluster shall have, by name, each with its settings.
pub type Chosen = BTreeMap<&'static str, Settings>;

/// Every addon, in the order in which they are listed.
pub const ALL: [Addon; 5] = [
    Addon {
        name: "metrics-server",
        about: "CPU and memory of nodes and Pods, for `kubectl top` and autoscaling",
        by_default: true,
        wants: None,
        settings: &[],
        manifest: include_str!("../../manifests/addons/metrics-server.yaml"),
    },
    Addon {
        name: "storage",
        about: "the default StorageClass `standard`: volumes made on demand on any node",
        by_default: true,
        wants: None,
        settings: &[],
        manifest: include_str!("../../manifests/addons/storage.yaml"),
    },
    Addon {
        name: "load-balancer",
        about: "an address that this machine reaches for every Service of type LoadBalancer",
        by_default: true,
        wants: None,
        settings: &[],
        manifest: include_str!("../../manifests/addons/load-balancer.yaml"),
    },
    Addon {
        name: "network-policy",
        about: "enforces NetworkPolicies on every node",
        by_default: true,
        wants: None,
        settings: &[],
        manifest: include_str!("../../manifests/addons/network-policy.yaml"),
    },
    Addon {
        name: "ingress",
        about: "Ingresses of class `nginx`, with the annotations that nginx's users know",
        by_default: false,
        wants: Some("load-balancer"),
        settings: &[Setting {
            name: "allowSnippets",
            about: "Whether annotations may hold pieces of nginx's configuration; default false.",
            placeholder: "{{INGRESS_ALLOW_SNIPPETS}}",
        }],
        manifest: include_str!("../../manifests/addons/ingress.yaml"),
    },
];

/// The names of all addons.
pub fn names() -> [&'static str; ALL.len()] {
    ALL.each_ref().map(|addon| addon.name)
}

/// The addon of that name.
pub fn find(name: &str) -> Option<&'static Addon> {
    const TABLE: &[Addon] = &ALL;
    TABLE.iter().find(|addon| addon.name == name)
}

/// What a cluster has that was not told anything.
pub fn by_default() -> Chosen {
    ALL.iter().filter(|addon| addon.by_default).map(|addon| (addon.name, Settings::new())).collect()
}

/// The addons that another one wants and that are not among these: who wants, and what is missing.
pub fn missing(chosen: &Chosen) -> Vec<(&'static str, &'static str)> {
    let wants = |name: &&'static str| Some((*name, find(name)?.wants?));
    chosen.keys().filter_map(wants).filter(|(_, wanted)| !chosen.contains_key(wanted)).collect()
}

/// Those of a cluster's addons without which these objects do nothing, and that their own status does not tell of.
pub fn needed_by(objects: &[Value], chosen: &Chosen) -> Vec<&'static Addon> {
    let name = |object: &Value| match object["kind"].as_str() {
        Some("HorizontalPodAutoscaler") => Some("metrics-server"),
        Some("NetworkPolicy") => Some("network-policy"),
        Some("Ingress") => Some("ingress"),
        _ => None,
    };
    let names: BTreeSet<&str> = objects.iter().filter_map(name).filter(|name| chosen.contains_key(name)).collect();
    names.into_iter().filter_map(find).collect()
}

/// Applies the objects of addons: what Pods need first, then what makes Pods, each lot all at once.
pub async fn apply(kubernetes: &dyn Kubernetes, objects: Vec<Value>, progress: Progress<'_>) -> Result<()> {
    let (last, first): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(is_workload);
    for lot in [first, last] {
        try_join_all(lot.iter().map(|object| kubernetes.apply(std::slice::from_ref(object), progress))).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wanted_addon_is_in_the_table() {
        for addon in &ALL {
            assert_eq!(find(addon.name), Some(addon));
            assert!(addon.wants.is_none_or(|wanted| find(wanted).is_some()), "{}", addon.name);
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let mut chosen = by_default();
        chosen.insert("ingress", Settings::new());
        assert!(missing(&chosen).is_empty());
        chosen.remove("load-balancer");
        assert_eq!(missing(&chosen), [("ingress", "load-balancer")]);
    }
}
