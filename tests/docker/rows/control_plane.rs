//! The control plane: `knarr status` and the API server name every part of it, and each part does its own work.

use serde_json::Value;

use super::namespace::Namespace;
use crate::scene::Scene;
use crate::shared::Shared;
use crate::wait::{seconds, until};

/// What runs on the control plane, and on every node.
const PARTS: [&str; 7] =
    ["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "containerd", "kubelet", "kube-proxy"];

pub fn every_part_is_named(scene: &Scene, shared: &Shared<'_>) {
    let status = scene.knarr(&["status", &shared.cluster.name, "-o", "json"]).ok().json();
    let nodes = status["nodes"].as_array().expect("a list");
    assert_eq!(nodes.len(), 3, "{status:#}");
    for (number, node) in nodes.iter().enumerate() {
        let components = node["agent"]["components"].as_array().expect("a list");
        let ready = |name: &&&str| components.iter().any(|c| c["name"] == **name && c["ready"] == true);
        let wanted = if number == 0 { &PARTS[..] } else { &PARTS[4..] };
        assert_eq!(wanted.iter().filter(ready).count(), wanted.len(), "{node:#}");
    }
    let checks = shared.cluster.kubectl(&["get", "--raw", "/readyz?verbose"]).ok();
    checks.says("[+]etcd ok").says("[+]poststarthook/start-apiextensions-controllers ok").says("readyz check passed");

    // One object that needs all of them: stored, made into a Pod, placed, started, counted.
    let space = Namespace::create(&shared.cluster, "row-control-plane");
    space.kubectl(&["create", "job", "once", "--image=knarr.dev/busybox:v1.37", "--", "true"]).ok();
    space.kubectl(&["wait", "job/once", "--for=condition=Complete", "--timeout=60s"]).ok();
    // Events are written behind the work.
    until("each part has told what it did", seconds(20), || {
        let events = space.kubectl(&["get", "events", "-o", "json"]).ok().json();
        let told = |by: &str, reason: &str| {
            let all = events["items"].as_array().expect("a list").iter();
            let by_whom = |e: &Value| e["source"]["component"] == by || e["reportingComponent"] == by;
            all.filter(|e| e["reason"] == reason).any(by_whom)
        };
        let parts =
            [("job-controller", "SuccessfulCreate"), ("default-scheduler", "Scheduled"), ("kubelet", "Started")];
        match parts.iter().find(|(by, reason)| !told(by, reason)) {
            None => Ok(()),
            Some(missing) => Err(format!("{missing:?} is not in {events:#}")),
        }
    });
}
