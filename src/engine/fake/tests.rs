//! That the fake answers as Docker does, and goes wrong as it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use super::*;
use crate::engine::archive::{Tree, read_all, read_one};
use crate::engine::{
    AttachedExec, Attachment, CommitSpec, ContainerState, Engine, EngineErrorKind, EngineResult, ExecOutput,
    MountSource, MountSpec, PortBinding, op,
};
use crate::spec::values::Protocol;

fn labels() -> Labels {
    [("k".to_owned(), "v".to_owned())].into()
}

fn network(name: &str, third: u8) -> NetworkSpec {
    NetworkSpec {
        name: name.to_owned(),
        labels: labels(),
        subnet: format!("10.0.{third}.0/24").parse().unwrap(),
        gateway: [10, 0, third, 1].into(),
        ip_range: format!("10.0.{third}.128/25").parse().unwrap(),
    }
}

fn container(name: &str) -> ContainerSpec {
    ContainerSpec { name: name.to_owned(), image: "node:1".to_owned(), labels: labels(), ..ContainerSpec::default() }
}

fn on_network(name: &str, address: Option<u8>) -> ContainerSpec {
    let address = address.map(|last| [10, 0, 1, last].into());
    ContainerSpec { network: Some(Attachment { network: "net".into(), address, aliases: vec![] }), ..container(name) }
}

fn with_port(name: &str, address: [u8; 4]) -> ContainerSpec {
    let port =
        PortBinding { host_address: address.into(), host_port: 6443, container_port: 6443, protocol: Protocol::Tcp };
    ContainerSpec { ports: vec![port], ..container(name) }
}

async fn engine() -> FakeEngine {
    let engine = FakeEngine::new();
    engine.add_image("node:1", &labels());
    engine.create_network(&network("net", 1)).await.unwrap();
    engine
}

async fn run(engine: &FakeEngine, spec: &ContainerSpec) -> EngineResult<()> {
    engine.create_container(spec).await?;
    engine.start_container(&spec.name).await
}

fn kind<T>(result: EngineResult<T>) -> EngineErrorKind {
    result.err().map(|e| e.kind).expect("a refusal")
}

#[tokio::test]
async fn names_are_taken_once() {
    let e = engine().await;
    assert_eq!(kind(e.create_network(&network("net", 2)).await), EngineErrorKind::Conflict);
    assert_eq!(kind(e.create_network(&network("net2", 1)).await), EngineErrorKind::AddressTaken);
    let id = e.create_container(&container("a")).await.unwrap();
    assert_eq!(kind(e.create_container(&container("a")).await), EngineErrorKind::Conflict);
    assert_eq!(e.inspect_container(&id).await.unwrap().unwrap().name, "a");
    let unknown = ContainerSpec { image: "other".into(), ..container("b") };
    assert_eq!(kind(e.create_container(&unknown).await), EngineErrorKind::NotFound);
    assert_eq!(kind(e.start_container("b").await), EngineErrorKind::NotFound);
    // Of many at once, one wins.
    let many = futures::future::join_all((0..8).map(|_| async { e.create_container(&container("c")).await })).await;
    assert_eq!(many.iter().filter(|r| r.is_ok()).count(), 1);
}

#[tokio::test]
async fn ports_and_addresses_are_taken_while_running() {
    let e = engine().await;
    run(&e, &with_port("a", [127, 0, 0, 1])).await.unwrap();
    assert_eq!(kind(run(&e, &with_port("b", [0, 0, 0, 0])).await), EngineErrorKind::PortTaken);
    assert_eq!(e.inspect_container("b").await.unwrap().unwrap().state, ContainerState::Created);
    run(&e, &with_port("c", [127, 0, 0, 2])).await.unwrap();
    e.stop_container("a", 1).await.unwrap();
    e.remove_container("c").await.unwrap();
    e.start_container("b").await.unwrap();
    e.stop_container("b", 1).await.unwrap();
    e.take_port([127, 0, 0, 1].into(), 6443);
    assert_eq!(kind(e.start_container("a").await), EngineErrorKind::PortTaken);

    run(&e, &on_network("d", Some(5))).await.unwrap();
    assert_eq!(kind(run(&e, &on_network("e", Some(5))).await), EngineErrorKind::AddressTaken);
    run(&e, &on_network("f", None)).await.unwrap();
    let address = |info: Option<crate::engine::ContainerInfo>| info.unwrap().addresses.get("net").copied();
    assert_eq!(address(e.inspect_container("d").await.unwrap()), Some([10, 0, 1, 5].into()));
    assert_eq!(address(e.inspect_container("f").await.unwrap()), Some([10, 0, 1, 129].into()));
    e.stop_container("f", 1).await.unwrap();
    assert_eq!(address(e.inspect_container("f").await.unwrap()), None);
}

