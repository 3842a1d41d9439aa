//! knarr killed and interrupted at the boundaries of what it does: one command takes back what was made, or completes it.
//!
//! The boundaries are the lines with which `-v` tells of each step of the plan and of each of its calls, as it begins and
//! when it is over. A run to which nothing happens shows which there are; then another one is watched, and hit as soon as
//! it tells of the boundary. `tests/it/crash.rs` hits all of them exactly, on a Docker in memory; here a sample meets the
//! real one, which may still be at work on what a dead process asked for.
//!
//! - `KNARR_TEST_CRASH_SEED`: the number that chooses the sample; printed by each run, random without it.
//! - `KNARR_TEST_CRASH_POINTS`: how many points are hit, over all shapes; 32 without it.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rustix::process::Signal;

use crate::Case;
use crate::cluster::Cluster;
use crate::kubeconfig::FOREIGN;
use crate::lifecycle::{fill, still_has};
use crate::processes::{Background, Run};
use crate::scene::Scene;

pub const CASES: &[Case] =
    &[("of_a_creation", of_a_creation), ("of_a_stop", of_a_stop), ("of_a_deletion", of_a_deletion)];

/// The clusters that are made: their name in messages, and the flags of `create`.
const SHAPES: &[(&str, &[&str])] =
    &[("1", &[]), ("1+2", &["--workers", "2"]), ("3+2", &["--control-planes", "3", "--workers", "2"])];

const SIGNALS: [(&str, Signal); 2] = [("SIGKILL", Signal::KILL), ("SIGINT", Signal::INT)];

/// How many rounds end with a deletion only; one more is followed by a whole creation.
const BETWEEN_CREATIONS: usize = 10;

/// A number from the environment.
fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: `{text}`")))
}

/// What a line on stderr tells with `-v -o json`.
fn told(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    (event["event"] == "detail").then(|| event["text"].as_str().map(str::to_owned))?
}

/// A boundary, not some other detail: it begins or ends something.
fn is_boundary(text: &str) -> bool {
    text.ends_with(": begun") || text.ends_with(": done")
}

/// The boundaries of a run that went well.
pub fn boundaries(run: &Run) -> Vec<String> {
    let found: Vec<String> = run.stderr.lines().filter_map(told).filter(|text| is_boundary(text)).collect();
    assert!(found.len() >= 4, "few boundaries: {found:?}\n{run}");
    found
}

/// Lets a program run to a boundary, hits it there, and waits for its end.
pub fn hit(mut running: Background, boundary: &str, signal: Signal) -> Run {
    let reached = running.until_line(|line| told(line).is_some_and(|text| text == boundary));
    assert!(reached, "it did not come to «{boundary}»\n{}", running.end());
    running.signal(signal);
    running.end()
}

/// The names in the scene's folder: a lock or half a file of the kubeconfig would be among them.
fn files(scene: &Scene) -> Vec<String> {
    let list = std::fs::read_dir(scene.folder()).expect("a folder");
    let mut names: Vec<String> =
        list.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn nothing_is_left(scene: &Scene, cluster: &Cluster, place: &str) {
    assert_eq!(cluster.objects(), [""; 0], "{place}");
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(FOREIGN), "{place}");
    assert_eq!(files(scene), ["home", "kubeconfig"], "{place}");
}

