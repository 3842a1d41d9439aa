//! Flags of `gc`.

use std::path::PathBuf;

use clap::Args;

/// Flags of `gc`
#[derive(Debug, Clone, Args)]
#[command(
    after_long_help = "Removed are clusters that outlived their `--ttl`, and, once they are an hour old: creations \
that were killed before a control plane ran, and volumes and networks of clusters that have no container any more. \
Kubeconfig entries go when they were made on this Docker and their cluster is not there any more. Whatever else looks \
unused is told and kept; a cluster without a `--ttl` that ever ran is never removed."
)]
pub struct Gc {
    /// Print what would be removed and why, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The kubeconfig file to clean, instead of those in $KUBECONFIG or ~/.kube/config; - for none
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Break another program's lock on the kubeconfig when it is older than a minute
    #[arg(long)]
    pub break_lock: bool,
}
