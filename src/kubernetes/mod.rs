//! The cluster's API server in our words: the narrow trait behind which every request to it happens.
//!
//! Only `client.rs` and its folder name kube; `fake.rs` answers for tests. Waiting methods watch, they do not poll; they
//! are cancelled by dropping their future, and tell `progress` what they still wait for.

pub mod client;
pub mod fake;
pub mod kinds;
pub mod objects;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

use self::kinds::Kind;
use crate::error::Result;
use crate::spec::values::Taint;

/// Hears what a wait is waiting for, each time that changes.
pub type Progress<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Where an API server is and who asks.
#[derive(Clone)]
pub struct Access {
    /// `https://127.0.0.1:40123`
    pub url: String,
    /// The CA its certificate must chain to, as PEM.
    pub ca: Vec<u8>,
    /// The client's certificate, as PEM.
    pub cert: Vec<u8>,
    /// The client's key, as PEM.
    pub key: Zeroizing<Vec<u8>>,
}

/// Makes connections; one implementation for real clusters, one for tests.
pub trait Connect: Send + Sync + 'static {
    /// A client for this access. No request is made yet.
    fn connect(&self, access: &Access) -> Result<Arc<dyn Kubernetes>>;
}

/// What an administrator sets on a Node because its kubelet may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The Node's name.
    pub node: String,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// The pods' addresses, for `spec.podCIDR`.
    pub pod_cidr: String,
}

/// What becomes of the labels and taints of a Node that lives; all others stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Labels to set; `None` takes one away.
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints to set. A Node has one of a key and an effect.
    pub taints: Vec<Taint>,
    /// Taints to take away.
    pub untaint: Vec<Taint>,
}

impl Marks {
    /// Whether nothing becomes of them.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.taints.is_empty() && self.untaint.is_empty()
    }

    /// The taints of a Node which had `before`.
    pub fn taints_after(&self, before: &[Taint]) -> Vec<Taint> {
        let same = |one: &Taint, other: &Taint| (&one.key, &one.effect) == (&other.key, &other.effect);
        let goes = |taint: &Taint| self.untaint.contains(taint) || self.taints.iter().any(|new| same(new, taint));
        before.iter().filter(|taint| !goes(taint)).chain(&self.taints).cloned().collect()
    }
}

/// A Node as `status` and `get nodes` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeHealth {
    /// Its name.
    pub name: String,
    /// Whether its Ready condition is True.
    pub ready: bool,
    /// Why not, in the Node's own words.
    pub reason: Option<String>,
    /// The kubelet's version.
    pub version: String,
}

/// Where the objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In namespaces.
    Namespaced,
    /// In the cluster as a whole.
    Cluster,
}

/// Which objects of a kind are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selection<'a> {
    /// The namespace; `None` is all of them.
    pub namespace: Option<&'a str>,
    /// A label selector as kubectl's `-l` takes it; empty selects all.
    pub labels: &'a str,
    /// A field selector; empty selects all.
    pub fields: &'a str,
}

/// A connection to a port of a Pod.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Which lines of which container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogQuery<'a> {
    /// The Pod's namespace.
    pub namespace: &'a str,
    /// The Pod.
    pub pod: &'a str,
    /// The container.
    pub container: &'a str,
    /// Of the container before the one that runs now.
    pub previous: bool,
    /// How many of the last lines.
    pub tail: u32,
}

/// A request that is handed through as it is, for clients that speak the API themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRequest {
    /// `GET`, `PATCH`, `DELETE`.
    pub method: http::Method,
    /// The path with its query: `/api/v1/pods?limit=1`.
    pub path: String,
    /// The type of the body; none without a body.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What the server answered, as it comes: watches and followed logs have no end.
pub struct RawAnswer {
    /// The status.
    pub status: u16,
    /// The type of the body.
    pub content_type: String,
    /// The body.
    pub body: BoxStream<'static, std::io::Result<bytes::Bytes>>,
}

/// One cluster's API server.
pub trait Kubernetes: Send + Sync {
    /// One authenticated request, tried once.
    fn answers(&self) -> BoxFuture<'_, Result<()>>;
    /// Applies objects in order, server-side; retries those refused because the server is still starting.
    fn apply<'a>(&'a self, objects: &'a [Value], progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// Deletes objects; absent ones are fine.
    fn delete<'a>(&'a self, objects: &'a [Value]) -> BoxFuture<'a, Result<()>>;
    /// An object as the server has it now; `None` when there is none of its kind, namespace and name.
    fn current<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Value>>>;
    /// Where the kind of an object lives; `None` if the server does not know it. A kind that is not among those of
    /// Kubernetes itself must be asked for before its objects are applied, read or deleted.
    fn scope<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Scope>>>;
    /// Applies one object of a person's: server-side and strictly, so that what is wrong with it is an error at once.
    fn submit<'a>(&'a self, object: &'a Value, progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// What a node's kubelet measured of its Pods, through the API server.
    fn node_stats<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Value>>;
    /// Sets what an administrator must set on each Node as it registers; returns when all are done.
    fn adopt_nodes<'a>(
        &'a self,
        adoptions: &'a [Adoption],
        registered: Progress<'a>,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>>;
    /// Changes labels and taints of a Node, whatever else changes it meanwhile.
    fn mark_node<'a>(&'a self, node: &'a str, marks: &'a Marks, progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// Waits until all of these Nodes are Ready.
    fn nodes_ready<'a>(&'a self, names: &'a [String], progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// Waits until the ServiceAccount `default/default` exists.
    fn default_service_account<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// Waits until any Pod is Running.
    fn first_pod_running<'a>(&'a self, progress: Progress<'a>) -> BoxFuture<'a, Result<()>>;
    /// Waits until a Deployment has all its replicas available.
    fn deployment_available<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>>;
    /// The Nodes, now.
    fn nodes(&self) -> BoxFuture<'_, Result<Vec<NodeHealth>>>;
    /// The API server's own health checks that fail, now; empty means it is ready.
    fn failing_checks(&self) -> BoxFuture<'_, Result<Vec<String>>>;
    /// The objects of a kind, now, each with its `kind` and `apiVersion`. A kind that the server does not know has none.
    fn list<'a>(&'a self, kind: &'a Kind, selection: Selection<'a>) -> BoxFuture<'a, Result<Vec<Value>>>;
    /// One object, now; `None` when there is none.
    fn get<'a>(
        &'a self,
        kind: &'a Kind,
        namespace: Option<&'a str>,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>>;
    /// Watches the objects of a kind until `done` accepts one; it sees every one that is there or changes.
    fn watch_until<'a>(
        &'a self,
        kind: &'a Kind,
        selection: Selection<'a>,
        done: &'a mut (dyn FnMut(&Value) -> bool + Send),
        progress: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>>;
    /// The last lines that a container wrote; `None` when there is no such container (any more).
    fn logs<'a>(&'a self, query: LogQuery<'a>) -> BoxFuture<'a, Result<Option<String>>>;
    /// Hands a request through.
    fn forward(&self, request: RawRequest) -> BoxFuture<'_, Result<RawAnswer>>;
    /// Connects to a port of a Pod, through the API server and the Pod's kubelet.
    fn dial<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Duplex>>>;
}
