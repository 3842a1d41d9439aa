//! Flags of the verbs that stop and start clusters, and of those that look after their certificates.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Named;

/// Which clusters a verb is about
#[derive(Debug, Clone, Args)]
pub struct Chosen {
    /// The clusters' names
    #[arg(value_name = "NAME", value_parser = super::cluster_name)]
    pub names: Vec<String>,
    /// The cluster's name
    #[arg(short, long, help = super::NAME, value_parser = super::cluster_name, conflicts_with = "all")]
    pub name: Option<String>,
    /// Every cluster
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub all: bool,
    /// Print the whole plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `stop` and `pause`
#[derive(Debug, Clone, Args)]
pub struct Halt {
    /// Which
    #[command(flatten)]
    pub chosen: Chosen,
}

/// Flags of `start`, `restart` and `unpause`
#[derive(Debug, Clone, Args)]
pub struct Resume {
    /// Which
    #[command(flatten)]
    pub chosen: Chosen,
    /// How long to wait until the cluster is usable; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = super::wait)]
    pub wait: Duration,
    /// Which kubeconfig
    #[command(flatten)]
    pub refresh: Refresh,
}

/// The kubeconfig whose entry is brought up to date
#[derive(Debug, Clone, Args)]
pub struct Refresh {
    /// The kubeconfig file to bring up to date, instead of those in $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", conflicts_with = "no_kubeconfig")]
    pub kubeconfig: Option<PathBuf>,
    /// Do not touch any kubeconfig
    #[arg(long)]
    pub no_kubeconfig: bool,
    /// Break another program's lock on the kubeconfig when it is older than a minute
    #[arg(long)]
    pub break_lock: bool,
}

/// Verbs of `certs`
#[derive(Debug, Subcommand)]
pub enum Certs {
    /// Show every certificate of every node; fails if one is broken or ends within 30 days
    Check {
        /// Which cluster
        #[command(flatten)]
        cluster: Named,
    },
    /// Make all certificates anew from the cluster's own authorities, with new keys
    Renew(Resume),
}
