//! Asks the API server: all lists at once, and then only what the first answers make interesting.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};
use serde_json::Value;
use time::OffsetDateTime;

use super::super::look::Look;
use super::pods::containers;
use super::{Facts, host, log_key};
use crate::cluster::Cluster;
use crate::engine::Engine;
use crate::error::Result;
use crate::kubernetes::kinds::{self, Kind};
use crate::kubernetes::{Kubernetes, LogQuery, Selection};

/// What is always listed, of all namespaces: one request each, all at once.
const ALWAYS: [Kind; 20] = [
    kinds::POD,
    kinds::NODE,
    kinds::NAMESPACE,
    kinds::EVENT,
    kinds::SERVICE,
    kinds::SERVICE_ACCOUNT,
    kinds::RESOURCE_QUOTA,
    kinds::LIMIT_RANGE,
    kinds::CLAIM,
    kinds::VOLUME,
    kinds::DEPLOYMENT,
    kinds::REPLICA_SET,
    kinds::STATEFUL_SET,
    kinds::DAEMON_SET,
    kinds::JOB,
    kinds::INGRESS,
    kinds::INGRESS_CLASS,
    kinds::NETWORK_POLICY,
    kinds::STORAGE_CLASS,
    kinds::AUTOSCALER,
];
/// How many lines of a log are read.
const LOG_LINES: u32 = 20;
/// Of how many containers logs are read at most.
const LOGS: usize = 60;

/// Everything that rules may want to know.
pub async fn gather<E: Engine>(engine: &E, cluster: &Cluster, api: &dyn Kubernetes) -> Result<Facts> {
    let lists = try_join_all(ALWAYS.iter().map(|kind| api.list(kind, Selection::default()))).await?;
    let mut facts = containers_only(cluster).with(lists.into_iter().flatten());
    let (logs, named, ()) = futures::future::try_join3(logs(&facts, api), named(&facts, api), async { Ok(()) }).await?;
    facts.logs = logs.into_iter().flatten().collect();
    facts = facts.with(named);
    host::look(&mut facts, engine, cluster).await;
    Ok(facts)
}

/// What Docker alone knows, for when the API server does not answer.
pub fn containers_only(cluster: &Cluster) -> Facts {
    Facts {
        cluster: cluster.name.clone(),
        now: OffsetDateTime::now_utc().unix_timestamp(),
        containers: cluster.nodes.iter().map(|node| (node.name.clone(), node.state.to_string())).collect(),
        ..Facts::default()
    }
}

/// The last words of every container that failed.
async fn logs(facts: &Facts, api: &dyn Kubernetes) -> Result<Vec<Option<(String, String)>>> {
    let failed = facts.all("Pod").iter().flat_map(|pod| containers(pod).into_iter().map(move |c| (pod, c)));
    let failed = failed.filter(|(_, container)| container.failed(facts).is_some()).take(LOGS);
    let wanted: Vec<_> = failed.collect();
    let all = wanted.iter().map(|(pod, container)| async move {
        let query = LogQuery {
            namespace: pod.namespace(),
            pod: pod.name(),
            container: container.name(),
            // One that ended and was not yet started again is still the present one.
            previous: container.status.pointer("/state/terminated").is_none(),
            tail: LOG_LINES,
        };
        // A kubelet that does not answer is found by a rule of its own.
        let text = api.logs(query).await.ok().flatten()?;
        Some((log_key(pod, container.name()), text))
    });
    Ok(join_all(all).await)
}

/// ConfigMaps and Secrets of the namespaces in which something may miss one; of Secrets only the keys' names are kept.
async fn named(facts: &Facts, api: &dyn Kubernetes) -> Result<Vec<Value>> {
    let misses = |pod: &&Value| {
        containers(pod)
            .iter()
            .any(|c| matches!(c.waiting().0, "CreateContainerConfigError" | "ContainerCreating" | "PodInitializing"))
    };
    let pods = facts.all("Pod").iter().filter(misses);
    let ingresses = facts.all("Ingress").iter().filter(|ingress| !ingress.list("/spec/tls").is_empty());
    let namespaces: BTreeSet<&str> = pods.chain(ingresses).map(Look::namespace).collect();
    let lists = namespaces.into_iter().flat_map(|namespace| {
        let selection = Selection { namespace: Some(namespace), ..Selection::default() };
        [&kinds::CONFIG_MAP, &kinds::SECRET].map(|kind| api.list(kind, selection))
    });
    let mut found: Vec<Value> = try_join_all(lists).await?.into_iter().flatten().collect();
    found.iter_mut().for_each(forget_values);
    Ok(found)
}

fn forget_values(object: &mut Value) {
    for field in ["data", "stringData", "binaryData"] {
        if let Some(map) = object.get_mut(field).and_then(Value::as_object_mut) {
            map.values_mut().for_each(|value| *value = Value::Null);
        }
    }
    // What kubectl last applied repeats all values.
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("annotations");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_secret_is_kept() {
        let mut secret = json!({
            "metadata": {"name": "db", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
            "data": {"password": "aHVudGVyMg=="}
        });
        forget_values(&mut secret);
        assert_eq!(secret, json!({"metadata": {"name": "db"}, "data": {"password": null}}));
    }
}
