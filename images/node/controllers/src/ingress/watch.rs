//! What is followed in the API server, kept in memory.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::runtime::reflector::store::Store;
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::world::{Name, World};

/// The copies.
pub struct Stores {
    ingresses: Store<Ingress>,
    classes: Store<IngressClass>,
    services: Store<Service>,
    slices: Store<EndpointSlice>,
    /// The pods of this program, for the addresses of their nodes.
    pods: Store<Pod>,
}

impl Stores {
    /// Begins to follow; `changed` is told about everything.
    pub fn follow(client: &Client, namespace: &str, changed: &Arc<Notify>) -> Self {
        let own = Config::default().labels("dev.knarr.addon=ingress");
        Self {
            ingresses: follow(Api::all(client.clone()), Config::default(), changed),
            classes: follow(Api::all(client.clone()), Config::default(), changed),
            services: follow(Api::all(client.clone()), Config::default(), changed),
            slices: follow(Api::all(client.clone()), Config::default(), changed),
            pods: follow(Api::namespaced(client.clone(), namespace), own, changed),
        }
    }

    /// Returns when everything that exists is known.
    pub async fn ready(&self) -> Result<(), reflector::store::WriterDropped> {
        self.ingresses.wait_until_ready().await?;
        self.classes.wait_until_ready().await?;
        self.services.wait_until_ready().await?;
        self.slices.wait_until_ready().await?;
        self.pods.wait_until_ready().await
    }

    /// The objects as they are now, without Secrets.
    pub fn world(&self) -> World {
        let mut slices: BTreeMap<Name, Vec<_>> = BTreeMap::new();
        for slice in self.slices.state() {
            if let Some(service) = slice.labels().get("kubernetes.io/service-name") {
                let name = Name::new(slice.namespace().unwrap_or_default(), service);
                slices.entry(name).or_default().push(slice);
            }
        }
        World {
            ingresses: self.ingresses.state(),
            classes: self.classes.state(),
            services: self.services.state().into_iter().map(|s| (Name::of(s.as_ref()), s)).collect(),
            slices,
            secrets: BTreeMap::new(),
        }
    }

    /// The addresses of the nodes on which this program serves.
    pub fn nodes(&self) -> Vec<String> {
        let ready = |pod: &Pod| {
            let conditions = pod.status.iter().filter_map(|s| s.conditions.as_ref()).flatten();
            conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True")
        };
        let pods = self.pods.state();
        let mut all: Vec<String> =
            pods.iter().filter(|pod| ready(pod)).filter_map(|pod| pod.status.as_ref()?.host_ip.clone()).collect();
        all.sort();
        all.dedup();
        all
    }
}

fn follow<K>(api: Api<K>, config: Config, changed: &Arc<Notify>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changed = changed.clone();
    let stream =
        watcher(api, config).default_backoff().modify(|object| object.managed_fields_mut().clear()).reflect(writer);
    tokio::spawn(async move {
        let mut stream = Box::pin(stream);
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init | Event::InitApply(_)) => {}
                Ok(_) => changed.notify_one(),
                Err(why) => tracing::warn!("watching {}: {why}", K::plural(&())),
            }
        }
    });
    store
}
