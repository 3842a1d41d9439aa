//! Flags of `create`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::KubeconfigTarget;
use crate::spec::values;

/// Nouns of `create`
#[derive(Debug, Subcommand)]
pub enum CreateWhat {
    /// Create a cluster
    Cluster(CreateCluster),
}

/// Flags of `create`
#[derive(Debug, Clone, Args)]
pub struct CreateCluster {
    /// The cluster's name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    pub positional_name: Option<String>,
    /// The cluster's name
    #[arg(short, long, help = super::NEW_NAME)]
    pub name: Option<String>,
    /// How many workers beside the control plane
    #[arg(long, value_name = "N")]
    pub workers: Option<u32>,
    /// How many nodes in all, the control plane among them
    #[arg(long, value_name = "N", conflicts_with = "workers")]
    pub nodes: Option<u32>,
    /// How many control planes
    #[arg(long, value_name = "N")]
    pub control_planes: Option<u32>,
    /// How many CPUs each node may use, such as 2, 1.5 or 500m; its capacity in Kubernetes too
    #[arg(long, value_name = "CPUS")]
    pub cpus: Option<String>,
    /// How much memory each node may use, such as 2GiB, 2Gi or 2g; its capacity in Kubernetes too
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// The cluster's config file, or - for stdin; kind's files are read too
    #[arg(short, long, short_alias = 'f', value_name = "FILE")]
    pub config: Option<String>,
    /// The node image
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// The host port of the API; 0 lets knarr choose
    #[arg(long, value_name = "PORT")]
    pub api_port: Option<u16>,
    /// Turn this addon on, beside those of the config
    #[arg(long = "addon", value_name = "ADDON")]
    pub addons: Vec<String>,
    /// Turn this addon off
    #[arg(long = "no-addon", value_name = "ADDON")]
    pub no_addons: Vec<String>,
    /// Apply this manifest once the cluster is usable, and wait until it works; a folder stands for its files, - for stdin
    #[arg(long = "manifest", value_name = "FILE|DIR|-")]
    pub manifests: Vec<String>,
    /// Load the images that the manifests name and the host's Docker has
    #[arg(long)]
    pub load_images: bool,
    /// How long the cluster may live, such as 2h; afterwards `knarr gc` and every later creation remove it
    #[arg(long, value_name = "DURATION", value_parser = values::parse_ttl)]
    pub ttl: Option<Duration>,
    /// How long to wait until the cluster is usable; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = super::wait)]
    pub wait: Duration,
    /// Keep the nodes of a failed creation for inspection
    #[arg(long)]
    pub retain: bool,
    /// Print the whole plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print when each milestone was reached
    #[arg(long)]
    pub timings: bool,
    /// Where the kubeconfig goes
    #[command(flatten)]
    pub target: KubeconfigTarget,
}

impl CreateCluster {
    /// A creation of which nothing else is said: for commands that create among other things.
    pub const fn plain(wait: Duration, target: KubeconfigTarget) -> Self {
        Self {
            positional_name: None,
            name: None,
            workers: None,
            nodes: None,
            control_planes: None,
            cpus: None,
            memory: None,
            config: None,
            image: None,
            api_port: None,
            addons: Vec::new(),
            no_addons: Vec::new(),
            manifests: Vec::new(),
            load_images: false,
            ttl: None,
            wait,
            retain: false,
            dry_run: false,
            timings: false,
            target,
        }
    }
}
