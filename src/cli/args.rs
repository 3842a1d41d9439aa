//! What a person may type: clap structs only. The doc comments are the help; man page and completions come from here.

pub mod addons;
mod apply;
mod dashboard;
mod gc;
pub mod lifecycle;
pub mod node;
pub mod port;
pub mod sample;
mod urls;
pub mod why;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::addons::Addons;
pub use self::apply::Apply;
pub use self::dashboard::Dashboard;
pub use self::gc::Gc;
use self::lifecycle::{Certs, Halt, Resume};
pub use self::node::{Node, Repair};
pub use self::port::Port;
pub use self::sample::Sample;
pub use self::urls::{InCluster, Tunnel};
use crate::spec::values::{self, Refused};

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

/// Nouns of `create`
#[derive(Debug, Subcommand)]
pub enum CreateWhat {
    /// Create a cluster
    Cluster(CreateCluster),
}

/// Nouns of `delete`
#[derive(Debug, Subcommand)]
pub enum DeleteWhat {
    /// Delete clusters and everything that belongs to them
    #[command(alias = "clusters")]
    Cluster(DeleteCluster),
}

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

/// Flags of `create`
#[derive(Debug, Clone, Args)]
pub struct CreateCluster {
    /// The cluster's name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    pub positional_name: Option<String>,
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER")]
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
    #[arg(short, long, value_name = "FILE")]
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
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = wait)]
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

/// Flags of `up`
#[derive(Debug, Clone, Args)]
pub struct Up {
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER")]
    pub name: Option<String>,
    /// How many workers beside the control plane
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub workers: u32,
    /// Mend what is missing on this machine, Docker Engine among it, and say what was done
    #[arg(long)]
    pub fix: bool,
    /// How long to wait until the cluster is usable
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = values::parse_wait)]
    pub wait: Duration,
    /// Where the kubeconfig goes
    #[command(flatten)]
    pub target: KubeconfigTarget,
}

/// Flags of `delete`
#[derive(Debug, Clone, Args)]
pub struct DeleteCluster {
    /// The clusters' names
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER", conflicts_with = "all")]
    pub name: Option<String>,
    /// Delete every cluster
    #[arg(short = 'A', long, conflicts_with = "names")]
    pub all: bool,
    /// The kubeconfig file to clean, beside those in $KUBECONFIG or ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Break another program's lock on the kubeconfig when it is older than a minute
    #[arg(long)]
    pub break_lock: bool,
}

/// The cluster that a command is about
#[derive(Debug, Clone, Args)]
pub struct OneCluster {
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER", default_value = crate::config::DEFAULT_NAME)]
    pub name: String,
}

/// Nouns of `get`
#[derive(Debug, Subcommand)]
pub enum Get {
    /// List clusters
    #[command(alias = "cluster")]
    Clusters,
    /// List the nodes of a cluster
    #[command(alias = "node")]
    Nodes {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// Of every cluster
        #[arg(short = 'A', long)]
        all: bool,
    },
    /// Print the addresses of Services and Ingresses that can be used from here
    #[command(alias = "url")]
    Urls(InCluster),
    /// Print a kubeconfig on stdout
    Kubeconfig {
        /// Which cluster
        #[command(flatten)]
        cluster: OneCluster,
        /// With the address that containers on the cluster's network use
        #[arg(long)]
        internal: bool,
    },
}

/// Flags of `status`
#[derive(Debug, Args)]
pub struct Status {
    /// The cluster's name
    #[arg(value_name = "NAME", conflicts_with = "name")]
    pub positional_name: Option<String>,
    /// The cluster's name
    #[arg(short, long, env = "KNARR_CLUSTER")]
    pub name: Option<String>,
    /// Go on, and print every change until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
}

/// Flags of `kubectl`
#[derive(Debug, Args)]
#[command(disable_help_flag = true, disable_version_flag = true)]
pub struct Kubectl {
    /// The cluster's name; before kubectl's own arguments
    #[arg(long, env = "KNARR_CLUSTER", default_value = crate::config::DEFAULT_NAME)]
    pub name: String,
    /// kubectl's arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// Flags of `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// The node's name
    pub node: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

/// Flags of `logs`
#[derive(Debug, Args)]
pub struct Logs {
    /// Only this node
    pub node: Option<String>,
    /// Only this component, such as kubelet or kube-apiserver
    #[arg(short, long)]
    pub component: Option<String>,
    /// How many lines of each log
    #[arg(long, default_value_t = 50, value_name = "LINES")]
    pub tail: u32,
    /// Go on printing new lines
    #[arg(short, long)]
    pub follow: bool,
    /// Which cluster
    #[command(flatten)]
    pub cluster: OneCluster,
}

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

/// Verbs of `config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the JSON Schema of config files
    Schema,
    /// Print a commented config file
    Init,
}

/// Flags of `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run the fixes that are safe
    #[arg(long)]
    pub fix: bool,
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
        assert_eq!(kubectl.name, "dev");
        assert_eq!(kubectl.args, ["get", "pods", "-n", "kube-system", "-o", "wide"]);
    }
}
