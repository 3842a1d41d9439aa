//! `--ttl` and `knarr gc` on a real Docker: what ended goes, with what others left of it, and nothing else.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::Case;
use crate::cluster::Cluster;
use crate::docker::docker;
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("what_ended_goes", what_ended_goes)];

/// An end that is long over.
const ENDED: Option<&str> = Some("2020-01-01T00:00:00Z");
/// An address range that no other test uses.
const SUBNET: &str = "10.213.77.0/28";

fn what_ended_goes(scene: &Scene) {
    let ended = scene.cluster("ended");
    let (old, young) = (scene.cluster("old"), scene.cluster("young"));
    let flags = ["metrics-server", "storage", "load-balancer", "network-policy"];
    let flags: Vec<&str> = flags.iter().flat_map(|addon| ["--no-addon", addon]).collect();
    // What is left of a cluster that had an end, and the begin of a creation.
    leave("volume", &old, ENDED);
    leave("network", &old, ENDED);
    leave("volume", &young, None);
    let created = ended.create(&[&["--ttl", "1s"], &flags[..]].concat());
    let told = format!("removed cluster `{}`: it expired", old.name);
    assert!(
        created.stderr.contains(&told) && old.objects().is_empty(),
        "a creation removes what has expired\n{created}"
    );
    leave("volume", &old, ENDED);
    leave("network", &old, ENDED);
    let orphans = old.objects();
    assert_eq!(orphans.len(), 2, "{orphans:?}");

    let listed = scene.knarr(&["get", "clusters", "-o", "json"]).ok().json();
    let mine =
        |list: &Value| list.as_array().and_then(|l| l.iter().find(|c| c["name"] == ended.name.as_str()).cloned());
    let end = mine(&listed).expect("it is listed")["expires"].as_str().expect("it has an end").to_owned();
    assert!(created.stderr.contains(&format!("it expires at {end}")), "{created}");
    let moment = humantime::parse_rfc3339(&end).expect("a time");
    until("the end that was told", seconds(60), || {
        let left = moment.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
        if left.is_zero() { Ok(()) } else { Err(format!("{left:?} left")) }
    });

    let (before, config) = (ended.objects(), scene.kubeconfig_text());
    assert_eq!(before.len(), 3, "{before:?}");
    let dry = scene.knarr(&["gc", "--dry-run"]).ok();
    for object in before.iter().chain(&orphans) {
        let (_, name) = object.split_once(' ').expect("kind and name");
        assert!(dry.out().contains(name), "{name}\n{dry}");
    }
    assert!(!dry.out().contains(&young.name), "{dry}");
    assert_eq!((ended.objects(), old.objects(), scene.kubeconfig_text()), (before, orphans, config), "{dry}");

    let run = scene.knarr(&["gc"]).ok();
    assert_eq!((ended.objects(), old.objects()), (Vec::new(), Vec::new()), "{run}");
    assert_eq!(young.objects().len(), 1, "it may be being made\n{run}");
    assert!(!scene.kubeconfig_text().unwrap_or_default().contains(&ended.name), "{run}");
    let again = scene.knarr(&["gc", "--dry-run", "-o", "json"]).ok();
    assert!(!again.out().contains(&ended.name) && !again.out().contains(&young.name), "{again}");
    eprintln!("{run}");
}

/// Makes a volume or a network as a run of knarr would, without a container that uses it.
fn leave(kind: &str, cluster: &Cluster<'_>, expires: Option<&str>) {
    let pairs = [
        ("dev.knarr.cluster", Some(cluster.name.as_str())),
        ("dev.knarr.create-id", Some(&format!("test-{}", cluster.name))),
        ("dev.knarr.expires", expires),
    ];
    let labels = pairs.into_iter().filter_map(|(key, value)| Some(format!("--label={key}={}", value?)));
    let (name, range) = match kind {
        "network" => (format!("knarr-{}", cluster.name), Some(format!("--subnet={SUBNET}"))),
        _ => (format!("{}-worker-var", cluster.name), None),
    };
    let words: Vec<String> =
        [kind.into(), "create".into()].into_iter().chain(labels).chain(range).chain([name]).collect();
    docker(&words.iter().map(String::as_str).collect::<Vec<_>>()).ok();
}
