//! Docker behind the [`Engine`] trait; this folder is the one place that names bollard.

mod address;
mod connect;
mod containers;
mod convert;
mod errors;
mod exec;
mod images;
mod info;
mod networks;
mod streams;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bollard::Docker;
use tokio::sync::OnceCell;

pub use self::address::Surroundings;
use super::{
    AttachedExec, ByteStream, CommitSpec, ContainerInfo, ContainerSpec, Engine, EngineInfo, EngineResult, ExecOutcome,
    ExecSpec, ImageInfo, Labels, NetworkInfo, NetworkSpec, Stats, VolumeInfo,
};
use crate::error::Error;

/// How long a call may take until its answer begins, where Docker has to move much data or to wait for something.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// A Docker daemon that answered.
#[derive(Debug)]
pub struct DockerEngine {
    /// For calls that answer soon.
    client: Docker,
    /// For calls that may take long.
    patient: Docker,
    /// Where it is, for messages.
    address: String,
    /// The API in use.
    api: (usize, usize),
    /// Whether the daemon keeps logs in JSON files, asked once.
    json_logs: OnceCell<bool>,
}

impl DockerEngine {
    /// Finds Docker, pings it, and agrees on a version of the API.
    ///
    /// # Errors
    /// Within two seconds, when nothing answers or what answers cannot be used; the error says why and what to do.
    pub async fn connect(surroundings: &Surroundings) -> Result<Self, Error> {
        let address = address::find(surroundings)?;
        let (client, api) = connect::connect(&address).await?;
        let patient = client.clone().with_timeout(PATIENCE);
        Ok(Self { client, patient, address: address.url(), api, json_logs: OnceCell::new() })
    }

    /// The address we speak to, `unix:///var/run/docker.sock`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Engine for DockerEngine {
    async fn info(&self) -> EngineResult<EngineInfo> {
        info::info(self).await
    }

    async fn find_image(&self, reference: &str) -> EngineResult<Option<ImageInfo>> {
        images::find(self, reference).await
    }

    async fn list_images(&self, label: &str) -> EngineResult<Vec<ImageInfo>> {
        images::list(self, label).await
    }

    async fn pull_image(
        &self,
        reference: &str,
        platform: Option<&str>,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> EngineResult<()> {
        images::pull(self, reference, platform, progress).await
    }

    async fn remove_image(&self, reference: &str, force: bool) -> EngineResult<()> {
        images::remove(self, reference, force).await
    }

    async fn tag_image(&self, source: &str, target: &str) -> EngineResult<()> {
        images::tag(self, source, target).await
    }

    async fn import_image(&self, reference: &str, platform: Option<&str>, tar: ByteStream) -> EngineResult<String> {
        images::import(self, reference, platform, tar).await
    }

    async fn commit(&self, commit: &CommitSpec) -> EngineResult<String> {
        images::commit(self, commit).await
    }

    async fn save_images(&self, references: &[String]) -> EngineResult<ByteStream> {
        streams::save(self, references).await
    }

    async fn list_networks(&self) -> EngineResult<Vec<NetworkInfo>> {
        networks::list(self).await
    }

    async fn create_network(&self, spec: &NetworkSpec) -> EngineResult<String> {
        networks::create(self, spec).await
    }

    async fn disconnect_container(&self, container: &str, network: &str) -> EngineResult<()> {
        networks::disconnect(self, container, network).await
    }

    async fn remove_network(&self, name: &str) -> EngineResult<()> {
        networks::remove(self, name).await
    }

    async fn list_volumes(&self, label: &str) -> EngineResult<Vec<VolumeInfo>> {
        networks::list_volumes(self, label).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> EngineResult<()> {
        networks::create_volume(self, name, labels).await
    }

    async fn remove_volume(&self, name: &str) -> EngineResult<()> {
        networks::remove_volume(self, name).await
    }

    async fn list_containers(&self, label: &str) -> EngineResult<Vec<ContainerInfo>> {
        containers::list(self, label).await
    }

    async fn inspect_container(&self, container: &str) -> EngineResult<Option<ContainerInfo>> {
        containers::inspect(self, container).await
    }

    async fn create_container(&self, spec: &ContainerSpec) -> EngineResult<String> {
        containers::create(self, spec).await
    }

    async fn start_container(&self, container: &str) -> EngineResult<()> {
        containers::start(self, container).await
    }

    async fn stop_container(&self, container: &str, grace_seconds: u32) -> EngineResult<()> {
        containers::stop(self, container, grace_seconds).await
    }

    async fn keep_container(&self, container: &str, keep: bool) -> EngineResult<()> {
        containers::keep(self, container, keep).await
    }

    async fn rename_container(&self, container: &str, name: &str) -> EngineResult<()> {
        containers::rename(self, container, name).await
    }

    async fn pause_container(&self, container: &str) -> EngineResult<()> {
        containers::pause(self, container).await
    }

    async fn unpause_container(&self, container: &str) -> EngineResult<()> {
        containers::unpause(self, container).await
    }

    async fn remove_container(&self, container: &str) -> EngineResult<()> {
        containers::remove(self, container).await
    }

    async fn wait_container(&self, container: &str) -> EngineResult<i64> {
        containers::wait(self, container).await
    }

    async fn export_container(&self, container: &str) -> EngineResult<ByteStream> {
        streams::export(self, container).await
    }

    async fn container_logs(&self, container: &str, tail: u32) -> EngineResult<Vec<String>> {
        containers::logs(self, container, tail).await
    }

    async fn put_archive(&self, container: &str, path: &str, tar: Vec<u8>) -> EngineResult<()> {
        streams::put(self, container, path, tar).await
    }

    async fn put_stream(&self, container: &str, path: &str, tar: ByteStream) -> EngineResult<()> {
        streams::put_stream(self, container, path, tar).await
    }

    async fn get_archive(&self, container: &str, path: &str) -> EngineResult<ByteStream> {
        streams::get(self, container, path).await
    }

    async fn exec(&self, container: &str, exec: &ExecSpec) -> EngineResult<ExecOutcome> {
        exec::collected(self, container, exec).await
    }

    async fn exec_attached(&self, container: &str, exec: &ExecSpec) -> EngineResult<AttachedExec> {
        exec::attached(self, container, exec).await
    }

    async fn resize_exec(&self, exec_id: &str, columns: u16, rows: u16) -> EngineResult<()> {
        exec::resize(self, exec_id, columns, rows).await
    }

    async fn exec_status(&self, exec_id: &str) -> EngineResult<i64> {
        exec::status(self, exec_id, exec_id).await
    }

    async fn stats(&self, container: &str) -> EngineResult<Stats> {
        containers::stats(self, container).await
    }
}
