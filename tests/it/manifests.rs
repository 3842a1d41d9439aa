//! `knarr create --manifest`: read before anything is made, applied in order, every refusal told, and the cluster stays.

use knarr::kubernetes::fake::Script;
use tempfile::TempDir;

use crate::env::{Env, Transcript};

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

async fn create(env: &Env, folder: &TempDir, flags: &str) -> Transcript {
    env.knarr(&format!("create dev --manifest {} {flags}", folder.path().display())).await
}

/// What was submitted, in order.
fn submitted(env: &Env) -> Vec<String> {
    env.kubernetes.journal().iter().filter_map(|line| line.strip_prefix("submit ").map(str::to_owned)).collect()
}

const APP: &str = "\
apiVersion: example.com/v1
kind: Ship
metadata: {name: beagle}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
";
const DEFINITIONS: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ships.example.com, namespace: ignored}
spec: {group: example.com, names: {kind: Ship}}
---
apiVersion: v1
kind: Namespace
metadata: {name: fleet}
";

#[tokio::test(start_paused = true)]
async fn definitions_and_namespaces_come_first() {
    let env = Env::new();
    let folder = folder(&[("a.yaml", APP), ("b.yml", DEFINITIONS), ("notes.txt", "no manifest")]);
    let run = create(&env, &folder, "").await;
    assert_eq!(run.status, 0, "{run}");
    assert_eq!(
        submitted(&env),
        [
            "CustomResourceDefinition ships.example.com",
            "Namespace fleet",
            "Ship default/beagle",
            "ConfigMap default/settings",
        ]
    );
    let applied = run.stderr.find("applied 4 objects").expect("it is told");
    let ready = run.stderr.find("cluster `dev` is ready").expect("it is told");
    assert!(applied < ready, "{run}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_when_a_manifest_is_wrong() {
    let env = Env::new();
    let folder = folder(&[("a.yaml", APP), ("b.yaml", "kind: Pod\n---\nmetadata: [\n"), ("c.yaml", "3\n")]);
    let run = create(&env, &folder, "").await;
    assert_eq!(run.status, 3, "{run}");
    for told in ["b.yaml:", "(document 2)", "c.yaml:1 (document 1): an object is a mapping", "nothing was created"] {
        assert!(run.stderr.contains(told), "`{told}` is not in\n{run}");
    }
    assert!(env.left().is_empty() && env.kubernetes.journal().is_empty());
    let run = env.knarr("create dev --manifest missing.yaml --manifest - --manifest -").await;
    assert_eq!(run.status, 2, "{run}");
    assert!(run.stderr.contains("missing.yaml` does not exist") && run.stderr.contains("only once"), "{run}");
    let run = env.knarr("create dev --config - --manifest -").await;
    assert_eq!(run.status, 2, "{run}");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_keeps_nothing_back_and_the_cluster_stays() {
    let env = Env::scripted(Script { refuses: Some("ConfigMap default/settings"), ..Script::default() });
    let mut text = APP.to_owned();
    text.push_str("---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n");
    let folder = folder(&[("a.yaml", &text)]);
    let run = create(&env, &folder, "").await;
    assert_eq!(run.status, 1, "{run}");
    for told in [
        "only 1 of 3 objects of the manifests were applied",
        "a.yaml:1 (document 1): Ship beagle: the cluster knows no kind `Ship` of `example.com/v1`",
        "a.yaml:5 (document 2): ConfigMap default/settings: the script refuses it",
        "applied: Service shop/web",
        "the cluster `dev` runs",
        "cluster `dev` is ready",
    ] {
        assert!(run.stderr.contains(told), "`{told}` is not in\n{run}");
    }
    assert!(!env.left().is_empty(), "the cluster is gone");
    assert!(env.kubeconfig().contains("current-context: knarr-dev"));
}

#[tokio::test(start_paused = true)]
async fn standard_input_and_json() {
    let mut env = Env::new();
    env.stdin = APP.replace("example.com/v1", "apps/v1").into();
    let run = env.knarr("create dev --manifest - -o json").await;
    assert_eq!(run.status, 0, "{run}");
    let result: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(result["applied"], serde_json::json!(["Ship default/beagle", "ConfigMap default/settings"]));
    let plan = Env::new().knarr("create dev --manifest manifests/samples/hello.yaml --dry-run").await;
    assert!(plan.stdout.contains("then apply the manifests of "), "{plan}");
}
