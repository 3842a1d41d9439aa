//! What a person may type behind `knarr image`.

use clap::Subcommand;

/// Verbs of `image`
#[derive(Debug, Subcommand)]
pub enum Image {
    /// Build the node image from source
    Build {
        /// The Kubernetes version
        #[arg(long, value_name = "VERSION")]
        kubernetes: Option<String>,
        /// The platform, such as linux/arm64; unless told, the Docker host's
        #[arg(long, value_name = "PLATFORM")]
        platform: Option<String>,
        /// Install the tool that bootstraps Debian, if it is needed and missing
        #[arg(long)]
        fix: bool,
    },
    /// List node images
    #[command(name = "ls", alias = "list")]
    List,
    /// Remove node images
    #[command(name = "rm", alias = "remove")]
    Remove {
        /// The images
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
        /// Even when a stopped container uses it
        #[arg(long)]
        force: bool,
    },
}
