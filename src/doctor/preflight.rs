//! The fast checks before a create: what stops it, and what it should say first. Reads only small local files.

use std::time::SystemTime;

use super::facts::{Demand, Facts};
use super::{Entry, Status, ask, checks};
use crate::error::{Error, ErrorKind, Result};
use crate::host::{Env, Host};

/// What the fast checks say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preflight {
    /// The create goes on, but this should be told.
    pub warnings: Vec<String>,
    /// The create cannot go on.
    pub errors: Vec<Error>,
}

impl Preflight {
    /// The warnings, if nothing stands in the way.
    ///
    /// # Errors
    /// One error with all that stands in the way.
    pub fn into_result(mut self) -> Result<Vec<String>> {
        if self.errors.len() <= 1 {
            return self.errors.pop().map_or(Ok(self.warnings), Err);
        }
        let headline = format!("this machine is not fit for a cluster in {} ways", self.errors.len());
        let mut all = Error::new(ErrorKind::Environment, headline).state("nothing was created");
        for error in self.errors {
            all = error.hints.into_iter().fold(all.cause(error.message), Error::hint);
        }
        Err(all)
    }
}

/// Asks the fast checks. What cannot be seen is no reason to stop or to talk.
pub fn preflight(facts: &Facts) -> Preflight {
    // Without an engine the rest is moot, and its own error says most.
    if let Err(e) = &facts.engine {
        return Preflight {
            warnings: Vec::new(),
            errors: vec![advised(e.clone(), facts).state("nothing was created")],
        };
    }
    let mut result = Preflight::default();
    for entry in ask(checks().into_iter().filter(|check| check.fast), facts) {
        match entry.status {
            Status::Ok | Status::Unknown => {}
            Status::Warn => result.warnings.push(warning(&entry)),
            Status::Fail => result.errors.push(error(&entry)),
        }
    }
    result
}

/// The error of a Docker that cannot be reached, with the remedy for this machine in place of the general one.
pub fn advise(error: Error, host: Host) -> Error {
    let facts = Facts {
        engine: Err(error.clone()),
        networks: Vec::new(),
        host,
        env: Env::new(),
        now: SystemTime::now(),
        demand: Demand::default(),
    };
    advised(error, &facts)
}

fn advised(mut error: Error, facts: &Facts) -> Error {
    let answer = ask(checks().into_iter().filter(|check| check.id == "docker"), facts);
    for entry in answer.into_iter().filter(|entry| entry.safe_fix.is_some()) {
        error.hints = vec!["let `knarr doctor --fix` (or `knarr up --fix`) install and start what is missing".into()];
        error = entry.fix.into_iter().fold(error, |error, fix| error.hint(hint(&fix)));
    }
    error
}

fn warning(entry: &Entry) -> String {
    let mut text = format!("{}: {}", entry.title, entry.found);
    if !entry.needed.is_empty() {
        text = format!("{text}; wanted: {}", entry.needed);
    }
    match (&entry.safe_fix, &entry.fix) {
        (Some(_), _) => format!("{text}; `knarr doctor --fix` puts it right"),
        (None, Some(fix)) => format!("{text}; {}", hint(fix)),
        (None, None) => text,
    }
}

fn error(entry: &Entry) -> Error {
    let mut message = format!("{}: {}", entry.title, entry.found);
    if !entry.needed.is_empty() {
        message = format!("{message}; needed: {}", entry.needed);
    }
    let error = Error::new(ErrorKind::Environment, message).cause(entry.why).state("nothing was created");
    let error = if entry.safe_fix.is_some() { error.hint("run `knarr doctor --fix`") } else { error };
    entry.fix.iter().fold(error, |error, fix| error.hint(hint(fix)))
}

