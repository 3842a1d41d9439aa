//! `knarr apply`: a cluster becomes what its file says, while it lives.

use serde_json::Value;

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::processes::Run;
use crate::scene::Scene;

/// The cases of this file.
pub const CASES: &[Case] = &[("from_file_to_file", from_file_to_file)];

fn config(nodes: &str, addons: &str) -> String {
    let others = "load-balancer: false, network-policy: false, metrics-server: false";
    format!(
        "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\naddons: {{{others}, {addons}}}\nnodes:\n- role: control-plane\n{nodes}"
    )
}

fn from_file_to_file(scene: &Scene) {
    let cluster = scene.cluster("apply");
    let apply = |config: &str, flags: &[&str]| {
        let file = scene.write("dev.yaml", config);
        let file = file.to_string_lossy();
        scene.knarr(&[&["apply", "-f", &file, "--name", &cluster.name], flags].concat())
    };
    let one = config("", "storage: true");
    apply(&one, &[]).ok();
    cluster.well();
    apply(&one, &[]).ok().says("is what the file says already");
    let started = started(&cluster);

    let two =
        config("- role: worker\n  labels: {tier: db}\n  taints: [{key: db, effect: NoSchedule}]\n", "storage: false");
    let shown = apply(&two, &["--dry-run"]).ok();
    assert_eq!(signs(&shown), ["+ taint", "+ node", "- addon"], "{shown}");
    apply(&two, &[]).exits(2).says("nobody can be asked");
    assert_eq!(cluster.get(&["nodes"])["items"].as_array().map(Vec::len), Some(1), "nothing was changed");
    apply(&two, &["--yes"]).ok();
    cluster.well();
    let worker = format!("{}-worker", cluster.name);
    let node = cluster.get(&["node", &worker]);
    assert_eq!(text(&node, "/metadata/labels/tier"), "db");
    assert_eq!(text(&node, "/spec/taints/0/key"), "db");
    assert_eq!(cluster.get(&["storageclasses"])["items"].as_array().map(Vec::len), Some(0));
    assert_eq!(signs(&apply(&two, &["--dry-run"]).ok()), Vec::<String>::new());

    // What a person did with kubectl stays; what the file no longer says goes.
    cluster.kubectl(&["label", "node", &worker, "mine=1"]).ok();
    cluster.kubectl(&["label", "node", &worker, "tier=web", "--overwrite"]).ok();
    let three =
        config("- role: worker\n  labels: {tier: db, zone: a}\n  ports: [{containerPort: 30080}]\n", "storage: false");
    assert_eq!(signs(&apply(&three, &["--yes", "--dry-run"]).ok()), ["~ label", "+ label", "- taint", "+ port"]);
    apply(&three, &["--yes"]).ok();
    let node = cluster.get(&["node", &worker]);
    let label = |key: &str| node["metadata"]["labels"][key].as_str().unwrap_or_default().to_owned();
    assert_eq!((label("tier"), label("zone"), label("mine")), ("db".into(), "a".into(), "1".into()));
    assert_eq!(node["spec"]["taints"], Value::Null);
    let open = scene.knarr(&["port", "list", "--name", &cluster.name]).ok();
    assert!(open.out().lines().any(|line| line.contains(&worker) && line.contains("30080")), "{open}");
    assert_eq!(signs(&apply(&three, &["--dry-run"]).ok()), Vec::<String>::new());

    // What it is like can be read, and says the same.
    let read = scene.knarr(&["get", "config", "--name", &cluster.name]).ok().out();
    assert!(read.contains("zone: a") && read.contains("containerPort: 30080"), "{read}");
    assert_eq!(signs(&apply(&read, &["--dry-run"]).ok()), Vec::<String>::new(), "{read}");

    let other = three.replace("zone: a}", "zone: a}\n  cpus: 1") + "networking: {podSubnet: 10.9.0.0/16}\n";
    apply(&other, &["--yes"]).exits(3).says("cannot become what the config says").says("podSubnet").says("cpus");
    apply(&one, &["--yes"]).ok();
    cluster.well();
    assert_eq!(cluster.get(&["nodes"])["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(started, self::started(&cluster), "the control plane has run all the time");
    cluster.delete();
}

/// When the container of the control plane was started.
fn started(cluster: &Cluster<'_>) -> String {
    text(&crate::docker::inspect(&cluster.control_plane()), "/State/StartedAt").to_owned()
}

/// What becomes of what, without names.
fn signs(run: &Run) -> Vec<String> {
    run.out().lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}
