//! Additions of nodes that are cut off by SIGINT and SIGKILL: the one takes back what it made; after the other a repair
//! completes what the cluster was told of and removes the rest. No container is left that no Node belongs to. Stops and deletions are cut off in `crash.rs`, growth
//! at every call on a Docker in memory.

use rustix::process::Signal;

use crate::cluster::Cluster;
use crate::crash::{boundaries, hit};
use crate::scene::Scene;

/// Adds a worker at several boundaries, with both signals.
pub fn adding_a_worker(scene: &Scene, cluster: &Cluster<'_>) {
    let name = cluster.name.as_str();
    let worker = format!("{name}-worker");
    let add = ["node", "add", "--name", name, "-v", "-o", "json"];
    let all = boundaries(&scene.knarr(&add).ok());
    let remove = || scene.knarr(&["node", "delete", "--name", name, &worker]).ok();
    remove();
    let at = |words: &str| all.iter().find(|text| text.contains(words)).unwrap_or_else(|| panic!("{words}: {all:#?}"));
    let points = [
        (Signal::INT, at("create container"), 1),
        (Signal::INT, at("waiting for the nodes"), 1),
        (Signal::KILL, at("create container"), 1),
        // By then it has its files, and with them knows the cluster with itself in it.
        (Signal::KILL, at("start container"), 2),
    ];
    for (signal, boundary, nodes) in points {
        let run = hit(scene.start(&add), boundary, signal);
        assert!(matches!(run.status, 130 | 137), "{run}");
        let repaired = scene.knarr(&["repair", name]).ok();
        whole(cluster, nodes);
        eprintln!("{signal:?} at «{boundary}»: status {}, repaired in {:.1?}", run.status, repaired.took);
        if nodes > 1 {
            remove();
        }
    }
    whole(cluster, 1);
}

/// Every container is a Node that is Ready, every Node a container; each has one volume, and all one network.
fn whole(cluster: &Cluster<'_>, nodes: usize) {
    cluster.well();
    let list = cluster.get(&["nodes"]);
    let objects = cluster.objects();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(nodes), "{objects:?}\n{list:#}");
    assert_eq!(objects.len(), 2 * nodes + 1, "{objects:?}");
}

/// Adds control planes, killed in the middle of what etcd is told; a repair completes them.
pub fn adding_control_planes(scene: &Scene, cluster: &Cluster<'_>) {
    let name = cluster.name.as_str();
    let planes: Vec<String> = ["", "2", "3"].map(|number| format!("{name}-control-plane{number}")).to_vec();
    let add = ["node", "add", "--name", name, "--control-plane", "--count", "2", "-v", "-o", "json"];
    let mut adding = scene.start(&add);
    let words = format!("announce {} to etcd", planes[2]);
    assert!(adding.until_line(|line| line.contains(&words)), "{}", adding.end());
    adding.signal(Signal::KILL);
    let run = adding.end().exits(137);
    let repaired = scene.knarr(&["repair", name]).ok();
    cluster.well();
    let containers = cluster.objects().into_iter().filter(|object| object.starts_with("container ")).count();
    let nodes = cluster.get(&["nodes"])["items"].as_array().map_or(0, Vec::len);
    // Beside the nodes there is the balancer.
    assert_eq!(containers, nodes + 1, "{run}\n{repaired}");
    crate::high_availability::etcd::voters(cluster, &planes[..nodes]);
    eprintln!("SIGKILL while etcd was told: {nodes} control planes after a repair of {:.1?}", repaired.took);
}