#[tokio::test]
async fn removal_is_idempotent_and_respects_users() {
    let e = engine().await;
    let volume = MountSource::Volume { name: "vol".to_owned(), labels: labels() };
    let mount = MountSpec {
        source: volume,
        target: "/var".into(),
        read_only: false,
        propagation: String::new(),
        selinux_relabel: false,
    };
    run(&e, &ContainerSpec { mounts: vec![mount], ..on_network("a", None) }).await.unwrap();
    assert_eq!(e.left(), ["container a", "network net", "volume vol"]);
    assert_eq!(e.list_volumes("k=v").await.unwrap().len(), 1);
    assert_eq!(e.list_volumes("k=w").await.unwrap().len(), 0);
    assert_eq!(e.list_networks().await.unwrap()[0].containers, ["a"]);
    assert_eq!(kind(e.remove_network("net").await), EngineErrorKind::Conflict);
    e.disconnect_container("a", "other").await.unwrap();
    assert_eq!(e.list_networks().await.unwrap()[0].containers, ["a"]);
    for _ in 0..2 {
        e.disconnect_container("a", "net").await.unwrap();
    }
    assert_eq!(e.list_networks().await.unwrap()[0].containers, [""; 0]);
    assert_eq!(e.inspect_container("a").await.unwrap().unwrap().state, ContainerState::Running);
    assert_eq!(kind(e.remove_volume("vol").await), EngineErrorKind::Conflict);
    assert_eq!(kind(e.remove_image("node:1", true).await), EngineErrorKind::Conflict);
    for _ in 0..2 {
        e.remove_container("a").await.unwrap();
        e.remove_network("net").await.unwrap();
        e.remove_volume("vol").await.unwrap();
        e.remove_image("node:1", false).await.unwrap();
    }
    assert!(e.left().is_empty() && e.list_images("k").await.unwrap().is_empty());
}

