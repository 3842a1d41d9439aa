//! `knarr get urls` and `knarr tunnel` against a cluster in memory.

use std::time::Duration;

use knarr::host::Host;
use knarr::host::probe::{Probe, Space};
use knarr::kubernetes::fake::FakeKubernetes;
use knarr::signal::Interrupt;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::env::Env;

/// A machine with the kernel on which the fake Docker's containers run.
struct SameKernel;

impl Probe for SameKernel {
    fn read(&self, path: &str) -> Option<Vec<u8>> {
        (path == "/proc/sys/kernel/osrelease").then(|| b"6.12.1-test".to_vec())
    }
    fn exists(&self, _: &str) -> bool {
        false
    }
    fn may_write(&self, _: &str) -> bool {
        false
    }
    fn list(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn link(&self, _: &str) -> Option<String> {
        None
    }
    fn space(&self, _: &str) -> Option<Space> {
        None
    }
}

fn service(namespace: &str, name: &str, kind: &str, port: u16, address: Option<&str>) -> Value {
    let ingress: Vec<Value> = address.iter().map(|ip| json!({"ip": ip})).collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"type": kind, "ports": [{"name": "http", "port": port, "nodePort": 30080}]},
        "status": {"loadBalancer": {"ingress": ingress}},
    })
}

fn objects(port: u16) -> Vec<Value> {
    vec![
        service("shop", "web", "LoadBalancer", port, Some("10.89.0.200")),
        service("shop", "api", "NodePort", port, None),
        service("shop", "inner", "ClusterIP", port, None),
        service("other", "late", "LoadBalancer", 80, None),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
            "metadata": {"namespace": "shop", "name": "front"},
            "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": [{"path": "/api"}]}}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "10.89.0.200"}]}},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "http", "port": 8080}],
            "endpoints": [
                {"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "web-a"}},
                {"conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "web-b"}},
            ],
        }),
    ]
}

async fn with(port: u16) -> Env {
    let mut env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    env.kubernetes = FakeKubernetes::with_objects(objects(port));
    env.engine.set_info(|info| (info.address, info.kernel) = ("unix:///d".into(), "6.12.1-test".into()));
    env
}

#[tokio::test(start_paused = true)]
async fn urls_depend_on_what_this_machine_reaches() {
    let mut env = with(80).await;
    insta::assert_snapshot!(env.knarr("get urls --name dev").await);
    env.host = || Host::new(SameKernel);
    insta::assert_snapshot!(env.knarr("get urls --name dev").await);
    insta::assert_snapshot!(env.knarr("get urls --name dev -n other -o json").await);
    insta::assert_snapshot!(env.knarr("get urls --name dev -n nowhere").await);
    insta::assert_snapshot!(env.knarr("get urls --name nobody").await);
}

#[tokio::test]
async fn a_tunnel_leads_to_a_pod_that_is_ready_until_it_is_interrupted() {
    let port = knarr::host::pick_free_port(std::net::Ipv4Addr::LOCALHOST.into(), &[]).expect("a port");
    let env = with(port).await;
    let interrupt = Interrupt::manual();
    let person = async {
        let mut stream = loop {
            match TcpStream::connect(("127.0.0.1", port)).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        let mut said = String::new();
        stream.read_to_string(&mut said).await.expect("it answers");
        interrupt.signal();
        said
    };
    let (run, said) = tokio::join!(env.run("tunnel shop/web --name dev", interrupt.clone()), person);
    assert_eq!(said, "dial shop/web-a:8080");
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains(&format!("http://127.0.0.1:{port}\n")), "{run}");
}

#[tokio::test]
async fn a_tunnel_to_nothing_says_what_is_there() {
    let mut env = with(80).await;
    insta::assert_snapshot!(env.knarr("tunnel nobody -n shop --name dev").await);
    env.kubernetes = FakeKubernetes::with_objects(Vec::new());
    insta::assert_snapshot!(env.knarr("tunnel --name dev").await);
}
