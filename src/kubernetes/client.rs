//! The real API server, spoken to with kube: the only file that names it.

mod foreign;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use futures::future::{BoxFuture, FutureExt};
use futures::{StreamExt, TryStreamExt};
use http_body_util::BodyExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use kube::api::{DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Config, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::kinds::{Kind, POD_METRICS};
use super::{
    Access, Adoption, Connect, Duplex, Kubernetes, LogQuery, Marks, NodeHealth, Progress, RawAnswer, RawRequest, Scope,
    Selection, objects,
};
use crate::error::{Error, ErrorKind, Result};

/// The name under which our fields are recorded by server-side apply.
const FIELD_MANAGER: &str = "knarr";
/// Between two tries of a request that a starting server refused. There is nothing to watch before it serves.
const RETRY: Duration = Duration::from_millis(40);
/// How often one request is tried while a cluster elects a leader or a balancer has yet to notice a lost server, and
/// how long it rests between two tries.
const TRIES: u32 = 3;
const REST: Duration = Duration::from_secs(1);
/// After which no further try is begun: a server without etcd takes a minute for each.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to real clusters.
#[derive(Clone, Copy, Debug, Default)]
pub struct KubeConnector;

impl Connect for KubeConnector {
    fn connect(&self, access: &Access) -> Result<Arc<dyn Kubernetes>> {
        let wrong = |what: &str| Error::new(ErrorKind::Bug, format!("cannot use the {what} for `{}`", access.url));
        let url = access.url.parse().map_err(|_| wrong("address"))?;
        let mut config = Config::new(url);
        let ca = x509_parser::pem::Pem::iter_from_buffer(&access.ca)
            .map(|pem| pem.map(|p| p.contents))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|e| wrong("CA certificate").source(&e))?;
        config.root_cert = Some(ca);
        let base64 = &base64::engine::general_purpose::STANDARD;
        config.auth_info = serde_json::from_value(json!({
            "client-certificate-data": base64.encode(&access.cert),
            "client-key-data": base64.encode(&*access.key),
        }))
        .map_err(|_| wrong("client certificate"))?;
        config.connect_timeout = Some(Duration::from_secs(5));
        let client = Client::try_from(config).map_err(|e| wrong("certificates").source(&e))?;
        Ok(Arc::new(KubeClient { client, url: access.url.clone(), served: Mutex::default() }))
    }
}

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

    /// Repeats a request until it is not refused for a reason that passes; the caller bounds the time.
    async fn insist<T, F>(&self, what: &str, progress: Progress<'_>, request: impl Fn() -> F + Send) -> Result<T>
    where
        F: Future<Output = kube::Result<T>> + Send,
    {
        loop {
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(e) if passes(&e) => {
                    progress(&format!("{what}: {}", words(&e)));
                    tokio::time::sleep(RETRY).await;
                }
                Err(e) => return Err(Error::failed(format!("cannot {what}")).cause(words(&e))),
            }
        }
    }

    /// Tries a request again that failed for a reason that a cluster gets over which has just lost a member.
    async fn patiently<T, F>(&self, request: impl Fn() -> F + Send) -> kube::Result<T>
    where
        F: Future<Output = kube::Result<T>> + Send,
    {
        let begun = Instant::now();
        for _ in 1..TRIES {
            match request().await {
                Err(e) if stumbles(&e) && begun.elapsed() < PATIENCE => tokio::time::sleep(REST).await,
                answer => return answer,
            }
        }
        request().await
    }

    /// Watches objects until `done` says so; `done` sees every object that changes.
    async fn watch<K>(
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
}

