//! Docker in our words: the narrow trait behind which everything Docker happens.
//!
//! `docker` is the only place that names bollard, `fake` is an engine in memory that records calls and injects
//! failures. Methods return `Send` futures; callers are generic over `E: Engine` and hold an `Arc<E>`.

pub mod archive;
pub mod docker;
#[doc(hidden)]
pub mod fake;
pub mod op;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;

use ipnet::{IpNet, Ipv4Net};

use crate::error::{Error, ErrorKind};
use crate::spec::values::Protocol;

/// Labels of a Docker object.
pub type Labels = BTreeMap<String, String>;
/// Bytes that arrive piece by piece.
pub type ByteStream = Pin<Box<dyn futures::Stream<Item = EngineResult<Vec<u8>>> + Send>>;
/// What every engine call returns.
pub type EngineResult<T> = Result<T, EngineError>;

/// The Docker Engine as knarr needs it. «Remove» of something absent is success everywhere.
pub trait Engine: Send + Sync + 'static {
    /// Asks who answers; the first call of every command.
    fn info(&self) -> impl Future<Output = EngineResult<EngineInfo>> + Send;

    /// Finds an image by reference or id; `None` when it is not here.
    fn find_image(&self, reference: &str) -> impl Future<Output = EngineResult<Option<ImageInfo>>> + Send;
    /// Lists images that carry this label (key, or key=value).
    fn list_images(&self, label: &str) -> impl Future<Output = EngineResult<Vec<ImageInfo>>> + Send;
    /// Pulls an image; `progress` hears a line now and then.
    fn pull_image(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> impl Future<Output = EngineResult<()>> + Send;
    /// Removes an image by reference or id.
    fn remove_image(&self, reference: &str, force: bool) -> impl Future<Output = EngineResult<()>> + Send;
    /// Gives an image another name.
    fn tag_image(&self, source: &str, target: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Makes an image of one layer from a root file system tar; returns its id.
    fn import_image(
        &self,
        reference: &str,
        platform: Option<&str>,
        tar: ByteStream,
    ) -> impl Future<Output = EngineResult<String>> + Send;
    /// Makes an image from a container's changes; returns its id.
    fn commit(&self, commit: &CommitSpec) -> impl Future<Output = EngineResult<String>> + Send;
    /// Streams images as one `docker save` archive.
    fn save_images(&self, references: &[String]) -> impl Future<Output = EngineResult<ByteStream>> + Send;

    /// Lists every network with its subnets.
    fn list_networks(&self) -> impl Future<Output = EngineResult<Vec<NetworkInfo>>> + Send;
    /// Creates a bridge network; returns its id.
    fn create_network(&self, spec: &NetworkSpec) -> impl Future<Output = EngineResult<String>> + Send;
    /// Removes a network.
    fn remove_network(&self, name: &str) -> impl Future<Output = EngineResult<()>> + Send;

    /// Lists volumes that carry this label (key, or key=value).
    fn list_volumes(&self, label: &str) -> impl Future<Output = EngineResult<Vec<VolumeInfo>>> + Send;
    /// Creates a named volume (or keeps the one of that name).
    fn create_volume(&self, name: &str, labels: &Labels) -> impl Future<Output = EngineResult<()>> + Send;
    /// Removes a volume.
    fn remove_volume(&self, name: &str) -> impl Future<Output = EngineResult<()>> + Send;

    /// Lists containers, stopped ones too, that carry this label (key, or key=value).
    fn list_containers(&self, label: &str) -> impl Future<Output = EngineResult<Vec<ContainerInfo>>> + Send;
    /// Looks at one container by name or id; `None` when it is not here.
    fn inspect_container(&self, container: &str) -> impl Future<Output = EngineResult<Option<ContainerInfo>>> + Send;
    /// Creates a container, not yet started; returns its id.
    fn create_container(&self, spec: &ContainerSpec) -> impl Future<Output = EngineResult<String>> + Send;
    /// Starts a container.
    fn start_container(&self, container: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Stops a container: its stop signal, then after `grace_seconds` SIGKILL.
    fn stop_container(&self, container: &str, grace_seconds: u32) -> impl Future<Output = EngineResult<()>> + Send;
    /// Kills and removes a container with its anonymous volumes.
    fn remove_container(&self, container: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Waits until a container is not running; returns its exit status.
    fn wait_container(&self, container: &str) -> impl Future<Output = EngineResult<i64>> + Send;
    /// Packs a container's whole file system, without its volumes, as a tar.
    fn export_container(&self, container: &str) -> impl Future<Output = EngineResult<ByteStream>> + Send;
    /// The last `tail` lines that the container's first process printed (both streams), oldest first.
    fn container_logs(&self, container: &str, tail: u32) -> impl Future<Output = EngineResult<Vec<String>>> + Send;

    /// Unpacks a tar below `path` of a container, running or not.
    fn put_archive(&self, container: &str, path: &str, tar: Vec<u8>) -> impl Future<Output = EngineResult<()>> + Send;
    /// Unpacks a tar below `path` of a container, running or not, as it arrives.
    fn put_stream(&self, container: &str, path: &str, tar: ByteStream)
    -> impl Future<Output = EngineResult<()>> + Send;
    /// Packs `path` of a container as a tar.
    fn get_archive(&self, container: &str, path: &str) -> impl Future<Output = EngineResult<ByteStream>> + Send;

    /// Runs a program in a running container and collects what it prints.
    fn exec(&self, container: &str, exec: &ExecSpec) -> impl Future<Output = EngineResult<ExecOutcome>> + Send;
    /// Runs a program in a running container with its streams attached.
    fn exec_attached(
        &self,
        container: &str,
        exec: &ExecSpec,
    ) -> impl Future<Output = EngineResult<AttachedExec>> + Send;
    /// Tells an attached program's terminal its size.
    fn resize_exec(&self, exec_id: &str, columns: u16, rows: u16) -> impl Future<Output = EngineResult<()>> + Send;
    /// The exit status of an attached program after its output ended.
    fn exec_status(&self, exec_id: &str) -> impl Future<Output = EngineResult<i64>> + Send;

    /// CPU time and memory of a running container, now.
    fn stats(&self, container: &str) -> impl Future<Output = EngineResult<Stats>> + Send;
}

/// Who answers at the Docker address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// The address we speak to, for messages.
    pub address: String,
    /// The engine's version, `28.2.2`.
    pub version: String,
    /// The API version in use, `1.41`.
    pub api_version: String,
    /// `linux` or `windows`.
    pub os: String,
    /// `amd64` or `arm64`, as image platforms spell it.
    pub arch: String,
    /// The distribution or product name.
    pub operating_system: String,
    /// The kernel's version.
    pub kernel: String,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// `overlay2`, `overlayfs`, …
    pub storage_driver: String,
    /// `rootless`, `userns`, `seccomp`, …
    pub security_options: Vec<String>,
    /// The folder of the engine's data.
    pub root_dir: String,
    /// Processors.
    pub cpus: u64,
    /// Memory in bytes.
    pub memory: u64,
    /// The engine's clock in seconds since 1970, if it tells.
    pub clock: Option<i64>,
    /// Proxy settings of the engine itself.
    pub http_proxy: Option<String>,
    /// Proxy settings of the engine itself.
    pub https_proxy: Option<String>,
    /// Proxy settings of the engine itself.
    pub no_proxy: Option<String>,
}

/// An image that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageInfo {
    /// `sha256:…`
    pub id: String,
    /// Its names.
    pub tags: Vec<String>,
    /// Its labels.
    pub labels: Labels,
    /// Its size in bytes, unpacked.
    pub size: u64,
    /// `amd64`, `arm64`; empty when the engine's listing does not tell.
    pub arch: String,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

/// How to make an image from a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// The container.
    pub container: String,
    /// The new image's name.
    pub reference: String,
    /// The program it starts.
    pub entrypoint: Vec<String>,
    /// The environment, `KEY=value`.
    pub env: Vec<String>,
    /// The labels.
    pub labels: Labels,
    /// The stop signal.
    pub stop_signal: Option<String>,
}

/// A network that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its subnets.
    pub subnets: Vec<IpNet>,
    /// Names of the containers attached to it.
    pub containers: Vec<String>,
}

