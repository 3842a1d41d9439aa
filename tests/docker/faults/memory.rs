//! A component that the kernel ends for want of memory: it is started again, Pods go on, and the cause is told.

use std::time::Instant;

use serde_json::Value;

use crate::cluster::Cluster;
use crate::components::{agent, containers};
use crate::scene::Scene;
use crate::wait::{seconds, until};

/// Leaves the node so little memory beyond what its processes have that the kernel must end one, makes the component the
/// first that it chooses, takes the rest and a little more, and gives everything back once the component is gone. What is
/// left is counted without files that can be read again, but with everything that the kernel cannot give away: a Pod would
/// be next. On either version of control groups.
const SQUEEZE: &str = "
group=/sys/fs/cgroup/memory
if test -d $group; then limit=$group/memory.limit_in_bytes; usage=$group/memory.usage_in_bytes; prefix=total_; all=-1
else group=/sys/fs/cgroup; limit=$group/memory.max; usage=$group/memory.current; prefix=; all=max; fi
test -w $limit || exit 77
trap 'echo $all >$limit' EXIT
echo 1000 >/proc/$1/oom_score_adj
used=$(awk -v used=$(cat $usage) -v prefix=$prefix '$1 == prefix \"inactive_file\" || $1 == prefix \"active_file\" {used -= $2}
    END {printf \"%.0f\", used}' $group/memory.stat)
echo $((used + 100663296)) >$limit
head -c 117440512 /dev/zero | tail -c 117440512 >/dev/null &
while test -d /proc/$1; do :; done
";
/// What the script ends with where a node may not limit itself.
const NOT_ALLOWED: i32 = 77;

fn of_pods(cluster: &Cluster<'_>) -> Vec<String> {
    containers(cluster.get(&["pods", "--all-namespaces"])["items"].as_array().expect("a list"))
}

/// The API server of a control plane is the one that the kernel ends.
pub fn component_out_of_memory(scene: &Scene, cluster: &Cluster<'_>) {
    let (plane, component) = (cluster.control_plane(), "kube-apiserver");
    let (was, before) = (agent(cluster, component), of_pods(cluster));
    let pid = was["pid"].as_u64().expect("it runs").to_string();
    let run = cluster.exec(&plane, &["sh", "-ec", SQUEEZE, "sh", &pid]);
    if run.status == NOT_ALLOWED {
        eprintln!("SKIPPED out of memory: the node cannot limit its own memory on this machine");
        return;
    }
    run.ok();
    let begun = Instant::now();
    until("it serves again", seconds(30), || {
        let now = agent(cluster, component);
        if now["ready"] == true && now["pid"] != was["pid"] { Ok(()) } else { Err(now.to_string()) }
    });
    eprintln!("recovered: {component} out of memory {:.1} s", begun.elapsed().as_secs_f64());
    cluster.well();
    assert_eq!(of_pods(cluster), before, "the pods' containers are the same ones");
    let status = scene.knarr(&["status", &cluster.name]).ok();
    let line = status.out().lines().find(|line| line.contains(component)).unwrap_or_default().to_owned();
    assert!(line.contains("signal 9 (SIGKILL); out of memory"), "{status}");
    let json = scene.knarr(&["status", &cluster.name, "-o", "json"]).ok().json();
    assert_eq!(json["nodes"][0]["memoryKills"], Value::from(1), "{json:#}");
    // One that somebody else kills is told as such where memory never was short: the worker's.
    assert_eq!(json["nodes"][1]["memoryKills"], Value::from(0), "{json:#}");
}
