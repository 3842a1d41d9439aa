//! Flags of `status`.

use clap::Args;

use super::Named;

/// Flags of `status`
#[derive(Debug, Args)]
pub struct Status {
    /// Which cluster
    #[command(flatten)]
    pub cluster: Named,
    /// Go on, and print every change until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}
