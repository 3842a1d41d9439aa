//! Clusters that are stopped, started, frozen, and that grow old: nothing of what they hold is lost on the way.

use std::net::TcpListener;

use knarr::cluster::{self, certificates};
use knarr::engine::Engine;
use knarr::engine::archive::Tree;
use knarr::engine::docker::{DockerEngine, Surroundings};
use knarr::node::render::{self, Entry};
use knarr::pki::Pki;
use time::{Duration, OffsetDateTime};

use crate::Case;
use crate::cluster::Cluster;
use crate::docker::{docker, inspect};
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[
    ("stopped_started_and_paused", stopped_started_and_paused),
    ("a_port_that_somebody_took", a_port_that_somebody_took),
    ("certificates_of_three_minutes", certificates_of_three_minutes),
];

/// A Pod that writes its volume once and never again.
const KEEPER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: keeper}
spec:
  containers:
  - name: keeper
    image: knarr.dev/busybox:v1.37
    command: [sh, -c, "test -e /data/born || cat /proc/sys/kernel/random/uuid >/data/born; exec sleep 100000"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, emptyDir: {}}]
"#;

/// Puts something into a cluster; returns what its Pod wrote.
pub fn fill(cluster: &Cluster<'_>) -> String {
    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"]).ok();
    cluster.apply(KEEPER);
    born(cluster)
}

fn born(cluster: &Cluster<'_>) -> String {
    until("the Pod's volume can be read", seconds(90), || {
        let run = cluster.kubectl(&["exec", "keeper", "--", "cat", "/data/born"]);
        if run.status == 0 && !run.stdout.is_empty() { Ok(run.out()) } else { Err(run.to_string()) }
    })
}

/// Everything that [`fill`] put there is there.
pub fn still_has(cluster: &Cluster<'_>, wrote: &str) {
    let value = cluster.kubectl(&["get", "configmap", "kept", "-o", "jsonpath={.data.key}"]).ok();
    assert_eq!(value.out(), "value");
    assert_eq!(born(cluster), wrote, "the Pod's volume is another one");
}

