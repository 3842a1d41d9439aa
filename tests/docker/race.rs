//! Several at once: for one name exactly one wins, and different names do not disturb each other.

use crate::Case;
use crate::processes::{Background, Run};
use crate::scene::Scene;

pub const CASES: &[Case] = &[("one_name", one_name), ("two_names", two_names)];

fn at_once(scene: &Scene, names: &[&str]) -> Vec<Run> {
    let running: Vec<Background> = names.iter().map(|name| scene.start(&["create", "cluster", name])).collect();
    running.into_iter().map(Background::end).collect()
}

fn one_name(scene: &Scene) {
    let cluster = scene.cluster("race");
    let runs = at_once(scene, &[cluster.name.as_str(); 4]);
    let mut codes: Vec<i32> = runs.iter().map(|run| run.status).collect();
    codes.sort_unstable();
    let all: String = runs.iter().map(ToString::to_string).collect();
    assert_eq!(codes, [0, 6, 6, 6], "{all}");
    cluster.well();
    assert_eq!(cluster.objects().len(), 3, "one container, network and volume: {:?}", cluster.objects());
    let text = scene.kubeconfig_text().expect("the winner wrote it");
    let get = scene.knarr(&["get", "kubeconfig", "--name", &cluster.name]).ok().out();
    let server = get.lines().find(|l| l.contains("server: ")).expect("a server").trim();
    assert!(text.contains(server), "the kubeconfig is the winner's: {server}\n{text}");
    cluster.delete();
}

fn two_names(scene: &Scene) {
    let (one, other) = (scene.cluster("left"), scene.cluster("right"));
    for run in at_once(scene, &[&one.name, &other.name]) {
        run.ok();
    }
    let text = scene.kubeconfig_text().expect("a file");
    for cluster in [&one, &other] {
        assert!(text.contains(&format!("name: knarr-{}\n", cluster.name)), "{text}");
        cluster.well();
    }
    let delete = ["delete", "cluster", &one.name, &other.name];
    scene.knarr(&delete).ok();
    assert!(one.objects().is_empty() && other.objects().is_empty());
    let text = scene.kubeconfig_text().unwrap_or_default();
    assert!(!text.contains(&one.name) && !text.contains(&other.name), "{text}");
}
