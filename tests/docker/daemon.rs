//! Docker itself is killed and started again: what ran runs again without a command, what was stopped stays stopped.
//!
//! Only with `KNARR_TEST_DOCKER_RESTART=1`, as root, on a Docker of its own beside the machine's, with a folder, a socket
//! and a network namespace of its own: nobody else's containers and rules are touched.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::Case;
use crate::processes::{Run, run};
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("killed_and_started", killed_and_started)];

/// The clusters, of which the last is stopped.
const SHAPES: [(&str, &[&str]); 4] = [
    ("kd-one", &[]),
    ("kd-three", &["--workers", "2"]),
    ("kd-high", &["--control-planes", "3", "--workers", "2"]),
    ("kd-stopped", &[]),
];

/// A Docker that is only ours; ended with everything in it when it is dropped.
struct Daemon {
    folder: TempDir,
    /// Sleeps in the network namespace, which lives as long as it does.
    namespace: Child,
    /// Lives on when Docker is killed, as it does on every machine where it is a service of its own.
    containerd: Child,
    process: Option<Child>,
}

/// A program that runs on, and writes into a log.
fn spawn(command: &mut Command, log: &std::path::Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
    let command = command.stdin(Stdio::null()).stdout(log.try_clone().expect("a log")).stderr(log);
    command.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"))
}

