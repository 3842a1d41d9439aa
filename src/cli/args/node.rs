//! Flags of the verbs that change which nodes a living cluster has.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::lifecycle::Refresh;
use super::{Named, OneCluster};

/// Verbs of `node`
#[derive(Debug, Subcommand)]
pub enum Node {
    /// Add nodes to a living cluster
    Add(Add),
    /// Move the pods of nodes elsewhere and remove them
    #[command(alias = "remove", alias = "rm")]
    Delete(Delete),
    /// List the nodes
    #[command(alias = "ls")]
    List {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Those of every cluster
        #[arg(short = 'A', long)]
        all: bool,
    },
}

/// Flags of `node add`
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
    /// Add control planes instead of workers
    #[arg(long)]
    pub control_plane: bool,
    /// How many
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub count: u32,
    /// How it is done
    #[command(flatten)]
    pub manner: Manner,
}

/// Flags of `node delete`
#[derive(Debug, Clone, Args)]
pub struct Delete {
    /// The nodes
    #[arg(value_name = "NODE", required = true)]
    pub nodes: Vec<String>,
    /// Which cluster; unless told, also by $KNARR_CLUSTER, the one that has the nodes
    #[arg(short, long, value_parser = super::cluster_name)]
    pub name: Option<String>,
    /// Give up pods that nobody makes anew, and data that lies on these nodes only
    #[arg(long)]
    pub force: bool,
    /// How it is done
    #[command(flatten)]
    pub manner: Manner,
}

/// Flags of `repair`
#[derive(Debug, Clone, Args)]
pub struct Repair {
    /// Which cluster
    #[command(flatten)]
    pub cluster: Named,
    /// How it is done
    #[command(flatten)]
    pub manner: Manner,
}

/// How a living cluster is changed
#[derive(Debug, Clone, Args)]
pub struct Manner {
    /// How long to wait until the cluster is usable; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = super::wait)]
    pub wait: Duration,
    /// Print the whole plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Which kubeconfig
    #[command(flatten)]
    pub refresh: Refresh,
}