/// A bridge network to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// All its addresses.
    pub subnet: Ipv4Net,
    /// The host's address in it.
    pub gateway: Ipv4Addr,
    /// Where Docker takes addresses for containers that ask for none; nodes stand outside of it.
    pub ip_range: Ipv4Net,
}

/// A volume that is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

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
    pub ports: Vec<PublishedPort>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedPort {
    /// The host's address.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
    /// The protocol.
    pub protocol: Protocol,
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
    /// Memory file systems: path → options.
    pub tmpfs: BTreeMap<String, String>,
    /// Volumes and host paths.
    pub mounts: Vec<MountSpec>,
    /// What it publishes.
    pub ports: Vec<PortBinding>,
    /// Whether Docker starts it again after an exit or its own restart (unless it was stopped).
    pub restart: bool,
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

/// A port to publish.
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
    /// For [`Engine::resize_exec`] and [`Engine::exec_status`].
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

/// Why a Docker call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineErrorKind {
    /// Nothing answers at the address.
    Unreachable,
    /// The socket may not be used.
    Denied,
    /// The object does not exist.
    NotFound,
    /// The name is taken or the object is in use.
    Conflict,
    /// A host port is taken.
    PortTaken,
    /// A subnet or address is taken.
    AddressTaken,
    /// No space left on the device.
    DiskFull,
    /// It took too long.
    TimedOut,
    /// Anything else; the engine's own words are in `detail`.
    Other,
}