fn stopped_started_and_paused(scene: &Scene) {
    let cluster = scene.cluster("life");
    cluster.create(&["--workers", "1"]);
    let name = cluster.name.as_str();
    let wrote = fill(&cluster);
    let kubeconfig = scene.kubeconfig_text().expect("a kubeconfig");
    let place = |node: &str| inspect(node)["NetworkSettings"]["Networks"][format!("knarr-{name}")]["IPAddress"].clone();
    let addresses = || [place(&cluster.control_plane()), place(&format!("{name}-worker"))];
    let before = addresses();

    let run = scene.knarr(&["stop", name]).ok();
    eprintln!("stopped two nodes in {:?}", run.took);
    for node in [cluster.control_plane(), format!("{name}-worker")] {
        let state = inspect(&node)["State"].clone();
        assert_eq!((&state["Status"], &state["ExitCode"]), (&"exited".into(), &0.into()), "{state}");
        // What keeps it stopped when Docker itself is started again.
        assert_eq!(inspect(&node)["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    }
    scene.knarr(&["stop", name]).ok().says("is stopped already");
    let status = scene.knarr(&["status", name, "-o", "json"]).exits(5).json();
    assert_eq!(status["state"], "Stopped");
    cluster.kubectl(&["get", "nodes"]).exits(1).says(&format!("knarr start {name}"));

    let run = scene.knarr(&["start", name]).ok();
    eprintln!("started two nodes in {:?}\n{run}", run.took);
    // «Usable» means now, not soon.
    cluster.kubectl(&["get", "nodes"]).ok();
    cluster.kubectl(&["run", "after", "--image=knarr.dev/busybox:v1.37", "--", "sleep", "1000"]).ok();
    still_has(&cluster, &wrote);
    assert_eq!(addresses(), before);
    assert_eq!(scene.kubeconfig_text().as_ref(), Some(&kubeconfig), "nothing changed, nothing is written");
    cluster.well();

    let run = scene.knarr(&["restart", name]).ok();
    eprintln!("restarted in {:?}", run.took);
    still_has(&cluster, &wrote);

    scene.knarr(&["pause", name]).ok();
    assert_eq!(scene.knarr(&["status", name, "-o", "json"]).exits(5).json()["state"], "Paused");
    scene.knarr(&["unpause", name]).ok();
    cluster.kubectl(&["get", "nodes"]).ok();
    // A node that was stopped behind our back is Degraded, and one command mends it.
    docker(&["stop", &format!("{name}-worker")]).ok();
    assert_eq!(scene.knarr(&["status", name, "-o", "json"]).exits(5).json()["state"], "Degraded");
    // And a kubeconfig that points elsewhere is put right.
    std::fs::write(scene.kubeconfig(), kubeconfig.replace("https://127.0.0.1:", "https://127.0.0.2:"))
        .expect("written");
    scene.knarr(&["start", name]).ok().says("brought the kubeconfig entry");
    assert_eq!(scene.kubeconfig_text().as_ref(), Some(&kubeconfig));
    still_has(&cluster, &wrote);
    cluster.delete();
}

fn a_port_that_somebody_took(scene: &Scene) {
    let cluster = scene.cluster("port");
    cluster.create(&[]);
    let name = cluster.name.as_str();
    let node = inspect(&cluster.control_plane());
    let port = node["HostConfig"]["PortBindings"]["6443/tcp"][0]["HostPort"].as_str().expect("a port").to_owned();
    scene.knarr(&["stop", name]).ok();
    let thief = TcpListener::bind(format!("127.0.0.1:{port}")).expect("it is free now");
    let run = scene.knarr(&["start", name]).exits(4).says("a host port of it is taken");
    assert!(run.stderr.contains(&format!("ss -ltnp 'sport = :{port}'")), "{run}");
    drop(thief);
    scene.knarr(&["start", name]).ok();
    cluster.well();
    cluster.delete();
}

/// Three minutes from now everything but the authorities has ended, as after a year; one command brings it all back.
fn certificates_of_three_minutes(scene: &Scene) {
    let cluster = scene.cluster("old");
    cluster.create(&[]);
    let name = cluster.name.as_str();
    let wrote = fill(&cluster);
    scene.knarr(&["certs", "check", name]).ok();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(age(name, Duration::minutes(3)));
    let aged = std::time::Instant::now();
    docker(&["restart", "--time", "30", &cluster.control_plane()]).ok();
    // The old entry holds a certificate of the same authority, which is good for months yet: the cluster works.
    until("it runs with what it has", seconds(90), || {
        let run = cluster.kubectl(&["get", "nodes"]);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
    scene.knarr(&["certs", "check", name]).exits(5).says("it ends in 0 days");
    until("they have ended", seconds(200), || {
        let left = seconds(181).saturating_sub(aged.elapsed());
        if left.is_zero() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    scene.knarr(&["certs", "check", name]).exits(5).says("it ended on");
    let run = scene.knarr(&["start", name]).ok().says("renewed the certificates of 1 node");
    eprintln!("{run}");
    assert!(run.stderr.contains("brought the kubeconfig entry"), "{run}");
    scene.knarr(&["certs", "check", name]).ok();
    cluster.well();
    still_has(&cluster, &wrote);
    // Twice is once.
    let run = scene.knarr(&["start", name]).ok();
    assert!(!run.stderr.contains("renewed"), "{run}");
    cluster.delete();
}

/// Gives every node certificates that were made nearly a year ago.
async fn age(name: &str, left: Duration) {
    let engine = DockerEngine::connect(&Surroundings::default()).await.expect("Docker answers");
    let found = cluster::find(&engine, name).await.expect("it is there");
    let layout = cluster::recall(&engine, &found).await.expect("it can be recalled").layout;
    let roots = certificates::roots(&engine, &found).await.expect("they are there");
    let pki = Pki::reissue(roots, &layout, OffsetDateTime::now_utc() - Duration::days(365) + left).expect("signed");
    for node in &layout.nodes {
        let mut tree = Tree::new(0);
        for file in render::leaf_files(&layout, node) {
            let path = file.path.trim_start_matches('/').to_owned();
            match render::materialize(&file, &pki).expect("bytes") {
                Entry::Folder => tree.folder(&path, file.mode),
                Entry::Link(target) => tree.link(&path, &target),
                Entry::File(bytes) => tree.file(&path, file.mode, bytes.to_vec()),
            }
            .expect("packed");
        }
        engine.put_archive(node.spec.name.as_str(), "/", tree.build().expect("packed")).await.expect("put");
    }
}
