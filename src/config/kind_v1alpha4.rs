//! kind's own file, `kind.x-k8s.io/v1alpha4`, `kind: Cluster`, read as it is and turned into our format.
//!
//! Nothing is dropped silently: what changes behaviour in a way that knarr cannot give is a problem with its key path,
//! what is harmless is a warning.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::kind_patches::Patches;
use super::problems::Problems;
use super::v1alpha1;
use super::validate::Dialect;

const CONTAINERD: &str =
    "the settings of containerd cannot be patched; mirrors of registries go into `registries` of knarr's own config";

/// Where the nodes' containerd looks for how registries are reached.
const REGISTRY_HOSTS: &str = "/etc/containerd/certs.d";

/// The `apiVersion` of kind's format.
pub const API_VERSION: &str = "kind.x-k8s.io/v1alpha4";

/// kind's file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a cluster")]
pub(super) struct Cluster {
    /// Known already when this is read.
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    name: Option<String>,
    pub(super) nodes: Vec<Node>,
    networking: Networking,
    feature_gates: BTreeMap<String, bool>,
    runtime_config: BTreeMap<String, v1alpha1::Text>,
    pub(super) kubeadm_config_patches: Vec<String>,
    #[serde(rename = "kubeadmConfigPatchesJSON6902")]
    pub(super) kubeadm_config_patches_json6902: Vec<Json6902>,
    containerd_config_patches: Vec<String>,
    #[serde(rename = "containerdConfigPatchesJSON6902")]
    containerd_config_patches_json6902: Vec<String>,
}

/// A node of kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a node")]
pub(super) struct Node {
    pub(super) role: Option<String>,
    image: Option<String>,
    labels: BTreeMap<String, String>,
    extra_mounts: Vec<v1alpha1::Mount>,
    extra_port_mappings: Vec<PortMapping>,
    gpus: Option<String>,
    pub(super) kubeadm_config_patches: Vec<String>,
    #[serde(rename = "kubeadmConfigPatchesJSON6902")]
    pub(super) kubeadm_config_patches_json6902: Vec<Json6902>,
}

/// A published port of kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a port")]
struct PortMapping {
    container_port: Option<i64>,
    host_port: Option<i64>,
    listen_address: Option<String>,
    protocol: Option<String>,
}

/// The network settings of kind.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes the network")]
struct Networking {
    ip_family: Option<String>,
    api_server_port: Option<i64>,
    api_server_address: Option<String>,
    pod_subnet: Option<String>,
    service_subnet: Option<String>,
    #[serde(rename = "disableDefaultCNI")]
    disable_default_cni: bool,
    kube_proxy_mode: Option<String>,
    dns_search: Option<Vec<String>>,
}

/// A patch by operations; never applied here, so only its presence counts.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a mapping that describes a patch")]
pub(super) struct Json6902 {
    #[serde(rename = "group")]
    _group: String,
    #[serde(rename = "version")]
    _version: String,
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "namespace")]
    _namespace: String,
    #[serde(rename = "patch")]
    _patch: String,
}

/// A config in our format, with what was found on the way.
pub(super) struct Converted {
    pub cluster: v1alpha1::Cluster,
    pub dialect: Dialect,
    pub problems: Problems,
    pub warnings: Vec<String>,
}

/// Turns kind's file into ours.
pub(super) fn convert(kind: &Cluster, default_image: &str) -> Converted {
    let mut problems = Problems::default();
    let mut warnings = Vec::new();
    unsupported(kind, &mut problems, &mut warnings);
    let nodes = kind.nodes.iter().enumerate().map(|(i, node)| {
        let path = format!("nodes[{i}]");
        v1alpha1::Node {
            role: node.role.clone(),
            count: None,
            image: image(&path, node.image.as_deref(), default_image, &mut warnings),
            labels: node.labels.clone(),
            taints: None,
            cpus: None,
            memory: None,
            extra_mounts: node.extra_mounts.clone(),
            ports: ports(&path, &node.extra_port_mappings, &mut warnings),
        }
    });
    let mut cluster = v1alpha1::Cluster {
        name: kind.name.clone(),
        nodes: nodes.collect(),
        networking: networking(&kind.networking),
        feature_gates: kind.feature_gates.clone(),
        runtime_config: kind.runtime_config.clone(),
        ..v1alpha1::Cluster::default()
    };
    let mut patches = Patches::new(kind, &mut cluster, &mut problems, &mut warnings);
    patches.apply();
    let dialect = Dialect {
        ports: "extraPortMappings",
        host_address: "listenAddress",
        proxy_mode: "networking.kubeProxyMode",
        role: Some("control-plane"),
        origins: patches.into_origins(),
    };
    Converted { cluster, dialect, problems, warnings }
}

