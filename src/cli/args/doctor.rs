//! Flags of `doctor`.

use clap::Args;

/// Flags of `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run the fixes that are safe
    #[arg(long)]
    pub fix: bool,
}
