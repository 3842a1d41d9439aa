//! Limits of the kernel and of the daemon that many nodes run into.

use super::facts::Facts;
use super::system::Init;
use super::{Check, Finding, Fix};
use crate::host::{Host, Inotify};

/// What a control plane takes: 26 were measured on an idle one (8 the controller manager, 7 the API server, 6 the kubelet,
/// 3 the scheduler, 2 containerd). The rest is for pods: on cgroup version 2 every container's shim holds one.
const INSTANCES_PER_CONTROL_PLANE: u64 = 50;
/// What a worker takes: 8 were measured, and its pods.
const INSTANCES_PER_WORKER: u64 = 30;
/// Watches are cheap; this is plenty for a node.
const WATCHES_PER_NODE: u64 = 32_768;
/// What the fix sets: enough for any number of clusters, and an upper limit only.
const INSTANCES_SET: u64 = 8192;
const WATCHES_SET: u64 = 1_048_576;
/// Files open at once on the whole machine, for a node with pods.
const FILES_PER_NODE: u64 = 65_536;
/// The limit of open files inside a node.
const NODE_FILES: u64 = 64_000;

pub(super) const CHECKS: [Check; 3] = [
    Check {
        id: "inotify",
        title: "inotify",
        why: "all nodes share root's limit; when it is reached, components stop with «too many open files»",
        fast: true,
        probe: inotify,
    },
    Check {
        id: "file-max",
        title: "open files, machine",
        why: "all nodes share the machine's limit",
        fast: false,
        probe: file_max,
    },
    Check {
        id: "nofile",
        title: "open files, Docker",
        why: "a daemon without CAP_SYS_RESOURCE cannot give nodes more than it has itself",
        fast: false,
        probe: nofile,
    },
];

/// Raises only: a limit that is higher already stays.
fn raise(limits: Inotify) -> Fix {
    Fix::RaiseInotify {
        instances: limits.max_instances.max(INSTANCES_SET),
        watches: limits.max_watches.max(WATCHES_SET),
    }
}

fn inotify(facts: &Facts) -> Finding {
    let demand = &facts.demand;
    let instances = INSTANCES_PER_CONTROL_PLANE * u64::from(demand.control_planes)
        + INSTANCES_PER_WORKER * u64::from(demand.workers);
    let watches = (WATCHES_PER_NODE * demand.nodes()).min(WATCHES_SET);
    let needed = format!("{instances} instances left and {watches} watches for {}", count(demand.nodes()));
    let Some((host, limits)) = facts.docker_host().and_then(|host| Some((host, host.inotify()?))) else {
        return Finding::unknown(facts.elsewhere()).needed(needed);
    };
    // Only root may count what is in use; the limit alone already tells whether there is any hope.
    let used = host.inotify_instances_in_use();
    let found = match used {
        Some(used) => format!("{used} of {} instances in use, {} watches", limits.max_instances, limits.max_watches),
        None => format!("{} instances, {} watches", limits.max_instances, limits.max_watches),
    };
    let left = limits.max_instances.saturating_sub(used.unwrap_or_default() as u64);
    if left < instances || limits.max_watches < watches {
        Finding::warn(found).safe(raise(limits))
    } else {
        Finding::ok(found)
    }
    .needed(needed)
}

fn file_max(facts: &Facts) -> Finding {
    let needed = FILES_PER_NODE * facts.demand.nodes();
    match facts.docker_host().map(Host::file_max) {
        Some(Some(limit)) if limit < needed => {
            Finding::warn(limit.to_string()).fix(format!("sudo sysctl -w fs.file-max={}", needed * 4))
        }
        Some(Some(limit)) if limit > u64::from(u32::MAX) => Finding::ok("unlimited"),
        Some(Some(limit)) => Finding::ok(limit.to_string()),
        _ => Finding::unknown(facts.elsewhere()),
    }
    .needed(format!("{needed} for {}", count(facts.demand.nodes())))
}

fn nofile(facts: &Facts) -> Finding {
    // A daemon with CAP_SYS_RESOURCE may exceed its own limit.
    if facts.docker_host().and_then(Host::docker_has_sys_resource) == Some(true) {
        return Finding::ok("the daemon may give any number");
    }
    match facts.docker_host().map(Host::docker_open_files) {
        Some(Some(u64::MAX)) => Finding::ok("unlimited"),
        Some(Some(limit)) if limit >= NODE_FILES => Finding::ok(limit.to_string()),
        Some(Some(limit)) => Finding::warn(limit.to_string()).fix(match Init::detect(&facts.host) {
            Init::Systemd => "set `LimitNOFILE=infinity` with `sudo systemctl edit docker`, and restart Docker",
            _ => "raise the limit with `ulimit -n 1048576` in the shell that starts dockerd",
        }),
        _ => Finding::unknown(facts.elsewhere()),
    }
    .needed(NODE_FILES.to_string())
}

fn count(nodes: u64) -> String {
    if nodes == 1 { "1 node".into() } else { format!("{nodes} nodes") }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::{healthy_probe, on};
    use super::*;

    #[test]
    fn the_need_grows_with_the_nodes() {
        let with = |workers: u32| {
            let mut facts = on(healthy_probe().file("/proc/sys/fs/inotify/max_user_instances", "128"));
            facts.demand.workers = workers;
            inotify(&facts)
        };
        assert_eq!(with(2).status, Status::Ok);
        let many = with(3);
        assert_eq!(many.status, Status::Warn);
        assert_eq!(many.needed, "140 instances left and 131072 watches for 4 nodes");
        assert_eq!(many.safe_fix, Some(Fix::RaiseInotify { instances: 8192, watches: 1_048_576 }));
        let generous = Inotify { max_instances: 100, max_watches: 2_000_000 };
        assert_eq!(raise(generous), Fix::RaiseInotify { instances: 8192, watches: 2_000_000 });
    }

    #[test]
    fn what_others_hold_counts() {
        let mut probe = healthy_probe().file("/proc/sys/fs/inotify/max_user_instances", "128");
        for descriptor in 10..90 {
            probe = probe.symlink(&format!("/proc/1/fd/{descriptor}"), "anon_inode:inotify");
        }
        let finding = inotify(&on(probe));
        assert_eq!(finding.status, Status::Warn);
        assert_eq!(finding.found, "81 of 128 instances in use, 1048576 watches");
    }

    #[test]
    fn a_daemon_with_all_rights_exceeds_its_own_limit() {
        let weak = |limit: &str| {
            let limits = format!("Max open files   1024   {limit}   files\n");
            let probe = healthy_probe().file("/proc/77/status", "CapBnd:\t000001fffeffffff\n");
            nofile(&on(probe.file("/proc/77/limits", limits))).status
        };
        assert_eq!(weak("20000"), Status::Warn);
        assert_eq!(weak("64000"), Status::Ok);
        assert_eq!(
            nofile(&on(healthy_probe().file("/proc/77/limits", "Max open files 1 1 files\n"))).status,
            Status::Ok
        );
    }
}
