//! The small documents of a node: client configurations, CNI, authentication, audit. JSON, which is YAML too.

use serde_json::{Value, json};

use super::paths::{CA, CNI_LEASES};
use crate::plan::layout::{Layout, NodeLayout};
use crate::spec::ProxyMode;

/// A document as text, one value per line so that a difference can be read.
pub(super) fn text(document: &Value) -> String {
    format!("{document:#}\n")
}

/// A client configuration inside a node. It names the file with certificate and key instead of holding them: nothing
/// in it is secret, and a renewed certificate is picked up without a restart.
pub(super) fn kubeconfig(cluster: &str, user: &str, server: &str, certificate: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority": CA}}],
        "users": [{"name": user, "user": {"client-certificate": certificate, "client-key": certificate}}],
        "contexts": [{"name": user, "context": {"cluster": cluster, "user": user}}],
        "current-context": user,
    })
}

/// Pods get a veth pair and a route, addresses of this node's range, and their host ports. `knarr-node` routes and
/// masquerades between nodes.
pub(super) fn cni(layout: &Layout, node: &NodeLayout) -> Value {
    let backend = match layout.spec.networking.proxy_mode {
        ProxyMode::Nftables => "nftables",
        ProxyMode::Iptables => "iptables",
    };
    json!({
        "cniVersion": "1.0.0",
        "name": "knarr",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": CNI_LEASES,
                    "ranges": [[{"subnet": node.pod_cidr}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "backend": backend, "capabilities": {"portMappings": true}},
        ],
    })
}

/// Nobody is anonymous but who asks whether the server lives.
pub(super) fn authentication() -> Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": true,
            "conditions": [{"path": "/livez"}, {"path": "/readyz"}, {"path": "/healthz"}],
        },
    })
}

/// Who did what, never with which content: a body may hold a Secret or a token.
pub(super) fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/version"]},
            {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
            {
                "level": "None",
                "resources": [
                    {"group": "", "resources": ["events"]},
                    {"group": "events.k8s.io", "resources": ["events"]},
                ],
            },
            {"level": "Metadata"},
        ],
    })
}
