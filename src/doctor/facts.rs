//! What is known before any check is asked: the engine's answers, the host, the environment, the time.

use std::time::{Duration, SystemTime};

use crate::engine::{Engine, EngineError, EngineErrorKind, EngineInfo, EngineResult, NetworkInfo};
use crate::host::{Env, Host, Proxies, Taken};

/// How long Docker may take to say who it is; a daemon that hangs must not hang the doctor.
const PATIENCE: Duration = Duration::from_secs(5);

/// The cluster that the machine shall carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Control planes.
    pub control_planes: u32,
    /// Workers.
    pub workers: u32,
    /// Subnets inside the cluster and whose they are: `the pod subnet`.
    pub inside: Vec<Taken>,
}

impl Default for Demand {
    fn default() -> Self {
        Self { control_planes: 1, workers: 0, inside: Vec::new() }
    }
}

impl Demand {
    /// All nodes.
    pub fn nodes(&self) -> u64 {
        u64::from(self.control_planes) + u64::from(self.workers)
    }
}

/// Everything that checks may look at.
pub struct Facts {
    /// Who answers at the Docker address, or why nobody does.
    pub engine: EngineResult<EngineInfo>,
    /// Docker's networks.
    pub networks: Vec<NetworkInfo>,
    /// The machine knarr runs on.
    pub host: Host,
    /// The environment.
    pub env: Env,
    /// The time on this machine, taken when the engine told its own.
    pub now: SystemTime,
    /// What the machine shall carry.
    pub demand: Demand,
}

impl Facts {
    /// Asks the engine; that it cannot be reached is a fact too.
    pub async fn gather<E: Engine>(engine: Result<&E, EngineError>, host: Host, env: Env, demand: Demand) -> Self {
        let (engine, networks) = match engine {
            Ok(engine) => {
                let both = async { tokio::join!(engine.info(), engine.list_networks()) };
                tokio::time::timeout(PATIENCE, both).await.unwrap_or_else(|_| {
                    let silence = format!("no answer within {}s", PATIENCE.as_secs());
                    (Err(EngineError::new("reach", "Docker", EngineErrorKind::TimedOut, silence)), Ok(Vec::new()))
                })
            }
            Err(e) => (Err(e), Ok(Vec::new())),
        };
        // An engine that tells who it is but not its networks is looked at as if it had none; creating one will say why.
        Self { engine, networks: networks.unwrap_or_default(), host, env, now: SystemTime::now(), demand }
    }

    /// The engine, if it answers.
    pub fn info(&self) -> Option<&EngineInfo> {
        self.engine.as_ref().ok()
    }

    /// The machine that runs the containers, if it is this one (or would be, were Docker running).
    pub fn docker_host(&self) -> Option<&Host> {
        let here = match &self.engine {
            Ok(info) => self.host.runs_docker(info),
            Err(_) => cfg!(target_os = "linux") && self.docker_host_variable().is_none_or(|v| v.starts_with("unix:")),
        };
        here.then_some(&self.host)
    }

    /// `DOCKER_HOST`, if it is set.
    pub fn docker_host_variable(&self) -> Option<&str> {
        self.env.get("DOCKER_HOST").map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's proxies.
    pub fn proxies(&self) -> Proxies {
        Proxies::from_env(&self.env)
    }

    /// What to say about a fact that only the Docker host knows.
    pub(super) fn elsewhere(&self) -> &'static str {
        if self.docker_host().is_some() {
            "this system does not tell"
        } else {
            "Docker runs on another machine or in a virtual machine"
        }
    }
}

/// What to say where only the engine knows.
pub(super) const NO_ENGINE: &str = "Docker does not answer";

#[cfg(test)]
pub(super) use samples::{healthy, healthy_probe, on, poor};

#[cfg(test)]
mod samples {
    use super::*;
    use crate::host::probe::{FakeProbe, sample_engine};

