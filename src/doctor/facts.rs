//! What is known before any check is asked: the engine's answers, the host, the environment, the time.

use std::time::{Duration, SystemTime};

use crate::engine::{Engine, EngineError, EngineErrorKind, EngineInfo, NetworkInfo};
use crate::error::{Error, Result};
use crate::host::{Env, Host, Proxies, Taken};
use crate::spec::ClusterSpec;

/// How long Docker may take to say who it is; a daemon that hangs must not hang the doctor.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the Docker of a machine listens.
pub(super) const SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

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
    /// What a cluster of this spec asks for.
    pub fn of(spec: &ClusterSpec) -> Self {
        let count = |nodes: usize| u32::try_from(nodes).unwrap_or(u32::MAX);
        let net = &spec.networking;
        Self {
            control_planes: count(spec.control_planes().count()),
            workers: count(spec.workers().count()),
            inside: vec![
                (net.pod_subnet.into(), "the pod subnet".into()),
                (net.service_subnet.into(), "the service subnet".into()),
            ],
        }
    }

    /// All nodes.
    pub fn nodes(&self) -> u64 {
        u64::from(self.control_planes) + u64::from(self.workers)
    }
}

/// Everything that checks may look at.
pub struct Facts {
    /// Who answers at the Docker address, or why nobody does.
    pub engine: Result<EngineInfo>,
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
    pub async fn gather<E: Engine>(engine: Result<&E>, host: Host, env: Env, demand: Demand) -> Self {
        let (engine, networks) = match engine {
            Ok(engine) => {
                let both = async { tokio::join!(engine.info(), engine.list_networks()) };
                let answers = tokio::time::timeout(PATIENCE, both).await;
                let (info, networks) = answers.unwrap_or_else(|_| (Err(silence()), Ok(Vec::new())));
                (info.map_err(Error::from), networks)
            }
            Err(e) => (Err(e), Ok(Vec::new())),
        };
        // An engine that tells who it is but not its networks is looked at as if it had none; creating one will say why.
        Self { engine, networks: networks.unwrap_or_default(), host, env, now: SystemTime::now(), demand }
    }

    /// What is known when the engine told about itself just now.
    pub fn of(info: &EngineInfo, host: Host, env: Env, demand: Demand) -> Self {
        Self { engine: Ok(info.clone()), networks: Vec::new(), host, env, now: SystemTime::now(), demand }
    }

    /// The engine, if it answers.
    pub fn info(&self) -> Option<&EngineInfo> {
        self.engine.as_ref().ok()
    }

    /// The machine that runs the containers, if it is this one (or would be, were Docker running).
    pub fn docker_host(&self) -> Option<&Host> {
        let here = match &self.engine {
            Ok(info) => self.host.runs_docker(info),
            Err(e) => is_about_this_machine(e),
        };
        here.then_some(&self.host)
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

fn silence() -> EngineError {
    let detail = format!("no answer within {}s", PATIENCE.as_secs());
    EngineError::new("reach", "Docker", EngineErrorKind::TimedOut, detail)
}

/// Whether the Docker that could not be reached is the one that belongs to this machine. Its address stands in the
/// error's headline; any other socket belongs to a product that is not ours to install or start.
fn is_about_this_machine(error: &Error) -> bool {
    cfg!(target_os = "linux") && SOCKETS.iter().any(|socket| error.message.contains(&format!("`unix://{socket}`")))
}

/// What to say where only the engine knows.
pub(super) const NO_ENGINE: &str = "Docker does not answer";

#[cfg(test)]
pub(super) use samples::{healthy, healthy_probe, on, poor, unreachable};

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

    /// The error of a first contact that failed.
    pub(in super::super) fn unreachable(url: &str, cause: &str) -> Error {
        EngineError::new("reach Docker at", url, EngineErrorKind::Unreachable, cause).into()
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
            .file("/proc/sys/fs/inotify/max_user_instances", "64")
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
    fn without_an_engine_its_address_tells_where_it_would_be() {
        let mut facts = healthy();
        facts.engine = Err(unreachable("unix:///var/run/docker.sock", "the socket does not exist"));
        assert_eq!(facts.docker_host().is_some(), cfg!(target_os = "linux"));
        for elsewhere in ["tcp://10.0.0.5:2376", "unix:///home/ana/.colima/docker.sock"] {
            facts.engine = Err(unreachable(elsewhere, "connection refused"));
            assert!(facts.docker_host().is_none(), "{elsewhere}");
        }
        assert_eq!(facts.elsewhere(), "Docker runs on another machine or in a virtual machine");
    }

    #[tokio::test]
    async fn that_nobody_answers_is_a_fact() {
        let nobody: Result<&crate::engine::docker::DockerEngine> = Err(unreachable("tcp://10.0.0.5:2376", "refused"));
        let facts = Facts::gather(nobody, Host::new(healthy_probe()), Env::new(), Demand::default()).await;
        assert!(facts.engine.is_err() && facts.networks.is_empty());
    }
}
