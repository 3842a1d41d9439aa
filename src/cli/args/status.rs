//! Flags of `status`.

use clap::Args;

/// Flags of `status`
#[derive(Debug, Args)]
pub struct Status {
    /// The cluster's name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    pub positional_name: Option<String>,
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER")]
    pub name: Option<String>,
    /// Go on, and print every change until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}
