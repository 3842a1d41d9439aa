//! What Docker and the nodes know beside the API server: images of the host, peaks of memory, listening ports.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::super::look::Look;
use super::super::rules::target_port;
use super::Facts;
use super::pods::containers;
use crate::cluster::Cluster;
use crate::engine::{ContainerState, Engine, ExecSpec};

/// Prints `UID BYTES` for each Pod, from cgroups of version 1 or 2, whose names may have `_` for `-`.
const PEAKS: &str = r#"for uid; do
  find /sys/fs/cgroup -path "*pod$uid*" \( -name memory.peak -o -name memory.max_usage_in_bytes \) 2>/dev/null |
    awk '{ print length($0), $0 }' | sort -n | head -n 1 | while read -r _ file; do echo "$uid $(cat "$file")"; done
done"#;

/// Prints `CONTAINER PORT…` for each container, the ports in hexadecimal.
const PORTS: &str = r#"ctr -n k8s.io tasks list 2>/dev/null | while read -r id pid _; do
  case " $* " in *" $id "*)
    echo "$id" $(awk '$4 == "0A" { sub(".*:", "", $2); print $2 }' "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null) ;;
  esac
done"#;

/// Adds what can be had; what cannot is left out, and rules say what they know without it.
pub async fn look<E: Engine>(facts: &mut Facts, engine: &E, cluster: &Cluster) {
    let running: Vec<&str> =
        cluster.nodes.iter().filter(|n| n.state == ContainerState::Running).map(|n| n.name.as_str()).collect();
    let (images, peaks, listening) = futures::future::join3(
        images(facts, engine),
        peaks(facts, engine, &running),
        listening(facts, engine, &running),
    )
    .await;
    (facts.images, facts.peaks, facts.listening) = (images, peaks, listening);
}

async fn images<E: Engine>(facts: &Facts, engine: &E) -> BTreeMap<String, String> {
    let cannot = ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"];
    let all = facts.all("Pod").iter().flat_map(containers);
    let wanted: BTreeSet<&str> = all.filter(|c| cannot.contains(&c.waiting().0)).map(|c| c.image()).collect();
    let asked = wanted.into_iter().map(|image| async move {
        let found = engine.find_image(image).await.ok().flatten()?;
        Some((image.to_owned(), found.arch))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

async fn peaks<E: Engine>(facts: &Facts, engine: &E, running: &[&str]) -> BTreeMap<String, f64> {
    let mut by_node: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for pod in facts.all("Pod") {
        let killed = containers(pod).iter().any(|c| c.failed(facts).is_some_and(|end| end["reason"] == "OOMKilled"));
        if killed {
            by_node.entry(pod.text("/spec/nodeName")).or_default().push(pod.text("/metadata/uid"));
        }
    }
    let said = ask(engine, running, PEAKS, by_node).await;
    said.iter()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(uid, n)| Some((uid.to_owned(), n.parse().ok()?)))
        .collect()
}

/// Only of Pods behind Services whose target port no container declares: declarations are no more than words.
async fn listening<E: Engine>(facts: &Facts, engine: &E, running: &[&str]) -> BTreeMap<String, Vec<i64>> {
    let mut by_node: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut pods: BTreeMap<&str, &str> = BTreeMap::new();
    for pod in facts.all("Service").iter().flat_map(|service| target_port::doubtful(facts, service)) {
        for container in containers(pod) {
            let id = container.status.text("/containerID").trim_start_matches("containerd://");
            if !id.is_empty() && pods.insert(id, pod.text("/metadata/uid")).is_none() {
                by_node.entry(pod.text("/spec/nodeName")).or_default().push(id);
            }
        }
    }
    let mut found: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for line in ask(engine, running, PORTS, by_node).await {
        let mut words = line.split_whitespace();
        if let Some(uid) = words.next().and_then(|id| pods.get(id)) {
            let ports = found.entry((*uid).to_owned()).or_default();
            ports.extend(words.filter_map(|port| i64::from_str_radix(port, 16).ok()));
            ports.sort_unstable();
            ports.dedup();
        }
    }
    found
}

/// Runs a script with its words on each node that runs; returns the lines of all.
async fn ask<E: Engine>(engine: &E, running: &[&str], script: &str, words: BTreeMap<&str, Vec<&str>>) -> Vec<String> {
    let asked = words.into_iter().filter(|(node, _)| running.contains(node)).map(|(node, words)| async move {
        let argv = ["sh", "-c", script, "sh"].into_iter().chain(words);
        let outcome = engine.exec(node, &ExecSpec::new(argv)).await.ok()?;
        Some(String::from_utf8_lossy(&outcome.stdout).lines().map(ToOwned::to_owned).collect::<Vec<_>>())
    });
    join_all(asked).await.into_iter().flatten().flatten().collect()
}
