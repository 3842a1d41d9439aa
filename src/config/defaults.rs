//! What a config that says nothing means. The only place for defaults of the config file.

/// The cluster's name.
pub const NAME: &str = "knarr";
/// The environment variable that names the cluster where nothing else does.
pub const CLUSTER_VARIABLE: &str = "KNARR_CLUSTER";
/// How many control planes there are.
pub const CONTROL_PLANES: u32 = 1;
/// How many workers there are.
pub const WORKERS: u32 = 0;
/// The host's address at which the API and the ports of nodes are published.
pub const HOST_ADDRESS: &str = "127.0.0.1";
/// The addresses of pods.
pub const POD_SUBNET: &str = "10.244.0.0/16";
/// The addresses of Services.
pub const SERVICE_SUBNET: &str = "10.96.0.0/16";
/// The DNS suffix of the cluster.
pub const DNS_DOMAIN: &str = "cluster.local";