/// Whether a refusal is of a kind that a starting server takes back by itself.
fn passes(error: &kube::Error) -> bool {
    match error {
        // A young server refuses the address of a Service until it has seen its own ServiceCIDR.
        kube::Error::Api(status) if status.code == 422 => {
            status.message.contains("the provided network does not match the current range")
        }
        // The object does not fit its kind, which the server says as if it were its own fault.
        kube::Error::Api(status) if status.message.contains("failed to create typed patch object") => false,
        // 404 stands for an API group or namespace that is not there yet.
        kube::Error::Api(status) => matches!(status.code, 403 | 404 | 409 | 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

/// Whether a failure is one of a cluster that goes on without a member: no leader for now, a connection that ended or
/// that nobody answers. Where nobody listens at all, nothing is to be waited for.
fn stumbles(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            while let Some(e) = cause {
                let io = e.downcast_ref::<std::io::Error>();
                if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                    return false;
                }
                cause = e.source();
            }
            true
        }
        _ => false,
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

fn ready_reason(node: &Node) -> std::result::Result<(), String> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|c| c.type_ == "Ready");
    match ready {
        Some(c) if c.status == "True" => Ok(()),
        Some(c) => Err(c.message.clone().unwrap_or_else(|| "not Ready".into())),
        None => Err("has not reported yet".into()),
    }
}

