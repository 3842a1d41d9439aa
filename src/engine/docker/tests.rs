//! The same engine against a real Docker. Runs only with `KNARR_TEST_DOCKER=1` and a static `busybox` in `PATH`.
//!
//! Each test makes objects with names and a label of its own and sweeps them by that label, before it asserts anything
//! that may fail for good.

use std::collections::BTreeMap;
use std::future::Future;

use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::engine::archive::{Tree, read_file};
use crate::engine::{
    Attachment, ContainerState, EngineErrorKind, ExecOutput, MountSource, MountSpec, PortBinding, PublishedPort,
};
use crate::spec::values::Protocol;

/// The label of everything that these tests make.
const LABEL: &str = "knarr-engine-test";

struct Bench {
    engine: DockerEngine,
    /// Starts every name; differs from run to run.
    id: String,
}

impl Bench {
    fn labels(&self) -> Labels {
        [(LABEL.to_owned(), self.id.clone())].into()
    }

    fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    fn image(&self) -> String {
        format!("{}/busybox:1", self.id)
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.id)
    }

    /// A container that sleeps until it is told to stop.
    fn spec(&self, suffix: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(suffix),
            image: self.image(),
            entrypoint: Some(sh("trap 'exit 7' TERM; echo up; echo bad >&2; while :; do busybox sleep 0.05; done")),
            labels: self.labels(),
            ..ContainerSpec::default()
        }
    }

    async fn run(&self, spec: &ContainerSpec) {
        self.engine.create_container(spec).await.unwrap();
        self.engine.start_container(&spec.name).await.unwrap();
    }

    async fn exec(&self, container: &str, script: &str) -> (i64, String, String) {
        let outcome = self.engine.exec(container, &ExecSpec::new(sh(script))).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (outcome.status, text(outcome.stdout), text(outcome.stderr))
    }

    async fn sweep(&self) {
        for container in self.engine.list_containers(&self.label()).await.unwrap() {
            self.engine.remove_container(&container.name).await.unwrap();
        }
        for volume in self.engine.list_volumes(&self.label()).await.unwrap() {
            self.engine.remove_volume(&volume.name).await.unwrap();
        }
        for network in self.engine.list_networks().await.unwrap() {
            if network.labels == self.labels() {
                self.engine.remove_network(&network.name).await.unwrap();
            }
        }
        for image in [self.image(), self.name("committed"), self.name("tagged")] {
            self.engine.remove_image(&image, true).await.unwrap();
        }
        assert_eq!(self.engine.list_containers(&self.label()).await.unwrap(), []);
        assert_eq!(self.engine.list_volumes(&self.label()).await.unwrap(), []);
        assert_eq!(self.engine.list_images(&self.label()).await.unwrap(), []);
    }
}

fn sh(script: &str) -> Vec<String> {
    ["busybox", "sh", "-c", script].map(str::to_owned).into()
}

fn kind<T: std::fmt::Debug>(result: EngineResult<T>) -> EngineErrorKind {
    result.unwrap_err().kind
}

/// A root file system with nothing but busybox.
fn root() -> ByteStream {
    let path = std::env::var_os("PATH").unwrap();
    let busybox = std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|file| file.exists());
    let mut tree = Tree::new(0);
    tree.file("bin/busybox", 0o755, std::fs::read(busybox.expect("a static `busybox` in PATH")).unwrap()).unwrap();
    tree.folder("tmp", 0o777).unwrap();
    let pieces: Vec<EngineResult<Vec<u8>>> =
        tree.build().unwrap().chunks(50_000).map(|piece| Ok(piece.to_vec())).collect();
    Box::pin(futures::stream::iter(pieces))
}

/// Runs a test with a bench, and sweeps whatever becomes of it.
fn with_docker<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(std::sync::Arc<Bench>) -> F) {
    use std::io::Write as _;
    if std::env::var("KNARR_TEST_DOCKER").as_deref() != Ok("1") {
        // Past the capture of the test runner: a skipped test must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "SKIPPED: this test needs Docker, set KNARR_TEST_DOCKER=1");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let surroundings = Surroundings { docker_host: std::env::var("DOCKER_HOST").ok(), ..Surroundings::default() };
        let engine = DockerEngine::connect(&surroundings).await.unwrap();
        let id = format!("knarr-et-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let bench = std::sync::Arc::new(Bench { engine, id });
        bench.engine.import_image(&bench.image(), None, root()).await.unwrap();
        let outcome = tokio::spawn(test(bench.clone())).await;
        bench.sweep().await;
        outcome.unwrap();
    });
}

