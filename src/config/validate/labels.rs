//! Labels and taints of nodes: the grammar of Kubernetes, and what a kubelet may say about itself.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, entry};
use crate::config::suggest::unknown;
use crate::config::v1alpha1;
use crate::spec::values::{Taint, is_dns_subdomain};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Labels outside the namespaces below that the NodeRestriction admission lets a kubelet set on its Node.
const ALLOWED: [&str; 8] = [
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.kubernetes.io/zone",
    "failure-domain.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "kubernetes.io/instance-type",
];
/// Namespaces (and what is below them) in which a kubelet may label its Node.
const ALLOWED_NAMESPACES: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];
/// Labels that the kubelet sets by itself.
const OWN: [&str; 5] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

pub(super) fn labels(check: &mut Check<'_>, node: &str, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (key, value) in labels {
        let path = entry(&format!("{node}.labels"), key);
        if let Some(wrong) = wrong_key(key).or_else(|| refused_by_kubernetes(key)) {
            check.problem(path, wrong);
        } else if let Some(wrong) = wrong_value(value) {
            check.problem(path, wrong);
        }
    }
    labels.clone()
}

pub(super) fn taints(check: &mut Check<'_>, node: &str, taints: &[v1alpha1::Taint]) -> Vec<Taint> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (i, taint) in taints.iter().enumerate() {
        let path = format!("{node}.taints[{i}]");
        let key = taint.key.clone().unwrap_or_default();
        let value = taint.value.clone().unwrap_or_default();
        let effect = taint.effect.clone().unwrap_or_default();
        if let Some(wrong) = wrong_key(&key) {
            check.problem(format!("{path}.key"), wrong);
        }
        if let Some(wrong) = wrong_value(&value) {
            check.problem(format!("{path}.value"), wrong);
        }
        if effect.is_empty() {
            check.problem(format!("{path}.effect"), "missing; use `NoSchedule`, `PreferNoSchedule` or `NoExecute`");
        } else if !EFFECTS.contains(&effect.as_str()) {
            check.problem(format!("{path}.effect"), unknown(&effect, "an effect of a taint", &EFFECTS));
        } else if !seen.insert((key.clone(), effect.clone())) {
            check.problem(&path, format!("the node has a taint with key `{key}` and effect `{effect}` already"));
        }
        out.push(Taint { key, value, effect });
    }
    out
}

/// Reads `a=b,c=d`, as the kubelet's `--node-labels` has it.
pub(in crate::config) fn parse_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').map(|(key, value)| (key.trim().into(), value.trim().into()))).collect()
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends, at most 63 characters.
fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
    bytes.len() <= 63
        && bytes.iter().all(inner)
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

fn wrong_key(key: &str) -> Option<String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let fine = is_name(name) && prefix.is_none_or(is_dns_subdomain);
    (!fine).then(|| {
        format!("`{key}` is not a key: use up to 63 letters, digits, `-`, `_` and `.`, after a DNS domain and `/` if you like, for example `disk` or `example.com/disk`")
    })
}

fn wrong_value(value: &str) -> Option<String> {
    let fine = value.is_empty() || is_name(value);
    (!fine).then(|| {
        format!("`{value}` is not a value: use up to 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends")
    })
}

fn refused_by_kubernetes(key: &str) -> Option<String> {
    let (namespace, _) = key.split_once('/')?;
    let within = |domain: &str| namespace == domain || namespace.ends_with(&format!(".{domain}"));
    if OWN.contains(&key) {
        return Some("the kubelet sets this label by itself; leave it out".into());
    }
    let kubernetes = within("kubernetes.io") || within("k8s.io");
    if !kubernetes || ALLOWED.contains(&key) || ALLOWED_NAMESPACES.iter().any(|domain| within(domain)) {
        return None;
    }
    Some(format!(
        "the API server refuses it (NodeRestriction: a node may not give itself labels of `{namespace}`); set it afterwards with `knarr kubectl label node`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_kubernetes_labels_pass() {
        for fine in [
            "a",
            "example.com/a",
            "node.kubernetes.io/x",
            "a.node.kubernetes.io/x",
            "topology.kubernetes.io/zone",
            "ingress-ready",
        ] {
            assert_eq!(wrong_key(fine).or_else(|| refused_by_kubernetes(fine)), None, "{fine}");
        }
        for wrong in [
            "",
            "-a",
            "a/b/c",
            "Example.com/a",
            "a/",
            "kubernetes.io/hostname",
            "node-role.kubernetes.io/worker",
            "x.k8s.io/a",
        ] {
            assert!(wrong_key(wrong).or_else(|| refused_by_kubernetes(wrong)).is_some(), "{wrong}");
        }
    }

    #[test]
    fn pairs() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(parse_pairs("a=b, c=d,"), Some(vec![pair("a", "b"), pair("c", "d")]));
        assert_eq!(parse_pairs("a"), None);
    }
}
