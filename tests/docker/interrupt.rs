//! Ctrl-C at every step of a creation: it ends soon with its own status, and nothing is left.

use std::time::Instant;

use rustix::process::Signal;

use crate::Case;
use crate::cluster::Cluster;
use crate::processes::{Background, Run};
use crate::scene::Scene;
use crate::wait::seconds;

pub const CASES: &[Case] = &[
    ("at_every_step", at_every_step),
    ("sigterm_is_the_same", sigterm_is_the_same),
    ("a_second_one_ends_at_once", a_second_one_ends_at_once),
    ("retained_when_asked", retained_when_asked),
];

const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: mine\n";

/// Starts a creation and waits until its `n`-th step has begun; none when it has fewer.
fn at_step<'s>(scene: &'s Scene, cluster: &Cluster<'s>, n: usize, flags: &[&str]) -> Option<Background> {
    let mut creating = scene.start(&[&["create", "cluster", &cluster.name, "-o", "json"], flags].concat());
    (0..n).all(|_| creating.until_line(|line| line.contains("\"stepStarted\""))).then_some(creating)
}

/// Sends a signal and waits for the end.
fn interrupt(creating: Background, signal: Signal) -> Run {
    let sent = Instant::now();
    creating.signal(signal);
    let run = creating.end().exits(130);
    assert!(sent.elapsed() < seconds(15), "it took {:?} from the signal to the end", sent.elapsed());
    run
}

fn nothing_is_left(scene: &Scene, cluster: &Cluster, run: &Run) {
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(KUBECONFIG), "{run}");
    assert!(run.stderr.contains("\"id\":\"interrupted\""), "{run}");
}

fn at_every_step(scene: &Scene) {
    let cluster = scene.cluster("int");
    scene.write("kubeconfig", KUBECONFIG);
    let mut points = 0;
    while let Some(creating) = at_step(scene, &cluster, points + 1, &[]) {
        let run = interrupt(creating, Signal::INT);
        nothing_is_left(scene, &cluster, &run);
        points += 1;
    }
    assert!(points >= 6, "only {points} steps were seen");
    eprintln!("interrupted at {points} steps");
    // The last try had one step too few to be interrupted, so it is a cluster now.
    cluster.well();
    cluster.delete();
}

fn sigterm_is_the_same(scene: &Scene) {
    let cluster = scene.cluster("term");
    scene.write("kubeconfig", KUBECONFIG);
    let creating = at_step(scene, &cluster, 4, &[]).expect("a fourth step");
    let run = interrupt(creating, Signal::TERM);
    nothing_is_left(scene, &cluster, &run);
}

fn a_second_one_ends_at_once(scene: &Scene) {
    let cluster = scene.cluster("twice");
    scene.write("kubeconfig", KUBECONFIG);
    let mut creating = at_step(scene, &cluster, 4, &["--workers", "1"]).expect("a fourth step");
    creating.signal(Signal::INT);
    assert!(creating.until_line(|line| line.contains("removing what this run made")));
    let sent = Instant::now();
    creating.signal(Signal::INT);
    let run = creating.end().exits(130);
    assert!(sent.elapsed() < seconds(2), "the second signal took {:?}", sent.elapsed());
    assert!(run.stderr.contains("knarr delete cluster"), "no hint\n{run}");
    cluster.delete();
    assert_eq!(scene.kubeconfig_text().as_deref(), Some(KUBECONFIG));
}

fn retained_when_asked(scene: &Scene) {
    let cluster = scene.cluster("kept");
    let creating = at_step(scene, &cluster, 4, &["--retain"]).expect("a fourth step");
    let run = interrupt(creating, Signal::INT).says("--retain");
    assert_eq!(cluster.objects().len(), 3, "{:?}\n{run}", cluster.objects());
    cluster.delete();
}
