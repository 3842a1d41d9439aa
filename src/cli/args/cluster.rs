//! Verbs after their noun: what a person may type behind `knarr cluster`.

use clap::Subcommand;

use super::lifecycle::{Halt, Resume};
use super::{CreateCluster, DeleteCluster};

/// Verbs of `cluster`
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, made once")]
pub enum Cluster {
    /// Create a cluster
    Create(CreateCluster),
    /// Delete clusters and everything that belongs to them
    #[command(alias = "rm")]
    Delete(DeleteCluster),
    /// List clusters
    #[command(alias = "ls")]
    List,
    /// Stop clusters; everything they have is kept
    Stop(Halt),
    /// Start clusters that were stopped, with certificates that last
    Start(Resume),
    /// Stop clusters and start them again
    Restart(Resume),
    /// Freeze every process of clusters
    Pause(Halt),
    /// Let paused clusters go on
    Unpause(Resume),
}
