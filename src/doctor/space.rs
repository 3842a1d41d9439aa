//! Disk and memory.

use super::facts::{Facts, NO_ENGINE};
use super::{Check, Finding};
use crate::host::Host;

const GIB: u64 = 1 << 30;
/// Below this the image and a node's data do not fit.
const DISK_NEEDED: u64 = 3 * GIB;
/// Below this the kubelet soon starts to throw pods out.
const DISK_WANTED: u64 = 10 * GIB;
/// Below this not even one control plane comes up.
const MEMORY_NEEDED: u64 = 3 * GIB / 2;

pub(super) const CHECKS: [Check; 2] = [
    Check {
        id: "disk",
        title: "disk",
        why: "images and the nodes' data lie in Docker's folder",
        fast: true,
        probe: disk,
    },
    Check {
        id: "memory",
        title: "memory",
        why: "a machine without memory kills components, and nothing becomes ready",
        fast: true,
        probe: memory,
    },
];

fn disk(facts: &Facts) -> Finding {
    let needed = format!("{} free, better {}", gib(DISK_NEEDED), gib(DISK_WANTED));
    let Some(info) = facts.info() else {
        return Finding::unknown(NO_ENGINE).needed(needed);
    };
    let Some(space) = facts.docker_host().and_then(|host| host.probe().space(&info.root_dir)) else {
        return Finding::unknown(facts.elsewhere()).needed(needed);
    };
    let found = format!("{} free of {} at {}", gib(space.free), gib(space.total), info.root_dir);
    let prune = "see what fills it with `docker system df`, and free it with `docker image prune`";
    if space.free < DISK_NEEDED {
        Finding::fail(found).fix(prune)
    } else if space.free < DISK_WANTED {
        Finding::warn(found).fix(prune)
    } else {
        Finding::ok(found)
    }
    .needed(needed)
}

fn memory(facts: &Facts) -> Finding {
    let demand = &facts.demand;
    let wanted = GIB + GIB * u64::from(demand.control_planes) + GIB / 2 * u64::from(demand.workers);
    let needed = format!(
        "{} for {} control plane{} and {} worker{}",
        gib(wanted),
        demand.control_planes,
        plural(demand.control_planes),
        demand.workers,
        plural(demand.workers),
    );
    // A daemon elsewhere tells its total; what of it is free stays unknown.
    let here = facts.docker_host().and_then(Host::memory);
    let (total, available) = match (here, facts.info()) {
        (Some(memory), _) => (memory.total, memory.available),
        (None, Some(info)) => (info.memory, info.memory),
        (None, None) => return Finding::unknown(NO_ENGINE).needed(needed),
    };
    let found = match here {
        Some(_) => format!("{} available of {}", gib(available), gib(total)),
        None => gib(total),
    };
    if total < MEMORY_NEEDED {
        Finding::fail(found).fix("give the machine (or Docker Desktop's virtual machine) more memory")
    } else if available < wanted {
        Finding::warn(found).fix("stop something, ask for fewer nodes, or give the machine more memory")
    } else {
        Finding::ok(found)
    }
    .needed(needed)
}

fn plural(n: u32) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// Bytes in GiB with one digit, rounded down: 2.97 GiB must not read as «3.0 of 3 needed».
fn gib(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / u128::from(GIB);
    if tenths % 10 == 0 { format!("{} GiB", tenths / 10) } else { format!("{}.{} GiB", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::{healthy, healthy_probe, on};
    use super::*;

    #[test]
    fn disk_thresholds() {
        let status = |free: u64| disk(&on(healthy_probe().disk(100 * GIB, free))).status;
        assert_eq!(status(DISK_NEEDED - 1), Status::Fail);
        assert_eq!(status(DISK_NEEDED), Status::Warn);
        assert_eq!(status(DISK_WANTED), Status::Ok);
    }

    #[test]
    fn memory_thresholds() {
        let finding = |total_mib: u64, available_mib: u64| {
            let meminfo = format!("MemTotal: {} kB\nMemAvailable: {} kB\n", total_mib << 10, available_mib << 10);
            memory(&on(healthy_probe().file("/proc/meminfo", meminfo)))
        };
        assert_eq!(finding(1535, 1500).status, Status::Fail);
        assert_eq!(finding(4096, 2047).status, Status::Warn);
        assert_eq!(finding(4096, 2048).status, Status::Ok);
        assert_eq!(finding(4096, 2048).needed, "2 GiB for 1 control plane and 0 workers");
    }

    #[test]
    fn a_far_away_machine_tells_its_total() {
        let mut facts = healthy();
        facts.engine.as_mut().expect("healthy").address = "ssh://build@host".into();
        assert_eq!(memory(&facts).found, "16 GiB");
        assert_eq!(disk(&facts).status, Status::Unknown);
    }

    #[test]
    fn sizes_are_never_rounded_up() {
        assert_eq!([gib(3 * GIB - 1), gib(3 * GIB), gib(0)], ["2.9 GiB", "3 GiB", "0 GiB"]);
    }
}
