//! What a person may type: clap structs only, those of each verb in the file of its name. The doc comments are the help;
//! man page and completions come from here.

pub mod addons;
mod apply;
mod cluster;
mod config;
mod create;
mod dashboard;
mod delete;
mod doctor;
mod exec;
mod export;
mod gc;
mod get;
mod image;
mod kubectl;
pub mod lifecycle;
mod load;
mod logs;
pub mod node;
pub mod port;
pub mod sample;
mod status;
mod up;
mod urls;
pub mod why;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::addons::Addons;
pub use self::apply::Apply;
pub use self::cluster::Cluster;
pub use self::config::Config;
pub use self::create::{CreateCluster, CreateWhat};
pub use self::dashboard::Dashboard;
pub use self::delete::{DeleteCluster, DeleteWhat};
pub use self::doctor::Doctor;
pub use self::exec::Exec;
pub use self::export::Export;
pub use self::gc::Gc;
pub use self::get::Get;
pub use self::image::Image;
pub use self::kubectl::Kubectl;
use self::lifecycle::{Certs, Halt, Resume};
pub use self::load::Load;
pub use self::logs::Logs;
pub use self::node::{Node, Repair};
pub use self::port::Port;
pub use self::sample::Sample;
pub use self::status::Status;
pub use self::up::Up;
pub use self::urls::{InCluster, Tunnel};
use crate::spec::values::{self, ClusterName, Refused};

/// Real upstream Kubernetes clusters in Docker containers, in seconds
#[derive(Debug, Parser)]
#[command(name = "knarr", version, propagate_version = true, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// Everything that is the same for every command
    #[command(flatten)]
    pub global: Global,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print results as text or as JSON
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value_t = Output::Text, help_heading = "Global options")]
    pub output: Output,
    /// Print only results, warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Global options")]
    pub quiet: bool,
    /// Print every detail, with times
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub verbose: bool,
}

/// The form of what is printed on stdout
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// The verbs
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, made once")]
pub enum Command {
    /// Make a cluster run on this machine: check, build the image, create, start the sample
    Up(Up),
    /// Create a cluster (`knarr create` is `knarr create cluster`)
    #[command(args_conflicts_with_subcommands = true)]
    Create {
        /// What to create
        #[command(subcommand)]
        what: Option<CreateWhat>,
        /// The same flags without a noun
        #[command(flatten)]
        flags: CreateCluster,
    },
    /// Delete clusters and everything that belongs to them
    #[command(args_conflicts_with_subcommands = true, alias = "rm")]
    Delete {
        /// What to delete
        #[command(subcommand)]
        what: Option<DeleteWhat>,
        /// The same flags without a noun
        #[command(flatten)]
        flags: DeleteCluster,
    },
    /// Remove what nobody needs any more: expired clusters, half-made ones, and what others left behind
    Gc(Gc),
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
    /// Check and renew the certificates of a cluster
    #[command(subcommand)]
    Certs(Certs),
    /// Make a living cluster what a config file says; a cluster that is not there is created
    Apply(Apply),
    /// Add nodes to a living cluster, and remove them
    #[command(subcommand)]
    Node(Node),
    /// Open ports of this machine that lead into a living cluster, and close them
    #[command(subcommand)]
    Port(Port),
    /// Make anew what a cluster has lost: nodes, members of etcd, the balancer, ports
    Repair(Repair),
    /// List clusters, nodes, addresses; print a kubeconfig
    #[command(subcommand)]
    Get(Get),
    /// Forward ports of this machine to Services, where their own addresses cannot be reached
    Tunnel(Tunnel),
    /// The same verbs after the noun: `knarr cluster create`
    #[command(subcommand)]
    Cluster(Cluster),
    /// Show how a cluster is: containers, components, Kubernetes, certificates
    Status(Status),
    /// Look at a cluster in a web browser
    Dashboard(Dashboard),
    /// Show what a cluster runs beside Kubernetes itself, and switch it on and off
    #[command(subcommand)]
    Addons(Addons),
    /// Say what is wrong in a cluster, and what to do: `knarr why deploy/web`, `knarr why -A`
    Why(why::Why),
    /// Run kubectl against a cluster: `knarr kubectl get nodes`
    Kubectl(Kubectl),
    /// Run a program in a node: `knarr exec dev-worker -- ps aux`
    Exec(Exec),
    /// Show the logs of nodes and their components
    Logs(Logs),
    /// Write a kubeconfig or all logs to files
    #[command(subcommand)]
    Export(Export),
    /// Load images into all nodes of a cluster
    #[command(subcommand)]
    Load(Load),
    /// Put sample applications into a cluster, one for each thing that Kubernetes does
    #[command(subcommand)]
    Sample(Sample),
    /// Build, list and remove node images
    #[command(subcommand)]
    Image(Image),
    /// Work with config files
    #[command(subcommand)]
    Config(Config),
    /// Check this machine, and mend what can be mended safely
    Doctor(Doctor),
    /// Print the versions of knarr and of what it makes
    Version,
    /// Print a shell's completion script
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
}

