//! Labels and taints of nodes: the grammar of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, entry};
use crate::config::suggest::unknown;
use crate::config::v1alpha1;
use crate::spec::values::{Taint, is_dns_subdomain};

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Labels that come by themselves: from the kubelet, or from knarr with the role. All others of `kubernetes.io`, which a
/// kubelet may not give itself (NodeRestriction), knarr sets with the rights of an administrator.
const OWN: [&str; 6] = [
    "kubernetes.io/hostname",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
    "node-role.kubernetes.io/control-plane",
];

pub(super) fn labels(check: &mut Check<'_>, node: &str, labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (key, value) in labels {
        let path = entry(&format!("{node}.labels"), key);
        if OWN.contains(&key.as_str()) {
            check.problem(path, "every node has this label by itself or by its role; leave it out");
        } else if let Some(wrong) = wrong_key(key) {
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
        if key.is_empty() {
            check.problem(format!("{path}.key"), "missing; name a key, for example `dedicated`");
        } else if let Some(wrong) = wrong_key(&key) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_grammar_of_kubernetes() {
        for fine in ["a", "A.b_c-d", "example.com/a", "node-role.kubernetes.io/worker", "topology.kubernetes.io/zone"] {
            assert_eq!(wrong_key(fine), None, "{fine}");
        }
        for wrong in ["", "-a", "a-", "a/b/c", "Example.com/a", "a/", "/a", "a b"] {
            assert!(wrong_key(wrong).is_some(), "{wrong}");
        }
    }

    #[test]
    fn pairs() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(parse_pairs("a=b, c=d,"), Some(vec![pair("a", "b"), pair("c", "d")]));
        assert_eq!(parse_pairs("a"), None);
    }
}
