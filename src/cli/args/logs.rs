//! Flags of `logs`.

use clap::Args;

use super::OneCluster;

/// Flags of `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Only this node
    pub node: Option<String>,
    /// Only this component, such as kubelet or kube-apiserver
    #[arg(short, long)]
    pub component: Option<String>,
    /// How many lines of each log
    #[arg(long, default_value_t = 50, value_name = "LINES")]
    pub tail: u32,
    /// Go on printing new lines
    #[arg(short, long)]
    pub follow: bool,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
}