#[test]
fn info_and_images() {
    with_docker(|b| async move {
        let info = b.engine.info().await.unwrap();
        assert_eq!(info.os, "linux");
        assert!(["amd64", "arm64"].contains(&info.arch.as_str()), "{info:?}");
        assert!(info.clock.is_some() && info.memory > 0 && [1, 2].contains(&info.cgroup_version), "{info:?}");

        let image = b.engine.find_image(&b.image()).await.unwrap().unwrap();
        assert_eq!((image.tags.clone(), image.arch), (vec![b.image()], info.arch));
        assert!(image.size > 0 && image.created > 0);
        assert!(b.engine.find_image(&image.id).await.unwrap().is_some());
        assert_eq!(b.engine.find_image("knarr-et-none:1").await.unwrap(), None);
        b.engine.tag_image(&b.image(), &b.name("tagged")).await.unwrap();
        assert_eq!(kind(b.engine.tag_image("knarr-et-none:1", "x").await), EngineErrorKind::NotFound);
        assert_eq!(b.engine.find_image(&b.image()).await.unwrap().unwrap().tags.len(), 2);

        let mut saved = b.engine.save_images(&[b.image()]).await.unwrap();
        let mut size = 0;
        while let Some(piece) = saved.next().await {
            size += piece.unwrap().len();
        }
        assert!(size > 500_000, "{size}");
        assert_eq!(
            kind(b.engine.save_images(&["knarr-et-none:1".into()]).await.map(|_| ())),
            EngineErrorKind::NotFound
        );
        b.engine.remove_image("knarr-et-none:1", true).await.unwrap();
    });
}

#[test]
fn a_life_of_a_container() {
    with_docker(|b| async move {
        let e = &b.engine;
        let spec = b.spec("life");
        let name = spec.name.as_str();
        assert_eq!(e.inspect_container(name).await.unwrap(), None);
        let id = e.create_container(&spec).await.unwrap();
        assert_eq!(kind(e.create_container(&spec).await), EngineErrorKind::Conflict);
        let made = e.inspect_container(&id).await.unwrap().unwrap();
        assert_eq!((made.name.as_str(), made.state, made.exit_code), (name, ContainerState::Created, None));
        assert_eq!((made.image, made.labels), (b.image(), b.labels()));
        e.start_container(name).await.unwrap();
        e.start_container(name).await.unwrap();
        while e.container_logs(name, 5).await.unwrap().len() < 2 {}
        let mut lines = e.container_logs(name, 5).await.unwrap();
        lines.sort();
        assert_eq!(lines, ["bad", "up"]);
        assert_eq!(e.container_logs(name, 1).await.unwrap().len(), 1);
        let stats = e.stats(name).await.unwrap();
        assert!(stats.cpu_nanos > 0 && stats.memory > 0 && stats.anonymous.is_some(), "{stats:?}");
        let (status, stop) = tokio::join!(e.wait_container(name), e.stop_container(name, 20));
        stop.unwrap();
        assert_eq!(status.unwrap(), 7);
        e.stop_container(name, 1).await.unwrap();
        let ended = &e.list_containers(&b.label()).await.unwrap()[0];
        assert_eq!((ended.state, ended.name.as_str()), (ContainerState::Exited, name));
        assert_eq!(e.inspect_container(name).await.unwrap().unwrap().exit_code, Some(7));
        assert_eq!(kind(e.exec(name, &ExecSpec::new(["true"])).await), EngineErrorKind::Conflict);
        // A file that was put into a stopped container is there when it runs.
        let mut tree = Tree::new(0);
        tree.file("etc/knarr/ca.key", 0o600, b"secret".to_vec()).unwrap();
        e.put_archive(name, "/", tree.build().unwrap()).await.unwrap();
        e.start_container(name).await.unwrap();
        let (_, out, _) = b
            .exec(name, "busybox stat -c '%a %u %g' /etc/knarr /etc/knarr/ca.key; busybox cat /etc/knarr/ca.key")
            .await;
        assert_eq!(out, "755 0 0\n600 0 0\nsecret");
        let file = e.get_archive(name, "/etc/knarr/ca.key").await.unwrap();
        assert_eq!(read_file(file, 100).await.unwrap().as_slice(), b"secret");
        assert_eq!(kind(e.get_archive(name, "/none").await.map(|_| ())), EngineErrorKind::NotFound);
        assert_eq!(kind(e.put_archive(name, "/none", tree.build().unwrap()).await), EngineErrorKind::NotFound);
        // Two removals at once, and a third of what is gone.
        let (one, two) = tokio::join!(e.remove_container(name), e.remove_container(name));
        one.unwrap();
        two.unwrap();
        e.remove_container(name).await.unwrap();
        assert_eq!(kind(e.start_container(name).await), EngineErrorKind::NotFound);
        let absent = ContainerSpec { image: "knarr-et-none:1".into(), ..b.spec("absent") };
        assert_eq!(kind(e.create_container(&absent).await), EngineErrorKind::NotFound);
    });
}

