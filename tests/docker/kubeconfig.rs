//! The user's kubeconfig: what is somebody else's stays as it is to the byte, the context comes and goes.

use crate::Case;
use crate::cluster::Cluster;
use crate::scene::Scene;

pub const CASES: &[Case] =
    &[("a_foreign_entry_survives", a_foreign_entry_survives), ("only_where_it_was_told", only_where_it_was_told)];

/// Somebody's file, with things that a careless rewrite would lose.
pub const FOREIGN: &str = r#"# my clusters; do not touch
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: office
  cluster: {server: "https://10.9.8.7:6443", insecure-skip-tls-verify: true}   # the old one
  x-note: 0777
contexts:
- {name: office, context: {cluster: office, user: me, namespace: "on"}}
current-context: office
users:
- name: me
  user:
    token: !!str 12345
"#;

fn a_foreign_entry_survives(scene: &Scene) {
    let cluster = scene.cluster("config");
    scene.write("kubeconfig", FOREIGN);
    cluster.create(&[]).says("kubectl's current context was `office`");
    let text = scene.kubeconfig_text().expect("a file");
    assert!(text.contains(&format!("current-context: knarr-{}\n", cluster.name)), "{text}");
    for line in FOREIGN.lines().filter(|line| !line.starts_with("current-context")) {
        assert!(text.lines().any(|l| l == line), "lost: {line}\n{text}");
    }
    repairs(scene, &cluster, &text);
    used_inside(scene, &cluster);
    cluster.delete().says("current context is `office` again");
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(FOREIGN), "the file is as it was");
}

/// `export kubeconfig` puts a broken entry right, and leaves a right one alone.
fn repairs(scene: &Scene, cluster: &Cluster, right: &str) {
    let get = scene.knarr(&["get", "kubeconfig", "--name", &cluster.name]).ok().out();
    let server = get.lines().find(|l| l.contains("server: ")).expect("a server").trim();
    assert!(right.contains(server), "{server}");
    scene.write("kubeconfig", right.replace(server, "server: https://127.0.0.1:1"));
    let export = ["export", "kubeconfig", "--name", &cluster.name];
    scene.knarr(&export).ok();
    let repaired = scene.kubeconfig_text().expect("a file");
    assert!(repaired.contains(server) && !repaired.contains("127.0.0.1:1\n"), "{repaired}");
    scene.knarr(&export).ok().says("was as it should be");
    assert_eq!(scene.kubeconfig_text(), Some(repaired));
}

/// `--internal` is for containers on the cluster's network; a node is one.
fn used_inside(scene: &Scene, cluster: &Cluster) {
    let internal = scene.knarr(&["get", "kubeconfig", "--internal", "--name", &cluster.name]).ok();
    let script =
        "cat > /tmp/config && kubectl --kubeconfig /tmp/config get nodes -o name; s=$?; rm /tmp/config; exit $s";
    let node = cluster.control_plane();
    scene.knarr_reading(&["exec", &node, "--", "sh", "-c", script], &internal.stdout).ok().says(&node);
}

fn only_where_it_was_told(scene: &Scene) {
    let cluster = scene.cluster("told");
    scene.write("kubeconfig", FOREIGN);
    cluster.create(&["--no-kubeconfig", "--wait", "0s"]);
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(FOREIGN));
    scene.knarr(&["export", "kubeconfig", "--name", &cluster.name, "--switch-context=false"]).ok();
    let text = scene.kubeconfig_text().expect("a file");
    assert!(text.contains(&cluster.name) && text.contains("current-context: office\n"), "{text}");
    cluster.delete();
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(FOREIGN));

    let elsewhere = scene.path("elsewhere/config");
    let flag = elsewhere.to_string_lossy().into_owned();
    cluster.create(&["--kubeconfig", &flag, "--wait", "0s"]);
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(FOREIGN));
    let text = std::fs::read_to_string(&elsewhere).expect("it was written");
    assert!(text.contains(&format!("current-context: knarr-{}", cluster.name)), "{text}");
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&elsewhere).expect("a file"));
    assert_eq!(mode & 0o777, 0o600);
    scene.knarr(&["delete", "cluster", &cluster.name, "--kubeconfig", &flag]).ok();
    let text = std::fs::read_to_string(&elsewhere).unwrap_or_default();
    assert!(!text.contains(&cluster.name), "{text}");
}
