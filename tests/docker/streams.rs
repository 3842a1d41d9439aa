//! kubectl and exec as a person uses them: stdin, exit status, logs, port-forward, cp, and the host's own kubectl.

use std::net::SocketAddr;

use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::processes::{free_port, run};
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, http, shared};

pub const CASES: &[Case] = &[
    ("exec_in_a_node", exec_in_a_node),
    ("kubectl_with_pods", kubectl_with_pods),
    ("the_hosts_own_kubectl", the_hosts_own_kubectl),
];

const POD: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: streams, labels: {app: streams}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: hello, image: "knarr.dev/hello:v1", imagePullPolicy: Never}
  - {name: shell, image: "knarr.dev/busybox:v1.37", imagePullPolicy: Never, command: [sleep, "3600"]}
"#;

/// More than any buffer in between, with every byte value.
fn large() -> Vec<u8> {
    (0..=u8::MAX).cycle().zip(0_u32..).filter(|(_, i)| i % 7919 != 0).map(|(byte, _)| byte).take(300_000).collect()
}

fn exec_in_a_node(scene: &Scene) {
    let shared = shared::cluster(scene);
    for node in &shared.nodes {
        shared.cluster.exec(node, &["hostname"]).ok().says(node);
    }
    let node = &shared.nodes[1];
    let echoed = scene.knarr_reading(&["exec", node, "--", "cat"], &large()).ok();
    assert!(echoed.stdout == large(), "stdin came back with {} bytes", echoed.stdout.len());
    let both = shared.cluster.exec(node, &["--", "sh", "-c", "echo out; echo err >&2; exit 7"]).exits(7);
    assert_eq!((both.out().as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    scene.knarr(&["exec", "nobody", "--", "true"]).exits(7).says("there is no node `nobody`");
}

fn kubectl_with_pods(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    cluster.apply(POD);
    cluster.pods_ready("app=streams", 1);
    let echoed = cluster.kubectl_reading(&["exec", "-i", "streams", "-c", "shell", "--", "cat"], &large()).ok();
    assert!(echoed.stdout == large(), "stdin came back with {} bytes", echoed.stdout.len());
    cluster.kubectl(&["exec", "streams", "-c", "shell", "--", "sh", "-c", "exit 7"]).exits(7);
    cluster.kubectl(&["get", "pod", "nobody"]).exits(1).says("NotFound");
    cluster.kubectl(&["logs", "streams", "-c", "hello"]).ok().says("listening on :8080");
    copy(scene, cluster);
    forward(scene, cluster);
    cluster.kubectl(&["delete", "pod", "streams", "--wait=false"]).ok();
}

fn copy(scene: &Scene, cluster: &Cluster) {
    scene.write("there.bin", large());
    cluster.kubectl(&["cp", "-c", "shell", "there.bin", "streams:/tmp/there.bin"]).ok();
    cluster.kubectl(&["cp", "-c", "shell", "streams:/tmp/there.bin", "back.bin"]).ok();
    assert!(std::fs::read(scene.path("back.bin")).expect("it came back") == large());
}

fn forward(scene: &Scene, cluster: &Cluster) {
    let port = free_port();
    let ports = format!("{port}:8080");
    let forwarding = scene.start(&["kubectl", "--name", &cluster.name, "port-forward", "pod/streams", &ports]);
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (status, body) = until("the forwarded port answers", seconds(20), || http::get(address, "/"));
    assert!(status == 200 && body.contains("pod:       streams"), "{body}");
    forwarding.signal(Signal::INT);
    let ended = forwarding.end();
    assert_ne!(ended.status, 137, "{ended}");
    assert!(http::get(address, "/").is_err(), "kubectl outlived knarr");
}

fn the_hosts_own_kubectl(scene: &Scene) {
    let shared = shared::cluster(scene);
    let name = &shared.cluster.name;
    scene.knarr(&["export", "kubeconfig", "--name", name]).ok();
    let context = format!("knarr-{name}");
    let mut kubectl = scene.program("kubectl", &["--context", &context, "get", "nodes", "-o", "name"]);
    if kubectl.output().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        eprintln!("NOT TESTED: this machine has no kubectl of its own");
        return;
    }
    let run = run(&mut kubectl, b"").ok();
    assert_eq!(run.out().lines().count(), 3, "{run}");
}
