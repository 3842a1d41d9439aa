//! The real API server, spoken to with kube: only this file and its folder name it. What each request does is in the file
//! of its topic.

mod connection;
mod foreign;
mod health;
mod nodes;
mod proxy;
mod requests;
mod retries;
mod watches;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt};
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::Value;

pub use self::connection::KubeConnector;
use super::kinds::{Kind, POD_METRICS};
use super::{
    Adoption, Duplex, Kubernetes, LogQuery, Marks, NodeHealth, Progress, RawAnswer, RawRequest, Scope, Selection,
    objects,
};
use crate::error::Result;

/// The name under which our fields are recorded by server-side apply.
const FIELD_MANAGER: &str = "knarr";

struct KubeClient {
    client: Client,
    url: String,
    /// The kinds that were asked for.
    served: Mutex<HashMap<GroupVersionKind, (ApiResource, Scope)>>,
}

impl KubeClient {
    fn api_of(&self, object: &Value) -> Api<DynamicObject> {
        let (group, version) = objects::group_version(object);
        let kind = object["kind"].as_str().unwrap_or_default();
        let gvk = GroupVersionKind::gvk(&group, &version, kind);
        let served = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(&gvk).map(|(r, _)| r.clone());
        // Every kind that we apply ourselves follows the plural rule, so no discovery request is needed.
        let resource = served.unwrap_or_else(|| ApiResource::from_gvk(&gvk));
        match object["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    fn api(&self, kind: &Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let gvk = GroupVersionKind::gvk(kind.group, kind.version, kind.kind);
        let resource = match *kind {
            // The one plural that no rule gives.
            POD_METRICS => ApiResource::from_gvk_with_plural(&gvk, "pods"),
            _ => ApiResource::from_gvk(&gvk),
        };
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }
}

/// The server's own words, or the innermost cause.
fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

impl Kubernetes for KubeClient {
    fn answers(&self) -> BoxFuture<'_, Result<()>> {
        self.ask_once().boxed()
    }

    fn apply<'a>(&'a self, list: &'a [Value], progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.apply_in_order(list, progress).boxed()
    }

    fn delete<'a>(&'a self, list: &'a [Value]) -> BoxFuture<'a, Result<()>> {
        self.delete_in_reverse(list).boxed()
    }

    fn current<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Value>>> {
        self.read_current(object).boxed()
    }

    fn scope<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Scope>>> {
        self.discover(object).boxed()
    }

    fn submit<'a>(&'a self, object: &'a Value, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.apply_strictly(object, progress).boxed()
    }

    fn node_stats<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Value>> {
        self.read_node_stats(node).boxed()
    }

    fn adopt_nodes<'a>(
        &'a self,
        adoptions: &'a [Adoption],
        registered: Progress<'a>,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        self.adopt_as_they_register(adoptions, registered, progress).boxed()
    }

    fn mark_node<'a>(&'a self, node: &'a str, marks: &'a Marks, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.mark(node, marks, progress).boxed()
    }

    fn nodes_ready<'a>(&'a self, names: &'a [String], progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.await_ready(names, progress).boxed()
    }

    fn default_service_account<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.await_default_service_account(progress).boxed()
    }

    fn first_pod_running<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.await_running_pod(progress).boxed()
    }

    fn deployment_available<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        self.await_deployment(namespace, name, progress).boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, Result<Vec<NodeHealth>>> {
        self.list_nodes().boxed()
    }

    fn failing_checks(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.read_failing_checks().boxed()
    }

    fn list<'a>(&'a self, kind: &'a Kind, selection: Selection<'a>) -> BoxFuture<'a, Result<Vec<Value>>> {
        self.list_kind(kind, selection).boxed()
    }

    fn get<'a>(
        &'a self,
        kind: &'a Kind,
        namespace: Option<&'a str>,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>> {
        self.read_named(kind, namespace, name).boxed()
    }

    fn watch_until<'a>(
        &'a self,
        kind: &'a Kind,
        selection: Selection<'a>,
        done: &'a mut (dyn FnMut(&Value) -> bool + Send),
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        self.watch_kind(kind, selection, done, progress).boxed()
    }

    fn logs<'a>(&'a self, query: LogQuery<'a>) -> BoxFuture<'a, Result<Option<String>>> {
        self.read_log(query).boxed()
    }

    fn dial<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Duplex>>> {
        self.connect_to_pod(namespace, pod, port).boxed()
    }

    fn forward(&self, request: RawRequest) -> BoxFuture<'_, Result<RawAnswer>> {
        self.hand_through(request).boxed()
    }
}
