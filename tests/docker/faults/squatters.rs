//! Places of a stopped cluster that somebody else has taken: its nodes' addresses, and its ports on the host.

use std::net::TcpListener;

use knarr::plan::names;
use serde_json::Value;

use crate::cluster::{Cluster, text};
use crate::docker::{Foreign, docker, inspect};
use crate::processes::Run;
use crate::scene::Scene;

/// Another user's container, made from the node image because that is here. Removed when it is dropped.
pub fn squatter(cluster: &Cluster<'_>, place: &[&str]) -> Foreign {
    let foreign = Foreign::new("container", format!("{}-squatter", cluster.name));
    let image = knarr::image::versions::default_reference();
    let sleep = ["--entrypoint", "sleep", &image, "1000"];
    docker(&[&["run", "--detach", "--name", &foreign.name], place, &sleep].concat()).ok();
    foreign
}

fn addresses_of(cluster: &Cluster<'_>, nodes: &[String]) -> Vec<Value> {
    let network = names::network(&cluster.name);
    nodes.iter().map(|node| inspect(node)["NetworkSettings"]["Networks"][&network]["IPAMConfig"].clone()).collect()
}

/// A start says that it is one place that is missing, and who has it.
fn refused(run: Run, node: &str, what: &str, holder: &str, way_out: &str) {
    let run = run.exits(4).says(&format!("node `{node}` cannot start: {what} is taken"));
    let run = run.says(&format!("container `{holder}` ")).says("nothing is lost");
    assert!(run.stderr.contains(way_out) && run.stderr.contains("then go on with `knarr start "), "{run}");
}

/// The addresses of a worker and of the control plane, one after the other.
pub fn addresses(scene: &Scene, cluster: &Cluster<'_>) {
    let (name, network) = (cluster.name.as_str(), names::network(&cluster.name));
    let nodes = [format!("{name}-worker"), cluster.control_plane()];
    let places = addresses_of(cluster, &nodes);
    let objects = cluster.objects();
    for (node, place) in nodes.iter().zip(&places) {
        scene.knarr(&["stop", name]).ok();
        let foreign = squatter(cluster, &["--network", &network, "--ip", text(place, "/IPv4Address")]);
        let way_out = format!("docker network disconnect {network} {}", foreign.name);
        refused(scene.knarr(&["start", name]), node, "its address", &foreign.name, &way_out);
        // As Docker does for itself when it comes up. The node has no other address to go to, and waits for its own.
        let run = docker(&["start", node]);
        assert!(run.status != 0 && run.stderr.contains("Address already in use"), "{run}");
        let status = scene.knarr(&["status", name, "-o", "json"]).exits(5).json();
        assert_eq!(status["state"], "Degraded", "{status:#}");
        assert!(status["problems"].to_string().contains(&format!("container `{node}` is exited")), "{status:#}");
        drop(foreign);
        if *node == cluster.control_plane() {
            scene.knarr(&["start", name]).ok();
        } else {
            docker(&["start", node]).ok();
        }
        cluster.well();
        eprintln!("squatted: the address of {node}, told and mended");
    }
    assert_eq!((addresses_of(cluster, &nodes), cluster.objects()), (places, objects));
}

/// The API's port where a node publishes it: another container has it.
pub fn port_of_a_node(scene: &Scene, cluster: &Cluster<'_>) {
    let (name, plane) = (cluster.name.as_str(), cluster.control_plane());
    let port = text(&inspect(&plane)["HostConfig"]["PortBindings"], "/6443~1tcp/0/HostPort").to_owned();
    scene.knarr(&["stop", name]).ok();
    let foreign = squatter(cluster, &["--publish", &format!("127.0.0.1:{port}:80")]);
    let run = scene.knarr(&["start", name]).says(&format!("publishes port {port}"));
    refused(run, &plane, "a host port of it", &foreign.name, &format!("docker stop {}", foreign.name));
    drop(foreign);
    scene.knarr(&["start", name]).ok();
    cluster.well();
    eprintln!("squatted: port {port} of {plane}, told and mended");
}

/// The API's port where a balancer publishes it: a process has it. The balancer, which is nothing else, moves.
pub fn port_of_a_balancer(scene: &Scene, cluster: &Cluster<'_>) {
    let (name, balancer) = (cluster.name.as_str(), names::balancer(&cluster.name));
    let published = || inspect(&balancer)["HostConfig"]["PortBindings"]["6443/tcp"][0]["HostPort"].clone();
    let before = published();
    let old = before.as_str().expect("a port");
    let kubeconfig = scene.kubeconfig_text().expect("a kubeconfig");
    let place = addresses_of(cluster, std::slice::from_ref(&balancer));
    let objects = cluster.objects();
    scene.knarr(&["stop", name]).ok();
    let thief = TcpListener::bind(format!("127.0.0.1:{old}")).expect("it is free now");
    let run =
        scene.knarr(&["start", name]).ok().says(&format!("port {old} is taken: the API of cluster `{name}` moves"));
    let now = published();
    assert_ne!(now, before, "{run}");
    let moved = kubeconfig.replace(&format!(":{old}\n"), &format!(":{}\n", now.as_str().expect("a port")));
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(moved.as_str()), "{run}");
    cluster.kubectl(&["get", "nodes"]).ok();
    cluster.well();
    // It stays there, whoever has the old port by then.
    drop(thief);
    scene.knarr(&["restart", name]).ok();
    assert_eq!((published(), cluster.objects()), (now, objects));
    assert_eq!(addresses_of(cluster, &[balancer]), place);
    eprintln!("squatted: port {old} of the balancer, which moved; `knarr start` took {:.1?}", run.took);
}
