//! Docker itself: does it answer, may we use it, is it new enough, does it run Linux containers.

use super::facts::{Facts, NO_ENGINE, SOCKETS};
use super::system::{Init, PackageManager, has_program};
use super::{Check, Finding, Fix};
use crate::engine::EngineInfo;
use crate::error::Error;

/// The first API that gives containers their own cgroup namespace.
const MIN_API: (u32, u32) = (1, 41);

pub(super) const CHECKS: [Check; 5] = [
    Check { id: "docker", title: "Docker", why: "nodes are Docker containers", fast: true, probe: reachable },
    Check {
        id: "docker-api",
        title: "Docker API",
        why: "nodes need their own cgroup namespace, which API 1.41 (Docker 20.10) brought",
        fast: true,
        probe: api,
    },
    Check {
        id: "linux-containers",
        title: "containers",
        why: "Kubernetes nodes are Linux machines",
        fast: true,
        probe: linux,
    },
    Check {
        id: "docker-rights",
        title: "rights of Docker",
        why: "nodes mount file systems and cgroups, which needs the host's user namespace",
        fast: true,
        probe: user_namespace,
    },
    Check {
        id: "storage-driver",
        title: "storage driver",
        why: "nodes start fast and share their image's layers on overlay file systems",
        fast: false,
        probe: storage,
    },
];

fn reachable(facts: &Facts) -> Finding {
    match &facts.engine {
        Ok(info) => {
            Finding::ok(format!("{} on {} ({}), {}", info.version, info.operating_system, info.arch, info.address))
        }
        Err(e) => unreachable_because(e, facts).needed("a Docker Engine that answers"),
    }
}

fn unreachable_because(e: &Error, facts: &Facts) -> Finding {
    let why = e.causes.first().unwrap_or(&e.message);
    let advice = || Finding::fail(format!("{}: {why}", e.message)).fix(e.hints.join("; or "));
    let Some(host) = facts.docker_host() else { return advice() };
    // Somebody is there and does not let us in, or does not answer: the error itself knows best what to do.
    let forbidden = SOCKETS.iter().any(|socket| host.probe().exists(socket) && !host.probe().may_write(socket));
    if forbidden || host.docker_is_running() {
        return advice();
    }
    if has_program(host, "dockerd") {
        return Finding::fail(format!("installed but not running: {why}")).safe(Fix::StartDocker(Init::detect(host)));
    }
    match PackageManager::detect(host) {
        Some(manager) => Finding::fail("not installed").safe(Fix::InstallDocker(manager, Init::detect(host))),
        None => Finding::fail(format!("not installed: {why}")).fix("install and start Docker Engine"),
    }
}

/// Answers from the engine, or says that there is none.
fn ask(facts: &Facts, answer: impl FnOnce(&EngineInfo) -> Finding) -> Finding {
    facts.info().map_or_else(|| Finding::unknown(NO_ENGINE), answer)
}

fn api(facts: &Facts) -> Finding {
    let needed = format!("{}.{} or newer", MIN_API.0, MIN_API.1);
    ask(facts, |info| match parse_api(&info.api_version) {
        Some(version) if version >= MIN_API => Finding::ok(&info.api_version),
        Some(_) => Finding::fail(&info.api_version).fix("update Docker Engine to 20.10 or newer"),
        None => Finding::unknown(format!("`{}` is not a version", info.api_version)),
    })
    .needed(needed)
}

