//! Nodes with limits: Kubernetes reports them as capacity, the kernel holds them, and a node outlives its greedy Pods.

use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::docker::inspect;
use crate::scene::Scene;
use crate::wait::{seconds, until};

/// The cases of this file.
pub const CASES: &[Case] = &[("capacity_is_what_was_asked", capacity)];

const CONFIG: &str = "\
apiVersion: knarr.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
  cpus: 1.5
- role: worker
  cpus: 1
  memory: 768Mi
addons: {metrics-server: false, load-balancer: false, network-policy: false}
";

fn capacity(scene: &Scene) {
    let cluster = scene.cluster("limits");
    let file = scene.write("limits.yaml", CONFIG);
    cluster.create(&["--config", &file.to_string_lossy()]);
    let (plane, worker) = (cluster.control_plane(), format!("{}-worker", cluster.name));
    let host = inspect(&worker)["HostConfig"].clone();
    assert_eq!((&host["NanoCpus"], &host["Memory"]), (&1_000_000_000.into(), &(768_u64 << 20).into()), "{host}");
    reported(&cluster, &plane, &worker);
    too_large(&cluster);
    greedy(&cluster, &worker);
    scene.knarr(&["restart", &cluster.name]).ok();
    cluster.well();
    reported(&cluster, &plane, &worker);
    cluster.delete();
}

/// What the kubelets say of their nodes.
fn reported(cluster: &Cluster, plane: &str, worker: &str) {
    let status = |node: &str| cluster.get(&["node", node])["status"].clone();
    let of_worker = status(worker);
    assert_eq!((text(&of_worker, "/capacity/cpu"), text(&of_worker, "/capacity/memory")), ("1", "768Mi"));
    // Without what components keep and the kubelet's threshold of eviction.
    let allocatable = (text(&of_worker, "/allocatable/cpu"), text(&of_worker, "/allocatable/memory"));
    assert_eq!(allocatable, ("1", "468Mi"));
    let of_plane = status(plane);
    // Capacity is whole; what Pods may ask for is exact.
    assert_eq!((text(&of_plane, "/capacity/cpu"), text(&of_plane, "/allocatable/cpu")), ("2", "1500m"));
    assert_ne!(text(&of_plane, "/capacity/memory"), "768Mi", "the control plane has all memory");
    // Only the kubelet is shown another machine.
    let seen = cluster.exec(worker, &["cat", "/proc/meminfo"]).ok();
    assert!(!seen.out().contains(" 786432 kB"), "{seen}");
    let node = cluster.exec(worker, &["knarr-node", "status", "-o", "json"]).ok().json();
    assert!(!node["adaptations"].to_string().contains("cannot be shown"), "{node:#}");
}

/// A Pod that asks for more than the node has waits.
fn too_large(cluster: &Cluster) {
    cluster.apply(&pod("too-large", &json!({"cpu": "1100m"}), "sleep 600"));
    until("the scheduler has looked", seconds(30), || {
        let pod = cluster.get(&["pod", "too-large"]);
        let message = pod.pointer("/status/conditions/0/message").and_then(Value::as_str).unwrap_or_default();
        if message.contains("Insufficient cpu") { Ok(()) } else { Err(pod["status"].to_string()) }
    });
    assert_eq!(text(&cluster.get(&["pod", "too-large"]), "/status/phase"), "Pending");
    cluster.kubectl(&["delete", "pod", "too-large", "--now"]).ok();
}

/// A Pod without a limit of its own that takes more memory than the node has is ended; the node is not.
fn greedy(cluster: &Cluster, worker: &str) {
    cluster.apply(&pod("greedy", &json!({}), "exec awk 'BEGIN { s = 1; while (1) s = s s }'"));
    until("the greedy Pod is ended", seconds(90), || {
        let pod = cluster.get(&["pod", "greedy"]);
        let ended = pod.pointer("/status/containerStatuses/0/state/terminated/reason").and_then(Value::as_str);
        let evicted = pod.pointer("/status/reason").and_then(Value::as_str);
        match ended.or(evicted) {
            Some("OOMKilled" | "Evicted" | "Error") => Ok(()),
            _ => Err(pod["status"].to_string()),
        }
    });
    let state = inspect(worker)["State"].clone();
    assert_eq!((&state["Running"], &state["Restarting"]), (&true.into(), &false.into()), "{state}");
    cluster.kubectl(&["delete", "pod", "greedy", "--now"]).ok();
    cluster.well();
}

fn pod(name: &str, requests: &Value, script: &str) -> String {
    let container = json!({
        "name": "main",
        "image": "knarr.dev/busybox:v1.37",
        "command": ["sh", "-c", script],
        "resources": {"requests": requests},
    });
    let spec = json!({"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, "containers": [container]});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}).to_string()
}
