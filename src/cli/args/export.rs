//! What a person may type behind `knarr export`.

use std::path::PathBuf;

use clap::Subcommand;

use super::{KubeconfigTarget, OneCluster};

/// Nouns of `export`
#[derive(Debug, Subcommand)]
pub enum Export {
    /// Write all logs of a cluster into a folder; no key is among them
    Logs {
        /// The folder
        folder: PathBuf,
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
    },
    /// Write or repair the kubeconfig entry of a cluster
    Kubeconfig {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Where it goes
        #[command(flatten)]
        target: KubeconfigTarget,
        /// With the address that containers on the cluster's network use
        #[arg(long)]
        internal: bool,
    },
}
