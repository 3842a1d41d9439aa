//! What a machine and its other users do to a cluster: they take its places, its memory and its disk, spoil its data, cut
//! its commands off. Each fault is told by its cause and mended by one command, and nothing is lost.

mod cut_off;
mod disk;
mod etcd_data;
mod machine;
mod memory;
mod squatters;

use std::time::Instant;

use crate::Case;
use crate::cluster::Cluster;
use crate::lifecycle::{fill, still_has};
use crate::scene::Scene;

/// The cases of this file.
pub const CASES: &[Case] = &[
    ("one_cluster_through_many", one_cluster_through_many),
    ("growth_that_is_cut_off", growth_that_is_cut_off),
    ("few_inotify_instances", machine::few_inotify_instances),
    ("a_clock_that_is_off", machine::a_clock_that_is_off),
    ("full_at_creation", disk::full_at_creation),
    ("full_under_a_node", disk::full_under_a_node),
];

/// What befalls a cluster, with the check that it is told and mended.
type Fault = fn(&Scene, &Cluster<'_>);

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
    let faults: [(&str, Fault); 4] = [
        ("addresses", squatters::addresses),
        ("port", squatters::port_of_a_node),
        ("memory", memory::component_out_of_memory),
        ("etcd's data", etcd_data::damaged),
    ];
    one_after_the_other(scene, &cluster, &wrote, &faults);
    cluster.delete();
}

/// A cluster of one node that grows: each addition is cut off, and what stands in front of it then loses its port.
fn growth_that_is_cut_off(scene: &Scene) {
    let cluster = scene.cluster("cutoff");
    cluster.create(&BARE);
    let wrote = fill(&cluster);
    let faults: [(&str, Fault); 3] = [
        ("workers", cut_off::adding_a_worker),
        ("control planes", cut_off::adding_control_planes),
        ("the balancer's port", squatters::port_of_a_balancer),
    ];
    one_after_the_other(scene, &cluster, &wrote, &faults);
    cluster.delete();
}

/// Each fault in turn; what the cluster holds outlives them all.
fn one_after_the_other(scene: &Scene, cluster: &Cluster<'_>, wrote: &str, faults: &[(&str, Fault)]) {
    for (what, fault) in faults {
        let begun = Instant::now();
        fault(scene, cluster);
        still_has(cluster, wrote);
        eprintln!("{what}: {:.0} s in all", begun.elapsed().as_secs_f64());
    }
}
