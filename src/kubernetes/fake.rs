//! An API server that only exists in memory: for tests of everything around it.

use std::sync::{Arc, Mutex};

use futures::StreamExt;
use futures::future::{BoxFuture, FutureExt};
use serde_json::Value;

use super::kinds::Kind;
use super::{
    Access, Adoption, Connect, Duplex, Kubernetes, LogQuery, Marks, NodeHealth, Progress, RawAnswer, RawRequest, Scope,
    Selection, objects,
};
use crate::error::{Error, ErrorKind, Result};

/// What the fake does when asked.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// The operation that fails, by name: `apply`, `answers`, …
    pub fails: Option<&'static str>,
    /// The object that is refused, as messages call it.
    pub refuses: Option<&'static str>,
    /// The operation that never answers.
    pub hangs: Option<&'static str>,
}

/// A fake API server: everything is ready at once unless the script says otherwise.
#[derive(Clone, Default)]
pub struct FakeKubernetes {
    script: Script,
    journal: Arc<Mutex<Vec<String>>>,
    /// The Nodes that were adopted: they are there, and Ready.
    nodes: Arc<Mutex<Vec<String>>>,
    /// What `list` and `get` find.
    objects: Vec<Value>,
    /// What was submitted.
    submitted: Arc<Mutex<Vec<Value>>>,
    /// What `logs` finds, by Pod.
    logs: std::collections::BTreeMap<String, String>,
}

impl FakeKubernetes {
    /// A server that follows `script`.
    pub fn new(script: Script) -> Self {
        Self { script, ..Self::default() }
    }

    /// A server that has these objects.
    pub fn with_objects(objects: Vec<Value>) -> Self {
        Self { objects, ..Self::default() }
    }

    /// The same server; this is what the containers of one Pod wrote.
    pub fn with_log(mut self, pod: &str, text: &str) -> Self {
        self.logs.insert(pod.to_owned(), text.to_owned());
        self
    }

    fn find(&self, kind: &Kind, namespace: Option<&str>) -> Vec<Value> {
        let of_kind = |object: &&Value| {
            object["kind"] == kind.kind
                && objects::group_version(object).0 == kind.group
                && namespace.is_none_or(|n| object["metadata"]["namespace"] == n)
        };
        self.objects.iter().filter(of_kind).cloned().collect()
    }

    /// What was asked so far.
    pub fn journal(&self) -> Vec<String> {
        self.journal.lock().map(|j| j.clone()).unwrap_or_default()
    }

    fn act(&self, operation: &'static str, line: String) -> BoxFuture<'static, Result<()>> {
        if let Ok(mut journal) = self.journal.lock() {
            journal.push(line);
        }
        let script = self.script.clone();
        async move {
            tokio::task::yield_now().await;
            if script.hangs == Some(operation) {
                futures::future::pending::<()>().await;
            }
            if script.fails == Some(operation) {
                return Err(Error::new(ErrorKind::Failed, format!("cannot {operation}")).cause("the script says so"));
            }
            Ok(())
        }
        .boxed()
    }
}

impl Connect for FakeKubernetes {
    fn connect(&self, _: &Access) -> Result<Arc<dyn Kubernetes>> {
        Ok(Arc::new(self.clone()))
    }
}

impl Kubernetes for FakeKubernetes {
    fn answers(&self) -> BoxFuture<'_, Result<()>> {
        self.act("answers", "answers".into())
    }