/// A fix as a hint: advice is a sentence already, a bare command becomes one.
fn hint(fix: &str) -> String {
    if fix.starts_with("sudo ") { format!("run `{fix}`") } else { fix.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{healthy, healthy_probe, on, poor, unreachable};
    use super::*;
    use crate::host::probe::FakeProbe;

    #[test]
    fn a_fit_machine_says_nothing() {
        assert_eq!(preflight(&healthy()), Preflight::default());
        assert_eq!(Preflight::default().into_result().expect("nothing is wrong"), Vec::<String>::new());
    }

    #[test]
    fn one_obstacle_is_the_error() {
        let error = preflight(&on(healthy_probe().disk(20 << 30, 2 << 30))).into_result().expect_err("no disk");
        assert_eq!(error.kind, ErrorKind::Environment);
        insta::assert_snapshot!(error, @r"
        error: disk: 2 GiB free of 20 GiB at /var/lib/docker; needed: 3 GiB free, better 10 GiB
          caused by: images and the nodes' data lie in Docker's folder
          nothing was created
        hint: see what fills it with `docker system df`, and free it with `docker image prune`
        ");
    }

    #[test]
    fn several_obstacles_come_together() {
        let result = preflight(&poor());
        insta::assert_snapshot!(result.warnings.join("\n"), @r"
        inotify: 1 of 64 instances in use, 1048576 watches; wanted: 110 instances left and 98304 watches for 3 nodes; `knarr doctor --fix` puts it right
        proxy: http://***@localhost:3128 listens only on this machine's loopback; wanted: a proxy that containers can reach; let the proxy listen on an address of this machine, and name that in HTTP_PROXY and HTTPS_PROXY
        ");
        insta::assert_snapshot!(result.into_result().expect_err("much is wrong"), @r"
        error: this machine is not fit for a cluster in 6 ways
          caused by: Docker API: 1.40; needed: 1.41 or newer
          caused by: cgroups: version 1 without pids; needed: the controllers cpu, cpuacct, cpuset, devices, memory, pids
          caused by: kernel features: without nf_tables; needed: overlay, veth, nf_tables, nf_conntrack
          caused by: disk: 2 GiB free of 20 GiB at /var/lib/docker; needed: 3 GiB free, better 10 GiB
          caused by: memory: 0.5 GiB available of 1 GiB; needed: 3 GiB for 1 control plane and 2 workers
          caused by: clock: Docker's machine is 401s behind; needed: less than 60s between this machine and Docker's
          nothing was created
        hint: update Docker Engine to 20.10 or newer
        hint: add `cgroup_enable=memory cgroup_enable=cpuset` to the kernel command line and reboot
        hint: install the kernel's extra modules (Ubuntu: linux-modules-extra-$(uname -r)), or a kernel with CONFIG_NF_TABLES
        hint: see what fills it with `docker system df`, and free it with `docker image prune`
        hint: give the machine (or Docker Desktop's virtual machine) more memory
        hint: set both by network time (`sudo systemctl restart systemd-timesyncd`), or restart Docker Desktop
        ");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn without_docker_only_that_counts() {
        let bare = ["/proc/77/comm", "/proc/77/status", "/proc/77/limits"]
            .into_iter()
            .fold(healthy_probe(), FakeProbe::without);
        let mut facts = on(bare.file("/usr/bin/apt-get", "").file("/run/systemd/system/x", ""));
        facts.engine = Err(unreachable("unix:///var/run/docker.sock", "the socket does not exist"));
        insta::assert_snapshot!(preflight(&facts).into_result().expect_err("no Docker"), @r"
        error: cannot reach Docker at `unix:///var/run/docker.sock`
          caused by: the socket does not exist
          nothing was created
        hint: let `knarr doctor --fix` (or `knarr up --fix`) install and start what is missing
        hint: run `sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io iptables && sudo systemctl enable --now docker`
        ");
    }

    #[test]
    fn it_takes_no_time() {
        let began = std::time::Instant::now();
        let facts = Facts { host: crate::host::Host::real(), ..healthy() };
        preflight(&facts);
        assert!(began.elapsed().as_millis() < 500, "a generous bound for a busy machine");
    }
}
