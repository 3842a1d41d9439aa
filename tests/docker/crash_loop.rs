//! A component that dies again and again ends the creation soon, and its last words are shown.

use crate::Case;
use crate::cluster::Cluster;
use crate::scene::Scene;
use crate::wait::seconds;

pub const CASES: &[Case] =
    &[("it_fails_soon_and_says_why", it_fails_soon_and_says_why), ("kept_when_asked", kept_when_asked)];

/// A flag that knarr does not know to be wrong, and kube-scheduler does.
const BROKEN: &str = "
apiVersion: knarr.dev/v1alpha1
kind: Cluster
extraArgs:
  scheduler:
    kube-api-qps: much
";

fn fails(scene: &Scene, cluster: &Cluster, flags: &[&str]) {
    let config = scene.write("broken.yaml", BROKEN).to_string_lossy().into_owned();
    let run = cluster.try_create(&[&["--config", &config], flags].concat()).exits(1);
    // Two back-offs of less than a second, the boot before them, and five seconds for the message.
    assert!(run.took < seconds(30), "{run}");
    let message = run.stderr.split_once("error: ").unwrap_or_else(|| panic!("{run}")).1;
    let first = format!("`kube-scheduler` on `{}` dies again and again", cluster.control_plane());
    assert!(message.starts_with(&first), "{run}");
    assert!(message.contains("exit status 1"), "{run}");
    assert!(message.contains("kube-api-qps"), "its last lines are not shown\n{run}");
}

fn it_fails_soon_and_says_why(scene: &Scene) {
    let cluster = scene.cluster("loop");
    fails(scene, &cluster, &[]);
    assert_eq!(cluster.objects(), [""; 0]);
    assert_eq!(scene.kubeconfig_text(), None);
}

fn kept_when_asked(scene: &Scene) {
    let cluster = scene.cluster("loopkept");
    fails(scene, &cluster, &["--retain"]);
    assert_eq!(cluster.objects().len(), 3, "{:?}", cluster.objects());
    let status = scene.knarr(&["status", &cluster.name]).exits(5);
    assert!(status.out().contains("`kube-scheduler` on"), "{status}");
    let logs = scene.knarr(&["logs", "--name", &cluster.name, "--component", "kube-scheduler"]).ok();
    assert!(logs.out().contains("kube-api-qps"), "{logs}");
    cluster.delete();
}