impl Kubernetes for KubeClient {
    fn answers(&self) -> BoxFuture<'_, Result<()>> {
        async move {
            let namespaces: Api<Namespace> = Api::all(self.client.clone());
            match namespaces.list(&ListParams::default().limit(1)).await {
                Ok(_) => Ok(()),
                Err(e) => {
                    Err(Error::new(ErrorKind::NotReady, format!("no answer from `{}`", self.url)).cause(words(&e)))
                }
            }
        }
        .boxed()
    }

    fn apply<'a>(&'a self, list: &'a [Value], progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        async move {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            for object in list {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let api = self.api_of(object);
                self.insist(&format!("apply {}", objects::describe(object)), progress, || {
                    let (api, params) = (&api, &params);
                    async move { api.patch(name, params, &Patch::Apply(object)).await }
                })
                .await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn delete<'a>(&'a self, list: &'a [Value]) -> BoxFuture<'a, Result<()>> {
        async move {
            for object in list.iter().rev() {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let (api, params) = (self.api_of(object), DeleteParams::background());
                match self.patiently(|| api.delete(name, &params)).await {
                    Ok(_) => {}
                    Err(kube::Error::Api(status)) if status.code == 404 => {}
                    Err(e) => {
                        return Err(
                            Error::failed(format!("cannot delete {}", objects::describe(object))).cause(words(&e))
                        );
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn current<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Value>>> {
        async move {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let unreadable =
                |cause: String| Error::failed(format!("cannot read {}", objects::describe(object))).cause(cause);
            let api = self.api_of(object);
            match self.patiently(|| api.get_opt(name)).await {
                Ok(found) => found.map(|f| serde_json::to_value(f).map_err(|e| unreadable(e.to_string()))).transpose(),
                Err(e) => Err(unreadable(words(&e))),
            }
        }
        .boxed()
    }

    fn scope<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Scope>>> {
        self.discover(object).boxed()
    }

    fn submit<'a>(&'a self, object: &'a Value, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.apply_strictly(object, progress).boxed()
    }

    fn node_stats<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Value>> {
        async move {
            let request =
                http_get(&format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true"), Vec::new())?;
            self.client
                .request(request)
                .await
                .map_err(|e| Error::failed(format!("the kubelet of node `{node}` tells nothing")).cause(words(&e)))
        }
        .boxed()
    }

    fn adopt_nodes<'a>(
        &'a self,
        adoptions: &'a [Adoption],
        registered: Progress<'a>,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let nodes: Api<Node> = Api::all(self.client.clone());
            let mut waiting: BTreeMap<&str, &Adoption> = adoptions.iter().map(|a| (a.node.as_str(), a)).collect();
            let mut seen = Vec::new();
            // A second watch would cost a connection's round trip; Nodes are patched as they are seen.
            let (found, mut names) = tokio::sync::mpsc::unbounded_channel();
            let watching = self.watch(nodes.clone(), watcher::Config::default(), progress, |node| {
                // A closed channel means that the adopting side is done.
                found.send(node.name_any()).is_err()
            });
            let adopting = async {
                while !waiting.is_empty() {
                    let missing: Vec<&str> = waiting.keys().copied().collect();
                    progress(&format!("waiting for {} to register", missing.join(", ")));
                    let Some(name) = names.recv().await else { break };
                    let Some(adoption) = waiting.remove(name.as_str()) else { continue };
                    registered(&name);
                    seen.push(name);
                    let body = json!({
                        "metadata": {"labels": adoption.labels},
                        "spec": {"podCIDR": adoption.pod_cidr, "podCIDRs": [adoption.pod_cidr]},
                    });
                    self.insist(&format!("label node {}", adoption.node), progress, || {
                        let (nodes, body) = (&nodes, &body);
                        async move {
                            nodes.patch(&adoption.node, &PatchParams::default(), &Patch::Strategic(body)).await
                        }
                    })
                    .await?;
                }
                Ok(())
            };
            tokio::select! {
                result = adopting => result,
                () = watching => Ok(()),
            }
        }
        .boxed()
    }

    fn mark_node<'a>(&'a self, node: &'a str, marks: &'a Marks, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        async move {
            let nodes = self.api(&super::kinds::NODE, None);
            let what = format!("mark node {node}");
            let marked = self.insist(&what, progress, || async {
                let Some(found) = nodes.get_opt(node).await? else { return Ok(None) };
                let before = objects::taints(&json!({"spec": found.data["spec"]}));
                // With the version that was read: taints are a list, and Kubernetes itself changes it too.
                let body = json!({
                    "metadata": {"resourceVersion": found.resource_version(), "labels": marks.labels},
                    "spec": {"taints": marks.taints_after(&before)},
                });
                nodes.patch(node, &PatchParams::default(), &Patch::Merge(&body)).await.map(Some)
            });
            if marked.await?.is_some() {
                return Ok(());
            }
            Err(Error::new(ErrorKind::NotFound, format!("there is no Node `{node}`"))
                .cause("somebody deleted it; its kubelet registers it when it starts")
                .hint(format!("let it start again with `docker restart {node}`")))
        }
        .boxed()
    }

    fn nodes_ready<'a>(&'a self, names: &'a [String], progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        async move {
            let mut waiting: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            self.watch(Api::<Node>::all(self.client.clone()), watcher::Config::default(), progress, |node| {
                let name = node.name_any();
                match ready_reason(node) {
                    Ok(()) => {
                        waiting.remove(name.as_str());
                    }
                    Err(why) if names.contains(&name) => progress(&format!("node {name}: {why}")),
                    Err(_) => {}
                }
                waiting.is_empty()
            })
            .await;
            Ok(())
        }
        .boxed()
    }

    fn default_service_account<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        async move {
            progress("ServiceAccount default/default does not exist yet");
            let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
            let config = watcher::Config::default().fields("metadata.name=default");
            self.watch(api, config, progress, |_| true).await;
            Ok(())
        }
        .boxed()
    }

    fn first_pod_running<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        async move {
            let api: Api<Pod> = Api::all(self.client.clone());
            let config = watcher::Config::default().fields("status.phase=Running");
            self.watch(api, config, progress, |_| true).await;
            Ok(())
        }
        .boxed()
    }

    fn deployment_available<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
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
        .boxed()
    }

    fn nodes(&self) -> BoxFuture<'_, Result<Vec<NodeHealth>>> {
        async move {
            let list = Api::<Node>::all(self.client.clone())
                .list(&ListParams::default())
                .await
                .map_err(|e| Error::failed("cannot list the Nodes").cause(words(&e)))?;
            Ok(list
                .items
                .iter()
                .map(|node| {
                    let ready = ready_reason(node);
                    NodeHealth {
                        name: node.name_any(),
                        ready: ready.is_ok(),
                        reason: ready.err(),
                        version: node
                            .status
                            .as_ref()
                            .and_then(|s| s.node_info.as_ref())
                            .map(|i| i.kubelet_version.clone())
                            .unwrap_or_default(),
                    }
                })
                .collect())
        }
        .boxed()
    }

    fn failing_checks(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        async move {
            let request = http_get("/readyz?verbose", kube::client::Body::empty())?;
            let broken = |e: &kube::Error| Error::failed(format!("no answer from `{}`", self.url)).cause(words(e));
            // The answer is the same list of checks, whatever its status.
            let answer = self.client.send(request).await.map_err(|e| broken(&e))?;
            let body = answer.into_body().collect_bytes().await.map_err(|e| broken(&e))?;
            Ok(String::from_utf8_lossy(&body)
                .lines()
                .filter_map(|line| line.strip_prefix("[-]"))
                .map(|line| line.split_whitespace().next().unwrap_or(line).to_owned())
                .collect())
        }
        .boxed()
    }

    fn list<'a>(&'a self, kind: &'a Kind, selection: Selection<'a>) -> BoxFuture<'a, Result<Vec<Value>>> {
        async move {
            let params = ListParams::default().labels(selection.labels).fields(selection.fields);
            let api = self.api(kind, selection.namespace);
            match self.patiently(|| api.list(&params)).await {
                Ok(list) => list.items.iter().map(|object| typed(object, kind)).collect(),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
                Err(e) => Err(Error::failed(format!("cannot list objects of kind {}", kind.kind)).cause(words(&e))),
            }
        }
        .boxed()
    }

    fn get<'a>(
        &'a self,
        kind: &'a Kind,
        namespace: Option<&'a str>,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>> {
        async move {
            let api = self.api(kind, namespace);
            match self.patiently(|| api.get_opt(name)).await {
                Ok(object) => object.map(|object| typed(&object, kind)).transpose(),
                Err(e) => Err(Error::failed(format!("cannot read {} `{name}`", kind.kind)).cause(words(&e))),
            }
        }
        .boxed()
    }

    fn watch_until<'a>(
        &'a self,
        kind: &'a Kind,
        selection: Selection<'a>,
        done: &'a mut (dyn FnMut(&Value) -> bool + Send),
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
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
        .boxed()
    }

    fn logs<'a>(&'a self, query: LogQuery<'a>) -> BoxFuture<'a, Result<Option<String>>> {
        async move {
            let params = LogParams {
                container: Some(query.container.to_owned()),
                previous: query.previous,
                tail_lines: Some(query.tail.into()),
                ..LogParams::default()
            };
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), query.namespace);
            match pods.logs(query.pod, &params).await {
                Ok(text) => Ok(Some(text)),
                // 400: the container has not started yet, or there was none before it.
                Err(kube::Error::Api(status)) if matches!(status.code, 400 | 404) => Ok(None),
                Err(e) => {
                    let what = format!("cannot read the log of Pod {}/{}", query.namespace, query.pod);
                    Err(Error::failed(what).cause(words(&e)))
                }
            }
        }
        .boxed()
    }

    fn dial<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Duplex>>> {
        async move {
            let refused = || Error::failed(format!("cannot connect to port {port} of Pod {namespace}/{pod}"));
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
            let mut forwarder = pods.portforward(pod, &[port]).await.map_err(|e| refused().cause(words(&e)))?;
            let stream = forwarder.take_stream(port).ok_or_else(refused)?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        }
        .boxed()
    }

    fn forward(&self, request: RawRequest) -> BoxFuture<'_, Result<RawAnswer>> {
        async move {
            let refused = |cause: String| {
                Error::failed(format!("cannot hand `{} {}` to the API server", request.method, request.path))
                    .cause(cause)
            };
            let mut raw = http::Request::builder().method(request.method.clone()).uri(&request.path);
            if let Some(kind) = &request.content_type {
                raw = raw.header(http::header::CONTENT_TYPE, kind);
            }
            let raw = raw.body(request.body.clone().into()).map_err(|e| refused(e.to_string()))?;
            let answer = self.client.send(raw).await.map_err(|e| refused(words(&e)))?;
            let (head, body) = answer.into_parts();
            let kind = head.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
            Ok(RawAnswer {
                status: head.status.as_u16(),
                content_type: kind.to_owned(),
                body: body.into_data_stream().map_err(std::io::Error::other).boxed(),
            })
        }
        .boxed()
    }
}

/// An object as JSON. Servers leave out the kind of listed objects; every reader of ours may rely on it.
fn typed(object: &DynamicObject, kind: &Kind) -> Result<Value> {
    let mut value = serde_json::to_value(object)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("cannot read an object of kind {}", kind.kind)).source(&e))?;
    value["kind"] = kind.kind.into();
    value["apiVersion"] =
        if kind.group.is_empty() { kind.version.into() } else { format!("{}/{}", kind.group, kind.version).into() };
    Ok(value)
}

fn http_get<B>(path: &str, no_body: B) -> Result<http::Request<B>> {
    http::Request::get(path)
        .body(no_body)
        .map_err(|e| Error::new(ErrorKind::Bug, format!("cannot build a request for `{path}`")).source(&e))
}
