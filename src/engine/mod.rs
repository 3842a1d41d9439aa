//! Docker in our words: the narrow trait behind which everything Docker happens.
//!
//! `docker` is the only place that names bollard, `fake` is an engine in memory that records calls and injects
//! failures. Methods return `Send` futures; callers are generic over `E: Engine` and hold an `Arc<E>`.

pub mod archive;
mod container;
pub mod docker;
mod failure;
#[doc(hidden)]
pub mod fake;
mod object;
pub mod op;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

pub use self::container::{
    AttachedExec, Attachment, ContainerInfo, ContainerSpec, ContainerState, ExecOutcome, ExecOutput, ExecSpec,
    MountSource, MountSpec, PortBinding, Stats,
};
pub use self::failure::{EngineError, EngineErrorKind, FREE_DISK};
pub use self::object::{CommitSpec, EngineInfo, ImageInfo, NetworkInfo, NetworkSpec, VolumeInfo};

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
    /// Takes a container off a network, whatever it is doing; one that is not on it is as good as taken off.
    fn disconnect_container(&self, container: &str, network: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Removes a network.
    fn remove_network(&self, name: &str) -> impl Future<Output = EngineResult<()>> + Send;

    /// Lists volumes that carry this label (key, or key=value).
    fn list_volumes(&self, label: &str) -> impl Future<Output = EngineResult<Vec<VolumeInfo>>> + Send;
    /// Creates a named volume (or keeps the one of that name).
    fn create_volume(&self, name: &str, labels: &Labels) -> impl Future<Output = EngineResult<()>> + Send;
    /// Removes a volume.
    fn remove_volume(&self, name: &str) -> impl Future<Output = EngineResult<()>> + Send;

    /// Lists containers, stopped ones too, that carry this label (key, or key=value); without a label, all.
    fn list_containers(&self, label: &str) -> impl Future<Output = EngineResult<Vec<ContainerInfo>>> + Send;
    /// Looks at one container by name or id; `None` when it is not here.
    fn inspect_container(&self, container: &str) -> impl Future<Output = EngineResult<Option<ContainerInfo>>> + Send;
    /// Creates a container, not yet started; returns its id.
    fn create_container(&self, spec: &ContainerSpec) -> impl Future<Output = EngineResult<String>> + Send;
    /// Starts a container.
    fn start_container(&self, container: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Stops a container: its stop signal, then after `grace_seconds` SIGKILL.
    fn stop_container(&self, container: &str, grace_seconds: u32) -> impl Future<Output = EngineResult<()>> + Send;
    /// Says whether Docker starts a container again when Docker itself is started, whatever became of it before.
    fn keep_container(&self, container: &str, keep: bool) -> impl Future<Output = EngineResult<()>> + Send;
    /// Gives a container another name.
    fn rename_container(&self, container: &str, name: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Freezes every process of a running container.
    fn pause_container(&self, container: &str) -> impl Future<Output = EngineResult<()>> + Send;
    /// Lets the processes of a paused container go on.
    fn unpause_container(&self, container: &str) -> impl Future<Output = EngineResult<()>> + Send;
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
