//! Volumes: made on demand on any node, longer-lived than Pods, gone or kept as asked, never outside their folder.

use serde_json::{Value, json};

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::scene::Scene;
use crate::shared;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[
    ("on_every_node_and_deleted", on_every_node_and_deleted),
    ("kept_if_asked", kept_if_asked),
    ("a_volume_made_by_hand", a_volume_made_by_hand),
    ("what_a_folder_cannot_be", what_a_folder_cannot_be),
    ("no_way_out", no_way_out),
];

/// Where a node keeps its volumes.
const ROOT: &str = "/var/lib/knarr/volumes";

/// A namespace of a case, deleted at its end.
struct Namespace<'c, 's> {
    cluster: &'c Cluster<'s>,
    name: &'static str,
}

impl<'c, 's> Namespace<'c, 's> {
    fn new(cluster: &'c Cluster<'s>, name: &'static str) -> Self {
        cluster.kubectl(&["create", "namespace", name]).ok();
        Self { cluster, name }
    }

    fn end(self) {
        self.cluster.kubectl(&["delete", "namespace", self.name]).ok();
    }

    fn claim(&self, name: &str, size: &str, mode: &str, class: &Value) {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": self.name},
            "spec": {
                "accessModes": [mode], "resources": {"requests": {"storage": size}}, "storageClassName": class,
            },
        });
        self.cluster.apply(&claim.to_string());
    }

    /// A Pod that does something with the claim at `/data` and then stays.
    fn pod(&self, name: &str, claim: &str, node: Option<&str>, script: &str) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": self.name},
            "spec": {
                "terminationGracePeriodSeconds": 0, "tolerations": [{"operator": "Exists"}],
                "containers": [{
                    "name": "shell", "image": "knarr.dev/busybox:v1.37",
                    "command": ["sh", "-c", format!("{script} && sleep 3600")],
                    // Anybody's user must be able to write.
                    "securityContext": {"runAsUser": 1234},
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }],
                "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
            },
        });
        if let Some(node) = node {
            pod["spec"]["nodeSelector"] = json!({"kubernetes.io/hostname": node});
        }
        self.cluster.apply(&pod.to_string());
    }

    fn ready(&self, pod: &str) {
        let pod = format!("pod/{pod}");
        self.cluster.kubectl(&["wait", "-n", self.name, &pod, "--for=condition=Ready", "--timeout=60s"]).ok();
    }

    fn delete(&self, what: &str, name: &str) {
        self.cluster.kubectl(&["delete", "-n", self.name, what, name]).ok();
    }

    /// The volume that a claim is bound to.
    fn volume(&self, claim: &str) -> Value {
        let claim = self.cluster.get(&["pvc", claim, "-n", self.name]);
        assert_eq!(claim["status"]["phase"], "Bound", "{claim:#}");
        self.cluster.get(&["pv", text(&claim, "/spec/volumeName")])
    }
}

fn path_of(volume: &Value) -> String {
    let path = text(volume, "/spec/hostPath/path").to_owned();
    assert!(path.starts_with(&format!("{ROOT}/")), "{path}");
    path
}

fn is_there(cluster: &Cluster, node: &str, path: &str) -> bool {
    cluster.exec(node, &["test", "-e", path]).status == 0
}

fn gone(cluster: &Cluster, node: &str, path: &str, volume: &str) {
    until(&format!("{path} on {node} is gone"), seconds(60), || {
        let left = cluster.kubectl(&["get", "pv", volume, "--ignore-not-found", "-o", "name"]).ok().out();
        match (is_there(cluster, node, path), left.is_empty()) {
            (false, true) => Ok(()),
            (folder, _) => Err(format!("folder there: {folder}; volume: `{left}`")),
        }
    });
}

fn on_every_node_and_deleted(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let space = Namespace::new(cluster, "kt-storage");
    let claims = ["data-0", "data-1", "data-2"];
    for (claim, node) in claims.iter().zip(&shared.nodes) {
        // No class is named: the default one serves.
        space.claim(claim, "1Gi", "ReadWriteOnce", &Value::Null);
        space.pod(claim, claim, Some(node), &format!("echo from {claim} > /data/file"));
    }
    for (claim, node) in claims.iter().zip(&shared.nodes) {
        space.ready(claim);
        let volume = space.volume(claim);
        assert_eq!(text(&volume, "/spec/storageClassName"), "standard");
        assert_eq!(text(&volume, "/spec/capacity/storage"), "1Gi");
        assert!(is_there(cluster, node, &format!("{}/file", path_of(&volume))), "{volume:#}");
        let claim = cluster.get(&["pvc", claim, "-n", space.name]);
        assert_eq!(text(&claim, "/status/capacity/storage"), "1Gi");
    }

    let volume = space.volume(claims[1]);
    space.delete("pod", claims[1]);
    // It may be placed anywhere, but its data are on one node only.
    space.pod("reader", claims[1], None, "grep -q 'from data-1' /data/file");
    space.ready("reader");
    let reader = cluster.get(&["pod", "reader", "-n", space.name]);
    assert_eq!(text(&reader, "/spec/nodeName"), shared.nodes[1]);
    space.delete("pod", "reader");
    space.delete("pvc", claims[1]);
    gone(cluster, &shared.nodes[1], &path_of(&volume), text(&volume, "/metadata/name"));

    // With its namespace go the claims, and with them the folders.
    let volumes = [space.volume(claims[0]), space.volume(claims[2])];
    space.end();
    for (volume, node) in volumes.iter().zip([&shared.nodes[0], &shared.nodes[2]]) {
        gone(cluster, node, &path_of(volume), text(volume, "/metadata/name"));
    }
}

