//! What a person may type behind `knarr kubectl`.

use clap::Args;

/// Flags of `kubectl`
#[derive(Debug, Args)]
#[command(
    disable_version_flag = true,
    after_help = "kubectl's own help: `knarr kubectl help`, `knarr kubectl get --help`"
)]
pub struct Kubectl {
    /// The cluster's name
    #[arg(long, help = super::NAME, value_parser = super::cluster_name)]
    pub name: Option<String>,
    /// kubectl's arguments; whatever stands behind the first of them is kubectl's
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<String>,
}
