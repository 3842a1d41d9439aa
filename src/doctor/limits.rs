//! Limits of the kernel and of the daemon that many nodes run into.

use super::facts::Facts;
use super::{Check, Finding, Fix};
use crate::host::{Host, Inotify};

/// What a busy node takes: every watching component and every container's memory watch is one.
const INSTANCES_PER_NODE: u64 = 150;
/// Watches are cheap; this is plenty for a node.
const WATCHES_PER_NODE: u64 = 32_768;
/// What the fix sets: enough for any number of clusters, and an upper limit only.
const INSTANCES_SET: u64 = 8192;
const WATCHES_SET: u64 = 1_048_576;
/// Files open at once on the whole machine, for a node with pods.
const FILES_PER_NODE: u64 = 65_536;
/// The limit of open files inside a node.
const NODE_FILES: u64 = 64_000;

pub(super) const CHECKS: [Check; 4] = [
    Check {
        id: "inotify",
        title: "inotify limits",
        why: "all nodes share root's limit; when it is reached, components stop with «too many open files»",
        fast: true,
        probe: inotify,
    },
    Check {
        id: "inotify-use",
        title: "inotify use",
        why: "what other programs and clusters hold is not there for new nodes",
        fast: false,
        probe: inotify_use,
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
    let nodes = facts.demand.nodes();
    let (instances, watches) = (INSTANCES_PER_NODE * nodes, (WATCHES_PER_NODE * nodes).min(WATCHES_SET));
    let needed = format!("{instances} instances and {watches} watches for {}", count(nodes));
    match facts.docker_host().map(Host::inotify) {
        Some(Some(limits)) => {
            let found = format!("{} instances and {} watches", limits.max_instances, limits.max_watches);
            if limits.max_instances < instances || limits.max_watches < watches {
                Finding::warn(found).safe(raise(limits))
            } else {
                Finding::ok(found)
            }
        }
        _ => Finding::unknown(facts.elsewhere()),
    }
    .needed(needed)
}

fn inotify_use(facts: &Facts) -> Finding {
    let needed = INSTANCES_PER_NODE * facts.demand.nodes();
    let Some(host) = facts.docker_host() else {
        return Finding::unknown(facts.elsewhere());
    };
    match (host.inotify(), host.inotify_instances_in_use()) {
        (Some(limits), Some(used)) => {
            let left = limits.max_instances.saturating_sub(used as u64);
            let found = format!("{used} of {} instances", limits.max_instances);
            if left < needed { Finding::warn(found).safe(raise(limits)) } else { Finding::ok(found) }
        }
        _ => Finding::unknown("only root may count them"),
    }
    .needed(format!("{needed} instances left for {}", count(facts.demand.nodes())))
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
        Some(Some(limit)) => Finding::warn(limit.to_string())
            .fix("set `LimitNOFILE=infinity` with `sudo systemctl edit docker` and restart Docker"),
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
        let with = |nodes: u32| {
            let mut facts = on(healthy_probe().file("/proc/sys/fs/inotify/max_user_instances", "512"));
            facts.demand.workers = nodes - 1;
            inotify(&facts)
        };
        assert_eq!(with(3).status, Status::Ok);
        let many = with(4);
        assert_eq!((many.status, many.needed.as_str()), (Status::Warn, "600 instances and 131072 watches for 4 nodes"));
        assert_eq!(many.safe_fix, Some(Fix::RaiseInotify { instances: 8192, watches: 1_048_576 }));
        let generous = Inotify { max_instances: 100, max_watches: 2_000_000 };
        assert_eq!(raise(generous), Fix::RaiseInotify { instances: 8192, watches: 2_000_000 });
    }

    #[test]
    fn what_others_hold_counts() {
        let mut probe = healthy_probe().file("/proc/sys/fs/inotify/max_user_instances", "160");
        for descriptor in 10..30 {
            probe = probe.symlink(&format!("/proc/1/fd/{descriptor}"), "anon_inode:inotify");
        }
        let finding = inotify_use(&on(probe));
        assert_eq!((finding.status, finding.found.as_str()), (Status::Warn, "21 of 160 instances"));
    }
}
