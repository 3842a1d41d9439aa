//! One node from nothing to nothing: created, Ready, names resolve inside and outside, deleted without a trace.

use std::net::ToSocketAddrs;

use crate::Case;
use crate::cluster::{Cluster, condition};
use crate::docker;
use crate::scene::Scene;

pub const CASES: &[Case] = &[("from_nothing_to_nothing", from_nothing_to_nothing)];

/// Something that exists outside of every cluster, unless told otherwise.
const OUTSIDE: &str = "example.com";

fn from_nothing_to_nothing(scene: &Scene) {
    let cluster = scene.cluster("one");
    let created = cluster.create(&["--timings"]);
    eprintln!("{}", created.out());
    assert!(created.stderr.contains(&format!("cluster `{}` is ready", cluster.name)), "{created}");
    scene.knarr(&["get", "clusters"]).ok().says(&cluster.name);
    cluster.well();

    let nodes = cluster.get(&["nodes"]);
    let nodes = nodes["items"].as_array().expect("a list");
    assert_eq!(nodes.len(), 1);
    assert_eq!(condition(&nodes[0], "Ready"), "True");
    assert_eq!(nodes[0]["spec"]["taints"], serde_json::Value::Null, "the only node must take pods");
    cluster.get(&["serviceaccount", "default"]);

    cluster
        .kubectl(&[
            "run",
            "shell",
            "--image=knarr.dev/busybox:v1.37",
            "--restart=Never",
            "--labels=app=shell",
            "--",
            "sleep",
            "3600",
        ])
        .ok();
    cluster.pods_ready("app=shell", 1);
    names_inside(&cluster);
    names_outside(&cluster);

    let volumes = docker::inspect(&cluster.control_plane())["Mounts"].take();
    let volumes: Vec<&str> = volumes.as_array().expect("a list").iter().filter_map(|m| m["Name"].as_str()).collect();
    assert!(!volumes.is_empty());
    cluster.delete();
    for volume in volumes {
        assert_ne!(docker::docker(&["volume", "inspect", volume]).status, 0, "volume {volume} is left");
    }
    let config = scene.kubeconfig_text().unwrap_or_default();
    assert!(!config.contains(&cluster.name) && !config.contains("current-context: knarr"), "{config}");
    cluster.delete().says("nothing to delete");
    scene.knarr(&["status", &cluster.name]).exits(7);
}

fn names_inside(cluster: &Cluster) {
    let service = cluster.get(&["service", "kubernetes"]);
    let address = service["spec"]["clusterIP"].as_str().expect("an address").to_owned();
    // busybox's nslookup asks for exactly the name it is given, so it gets the whole one; that pods search their own
    // domains is seen by asking as every program does.
    let whole = ["exec", "shell", "--", "nslookup", "kubernetes.default.svc.cluster.local"];
    cluster.kubectl(&whole).ok().says(&address);
    let short = cluster.kubectl(&["exec", "shell", "--", "ping", "-c1", "-W1", "kubernetes.default"]);
    assert!(short.out().contains(&format!("({address})")), "{short}");
    let missing = ["exec", "shell", "--", "nslookup", "nobody.default.svc.cluster.local"];
    cluster.kubectl(&missing).exits(1).says("NXDOMAIN");
}

fn names_outside(cluster: &Cluster) {
    let name = std::env::var("KNARR_TEST_OUTSIDE_NAME").unwrap_or_else(|_| OUTSIDE.into());
    let Ok(mut known) = (name.as_str(), 80).to_socket_addrs() else {
        eprintln!("NOT TESTED: names outside of the cluster, because this machine itself cannot resolve `{name}`;");
        eprintln!("            name one that it can in KNARR_TEST_OUTSIDE_NAME");
        return;
    };
    assert!(known.next().is_some());
    let run = cluster.kubectl(&["exec", "shell", "--", "nslookup", &name]).ok();
    assert!(run.out().matches("Address").count() >= 2, "{run}");
}