#[test]
fn programs_in_containers() {
    with_docker(|b| async move {
        let e = &b.engine;
        let name = b.name("exec");
        b.run(&b.spec("exec")).await;
        assert_eq!(b.exec(&name, "echo out; echo err >&2; exit 3").await, (3, "out\n".into(), "err\n".into()));
        let (status, ..) = b.exec(&name, "exec /none").await;
        assert_eq!(status, 127);
        let missing = e.exec(&name, &ExecSpec::new(["/none"])).await;
        assert!(missing.as_ref().map_or(true, |o| o.status != 0), "{missing:?}");
        // More than any buffer holds, in and out at once, bytes of every value.
        let data: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        let cat = ExecSpec { stdin: Some(data.clone()), ..ExecSpec::new(["busybox", "cat"]) };
        assert_eq!(e.exec(&name, &cat).await.unwrap().stdout, data);
        // A program that does not read what it is given.
        let deaf = ExecSpec { stdin: Some(data), ..ExecSpec::new(["busybox", "true"]) };
        assert_eq!(e.exec(&name, &deaf).await.unwrap().status, 0);
        let here =
            ExecSpec { working_dir: "/tmp".into(), env: vec!["A=b".into()], ..ExecSpec::new(sh("pwd; echo $A")) };
        assert_eq!(e.exec(&name, &here).await.unwrap().stdout, b"/tmp\nb\n");

        let attached = ExecSpec { attach_stdin: true, ..ExecSpec::new(sh("busybox cat; echo end >&2; exit 4")) };
        let AttachedExec { id, mut output, mut input } = e.exec_attached(&name, &attached).await.unwrap();
        input.write_all(b"hello").await.unwrap();
        assert_eq!(output.next().await.unwrap().unwrap(), ExecOutput::Stdout(b"hello".to_vec()));
        drop(input);
        assert_eq!(output.next().await.unwrap().unwrap(), ExecOutput::Stderr(b"end\n".to_vec()));
        assert!(output.next().await.is_none());
        assert_eq!(e.exec_status(&id).await.unwrap(), 4);

        let tty = ExecSpec { tty: true, attach_stdin: true, ..ExecSpec::new(sh("read x; busybox stty size; exit 5")) };
        let AttachedExec { id, mut output, mut input } = e.exec_attached(&name, &tty).await.unwrap();
        e.resize_exec(&id, 101, 33).await.unwrap();
        input.write_all(b"go\n").await.unwrap();
        let mut seen = Vec::new();
        while let Some(Ok(ExecOutput::Stdout(piece))) = output.next().await {
            seen.extend(piece);
        }
        assert_eq!(String::from_utf8(seen).unwrap(), "go\r\n33 101\r\n");
        assert_eq!(e.exec_status(&id).await.unwrap(), 5);
    });
}

