//! The kinds of objects that knarr asks for, each once.

/// A kind of object: its API group (empty for the core group), version and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The API group.
    pub group: &'static str,
    /// The version.
    pub version: &'static str,
    /// The name, such as `Pod`.
    pub kind: &'static str,
}

const fn kind(group: &'static str, version: &'static str, kind: &'static str) -> Kind {
    Kind { group, version, kind }
}

/// Pods.
pub const POD: Kind = kind("", "v1", "Pod");
/// Nodes.
pub const NODE: Kind = kind("", "v1", "Node");
/// Services.
pub const SERVICE: Kind = kind("", "v1", "Service");
/// Events.
pub const EVENT: Kind = kind("", "v1", "Event");
/// Namespaces.
pub const NAMESPACE: Kind = kind("", "v1", "Namespace");
/// ConfigMaps.
pub const CONFIG_MAP: Kind = kind("", "v1", "ConfigMap");
/// Secrets.
pub const SECRET: Kind = kind("", "v1", "Secret");
/// ServiceAccounts.
pub const SERVICE_ACCOUNT: Kind = kind("", "v1", "ServiceAccount");
/// ResourceQuotas.
pub const RESOURCE_QUOTA: Kind = kind("", "v1", "ResourceQuota");
/// LimitRanges.
pub const LIMIT_RANGE: Kind = kind("", "v1", "LimitRange");
/// PersistentVolumeClaims.
pub const CLAIM: Kind = kind("", "v1", "PersistentVolumeClaim");
/// PersistentVolumes.
pub const VOLUME: Kind = kind("", "v1", "PersistentVolume");
/// Deployments.
pub const DEPLOYMENT: Kind = kind("apps", "v1", "Deployment");
/// ReplicaSets.
pub const REPLICA_SET: Kind = kind("apps", "v1", "ReplicaSet");
/// StatefulSets.
pub const STATEFUL_SET: Kind = kind("apps", "v1", "StatefulSet");
/// DaemonSets.
pub const DAEMON_SET: Kind = kind("apps", "v1", "DaemonSet");
/// Jobs.
pub const JOB: Kind = kind("batch", "v1", "Job");
/// Ingresses.
pub const INGRESS: Kind = kind("networking.k8s.io", "v1", "Ingress");
/// IngressClasses.
pub const INGRESS_CLASS: Kind = kind("networking.k8s.io", "v1", "IngressClass");
/// NetworkPolicies.
pub const NETWORK_POLICY: Kind = kind("networking.k8s.io", "v1", "NetworkPolicy");
/// EndpointSlices.
pub const ENDPOINT_SLICE: Kind = kind("discovery.k8s.io", "v1", "EndpointSlice");
/// StorageClasses.
pub const STORAGE_CLASS: Kind = kind("storage.k8s.io", "v1", "StorageClass");
/// HorizontalPodAutoscalers.
pub const AUTOSCALER: Kind = kind("autoscaling", "v2", "HorizontalPodAutoscaler");
/// What metrics-server says of Pods.
pub const POD_METRICS: Kind = kind("metrics.k8s.io", "v1beta1", "PodMetrics");
/// What aggregated API servers are registered by.
pub const API_SERVICE: Kind = kind("apiregistration.k8s.io", "v1", "APIService");
/// What defines kinds of the user's own.
pub const CUSTOM_RESOURCE_DEFINITION: Kind = kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
