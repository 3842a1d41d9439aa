//! The patches of kubeadm's documents in kind's file: the usual ones are understood, all others are named.
//!
//! Understood are extra arguments of the control plane (as mapping or as list), `certSANs`, and of a node's
//! registration its labels, its taints and, where it concerns every node, the kubelet's arguments.

use std::collections::BTreeMap;

use super::kind_v1alpha4::Cluster as Kind;
use super::problems::Problems;
use super::v1alpha1::{Cluster, Taint, Text};
use super::validate::parse_pairs;
use crate::yaml::{self, Mapping, Value};

/// Takes the patches over into a cluster.
pub(super) struct Patches<'a> {
    kind: &'a Kind,
    cluster: &'a mut Cluster,
    problems: &'a mut Problems,
    warnings: &'a mut Vec<String>,
    /// From where in our format to where in the file.
    origins: BTreeMap<String, String>,
}

/// One patch: where it stands, and the node it stands at, if it does at one.
struct Patch<'p> {
    path: String,
    node: Option<usize>,
    text: &'p str,
}

impl<'a> Patches<'a> {
    pub fn new(
        kind: &'a Kind,
        cluster: &'a mut Cluster,
        problems: &'a mut Problems,
        warnings: &'a mut Vec<String>,
    ) -> Self {
        Self { kind, cluster, problems, warnings, origins: BTreeMap::new() }
    }

    /// Which of the cluster's values came from which patch.
    pub fn into_origins(self) -> BTreeMap<String, String> {
        self.origins
    }

