//! Containers, to make and as they are, and the programs that run in them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use super::{EngineResult, Labels};
use crate::spec::values::Protocol;

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started (or its start failed).
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Being started again by Docker.
    Restarting,
    /// Ended.
    Exited,
    /// Being removed, or broken beyond use.
    Dead,
}

impl fmt::Display for ContainerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
            Self::Dead => "dead",
        })
    }
}

/// A container that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerInfo {
    /// Its id.
    pub id: String,
    /// Its name, without a slash.
    pub name: String,
    /// The image's name as it was asked for.
    pub image: String,
    /// Its labels.
    pub labels: Labels,
    /// What it does.
    pub state: ContainerState,
    /// The exit status of its last run, if it ended (only from `inspect_container`).
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for memory (only from `inspect_container`).
    pub oom_killed: bool,
    /// Its addresses by network name.
    pub addresses: BTreeMap<String, IpAddr>,
    /// What it publishes.
    pub ports: Vec<PortBinding>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it was last started, in seconds since 1970; 0 if never (only from `inspect_container`).
    pub started: i64,
}

/// A container to make. Never privileged: what it may do is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerSpec {
    /// Its name.
    pub name: String,
    /// Its host name; empty leaves it to Docker.
    pub hostname: String,
    /// The image.
    pub image: String,
    /// The platform, where it matters.
    pub platform: Option<String>,
    /// The program, where it is not the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Its arguments, where they are not the image's.
    pub command: Option<Vec<String>>,
    /// The environment, `KEY=value`.
    pub env: Vec<String>,
    /// The labels.
    pub labels: Labels,
    /// Where it is attached; none means Docker's default bridge.
    pub network: Option<Attachment>,
    /// The capabilities it keeps, without `CAP_`; `None` leaves Docker's default set.
    pub capabilities: Option<Vec<String>>,
    /// `--security-opt` values.
    pub security_opt: Vec<String>,
    /// Lifts Docker's masking of /proc and /sys paths.
    pub unmask_system_paths: bool,
    /// `--device-cgroup-rule` values.
    pub device_cgroup_rules: Vec<String>,
    /// Whether the container gets its own cgroup namespace.
    pub private_cgroup_namespace: bool,
    /// `--sysctl` values of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Memory file systems: path → options.
    pub tmpfs: BTreeMap<String, String>,
    /// Volumes and host paths.
    pub mounts: Vec<MountSpec>,
    /// What it publishes.
    pub ports: Vec<PortBinding>,
    /// Whether Docker starts it again after an exit and after its own restart; see [`super::Engine::keep_container`].
    pub restart: bool,
    /// Thousandths of a CPU that it may use; `None` is all.
    pub milli_cpus: Option<u32>,
    /// Bytes of memory that it may use, without swap beside them; `None` is all.
    pub memory_bytes: Option<u64>,
    /// `nofile` limit, soft and hard; `None` leaves Docker's.
    pub nofile: Option<u64>,
    /// Whether it shares the host's network (the image builder, on hosts whose bridge has no way out).
    pub host_network: bool,
}

/// A container's place on a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The network's name.
    pub network: String,
    /// The fixed address, if any.
    pub address: Option<Ipv4Addr>,
    /// Further names by which others find it.
    pub aliases: Vec<String>,
}

/// A volume or a host path in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountSpec {
    /// The volume's name or the absolute host path.
    pub source: MountSource,
    /// Where it appears.
    pub target: String,
    /// Whether it may only be read.
    pub read_only: bool,
    /// `rprivate`, `rslave`, `rshared`; empty leaves Docker's default (host paths only).
    pub propagation: String,
    /// Whether Docker relabels it for SELinux (host paths only).
    pub selinux_relabel: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A named volume, labelled, never filled from the image (`nocopy`).
    Volume {
        /// Its name.
        name: String,
        /// Its labels, set when it is made.
        labels: Labels,
    },
    /// A path of the Docker host.
    Host(String),
}

/// A port that is published, or to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortBinding {
    /// The host's address.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A program to run in a running container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecSpec {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Further environment, `KEY=value`.
    pub env: Vec<String>,
    /// What it reads from stdin (collected runs only).
    pub stdin: Option<Vec<u8>>,
    /// Whether stdin stays open (attached runs only).
    pub attach_stdin: bool,
    /// Whether it gets a terminal (attached runs only).
    pub tty: bool,
    /// The folder it starts in; empty leaves the image's.
    pub working_dir: String,
}

impl ExecSpec {
    /// A plain run of `argv`.
    pub fn new<S: Into<String>>(argv: impl IntoIterator<Item = S>) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// What a program printed and how it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit status.
    pub status: i64,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// A program running in a container with its streams attached.
pub struct AttachedExec {
    /// For [`super::Engine::resize_exec`] and [`super::Engine::exec_status`].
    pub id: String,
    /// What it prints; ends when it ends.
    pub output: Pin<Box<dyn futures::Stream<Item = EngineResult<ExecOutput>> + Send>>,
    /// Its stdin; dropping it closes it.
    pub input: Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
}

/// A piece of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecOutput {
    /// From standard output, or from the terminal.
    Stdout(Vec<u8>),
    /// From standard error.
    Stderr(Vec<u8>),
}

/// CPU time and memory of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time used since its start, in nanoseconds.
    pub cpu_nanos: u64,
    /// Memory charged to it, in bytes.
    pub memory: u64,
    /// The anonymous part of it, in bytes, if the engine tells.
    pub anonymous: Option<u64>,
}
