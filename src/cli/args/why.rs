//! What may be typed after `knarr why`.

use clap::Args;

/// Flags of `why`
#[derive(Debug, Args)]
pub struct Why {
    /// What is asked about: KIND/NAME, KIND NAME, NAME or KIND, kinds and short names as kubectl has them
    #[arg(value_name = "OBJECT", num_args = 0..=2)]
    pub object: Vec<String>,
    /// The namespace
    #[arg(short = 'n', long, value_name = "NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// In all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,
    /// The cluster's name
    #[arg(long, help = super::NAME, value_parser = super::cluster_name)]
    pub name: Option<String>,
}