fn networking(kind: &Networking) -> v1alpha1::Networking {
    v1alpha1::Networking {
        ip_family: kind.ip_family.clone(),
        api_server_address: kind.api_server_address.clone(),
        api_server_port: kind.api_server_port,
        pod_subnet: kind.pod_subnet.clone(),
        service_subnet: kind.service_subnet.clone(),
        proxy_mode: kind.kube_proxy_mode.clone(),
        ..v1alpha1::Networking::default()
    }
}

/// kind publishes ports at all addresses of the host unless told otherwise.
fn ports(node: &str, mappings: &[PortMapping], warnings: &mut Vec<String>) -> Vec<v1alpha1::Port> {
    let open = |mapping: &PortMapping| mapping.listen_address.as_deref().is_none_or(str::is_empty);
    mappings
        .iter()
        .enumerate()
        .map(|(i, mapping)| {
            let host_address = if open(mapping) {
                warnings.push(format!(
                    "{node}.extraPortMappings[{i}]: published at 0.0.0.0, as kind does, so other machines can reach it; `listenAddress: 127.0.0.1` keeps it here"
                ));
                Some("0.0.0.0".into())
            } else {
                mapping.listen_address.clone()
            };
            let (host_port, container_port, protocol) =
                (mapping.host_port, mapping.container_port, mapping.protocol.clone());
            v1alpha1::Port { host_address, host_port, container_port, protocol }
        })
        .collect()
}

/// Images made for kind do not boot as nodes of knarr.
fn image(node: &str, image: Option<&str>, default: &str, warnings: &mut Vec<String>) -> Option<String> {
    let image = image.filter(|image| !image.is_empty())?;
    let name = image.split('@').next().unwrap_or(image);
    let is_kinds =
        name.rsplit('/').nth(1) == Some("kindest") && name.rsplit('/').next().is_some_and(|n| n.starts_with("node"));
    if !is_kinds {
        return Some(image.into());
    }
    warnings.push(format!("{node}.image: `{image}` is made for kind; `{default}` is used instead"));
    None
}

fn unsupported(kind: &Cluster, problems: &mut Problems, warnings: &mut Vec<String>) {
    if kind.networking.disable_default_cni {
        problems.add(
            "networking.disableDefaultCNI",
            "knarr's nodes connect pods by themselves and cannot be had without; leave it out",
        );
    }
    match kind.networking.dns_search.as_deref() {
        None => {}
        Some([]) => warnings.push("networking.dnsSearch: nodes have no search domains anyway".into()),
        Some(_) => problems.add("networking.dnsSearch", "search domains of nodes cannot be set"),
    }
    for (i, node) in kind.nodes.iter().enumerate() {
        if node.gpus.as_deref().is_some_and(|gpus| !gpus.is_empty()) {
            problems.add(format!("nodes[{i}].gpus"), "GPUs cannot be passed to nodes");
        }
    }
    for (i, patch) in kind.containerd_config_patches.iter().enumerate() {
        if !is_set_anyway(patch) {
            problems.add(format!("containerdConfigPatches[{i}]"), CONTAINERD);
        }
    }
    for i in 0..kind.containerd_config_patches_json6902.len() {
        problems.add(format!("containerdConfigPatchesJSON6902[{i}]"), CONTAINERD);
    }
}

/// Whether a patch of containerd's settings, as kind's recipe for a local registry has it, says only what nodes have.
fn is_set_anyway(patch: &str) -> bool {
    let lines: Vec<&str> = patch.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    let [table, setting] = lines[..] else { return false };
    let value = setting.strip_prefix("config_path").and_then(|rest| rest.trim_start().strip_prefix('='));
    table.starts_with("[plugins.")
        && table.ends_with(".registry]")
        && value.is_some_and(|value| value.trim() == format!("\"{REGISTRY_HOSTS}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nodes_have_is_taken_as_a_patch_of_containerd() {
        assert_eq!(REGISTRY_HOSTS, crate::node::paths::REGISTRY_HOSTS);
        let (table, setting) =
            (r#"[plugins."io.containerd.grpc.v1.cri".registry]"#, format!("config_path = \"{REGISTRY_HOSTS}\""));
        assert!(is_set_anyway(&format!("{table}\n  {setting}")));
        assert!(is_set_anyway(&format!("# mirrors\n\n{table}\n\t{}\n", setting.replace(' ', ""))));
        for other in [
            String::new(),
            table.into(),
            setting.clone(),
            format!("{setting}\n{table}"),
            format!("{table}\n{setting}\n{setting}"),
            format!("{table}\nconfig_path = \"/etc/certs.d\""),
            format!("{table}\n{setting}\n[plugins.\"io.containerd.grpc.v1.cri\".registry.headers]"),
            format!("[plugins.\"io.containerd.grpc.v1.cri\".registry.mirrors]\n{setting}"),
        ] {
            assert!(!is_set_anyway(&other), "{other}");
        }
    }
}