fn kept_if_asked(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let space = Namespace::new(cluster, "kt-retain");
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "kt-retain"},
        "provisioner": "knarr.dev/local", "reclaimPolicy": "Retain", "volumeBindingMode": "WaitForFirstConsumer",
    });
    cluster.apply(&class.to_string());
    space.claim("kept", "1Gi", "ReadWriteOncePod", &json!("kt-retain"));
    space.pod("writer", "kept", Some(&shared.nodes[1]), "echo kept > /data/file");
    space.ready("writer");
    let volume = space.volume("kept");
    let name = text(&volume, "/metadata/name");
    space.end();
    until("the volume is released", seconds(60), || {
        let volume = cluster.get(&["pv", name]);
        if volume["status"]["phase"] == "Released" { Ok(()) } else { Err(volume["status"].to_string()) }
    });
    let path = path_of(&volume);
    assert_eq!(cluster.exec(&shared.nodes[1], &["cat", &format!("{path}/file")]).ok().out().trim(), "kept");
    cluster.kubectl(&["delete", "pv", name]).ok();
    cluster.kubectl(&["delete", "storageclass", "kt-retain"]).ok();
    assert!(is_there(cluster, &shared.nodes[1], &path), "a person removes it, nobody else");
    cluster.exec(&shared.nodes[1], &["rm", "-r", &path]).ok();
}

fn a_volume_made_by_hand(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let space = Namespace::new(cluster, "kt-static");
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "kt-static"},
        "spec": {
            "capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/var/lib/kt-static", "type": "DirectoryOrCreate"},
        },
    });
    cluster.apply(&volume.to_string());
    space.claim("five", "5Gi", "ReadWriteOnce", &json!("standard"));
    // Folders that the kubelet makes belong to root.
    space.pod("reader", "five", Some(&shared.nodes[2]), "ls /data");
    space.ready("reader");
    assert_eq!(text(&space.volume("five"), "/metadata/name"), "kt-static");
    let claim = cluster.get(&["pvc", "five", "-n", space.name]);
    assert_eq!(text(&claim, "/status/capacity/storage"), "10Gi", "the claim gets the whole volume");
    space.end();
    cluster.kubectl(&["delete", "pv", "kt-static"]).ok();
    cluster.exec(&shared.nodes[2], &["rm", "-r", "/var/lib/kt-static"]).ok();
}

fn what_a_folder_cannot_be(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let space = Namespace::new(cluster, "kt-modes");
    space.claim("shared", "1Gi", "ReadWriteMany", &Value::Null);
    space.pod("writer", "shared", None, "true");
    until("the claim's Event says why", seconds(60), || {
        let events = cluster.get(&["events", "-n", space.name, "--field-selector=reason=ProvisioningFailed"]);
        let told = events.to_string();
        if told.contains("a folder of one node cannot be ReadWriteMany") { Ok(()) } else { Err(told) }
    });
    assert_eq!(cluster.get(&["pvc", "shared", "-n", space.name])["status"]["phase"], "Pending");
    space.end();
}

/// Neither a link that a Pod leaves nor a volume object that names a foreign folder makes anything else be deleted.
fn no_way_out(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let node = &shared.nodes[1];
    let space = Namespace::new(cluster, "kt-escape");
    cluster.exec(node, &["sh", "-c", "mkdir -p /var/lib/kt-foreign && echo x > /var/lib/kt-foreign/file"]).ok();
    let forged = |path: &str| {
        json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {
                "name": "kt-forged",
                "annotations": {"pv.kubernetes.io/provisioned-by": "knarr.dev/local"},
            },
            "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "standard",
                "persistentVolumeReclaimPolicy": "Delete", "hostPath": {"path": path},
                // Of a claim that is no more, so that it is to be deleted at once.
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": space.name, "name": "gone",
                    "uid": "0f8fad5b-d9cb-469f-a165-70867728950e",
                },
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
                ]}]}},
            },
        })
    };
    let refused = cluster
        .kubectl_reading(&["apply", "-f", "-"], forged(&format!("{ROOT}/../../kt-foreign")).to_string().as_bytes());
    assert!(refused.status != 0 && refused.stderr.contains("must not contain '..'"), "{refused}");
    cluster.apply(&forged("/var/lib/kt-foreign").to_string());

    space.claim("links", "1Gi", "ReadWriteOnce", &Value::Null);
    space.pod("linker", "links", Some(node), "ln -s /var/lib/kt-foreign /data/link && mkdir -m 000 /data/shut");
    space.ready("linker");
    let volume = space.volume("links");
    space.delete("pod", "linker");
    space.delete("pvc", "links");
    gone(cluster, node, &path_of(&volume), text(&volume, "/metadata/name"));
    assert!(is_there(cluster, node, "/var/lib/kt-foreign/file"), "something outside was deleted");
    cluster.kubectl(&["delete", "pv", "kt-forged"]).ok();
    space.end();
    cluster.exec(node, &["rm", "-r", "/var/lib/kt-foreign"]).ok();
}
