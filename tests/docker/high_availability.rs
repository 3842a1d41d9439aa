//! Several control planes under a client that writes all the time: what is lost is borne, made anew, added and taken
//! away, and no write that was acknowledged is lost.

pub mod etcd;
mod writer;
#[path = "../shared/writes.rs"]
mod writes;

use std::time::Duration;

use knarr::node::paths::{ADMIN_CONF, ETCD_DATA, program};
use knarr::plan::names;
use serde_json::{Value, json};

use self::writer::Writer;
use crate::Case;
use crate::cluster::{Cluster, condition, text};
use crate::docker::{docker, inspect};
use crate::processes::Run;
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("losses_and_repairs", losses_and_repairs), ("grow_and_shrink", grow_and_shrink)];

/// How often each loss is borne.
const REPEATS: usize = 3;
/// How long no write may be acknowledged after a loss that is borne.
const BORNE_WITHIN: Duration = seconds(15);
/// How long after a loss that is not: until a command has mended it.
const MENDED_WITHIN: Duration = seconds(90);

const WITHOUT: [&str; 6] =
    ["--no-addon", "metrics-server", "--no-addon", "load-balancer", "--no-addon", "network-policy"];

/// A cluster's node of a role, counted from 1.
fn node(cluster: &Cluster<'_>, role: &str, number: usize) -> String {
    let suffix = if number == 1 { String::new() } else { number.to_string() };
    format!("{}-{role}{suffix}", cluster.name)
}

fn planes(cluster: &Cluster<'_>, count: usize) -> Vec<String> {
    (1..=count).map(|number| node(cluster, "control-plane", number)).collect()
}

/// Where the kubeconfig leads.
fn server(scene: &Scene) -> String {
    let text = scene.kubeconfig_text().expect("a kubeconfig");
    text.lines().find(|line| line.trim_start().starts_with("server:")).expect("a server").to_owned()
}

/// Where a container is, which must not change.
fn address(cluster: &Cluster<'_>, container: &str) -> Value {
    inspect(container)["NetworkSettings"]["Networks"][names::network(&cluster.name)]["IPAddress"].clone()
}

/// Removes a container with everything that it kept.
fn destroy(container: &str) {
    docker(&["rm", "--force", "--volumes", container]).ok();
    docker(&["volume", "rm", &names::volume(container)]).ok();
}

/// `knarr status` finds that something is not as it should be.
#[track_caller]
fn unwell(scene: &Scene, cluster: &Cluster<'_>, state: &str, names: &str) {
    let run = scene.knarr(&["status", &cluster.name, "-o", "json"]).exits(5);
    let status = run.json();
    assert_eq!(status["state"], state, "{run}");
    assert!(status["problems"].to_string().contains(names), "`{names}` is not named in\n{run}");
}

fn took(what: &str, run: &Run) {
    eprintln!("{what}: {:.1} s", run.took.as_secs_f64());
}

fn losses_and_repairs(scene: &Scene) {
    let cluster = scene.cluster("ha");
    took("created 3+2", &cluster.create(&[&["--control-planes", "3", "--workers", "2"][..], &WITHOUT].concat()));
    etcd::voters(&cluster, &planes(&cluster, 3));
    // So that it is copied out of the node image now, and not while it is timed.
    cluster.kubectl(&["version"]).ok();
    let server_before = server(scene);
    let writer = Writer::start(&scene.kubeconfig());
    leader_killed(scene, &cluster, &writer);
    leader_paused(scene, &cluster, &writer);
    balancer_lost(scene, &cluster, &writer);
    let all = planes(&cluster, 3);
    for lost in 0..REPEATS {
        two_of_three_lost(scene, &cluster, &writer, [&all[lost], &all[(lost + 1) % 3]]);
    }
    writer.lost_nothing(&cluster);
    // While it has the data folder with which it began.
    member_corrupted(scene, &cluster, &writer);
    for plane in &all {
        control_plane_destroyed(scene, &cluster, &writer, plane);
    }
    worker_destroyed(scene, &cluster, &writer);
    stopped_and_started(scene, &cluster, &writer);
    writer.lost_nothing(&cluster);
    assert_eq!(server(scene), server_before, "one address all the time");
    drop(writer);
    majority_destroyed(scene, &cluster);
    cluster.delete();
}

