//! Pods as rules see them: containers with their states, readiness, the claims and nodes they stand on.

use serde_json::Value;

use super::super::look::{Look, selects, span};
use super::Facts;

/// A container that ended longer ago than this and runs since is forgiven, in seconds.
const FORGIVEN: i64 = 600;

/// One container of a Pod: what was asked for and how it is.
#[derive(Clone, Copy, Debug)]
pub struct Container<'f> {
    /// Its part of the Pod's spec.
    pub spec: &'f Value,
    /// Its part of the Pod's status; null before the kubelet saw it.
    pub status: &'f Value,
    /// Whether it runs before the others.
    pub init: bool,
}

impl<'f> Container<'f> {
    /// Its name.
    pub fn name(&self) -> &'f str {
        self.spec.text("/name")
    }

    /// Its image as the Pod names it.
    pub fn image(&self) -> &'f str {
        self.spec.text("/image")
    }

    /// ``container `web` `` or ``init container `migrate` ``
    pub fn shown(&self) -> String {
        format!("{} `{}`", if self.init { "init container" } else { "container" }, self.name())
    }

    /// Why it waits, and the kubelet's words about that.
    pub fn waiting(&self) -> (&'f str, &'f str) {
        (self.status.text("/state/waiting/reason"), self.status.text("/state/waiting/message"))
    }

    /// How it ended, if that is why it does not run, or why it did not a short while ago.
    pub fn failed(&self, facts: &Facts) -> Option<&'f Value> {
        let state = self.status.pointer("/state/terminated");
        let last = self.status.pointer("/lastState/terminated");
        let is_fine = |end: &&Value| end.number("/exitCode") == Some(0);
        match state {
            Some(end) if !is_fine(&end) => return Some(end),
            // It ended well; whether that is wrong shows when it is started again.
            Some(_) if self.init || last.is_none() => return None,
            Some(end) => return Some(end),
            None => {}
        }
        let recent = last.and_then(|end| end.moment("/finishedAt")).is_some_and(|at| facts.now - at < FORGIVEN);
        let waits = self.status.pointer("/state/waiting").is_some();
        last.filter(|_| waits || recent)
    }

    /// How often it was started again.
    pub fn restarts(&self) -> i64 {
        self.status.number("/restartCount").unwrap_or_default()
    }

    /// `started 5 times again, the last run ended 12s ago`
    pub fn runs(&self, facts: &Facts, end: &Value) -> String {
        let again = match self.restarts() {
            0 => "not started again".to_owned(),
            1 => "started again once".to_owned(),
            n => format!("started again {n} times"),
        };
        let ran = end.moment("/finishedAt").zip(end.moment("/startedAt")).filter(|(_, from)| *from > 0);
        let lasted = ran.map(|(to, from)| format!(" after {}", span(to - from))).unwrap_or_default();
        let ago =
            end.moment("/finishedAt").map(|at| format!("; its last run ended{lasted}, {} ago", span(facts.now - at)));
        again + &ago.unwrap_or_default()
    }
}

/// The containers of a Pod, init containers first.
pub fn containers(pod: &Value) -> Vec<Container<'_>> {
    let mut found = Vec::new();
    for (specs, statuses, init) in [
        ("/spec/initContainers", "/status/initContainerStatuses", true),
        ("/spec/containers", "/status/containerStatuses", false),
    ] {
        for spec in pod.list(specs) {
            let status = pod.list(statuses).iter().find(|s| s["name"] == spec["name"]).unwrap_or(&Value::Null);
            found.push(Container { spec, status, init });
        }
    }
    found
}

/// Whether a Pod's Ready condition is True.
pub fn is_ready(pod: &Value) -> bool {
    pod.condition("Ready").is_some_and(|c| c["status"] == "True")
}

/// Whether a Pod has nothing more to do.
pub fn is_done(pod: &Value) -> bool {
    pod.text("/status/phase") == "Succeeded"
}

/// Whether a Node's Ready condition is True.
pub fn is_node_ready(node: &Value) -> bool {
    node.condition("Ready").is_some_and(|c| c["status"] == "True")
}

impl Facts {
    /// The Pods of a namespace that a plain selector (`app: web`) means.
    pub fn pods_of(&self, namespace: &str, selector: &Value) -> Vec<&Value> {
        let wanted = selector.texts("");
        let means = |pod: &&Value| {
            let labels = pod.texts("/metadata/labels");
            wanted.iter().all(|(k, v)| labels.get(k) == Some(v))
        };
        self.within("Pod", namespace).filter(means).collect()
    }

    /// What an object controls: the Pods of a ReplicaSet, the ReplicaSets of a Deployment.
    pub fn controlled(&self, kind: &str, owner: &Value) -> Vec<&Value> {
        let uid = owner.text("/metadata/uid");
        let is_owned = |object: &&Value| {
            object.list("/metadata/ownerReferences").iter().any(|o| o.flag("/controller") && o.text("/uid") == uid)
        };
        self.within(kind, owner.namespace()).filter(is_owned).collect()
    }

    /// The claims that a Pod mounts, by name.
    pub fn claims(pod: &Value) -> impl Iterator<Item = &str> {
        pod.list("/spec/volumes")
            .iter()
            .map(|v| v.text("/persistentVolumeClaim/claimName"))
            .filter(|name| !name.is_empty())
    }

    /// The NetworkPolicies that select a Pod.
    pub fn policies(&self, pod: &Value) -> Vec<&Value> {
        let labels = pod.texts("/metadata/labels");
        self.within("NetworkPolicy", pod.namespace())
            .filter(|policy| selects(policy.pointer("/spec/podSelector").unwrap_or(&Value::Null), &labels))
            .collect()
    }
}
