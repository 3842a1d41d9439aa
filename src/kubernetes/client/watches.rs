//! Waits: what a cluster has is watched until it is as it should be.

use std::fmt::Debug;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::KubeClient;
use super::requests::typed;
use super::retries::RETRY;
use crate::error::Result;
use crate::kubernetes::kinds::Kind;
use crate::kubernetes::{Progress, Selection};

impl KubeClient {
    /// Watches objects until `done` says so; `done` sees every object that changes.
    pub(super) async fn watch<K>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        progress: Progress<'_>,
        mut done: impl FnMut(&K) -> bool + Send,
    ) where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let mut events = watcher::watcher(api, config).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) => {
                    if done(&object) {
                        return;
                    }
                }
                Ok(_) => {}
                Err(e) => {
                    progress(&e.to_string());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    pub(super) async fn watch_kind(
        &self,
        kind: &Kind,
        selection: Selection<'_>,
        done: &mut (dyn FnMut(&Value) -> bool + Send),
        progress: Progress<'_>,
    ) -> Result<()> {
        let config = watcher::Config::default().labels(selection.labels).fields(selection.fields);
        // Errors of a watch are what a changing cluster has; the next one brings the objects anew.
        let mut events = watcher::watcher(self.api(kind, selection.namespace), config).boxed();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object)) if done(&typed(&object, kind)?) => break,
                Ok(_) => {}
                Err(e) => {
                    progress(&e.to_string());
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
        Ok(())
    }

    pub(super) async fn await_default_service_account(&self, progress: Progress<'_>) -> Result<()> {
        progress("ServiceAccount default/default does not exist yet");
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
        let config = watcher::Config::default().fields("metadata.name=default");
        self.watch(api, config, progress, |_| true).await;
        Ok(())
    }

    pub(super) async fn await_running_pod(&self, progress: Progress<'_>) -> Result<()> {
        let api: Api<Pod> = Api::all(self.client.clone());
        let config = watcher::Config::default().fields("status.phase=Running");
        self.watch(api, config, progress, |_| true).await;
        Ok(())
    }

    pub(super) async fn await_deployment(&self, namespace: &str, name: &str, progress: Progress<'_>) -> Result<()> {
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        self.watch(api, config, progress, |deployment| {
            let wanted = deployment.spec.replicas.unwrap_or(1);
            let status = deployment.status.clone().unwrap_or_default();
            let there = status.available_replicas.unwrap_or(0).min(status.updated_replicas.unwrap_or(0));
            progress(&format!("Deployment {namespace}/{name}: {there} of {wanted} replicas available"));
            there >= wanted && status.observed_generation == deployment.metadata.generation
        })
        .await;
        Ok(())
    }
}
