//! Images from the host's Docker reach every node, and what cannot be loaded is named.

use crate::cluster::{Cluster, text};
use crate::docker::{Foreign, docker};
use crate::scene::{Scene, prefix};
use crate::{Case, shared};

pub const CASES: &[Case] =
    &[("from_the_hosts_docker", from_the_hosts_docker), ("what_is_not_there", what_is_not_there)];

/// Makes an image in the host's Docker that exists nowhere else: the nodes' busybox and one file of its own.
pub fn make(scene: &Scene, name: &str) -> Foreign {
    let shared = shared::cluster(scene);
    let find = "exec cat \"$(find / -xdev -path '*/bin/busybox' -type f | head -n 1)\"";
    let busybox = shared.cluster.exec(&shared.nodes[0], &["sh", "-c", find]).ok().stdout;
    assert!(busybox.starts_with(b"\x7fELF"), "{} bytes that are no program", busybox.len());
    let image = Foreign::new("image", format!("{}-{name}:1", prefix()));
    let mut tar = tar::Builder::new(Vec::new());
    for (path, bytes, mode) in [("bin/busybox", &busybox[..], 0o755), ("marker", image.name.as_bytes(), 0o644)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        tar.append_data(&mut header, path, bytes).expect("memory takes everything");
    }
    let file = scene.write("image.tar", tar.into_inner().expect("memory takes everything"));
    let command = "CMD [\"/bin/busybox\", \"sleep\", \"3600\"]";
    docker(&["import", "--change", command, &file.to_string_lossy(), &image.name]).ok();
    image
}

/// Runs an image on every node, without any pull, and looks at its own file.
pub fn runs_on_every_node(cluster: &Cluster, app: &str, image: &str) {
    cluster.apply(&format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {app}}}
spec:
  selector: {{matchLabels: {{app: {app}}}}}
  template:
    metadata: {{labels: {{app: {app}}}}}
    spec:
      tolerations: [{{operator: Exists}}]
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: '{image}', imagePullPolicy: Never}}]
"
    ));
    for pod in cluster.pods_ready(&format!("app={app}"), 3) {
        let run = cluster.kubectl(&["exec", text(&pod, "/metadata/name"), "--", "/bin/busybox", "cat", "/marker"]).ok();
        assert_eq!(run.out(), image);
    }
    cluster.kubectl(&["delete", "daemonset", app, "--wait=false"]).ok();
}

fn from_the_hosts_docker(scene: &Scene) {
    let shared = shared::cluster(scene);
    let image = make(scene, "loaded");
    let run = scene.knarr(&["load", "docker-image", &image.name, "--name", &shared.cluster.name, "-o", "json"]).ok();
    assert_eq!(run.json()["nodes"].as_array().map(Vec::len), Some(3), "{run}");
    runs_on_every_node(&shared.cluster, "loaded", &image.name);
    // Once more is no error.
    scene.knarr(&["load", "docker-image", &image.name, "--name", &shared.cluster.name]).ok();
}

fn what_is_not_there(scene: &Scene) {
    let shared = shared::cluster(scene);
    let name = &shared.cluster.name;
    let missing = format!("{}-missing:1", prefix());
    let run = scene.knarr(&["load", "docker-image", &missing, "--name", name]).exits(7).says(&missing);
    assert!(run.stderr.contains("nothing was loaded"), "{run}");
    let none = scene.knarr(&["load", "docker-image", "knarr.dev/node:v1.36.4", "--name", name, "--nodes", "nobody"]);
    none.exits(7).says("has no node `nobody`");
    let nobody = format!("{}-nobody", prefix());
    scene.knarr(&["load", "docker-image", &missing, "--name", &nobody]).exits(7).says("there is no cluster");
}
