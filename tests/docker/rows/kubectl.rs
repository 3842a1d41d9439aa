//! kubectl as everybody uses it: verb by verb, a terminal and forwarded ports among them.

use std::net::{Ipv4Addr, SocketAddr};

use super::namespace::Namespace;
use crate::cluster::Cluster;
use crate::http;
use crate::processes::{free_port, run};
use crate::scene::Scene;
use crate::wait::{seconds, until};

const SPACE: &str = "row-kubectl";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, annotations: {kubernetes.io/change-cause: first}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: hello, image: 'knarr.dev/hello:v1', env: [{name: DRAIN, value: 0s}], ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: seen, emptyDir: {}}]
  containers:
  - {name: hello, image: 'knarr.dev/hello:v1'}
  - name: shell
    image: knarr.dev/busybox:v1.37
    volumeMounts: [{name: seen, mountPath: /seen}]
    # The first run fails, the second stays.
    command: [sh, -c, 'if mkdir /seen/once 2>/dev/null; then echo the first run; exit 3; fi; echo the second run; sleep 3600']
---
apiVersion: v1
kind: Pod
metadata: {name: counter}
spec:
  restartPolicy: Never
  containers:
  - {name: count, image: 'knarr.dev/busybox:v1.37', command: [sh, -c, 'for i in 1 2 3; do echo count $i; sleep 1; done']}
";

pub fn as_everybody_uses_it(scene: &Scene, cluster: &Cluster<'_>) {
    let space = Namespace::create(cluster, SPACE);
    space.kubectl_reading(&["apply", "-f", "-"], WEB.as_bytes()).ok().says("deployment.apps/web created");
    logs(&space);
    space.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok().says("successfully rolled out");
    looks(&space, cluster);
    rollouts(&space);
    terminal(scene, cluster);
    ports(scene, cluster);
    space.kubectl(&["delete", "pod", "two", "--now"]).ok().says("deleted");
    space.kubectl(&["get", "pod", "two"]).exits(1).says("NotFound");
    // Measurements come every fifteen seconds.
    until("kubectl top", seconds(60), || {
        let run = space.kubectl(&["top", "pods"]);
        if run.status == 0 && run.out().contains("web-") { Ok(()) } else { Err(run.to_string()) }
    });
    let top = cluster.kubectl(&["top", "nodes"]).ok();
    assert!(top.out().contains(&cluster.control_plane()), "{top}");
}

fn logs(space: &Namespace<'_>) {
    space.kubectl(&["wait", "pod/counter", "--for=condition=Ready", "--timeout=60s"]);
    let followed = space.kubectl(&["logs", "-f", "counter"]).ok();
    assert_eq!(followed.out(), "count 1\ncount 2\ncount 3\n", "followed to the end");
    until("the second run", seconds(60), || {
        let run = space.kubectl(&["logs", "two", "-c", "shell"]);
        if run.out() == "the second run\n" { Ok(()) } else { Err(run.to_string()) }
    });
    assert_eq!(space.kubectl(&["logs", "two", "-c", "shell", "--previous"]).ok().out(), "the first run\n");
    space.kubectl(&["logs", "two", "-c", "hello"]).ok().says("listening on :8080");
    space.kubectl(&["logs", "two", "-c", "hello", "--previous"]).exits(1).says("previous terminated container");
    space.kubectl(&["logs", "two", "--all-containers", "--prefix"]).ok().says("[pod/two/shell] the second run");
}

fn looks(space: &Namespace<'_>, cluster: &Cluster<'_>) {
    let wide = space.kubectl(&["get", "pods", "-o", "wide", "-l", "app=web"]).ok().out();
    assert_eq!(wide.matches(" Running ").count(), 2, "{wide}");
    assert!(wide.contains("NOMINATED NODE") && wide.contains(&cluster.name), "{wide}");
    let all = space.kubectl(&["get", "all"]).ok().out();
    for kind in ["pod/web-", "service/web", "deployment.apps/web", "replicaset.apps/web-"] {
        assert!(all.contains(kind), "no {kind} in\n{all}");
    }
    cluster.kubectl(&["get", "pods", "-A"]).ok().says("coredns");
    cluster.kubectl(&["get", "pods", "-n", SPACE]).ok().says("counter");
    let described = space.kubectl(&["describe", "pod", "two"]).ok();
    described.says("knarr.dev/busybox:v1.37").says("Exit Code:    3").says("Container started");
    space.kubectl(&["describe", "service", "web"]).ok().says("Endpoints:");
    cluster.kubectl(&["cluster-info"]).ok().says("Kubernetes control plane").says("CoreDNS");
    let refused = space.kubectl(&["get", "pod", "nobody"]).exits(1);
    refused.says("pods \"nobody\" not found");
}

fn rollouts(space: &Namespace<'_>) {
    let status = || space.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
    space.kubectl(&["scale", "deployment/web", "--replicas=3"]).ok().says("scaled");
    status();
    space.kubectl(&["set", "image", "deployment/web", "hello=knarr.dev/hello:v2"]).ok();
    status();
    space.kubectl(&["annotate", "deployment/web", "kubernetes.io/change-cause=second", "--overwrite"]).ok();
    let history = space.kubectl(&["rollout", "history", "deployment/web"]).ok().out();
    assert!(history.contains("first") && history.contains("second"), "{history}");
    space.kubectl(&["rollout", "undo", "deployment/web"]).ok().says("rolled back");
    status();
    let image = ["get", "deployment/web", "-o", "jsonpath={.spec.template.spec.containers[0].image}"];
    assert_eq!(space.kubectl(&image).ok().out(), "knarr.dev/hello:v1");
    space.kubectl(&["scale", "deployment/web", "--replicas=1"]).ok();
}

/// `exec -it`, in a terminal of its own that `script` makes.
fn terminal(scene: &Scene, cluster: &Cluster<'_>) {
    let knarr = env!("CARGO_BIN_EXE_knarr");
    let inside = "tty; echo $((6*7))";
    let line = format!("{knarr} kubectl --name {} exec -it -n {SPACE} two -c shell -- sh -c '{inside}'", cluster.name);
    let session = run(&mut scene.program("script", &["-qec", &line, "/dev/null"]), b"").ok();
    assert!(session.out().contains("/dev/pts/") && session.out().contains("42"), "{session}");
}

fn ports(scene: &Scene, cluster: &Cluster<'_>) {
    for (target, port) in [("pod/two", 8080), ("svc/web", 80)] {
        let local = free_port();
        let forwarding = scene.start(&[
            "kubectl",
            "--name",
            &cluster.name,
            "port-forward",
            "-n",
            SPACE,
            target,
            &format!("{local}:{port}"),
        ]);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, local));
        let (status, body) = until(&format!("{target} answers here"), seconds(30), || http::get(address, "/version"));
        assert_eq!((status, body.trim()), (200, "v1"), "{target}");
        drop(forwarding);
    }
}
