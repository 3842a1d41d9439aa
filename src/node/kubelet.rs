//! The kubelet: its command line and its configuration.

use knarr_contract::{Component, Gate};
use serde_json::{Value, json};

use super::components::{component, http};
use super::flags::{Flags, map_value};
use super::labels::{kubelet_labels, taints};
use super::paths::{
    CA, CONTAINERD_SOCKET, KUBELET_CGROUP, KUBELET_CONF, KUBELET_CONFIG, KUBELET_DROP_INS, KUBELET_HEALTH_PORT,
    KUBELET_PKI, POD_RESOLV_CONF, program,
};
use crate::plan::layout::{Layout, NodeLayout};
use crate::spec::{ExtraArgsTarget, ProxyMode};

/// The kubelet of one node. It exits when containerd's socket is not there, and sleeps a second before it first looks
/// for pods: the sooner it starts, the better.
pub(super) fn kubelet(layout: &Layout, node: &NodeLayout) -> Component {
    let flags = Flags::new(program("kubelet"))
        .set("config", KUBELET_CONFIG)
        .set("config-dir", KUBELET_DROP_INS)
        .set("kubeconfig", KUBELET_CONF)
        .set("hostname-override", &node.spec.name)
        .set("node-ip", node.address)
        .set_some("node-labels", map_value(&kubelet_labels(node)))
        .merged(layout, ExtraArgsTarget::Kubelet);
    Component {
        start_when: vec![Gate::UnixSocket { path: CONTAINERD_SOCKET.into() }],
        ready_when: Some(http(format!("http://127.0.0.1:{KUBELET_HEALTH_PORT}/healthz"))),
        ..component("kubelet", flags)
    }
}

/// The kubelet's configuration. What depends on the host (cgroup version, missing capabilities) is added by
/// `knarr-node` in a drop-in, which wins over this.
pub(super) fn kubelet_config(layout: &Layout, node: &NodeLayout) -> Value {
    let taints: Vec<Value> = taints(node)
        .iter()
        .map(|taint| json!({"key": taint.key, "value": taint.value, "effect": taint.effect}))
        .collect();
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",

        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": CA},
        },
        "authorization": {"mode": "Webhook"},
        "readOnlyPort": 0,
        "tlsCertFile": format!("{KUBELET_PKI}/kubelet.crt"),
        "tlsPrivateKeyFile": format!("{KUBELET_PKI}/kubelet.key"),
        "tlsMinVersion": "VersionTLS13",
        // The client certificate is renewed by the kubelet; the serving one is knarr's, since nobody approves requests
        // for those.
        "rotateCertificates": true,
        "serverTLSBootstrap": false,
        "healthzBindAddress": "127.0.0.1",
        "healthzPort": KUBELET_HEALTH_PORT,
        "enableProfilingHandler": false,
        "enableDebugFlagsHandler": false,
        "seccompDefault": true,
        "podPidsLimit": 4096,

        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "providerID": format!("knarr://{}/{}", layout.name(), node.spec.name),
        "registerWithTaints": taints,
        "clusterDNS": [layout.dns_service_address()],
        "clusterDomain": layout.spec.networking.dns_domain.as_str(),
        "resolvConf": POD_RESOLV_CONF,
        // Without systemd there is no other driver, and only this subtree is the node's to manage.
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": KUBELET_CGROUP,
        "protectKernelDefaults": false,
        // The kubelet sees the memory and disks of the host: full or swapping, they say nothing about this node.
        "failSwapOn": false,
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"imagefs.available": "0%", "nodefs.available": "0%", "nodefs.inodesFree": "0%"},
        "serializeImagePulls": false,
        // The chains only tell which iptables a node uses; where nothing else uses iptables there is nothing to tell.
        "makeIPTablesUtilChains": layout.spec.networking.proxy_mode == ProxyMode::Iptables,
        "featureGates": layout.spec.feature_gates,
    })
}
