//! What one process knows of the cluster, kept by watching.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;

use super::facts::{Balanced, Key, Slice};
use super::mirror::Mirror;

/// On a Node: no Service may be announced from it.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
/// How long a watch may be silent, in seconds: an API server that was killed says nothing, and a new one must be found.
const SILENCE: u32 = 20;
/// Between two tries while the API server does not answer.
const RETRY: Duration = Duration::from_millis(500);

/// The Services that want addresses, where their endpoints are, and the Nodes.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Services of type LoadBalancer that are ours.
    pub services: Mirror<Key, Balanced>,
    slices: Mirror<Key, Slice>,
    /// Nodes, and whether each may announce.
    nodes: Mirror<String, bool>,
}

impl World {
    /// Whether enough is known to act on it.
    pub fn is_complete(&self) -> bool {
        self.services.is_complete() && self.slices.is_complete() && self.nodes.is_complete()
    }

    /// Whether a Node exists and may announce.
    pub fn may_announce(&self, node: &str) -> bool {
        self.nodes.all().get(node).copied().unwrap_or(false)
    }

    /// The nodes with endpoints of a Service: ready ones, and ones that are ending.
    pub fn endpoints(&self, service: &Key) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let slices = || self.slices.all().values().filter(|slice| slice.service == *service);
        (
            slices().flat_map(|slice| &slice.ready).map(String::as_str).collect(),
            slices().flat_map(|slice| &slice.serving).map(String::as_str).collect(),
        )
    }
}

/// Keeps `world` equal to the API server; does not end.
pub async fn watch(client: Client, world: watch::Sender<World>) {
    let config = || watcher::Config::default().timeout(SILENCE);
    let mut services = watcher(Api::<Service>::all(client.clone()), config()).boxed();
    let of_services = config().labels("kubernetes.io/service-name");
    let mut slices = watcher(Api::<EndpointSlice>::all(client.clone()), of_services).boxed();
    let mut nodes = watcher(Api::<PartialObjectMeta<Node>>::all(client), config()).boxed();
    loop {
        let seen = tokio::select! {
            Some(event) = services.next() => event.map(|event| world.send_if_modified(|world| {
                world.services.apply(event, |service| (key(service), Balanced::read(service)))
            })),
            Some(event) = slices.next() => event.map(|event| world.send_if_modified(|world| {
                world.slices.apply(event, |slice| (key(slice), Slice::read(slice)))
            })),
            Some(event) = nodes.next() => event.map(|event| world.send_if_modified(|world| {
                world.nodes.apply(event, |node| (node.name_any(), Some(!node.labels().contains_key(EXCLUDED))))
            })),
            else => return,
        };
        if let Err(error) = seen {
            tracing::warn!("watching: {error}");
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn key(object: &impl ResourceExt) -> Key {
    Key { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

#[cfg(test)]
impl World {
    /// A complete world of these Services, endpoints (Service, node, ready) and nodes.
    pub(crate) fn of(services: Vec<Balanced>, endpoints: &[(&Key, &str, bool)], nodes: &[&str]) -> Self {
        use kube::runtime::watcher::Event;
        let mut world = Self::default();
        for service in services {
            world.services.apply(Event::InitApply(service), |s| (s.key.clone(), Some(s.clone())));
        }
        for (n, (service, node, ready)) in endpoints.iter().enumerate() {
            let nodes = BTreeSet::from([(*node).to_owned()]);
            let mut slice = Slice { service: (*service).clone(), ..Slice::default() };
            *(if *ready { &mut slice.ready } else { &mut slice.serving }) = nodes;
            let key = Key { namespace: String::new(), name: n.to_string() };
            world.slices.apply(Event::InitApply(slice), |s| (key.clone(), Some(s.clone())));
        }
        for node in nodes {
            world.nodes.apply(Event::InitApply(*node), |n| ((*n).to_owned(), Some(true)));
        }
        world.services.apply(Event::InitDone, |s: &Balanced| (s.key.clone(), None));
        world.slices.apply(Event::InitDone, |s: &Slice| (s.service.clone(), None));
        world.nodes.apply(Event::InitDone, |n: &String| (n.clone(), None));
        world
    }
}
