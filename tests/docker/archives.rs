//! Images from archives, by file and by pipe; a damaged one fails and is named.

use crate::docker::docker;
use crate::scene::Scene;
use crate::{Case, images, shared};

pub const CASES: &[Case] = &[("whole_and_damaged", whole_and_damaged)];

fn whole_and_damaged(scene: &Scene) {
    let shared = shared::cluster(scene);
    let name = &shared.cluster.name;
    let image = images::make(scene, "archived");
    let file = scene.path("whole.tar");
    docker(&["save", "--output", &file.to_string_lossy(), &image.name]).ok();

    // Damaged ones first: none of them may leave anything that a later test would find.
    let bytes = std::fs::read(&file).expect("docker saved it");
    let half = scene.write("half.tar", &bytes[..bytes.len() / 2]);
    let run = scene.knarr(&["load", "image-archive", &half.to_string_lossy(), "--name", name]);
    assert_ne!(run.status, 0, "{run}");
    assert!(run.stderr.contains("half.tar"), "the archive is not named\n{run}");
    let text = scene.write("text.tar", "this is no archive");
    let run = scene.knarr(&["load", "image-archive", &text.to_string_lossy(), "--name", name]).exits(1);
    assert!(run.stderr.contains("text.tar"), "the archive is not named\n{run}");
    let run = scene.knarr(&["load", "image-archive", "nowhere.tar", "--name", name]);
    assert!(run.status != 0 && run.stderr.contains("nowhere.tar"), "{run}");

    scene.knarr(&["load", "image-archive", "whole.tar", "--name", name]).ok();
    images::runs_on_every_node(&shared.cluster, "archived", &image.name);
    let one = ["load", "image-archive", "-", "--name", name, "--nodes", shared.nodes[2].as_str(), "-o", "json"];
    let run = scene.knarr_reading(&one, &bytes).ok();
    assert_eq!(run.json()["nodes"], serde_json::json!([shared.nodes[2]]), "{run}");
}