#[test]
fn networks_addresses_and_ports() {
    with_docker(|b| async move {
        let e = &b.engine;
        let free = |third: u8| NetworkSpec {
            name: b.name("net"),
            labels: b.labels(),
            subnet: format!("10.213.{third}.0/24").parse().unwrap(),
            gateway: [10, 213, third, 1].into(),
            ip_range: format!("10.213.{third}.128/25").parse().unwrap(),
        };
        let net = free(77);
        e.create_network(&net).await.unwrap();
        assert_eq!(kind(e.create_network(&free(78)).await), EngineErrorKind::Conflict, "the same name");
        let overlapping = NetworkSpec { name: b.name("net2"), ..net.clone() };
        assert_eq!(kind(e.create_network(&overlapping).await), EngineErrorKind::AddressTaken);

        let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = holder.local_addr().unwrap().port();
        let spec = |suffix: &str, address: u8| ContainerSpec {
            network: Some(Attachment {
                network: net.name.clone(),
                address: Some([10, 213, 77, address].into()),
                aliases: vec![b.name(&format!("alias{address}"))],
            }),
            ports: vec![PortBinding {
                host_address: [127, 0, 0, 1].into(),
                host_port: port,
                container_port: 6443,
                protocol: Protocol::Tcp,
            }],
            ..b.spec(suffix)
        };
        let (one, two) = (spec("one", 5), spec("two", 6));
        e.create_container(&one).await.unwrap();
        assert_eq!(kind(e.start_container(&one.name).await), EngineErrorKind::PortTaken, "by a process");
        let left = e.inspect_container(&one.name).await.unwrap().unwrap();
        assert_eq!((left.state, left.addresses[&net.name]), (ContainerState::Created, [10, 213, 77, 5].into()));
        drop(holder);
        e.start_container(&one.name).await.unwrap();
        e.create_container(&two).await.unwrap();
        assert_eq!(kind(e.start_container(&two.name).await), EngineErrorKind::PortTaken, "by a container");
        let thief = ContainerSpec { ports: vec![], ..spec("thief", 5) };
        e.create_container(&thief).await.unwrap();
        assert_eq!(kind(e.start_container(&thief.name).await), EngineErrorKind::AddressTaken);

        let published = PublishedPort {
            host_address: [127, 0, 0, 1].into(),
            host_port: port,
            container_port: 6443,
            protocol: Protocol::Tcp,
        };
        let inspected = e.inspect_container(&one.name).await.unwrap().unwrap();
        let listed = e.list_containers(&b.label()).await.unwrap();
        let listed = listed.iter().find(|c| c.name == one.name).unwrap();
        assert_eq!(inspected.addresses, BTreeMap::from([(net.name.clone(), [10, 213, 77, 5].into())]));
        assert_eq!((&listed.addresses, &listed.ports), (&inspected.addresses, &inspected.ports));
        assert_eq!(inspected.ports, [published]);
        let (status, out, _) = b.exec(&one.name, &format!("busybox nslookup {} 127.0.0.11", b.name("alias5"))).await;
        assert!(status == 0 && out.contains("10.213.77.5"), "{out}");

        let networks = e.list_networks().await.unwrap();
        let network = networks.iter().find(|n| n.name == net.name).unwrap();
        assert_eq!(network.subnets, [ipnet::IpNet::from(net.subnet)]);
        assert_eq!((&network.labels, &network.containers), (&b.labels(), &vec![one.name.clone()]));
        assert_eq!(kind(e.remove_network(&net.name).await), EngineErrorKind::Conflict);
        e.remove_container(&one.name).await.unwrap();
        e.remove_network(&net.name).await.unwrap();
        e.remove_network(&net.name).await.unwrap();
    });
}

