//! The names a node is made of: image names, folders, files, ports. Each stands here once.

pub use knarr_contract::{CONTAINERD_DROP_INS, KUBELET_CGROUP, KUBELET_DROP_INS, POD_RESOLV_CONF};

/// The image of the pause container, as the node image preloads it.
pub const PAUSE_IMAGE: &str = "knarr.dev/pause:v1";
/// The image of CoreDNS, as the node image preloads it.
pub const COREDNS_IMAGE: &str = "knarr.dev/coredns:v1.14.7";

/// Where the node image has its programs.
pub const PROGRAMS: &str = "/usr/bin";
/// Where the node image has its CNI plugins.
pub const CNI_PLUGINS: &str = "/opt/cni/bin";
/// The node image's own certificate authorities: a folder with the whole set.
pub const SYSTEM_TRUST: &str = "/etc/ssl/certs";

/// Where containerd answers.
pub const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";
/// containerd's configuration.
pub const CONTAINERD_CONFIG: &str = "/etc/containerd/config.toml";
/// How each registry is reached: `<host>/hosts.toml`.
pub const REGISTRY_HOSTS: &str = "/etc/containerd/certs.d";
/// Where CNI configurations stand.
pub const CNI_CONFIG_DIR: &str = "/etc/cni/net.d";
/// The node's CNI configuration.
pub const CNI_CONFIG: &str = "/etc/cni/net.d/10-knarr.conflist";
/// Which pod has which address; on a tmpfs, because no pod sandbox survives a restart of the node.
pub const CNI_LEASES: &str = "/run/knarr/cni";
/// The host's certificate authorities, for pulling through an intercepting proxy.
pub const HOST_CA: &str = "/etc/knarr/host-ca.pem";

/// The [layout](crate::plan::layout::Layout) of the cluster, in every node: how a cluster remembers itself.
pub const CLUSTER_FILE: &str = "/var/lib/knarr/cluster.json";
/// haproxy.
pub const HAPROXY: &str = "/usr/sbin/haproxy";
/// Its configuration, where several API servers are balanced.
pub const BALANCER_CONFIG: &str = "/etc/knarr/haproxy.cfg";
/// The port on which it tells its health, on the loopback.
pub const BALANCER_HEALTH_PORT: u16 = 6444;

/// Everything of Kubernetes on a node: on its volume, so that a lost container can be made anew around it.
pub const KUBERNETES: &str = "/var/lib/knarr/kubernetes";
/// Where people look for it: a link.
pub const KUBERNETES_LINK: &str = "/etc/kubernetes";
/// Certificates and keys.
pub const PKI: &str = "/var/lib/knarr/kubernetes/pki";
/// The key of Secrets at rest.
pub const ENCRYPTION_CONFIG: &str = "/var/lib/knarr/kubernetes/enc/encryption.yaml";
/// Who may be anonymous.
pub const AUTHENTICATION_CONFIG: &str = "/var/lib/knarr/kubernetes/authentication.yaml";
/// What is written to the audit log.
pub const AUDIT_POLICY: &str = "/var/lib/knarr/kubernetes/audit-policy.yaml";
/// The audit log.
pub const AUDIT_LOG: &str = "/var/log/kubernetes/audit.log";
/// The kubelet's configuration.
pub const KUBELET_CONFIG: &str = "/var/lib/knarr/kubernetes/kubelet.yaml";
/// Client configuration for `kubectl` inside a control plane.
pub const ADMIN_CONF: &str = "/var/lib/knarr/kubernetes/admin.conf";
/// The controller manager's client configuration.
pub const CONTROLLER_MANAGER_CONF: &str = "/var/lib/knarr/kubernetes/controller-manager.conf";
/// The scheduler's client configuration.
pub const SCHEDULER_CONF: &str = "/var/lib/knarr/kubernetes/scheduler.conf";
/// The kubelet's client configuration.
pub const KUBELET_CONF: &str = "/var/lib/knarr/kubernetes/kubelet.conf";
/// kube-proxy's client configuration.
pub const KUBE_PROXY_CONF: &str = "/var/lib/knarr/kubernetes/kube-proxy.conf";

/// The cluster's certificate authority.
pub const CA: &str = "/var/lib/knarr/kubernetes/pki/ca.crt";
/// Its key.
pub const CA_KEY: &str = "/var/lib/knarr/kubernetes/pki/ca.key";
/// The certificate authority of aggregated API servers' clients.
pub const FRONT_PROXY_CA: &str = "/var/lib/knarr/kubernetes/pki/front-proxy-ca.crt";
/// etcd's certificate authority.
pub const ETCD_CA: &str = "/var/lib/knarr/kubernetes/pki/etcd/ca.crt";
/// The key that signs service-account tokens.
pub const SERVICE_ACCOUNT_KEY: &str = "/var/lib/knarr/kubernetes/pki/sa.key";
/// The key that verifies them.
pub const SERVICE_ACCOUNT_PUBLIC_KEY: &str = "/var/lib/knarr/kubernetes/pki/sa.pub";
/// The controller manager's client certificate and key.
pub const CONTROLLER_MANAGER_PEM: &str = "/var/lib/knarr/kubernetes/pki/controller-manager.pem";
/// The scheduler's client certificate and key.
pub const SCHEDULER_PEM: &str = "/var/lib/knarr/kubernetes/pki/scheduler.pem";
/// kube-proxy's client certificate and key.
pub const KUBE_PROXY_PEM: &str = "/var/lib/knarr/kubernetes/pki/kube-proxy.pem";
/// The client certificate and key of `kubectl` inside a control plane.
pub const ADMIN_PEM: &str = "/var/lib/knarr/kubernetes/pki/admin.pem";

/// The kubelet's certificates; it writes here what it rotates.
pub const KUBELET_PKI: &str = "/var/lib/kubelet/pki";
/// The kubelet's client certificate and key as knarr made them.
pub const KUBELET_CLIENT_ISSUED: &str = "/var/lib/kubelet/pki/kubelet-client-issued.pem";
/// A link to the newest one. It must be a link: the kubelet refuses to rotate when it finds a file here.
pub const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
/// etcd's data.
pub const ETCD_DATA: &str = "/var/lib/etcd";

/// The port of etcd's clients.
pub const ETCD_CLIENT_PORT: u16 = 2379;
/// The port of etcd's peers.
pub const ETCD_PEER_PORT: u16 = 2380;
/// The port of etcd's health and metrics, on the loopback without TLS.
pub const ETCD_METRICS_PORT: u16 = 2381;
/// The port of the kubelet's health, on the loopback.
pub const KUBELET_HEALTH_PORT: u16 = 10248;
/// The port of kube-proxy's metrics, on the loopback.
pub const KUBE_PROXY_METRICS_PORT: u16 = 10249;
/// The port of kube-proxy's health, on the node's address for external load balancers.
pub const KUBE_PROXY_HEALTH_PORT: u16 = 10256;
/// The port of the controller manager's health, on the loopback.
pub const CONTROLLER_MANAGER_PORT: u16 = 10257;
/// The port of the scheduler's health, on the loopback.
pub const SCHEDULER_PORT: u16 = 10259;

/// The absolute path of a program of the node image.
pub fn program(name: &str) -> String {
    format!("{PROGRAMS}/{name}")
}

/// The certificate (`crt`) or key (`key`) of a pair that is named by its stem below [`PKI`].
pub fn pki(stem: &str, extension: &str) -> String {
    format!("{PKI}/{stem}.{extension}")
}
