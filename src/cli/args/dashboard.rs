//! What may be typed after `knarr dashboard`.

use clap::Args;

use super::OneCluster;

/// Flags of `dashboard`
#[derive(Debug, Args)]
pub struct Dashboard {
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
    /// The port on 127.0.0.1; unless told, a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Only print the address, open no browser
    #[arg(long)]
    pub no_open: bool,
}