#[test]
fn rights_mounts_and_limits() {
    with_docker(|b| async move {
        let e = &b.engine;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("f"), "shared").unwrap();
        let mount = |source, target: &str, propagation: &str| MountSpec {
            source,
            target: target.to_owned(),
            read_only: false,
            propagation: propagation.to_owned(),
            selinux_relabel: false,
        };
        let host = |path: String| MountSource::Host(path);
        let volume = MountSource::Volume { name: b.name("vol"), labels: b.labels() };
        let spec = ContainerSpec {
            hostname: "dev-node".into(),
            capabilities: Some(vec!["NET_ADMIN".into(), "SYS_ADMIN".into()]),
            security_opt: vec!["seccomp=unconfined".into(), "apparmor=unconfined".into()],
            unmask_system_paths: true,
            private_cgroup_namespace: true,
            tmpfs: [("/run".to_owned(), "rw,exec,size=1m".to_owned())].into(),
            mounts: vec![
                mount(volume.clone(), "/bin2", ""),
                mount(host(folder.path().display().to_string()), "/host", "rprivate"),
            ],
            device_cgroup_rules: vec!["c 1:11 rmw".into()],
            nofile: Some(4096),
            restart: true,
            env: vec!["A=b".into()],
            ..b.spec("rights")
        };
        b.run(&spec).await;
        let script = "echo $A; busybox hostname; ulimit -n; busybox cat /host/f; echo; \
            busybox grep -c proc/kcore /proc/mounts; busybox grep CapBnd /proc/self/status; \
            busybox grep ' /run ' /proc/mounts; busybox grep -c 'proc proc ro' /proc/mounts; \
            busybox head -1 /proc/self/cgroup; busybox ls /bin2";
        let (_, out, _) = b.exec(&spec.name, script).await;
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[..5], ["b", "dev-node", "4096", "shared", "0"], "{out}");
        assert_eq!(lines[5].split_whitespace().nth(1), Some("0000000000201000"), "{out}");
        assert!(lines[6].contains("size=1024k") && lines[7] == "0" && lines[8].ends_with(":/"), "{out}");
        assert_eq!(lines.len(), 9, "the volume is empty: {out}");
        assert_eq!(e.list_volumes(&b.label()).await.unwrap(), [VolumeInfo { name: b.name("vol"), labels: b.labels() }]);
        assert_eq!(kind(e.remove_volume(&b.name("vol")).await), EngineErrorKind::Conflict);
        e.create_volume(&b.name("vol"), &b.labels()).await.unwrap();
        e.create_volume(&b.name("vol2"), &b.labels()).await.unwrap();
        e.remove_volume(&b.name("vol2")).await.unwrap();
        e.remove_volume(&b.name("vol2")).await.unwrap();

        let inspected = e.client.inspect_container(&spec.name, None).await.unwrap().host_config.unwrap();
        assert_eq!(inspected.restart_policy.unwrap().name.unwrap().to_string(), "unless-stopped");
        if e.json_logs.get() == Some(&true) {
            assert_eq!(inspected.log_config.unwrap().config.unwrap()["max-size"], "10m");
        }
        let missing = folder.path().join("none");
        let spec = ContainerSpec {
            mounts: vec![mount(host(missing.display().to_string()), "/host", "")],
            ..b.spec("missing")
        };
        let refused = match e.create_container(&spec).await {
            Ok(_) => e.start_container(&spec.name).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(refused.detail.contains("does not exist") && !missing.exists(), "{refused}");
    });
}

#[test]
fn commit_makes_an_image() {
    with_docker(|b| async move {
        let e = &b.engine;
        let spec = b.spec("builder");
        b.run(&spec).await;
        b.exec(&spec.name, "echo made >/made").await;
        let commit = CommitSpec {
            container: spec.name.clone(),
            reference: b.name("committed"),
            entrypoint: sh("busybox cat /made; echo $A; exit 3"),
            env: vec!["A=b".into()],
            labels: [("made".to_owned(), "yes".to_owned())].into(),
            stop_signal: Some("SIGRTMIN+3".into()),
        };
        let id = e.commit(&commit).await.unwrap();
        let image = e.find_image(&commit.reference).await.unwrap().unwrap();
        assert_eq!((image.id, image.labels["made"].as_str()), (id, "yes"));
        assert!(e.list_images("made=yes").await.unwrap().iter().any(|i| i.tags == image.tags));
        let run = ContainerSpec { image: commit.reference, entrypoint: None, ..b.spec("committed") };
        b.run(&run).await;
        assert_eq!(e.wait_container(&run.name).await.unwrap(), 3);
        assert_eq!(e.container_logs(&run.name, 10).await.unwrap(), ["made", "b"]);
    });
}