    /// Applies all: those of the cluster first, then those of nodes.
    pub fn apply(&mut self) {
        let kind = self.kind;
        let each = |path: &str, node, texts: &'a [String]| -> Vec<Patch<'a>> {
            let patch =
                |(i, text): (usize, &'a String)| Patch { path: format!("{path}kubeadmConfigPatches[{i}]"), node, text };
            texts.iter().enumerate().map(patch).collect()
        };
        let mut patches = each("", None, &kind.kubeadm_config_patches);
        for (i, node) in kind.nodes.iter().enumerate() {
            patches.extend(each(&format!("nodes[{i}]."), Some(i), &node.kubeadm_config_patches));
        }
        for patch in patches {
            self.patch(&patch);
        }
        let refused = "patches by operations (JSON 6902) are not understood";
        for i in 0..kind.kubeadm_config_patches_json6902.len() {
            self.problems.add(format!("kubeadmConfigPatchesJSON6902[{i}]"), refused);
        }
        for (n, node) in kind.nodes.iter().enumerate() {
            for i in 0..node.kubeadm_config_patches_json6902.len() {
                self.problems.add(format!("nodes[{n}].kubeadmConfigPatchesJSON6902[{i}]"), refused);
            }
        }
    }

    fn patch(&mut self, patch: &Patch<'_>) {
        let documents = match yaml::documents(patch.text) {
            Ok(documents) => documents,
            Err(wrong) => return self.problems.add(&patch.path, format!("in the patch, {wrong}")),
        };
        for document in documents {
            let Value::Mapping(mut map) = document.value else {
                self.problems.add(&patch.path, "a patch must be a mapping");
                continue;
            };
            map.remove("apiVersion");
            let kind = map.remove("kind");
            match kind.as_ref().and_then(Value::as_str) {
                Some("ClusterConfiguration") => self.cluster_configuration(patch, map),
                Some("InitConfiguration") => self.registration(patch, map, "InitConfiguration", "control-plane"),
                Some("JoinConfiguration") => self.registration(patch, map, "JoinConfiguration", "worker"),
                Some(other) => {
                    self.problems.add(&patch.path, format!("patches of kubeadm's `{other}` are not understood"));
                }
                None => self.problems.add(&patch.path, "a patch must name its `kind`"),
            }
        }
    }

    /// The role of a node of the file; kind takes a node without one for a control plane.
    fn role(&self, node: usize) -> &str {
        self.kind.nodes.get(node).and_then(|node| node.role.as_deref()).unwrap_or("control-plane")
    }

    fn no_effect(&mut self, patch: &Patch<'_>, document: &str) {
        self.warnings.push(format!("{}: `{document}` has no effect on a node of this role", patch.path));
    }

    fn cluster_configuration(&mut self, patch: &Patch<'_>, map: Mapping) {
        if patch.node.is_some_and(|node| self.role(node) != "control-plane") {
            return self.no_effect(patch, "ClusterConfiguration");
        }
        for (key, value) in map {
            let key = key.as_str().unwrap_or_default().to_owned();
            let args = &mut self.cluster.extra_args;
            let (ours, inner, target) = match key.as_str() {
                "apiServer" => ("apiServer", value, &mut args.api_server),
                "controllerManager" => ("controllerManager", value, &mut args.controller_manager),
                "scheduler" => ("scheduler", value, &mut args.scheduler),
                "etcd" => ("etcd", only(value, "local"), &mut args.etcd),
                _ => {
                    self.problems
                        .add(&patch.path, format!("`{key}` of kubeadm's ClusterConfiguration is not understood"));
                    continue;
                }
            };
            let Value::Mapping(inner) = inner else {
                self.problems.add(&patch.path, format!("`{key}` is not understood"));
                continue;
            };
            for (field, value) in inner {
                match field.as_str() {
                    Some("extraArgs") => match arguments(&value) {
                        Some(found) => {
                            for (flag, value) in found {
                                self.origins
                                    .insert(format!("extraArgs.{ours}.{flag}"), patch.path.clone() + ": " + &flag);
                                target.insert(flag, Text(value));
                            }
                        }
                        None => self.problems.add(
                            &patch.path,
                            format!("`{key}.extraArgs` is neither a mapping nor a list of names and values"),
                        ),
                    },
                    Some("certSANs") if ours == "apiServer" => match texts(&value) {
                        Some(names) => {
                            let sans = &mut self.cluster.networking.extra_sans;
                            for name in names {
                                let ours = format!("networking.extraSans[{}]", sans.len());
                                self.origins.insert(ours, patch.path.clone() + ": certSANs");
                                sans.push(name);
                            }
                        }
                        None => self.problems.add(&patch.path, "`apiServer.certSANs` is not a list of names"),
                    },
                    other => {
                        let field = other.unwrap_or_default();
                        self.problems.add(&patch.path, format!("`{key}.{field}` is not understood"));
                    }
                }
            }
        }
    }

    /// What a node says about itself when it registers: `InitConfiguration` for the first control plane,
    /// `JoinConfiguration` for workers.
    fn registration(&mut self, patch: &Patch<'_>, map: Mapping, document: &str, role: &str) {
        if self.cluster.nodes.is_empty() && role == "control-plane" {
            // Without a list of nodes there is one control plane; labels need a place.
            self.cluster.nodes.push(super::v1alpha1::Node { role: Some(role.into()), ..Default::default() });
        }
        let of_role = |node: &usize| self.role(*node) == role;
        let nodes: Vec<usize> = match patch.node {
            Some(node) => Some(node).into_iter().filter(of_role).collect(),
            None => (0..self.cluster.nodes.len()).filter(of_role).collect(),
        };
        if nodes.is_empty() {
            return self.no_effect(patch, document);
        }
        for (key, value) in map {
            let (Some("nodeRegistration"), Value::Mapping(inner)) = (key.as_str(), value) else {
                let key = key.as_str().unwrap_or_default();
                self.problems.add(&patch.path, format!("`{key}` of kubeadm's {document} is not understood"));
                continue;
            };
            for (field, value) in inner {
                match field.as_str() {
                    Some("kubeletExtraArgs") => match arguments(&value) {
                        Some(found) => self.kubelet(patch, &nodes, found),
                        None => self.problems.add(
                            &patch.path,
                            "`nodeRegistration.kubeletExtraArgs` is neither a mapping nor a list of names and values",
                        ),
                    },
                    Some("taints") => self.taints(patch, &nodes, &value),
                    other => {
                        let field = other.unwrap_or_default();
                        self.problems.add(&patch.path, format!("`nodeRegistration.{field}` is not understood"));
                    }
                }
            }
        }
    }

    fn kubelet(&mut self, patch: &Patch<'_>, nodes: &[usize], args: Vec<(String, String)>) {
        for (flag, value) in args {
            if flag == "node-labels" {
                let Some(pairs) = parse_pairs(&value) else {
                    self.problems.add(&patch.path, format!("`node-labels` is not a list such as `a=b,c=d`: `{value}`"));
                    continue;
                };
                for node in nodes {
                    for (key, value) in &pairs {
                        self.origins.insert(
                            format!("nodes[{node}].labels.{key}"),
                            format!("{}: node-labels {key}", patch.path),
                        );
                        self.cluster.nodes[*node].labels.insert(key.clone(), value.clone());
                    }
                }
            } else if nodes.len() == self.cluster.nodes.len() {
                self.origins.insert(format!("extraArgs.kubelet.{flag}"), patch.path.clone() + ": " + &flag);
                self.cluster.extra_args.kubelet.insert(flag, Text(value));
            } else {
                self.problems.add(
                    &patch.path,
                    format!("`{flag}`: arguments of the kubelet cannot differ between nodes, only `node-labels` can"),
                );
            }
        }
    }

    fn taints(&mut self, patch: &Patch<'_>, nodes: &[usize], value: &Value) {
        let Value::Sequence(items) = value else {
            return self.problems.add(&patch.path, "`nodeRegistration.taints` is not a list");
        };
        let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        let taints: Vec<Taint> = items
            .iter()
            .map(|item| Taint { key: text(item, "key"), value: text(item, "value"), effect: text(item, "effect") })
            .collect();
        for node in nodes {
            for i in 0..taints.len() {
                for field in ["", ".key", ".value", ".effect"] {
                    let origin = format!("{}: taints[{i}]{field}", patch.path);
                    self.origins.insert(format!("nodes[{node}].taints[{i}]{field}"), origin);
                }
            }
            self.cluster.nodes[*node].taints = Some(taints.clone());
        }
    }
}

/// `{name: value}`, or since kubeadm's v1beta4 `[{name: …, value: …}]`.
fn arguments(value: &Value) -> Option<Vec<(String, String)>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Mapping(map) => map.iter().map(|(key, value)| Some((scalar(key)?, scalar(value)?))).collect(),
        Value::Sequence(items) => {
            items.iter().map(|item| Some((scalar(item.get("name")?)?, scalar(item.get("value")?)?))).collect()
        }
        _ => None,
    }
}

/// The value of `key`, if it is the mapping's only one.
fn only(value: Value, key: &str) -> Value {
    match value {
        Value::Mapping(mut map) if map.len() == 1 => map.remove(key).unwrap_or(Value::Null),
        _ => Value::Null,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_sequence()?.iter().map(scalar).collect()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}
