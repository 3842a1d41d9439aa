//! Pods on every node reach each other, Services spread, and every node answers for them.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::cluster::text;
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, http, shared};

pub const CASES: &[Case] = &[("pods_and_services_across_nodes", pods_and_services_across_nodes)];

const NODE_PORT: u16 = 30123;

const MANIFEST: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: net}
spec:
  selector: {matchLabels: {app: net}}
  template:
    metadata: {labels: {app: net}}
    spec:
      tolerations: [{operator: Exists}]
      terminationGracePeriodSeconds: 1
      containers:
      - {name: hello, image: "knarr.dev/hello:v1", imagePullPolicy: Never, readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
      - {name: shell, image: "knarr.dev/busybox:v1.37", imagePullPolicy: Never, command: [sleep, "3600"]}
---
apiVersion: v1
kind: Service
metadata: {name: net}
spec:
  type: NodePort
  selector: {app: net}
  ports: [{port: 80, targetPort: 8080, nodePort: 30123}]
"#;

fn pods_and_services_across_nodes(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    cluster.well();
    cluster.apply(MANIFEST);
    let pods = cluster.pods_ready("app=net", 3);
    let nodes: BTreeSet<&str> = pods.iter().map(|p| text(p, "/spec/nodeName")).collect();
    assert_eq!(nodes, shared.nodes.iter().map(String::as_str).collect(), "one pod on every node");
    let names: Vec<&str> = pods.iter().map(|p| text(p, "/metadata/name")).collect();
    let addresses: Vec<&str> = pods.iter().map(|p| text(p, "/status/podIP")).collect();

    let loops = format!("for a in {}; do wget -T 5 -qO- http://$a:8080 || exit 1; done", addresses.join(" "));
    for from in &names {
        let answers = cluster.kubectl(&["exec", from, "-c", "shell", "--", "sh", "-c", &loops]).ok().out();
        assert_eq!(who(&answers), names, "asked from {from}");
    }

    // Thirty requests miss one of three pods less than once in fifty thousand runs.
    let spread = "for i in $(seq 30); do wget -T 5 -qO- http://net || exit 1; done";
    until("the Service's name and address work", seconds(20), || {
        let run = cluster.kubectl(&["exec", names[0], "-c", "shell", "--", "wget", "-T", "2", "-qO-", "http://net"]);
        if run.status == 0 { Ok(()) } else { Err(run.stderr) }
    });
    let answers = cluster.kubectl(&["exec", names[0], "-c", "shell", "--", "sh", "-c", spread]).ok().out();
    assert_eq!(who(&answers).into_iter().collect::<BTreeSet<_>>(), names.iter().copied().collect());

    let nodes = cluster.get(&["nodes"]);
    for node in nodes["items"].as_array().expect("a list") {
        let address: SocketAddr =
            format!("{}:{NODE_PORT}", text(node, "/status/addresses/0/address")).parse().expect("an address");
        let (status, body) = until("a node answers for the Service", seconds(10), || http::get(address, "/"));
        assert_eq!(status, 200, "{body}");
        assert_eq!(who(&body).len(), 1, "{body}");
    }
    cluster.kubectl(&["delete", "daemonset,service", "net", "--wait=false"]).ok();
}

/// Which pods answered, in order.
fn who(answers: &str) -> Vec<&str> {
    answers.lines().filter_map(|line| line.strip_prefix("pod:")).map(str::trim).collect()
}
