//! What may be typed after `knarr get urls` and `knarr tunnel`.

use clap::Args;

/// The cluster that a command is about, where `-n` names a namespace as it does for kubectl
#[derive(Debug, Clone, Args)]
pub struct InCluster {
    /// The cluster's name
    #[arg(long, help = super::NAME, value_parser = super::cluster_name)]
    pub name: Option<String>,
    /// Only this namespace; all of them unless told
    #[arg(short, long)]
    pub namespace: Option<String>,
}

/// Flags of `tunnel`
#[derive(Debug, Args)]
pub struct Tunnel {
    /// The Services, as NAME or NAMESPACE/NAME; all of type LoadBalancer unless told
    #[arg(value_name = "SERVICE")]
    pub services: Vec<String>,
    /// Where they are
    #[command(flatten)]
    pub cluster: InCluster,
}
