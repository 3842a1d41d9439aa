//! What a person may type behind `knarr sample`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::OneCluster;
use crate::spec::values;

/// Verbs of `sample`
#[derive(Debug, Subcommand)]
pub enum Sample {
    /// List the samples and what each shows
    #[command(alias = "ls")]
    List,
    /// Put a sample into a cluster, wait until it works, and say what to watch
    Apply(InCluster),
    /// Remove everything of a sample from a cluster, its namespaces too
    #[command(alias = "rm")]
    Delete(InCluster),
    /// Print a sample's file
    Show {
        /// The sample
        #[arg(value_name = "SAMPLE")]
        sample: String,
    },
}

/// A sample and a cluster
#[derive(Debug, Args)]
pub struct InCluster {
    /// The sample
    #[arg(value_name = "SAMPLE")]
    pub sample: String,
    /// How long to wait until it works, or until it is gone
    #[arg(long, value_name = "DURATION", default_value = "3m", value_parser = values::parse_wait)]
    pub wait: Duration,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
}
