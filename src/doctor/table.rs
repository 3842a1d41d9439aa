//! The doctor's findings as text for people.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};

use super::{Applied, Entry, Outcome, Report, Status};

impl Status {
    /// The sign before a line; readable without colour.
    fn sign(self, colors: bool) -> String {
        let (sign, style) = match self {
            Self::Ok => ("✓", Style::new().green()),
            Self::Unknown => ("?", Style::new().blue()),
            Self::Warn => ("!", Style::new().yellow()),
            Self::Fail => ("✗", Style::new().red()),
        };
        if colors { sign.style(style).to_string() } else { sign.into() }
    }
}

/// The report as a table, with what is needed, why, and the fix below each line that is not well.
pub fn render(report: &Report, colors: bool) -> String {
    let width = report.checks.iter().map(|entry| entry.title.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for entry in &report.checks {
        let _infallible = writeln!(text, "{} {:width$}  {}", entry.status.sign(colors), entry.title, entry.found);
        for (name, value) in below(entry) {
            let _infallible = writeln!(text, "  {:width$}  {name:<6}  {value}", "");
        }
    }
    text.push('\n');
    text.push_str(&summary(report));
    text.push('\n');
    text
}

fn below(entry: &Entry) -> Vec<(&'static str, &str)> {
    if entry.status < Status::Warn {
        return Vec::new();
    }
    let needed = Some(entry.needed.as_str()).filter(|needed| !needed.is_empty());
    let lines = [("needed", needed), ("why", Some(entry.why)), ("fix", entry.fix.as_deref())];
    lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn summary(report: &Report) -> String {
    let count = |status: Status| report.checks.iter().filter(|entry| entry.status == status).count();
    let verdict = match report.status {
        Status::Ok | Status::Unknown => "this machine is fit for clusters",
        Status::Warn => "clusters work here, with what is said above",
        Status::Fail => "clusters do not work here yet",
    };
    let numbers =
        [(Status::Ok, "well"), (Status::Warn, "to improve"), (Status::Fail, "to fix"), (Status::Unknown, "unknown")];
    let numbers: Vec<String> = numbers
        .into_iter()
        .filter(|(status, _)| count(*status) > 0)
        .map(|(status, word)| format!("{} {word}", count(status)))
        .collect();
    let hint = if report.safe_fixes().is_empty() { "" } else { "; `knarr doctor --fix` can help" };
    format!("{verdict}: {}{hint}", numbers.join(", "))
}

/// What `--fix` did, command by command.
pub fn render_applied(applied: &[Applied], colors: bool) -> String {
    let mut text = String::new();
    for one in applied {
        let _infallible = writeln!(text, "{} {}", sign(&one.outcome).sign(colors), one.title);
        for command in &one.commands {
            let word = match command.outcome {
                Outcome::Done => "ran",
                Outcome::Failed { .. } => "failed",
                Outcome::NotAllowed => "run it",
                Outcome::Skipped => "not run",
            };
            let _infallible = writeln!(text, "    {word:<8} {}", command.command);
            last_lines(&mut text, &command.outcome);
        }
        // A failure that is not a command's: the daemon that does not answer.
        if one.commands.iter().all(|command| !matches!(command.outcome, Outcome::Failed { .. })) {
            last_lines(&mut text, &one.outcome);
        }
    }
    text
}

fn last_lines(text: &mut String, outcome: &Outcome) {
    if let Outcome::Failed { last_lines } = outcome {
        for line in last_lines {
            let _infallible = writeln!(text, "             {line}");
        }
    }
}

fn sign(outcome: &Outcome) -> Status {
    match outcome {
        Outcome::Done => Status::Ok,
        Outcome::Failed { .. } | Outcome::Skipped => Status::Fail,
        Outcome::NotAllowed => Status::Warn,
    }
}

#[cfg(test)]
mod tests {
    use super::super::apply::AppliedCommand;
    use super::super::{examine, facts};
    use super::*;

    #[test]
    fn a_healthy_machine() {
        insta::assert_snapshot!(render(&examine(&facts::healthy()), false), @r"
        ✓ Docker               28.2.2 on Debian GNU/Linux 13 (trixie) (amd64), unix:///var/run/docker.sock
        ✓ Docker API           1.50
        ✓ containers           Linux
        ✓ rights of Docker     runs as root
        ✓ storage driver       overlay2
        ✓ cgroups              version 2
        ✓ CAP_SYS_RESOURCE     the daemon has it
        ✓ kernel features      6.12.1-amd64 with overlay, veth, nf_tables, nf_conntrack
        ✓ br_netfilter         loaded
        ✓ inotify              1 of 8192 instances in use, 1048576 watches
        ✓ open files, machine  unlimited
        ✓ open files, Docker   the daemon may give any number
        ✓ disk                 62 GiB free of 250 GiB at /var/lib/docker
        ✓ memory               12 GiB available of 16 GiB
        ✓ subnets              172.29.0.0/24 is free
        ✓ proxy                none
        ✓ authorities          142 in /etc/ssl/certs/ca-certificates.crt
        ✓ clock                in step

        this machine is fit for clusters: 18 well
        ");
    }

    #[test]
    fn a_poor_machine() {
        insta::assert_snapshot!(render(&examine(&facts::poor()), false), @r#"
        ✓ Docker               28.2.2 on Debian GNU/Linux 13 (trixie) (amd64), unix:///var/run/docker.sock
        ✗ Docker API           1.40
                               needed  1.41 or newer
                               why     nodes need their own cgroup namespace, which API 1.41 (Docker 20.10) brought
                               fix     update Docker Engine to 20.10 or newer
        ✓ containers           Linux
        ✓ rights of Docker     runs as root
        ! storage driver       vfs, which copies the whole image for every node
                               needed  overlay2 or overlayfs
                               why     nodes start fast and share their image's layers on overlay file systems
                               fix     set `"storage-driver": "overlay2"` in /etc/docker/daemon.json and restart Docker
        ✗ cgroups              version 1 without pids
                               needed  the controllers cpu, cpuacct, cpuset, devices, memory, pids
                               why     the kubelet limits pods with them; Kubernetes leaves version 1 behind
                               fix     add `cgroup_enable=memory cgroup_enable=cpuset` to the kernel command line and reboot
        ! CAP_SYS_RESOURCE     the daemon does not have it; nodes run with `restrict_oom_score_adj`
                               needed  a daemon that has it
                               why     without it pods cannot be protected from the kernel's memory killer; knarr adapts the nodes
        ✗ kernel features      without nf_tables
                               needed  overlay, veth, nf_tables, nf_conntrack
                               why     nodes mount overlays, connect pods by veth pairs and route Services with nftables
                               fix     install the kernel's extra modules (Ubuntu: linux-modules-extra-$(uname -r)), or a kernel with CONFIG_NF_TABLES
        ! br_netfilter         not loaded
                               needed  loaded
                               why     kube-proxy sees traffic between containers of one bridge only with it
                               fix     sudo modprobe br_netfilter
        ! inotify              1 of 64 instances in use, 1048576 watches
                               needed  110 instances left and 98304 watches for 3 nodes
                               why     all nodes share root's limit; when it is reached, components stop with «too many open files»
                               fix     sudo sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=1048576
        ! open files, machine  20000
                               needed  196608 for 3 nodes
                               why     all nodes share the machine's limit
                               fix     sudo sysctl -w fs.file-max=786432
        ! open files, Docker   4096
                               needed  64000
                               why     a daemon without CAP_SYS_RESOURCE cannot give nodes more than it has itself
                               fix     raise the limit with `ulimit -n 1048576` in the shell that starts dockerd
        ✗ disk                 2 GiB free of 20 GiB at /var/lib/docker
                               needed  3 GiB free, better 10 GiB
                               why     images and the nodes' data lie in Docker's folder
                               fix     see what fills it with `docker system df`, and free it with `docker image prune`
        ✗ memory               0.5 GiB available of 1 GiB
                               needed  3 GiB for 1 control plane and 2 workers
                               why     a machine without memory kills components, and nothing becomes ready
                               fix     give the machine (or Docker Desktop's virtual machine) more memory
        ✓ subnets              172.29.0.0/24 is free
        ! proxy                http://***@localhost:3128 listens only on this machine's loopback
                               needed  a proxy that containers can reach
                               why     nodes pull images through it; a container's loopback is not the host's
                               fix     let the proxy listen on an address of this machine, and name that in HTTP_PROXY and HTTPS_PROXY
        ! authorities          none
                               needed  a bundle of certificate authorities
                               why     nodes and image builds trust what this machine trusts, a company's own authority too
                               fix     sudo apt-get install -y ca-certificates
        ✗ clock                Docker's machine is 401s behind
                               needed  less than 60s between this machine and Docker's
                               why     certificates made here must already be valid there; virtual machines fall behind when a laptop sleeps
                               fix     set both by network time (`sudo systemctl restart systemd-timesyncd`), or restart Docker Desktop

        clusters do not work here yet: 4 well, 8 to improve, 6 to fix; `knarr doctor --fix` can help
        "#);
    }

    #[test]
    fn colour_is_only_an_addition() {
        let report = examine(&facts::poor());
        let colored = render(&report, true);
        let stripped = anstream::adapter::strip_str(&colored).to_string();
        assert_ne!(colored, stripped);
        assert_eq!(stripped, render(&report, false));
    }

    #[test]
    fn repairs_are_told_command_by_command() {
        let command = |command: &str, outcome| AppliedCommand { command: command.into(), outcome };
        let failed = || Outcome::Failed { last_lines: vec!["E: no space left".into()] };
        let applied = [
            Applied {
                title: "installing Docker Engine".into(),
                outcome: failed(),
                commands: vec![
                    command("apt-get update", Outcome::Done),
                    command("apt-get install -y docker.io", failed()),
                    command("systemctl start docker", Outcome::Skipped),
                ],
            },
            Applied {
                title: "loading the kernel module overlay".into(),
                outcome: Outcome::NotAllowed,
                commands: vec![command("sudo modprobe overlay", Outcome::NotAllowed)],
            },
            Applied {
                title: "starting Docker".into(),
                outcome: Outcome::Failed { last_lines: vec!["Docker did not answer within 30s of its start".into()] },
                commands: vec![command("systemctl start docker", Outcome::Done)],
            },
        ];
        insta::assert_snapshot!(render_applied(&applied, false), @r"
        ✗ installing Docker Engine
            ran      apt-get update
            failed   apt-get install -y docker.io
                     E: no space left
            not run  systemctl start docker
        ! loading the kernel module overlay
            run it   sudo modprobe overlay
        ✗ starting Docker
            ran      systemctl start docker
                     Docker did not answer within 30s of its start
        ");
    }
}