/// The leader dies: each control plane must be able to.
fn leader_killed(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    for _ in 0..REPEATS {
        let leader = etcd::leader(cluster, &planes(cluster, 3));
        writer.bears("leader killed", BORNE_WITHIN, || docker(&["kill", &leader]).ok());
        unwell(scene, cluster, "Degraded", &leader);
        writer.bears("and started", BORNE_WITHIN, || scene.knarr(&["start", &cluster.name]).ok());
        cluster.well();
    }
}

/// A leader that neither works nor goes away: its connections stay open.
fn leader_paused(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    for _ in 0..REPEATS {
        let leader = etcd::leader(cluster, &planes(cluster, 3));
        writer.bears("leader paused", BORNE_WITHIN, || docker(&["pause", &leader]).ok());
        unwell(scene, cluster, "Degraded", &leader);
        writer.bears("and unpaused", BORNE_WITHIN, || docker(&["unpause", &leader]).ok());
        cluster.well();
    }
}

fn balancer_lost(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    let (balancer, name) = (names::balancer(&cluster.name), cluster.name.as_str());
    let port = || inspect(&balancer)["HostConfig"]["PortBindings"].clone();
    let (bound, place) = (port(), address(cluster, &balancer));
    for _ in 0..REPEATS {
        writer.bears("balancer killed, then `knarr start`", BORNE_WITHIN, || {
            docker(&["kill", &balancer]).ok();
            scene.knarr(&["start", name]).ok()
        });
    }
    docker(&["rm", "--force", &balancer]).ok();
    // The nodes do not need it: every worker has a balancer of its own.
    let plane = cluster.control_plane();
    let before = renewals(cluster, &plane);
    until("kubelets renew their leases", seconds(30), || {
        let now = renewals(cluster, &plane);
        let stuck: Vec<_> = before.iter().filter(|renewal| now.contains(renewal)).collect();
        if stuck.is_empty() { Ok(()) } else { Err(format!("{stuck:?}")) }
    });
    let nodes = inside(cluster, &plane, &["get", "nodes"]);
    let nodes = nodes["items"].as_array().expect("a list");
    assert!(nodes.len() == 5 && nodes.iter().all(|node| condition(node, "Ready") == "True"), "{nodes:#?}");
    unwell(scene, cluster, "Incomplete", &balancer);
    let run = scene.knarr(&["repair", name]).ok().says(&format!("`{balancer}` is gone: it is made anew"));
    took("balancer destroyed, `knarr repair`", &run);
    writer.goes_on();
    writer.bears("balancer destroyed, then `knarr start`", BORNE_WITHIN, || {
        docker(&["rm", "--force", &balancer]).ok();
        scene.knarr(&["start", name]).ok()
    });
    assert_eq!((port(), address(cluster, &balancer)), (bound, place));
    cluster.well();
}

/// When each kubelet last renewed its lease, asked without the balancer.
fn renewals(cluster: &Cluster<'_>, plane: &str) -> Vec<(String, String)> {
    let leases = inside(cluster, plane, &["get", "leases", "--namespace=kube-node-lease"]);
    let renewal = |lease| (text(lease, "/metadata/name").to_owned(), text(lease, "/spec/renewTime").to_owned());
    let renewals: Vec<_> = leases["items"].as_array().expect("a list").iter().map(renewal).collect();
    assert_eq!(renewals.len(), 5, "{renewals:?}");
    renewals
}

/// What kubectl says on a control plane.
fn inside(cluster: &Cluster<'_>, plane: &str, words: &[&str]) -> Value {
    let (kubectl, config) = (program("kubectl"), format!("--kubeconfig={ADMIN_CONF}"));
    cluster.exec(plane, &[&[kubectl.as_str(), &config, "-o", "json"], words].concat()).ok().json()
}

fn two_of_three_lost(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer, two: [&String; 2]) {
    let run = writer.bears("two of three killed, then one started", MENDED_WITHIN, || {
        docker(&["kill", two[0], two[1]]).ok();
        unwell(scene, cluster, "Degraded", two[1]);
        let run = cluster.kubectl(&["create", "configmap", "nowhere", "--request-timeout=5s"]).exits(1);
        assert!(run.took < seconds(15), "{run}");
        docker(&["start", two[1]]).ok();
        run
    });
    eprintln!("without a majority:\n{run}");
    scene.knarr(&["start", &cluster.name]).ok();
    cluster.well();
}

