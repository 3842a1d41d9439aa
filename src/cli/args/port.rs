//! Flags of the verbs that open and close ports of the host.

use clap::{Args, Subcommand};

use super::OneCluster;
use crate::spec::ports::{HostPort, parse_mapping};
use crate::spec::values::PortMapping;

/// Verbs of `port`
#[derive(Debug, Subcommand)]
pub enum Port {
    /// Open ports of this machine that lead to a node; nothing of the cluster restarts
    Add(Add),
    /// Close ports that were opened
    #[command(alias = "delete", alias = "rm")]
    Remove(Remove),
    /// List the ports of this machine that lead into a cluster
    #[command(alias = "ls")]
    List {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
    },
}

/// Flags of `port add`
#[derive(Debug, Clone, Args)]
pub struct Add {
    /// The ports, as `docker run --publish` has them: 8080:30080, 0.0.0.0:5353:30053/udp
    #[arg(value_name = "[HOST_ADDRESS:]HOST_PORT:NODE_PORT[/udp]", required = true, value_parser = parse_mapping)]
    pub ports: Vec<PortMapping>,
    /// The node that they lead to; unless told, the first worker, or the first control plane
    #[arg(long, value_name = "NODE")]
    pub node: Option<String>,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
    /// Print the whole plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `port remove`
#[derive(Debug, Clone, Args)]
pub struct Remove {
    /// The ports of this machine: 8080, 5353/udp
    #[arg(value_name = "HOST_PORT[/udp]", required = true)]
    pub ports: Vec<HostPort>,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
    /// Print the whole plan and change nothing
    #[arg(long)]
    pub dry_run: bool,
}