    fn apply<'a>(&'a self, list: &'a [Value], _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.act("apply", format!("apply {}", list.iter().map(objects::describe).collect::<Vec<_>>().join(", ")))
    }

    fn delete<'a>(&'a self, list: &'a [Value]) -> BoxFuture<'a, Result<()>> {
        self.act("delete", format!("delete {}", list.iter().map(objects::describe).collect::<Vec<_>>().join(", ")))
    }

    fn current<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Value>>> {
        let same = |known: &&Value| objects::describe(known) == objects::describe(object);
        let found = self.objects.iter().find(same).cloned();
        self.act("current", format!("read {}", objects::describe(object))).map(|done| done.map(|()| found)).boxed()
    }

    fn scope<'a>(&'a self, object: &'a Value) -> BoxFuture<'a, Result<Option<Scope>>> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let group = objects::group_version(object).0;
        let submitted = self.submitted.lock().map(|all| all.clone()).unwrap_or_default();
        let defines = |d: &Value| d["spec"]["group"] == group.as_str() && d["spec"]["names"]["kind"] == kind;
        // Groups of Kubernetes itself have no dot, or end in its name; all others must have been defined.
        let known = !group.contains('.') || group.ends_with("k8s.io") || submitted.iter().any(defines);
        let of_cluster = ["Namespace", "ClusterRole", "PersistentVolume", "StorageClass", "CustomResourceDefinition"];
        let scope = if of_cluster.contains(&kind) { Scope::Cluster } else { Scope::Namespaced };
        let answer = known.then_some(scope);
        self.act("scope", format!("scope of {kind}")).map(move |done| done.map(|()| answer)).boxed()
    }

    fn submit<'a>(&'a self, object: &'a Value, _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        let name = objects::describe(object);
        if self.script.refuses == Some(name.as_str()) {
            let refusal = Error::failed(format!("cannot apply {name}")).cause("the script refuses it");
            return futures::future::ready(Err(refusal)).boxed();
        }
        if let Ok(mut submitted) = self.submitted.lock() {
            submitted.push(object.clone());
        }
        self.act("submit", format!("submit {name}"))
    }

    fn node_stats<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<Value>> {
        // Every Pod holds as much.
        let pods = self
            .objects
            .iter()
            .filter(|object| object["kind"] == "Pod")
            .map(|pod| serde_json::json!({"podRef": pod["metadata"], "memory": {"workingSetBytes": 9 << 20}}));
        let stats = serde_json::json!({"pods": pods.collect::<Vec<_>>()});
        self.act("node_stats", format!("stats of {node}")).map(|done| done.map(|()| stats)).boxed()
    }

    fn adopt_nodes<'a>(
        &'a self,
        adoptions: &'a [Adoption],
        registered: Progress<'a>,
        _: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        for adoption in adoptions {
            registered(&adoption.node);
        }
        if let Ok(mut nodes) = self.nodes.lock() {
            nodes.extend(adoptions.iter().map(|a| a.node.clone()));
        }
        let names: Vec<&str> = adoptions.iter().map(|a| a.node.as_str()).collect();
        self.act("adopt", format!("adopt {}", names.join(", ")))
    }

    fn mark_node<'a>(&'a self, node: &'a str, marks: &'a Marks, _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        let mut words: Vec<String> = marks
            .labels
            .iter()
            .map(|(key, value)| value.as_ref().map_or_else(|| format!("{key}-"), |value| format!("{key}={value}")))
            .collect();
        words.extend(marks.taints.iter().map(ToString::to_string));
        words.extend(marks.untaint.iter().map(|taint| format!("{taint}-")));
        self.act("mark_node", format!("mark {node} {}", words.join(" ")))
    }

    fn nodes_ready<'a>(&'a self, names: &'a [String], _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.act("nodes_ready", format!("nodes ready {}", names.join(", ")))
    }

    fn default_service_account<'a>(&'a self, _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.act("default_service_account", "default ServiceAccount".into())
    }

    fn first_pod_running<'a>(&'a self, _: Progress<'a>) -> BoxFuture<'a, Result<()>> {
        self.act("first_pod_running", "first Pod".into())
    }

    fn deployment_available<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        _: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        self.act("deployment_available", format!("Deployment {namespace}/{name} available"))
    }

    fn nodes(&self) -> BoxFuture<'_, Result<Vec<NodeHealth>>> {
        let known = self.nodes.lock().map(|nodes| nodes.clone()).unwrap_or_default();
        let ready = |name| NodeHealth { name, ready: true, reason: None, version: "v1.36.0".into() };
        let answer = known.into_iter().map(ready).collect();
        self.act("nodes", "nodes".into()).map(|done| done.map(|()| answer)).boxed()
    }

    fn failing_checks(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.act("failing_checks", "failing checks".into()).map(|done| done.map(|()| Vec::new())).boxed()
    }

    fn list<'a>(&'a self, kind: &'a Kind, selection: Selection<'a>) -> BoxFuture<'a, Result<Vec<Value>>> {
        let found = self.find(kind, selection.namespace);
        self.act("list", format!("list {}", kind.kind)).map(|done| done.map(|()| found)).boxed()
    }

    fn get<'a>(
        &'a self,
        kind: &'a Kind,
        namespace: Option<&'a str>,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Value>>> {
        let found = self.find(kind, namespace).into_iter().find(|object| object["metadata"]["name"] == name);
        self.act("get", format!("get {} {name}", kind.kind)).map(|done| done.map(|()| found)).boxed()
    }

    fn watch_until<'a>(
        &'a self,
        kind: &'a Kind,
        selection: Selection<'a>,
        done: &'a mut (dyn FnMut(&Value) -> bool + Send),
        _: Progress<'a>,
    ) -> BoxFuture<'a, Result<()>> {
        // Whatever is waited for is there at once, as with every other wait of the fake.
        for object in self.find(kind, selection.namespace) {
            if done(&object) {
                break;
            }
        }
        self.act("watch", format!("watch {}", kind.kind))
    }

    fn logs<'a>(&'a self, query: LogQuery<'a>) -> BoxFuture<'a, Result<Option<String>>> {
        let found = self.logs.get(query.pod).cloned();
        self.act("logs", format!("logs {}", query.pod)).map(|done| done.map(|()| found)).boxed()
    }

    fn dial<'a>(&'a self, namespace: &'a str, pod: &'a str, port: u16) -> BoxFuture<'a, Result<Box<dyn Duplex>>> {
        // Every port of every Pod says who it is, and no more.
        let line = format!("dial {namespace}/{pod}:{port}");
        let here = Box::new(tokio::io::join(std::io::Cursor::new(line.clone()), tokio::io::sink()));
        self.act("dial", line).map(|done| done.map(|()| here as Box<dyn Duplex>)).boxed()
    }

    fn forward(&self, request: RawRequest) -> BoxFuture<'_, Result<RawAnswer>> {
        // The answer tells what was asked, which is all that a caller of a fake can want to know.
        let line = format!("{} {}", request.method, request.path);
        let body = futures::stream::iter([Ok(bytes::Bytes::from(line.clone()))]).boxed();
        let answer = RawAnswer { status: 200, content_type: "text/plain".into(), body };
        self.act("forward", line).map(|done| done.map(|()| answer)).boxed()
    }
}
