//! Every sort of garbage, and everything that only looks like it.

use std::collections::BTreeMap;

use time::Duration as Span;

use super::*;

/// The time at which everything is judged.
const NOW: i64 = 1_796_000_000;
const HOUR: i64 = 3600;
const HERE: &str = "docker-here";

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Span::seconds(seconds)
}

fn labels(role: &str, expires: Option<i64>) -> Labels {
    let mut labels = Labels::from([(names::CLUSTER.into(), "dev".into()), (names::CREATE_ID.into(), "id-1".into())]);
    if !role.is_empty() {
        labels.insert(names::ROLE.into(), role.into());
    }
    labels.extend(expires.map(|at| (names::EXPIRES.into(), names::stamp(moment(at)))));
    labels
}

fn container(role: &str, state: ContainerState, created: i64) -> ContainerInfo {
    ContainerInfo {
        id: role.into(),
        name: format!("dev-{role}"),
        image: String::new(),
        labels: labels(role, None),
        state,
        exit_code: None,
        oom_killed: false,
        addresses: BTreeMap::new(),
        ports: Vec::new(),
        created,
        started: 0,
    }
}

fn volume(role: &str, created: i64) -> VolumeInfo {
    VolumeInfo { name: format!("dev-{role}-var"), labels: labels(role, None), created }
}

fn network(created: i64) -> NetworkInfo {
    NetworkInfo {
        id: "n".into(),
        name: "knarr-dev".into(),
        labels: labels("", None),
        subnets: Vec::new(),
        containers: Vec::new(),
        created,
    }
}

/// A cluster with these containers, each with a volume of its own age, and with a network.
fn run(containers: &[(&str, ContainerState)], created: i64) -> Run {
    let made = |&(role, state): &(&str, ContainerState)| container(role, state, created);
    let networks = vec![network(created)];
    let volumes = containers.iter().map(|(role, _)| volume(role, created)).collect();
    let mut all = runs(containers.iter().map(made).collect(), networks, volumes);
    all.remove(0)
}

/// The reason and the words for one run.
fn verdict(run: &Run) -> Option<(Option<Reason>, String)> {
    judge(std::slice::from_ref(run), &[], HERE, moment(NOW)).pop().map(|f| (f.reason, f.why))
}

/// What becomes of one run, in a word.
fn fate(run: &Run) -> &'static str {
    match verdict(run) {
        None => "not seen",
        Some((None, _)) => "kept",
        Some((Some(Reason::Expired), _)) => "expired",
        Some((Some(Reason::HalfMade), _)) => "half-made",
        Some((Some(_), _)) => "something else",
    }
}

fn with_end(mut run: Run, at: i64) -> Run {
    for container in &mut run.containers {
        container.labels.insert(names::EXPIRES.into(), names::stamp(moment(at)));
    }
    run
}

use ContainerState::{Created, Dead, Exited, Paused, Running};

#[test]
fn only_what_expired_goes_because_of_its_age() {
    let old = NOW - 1000 * HOUR;
    for state in [Running, Exited, Paused] {
        let whole = run(&[("control-plane", state), ("worker", state)], old);
        assert_eq!(verdict(&whole), None, "{state} without an end");
        assert_eq!(verdict(&with_end(whole.clone(), NOW + 1)), None, "{state} with a second left");
        assert_eq!(fate(&with_end(whole, NOW)), "expired", "{state} at its end");
    }
    let gone = with_end(run(&[("control-plane", Running)], old), NOW - 2 * HOUR - 65);
    let (_, why) = verdict(&gone).unwrap();
    assert_eq!(why, "it expired 2h 1m ago, at 2026-11-29T22:52:15Z");
    // However young: its owner said so.
    assert_eq!(fate(&with_end(run(&[("control-plane", Running)], NOW), NOW)), "expired");
}

#[test]
fn an_end_that_cannot_be_read_is_none() {
    let mut odd = run(&[("control-plane", Running)], 0);
    odd.containers[0].labels.insert(names::EXPIRES.into(), "tomorrow".into());
    assert_eq!(verdict(&odd), None);
}

#[test]
fn a_creation_that_was_killed_is_known_by_its_control_planes() {
    let grace = i64::try_from(GRACE.as_secs()).unwrap();
    let half = |created| run(&[("control-plane", Created), ("worker", Running)], created);
    assert_eq!(verdict(&half(NOW - grace + 1)), None, "it may be being made right now");
    assert_eq!(fate(&half(NOW - grace)), "half-made");
    assert_eq!(verdict(&half(NOW - 26 * HOUR)).unwrap().1, "its creation was cut off 1d 2h ago: no control plane ran");
    // One part that is young is enough to wait.
    let mut busy = half(NOW - 5 * HOUR);
    busy.networks[0].created = NOW - 10;
    assert_eq!(verdict(&busy), None);
}

