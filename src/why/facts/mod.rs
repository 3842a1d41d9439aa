//! Everything that rules may know: the cluster's objects, logs, and what Docker knows of nodes and images.
//!
//! `gather` fills it with few requests; rules only read it, so that a rule is tested with a handful of objects.

pub mod gather;
mod host;
pub mod pods;

use std::collections::BTreeMap;

use serde_json::Value;

use super::look::Look;
use crate::config::DEFAULT_NAME;

/// What is known of one cluster at one moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The cluster's name.
    pub cluster: String,
    /// Now, in seconds since 1970.
    pub now: i64,
    /// Its objects by kind.
    pub objects: BTreeMap<String, Vec<Value>>,
    /// The last lines of what containers that failed wrote, by [`log_key`].
    pub logs: BTreeMap<String, String>,
    /// Images of the host's Docker that the cluster cannot get, and their processor.
    pub images: BTreeMap<String, String>,
    /// The state of each node's container: `running`, `exited`, `paused`.
    pub containers: BTreeMap<String, String>,
    /// The most memory that a Pod ever used, in bytes, by its uid.
    pub peaks: BTreeMap<String, f64>,
    /// The TCP ports on which a Pod listens, by its uid.
    pub listening: BTreeMap<String, Vec<i64>>,
}

/// The name of a container's log.
pub fn log_key(pod: &Value, container: &str) -> String {
    format!("{}/{}/{container}", pod.namespace(), pod.name())
}

impl Facts {
    /// The same, knowing these objects too.
    pub fn with(mut self, objects: impl IntoIterator<Item = Value>) -> Self {
        for object in objects {
            self.objects.entry(object.kind().to_owned()).or_default().push(object);
        }
        self
    }

    /// Every object of a kind.
    pub fn all(&self, kind: &str) -> &[Value] {
        self.objects.get(kind).map(Vec::as_slice).unwrap_or_default()
    }

    /// Every object of a kind in a namespace.
    pub fn within<'f>(&'f self, kind: &str, namespace: &str) -> impl Iterator<Item = &'f Value> {
        self.all(kind).iter().filter(move |object| object.namespace() == namespace)
    }

    /// One object; the namespace of what lives in none is empty.
    pub fn one(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.within(kind, namespace).find(|object| object.name() == name)
    }

    /// The names of a kind's objects in a namespace.
    pub fn names(&self, kind: &str, namespace: &str) -> Vec<&str> {
        self.within(kind, namespace).map(Look::name).collect()
    }

    /// The events of an object, newest first.
    pub fn events(&self, object: &Value) -> Vec<&Value> {
        let mut found: Vec<&Value> = self
            .within("Event", if object.namespace().is_empty() { "default" } else { object.namespace() })
            .filter(|event| {
                event.text("/involvedObject/kind") == object.kind()
                    && event.text("/involvedObject/name") == object.name()
                    // A Node's events carry its name instead of its uid.
                    && [object.text("/metadata/uid"), object.name()].contains(&event.text("/involvedObject/uid"))
            })
            .collect();
        found.sort_by_key(|event| std::cmp::Reverse(happened(event)));
        found
    }

    /// The newest event of an object with one of these reasons.
    pub fn event(&self, object: &Value, reasons: &[&str]) -> Option<&Value> {
        self.events(object).into_iter().find(|event| reasons.contains(&event.text("/reason")))
    }

    /// How old an object is, in seconds.
    pub fn age(&self, object: &Value) -> i64 {
        object.moment("/metadata/creationTimestamp").map_or(i64::MAX, |made| self.now - made)
    }

    /// `knarr kubectl … ARGUMENTS`, for this cluster and a namespace.
    pub fn kubectl(&self, namespace: &str, arguments: &str) -> String {
        let cluster = if self.cluster == DEFAULT_NAME { String::new() } else { format!(" --name {}", self.cluster) };
        let namespace = if matches!(namespace, "" | "default") { String::new() } else { format!(" -n {namespace}") };
        format!("knarr kubectl{cluster}{namespace} {arguments}")
    }

    /// `knarr ARGUMENTS --name CLUSTER`, the flag only where it is needed.
    pub fn knarr(&self, arguments: &str) -> String {
        if self.cluster == DEFAULT_NAME {
            format!("knarr {arguments}")
        } else {
            format!("knarr {arguments} --name {}", self.cluster)
        }
    }

    /// Whether an addon of knarr runs here.
    pub fn has_addon(&self, addon: &str) -> bool {
        ["Deployment", "DaemonSet"]
            .into_iter()
            .flat_map(|kind| self.within(kind, "kube-system"))
            .any(|object| object.texts("/metadata/labels").get("dev.knarr.addon") == Some(&addon))
    }

    /// The controller of an object, followed upwards to the one that a person wrote.
    pub fn root(&self, object: &Value) -> (String, String) {
        let owner = object.list("/metadata/ownerReferences").iter().find(|owner| owner.flag("/controller"));
        let Some(owner) = owner else { return (object.kind().to_owned(), object.name().to_owned()) };
        match self.one(owner.text("/kind"), object.namespace(), owner.text("/name")) {
            Some(above) => self.root(above),
            None => (owner.text("/kind").to_owned(), owner.text("/name").to_owned()),
        }
    }
}

/// When an event was last seen, in seconds since 1970.
pub fn happened(event: &Value) -> i64 {
    ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"]
        .iter()
        .find_map(|pointer| event.moment(pointer))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_followed_up_to_its_deployment() {
        let owned = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true}]);
        let pod = json!({"kind": "Pod", "metadata": {"name": "p", "namespace": "n", "ownerReferences": owned("ReplicaSet", "rs")}});
        let facts = Facts::default().with([
            json!({"kind": "ReplicaSet", "metadata": {"name": "rs", "namespace": "n", "ownerReferences": owned("Deployment", "web")}}),
        ]);
        assert_eq!(facts.root(&pod), ("Deployment".into(), "web".into()));
    }

    #[test]
    fn commands_name_only_what_they_must() {
        let facts = |cluster: &str| Facts { cluster: cluster.into(), ..Facts::default() };
        assert_eq!(facts(DEFAULT_NAME).kubectl("default", "get pods"), "knarr kubectl get pods");
        assert_eq!(facts("dev").kubectl("shop", "get pods"), "knarr kubectl --name dev -n shop get pods");
        assert_eq!(facts("dev").knarr("addons list"), "knarr addons list --name dev");
    }
}