fn of_a_creation(scene: &Scene) {
    scene.write("kubeconfig", FOREIGN);
    let seed = setting("KNARR_TEST_CRASH_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    let points: usize = setting("KNARR_TEST_CRASH_POINTS").unwrap_or(32);
    eprintln!("{points} points chosen by KNARR_TEST_CRASH_SEED={seed}");
    let (mut chance, began) = (StdRng::seed_from_u64(seed), Instant::now());
    let mut rounds = 0;
    for (shape, flags) in SHAPES {
        let cluster = scene.cluster("crash");
        let all = boundaries(&cluster.create(&[flags, &["-v", "-o", "json"][..]].concat()));
        cluster.delete();
        nothing_is_left(scene, &cluster, "nothing happened");
        let every: Vec<_> = SIGNALS.iter().flat_map(|signal| all.iter().map(move |name| (signal, name))).collect();
        let here = points.div_ceil(SHAPES.len());
        eprintln!("{shape}: {} boundaries, {here} of {} points are hit", all.len(), every.len());
        for ((name, signal), boundary) in every.choose_multiple(&mut chance, here) {
            rounds += 1;
            let took = round(scene, &cluster, flags, (boundary, name, *signal));
            eprintln!("{rounds}. {shape}, {name} at «{boundary}»: {took:.1?}");
            if rounds % BETWEEN_CREATIONS == 0 {
                cluster.create(flags);
                cluster.well();
                cluster.delete();
                nothing_is_left(scene, &cluster, "after a whole creation");
            }
        }
    }
    eprintln!("{rounds} points in {:.0?}", began.elapsed());
}

/// A creation that is hit, what its end leaves, and a deletion.
fn round(scene: &Scene, cluster: &Cluster, flags: &[&str], point: (&str, &str, Signal)) -> Duration {
    let (boundary, name, signal) = point;
    let began = Instant::now();
    let create = [&["create", "cluster", &cluster.name, "-v", "-o", "json"], flags].concat();
    let run = hit(scene.start(&create), boundary, signal);
    let place = format!("{name} at «{boundary}»\n{run}");
    match (run.status, signal) {
        (137, Signal::KILL) => {}
        (130, Signal::INT) => nothing_is_left(scene, cluster, &place),
        // It was over before the signal came.
        (0, _) => cluster.well(),
        _ => panic!("it ended with {}\n{place}", run.status),
    }
    if !cluster.objects().is_empty() {
        cluster.try_create(flags).exits(6).says(&format!("knarr delete cluster {}", cluster.name));
        assert!(!cluster.objects().is_empty(), "a refused creation removed what was there\n{place}");
    }
    let deleted = scene.knarr(&["delete", "cluster", &cluster.name]).ok();
    nothing_is_left(scene, cluster, &format!("{place}\n{deleted}"));
    began.elapsed()
}

/// What is cut off while nodes stop is completed by the same verb, and the cluster comes back with all it held.
fn of_a_stop(scene: &Scene) {
    scene.write("kubeconfig", FOREIGN);
    let cluster = scene.cluster("crashstop");
    cluster.create(&["--workers", "1"]);
    let (name, wrote) = (cluster.name.as_str(), fill(&cluster));
    let stop = ["stop", name, "-v", "-o", "json"];
    let all = boundaries(&scene.knarr(&stop).ok());
    // In the middle: the nodes have been asked to end, and none has.
    let asked = all.iter().rfind(|text| text.contains("stop container") && text.ends_with(": begun"));
    let boundary = asked.unwrap_or_else(|| panic!("no container is stopped: {all:?}"));
    for (signal, number) in SIGNALS {
        scene.knarr(&["start", name]).ok();
        let run = hit(scene.start(&stop), boundary, number);
        assert!(matches!(run.status, 0 | 130 | 137), "{run}");
        let again = scene.knarr(&["stop", name]).ok();
        eprintln!("{signal} at «{boundary}»: status {}, and again in {:.1?}", run.status, again.took);
        assert_eq!(scene.knarr(&["status", name, "-o", "json"]).exits(5).json()["state"], "Stopped", "{run}\n{again}");
    }
    scene.knarr(&["start", name]).ok();
    cluster.well();
    still_has(&cluster, &wrote);
    cluster.delete();
    nothing_is_left(scene, &cluster, "after a stop that was cut off");
}

/// What is cut off when the first node is gone is completed by the same verb.
fn of_a_deletion(scene: &Scene) {
    scene.write("kubeconfig", FOREIGN);
    let cluster = scene.cluster("crashdel");
    for (name, signal) in SIGNALS {
        cluster.create(&["--workers", "2"]);
        let filter = format!("label=dev.knarr.cluster={}", cluster.name);
        let events = "docker events --since \"$(date +%s)\" --filter type=container --filter event=destroy \
                      --filter \"$1\" >&2";
        let mut events = Background::start(&mut scene.program("sh", &["-c", events, "sh", &filter]));
        let deleting = scene.start(&["delete", "cluster", &cluster.name]);
        assert!(events.until_line(|line| line.contains("destroy")), "no event came");
        deleting.signal(signal);
        let run = deleting.end();
        // An interrupted deletion is finished all the same; a killed one leaves the network at least.
        assert!(matches!(run.status, 0 | 137), "{run}");
        let again = scene.knarr(&["delete", "cluster", &cluster.name]).ok();
        eprintln!("{name} when the first node was gone: status {}, and again in {:.1?}", run.status, again.took);
        nothing_is_left(scene, &cluster, &format!("{name}\n{run}\n{again}"));
    }
}