#[test]
fn what_ran_is_told_and_kept() {
    let old = NOW - 5 * HOUR;
    for (containers, flaw) in [
        (&[("control-plane", Running), ("worker", Created)][..], "`dev-worker` is created"),
        (&[("control-plane", Dead)], "`dev-control-plane` is dead"),
        (&[("worker", Exited)], "its control plane is gone"),
    ] {
        let (reason, why) = verdict(&run(containers, old)).unwrap();
        assert_eq!(reason, None);
        let words = "but what ran of it may hold data; remove it with `knarr delete cluster dev`";
        assert_eq!(why, format!("{flaw}, {words}"));
        assert_eq!(verdict(&with_end(run(containers, old), NOW + HOUR)), None, "it ends by itself");
    }
}

/// A repair that was cut off leaves a new container with the old volume.
#[test]
fn a_new_container_with_an_old_volume_is_no_creation() {
    let mut repaired = run(&[("control-plane", Created)], NOW - 2 * HOUR);
    assert_eq!(fate(&repaired), "half-made");
    repaired.volumes[0].created -= 61;
    assert_eq!(fate(&repaired), "kept");
    // A volume of a control plane that is gone.
    let mut other = run(&[("control-plane", Created)], NOW - 2 * HOUR);
    other.volumes.push(volume("control-plane2", NOW - 2 * HOUR));
    other.volumes[1].labels.insert(names::ROLE.into(), "control-plane".into());
    assert_eq!(fate(&other), "kept");
}

#[test]
fn volumes_and_networks_without_containers() {
    let old = NOW - 3 * HOUR;
    let left = runs(Vec::new(), vec![network(old)], vec![volume("worker", old)]);
    let found = judge(&left, &[], HERE, moment(NOW)).remove(0);
    assert_eq!(found.reason, Some(Reason::Orphaned));
    assert_eq!((found.networks, found.volumes), (vec!["knarr-dev".into()], vec!["dev-worker-var".into()]));
    for young in [NOW, NOW - HOUR + 1, i64::MAX] {
        let making = runs(Vec::new(), vec![network(young)], Vec::new());
        assert_eq!(judge(&making, &[], HERE, moment(NOW)), [], "a network comes before its containers");
    }
}

#[test]
fn runs_of_one_name_are_kept_apart_and_strangers_are_not_seen() {
    let mut newer = container("control-plane", Running, NOW);
    newer.labels.insert(names::CREATE_ID.into(), "id-2".into());
    let mut foreign = volume("worker", 0);
    foreign.labels.remove(names::CREATE_ID);
    let mut unlabelled = network(0);
    unlabelled.labels.clear();
    let all = runs(vec![newer], vec![unlabelled], vec![volume("control-plane", 0), foreign]);
    let found = judge(&all, &[], HERE, moment(NOW));
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].create_id.as_str(), &found[0].volumes[..]), ("id-1", &["dev-control-plane-var".into()][..]));
    assert!(found[0].containers.is_empty() && found[0].networks.is_empty());
}

#[test]
fn entries_go_only_where_it_is_certain_that_they_lead_nowhere() {
    let entry = |create_id: &str, docker: &str| Marked {
        path: "/home/ana/.kube/config".into(),
        cluster: "dev".into(),
        create_id: create_id.into(),
        docker: docker.into(),
    };
    let alive = run(&[("control-plane", Running)], 0);
    let reasons = |entries: &[Marked], docker: &str| -> Vec<Option<Reason>> {
        judge(std::slice::from_ref(&alive), entries, docker, moment(NOW)).iter().map(|f| f.reason).collect()
    };
    assert_eq!(reasons(&[entry("id-1", HERE), entry("id-1", "")], HERE), [], "its cluster is there");
    assert_eq!(reasons(&[entry("id-0", HERE)], HERE), [Some(Reason::NoCluster)]);
    assert_eq!(reasons(&[entry("id-0", "elsewhere")], HERE), [], "another Docker may have its cluster");
    assert_eq!(reasons(&[entry("id-0", "")], HERE), [None], "nobody knows on which Docker it was");
    assert_eq!(reasons(&[entry("", HERE)], HERE), [None], "nobody knows which run it was");
    assert_eq!(reasons(&[entry("id-0", HERE)], ""), [None], "nobody knows which Docker this is");
    // An entry goes with its cluster, whatever its mark says about Docker: the identity of the run is enough.
    let ended = with_end(alive.clone(), NOW);
    let found = judge(&[ended], &[entry("id-1", ""), entry("id-1", "")], HERE, moment(NOW));
    assert_eq!(found[0].kubeconfigs, [PathBuf::from("/home/ana/.kube/config")]);
}

#[test]
fn the_earlier_of_two_clocks_counts() {
    let mut info = crate::host::probe::sample_engine();
    info.clock = Some(NOW - 1_000_000_000);
    assert_eq!(now(&info), moment(NOW - 1_000_000_000));
    info.clock = Some(i64::from(u32::MAX) * 2);
    assert!(now(&info) <= OffsetDateTime::now_utc());
    info.clock = None;
    assert!(now(&info) <= OffsetDateTime::now_utc());
}