    /// A machine on which everything is as it should be.
    pub(in super::super) fn healthy_probe() -> FakeProbe {
        FakeProbe::default()
            .file("/proc/sys/kernel/osrelease", "6.12.1-amd64\n")
            .file("/proc/filesystems", "nodev\toverlay\n")
            .file("/sys/module/veth/refcnt", "0")
            .file("/sys/module/nf_tables/refcnt", "0")
            .file("/sys/module/nf_conntrack/refcnt", "0")
            .file("/proc/sys/net/bridge/bridge-nf-call-iptables", "1")
            .file("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids")
            .file("/proc/sys/fs/inotify/max_user_instances", "8192")
            .file("/proc/sys/fs/inotify/max_user_watches", "1048576")
            .file("/proc/sys/fs/file-max", "9223372036854775807")
            .file("/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n")
            .file("/proc/net/route", "Iface\tDestination\nlo\n")
            .file("/proc/1/status", "Uid:\t0\t0\t0\t0\n")
            .symlink("/proc/1/fd/5", "anon_inode:inotify")
            .file("/proc/77/comm", "dockerd")
            .file("/proc/77/status", "CapBnd:\t000001ffffffffff\n")
            .file("/proc/77/limits", "Max open files   1048576   1048576   files\n")
            .file("/etc/ssl/certs/ca-certificates.crt", "-----BEGIN CERTIFICATE-----\n".repeat(142))
            .disk(250 << 30, 62 << 30)
    }

    /// Facts about a machine with a usual engine.
    pub(in super::super) fn on(probe: FakeProbe) -> Facts {
        Facts {
            engine: Ok(sample_engine()),
            networks: Vec::new(),
            host: Host::new(probe),
            env: Env::new(),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_435_201),
            demand: Demand::default(),
        }
    }

    pub(in super::super) fn healthy() -> Facts {
        on(healthy_probe())
    }

    /// A machine on which nearly everything is wrong.
    pub(in super::super) fn poor() -> Facts {
        let probe = healthy_probe()
            .without("/proc/sys/net/bridge/bridge-nf-call-iptables")
            .without("/sys/module/nf_tables/refcnt")
            .without("/etc/ssl/certs/ca-certificates.crt")
            .file("/lib/modules/6.12.1-amd64/modules.builtin", "")
            .file("/lib/modules/6.12.1-amd64/modules.dep", "kernel/net/bridge/br_netfilter.ko:\n")
            .file(
                "/proc/cgroups",
                "#n\th\tc\te\ncpu\t1\t1\t1\ncpuacct\t1\t1\t1\ncpuset\t1\t1\t1\ndevices\t1\t1\t1\nmemory\t1\t1\t1\n",
            )
            .file("/proc/sys/fs/inotify/max_user_instances", "128")
            .file("/proc/sys/fs/file-max", "20000")
            .file("/proc/meminfo", "MemTotal: 1048576 kB\nMemAvailable: 524288 kB\n")
            .file("/proc/77/status", "CapBnd:\t000001fffeffffff\n")
            .file("/proc/77/limits", "Max open files   1024   4096   files\n")
            .disk(20 << 30, 2 << 30);
        let mut facts = on(probe);
        facts.now += Duration::from_secs(400);
        facts.env.insert("HTTPS_PROXY".into(), "http://ana:secret@localhost:3128".into());
        facts.demand.workers = 2;
        if let Ok(info) = &mut facts.engine {
            info.cgroup_version = 1;
            info.storage_driver = "vfs".into();
            info.api_version = "1.40".into();
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_engine_the_variable_tells_where_docker_would_be() {
        let mut facts = healthy();
        facts.engine = Err(EngineError::new("reach", "Docker", EngineErrorKind::Unreachable, "no such file"));
        assert_eq!(facts.docker_host().is_some(), cfg!(target_os = "linux"));
        facts.env.insert("DOCKER_HOST".into(), "tcp://10.0.0.5:2376".into());
        assert!(facts.docker_host().is_none());
        assert_eq!(facts.elsewhere(), "Docker runs on another machine or in a virtual machine");
    }
}
