//! What a machine and its other users do to a cluster: they take its places, its memory and its disk, spoil its data, cut
//! its commands off. Each fault is told by its cause and mended by one command, and nothing is lost.

mod etcd_data;
mod memory;
mod squatters;

use std::time::Instant;

use crate::Case;
use crate::cluster::Cluster;
use crate::lifecycle::{fill, still_has};
use crate::scene::Scene;

/// The cases of this file.
pub const CASES: &[Case] = &[("one_cluster_through_many", one_cluster_through_many)];

/// Without what nothing here needs: it would only take time.
const BARE: [&str; 8] = [
    "--no-addon",
    "metrics-server",
    "--no-addon",
    "load-balancer",
    "--no-addon",
    "network-policy",
    "--no-addon",
    "storage",
];

/// The faults that leave a cluster whole share one; the last one does not.
fn one_cluster_through_many(scene: &Scene) {
    let cluster = scene.cluster("faults");
    cluster.create(&[&["--workers", "1"][..], &BARE].concat());
    let wrote = fill(&cluster);
    let faults: [(&str, fn(&Scene, &Cluster<'_>)); 4] = [
        ("addresses", squatters::addresses),
        ("port", squatters::port_of_a_node),
        ("memory", memory::component_out_of_memory),
        ("etcd's data", etcd_data::damaged),
    ];
    for (what, fault) in faults {
        let begun = Instant::now();
        fault(scene, &cluster);
        still_has(&cluster, &wrote);
        eprintln!("{what}: {:.0} s in all", begun.elapsed().as_secs_f64());
    }
    cluster.delete();
}
