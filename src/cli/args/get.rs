//! What a person may type behind `knarr get`.

use clap::Subcommand;

use super::{InCluster, OneCluster};

/// Nouns of `get`
#[derive(Debug, Subcommand)]
pub enum Get {
    /// List clusters
    #[command(alias = "cluster")]
    Clusters,
    /// List the nodes of a cluster
    #[command(alias = "node")]
    Nodes {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Of every cluster
        #[arg(short = 'A', long)]
        all: bool,
    },
    /// Print the addresses of Services and Ingresses that can be used from here
    #[command(alias = "url")]
    Urls(InCluster),
    /// Print the config file that a living cluster is like, to change it and give it to `knarr apply`
    Config(OneCluster),
    /// Print a kubeconfig on stdout
    Kubeconfig {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// With the address that containers on the cluster's network use
        #[arg(long)]
        internal: bool,
    },
}
