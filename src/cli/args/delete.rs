//! Flags of `delete`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Nouns of `delete`
#[derive(Debug, Subcommand)]
pub enum DeleteWhat {
    /// Delete clusters and everything that belongs to them
    #[command(alias = "clusters")]
    Cluster(DeleteCluster),
}

/// Flags of `delete`
#[derive(Debug, Clone, Args)]
pub struct DeleteCluster {
    /// The clusters' names
    #[arg(value_name = "NAME", value_parser = super::cluster_name)]
    pub names: Vec<String>,
    /// The cluster's name
    #[arg(short, long, help = super::NAME, value_parser = super::cluster_name, conflicts_with = "all")]
    pub name: Option<String>,
    /// Delete every cluster
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub all: bool,
    /// The kubeconfig file to clean, beside those in $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Break another program's lock on the kubeconfig when it is older than a minute
    #[arg(long)]
    pub break_lock: bool,
}
