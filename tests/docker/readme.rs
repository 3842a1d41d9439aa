//! The README is true: every block of commands in it runs, in order, and CI runs what it says CI runs.

use std::process::Command;

use crate::Case;
use crate::docker::docker;
use crate::processes::run;
use crate::scene::{Scene, prefix};
use crate::{images, registries, shared};

pub const CASES: &[Case] = &[
    ("the_two_commands", the_two_commands),
    ("every_block_runs", every_block_runs),
    ("every_command_exists", every_command_exists),
];

const README: &str = include_str!("../../README.md");

/// The blocks that a test cannot run inside itself: the first is what `up::twice` does with the built binary, the
/// second is what runs this very suite. Every other block is run as it stands.
const RUN_BY_CI: [&str; 2] = ["cargo run --release -- up --fix", "tests/all"];

fn blocks() -> Vec<String> {
    let after_fence = README.split("```sh\n").skip(1);
    after_fence.map(|rest| rest.split("```").next().unwrap_or_default().trim().to_owned()).collect()
}

fn root(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn the_two_commands(_: &Scene) {
    let blocks = blocks();
    assert_eq!(blocks[..2], RUN_BY_CI, "the README begins with its two commands");
    assert!(root(".ci/run").contains("tests/all"), "CI is the second command");
    let all = root("tests/all");
    assert!(all.contains("KNARR_TEST_DOCKER=1") && all.contains("--test docker"), "tests/all runs this suite");
    let others: Vec<&str> = README
        .split("\n```")
        .skip(1)
        .step_by(2)
        .filter(|block| !block.starts_with("sh\n"))
        .map(|block| block.strip_prefix("yaml\n").expect("a block that is neither `sh` nor `yaml` is run by no test"))
        .collect();
    assert_eq!(others, [registries::shown()], "one block of YAML is there, and `registries` applies it");
}

fn every_block_runs(scene: &Scene) {
    // The README's names, replaced by names of this run: somebody may have a cluster called `dev`.
    let cluster = scene.cluster("dev");
    let image = images::make(scene, "readme");
    let (words, ours) = (["dev", "my-app:1"], [cluster.name.as_str(), image.name.as_str()]);
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_knarr")).parent().expect("a folder");
    let path = std::env::join_paths(
        std::iter::once(binary.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    for block in blocks().iter().filter(|block| !RUN_BY_CI.contains(&block.as_str())) {
        let script: Vec<String> = block.lines().map(|line| rename(line, words, ours)).collect();
        for word in ours {
            assert!(script.iter().any(|line| line.contains(word)), "the README uses other names now:\n{block}");
        }
        let script = format!("set -eux\n{}", script.join("\n"));
        let mut shell = scene.program("sh", &["-c", &script]);
        let run = run(shell.env("PATH", path.as_ref().expect("paths without colons")), b"").ok();
        eprintln!("{run}");
    }
    assert_eq!(cluster.objects(), [""; 0], "the README's last command deletes the cluster");
}

fn rename(line: &str, words: [&str; 2], ours: [&str; 2]) -> String {
    let command = line.split('#').next().unwrap_or_default();
    let renamed = command.split_whitespace().map(|word| {
        let found = words.iter().position(|w| *w == word);
        found.map_or(word, |i| ours[i])
    });
    renamed.collect::<Vec<_>>().join(" ")
}

/// Commands in running text and tables are not run, but their verbs must exist.
fn every_command_exists(scene: &Scene) {
    let spans = README.split('`').skip(1).step_by(2).filter_map(|span| span.strip_prefix("knarr "));
    let mut checked = 0;
    for span in spans {
        let verbs = span.split_whitespace().take_while(|w| w.chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        let mut words: Vec<&str> = verbs.take_while(|w| !w.starts_with('-')).collect();
        if words.first() == Some(&"kubectl") {
            words.truncate(1);
        }
        let mut command: Command = scene.command(&[&words[..], &["--help"]].concat());
        if words.first() == Some(&"kubectl") {
            // Its help is kubectl's own, which needs a cluster.
            command = scene.command(&["kubectl", "--name", &shared::cluster(scene).cluster.name, "--help"]);
        }
        run(&mut command, b"").ok();
        checked += 1;
    }
    assert!(checked > 10, "only {checked} commands were found");
    assert_eq!(docker(&["ps", "-q", "--filter", &format!("name={}-dev", prefix())]).ok().out(), "");
}
