//! A disk that is full: while a cluster is created, while an image is loaded, and for etcd. The disk is named, what was
//! begun is undone or left as it was, and with space everything goes on with its data.

use std::path::{Path, PathBuf};
use std::process::Command;

use knarr::plan::names;

use super::BARE;
use crate::cluster::Cluster;
use crate::components::agent;
use crate::docker::{Foreign, docker};
use crate::lifecycle::{fill, still_has};
use crate::processes::{Run, run};
use crate::scene::Scene;
use crate::wait::{seconds, until};

/// How large the disk of the node is: etcd alone takes two pieces of log of 64 MB, and an image lies there twice.
const SIZE: &str = "640M";
const LOOK: &str = "see what fills Docker's disk with `docker system df`";
/// A value that etcd takes, near the most that it takes.
const LARGE: usize = 900_000;

/// A small file system over the folder of a volume, while nobody has the volume mounted. It goes when it is dropped; what
/// the volume held before is below it, unchanged.
struct Small {
    at: PathBuf,
}

impl Small {
    /// Moves the volume of a stopped node onto one; none where this machine does not let us.
    fn below(scene: &Scene, node: &str) -> Result<Self, Run> {
        let volume = names::volume(node);
        let at = docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", &volume]).ok().out().trim().to_owned();
        let (image, beside) = (scene.path("disk"), scene.path("beside"));
        let script = "truncate --size=$1 $2 && mkfs.ext4 -q -m 0 $2 && mkdir $3 && mount -o loop $2 $3 && \
                      { cp -a $4/. $3/ && mount --bind $3 $4; status=$?; umount $3; exit $status; }";
        let words = ["-c", script, "sh", SIZE, path(&image), path(&beside), &at];
        let made = run(Command::new("sh").args(words), b"");
        if made.status == 0 { Ok(Self { at: at.into() }) } else { Err(made) }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // What still runs on it keeps it until it ends.
        run(Command::new("umount").arg("--lazy").arg(&self.at), b"");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A volume that a node would have is there, and has no room for its files.
pub fn full_at_creation(scene: &Scene) {
    let cluster = scene.cluster("nospace");
    let foreign = Foreign::new("volume", names::volume(&cluster.control_plane()));
    let tiny = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=64k"];
    docker(&[&["volume", "create"][..], &tiny, &[&foreign.name]].concat()).ok();
    let run = cluster.try_create(&BARE).exits(4).says("no space left on device").says(LOOK);
    let run = run.says("removed 1 container and 1 network");
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    assert_eq!(scene.kubeconfig_text(), None, "{run}");
    docker(&["volume", "inspect", &foreign.name]).ok();
}

/// A node whose disk fills up: by an image, and by what is written into etcd.
pub fn full_under_a_node(scene: &Scene) {
    let cluster = scene.cluster("full");
    cluster.create(&BARE);
    let (name, plane) = (cluster.name.as_str(), cluster.control_plane());
    let wrote = fill(&cluster);
    scene.knarr(&["stop", name]).ok();
    let small = match Small::below(scene, &plane) {
        Ok(small) => small,
        Err(run) => {
            eprintln!("SKIPPED a full disk: this machine lets us mount no small one\n{run}");
            return;
        }
    };
    scene.knarr(&["start", name]).ok();
    still_has(&cluster, &wrote);
    by_an_image(scene, &cluster);
    by_etcd(scene, &cluster);
    still_has(&cluster, &wrote);
    scene.knarr(&["start", name]).ok();
    scene.knarr(&["stop", name]).ok();
    drop(small);
    cluster.delete();
}

fn in_node(cluster: &Cluster<'_>, script: &str) -> Run {
    cluster.exec(&cluster.control_plane(), &["sh", "-c", script])
}

fn by_an_image(scene: &Scene, cluster: &Cluster<'_>) {
    let image = Foreign::new("image", format!("knarr-test/{}:large", cluster.name));
    let make = "head --bytes=80M /dev/urandom >blob && tar --create blob | docker import - $1 && rm blob";
    run(&mut scene.program("sh", &["-ec", make, "sh", &image.name]), b"").ok();
    in_node(cluster, "fallocate --length $(($(df --output=avail --block-size=1M /var | tail -n 1) - 32))M /var/filler")
        .ok();
    let run = scene.knarr(&["load", "docker-image", &image.name, "--name", &cluster.name]).exits(4);
    let run = run.says("could not be loaded into 1 of 1 nodes").says("no space left on device").says(LOOK);
    eprintln!("full disk, load: told after {:.1} s", run.took.as_secs_f64());
    assert!(run.took < seconds(30), "it waited for an import that had died\n{run}");
    cluster.well();
    in_node(cluster, "rm /var/filler").ok();
    scene.knarr(&["load", "docker-image", &image.name, "--name", &cluster.name]).ok();
}

fn by_etcd(scene: &Scene, cluster: &Cluster<'_>) {
    in_node(cluster, "cat /dev/zero >/var/filler").exits(1).says("No space left on device");
    let large = scene.write("large", "x".repeat(LARGE));
    let (from, mut number) = (format!("--from-file={}", path(&large)), 0);
    until("etcd has no room any more", seconds(60), || {
        let map = format!("large-{number}");
        number += 1;
        let run = cluster.kubectl(&["create", "configmap", &map, &from, "--request-timeout=5s"]);
        let etcd = agent(cluster, "etcd");
        if etcd["recentExits"] == 0 { Err(format!("{etcd}\n{run}")) } else { Ok(()) }
    });
    let full = format!("the disk of `{}` is full", cluster.control_plane());
    until("the status says why", seconds(30), || {
        let run = scene.knarr(&["status", &cluster.name]);
        let told = run.status == 5 && run.out().contains(&full) && run.stderr.contains(LOOK);
        if told { Ok(()) } else { Err(run.to_string()) }
    });
    eprintln!("full disk, etcd: told after {number} writes of {LARGE} bytes");
    in_node(cluster, "rm /var/filler").ok();
    let begun = std::time::Instant::now();
    cluster.well();
    eprintln!("recovered: etcd with space on its disk {:.1} s", begun.elapsed().as_secs_f64());
    let first = cluster.kubectl(&["get", "configmap", "large-0", "-o", "jsonpath={.data.large}"]).ok();
    assert_eq!(first.stdout.len(), LARGE);
}
