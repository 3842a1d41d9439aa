//! Flags of `up`.

use std::time::Duration;

use clap::Args;

use super::KubeconfigTarget;
use crate::spec::values;

/// Flags of `up`
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// The cluster's name
    #[arg(short, long, help = super::NAME, value_parser = super::cluster_name)]
    pub name: Option<String>,
    /// How many workers beside the control plane
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub workers: u32,
    /// Mend what is missing on this machine, Docker Engine among it, and say what was done
    #[arg(long)]
    pub fix: bool,
    /// How long a new cluster may live, such as 2h; afterwards `knarr gc` and every later creation remove it
    #[arg(long, value_name = "DURATION", value_parser = values::parse_ttl)]
    pub ttl: Option<Duration>,
    /// How long to wait until the cluster is usable
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::parse_wait)]
    pub wait: Duration,
    /// Where the kubeconfig goes
    #[command(flatten)]
    pub target: KubeconfigTarget,
}
