//! Pods and ReplicaSets: limits that the kernel knows, one address for two containers, a replacement at once.

use std::time::Instant;

use crate::cluster::{Cluster, text};
use crate::wait::{seconds, until};

/// Control groups of either version, as seen inside a container.
const MEMORY: &str = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
const PERIOD: &str = "cat /sys/fs/cgroup/cpu.max 2>/dev/null || cat /sys/fs/cgroup/cpu/cpu.cfs_period_us";

pub fn limits_are_the_kernels(cluster: &Cluster<'_>) {
    let inside = |script: &str| {
        cluster.kubectl(&["-n", "sample-pod", "exec", "pair", "-c", "shell", "--", "sh", "-c", script]).ok().out()
    };
    assert_eq!(inside(MEMORY).trim(), (64 << 20).to_string());
    assert!(inside(PERIOD).trim().ends_with("100000"), "the quota of 25000 is of 100 ms");
    let pod = cluster.get(&["pod", "pair", "-n", "sample-pod"]);
    let address = text(&pod, "/status/podIP");
    assert!(inside("ip -4 addr").contains(&format!("inet {address}/")), "both containers have the Pod's address");
    let killed = &pod["status"]["containerStatuses"];
    let killed = killed.as_array().expect("a list").iter().find(|c| c["name"] == "hello").expect("it is there");
    assert_eq!(killed["lastState"]["terminated"]["reason"], "OOMKilled", "{killed:#}");
    assert!(killed["restartCount"].as_u64() >= Some(1), "{killed:#}");
}

pub fn a_lost_one_is_replaced(cluster: &Cluster<'_>) {
    let names = || {
        let list = cluster.get(&["pods", "-n", "sample-replicaset"]);
        let all = list["items"].as_array().cloned().unwrap_or_default();
        let there = all.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let ready = there.filter(|pod| crate::cluster::condition(pod, "Ready") == "True");
        ready.map(|pod| text(pod, "/metadata/name").to_owned()).collect::<Vec<_>>()
    };
    let before = until("four are ready", seconds(30), || {
        let names = names();
        if names.len() == 4 { Ok(names) } else { Err(format!("{names:?}")) }
    });
    let begun = Instant::now();
    cluster.kubectl(&["delete", "pod", &before[0], "-n", "sample-replicaset", "--wait=false"]).ok();
    let after = until("another one is ready", seconds(30), || {
        let names = names();
        let replaced = names.len() == 4 && !names.contains(&before[0]);
        if replaced { Ok(names) } else { Err(format!("{names:?}")) }
    });
    eprintln!("replicaset: replaced after {:?}", begun.elapsed());
    assert_eq!(after.iter().filter(|name| before.contains(name)).count(), 3, "the others stayed");
}
