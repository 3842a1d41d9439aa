//! The data of a single control plane, spoilt in several ways: each is told with its file and a way out, nothing is
//! deleted, and with its data back the cluster is as before.

use knarr::node::paths::ETCD_DATA;

use crate::cluster::{Cluster, text};
use crate::docker::{docker, inspect};
use crate::processes::Run;
use crate::scene::Scene;

/// How the data is spoilt, in a folder of etcd, and which file is named.
const WAYS: [(&str, &str, &str); 4] = [
    (
        "log of writes overwritten",
        "for log in member/wal/*.wal; do dd if=/dev/urandom of=$log bs=1k seek=1 count=64 conv=notrunc; done",
        ".wal'",
    ),
    ("log of writes emptied", "truncate --size=0 member/wal/*.wal", "member/wal"),
    ("database cut short", "truncate --size=20000 member/snap/db", "member/snap/db"),
    ("folder removed", "rm -r member", "member/wal"),
];

/// A shell on the data of a control plane that does not run.
fn on_data(cluster: &Cluster<'_>, script: &str) -> Run {
    let plane = cluster.control_plane();
    let image = text(&inspect(&plane), "/Image").to_owned();
    let volumes = format!("--volumes-from={plane}");
    let script = format!("cd {ETCD_DATA}; {script}");
    docker(&["run", "--rm", &volumes, "--network=none", "--entrypoint=sh", &image, "-ec", &script]).ok()
}

/// Spoils it, starts it, and puts it back, in each of the ways.
pub fn damaged(scene: &Scene, cluster: &Cluster<'_>) {
    let (name, plane) = (cluster.name.as_str(), cluster.control_plane());
    let objects = cluster.objects();
    scene.knarr(&["stop", name]).ok();
    on_data(cluster, "cp -a member whole");
    for (what, spoil, file) in WAYS {
        on_data(cluster, spoil);
        let run = scene.knarr(&["start", name]).exits(1).says(&format!("the data of etcd on `{plane}` is damaged"));
        assert!(run.stderr.contains(file), "{file} is not named\n{run}");
        let run = run.says("nothing was deleted").says(&format!("knarr delete cluster {name}"));
        eprintln!("etcd, {what}: told after {:.1} s", run.took.as_secs_f64());
        let status = scene.knarr(&["status", name]).exits(5);
        if what != "folder removed" {
            assert!(status.out().contains(&format!("the data of etcd on `{plane}` is damaged")), "{status}");
        }
        assert_eq!(cluster.objects(), objects);
        scene.knarr(&["stop", name]).ok();
        on_data(cluster, "test -d whole && rm -rf member && cp -a whole member");
    }
    scene.knarr(&["start", name]).ok();
    cluster.well();
}
