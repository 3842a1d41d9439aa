//! Samples as a newcomer meets them: applied, watched by exactly the commands that their files tell, deleted.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::Value;

use crate::Case;
use crate::cluster::Cluster;
use crate::processes::{Run, run};
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{rows, shared};

pub const CASES: &[Case] = &[
    ("each_has_a_row_that_watches_it", each_has_a_row_that_watches_it),
    ("what_is_taken_is_left_alone", what_is_taken_is_left_alone),
];

/// A sample in the cluster.
pub struct Watched {
    /// How long after the first command each command had its answer.
    pub answered: Vec<(String, std::time::Duration)>,
}

/// Applies a sample, does what its file says, looks closer, deletes it, and sees that nothing is left.
pub fn watch(scene: &Scene, cluster: &Cluster<'_>, sample: &str, look_closer: impl FnOnce(&Watched)) {
    let applied = scene.knarr(&["sample", "apply", sample, "--name", &cluster.name, "-o", "json"]).ok();
    eprintln!("{sample}: worked after {:?}", applied.took);
    let applied = applied.json();
    let shell = Shell::new(scene, cluster, sample);
    let begun = Instant::now();
    let mut watched = Watched { answered: Vec::new() };
    let mut assignments = String::new();
    for step in applied["steps"].as_array().expect("a list") {
        let command = step["command"].as_str().expect("a text");
        let answer: Vec<&str> = step["answer"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        if is_assignment(command) {
            assignments = format!("{assignments}{command}\n");
            continue;
        }
        // What a newcomer types again after a moment is asked again here.
        until(&format!("{sample}: {command}"), seconds(100), || {
            let run = shell.run(&format!("{assignments}{command}"));
            fits(&run, &answer).map_err(|missing| format!("{missing}\n{run}"))
        });
        watched.answered.push((command.to_owned(), begun.elapsed()));
    }
    look_closer(&watched);
    eprintln!("{sample}: watched for {:?}", begun.elapsed());
    let deleted = scene.knarr(&["sample", "delete", sample, "--name", &cluster.name, "-o", "json"]).ok();
    assert_eq!(deleted.json()["deleted"], true, "{deleted}");
    let label = format!("dev.knarr.sample={sample}");
    let left = cluster.kubectl(&["get", "namespaces,persistentvolumes", "-l", &label, "-o", "name"]).ok();
    assert_eq!(left.out(), "", "{sample} left something");
}

impl Watched {
    /// When the first command with these words had its answer.
    pub fn time_of(&self, words: &str) -> std::time::Duration {
        let found = self.answered.iter().find(|(command, _)| command.contains(words));
        found.unwrap_or_else(|| panic!("no command with `{words}`")).1
    }
}

/// `name=value` keeps something for the commands that follow.
fn is_assignment(command: &str) -> bool {
    let name = command.split('=').next().unwrap_or_default();
    command.contains('=') && name.chars().all(|c| c.is_ascii_lowercase())
}

/// Whether each line of the expected answer stands in one line of the real one.
fn fits(run: &Run, answer: &[&str]) -> Result<(), String> {
    let fails = answer.iter().any(|line| line.starts_with("Error:"));
    if (run.status != 0) != fails {
        return Err(format!("status {}", run.status));
    }
    let said = format!("{}\n{}", run.out(), run.stderr);
    let missing = answer.iter().find(|wanted| !said.lines().any(|line| line_fits(line, wanted)));
    missing.map_or(Ok(()), |line| Err(format!("`{line}` is not in the answer")))
}

/// Whether the words stand in the line, in this order; short ones whole, others also inside longer ones.
fn line_fits(line: &str, wanted: &str) -> bool {
    let mut words = line.split_whitespace();
    let mut wanted = wanted.split_whitespace().filter(|word| *word != "Error:");
    wanted.all(|w| words.any(|word| word == w || (w.len() > 2 && word.contains(w))))
}

/// A shell in which `kubectl` is the cluster's and `knarr` the one under test.
struct Shell<'a> {
    scene: &'a Scene,
    cluster: String,
    path: std::ffi::OsString,
}

impl<'a> Shell<'a> {
    fn new(scene: &'a Scene, cluster: &Cluster<'_>, sample: &str) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = scene.path(&format!("bin-{sample}"));
        std::fs::create_dir(&folder).expect("a folder");
        let kubectl = folder.join("kubectl");
        std::fs::write(&kubectl, "#!/bin/sh\nexec knarr kubectl \"$@\"\n").expect("a file");
        std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_knarr"));
        let ours = [folder, binary.parent().expect("a folder").to_owned()];
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(ours.into_iter().chain(std::env::split_paths(&others)));
        Self { scene, cluster: cluster.name.clone(), path: path.expect("paths without colons") }
    }

    fn run(&self, script: &str) -> Run {
        let mut shell = self.scene.program("sh", &["-c", script]);
        run(shell.env("PATH", &self.path).env("KNARR_CLUSTER", &self.cluster), b"")
    }
}

fn each_has_a_row_that_watches_it(scene: &Scene) {
    let list = scene.knarr(&["sample", "list", "-o", "json"]).ok().json();
    for sample in list["samples"].as_array().expect("a list").iter().filter(|sample| sample["broken"] == false) {
        let name = sample["name"].as_str().expect("a text");
        assert!(rows::SAMPLES.contains(&name), "no row watches the sample `{name}`");
    }
}

fn what_is_taken_is_left_alone(scene: &Scene) {
    let shared = shared::cluster(scene);
    let name = &shared.cluster.name;
    shared.cluster.kubectl(&["create", "namespace", "sample-replicaset"]).ok();
    let refused = scene.knarr(&["sample", "apply", "replicaset", "--name", name]).exits(6);
    refused.says("sample-replicaset").says("nothing was changed");
    // Deleting takes nothing that the sample did not bring.
    scene.knarr(&["sample", "delete", "replicaset", "--name", name]).ok().says("nothing of sample");
    shared.cluster.kubectl(&["delete", "namespace", "sample-replicaset"]).ok();
}