fn parse_api(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn linux(facts: &Facts) -> Finding {
    ask(facts, |info| {
        if info.os == "linux" {
            Finding::ok("Linux")
        } else {
            Finding::fail(&info.os).fix("switch Docker Desktop to Linux containers")
        }
    })
    .needed("Linux")
}

fn user_namespace(facts: &Facts) -> Finding {
    ask(facts, |info| {
        let has = |option: &str| info.security_options.iter().any(|o| o == option || o == &format!("name={option}"));
        if has("userns") {
            Finding::fail("user namespaces are remapped (`userns-remap`)")
                .fix("remove `userns-remap` from /etc/docker/daemon.json and restart Docker")
        } else if !has("rootless") {
            Finding::ok("runs as root")
        } else if info.cgroup_version == 1 {
            Finding::fail("rootless on cgroup version 1")
                .fix("boot with cgroup version 2 (kernel option `systemd.unified_cgroup_hierarchy=1`), or use a Docker that runs as root")
        } else {
            Finding::warn("rootless, which knarr is not tested with")
                .fix("use a Docker that runs as root: `docker context use default`")
        }
    })
    .needed("a daemon that runs as root")
}

fn storage(facts: &Facts) -> Finding {
    ask(facts, |info| match info.storage_driver.as_str() {
        driver @ ("overlay2" | "overlayfs" | "stargz") => Finding::ok(driver),
        "vfs" => Finding::warn("vfs, which copies the whole image for every node")
            .fix("set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json and restart Docker"),
        driver => Finding::warn(format!("{driver}, which knarr is not tested with"))
            .fix("set `\"storage-driver\": \"overlay2\"` in /etc/docker/daemon.json and restart Docker"),
    })
    .needed("overlay2 or overlayfs")
}

#[cfg(test)]
mod tests {
    use super::super::facts::{healthy_probe, on, unreachable};
    use super::super::{Status, facts};
    use super::*;
    use crate::host::probe::FakeProbe;

    const DAEMON: [&str; 3] = ["/proc/77/comm", "/proc/77/status", "/proc/77/limits"];

    fn without_engine(probe: FakeProbe) -> Finding {
        let mut facts = on(probe);
        facts.engine = Err(unreachable("unix:///var/run/docker.sock", "connection refused"));
        reachable(&facts)
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_way_to_be_unreachable_has_its_own_remedy() {
        let bare = || DAEMON.into_iter().fold(healthy_probe(), FakeProbe::without);
        let debian = || bare().file("/usr/bin/apt-get", "").file("/run/systemd/system/x", "");
        let absent = without_engine(debian());
        assert_eq!(absent.safe_fix, Some(Fix::InstallDocker(PackageManager::Apt, Init::Systemd)));
        let stopped = without_engine(debian().file("/usr/sbin/dockerd", "").file("/run/docker.sock", ""));
        assert_eq!(stopped.safe_fix, Some(Fix::StartDocker(Init::Systemd)));
        let denied = without_engine(debian().file("/run/docker.sock", "read-only"));
        assert_eq!((denied.status, denied.safe_fix), (Status::Fail, None));
        let hanging = without_engine(healthy_probe().file("/usr/bin/apt-get", ""));
        assert_eq!(hanging.safe_fix, None);
        let unknown_system = without_engine(bare());
        assert_eq!((unknown_system.status, unknown_system.safe_fix), (Status::Fail, None));
    }

    #[test]
    fn a_remote_daemon_is_never_started_from_here() {
        let mut facts = on(healthy_probe().file("/usr/bin/apt-get", ""));
        facts.engine = Err(unreachable("tcp://10.0.0.5:2376", "connection refused"));
        let finding = reachable(&facts);
        assert_eq!(finding.found, "cannot reach Docker at `tcp://10.0.0.5:2376`: connection refused");
        assert_eq!(finding.safe_fix, None);
    }

    #[test]
    fn what_the_engine_says_about_itself_is_judged() {
        let with = |change: fn(&mut EngineInfo), check: fn(&Facts) -> Finding| {
            let mut facts = facts::healthy();
            change(facts.engine.as_mut().expect("healthy"));
            check(&facts).status
        };
        assert_eq!(with(|i| i.api_version = "1.9".into(), api), Status::Fail);
        assert_eq!(with(|i| i.api_version = "1.41".into(), api), Status::Ok);
        assert_eq!(with(|i| i.api_version = "new".into(), api), Status::Unknown);
        assert_eq!(with(|i| i.os = "windows".into(), linux), Status::Fail);
        assert_eq!(with(|i| i.security_options = vec!["name=userns".into()], user_namespace), Status::Fail);
        assert_eq!(with(|i| i.security_options = vec!["rootless".into()], user_namespace), Status::Warn);
        assert_eq!(with(|i| i.storage_driver = "btrfs".into(), storage), Status::Warn);
    }
}
