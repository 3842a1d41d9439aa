//! What a person may type behind `knarr addons`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::OneCluster;
use crate::spec::values;

/// Verbs of `addons`
#[derive(Debug, Subcommand)]
pub enum Addons {
    /// List the addons with their state, version and memory
    #[command(alias = "ls")]
    List {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
    },
    /// Switch addons on, or apply them anew, and wait until they are ready
    Enable(Enable),
    /// Switch addons off: delete everything that belongs to them
    Disable(Disable),
}

/// Flags of `addons enable`
#[derive(Debug, Args)]
pub struct Enable {
    /// The addons
    #[arg(required = true, value_name = "ADDON")]
    pub addons: Vec<String>,
    /// Set something about them; what is not named stays as it is
    #[arg(long = "set", value_name = "SETTING=BOOL")]
    pub settings: Vec<String>,
    /// How long to wait until they are ready
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = values::parse_wait)]
    pub wait: Duration,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
}

/// Flags of `addons disable`
#[derive(Debug, Args)]
pub struct Disable {
    /// The addons
    #[arg(required = true, value_name = "ADDON")]
    pub addons: Vec<String>,
    /// Even if other objects depend on them
    #[arg(long)]
    pub force: bool,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
}
