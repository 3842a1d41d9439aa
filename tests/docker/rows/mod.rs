//! What must work, row by row of the textbook: each row's sample is watched, and then looked at closer.
//!
//! Rows stand side by side where they neither disturb nor slow each other: most of their time is waiting.

mod autoscaler;
mod control_plane;
mod kubectl;
mod namespace;
mod node;
mod pod;
mod rolling_update;
mod service;
mod stateful_set;

use crate::Case;
use crate::cluster::{Cluster, condition, text};
use crate::docker::docker;
use crate::processes::together;
use crate::samples::{Watched, watch};
use crate::scene::Scene;
use crate::shared;
use crate::wait::{seconds, until};

/// The first one leaves every sample to the others: what they watch has seen all nodes restart.
pub const CASES: &[Case] = &[
    ("all_samples_and_a_restart", all_samples_and_a_restart),
    // Before its autoscaler has seen five minutes without load and takes a Pod away.
    ("application", application),
    ("control_plane_and_nodes", control_plane_and_nodes),
    ("pods_and_replicas", pods_and_replicas),
    ("rolling_update", rolling_update),
    ("services", services),
    ("settings_and_shares", settings_and_shares),
    ("kubectl", kubectl),
    ("tour", tour),
    ("volumes", volumes),
    ("autoscaler", autoscaler),
    ("network_policy", network_policy),
    ("load_balancer", load_balancer),
];

/// The samples that the cases of this folder watch.
pub const SAMPLES: [&str; 15] = [
    "hello",
    "pod",
    "replicaset",
    "deployment",
    "service",
    "load-balancer",
    "ingress",
    "namespaces-quota",
    "config-secret",
    "volumes",
    "statefulset",
    "hpa",
    "network-policy",
    "application",
    "tour",
];

fn nothing_more(_: &Watched) {}

/// Watches samples side by side.
fn watch_all(scene: &Scene, samples: &[&str]) {
    let shared = shared::cluster(scene);
    let cluster: &Cluster<'_> = &shared.cluster;
    together(
        samples
            .iter()
            .map(|sample| {
                Box::new(move || watch(scene, cluster, sample, nothing_more)) as Box<dyn FnOnce() + Send + '_>
            })
            .collect(),
    );
}

/// Everything of the textbook stands in the cluster while Docker restarts every node at once, and works again.
fn all_samples_and_a_restart(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster: &Cluster<'_> = &shared.cluster;
    let apply = |sample: &str| scene.knarr(&["sample", "apply", sample, "--name", &cluster.name]).ok();
    let all_work = || {
        together(
            SAMPLES
                .iter()
                .map(|sample| Box::new(move || drop(apply(sample))) as Box<dyn FnOnce() + Send + '_>)
                .collect(),
        );
    };
    all_work();
    let before = pods(cluster);
    let nodes: Vec<&str> = shared.nodes.iter().map(String::as_str).collect();
    docker(&[&["restart"], &nodes[..]].concat()).ok();
    until("every Pod is ready again", seconds(180), || {
        let run = scene.knarr(&["status", &cluster.name]);
        if run.status != 0 {
            return Err(run.to_string());
        }
        let now = pods(cluster);
        if now == before { Ok(()) } else { Err(format!("{now:#?}, before {before:#?}")) }
    });
    all_work();
}

/// The Pods of all samples by namespace and name, and whether each is ready.
fn pods(cluster: &Cluster<'_>) -> Vec<(String, bool)> {
    let list = cluster.kubectl(&["get", "pods", "-A", "-o", "json"]);
    let items = if list.status == 0 { list.json()["items"].take() } else { return Vec::new() };
    let pods = items.as_array().into_iter().flatten();
    let ours = pods.filter(|pod| text(pod, "/metadata/namespace") != "kube-system");
    ours.map(|pod| {
        let name = format!("{}/{}", text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        (name, condition(pod, "Ready") == "True")
    })
    .collect()
}

fn control_plane_and_nodes(scene: &Scene) {
    let shared = shared::cluster(scene);
    control_plane::every_part_is_named(scene, &shared);
    node::every_node_runs_pods(&shared);
}

fn pods_and_replicas(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster: &Cluster<'_> = &shared.cluster;
    together(vec![
        Box::new(|| watch(scene, cluster, "hello", nothing_more)),
        Box::new(|| watch(scene, cluster, "pod", |_| pod::limits_are_the_kernels(cluster))),
        Box::new(|| watch(scene, cluster, "replicaset", |_| pod::a_lost_one_is_replaced(cluster))),
    ]);
}

fn rolling_update(scene: &Scene) {
    let shared = shared::cluster(scene);
    watch(scene, &shared.cluster, "deployment", |_| rolling_update::no_request_is_lost(&shared.cluster));
}

fn services(scene: &Scene) {
    let shared = shared::cluster(scene);
    watch(scene, &shared.cluster, "service", |_| service::the_address_stays(&shared.cluster));
}

fn settings_and_shares(scene: &Scene) {
    watch_all(scene, &["namespaces-quota", "config-secret"]);
}

fn kubectl(scene: &Scene) {
    kubectl::as_everybody_uses_it(scene, &shared::cluster(scene).cluster);
}

fn tour(scene: &Scene) {
    watch_all(scene, &["tour"]);
}

fn volumes(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster: &Cluster<'_> = &shared.cluster;
    together(vec![
        Box::new(|| watch(scene, cluster, "volumes", nothing_more)),
        Box::new(|| watch(scene, cluster, "statefulset", |_| stateful_set::first_to_last_and_back(cluster))),
    ]);
}

fn autoscaler(scene: &Scene) {
    let shared = shared::cluster(scene);
    watch(scene, &shared.cluster, "hpa", autoscaler::is_quick);
}

fn network_policy(scene: &Scene) {
    watch_all(scene, &["network-policy"]);
}

fn load_balancer(scene: &Scene) {
    watch_all(scene, &["load-balancer"]);
}

fn application(scene: &Scene) {
    watch_all(scene, &["ingress", "application"]);
}