impl Daemon {
    fn new() -> Self {
        // Not in /tmp if that is small or in memory: the node image has to fit.
        let folder = tempfile::Builder::new().prefix("kd-").tempdir().expect("a folder");
        let namespace = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn().expect("unshare starts");
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("containerd.toml"), "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n")
            .expect("written");
        let mut containerd = Command::new("containerd");
        containerd.args(["--config", &at("containerd.toml"), "--address", &at("containerd")]);
        containerd.args(["--root", &at("images"), "--state", &at("tasks")]);
        let containerd = spawn(&mut containerd, &folder.path().join("log"));
        let mut daemon = Self { folder, namespace, containerd, process: None };
        until("the namespace has a loopback", seconds(10), || {
            let up = run(daemon.inside("ip").args(["link", "set", "lo", "up"]), b"");
            let apart =
                std::fs::read_link(daemon.namespace_file()).ok() != std::fs::read_link("/proc/self/ns/net").ok();
            if up.status == 0 && apart { Ok(()) } else { Err(up.to_string()) }
        });
        daemon.start();
        daemon
    }

    fn namespace_file(&self) -> String {
        format!("/proc/{}/ns/net", self.namespace.id())
    }

    /// A program in the network namespace.
    fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.namespace_file())).arg(program);
        command
    }

    fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("sock").display())
    }

    fn start(&mut self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let mut dockerd = self.inside("dockerd");
        dockerd.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]).args([
            "--host",
            &self.address(),
            "--containerd",
            &at("containerd"),
            "--bridge=none",
        ]);
        let process = spawn(&mut dockerd, &self.folder.path().join("log"));
        self.process = Some(process);
        until("our own Docker answers", seconds(60), || {
            let run = self.docker(&["version", "--format", "{{.Server.Version}}"]);
            let log = std::fs::read_to_string(at("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            if run.status == 0 { Ok(()) } else { Err(format!("{}{last:#?}", run.stderr)) }
        });
    }

    /// SIGKILL, as when the machine loses its power.
    fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("one's own child may be killed");
        process.wait().expect("it has ended");
    }

    fn docker(&self, arguments: &[&str]) -> Run {
        run(Command::new("docker").args(arguments).env("DOCKER_HOST", self.address()), b"")
    }

    fn knarr(&self, scene: &Scene, arguments: &[&str]) -> Run {
        let knarr = scene.command(arguments);
        let mut command = self.inside(knarr.get_program());
        command.args(knarr.get_args()).current_dir(scene.folder());
        for (name, value) in knarr.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        run(command.env("DOCKER_HOST", self.address()), b"")
    }

    /// Brings the node image over from the machine's Docker.
    fn load_image(&self) {
        let image = knarr::image::versions::default_reference();
        let mut save = Command::new("docker");
        let mut save = save.args(["save", &image]).stdout(Stdio::piped()).spawn().expect("docker save starts");
        let archive = save.stdout.take().expect("piped");
        let mut load = Command::new("docker");
        let load = load.args(["load", "--quiet"]).env("DOCKER_HOST", self.address()).stdin(archive).status();
        assert!(load.expect("docker load starts").success() && save.wait().expect("it ends").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let all = self.docker(&["ps", "--all", "--quiet"]).out();
        let ids: Vec<&str> = all.split_whitespace().collect();
        if !ids.is_empty() {
            self.docker(&[&["rm", "--force", "--volumes"], ids.as_slice()].concat());
        }
        let networks = self.docker(&["network", "ls", "--quiet", "--filter", "type=custom"]).out();
        for id in networks.split_whitespace() {
            self.docker(&["network", "rm", id]);
        }
        if let Some(mut process) = self.process.take() {
            run(Command::new("kill").arg(process.id().to_string()), b"");
            let _ended = process.wait();
        }
        for process in [&mut self.containerd, &mut self.namespace] {
            let _gone = process.kill();
            let _reaped = process.wait();
        }
        // What a killed Docker had mounted keeps the folder from being removed.
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let ours = |point: &&str| std::path::Path::new(point).starts_with(self.folder.path());
        for point in mounts.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(ours) {
            run(Command::new("umount").args(["--lazy", point]), b"");
        }
    }
}

fn killed_and_started(scene: &Scene) {
    if !std::env::var("KNARR_TEST_DOCKER_RESTART").is_ok_and(|v| v == "1") {
        eprintln!("SKIPPED daemon: it starts and kills a Docker of its own; set KNARR_TEST_DOCKER_RESTART=1 to run it");
        return;
    }
    let mut daemon = Daemon::new();
    daemon.load_image();
    for (name, shape) in SHAPES {
        daemon.knarr(scene, &[&["create", "cluster", name], shape].concat()).ok();
        let value = format!("--from-literal=key={name}");
        daemon.knarr(scene, &["kubectl", "--name", name, "create", "configmap", "kept", &value]).ok();
    }
    let [running @ .., (stopped, _)] = &SHAPES;
    daemon.knarr(scene, &["stop", stopped]).ok();
    let nodes = |daemon: &Daemon| daemon.knarr(scene, &["get", "nodes", "-A", "-o", "json"]).ok().json();
    let (before, kubeconfig) = (nodes(&daemon), scene.kubeconfig_text());

    for round in 1..=2 {
        daemon.kill();
        let begun = Instant::now();
        daemon.start();
        for (name, _) in running {
            until(&format!("{name} is well again"), seconds(120), || {
                let run = daemon.knarr(scene, &["status", name]);
                if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
            });
            let get = ["kubectl", "--name", name, "get", "configmap", "kept", "-o", "jsonpath={.data.key}"];
            assert_eq!(daemon.knarr(scene, &get).ok().out(), *name);
        }
        eprintln!("round {round}: all are well {:?} after the start of Docker", begun.elapsed());
        let status = daemon.knarr(scene, &["status", stopped, "-o", "json"]).exits(5).json();
        assert_eq!(status["state"], "Stopped");
        assert_eq!(nodes(&daemon), before, "a node has another address or state");
    }
    // The same ports, too: what the user has leads there.
    for (name, _) in running {
        daemon
            .knarr(scene, &["export", "kubeconfig", "--name", name, "--switch-context=false"])
            .ok()
            .says("was as it should be");
    }
    assert_eq!(scene.kubeconfig_text(), kubeconfig);
    daemon.knarr(scene, &["start", stopped]).ok();
    for (name, _) in SHAPES {
        daemon.knarr(scene, &["delete", "cluster", name]).ok();
    }
}
