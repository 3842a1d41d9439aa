//! What must not be readable: keys in nodes, Secrets in etcd, and anything secret in what Docker and the logs show.

use crate::scene::Scene;
use crate::{Case, docker, shared};

pub const CASES: &[Case] = &[
    ("keys_are_for_root_alone", keys_are_for_root_alone),
    ("secrets_rest_encrypted", secrets_rest_encrypted),
    ("docker_and_logs_show_no_secret", docker_and_logs_show_no_secret),
];

/// Beginnings of what must never be shown: keys in PEM, the same in base64, and tokens.
const SECRET: [&str; 3] = ["PRIVATE KEY-----", "LS0tLS1CRUdJTiBQUklWQVRF", "eyJhbGciOi"];

fn keys_are_for_root_alone(scene: &Scene) {
    let shared = shared::cluster(scene);
    for node in &shared.nodes {
        // Secrets that a Pod mounts are the Pod's, with the mode that it asks for.
        let keys =
            "grep -rl --exclude-dir=pods 'PRIVATE KEY' /etc/kubernetes /var/lib/kubelet /var/lib/knarr 2>/dev/null";
        let list = format!("{keys} | xargs stat -L -c '%a %U %n'");
        let run = shared.cluster.exec(node, &["sh", "-c", &list]).ok();
        let out = run.out();
        assert!(out.lines().count() >= 2, "no key was found\n{run}");
        for line in out.lines() {
            assert!(line.starts_with("600 root "), "{node}: {line}");
        }
    }
    let worker = shared.cluster.exec(&shared.nodes[1], &["sh", "-c", "find / -xdev -name 'ca.key' -o -name 'sa.key'"]);
    assert_eq!(worker.out(), "", "a worker has a key of the control plane");
}

fn secrets_rest_encrypted(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    // The one in the open shows that the search would find the other.
    let (open, hidden) = ("written-in-the-open-7319", "never-seen-on-disk-7319");
    cluster.kubectl(&["create", "configmap", "open", &format!("--from-literal=key={open}")]).ok();
    cluster.kubectl(&["create", "secret", "generic", "hidden", &format!("--from-literal=key={hidden}")]).ok();
    let found = |what: &str| cluster.exec(&shared.nodes[0], &["grep", "-raq", what, "/var/lib/etcd"]).status == 0;
    assert!(found(open), "what is not secret must be found, else this test proves nothing");
    assert!(!found(hidden), "the Secret is in etcd as it was written");
    let read = cluster.kubectl(&["get", "secret", "hidden", "-o", "jsonpath={.data.key}"]).ok();
    assert_eq!(read.out().len(), hidden.len().div_ceil(3) * 4, "the API gives it back");
    cluster.kubectl(&["delete", "configmap/open", "secret/hidden"]).ok();
}

fn docker_and_logs_show_no_secret(scene: &Scene) {
    let shared = shared::cluster(scene);
    let name = &shared.cluster.name;
    for node in &shared.nodes {
        let inspect = docker::inspect(node);
        assert_eq!(inspect["HostConfig"]["Privileged"], false);
        assert!(no_secret(&inspect.to_string()), "docker inspect {node}");
        assert!(no_secret(&docker::docker(&["logs", node]).ok().to_string()), "docker logs {node}");
    }
    let logs = scene.knarr(&["logs", "--name", name, "--tail", "100000"]).ok();
    assert!(logs.out().lines().count() > 100, "{logs}");
    assert!(no_secret(&logs.out()), "knarr logs");
    for output in ["text", "json"] {
        let status = scene.knarr(&["status", name, "-o", output]).ok();
        assert!(no_secret(&status.to_string()), "{status}");
    }
    scene.knarr(&["export", "logs", "logs", "--name", name]).ok();
    let mut seen = Vec::new();
    walk(&scene.path("logs"), &mut seen);
    for component in ["kubelet.log", "kube-apiserver.log", "etcd.log"] {
        assert!(seen.iter().any(|path| path.ends_with(component)), "no {component} in {seen:?}");
    }
    for path in seen {
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("a file")).into_owned();
        assert!(no_secret(&text), "{}", path.display());
    }
}

fn no_secret(text: &str) -> bool {
    SECRET.iter().all(|secret| !text.contains(secret))
}

fn walk(folder: &std::path::Path, seen: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { walk(&path, seen) } else { seen.push(path) }
    }
}