fn control_plane_destroyed(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer, plane: &str) {
    let place = address(cluster, plane);
    writer.bears("control plane destroyed", BORNE_WITHIN, || destroy(plane));
    unwell(scene, cluster, "Incomplete", plane);
    let says = format!("`{plane}` is gone: it is made anew");
    let run = writer.bears("and repaired", BORNE_WITHIN, || scene.knarr(&["repair", &cluster.name]).ok().says(&says));
    took("control plane destroyed, `knarr repair`", &run);
    etcd::voters(cluster, &planes(cluster, 3));
    assert_eq!(address(cluster, plane), place);
    cluster.well();
    writer.lost_nothing(cluster);
    scene.knarr(&["repair", &cluster.name]).ok().says("is as it should be");
}

fn member_corrupted(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    let plane = node(cluster, "control-plane", 2);
    docker(&["kill", &plane]).ok();
    let image = text(&inspect(&plane), "/Image").to_owned();
    let spoil = format!(
        "for log in {ETCD_DATA}/member/wal/*.wal; do dd if=/dev/urandom of=$log bs=1k seek=1 count=64 conv=notrunc; done"
    );
    let volumes = format!("--volumes-from={plane}");
    docker(&["run", "--rm", &volumes, "--network=none", "--entrypoint=sh", &image, "-ec", &spoil]).ok();
    writer.bears("started with a spoilt member", BORNE_WITHIN, || docker(&["start", &plane]).ok());
    until("its etcd has ended a few times", seconds(60), || {
        let run = scene.knarr(&["status", &cluster.name, "-o", "json"]).exits(5);
        let exits = exits(&run.json(), &plane);
        if exits >= 3 { Ok(()) } else { Err(run.to_string()) }
    });
    unwell(scene, cluster, "Degraded", &format!("`etcd` on `{plane}`"));
    let says = format!("etcd on `{plane}` cannot use its data");
    let run = writer.bears("and repaired", BORNE_WITHIN, || scene.knarr(&["repair", &cluster.name]).ok().says(&says));
    took("member spoilt, `knarr repair`", &run);
    etcd::voters(cluster, &planes(cluster, 3));
    cluster.well();
    cluster.exec(&plane, &["test", "-d", &format!("{ETCD_DATA}/member/wal")]).ok();
    writer.lost_nothing(cluster);
}

/// How often etcd has ended lately on a node.
fn exits(status: &Value, node: &str) -> u64 {
    let named = |list: &Value, name: &str| {
        list.as_array().and_then(|all| all.iter().find(|one| one["name"] == name)).cloned().unwrap_or_default()
    };
    named(&named(&status["nodes"], node)["agent"]["components"], "etcd")["recentExits"].as_u64().unwrap_or_default()
}

fn worker_destroyed(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    let worker = node(cluster, "worker", 2);
    let place = address(cluster, &worker);
    destroy(&worker);
    unwell(scene, cluster, "Incomplete", &worker);
    let run = writer.bears("worker repaired", BORNE_WITHIN, || scene.knarr(&["repair", &cluster.name]).ok());
    took("worker destroyed, `knarr repair`", &run);
    assert_eq!(address(cluster, &worker), place);
    cluster.well();
}

fn stopped_and_started(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    let mut all = planes(cluster, 3);
    all.extend([node(cluster, "worker", 1), node(cluster, "worker", 2), names::balancer(&cluster.name)]);
    let places = || all.iter().map(|container| address(cluster, container)).collect::<Vec<_>>();
    let before = places();
    writer.bears("all stopped and started", MENDED_WITHIN, || {
        took("3+2, `knarr stop`", &scene.knarr(&["stop", &cluster.name]).ok());
        took("3+2, `knarr start`", &scene.knarr(&["start", &cluster.name]).ok());
    });
    assert_eq!(places(), before);
    cluster.well();
}

/// From one of three members nothing is made anew: it does not know what the others agreed on.
fn majority_destroyed(scene: &Scene, cluster: &Cluster<'_>) {
    let all = planes(cluster, 3);
    let before = cluster.objects();
    all[1..].iter().for_each(|plane| destroy(plane));
    let run = scene.knarr(&["repair", &cluster.name]).exits(1).says("2 of 3 members of etcd are lost");
    assert!(run.stderr.contains("nothing was changed"), "{run}");
    assert_eq!(
        cluster.objects().len(),
        before.len() - 4,
        "two containers and their volumes are gone, and nothing else"
    );
}

