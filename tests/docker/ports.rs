//! Ports of the host that are opened on a living cluster: TCP and UDP, kept over a restart and made anew when lost, and
//! nothing else restarts.

use std::net::{Ipv4Addr, SocketAddr};

use crate::cluster::Cluster;
use crate::docker::{docker, inspect};
use crate::load_balancer::probe::resolves;
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, http};

pub const CASES: &[Case] = &[("opened_kept_and_closed", opened_kept_and_closed)];

const WEB: u16 = 18_080;
const DNS: u16 = 18_053;
const NAME: &str = "kubernetes.default.svc.cluster.local";

/// A web page, and the cluster's DNS, at ports of every node.
const SERVICES: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
  - {name: hello, image: "knarr.dev/hello:v1", imagePullPolicy: Never, readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: dns, namespace: kube-system}
spec: {type: NodePort, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP, nodePort: 30053}]}
"#;

fn here(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn started(cluster: &Cluster<'_>) -> Vec<String> {
    let nodes = [cluster.control_plane(), format!("{}-worker", cluster.name)];
    nodes.map(|node| inspect(&node)["State"]["StartedAt"].to_string()).into()
}

fn page() -> Result<(), String> {
    match http::get(here(WEB), "/version")? {
        (200, body) if body.trim() == "v1" => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn both_answer() {
    until("the web page answers", seconds(20), page);
    until("the DNS answers", seconds(20), || resolves(here(DNS), NAME));
}

fn opened_kept_and_closed(scene: &Scene) {
    let cluster = scene.cluster("port");
    cluster.create(&["--workers", "1"]);
    let name = cluster.name.as_str();
    let (before, objects) = (started(&cluster), cluster.objects());
    cluster.apply(SERVICES);
    cluster.pods_ready("app=web", 1);

    let run = scene.knarr(&["port", "add", "18080:30080", "18053:30053/udp", "-n", name]).ok();
    // At once: the command has waited for its forwarders.
    assert_eq!((page(), resolves(here(DNS), NAME)), (Ok(()), Ok(())));
    eprintln!("opened two ports in {:?}\n{run}", run.took);
    assert_eq!(started(&cluster), before, "nothing else restarts");
    cluster.well();
    scene.knarr(&["port", "add", "18080:30080", "-n", name]).ok().says("127.0.0.1:18080->30080/tcp is open already");
    scene.knarr(&["port", "add", "18080:80", "-n", name]).exits(6).says("127.0.0.1:18080 leads to port 30080");
    let holder = std::net::TcpListener::bind(here(0)).expect("loopback takes listeners");
    let taken = format!("{}:80", holder.local_addr().expect("bound").port());
    scene.knarr(&["port", "add", &taken, "-n", name]).exits(4).says("a program of this machine has");
    let forwarder = inspect(&format!("{name}-port-18080-tcp"));
    let may = forwarder["HostConfig"]["CapAdd"].to_string();
    // Docker calls it one or the other, by its version.
    assert!(may == r#"["NET_ADMIN"]"# || may == r#"["CAP_NET_ADMIN"]"#, "{may}");
    assert_eq!(forwarder["HostConfig"]["CapDrop"], serde_json::json!(["ALL"]));
    eprintln!("{}", scene.knarr(&["port", "list", "-n", name]).ok());

    scene.knarr(&["stop", name]).ok();
    assert!(page().is_err(), "a stopped cluster has no open port");
    scene.knarr(&["start", name]).ok();
    both_answer();
    cluster.well();

    let before = started(&cluster);
    docker(&["rm", "-f", &format!("{name}-port-18080-tcp")]).ok();
    scene.knarr(&["status", name]).says("-port-18080-tcp` is gone");
    let run = scene.knarr(&["repair", name]).ok();
    assert_eq!((page(), resolves(here(DNS), NAME)), (Ok(()), Ok(())));
    eprintln!("made a forwarder anew in {:?}\n{run}", run.took);
    cluster.well();
    let kept = scene.knarr(&["gc", "--dry-run"]).ok().to_string();
    assert!(!kept.contains(name), "nothing of it is an orphan\n{kept}");

    let run = scene.knarr(&["port", "remove", "18080", "18053/udp", "-n", name]).ok();
    eprintln!("closed two ports in {:?}", run.took);
    assert!(page().is_err() && resolves(here(DNS), NAME).is_err(), "they are closed");
    assert_eq!((started(&cluster), cluster.objects()), (before, objects));
    cluster.well();
    cluster.delete();
}
