//! Control groups, and the one capability that some daemons may not give away.

use super::facts::{Facts, NO_ENGINE};
use super::{Check, Finding};
use crate::engine::EngineInfo;
use crate::host::Host;

pub(super) const CHECKS: [Check; 2] = [
    Check {
        id: "cgroup",
        title: "cgroups",
        why: "the kubelet limits pods with them; Kubernetes leaves version 1 behind",
        fast: true,
        probe: cgroup,
    },
    Check {
        id: "cap-sys-resource",
        title: "CAP_SYS_RESOURCE",
        why: "without it pods cannot be protected from the kernel's memory killer; knarr adapts the nodes",
        fast: false,
        probe: sys_resource,
    },
];

/// Controllers without which the kubelet does not start.
const NEEDED_V1: [&str; 6] = ["cpu", "cpuacct", "cpuset", "devices", "memory", "pids"];
const NEEDED_V2: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

fn cgroup(facts: &Facts) -> Finding {
    let Some(info) = facts.info() else {
        return Finding::unknown(NO_ENGINE);
    };
    let needed: &[&str] = if info.cgroup_version == 1 { &NEEDED_V1 } else { &NEEDED_V2 };
    let rootless = rootless_uid(info);
    let controllers = facts.docker_host().and_then(|host| host.cgroup_controllers(info.cgroup_version, rootless));
    // Unknown controllers are taken for present: every daemon that runs has what its system has.
    let missing: Vec<&str> = controllers
        .map_or_else(Vec::new, |have| needed.iter().copied().filter(|name| !have.iter().any(|h| h == name)).collect());
    let version = info.cgroup_version;
    if !missing.is_empty() {
        let finding = Finding::fail(format!("version {version} without {}", missing.join(", ")))
            .needed(format!("the controllers {}", needed.join(", ")));
        return match rootless {
            Some(_) => finding.fix(
                "sudo mkdir -p /etc/systemd/system/user@.service.d && printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && sudo systemctl daemon-reload   # then log in again",
            ),
            None => finding.fix("add `cgroup_enable=memory cgroup_enable=cpuset` to the kernel command line and reboot"),
        };
    }
    if version == 1 {
        return Finding::warn("version 1; knarr sets the kubelet's `failCgroupV1: false`")
            .needed("version 2")
            .fix("add `systemd.unified_cgroup_hierarchy=1` to the kernel command line and reboot");
    }
    Finding::ok(format!("version {version}"))
}

/// The user of a rootless daemon, told by where its socket is.
fn rootless_uid(info: &EngineInfo) -> Option<u32> {
    info.address.split_once("/run/user/")?.1.split('/').next()?.parse().ok()
}

fn sys_resource(facts: &Facts) -> Finding {
    match facts.docker_host().map(Host::docker_has_sys_resource) {
        Some(Some(true)) => Finding::ok("the daemon has it"),
        Some(Some(false)) => Finding::warn("the daemon does not have it; nodes run with `restrict_oom_score_adj`")
            .needed("a daemon that has it"),
        _ => Finding::unknown(facts.elsewhere()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::facts::{healthy, healthy_probe, on};
    use super::*;

    #[test]
    fn version_one_works_with_a_warning_unless_a_controller_is_missing() {
        let table = |names: &[&str]| {
            names.iter().fold("#n\th\tc\te\n".to_owned(), |table, name| format!("{table}{name}\t1\t1\t1\n"))
        };
        let status = |names: &[&str]| {
            let mut facts = on(healthy_probe().file("/proc/cgroups", table(names)));
            facts.engine.as_mut().expect("healthy").cgroup_version = 1;
            cgroup(&facts)
        };
        assert_eq!(status(&NEEDED_V1).status, Status::Warn);
        let missing = status(&NEEDED_V1[..5]);
        assert_eq!((missing.status, missing.found.as_str()), (Status::Fail, "version 1 without pids"));
    }

    #[test]
    fn a_rootless_daemon_needs_delegated_controllers() {
        let path = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers";
        let mut facts = on(healthy_probe().file(path, "memory pids"));
        facts.engine.as_mut().expect("healthy").address = "unix:///run/user/1000/docker.sock".into();
        let finding = cgroup(&facts);
        assert_eq!((finding.status, finding.found.as_str()), (Status::Fail, "version 2 without cpu, cpuset"));
        assert!(finding.fix.is_some_and(|fix| fix.contains("Delegate=")));
    }

    #[test]
    fn a_far_away_machine_is_unknown() {
        let mut facts = healthy();
        facts.engine.as_mut().expect("healthy").address = "tcp://10.0.0.5:2376".into();
        assert_eq!(sys_resource(&facts).status, Status::Unknown);
        assert_eq!(cgroup(&facts).status, Status::Ok);
    }
}
