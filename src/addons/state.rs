//! How the addons of a cluster are, from what the API server says.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures::future::try_join3;
use serde::Serialize;
use serde_json::Value;

use super::{ALL, Addon, LABEL, Settings, settings_of};
use crate::error::Result;
use crate::kubernetes::kinds::{DAEMON_SET, DEPLOYMENT, POD};
use crate::kubernetes::{Kubernetes, Progress, Selection};

/// Between two looks at addons that start: three kinds of objects tell of them, and a look is cheap.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How one addon is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
pub enum State {
    /// The cluster does not have it.
    Off,
    /// Some of its Pods are not ready yet.
    Starting {
        /// How many are ready.
        ready: u64,
        /// How many there shall be.
        wanted: u64,
    },
    /// All of its Pods are ready.
    Ready {
        /// How many there are.
        ready: u64,
        /// How many there shall be.
        wanted: u64,
    },
    /// A Pod cannot run.
    Failing {
        /// How many are ready.
        ready: u64,
        /// How many there shall be.
        wanted: u64,
        /// Why, in a sentence.
        reason: String,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("Off"),
            Self::Starting { ready, wanted } => write!(f, "Starting {ready}/{wanted}"),
            Self::Ready { ready, wanted } => write!(f, "Ready {ready}/{wanted}"),
            Self::Failing { ready, wanted, .. } => write!(f, "Failing {ready}/{wanted}"),
        }
    }
}

/// One addon in one cluster.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which.
    pub addon: &'static Addon,
    /// How it is.
    pub state: State,
    /// The version: the tag of its image.
    pub version: Option<String>,
    /// The settings that are on.
    pub settings: Settings,
    /// Its Pods: namespace and name.
    pub pods: Vec<(String, String)>,
}

/// Every addon of the table, as the cluster has it.
pub async fn look(kubernetes: &dyn Kubernetes) -> Result<Vec<Found>> {
    const TABLE: &[Addon] = &ALL;
    let labelled = Selection { labels: LABEL, ..Selection::default() };
    let (deployments, sets, pods) = try_join3(
        kubernetes.list(&DEPLOYMENT, labelled),
        kubernetes.list(&DAEMON_SET, labelled),
        kubernetes.list(&POD, labelled),
    )
    .await?;
    let mut by_addon: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for workload in deployments.into_iter().chain(sets) {
        by_addon.entry(label(&workload)).or_default().0.push(workload);
    }
    for pod in pods {
        by_addon.entry(label(&pod)).or_default().1.push(pod);
    }
    Ok(TABLE
        .iter()
        .map(|addon| {
            let (workloads, pods) = by_addon.remove(addon.name).unwrap_or_default();
            found(addon, &workloads, &pods)
        })
        .collect())
}

