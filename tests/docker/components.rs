//! Each component of a node killed: it comes back by itself, and running pods do not notice.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("each_comes_back", each_comes_back)];

/// The components and how long each may take to serve again.
const COMPONENTS: [(&str, Duration); 7] = [
    ("containerd", seconds(20)),
    ("kubelet", seconds(20)),
    ("kube-proxy", seconds(20)),
    ("kube-scheduler", seconds(30)),
    ("kube-controller-manager", seconds(30)),
    ("kube-apiserver", seconds(30)),
    ("etcd", seconds(30)),
];

fn each_comes_back(scene: &Scene) {
    let cluster = scene.cluster("comp");
    cluster.create(&[]);
    cluster.kubectl(&["create", "deployment", "web", "--image=knarr.dev/hello:v1", "--replicas=2"]).ok();
    let before = containers(&cluster.pods_ready("app=web", 2));
    for (component, limit) in COMPONENTS {
        let was = agent(&cluster, component);
        let pid = was["pid"].as_u64().unwrap_or_else(|| panic!("{component} does not run: {was}")).to_string();
        // A shell's own, since the node has no other `kill`.
        cluster.exec(&cluster.control_plane(), &["sh", "-c", &format!("kill -9 {pid}")]).ok();
        let begun = Instant::now();
        until(&format!("{component} serves again"), limit, || {
            let now = agent(&cluster, component);
            let back = now["ready"] == true && now["pid"] != was["pid"];
            if back { Ok(()) } else { Err(now.to_string()) }
        });
        eprintln!("recovered: {component} {:.1} s", begun.elapsed().as_secs_f64());
        let now = agent(&cluster, component);
        assert_eq!(now["restarts"].as_u64(), was["restarts"].as_u64().map(|n| n + 1), "{component}: {now}");
    }
    cluster.well();
    assert_eq!(containers(&cluster.pods_ready("app=web", 2)), before, "the pods' containers are the same ones");
    // And the whole still does its work: a new pod needs every one of them.
    cluster.kubectl(&["scale", "deployment", "web", "--replicas=3"]).ok();
    cluster.pods_ready("app=web", 3);
}

/// What the node's own agent says of one component; asked in the node, since the API server may be the one that is gone.
pub fn agent(cluster: &Cluster, component: &str) -> Value {
    let status = cluster.exec(&cluster.control_plane(), &["knarr-node", "status", "-o", "json"]).ok().json();
    let all = status["components"].as_array().expect("a list");
    all.iter().find(|c| c["name"] == component).unwrap_or_else(|| panic!("no {component} in {status:#}")).clone()
}

/// The identity of every container of the pods, with its restarts and the time it started.
pub fn containers(pods: &[Value]) -> Vec<String> {
    let mut found: Vec<String> = pods
        .iter()
        .map(|pod| {
            let one = &pod["status"]["containerStatuses"][0];
            let id = text(one, "/containerID");
            format!("{id} {} {}", one["restartCount"], one["state"]["running"]["startedAt"])
        })
        .collect();
    found.sort();
    found
}