/// A Docker call that failed: which, on what, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The operation in words: `create container`.
    pub operation: &'static str,
    /// The object: a name, never an id where a name is known.
    pub object: String,
    /// The sort of failure.
    pub kind: EngineErrorKind,
    /// The engine's own words.
    pub detail: String,
}

impl EngineError {
    /// An error of `kind`.
    pub fn new(
        operation: &'static str,
        object: impl Into<String>,
        kind: EngineErrorKind,
        detail: impl Into<String>,
    ) -> Self {
        Self { operation, object: object.into(), kind, detail: detail.into() }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.operation, self.object, self.detail)
    }
}

impl std::error::Error for EngineError {}

impl From<EngineError> for Error {
    fn from(e: EngineError) -> Self {
        let kind = match e.kind {
            EngineErrorKind::Unreachable
            | EngineErrorKind::Denied
            | EngineErrorKind::PortTaken
            | EngineErrorKind::AddressTaken
            | EngineErrorKind::DiskFull => ErrorKind::Environment,
            EngineErrorKind::NotFound => ErrorKind::NotFound,
            EngineErrorKind::Conflict => ErrorKind::Exists,
            EngineErrorKind::TimedOut | EngineErrorKind::Other => ErrorKind::Failed,
        };
        let error = Self::new(kind, format!("cannot {} `{}`", e.operation, e.object)).cause(&e.detail);
        match e.kind {
            EngineErrorKind::Unreachable => error.hint(
                "start Docker (`sudo systemctl start docker`), set `DOCKER_HOST`, or see what is missing with `knarr doctor`",
            ),
            EngineErrorKind::Denied => error.hint(
                "add yourself to the `docker` group and log in again (`sudo usermod -aG docker $USER`), or set `DOCKER_HOST` to a daemon that you may use",
            ),
            EngineErrorKind::DiskFull => {
                error.hint("see what fills Docker's disk with `docker system df`, and free it with `docker system prune`")
            }
            _ => error,
        }
    }
}
