//! Several at once: for one name exactly one wins, and different names do not disturb each other.

use ipnet::Ipv4Net;

use crate::Case;
use crate::cluster::Cluster;
use crate::docker::docker;
use crate::processes::{Background, Run};
use crate::scene::Scene;

pub const CASES: &[Case] = &[("one_name", one_name), ("four_names", four_names)];

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
