//! Several at once: for one name exactly one wins, and different names do not disturb each other.

use ipnet::Ipv4Net;
use rustix::process::Signal;

use crate::Case;
use crate::cluster::Cluster;
use crate::docker::docker;
use crate::processes::{Background, Run, free_port};
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("one_name", one_name), ("four_names", four_names), ("changes", changes)];

/// How often eight runs want one name.
const ROUNDS: usize = 3;

fn at_once(scene: &Scene, verb: &str, names: &[&str]) -> Vec<Run> {
    let running: Vec<Background> = names.iter().map(|name| scene.start(&[verb, "cluster", name])).collect();
    running.into_iter().map(Background::end).collect()
}

fn one_name(scene: &Scene) {
    let cluster = scene.cluster("race");
    for round in 1..=ROUNDS {
        let runs = at_once(scene, "create", &[cluster.name.as_str(); 8]);
        let all: String = runs.iter().map(ToString::to_string).collect();
        let (winners, losers): (Vec<&Run>, Vec<&Run>) = runs.iter().partition(|run| run.status == 0);
        assert_eq!(winners.len(), 1, "round {round}\n{all}");
        for loser in losers {
            assert_eq!(loser.status, 6, "round {round}\n{loser}");
        }
        cluster.well();
        assert_eq!(cluster.objects().len(), 3, "one container, network and volume: {:?}\n{all}", cluster.objects());
        let text = scene.kubeconfig_text().expect("the winner wrote it");
        let get = scene.knarr(&["get", "kubeconfig", "--name", &cluster.name]).ok().out();
        let server = get.lines().find(|l| l.contains("server: ")).expect("a server").trim();
        assert!(text.contains(server), "the kubeconfig is the winner's: {server}\n{text}");
        eprintln!("round {round}: the winner took {:.1?}", winners[0].took);
        cluster.delete();
        assert!(!scene.path("kubeconfig.lock").exists(), "{all}");
    }
}

/// The subnet of a cluster's network.
fn subnet(cluster: &str) -> Ipv4Net {
    let network = docker(&["network", "inspect", &format!("knarr-{cluster}")]).ok().json();
    let subnet = network[0]["IPAM"]["Config"][0]["Subnet"].as_str().unwrap_or_else(|| panic!("{network:#}"));
    subnet.parse().expect("a subnet")
}

fn four_names(scene: &Scene) {
    let clusters = ["north", "east", "south", "west"].map(|name| scene.cluster(name));
    let names = clusters.each_ref().map(|cluster| cluster.name.as_str());
    for run in at_once(scene, "create", &names) {
        eprintln!("created in {:.1?}", run.took);
        run.ok();
    }
    let text = scene.kubeconfig_text().expect("a file");
    for cluster in &clusters {
        assert!(text.contains(&format!("name: knarr-{}\n", cluster.name)), "{text}");
        cluster.well();
    }
    let subnets = names.map(subnet);
    for (n, one) in subnets.iter().enumerate() {
        assert!(!subnets[..n].iter().any(|o| o.contains(one) || one.contains(o)), "they overlap: {subnets:?}");
    }
    for run in at_once(scene, "delete", &names) {
        run.ok();
    }
    let left: Vec<String> = clusters.iter().flat_map(Cluster::objects).collect();
    assert_eq!(left, [""; 0]);
    let text = scene.kubeconfig_text().unwrap_or_default();
    assert!(!text.contains("name: knarr-"), "{text}");
    assert!(!scene.path("kubeconfig.lock").exists());
}

/// Several changes of one cluster at once: each waits for the others, and nobody undoes what others did.
fn changes(scene: &Scene) {
    let cluster = scene.cluster("changes");
    cluster.create(&["--no-addon", "metrics-server", "--no-addon", "storage", "--no-addon", "load-balancer"]);
    let name = ["--name", cluster.name.as_str()];
    let port = |port: u16| format!("{}:{port}", free_port());
    let ports = [port(30080), port(30081)];
    for round in 1..=ROUNDS {
        let before = counts(scene, &cluster);
        let words =
            [vec!["node", "add"], vec!["port", "add", &ports[0]], vec!["port", "add", &ports[1]], vec!["node", "add"]];
        let running: Vec<Background> = words.iter().map(|words| scene.start(&[words, &name[..]].concat())).collect();
        let runs: Vec<Run> = running.into_iter().map(Background::end).collect();
        let all: String = runs.iter().map(ToString::to_string).collect();
        assert!(runs.iter().all(|run| run.status == 0), "round {round}\n{all}");
        let (nodes, open) = counts(scene, &cluster);
        assert_eq!((nodes - before.0, open - before.1), (2, 2), "round {round}\n{all}");
        eprintln!("round {round}: {:?}", runs.iter().map(|run| run.took).collect::<Vec<_>>());
        cluster.well();
        for opened in scene
            .knarr(&["port", "list", "--name", &cluster.name, "-o", "json"])
            .ok()
            .json()
            .as_array()
            .into_iter()
            .flatten()
        {
            if opened["fixed"] == false {
                let host = format!("{}/{}", opened["hostPort"], opened["protocol"].as_str().unwrap_or_default());
                scene.knarr(&[&["port", "remove", &host], &name[..]].concat()).ok();
            }
        }
    }

    // A change that is killed lets go: the next one need not wait for anybody.
    let killed = scene.start(&[&["node", "add"], &name[..]].concat());
    let lock = "flock --nonblock /run/knarr/change.lock true";
    until("a change holds the lock", seconds(10), || {
        let run = cluster.exec(&cluster.control_plane(), &["sh", "-c", lock]);
        if run.status == 0 { Err(run.to_string()) } else { Ok(()) }
    });
    killed.signal(Signal::KILL);
    killed.end();
    scene.knarr(&["repair", &cluster.name]).ok();
    cluster.well();
    cluster.delete();
}

/// How many nodes it has, and how many ports were opened.
fn counts(scene: &Scene, cluster: &Cluster<'_>) -> (usize, usize) {
    let nodes = scene.knarr(&["get", "nodes", "--name", &cluster.name, "-o", "json"]).ok().json();
    let ports = scene.knarr(&["port", "list", "--name", &cluster.name, "-o", "json"]).ok().json();
    let opened = ports.as_array().into_iter().flatten().filter(|port| port["fixed"] == false).count();
    (nodes.as_array().map_or(0, Vec::len), opened)
}
