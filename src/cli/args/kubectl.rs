//! What a person may type behind `knarr kubectl`.

use clap::Args;

/// Flags of `kubectl`
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Kubectl {
    /// The cluster's name; before kubectl's own arguments
    #[arg(long, env = "KNARR_CLUSTER", default_value = crate::config::DEFAULT_NAME)]
    pub name: String,
    /// kubectl's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<String>,
}