fn grow_and_shrink(scene: &Scene) {
    let cluster = scene.cluster("grow");
    cluster.create(&WITHOUT);
    let name = cluster.name.as_str();
    let server_before = server(scene);
    let writer = Writer::start(&scene.kubeconfig());
    let all = planes(&cluster, 5);
    scene.knarr(&["node", "delete", &all[0]]).exits(1).says("cannot do without its last control plane");

    let add = |words: &[&str]| scene.knarr(&[&["node", "add", "--name", name][..], words].concat()).ok();
    let two = ["--control-plane", "--count", "2"];
    // The first restarts, for its port moves to a balancer.
    took("1 to 3 control planes", &writer.bears("1 to 3 control planes", MENDED_WITHIN, || add(&two)));
    etcd::voters(&cluster, &all[..3]);
    cluster.well();
    without_a_majority(scene, &cluster);
    took("3 to 5 control planes", &writer.bears("3 to 5 control planes", BORNE_WITHIN, || add(&two)));
    etcd::voters(&cluster, &all);
    cluster.well();
    writer.lost_nothing(&cluster);

    workers(scene, &cluster, &writer);

    let run = writer.bears("5 to 3 control planes, one of them dead", BORNE_WITHIN, || {
        docker(&["kill", &all[2]]).ok();
        scene.knarr(&["node", "delete", &all[1], &all[2]]).ok()
    });
    took("5 to 3 control planes", &run);
    let three = [&all[..1], &all[3..]].concat();
    etcd::voters(&cluster, &three);
    cluster.well();
    // Not the last that came is left, and not the first that was there.
    let run =
        writer.bears("3 to 1 control planes", BORNE_WITHIN, || scene.knarr(&["node", "delete", &all[0], &all[4]]).ok());
    took("3 to 1 control planes", &run);
    etcd::voters(&cluster, &all[3..4]);
    cluster.well();
    writer.lost_nothing(&cluster);
    assert_eq!(server(scene), server_before, "one address all the time");
    docker(&["rm", "-f", &all[3]]).ok();
    let run = writer.bears("the only control plane lost, not its volume", MENDED_WITHIN, || {
        scene.knarr(&["repair", name]).ok().says("with the data of its volume")
    });
    took("the only control plane, `knarr repair`", &run);
    etcd::voters(&cluster, &all[3..4]);
    cluster.well();
    writer.lost_nothing(&cluster);
    drop(writer);
    cluster.delete();
}

/// What would leave etcd without a majority is refused, and changes nothing.
fn without_a_majority(scene: &Scene, cluster: &Cluster<'_>) {
    let all = planes(cluster, 3);
    docker(&["kill", &all[2]]).ok();
    let run = scene.knarr(&["node", "delete", &all[1]]).exits(1).says("would leave etcd without a majority");
    assert!(run.stderr.contains("2 of 3 control planes run; of the 2 that stay, 1 do"), "{run}");
    assert!(run.stderr.contains("nothing was changed"), "{run}");
    scene.knarr(&["start", &cluster.name]).ok();
    etcd::voters(cluster, &all);
    cluster.well();
}

/// Workers come and go; one on which data lies goes only if that is said.
fn workers(scene: &Scene, cluster: &Cluster<'_>, writer: &Writer) {
    let [first, second] = [1, 2].map(|number| node(cluster, "worker", number));
    let run = writer.bears("two workers added", BORNE_WITHIN, || {
        scene.knarr(&["node", "add", "--name", &cluster.name, "--count", "2"]).ok()
    });
    took("two workers, `knarr node add`", &run);
    cluster.well();
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "kept"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "keeper", "labels": {"app": "keeper"}},
        "spec": {
            "terminationGracePeriodSeconds": 0, "nodeSelector": {"kubernetes.io/hostname": first},
            "containers": [{
                "name": "shell", "image": "knarr.dev/busybox:v1.37", "command": ["sleep", "3600"],
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "kept"}}],
        },
    });
    cluster.apply(&claim.to_string());
    cluster.apply(&pod.to_string());
    cluster.pods_ready("app=keeper", 1);
    let run = scene.knarr(&["node", "delete", &first]).exits(1).says("claim default/kept");
    assert!(run.stderr.contains("nothing was changed"), "{run}");
    let node = cluster.get(&["node", &first]);
    assert_eq!(node["spec"]["unschedulable"], Value::Null, "{node:#}");
    let run = writer.bears("a worker deleted", BORNE_WITHIN, || scene.knarr(&["node", "delete", &second]).ok());
    took("a worker, `knarr node delete`", &run);
    scene.knarr(&["node", "delete", &first, "--force"]).ok();
    let nodes = cluster.get(&["nodes"]);
    assert_eq!(nodes["items"].as_array().map(Vec::len), Some(5), "{nodes:#}");
    cluster.well();
}
