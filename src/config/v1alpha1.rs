//! The config file as users write it: `apiVersion: knarr.dev/v1alpha1`, `kind: Cluster`.
//!
//! Wire types only. Whatever has a meaning (roles, subnets, ports, effects) is text or a number here and is parsed by
//! `validate`, so that all problems come at once; the doc comments are the descriptions in the JSON Schema.

mod addons;

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::addons::{Addons, Switch};

/// The `apiVersion` of this format.
pub const API_VERSION: &str = "knarr.dev/v1alpha1";
/// Its `kind`.
pub const KIND: &str = "Cluster";

/// A Kubernetes cluster made of Docker containers by knarr.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a cluster")]
pub struct Cluster {
    /// The version of this format: `knarr.dev/v1alpha1`.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: String,
    /// What this file describes: `Cluster`.
    #[schemars(extend("const" = KIND))]
    pub kind: String,
    /// The cluster's name, 1 to 32 lower-case letters, digits and `-`; default `knarr`. The flag `--name` wins.
    pub name: Option<String>,
    /// The node image of all nodes; default: the one made for this version of knarr.
    pub image: Option<String>,
    /// The nodes; default: one control plane.
    pub nodes: Vec<Node>,
    /// Addresses, ports and proxying.
    pub networking: Networking,
    /// Kubernetes feature gates, passed to every component that takes them.
    pub feature_gates: BTreeMap<String, bool>,
    /// API versions switched on or off, such as `api/all: true`.
    pub runtime_config: BTreeMap<String, Text>,
    /// Further flags of the components, without their dashes. Flags that knarr depends on are refused.
    pub extra_args: ExtraArgs,
    /// Whether the API server writes an audit log; default false.
    pub audit: bool,
    /// What runs beside Kubernetes itself: addons switched on or off, or a list of those to switch on beside the defaults.
    pub addons: Addons,
    /// Container registries that nodes do not reach as their names say: by mirrors, or without verifying certificates.
    pub registries: Vec<Registry>,
    /// Manifests applied once the cluster is usable: files and folders; relative paths start at the folder of this file.
    pub manifests: Vec<String>,
    /// How long the cluster may live, such as `2h`; afterwards `knarr gc` and every creation remove it. Default: for ever.
    pub ttl: Option<String>,
}

/// One node, or `count` equal ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a node")]
pub struct Node {
    /// What the node is for: `control-plane` or `worker`.
    #[schemars(extend("enum" = ["control-plane", "worker"]))]
    pub role: Option<String>,
    /// How many nodes like this one; default 1.
    #[schemars(range(min = 1, max = 50))]
    pub count: Option<i64>,
    /// The node image of this node, where it differs from the cluster's.
    pub image: Option<String>,
    /// Labels of the Node object.
    pub labels: BTreeMap<String, String>,
    /// Taints of the Node object; default: a control plane is tainted when there are workers. `[]` means none.
    pub taints: Option<Vec<Taint>>,
    /// How many CPUs the node may use, such as `2`, `1.5` or `500m`; default: all of Docker's. The flag `--cpus` wins.
    pub cpus: Option<Text>,
    /// How much memory the node may use, such as `2Gi` or `512m` (powers of 1024); default: all of Docker's. The flag
    /// `--memory` wins.
    pub memory: Option<Text>,
    /// Folders and files of the host seen in the node.
    pub extra_mounts: Vec<Mount>,
    /// Ports of the node published on the host.
    pub ports: Vec<Port>,
}

/// A taint of a Node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a taint")]
pub struct Taint {
    /// Its key.
    pub key: Option<String>,
    /// Its value; default none.
    pub value: Option<String>,
    /// What it does to pods that do not tolerate it.
    #[schemars(extend("enum" = ["NoSchedule", "PreferNoSchedule", "NoExecute"]))]
    pub effect: Option<String>,
}

/// A folder or file of the host seen in a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a mount")]
pub struct Mount {
    /// The path on the host, which must exist; a relative one starts at the folder of this file.
    pub host_path: Option<String>,
    /// The absolute path in the node.
    pub container_path: Option<String>,
    /// Whether the node may only read; default false.
    pub read_only: bool,
    /// How mounts below it spread; default `None`.
    #[schemars(extend("enum" = ["None", "HostToContainer", "Bidirectional"]))]
    pub propagation: Option<String>,
    /// Whether Docker relabels it for SELinux; default false.
    pub selinux_relabel: bool,
}

/// A port of a node published on the host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a port")]
pub struct Port {
    /// The host's address; default 127.0.0.1.
    pub host_address: Option<String>,
    /// The host's port; default: knarr chooses a free one and keeps it.
    #[schemars(range(min = 0, max = 65535))]
    pub host_port: Option<i64>,
    /// The node's port.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: Option<i64>,
    /// `TCP` (default), `UDP` or `SCTP`.
    #[schemars(extend("enum" = ["TCP", "UDP", "SCTP"]))]
    pub protocol: Option<String>,
}

/// How nodes reach one container registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes a registry")]
pub struct Registry {
    /// The registry as image names have it, such as `docker.io` or `registry.example.com:5000`; `*` is every other.
    pub host: Option<String>,
    /// Where to ask, in this order, before the registry itself is asked: URLs that begin with `http://` or `https://`. A path
    /// that begins with `/v2/` is where the registry's API begins, as in `https://harbor.example.com/v2/dockerhub-proxy`;
    /// after any other, `/v2` is added.
    pub mirrors: Vec<String>,
    /// Whether any certificate will do, of the mirrors and of the registry; default false.
    pub skip_verify: bool,
}

/// Addresses, ports and proxying of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping that describes the network")]
pub struct Networking {
    /// The address family; only `ipv4` for now.
    #[schemars(extend("enum" = ["ipv4"]))]
    pub ip_family: Option<String>,
    /// The host's address at which the API is published; default 127.0.0.1.
    pub api_server_address: Option<String>,
    /// The host's port of the API; default: knarr chooses a free one and keeps it.
    #[schemars(range(min = 0, max = 65535))]
    pub api_server_port: Option<i64>,
    /// The subnet of the nodes' Docker network; default: knarr chooses a free one.
    pub node_subnet: Option<String>,
    /// The addresses of all pods, each node gets a /24 of it; default 10.244.0.0/16.
    pub pod_subnet: Option<String>,
    /// The addresses of Services; default 10.96.0.0/16.
    pub service_subnet: Option<String>,
    /// The DNS suffix of the cluster; default cluster.local.
    pub dns_domain: Option<String>,
    /// How kube-proxy programs the kernel; default nftables.
    #[schemars(extend("enum" = ["nftables", "iptables"]))]
    pub proxy_mode: Option<String>,
    /// Further names and addresses in the API server's certificate.
    pub extra_sans: Vec<String>,
}

/// Flags per component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields, expecting = "a mapping from component to flags")]
pub struct ExtraArgs {
    /// Flags of kube-apiserver.
    pub api_server: BTreeMap<String, Text>,
    /// Flags of kube-controller-manager.
    pub controller_manager: BTreeMap<String, Text>,
    /// Flags of kube-scheduler.
    pub scheduler: BTreeMap<String, Text>,
    /// Flags of etcd.
    pub etcd: BTreeMap<String, Text>,
    /// Flags of kubelet.
    pub kubelet: BTreeMap<String, Text>,
    /// Flags of kube-proxy.
    pub kube_proxy: BTreeMap<String, Text>,
}

/// A text that may be written without quotes even if it looks like a number or a boolean: flags' values do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub String);

impl JsonSchema for Text {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}
