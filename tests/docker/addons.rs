//! Addons as a person switches them: off in the config, on by hand, off again, back after Docker restarted every node.

use serde_json::Value;

use crate::Case;
use crate::cluster::Cluster;
use crate::docker::docker;
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("switched_and_restarted", switched_and_restarted)];

fn switched_and_restarted(scene: &Scene) {
    let cluster = scene.cluster("addons");
    let config = scene.write(
        "config.yaml",
        "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnodes: [{role: control-plane}, {role: worker}]\n\
         addons: {metrics-server: false}\n",
    );
    let created = cluster.create(&["--config", &config.to_string_lossy()]);
    assert!(created.stderr.contains("starting in the background: "), "{created}");
    let addons = |verb: &str, rest: &[&str]| scene.knarr(&[&["addons", verb, "--name", &cluster.name], rest].concat());

    assert_eq!(state(scene, &cluster, "metrics-server"), "off");
    ready(scene, &cluster, "storage");
    assert_ne!(cluster.kubectl(&["top", "nodes"]).status, 0, "nobody measures");

    cluster.apply(VOLUME);
    let refused = addons("disable", &["storage"]).exits(1);
    assert!(refused.stderr.contains("storage: PersistentVolume kt-needed"), "{refused}");
    ready(scene, &cluster, "storage");
    cluster.kubectl(&["delete", "pv", "kt-needed"]).ok();
    addons("disable", &["storage"]).ok();
    assert_eq!(state(scene, &cluster, "storage"), "off");
    let left = cluster.kubectl(&["get", "storageclasses,daemonsets", "-A", "-l", "dev.knarr.addon=storage"]).ok();
    assert!(left.out().is_empty(), "{left}");
    assert!(addons("disable", &["storage"]).ok().stderr.contains("was off already"));

    addons("enable", &["storage", "metrics-server"]).ok();
    ready(scene, &cluster, "metrics-server");
    addons("enable", &["metrics-server"]).ok();
    addons("enable", &["metric-server"]).exits(2);

    docker(&["restart", &cluster.control_plane(), &format!("{}-worker", cluster.name)]).ok();
    cluster.well();
    for addon in ["storage", "metrics-server"] {
        ready(scene, &cluster, addon);
    }
    until("nodes are measured again", seconds(120), || {
        let run = cluster.kubectl(&["top", "nodes", "--no-headers"]);
        if run.status == 0 && run.out().lines().count() == 2 { Ok(()) } else { Err(run.to_string()) }
    });
    cluster.delete();
}

/// What `knarr addons list` says of one.
fn list(scene: &Scene, cluster: &Cluster, addon: &str) -> Result<Value, String> {
    let run = scene.knarr(&["addons", "list", "--name", &cluster.name, "-o", "json"]);
    if run.status != 0 {
        return Err(run.to_string());
    }
    let list = run.json();
    let found = list["addons"].as_array().and_then(|all| all.iter().find(|a| a["name"] == addon));
    found.cloned().ok_or_else(|| format!("no {addon} in {list:#}"))
}

fn state(scene: &Scene, cluster: &Cluster, addon: &str) -> String {
    list(scene, cluster, addon).expect("it is listed")["state"].as_str().expect("a state").to_owned()
}

/// Waits until an addon is ready and its memory is known.
fn ready(scene: &Scene, cluster: &Cluster, addon: &str) {
    until(&format!("{addon} is ready"), seconds(120), || {
        let found = list(scene, cluster, addon)?;
        let measured = found["memoryBytes"].as_u64().is_some_and(|bytes| bytes > 0);
        if found["state"] == "ready" && measured { Ok(()) } else { Err(found.to_string()) }
    });
}

const VOLUME: &str = "
apiVersion: v1
kind: PersistentVolume
metadata:
  name: kt-needed
  annotations: {pv.kubernetes.io/provisioned-by: knarr.dev/local}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: standard
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /var/lib/knarr/volumes/kt-needed}
";