/// Where the kubeconfig of a cluster goes
#[derive(Debug, Clone, Args)]
pub struct KubeconfigTarget {
    /// The kubeconfig file to change, instead of those in $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE", conflicts_with = "no_kubeconfig")]
    pub kubeconfig: Option<PathBuf>,
    /// Do not touch any kubeconfig
    #[arg(long)]
    pub no_kubeconfig: bool,
    /// Whether kubectl's current context becomes the new cluster
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub switch_context: bool,
    /// Break another program's lock on the kubeconfig when it is older than a minute
    #[arg(long)]
    pub break_lock: bool,
}

/// What the name of a cluster is where none is typed: clap does not read the environment, for it would take what stands
/// there for typed, and a NAME for a second one. `Session::cluster` looks there.
const NAME: &str = "The cluster's name [env: KNARR_CLUSTER] [default: knarr]";
/// The same where a config file may name the cluster.
const NEW_NAME: &str = "The cluster's name, instead of the one in the file [env: KNARR_CLUSTER, if the file has none]";

/// The cluster that a command is about
#[derive(Debug, Clone, Args)]
pub struct OneCluster {
    /// The cluster's name
    #[arg(short, long, help = NAME, value_parser = cluster_name)]
    pub name: Option<String>,
}

/// The cluster that a command is about, for commands about nothing else
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// The cluster's name
    #[arg(value_name = "NAME", conflicts_with = "name", value_parser = cluster_name)]
    positional_name: Option<String>,
    /// The cluster's name
    #[arg(short, long, help = NAME, value_parser = cluster_name)]
    name: Option<String>,
}

impl Named {
    /// What was typed, one way or the other.
    pub fn typed(&self) -> Option<&str> {
        self.positional_name.as_deref().or(self.name.as_deref())
    }
}

/// A text that may be a cluster's name.
fn cluster_name(text: &str) -> Result<String, Refused> {
    ClusterName::parse(text).map(|name| name.to_string())
}

/// `0` does not wait; everything else is a duration as configs spell it.
fn wait(text: &str) -> Result<Duration, Refused> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { values::parse_wait(text) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn both_word_orders_are_the_same() {
        for words in [
            &["knarr", "create", "-n", "x"][..],
            &["knarr", "create", "cluster", "-n", "x"],
            &["knarr", "cluster", "create", "-n", "x"],
            &["knarr", "create", "cluster", "x"],
        ] {
            let cli = Cli::try_parse_from(words).expect("parses");
            let flags = match cli.command {
                Command::Create { what: Some(CreateWhat::Cluster(flags)), .. }
                | Command::Create { what: None, flags }
                | Command::Cluster(Cluster::Create(flags)) => flags,
                other => panic!("{other:?}"),
            };
            assert_eq!(flags.name.or(flags.positional_name).as_deref(), Some("x"));
        }
    }

    #[test]
    fn kubectl_gets_its_own_flags() {
        let cli = Cli::try_parse_from([
            "knarr",
            "kubectl",
            "--name",
            "dev",
            "get",
            "pods",
            "-n",
            "kube-system",
            "-o",
            "wide",
        ])
        .expect("parses");
        let Command::Kubectl(kubectl) = cli.command else { panic!("not kubectl") };
        assert_eq!(kubectl.name.as_deref(), Some("dev"));
        assert_eq!(kubectl.args, ["get", "pods", "-n", "kube-system", "-o", "wide"]);
        for flag in ["--help", "-h"] {
            let cli = Cli::try_parse_from(["knarr", "kubectl", "get", flag]).expect("parses");
            let Command::Kubectl(kubectl) = cli.command else { panic!("not kubectl") };
            assert_eq!(kubectl.args, ["get", flag]);
            let own = Cli::try_parse_from(["knarr", "kubectl", flag]).expect_err("it is help");
            assert_eq!(own.kind(), clap::error::ErrorKind::DisplayHelp);
        }
    }
}
