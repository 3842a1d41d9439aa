//! What a person may type behind `knarr load`.

use std::path::PathBuf;

use clap::Subcommand;

use super::OneCluster;

/// Nouns of `load`
#[derive(Debug, Subcommand)]
pub enum Load {
    /// Load images from the host's Docker
    DockerImage {
        /// The images
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Only into these nodes
        #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
        nodes: Vec<String>,
    },
    /// Load images from an archive that `docker save` wrote
    ImageArchive {
        /// The archive, or - for stdin
        file: PathBuf,
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Only into these nodes
        #[arg(long, value_delimiter = ',', value_name = "NODE,…")]
        nodes: Vec<String>,
    },
}
