//! What `knarr why` prints, and how it ends.

use knarr::engine::fake::{How, When};
use knarr::engine::{Engine, EngineErrorKind, op};
use knarr::kubernetes::fake::{FakeKubernetes, Script};
use serde_json::{Value, json};

use crate::env::Env;

const LONG_AGO: &str = "2026-01-01T00:00:00Z";

fn node() -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "dev-control-plane"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "images": [{"names": ["knarr.dev/hello:v1"]}]}})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A Pod whose one container waits.
fn waiting(namespace: &str, name: &str, image: &str, reason: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "uid": name, "creationTimestamp": LONG_AGO},
        "spec": {"nodeName": "dev-control-plane", "containers": [{"name": "web", "image": image}]},
        "status": {"phase": "Pending", "containerStatuses":
            [{"name": "web", "state": {"waiting": {"reason": reason, "message": message}}}]}})
}

fn ready(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": LONG_AGO},
        "spec": {"containers": [{"name": "web", "image": "knarr.dev/hello:v1"}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "web", "ready": true, "state": {"running": {}}}]}})
}

/// A cluster `dev` that has these objects.
async fn cluster(objects: Vec<Value>) -> Env {
    let mut env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    env.kubernetes = FakeKubernetes::with_objects([vec![node(), namespace("default")], objects].concat());
    env
}

const NOT_FOUND: &str = "failed to resolve reference \"knarr.dev/hello:v9\": knarr.dev/hello:v9: not found";

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_well() {
    let env = cluster(vec![ready("web")]).await;
    insta::assert_snapshot!("well", env.knarr("why --name dev").await);
    insta::assert_snapshot!("well as json", env.knarr("why web --name dev -o json").await);
}

#[tokio::test(start_paused = true)]
async fn a_problem_here_and_one_elsewhere() {
    let env = cluster(vec![
        waiting("default", "web", "knarr.dev/hello:v9", "ImagePullBackOff", NOT_FOUND),
        namespace("shop"),
        waiting("shop", "db", "my/db:v1", "ErrImagePull", "dial tcp: lookup my on 127.0.0.11:53: no such host"),
    ])
    .await;
    insta::assert_snapshot!("here and elsewhere", env.knarr("why --name dev").await);
    insta::assert_snapshot!("a pod as json", env.knarr("why pod/web --name dev -o json").await);
    // The same image is in the host's Docker: then it is only not loaded.
    env.engine.add_image("my/db:v1", &knarr::engine::Labels::new());
    insta::assert_snapshot!("only not loaded", env.knarr("why -n shop --name dev po db").await);
    assert!(env.knarr("why -A --name dev").await.stderr.contains("2 problems with the cluster"));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist() {
    let env = cluster(vec![ready("frontend")]).await;
    insta::assert_snapshot!("a near name", env.knarr("why fronted --name dev").await);
    insta::assert_snapshot!("another kind", env.knarr("why deploy/frontend --name dev").await);
    insta::assert_snapshot!("an unknown namespace", env.knarr("why -n other frontend --name dev").await);
    insta::assert_snapshot!("an unknown kind", env.knarr("why flower/x --name dev").await);
}

#[tokio::test(start_paused = true)]
async fn without_an_api_server() {
    let mut env = cluster(Vec::new()).await;
    env.kubernetes = FakeKubernetes::new(Script { fails: Some("list"), ..Script::default() });
    insta::assert_snapshot!("the api fails", env.knarr("why --name dev").await);
    env.engine.stop_container("dev-control-plane", 0).await.expect("it stops");
    insta::assert_snapshot!("the control plane is stopped", env.knarr("why --name dev").await);
}

/// What the host cannot tell is left out; the cluster's own words are enough.
#[tokio::test(start_paused = true)]
async fn without_the_hosts_images() {
    let env = cluster(vec![waiting("default", "web", "knarr.dev/hello:v9", "ImagePullBackOff", NOT_FOUND)]).await;
    env.engine.inject(When::Every(op::FIND_IMAGE), How::Refuse(EngineErrorKind::Other));
    let run = env.knarr("why --name dev").await;
    assert!(run.stdout.contains("There is no image `knarr.dev/hello` with the tag `v9`"), "{run}");
    assert_eq!(run.status, 5);
}

/// Few requests, however many objects there are.
#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_well_is_asked_once_per_kind() {
    let env = cluster((0..50).map(|n| ready(&format!("web-{n}"))).collect()).await;
    assert_eq!(env.knarr("why -A --name dev").await.status, 0);
    let journal = env.kubernetes.journal();
    assert_eq!(journal.len(), 20, "{journal:#?}");
    assert!(journal.iter().all(|line| line.starts_with("list ")), "{journal:#?}");
}