/// Waits until all of these are ready; `last` is what is still waited for.
pub async fn until_ready(
    kubernetes: &dyn Kubernetes,
    wanted: &[&'static Addon],
    progress: Progress<'_>,
    last: &mut Vec<String>,
) -> Result<Vec<Found>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    loop {
        let found: Vec<Found> = look(kubernetes).await?.into_iter().filter(|f| wanted.contains(&f.addon)).collect();
        let unready = found.iter().filter(|f| !matches!(f.state, State::Ready { .. }));
        *last = unready
            .map(|f| match &f.state {
                State::Failing { reason, .. } => format!("{}: {}; {reason}", f.addon.name, f.state),
                state => format!("{}: {state}", f.addon.name),
            })
            .collect();
        if last.is_empty() {
            return Ok(found);
        }
        progress(&last.join(", "));
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Adds up the working sets of each addon's Pods, in bytes; `None` where no kubelet tells.
pub async fn memory(kubernetes: &dyn Kubernetes, found: &[Found]) -> Result<Vec<Option<u64>>> {
    let nodes = kubernetes.nodes().await?;
    let mut sets: BTreeMap<(String, String), u64> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.ready) {
        // A kubelet that does not answer leaves its Pods out; the nodes' own state is told elsewhere.
        let Ok(stats) = kubernetes.node_stats(&node.name).await else { continue };
        for pod in stats["pods"].as_array().into_iter().flatten() {
            let text = |key: &str| pod["podRef"][key].as_str().unwrap_or_default().to_owned();
            if let Some(bytes) = pod["memory"]["workingSetBytes"].as_u64() {
                sets.insert((text("namespace"), text("name")), bytes);
            }
        }
    }
    let sum = |f: &Found| {
        let known: Vec<u64> = f.pods.iter().filter_map(|pod| sets.get(pod).copied()).collect();
        (!known.is_empty()).then(|| known.iter().sum())
    };
    Ok(found.iter().map(sum).collect())
}

fn label(object: &Value) -> String {
    object["metadata"]["labels"][LABEL].as_str().unwrap_or_default().to_owned()
}

fn found(addon: &'static Addon, workloads: &[Value], pods: &[Value]) -> Found {
    let (mut ready, mut wanted, mut rolling) = (0, 0, false);
    for workload in workloads {
        let status = &workload["status"];
        let count = |key: &str| status[key].as_u64().unwrap_or(0);
        rolling |= status["observedGeneration"] != workload["metadata"]["generation"];
        if workload["kind"] == DEPLOYMENT.kind {
            let all = workload["spec"]["replicas"].as_u64().unwrap_or(1);
            wanted += all;
            ready += count("availableReplicas").min(count("updatedReplicas")).min(all);
        } else {
            let all = count("desiredNumberScheduled");
            rolling |= all == 0;
            wanted += all;
            ready += count("numberReady").min(count("updatedNumberScheduled"));
        }
    }
    let state = match pods.iter().find_map(reason) {
        _ if workloads.is_empty() => State::Off,
        _ if ready >= wanted && !rolling => State::Ready { ready, wanted },
        Some(reason) => State::Failing { ready, wanted, reason },
        None => State::Starting { ready, wanted },
    };
    let image = workloads.first().and_then(|w| w["spec"]["template"]["spec"]["containers"][0]["image"].as_str());
    let settings = workloads.iter().flat_map(|workload| settings_of(addon, workload)).collect();
    let name = |pod: &Value, key: &str| pod["metadata"][key].as_str().unwrap_or_default().to_owned();
    Found {
        addon,
        state,
        version: image.and_then(|image| Some(image.rsplit_once(':')?.1.to_owned())),
        settings,
        pods: pods.iter().map(|pod| (name(pod, "namespace"), name(pod, "name"))).collect(),
    }
}

/// Why a Pod cannot run, if it says so; one that is only not ready yet does not.
fn reason(pod: &Value) -> Option<String> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let statuses = ["initContainerStatuses", "containerStatuses"].map(|key| pod["status"][key].as_array());
    for status in statuses.into_iter().flatten().flatten() {
        let waiting = &status["state"]["waiting"];
        let why = waiting["reason"].as_str().unwrap_or_default();
        if !matches!(why, "" | "ContainerCreating" | "PodInitializing") {
            let message = waiting["message"].as_str().unwrap_or_default();
            let message = if message.is_empty() { String::new() } else { format!(": {message}") };
            return Some(format!("Pod `{name}`: {why}{message}"));
        }
    }
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unplaced = conditions.into_iter().find(|c| c["type"] == "PodScheduled" && c["status"] == "False")?;
    Some(format!("Pod `{name}`: {}", unplaced["message"].as_str().unwrap_or("it has no node")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::addons::find;

    fn set(wanted: u64, ready: u64) -> Value {
        json!({
            "kind": "DaemonSet", "metadata": {"generation": 1},
            "spec": {"template": {"spec": {"containers": [{"image": "knarr.dev/provisioner:v1"}]}}},
            "status": {"observedGeneration": 1, "desiredNumberScheduled": wanted, "numberReady": ready,
                "updatedNumberScheduled": wanted},
        })
    }

    fn pod(waiting: &str) -> Value {
        json!({"metadata": {"name": "a", "namespace": "kube-system"},
            "status": {"containerStatuses": [{"state": {"waiting": {"reason": waiting, "message": "because"}}}]}})
    }

    #[test]
    fn states_are_told_apart() {
        let storage = find("storage").expect("it is in the table");
        let state = |workloads: &[Value], pods: &[Value]| found(storage, workloads, pods).state;
        assert_eq!(state(&[], &[]), State::Off);
        assert_eq!(state(&[set(3, 3)], &[]), State::Ready { ready: 3, wanted: 3 });
        assert_eq!(state(&[set(3, 1)], &[pod("ContainerCreating")]), State::Starting { ready: 1, wanted: 3 });
        // A young DaemonSet counts no nodes yet.
        assert_eq!(state(&[set(0, 0)], &[]), State::Starting { ready: 0, wanted: 0 });
        let reason = "Pod `a`: CrashLoopBackOff: because".to_owned();
        assert_eq!(state(&[set(3, 2)], &[pod("CrashLoopBackOff")]), State::Failing { ready: 2, wanted: 3, reason });
    }

    #[test]
    fn the_version_is_the_images() {
        let storage = find("storage").expect("it is in the table");
        assert_eq!(found(storage, &[set(1, 1)], &[]).version.as_deref(), Some("v1"));
    }
}