#[tokio::test]
async fn images_come_and_go() {
    let e = engine().await;
    assert_eq!(kind(e.pull_image("far", None, &|_| ()).await), EngineErrorKind::NotFound);
    e.offer_image("far", &labels());
    e.pull_image("far", None, &|_| ()).await.unwrap();
    e.tag_image("far:latest", "near:2").await.unwrap();
    assert_eq!(e.find_image("near:2").await.unwrap().unwrap().tags, ["far:latest", "near:2"]);
    e.remove_image("far", false).await.unwrap();
    assert_eq!(e.find_image("near:2").await.unwrap().unwrap().tags, ["near:2"]);
    e.create_container(&container("a")).await.unwrap();
    let commit = CommitSpec {
        container: "a".into(),
        reference: "near:2".into(),
        entrypoint: vec![],
        env: vec![],
        labels: labels(),
        stop_signal: None,
    };
    let id = e.commit(&commit).await.unwrap();
    assert_eq!(e.find_image("near:2").await.unwrap().unwrap().id, id, "the name moved");
    let saved = read_one(e.save_images(&["near:2".into()]).await.unwrap()).await.unwrap();
    assert_eq!(saved.as_slice(), br#"[{"RepoTags":["near:2"]}]"#);
    let tar: crate::engine::ByteStream = Box::pin(futures::stream::iter([Ok(vec![0; 10]), Ok(vec![0; 5])]));
    e.import_image("base:1", None, tar).await.unwrap();
    assert_eq!(e.find_image("base:1").await.unwrap().unwrap().size, 15);
}

#[tokio::test]
async fn files_stay_to_be_looked_at() {
    let e = engine().await;
    e.create_container(&container("a")).await.unwrap();
    let mut tree = Tree::new(0);
    tree.file("pki/ca.key", 0o600, b"secret".to_vec()).unwrap();
    tree.link("current", "/opt").unwrap();
    e.put_archive("a", "/etc/kubernetes", tree.build().unwrap()).await.unwrap();
    assert_eq!(e.file("a", "/etc/kubernetes/pki/ca.key").unwrap(), b"secret");
    assert_eq!(e.files("a").len(), 3);
    let one = e.get_archive("a", "/etc/kubernetes/pki/ca.key").await.unwrap();
    assert_eq!(read_one(one).await.unwrap().as_slice(), b"secret");
    let all = read_all(e.get_archive("a", "/etc/kubernetes/pki").await.unwrap()).await.unwrap();
    assert_eq!(all[0].0, "pki/ca.key");
    assert_eq!(kind(e.get_archive("a", "/etc/none").await), EngineErrorKind::NotFound);
    assert_eq!(kind(e.put_archive("a", "/", vec![1; 512]).await), EngineErrorKind::Other);
}

#[tokio::test]
async fn programs_are_the_tests() {
    let e = engine().await;
    e.on_exec(|container, exec| ExecOutcome {
        status: 3,
        stdout: format!("{container} {}", exec.argv.join(" ")).into_bytes(),
        stderr: exec.stdin.clone().unwrap_or_default(),
    });
    e.create_container(&container("a")).await.unwrap();
    assert_eq!(kind(e.exec("a", &ExecSpec::new(["id"])).await), EngineErrorKind::Other);
    e.start_container("a").await.unwrap();
    let outcome = e.exec("a", &ExecSpec::new(["cat", "x"])).await.unwrap();
    assert_eq!((outcome.status, outcome.stdout.as_slice()), (3, &b"a cat x"[..]));
    let spec = ExecSpec { attach_stdin: true, ..ExecSpec::new(["sh"]) };
    let AttachedExec { id, output, mut input } = e.exec_attached("a", &spec).await.unwrap();
    assert_eq!(kind(e.exec_status(&id).await), EngineErrorKind::TimedOut);
    input.write_all(b"typed").await.unwrap();
    drop(input);
    let printed: Vec<_> = output.map(Result::unwrap).collect().await;
    assert_eq!(printed, [ExecOutput::Stdout(b"a sh".to_vec()), ExecOutput::Stderr(b"typed".to_vec())]);
    assert_eq!(e.exec_status(&id).await.unwrap(), 3);
}

#[tokio::test]
async fn containers_end_and_print() {
    let e = engine().await;
    run(&e, &container("a")).await.unwrap();
    let (status, ()) = tokio::join!(e.wait_container("a"), async {
        tokio::task::yield_now().await;
        assert!(e.end_container("a", 137, true) && !e.end_container("none", 1, false));
    });
    assert_eq!(status.unwrap(), 137);
    let info = e.inspect_container("a").await.unwrap().unwrap();
    assert_eq!((info.state, info.exit_code, info.oom_killed), (ContainerState::Exited, Some(137), true));
    e.start_container("a").await.unwrap();
    let (status, removed) = tokio::join!(e.wait_container("a"), e.remove_container("a"));
    removed.unwrap();
    assert_eq!(kind(status), EngineErrorKind::NotFound);
    run(&e, &container("b")).await.unwrap();
    for line in ["one", "two", "three"] {
        assert!(e.print("b", line));
    }
    assert_eq!(e.container_logs("b", 2).await.unwrap(), ["two", "three"]);
    assert!(e.set_stats("b", Stats { cpu_nanos: 1, memory: 2, anonymous: None }));
    assert_eq!(e.stats("b").await.unwrap().memory, 2);
}

#[tokio::test]
async fn goes_wrong_as_told_and_writes_it_down() {
    let e = engine().await;
    e.inject(When::Nth(op::CREATE_CONTAINER, 2), How::Refuse(EngineErrorKind::DiskFull));
    e.inject(When::On(op::START_CONTAINER, "a".into()), How::LoseAnswer(EngineErrorKind::Unreachable));
    e.inject(When::Call(5), How::Hang);
    e.inject(When::Every(op::REMOVE_CONTAINER), How::HangAfterwards);
    e.create_container(&container("a")).await.unwrap();
    assert_eq!(kind(e.create_container(&container("b")).await), EngineErrorKind::DiskFull);
    assert_eq!(kind(e.start_container("a").await), EngineErrorKind::Unreachable);
    let soon = Duration::from_millis(20);
    assert!(tokio::time::timeout(soon, e.stop_container("a", 1)).await.is_err());
    assert_eq!(e.inspect_container("a").await.unwrap().unwrap().state, ContainerState::Running);
    assert!(tokio::time::timeout(soon, e.remove_container("a")).await.is_err());
    assert_eq!(e.left(), ["network net"]);
    e.heal();
    e.remove_container("a").await.unwrap();
    assert_eq!(e.calls().len(), 8);
    insta::assert_snapshot!(e.changes(), @r"
    create network `net`
    create container `a`
    create container `b` -> DiskFull
    start container `a` -> done, but Unreachable
    stop container `a` ...
    remove container `a` ...
    remove container `a`
    ");
    assert!(e.transcript().contains("\ninspect container `a`\n"));
}

#[tokio::test]
async fn tests_hear_of_calls_before_they_are_carried_out() {
    let e = engine().await;
    let seen = Arc::new(AtomicBool::new(false));
    let (heard, world) = (Arc::clone(&seen), e.clone());
    e.on_call(move |call| {
        if call.operation == op::CREATE_CONTAINER && call.number == 2 {
            heard.store(world.spec("a").is_none(), Ordering::SeqCst);
        }
    });
    e.create_container(&container("a")).await.unwrap();
    assert!(seen.load(Ordering::SeqCst) && e.spec("a").is_some());
}

#[tokio::test]
async fn calls_interleave() {
    let e = engine().await;
    let two = |name: &'static str| {
        let e = e.clone();
        async move { run(&e, &container(name)).await.unwrap() }
    };
    tokio::join!(two("a"), two("b"));
    let order: Vec<String> = e.calls().iter().skip(1).map(|c| c.object.clone()).collect();
    assert!(order[..2].contains(&"a".to_owned()) && order[..2].contains(&"b".to_owned()), "{order:?}");
    e.set_info(|info| info.cgroup_version = 1);
    assert_eq!(e.info().await.unwrap().cgroup_version, 1);
}
