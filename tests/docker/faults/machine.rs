//! A machine that is not as it should be: with too few inotify instances, and with a clock that is minutes off.

use std::process::Command;

use super::BARE;
use crate::docker::docker;
use crate::processes::{Run, run};
use crate::scene::Scene;

const INSTANCES: &str = "/proc/sys/fs/inotify/max_user_instances";
/// Fewer than a single node needs.
const FEW: &str = "48";

/// A kernel limit that is what it was again when this is dropped.
struct Lowered {
    before: String,
}

impl Lowered {
    /// None where only somebody else may set it.
    fn to(value: &str) -> Option<Self> {
        let before = std::fs::read_to_string(INSTANCES).ok()?;
        std::fs::write(INSTANCES, value).ok()?;
        Some(Self { before })
    }
}

impl Drop for Lowered {
    fn drop(&mut self) {
        std::fs::write(INSTANCES, &self.before).expect("it could be lowered");
    }
}

/// `knarr doctor` names the limit and sets it right; nothing else happens meanwhile, for all of the machine is meant.
pub fn few_inotify_instances(scene: &Scene) {
    let Some(lowered) = Lowered::to(FEW) else {
        eprintln!("SKIPPED inotify: only root may lower its limit");
        return;
    };
    let told = scene.knarr(&["doctor"]);
    drop(lowered);
    let out = told.out();
    let at = out.find("inotify").unwrap_or_else(|| panic!("{told}"));
    let told = told.says(&format!("of {FEW} instances in use")).says("50 instances left");
    assert!(out[at..].contains("fs.inotify.max_user_instances=8192"), "{told}");
    assert!(out[..at].ends_with("! "), "it is well\n{told}");
    let well = scene.knarr(&["doctor"]);
    assert!(!well.out().contains(&format!("of {FEW} instances")), "{well}");
}

/// knarr with a clock that is some minutes off; only what it measures by that clock moves, no deadline.
fn at(scene: &Scene, offset: &str, words: &[&str]) -> Run {
    let knarr = [&["-f", offset, env!("CARGO_BIN_EXE_knarr")], words].concat();
    run(scene.program("faketime", &knarr).env("FAKETIME_DONT_FAKE_MONOTONIC", "1"), b"")
}

/// A signer that is ten minutes off is refused; with one that is four minutes off, a cluster comes up whose certificates
/// are valid for whoever is a little behind.
pub fn a_clock_that_is_off(scene: &Scene) {
    if Command::new("faketime").arg("--version").output().is_err() {
        eprintln!("SKIPPED clocks: there is no `faketime`; install it with `apt-get install faketime`");
        return;
    }
    let cluster = scene.cluster("clock");
    let create = [&["create", "cluster", &cluster.name][..], &BARE].concat();
    for (offset, where_docker_is) in [("+10m", "behind"), ("-10m", "ahead")] {
        let run = at(scene, offset, &create).exits(4).says("clock: Docker's machine is 600s ");
        let run = run.says(where_docker_is).says("network time").says("nothing was created");
        assert_eq!(cluster.objects(), [""; 0], "{run}");
    }
    // Ahead: what it signs must be valid for nodes whose clock it has yet to reach.
    at(scene, "+4m", &create).ok().says("Docker's machine is 240s behind");
    cluster.well();
    let kubeconfig = scene.knarr(&["get", "kubeconfig", "--name", &cluster.name]).ok();
    let begin = "grep certificate-authority-data | tr -d ' ' | cut -d: -f2 | base64 -d | \
                 openssl x509 -noout -startdate | cut -d= -f2 | date -f - +%s";
    let begins = run(Command::new("sh").args(["-c", begin]), &kubeconfig.stdout).ok().out();
    let begins: i64 = begins.trim().parse().expect("seconds");
    let node = docker(&["inspect", "--format", "{{.Created}}", &cluster.control_plane()]).ok().out();
    let made = run(Command::new("date").args(["-d", node.trim(), "+%s"]), b"").ok().out();
    let before = made.trim().parse::<i64>().expect("seconds") - begins;
    eprintln!("signed 240 s ahead: valid {before} s before the node was made");
    assert!(before >= 299, "certificates begin only {before} s before the nodes' clocks");
    // Whoever asks may be off as well, by less than certificates are dated back.
    for offset in ["-4m", "+10m"] {
        at(scene, offset, &["status", &cluster.name]).ok();
        at(scene, offset, &["kubectl", "--name", &cluster.name, "get", "nodes"]).ok();
    }
    cluster.delete();
}
