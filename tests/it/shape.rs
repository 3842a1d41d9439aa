//! `knarr node add`, `knarr node delete` and `knarr repair`: what they do to a living cluster, what they refuse, and that
//! the next command completes what was cut off.

use std::time::Duration;

use knarr::cluster::{self, Recalled, State};
use knarr::engine::fake::{Call, How, When};
use knarr::engine::{Engine, EngineErrorKind, ExecOutcome, op};
use knarr::kubernetes::fake::FakeKubernetes;
use knarr::signal::Interrupt;
use serde_json::json;

use crate::env::{Env, agent, filtered, programs};

/// A cluster `dev` that runs.
async fn created(flags: &str) -> Env {
    beside(Env::new(), flags).await
}

async fn beside(env: Env, flags: &str) -> Env {
    let run = env.knarr(&format!("create dev {flags}")).await;
    assert_eq!(run.status, 0, "{run}");
    env
}

pub async fn recalled(env: &Env) -> Recalled {
    let cluster = cluster::find(&env.engine, "dev").await.expect("it is there");
    cluster::recall(&env.engine, &cluster).await.expect("it remembers itself")
}

async fn names(env: &Env) -> Vec<String> {
    recalled(env).await.layout.nodes.iter().map(|node| node.spec.name.to_string()).collect()
}

/// It runs, every node of it knows the same layout, and nothing is there that the layout has not.
pub async fn is_whole(env: &Env, place: &str) {
    let cluster = cluster::find(&env.engine, "dev").await.expect("it is there");
    assert_eq!(cluster.state(), State::Running, "{place}\n{:?}", env.left());
    let Recalled { layout, missing, strangers, behind } = recalled(env).await;
    assert_eq!((missing, strangers, behind), (Vec::new(), Vec::new(), Vec::new()), "{place}");
    let mut volumes: Vec<String> = layout.nodes.iter().map(|node| format!("volume {}-var", node.spec.name)).collect();
    volumes.sort();
    let mut there = env.left();
    there.retain(|thing| thing.starts_with("volume dev-"));
    assert_eq!(there, volumes, "{place}");
    let mut planes: Vec<String> = layout.control_planes().map(|node| format!("{} voter", node.spec.name)).collect();
    let mut members = env.etcd.members("dev");
    planes.sort();
    members.sort();
    assert!(members.is_empty() || members == planes, "{place}\n{members:?}");
    let restarts = |name: &str| env.engine.spec(name).expect("it is there").restart;
    for container in cluster.containers() {
        assert!(restarts(&container.name), "{place}: `{}` comes back with Docker", container.name);
    }
}

pub fn changes(calls: &[Call]) -> String {
    let shown = calls.iter().filter(|call| call.changes() && call.operation != op::EXEC).map(ToString::to_string);
    shown.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn plans_are_shown() {
    let _filters = filtered();
    insta::assert_snapshot!("plan of three and two", {
        let plan = Env::new().knarr("create dev --control-planes 3 --workers 2 --dry-run").await.stdout;
        // The files and flags of single nodes are looked at elsewhere.
        let short = |line: &&str| !line.starts_with("     ") || line.contains(" port ");
        plan.lines().filter(short).collect::<Vec<_>>().join("\n")
    });
    let one = created("--workers 2").await;
    let three = created("--control-planes 3 --workers 1").await;
    let (left, before) = (one.left(), changes(&one.engine.calls()));
    insta::assert_snapshot!("plan of a worker more", one.knarr("node add -n dev --dry-run").await);
    insta::assert_snapshot!("plan of a worker more as json", one.knarr("node add -n dev --dry-run -o json").await);
    insta::assert_snapshot!(
        "plan of control planes beside a single one",
        one.knarr("node add -n dev --control-plane --count 2 --dry-run").await
    );
    insta::assert_snapshot!("plan of a worker less", one.knarr("node delete dev-worker --dry-run").await);
    insta::assert_snapshot!("plan of a repair of nothing", one.knarr("repair dev --dry-run").await);
    insta::assert_snapshot!(
        "plan of a control plane and a worker less",
        three.knarr("node delete dev-control-plane2 dev-worker --force --dry-run").await
    );
    lose(&three, "dev-control-plane3").await;
    lose(&three, "dev-balancer").await;
    insta::assert_snapshot!("plan of a repair", three.knarr("repair dev --dry-run").await);
    assert_eq!((one.left(), changes(&one.engine.calls())), (left, before), "nothing was changed");
}

/// Where the user's entry finds the API. Its certificate may be another one: that of the first control plane.
fn server(env: &Env) -> String {
    env.kubeconfig().lines().filter(|line| line.contains("server: https://127.0.0.1")).collect()
}

/// Removes a container behind knarr's back.
pub async fn lose(env: &Env, container: &str) {
    assert!(env.engine.spec(container).is_some(), "there is no `{container}`");
    env.engine.remove_container(container).await.expect("removed");
}

#[tokio::test(start_paused = true)]
async fn a_worker_comes_and_goes() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    let (left, kubeconfig, begin) = (env.left(), env.kubeconfig(), env.engine.calls().len());
    insta::assert_snapshot!("a worker comes", env.knarr("node add -n dev").await);
    insta::assert_snapshot!("a worker comes, calls", changes(&env.engine.calls()[begin..]));
    is_whole(&env, "grown").await;
    assert_eq!(names(&env).await, ["dev-control-plane", "dev-worker", "dev-worker2"]);
    insta::assert_snapshot!("nodes of a grown cluster", env.knarr("node list -n dev").await);
    assert_eq!(env.knarr("status dev").await.status, 0);
    let begin = env.engine.calls().len();
    insta::assert_snapshot!("a worker goes", env.knarr("node delete dev-worker2").await);
    insta::assert_snapshot!("a worker goes, calls", changes(&env.engine.calls()[begin..]));
    is_whole(&env, "shrunk").await;
    assert_eq!((env.left(), env.kubeconfig()), (left, kubeconfig), "all is as it was");
    assert_eq!(env.knarr("status dev").await.status, 0);
    assert_eq!(env.knarr("delete dev").await.status, 0);
    assert_eq!(env.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn control_planes_come_and_go() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    let (kubeconfig, begin) = (server(&env), env.engine.calls().len());
    insta::assert_snapshot!("control planes come", env.knarr("node add -n dev --control-plane --count 2").await);
    insta::assert_snapshot!("control planes come, calls", changes(&env.engine.calls()[begin..]));
    is_whole(&env, "grown").await;
    assert_eq!(server(&env), kubeconfig, "the API is where it was");
    assert_eq!(env.etcd.members("dev").len(), 3);
    let config = |env: &Env| {
        let bytes = env.engine.file("dev-balancer", "/etc/knarr/haproxy.cfg").expect("it is there");
        String::from_utf8(bytes).expect("text").matches("\n  server ").count()
    };
    assert_eq!(config(&env), 3);
    insta::assert_snapshot!("a control plane goes", env.knarr("node delete dev-control-plane2 -o json -q").await);
    assert_eq!(config(&env), 2);
    is_whole(&env, "shrunk").await;
    insta::assert_snapshot!("the first control plane goes", env.knarr("node delete dev-control-plane").await);
    assert_eq!(config(&env), 1);
    is_whole(&env, "shrunk to one").await;
    assert_eq!(names(&env).await, ["dev-control-plane3", "dev-worker"]);
    assert_eq!(env.knarr("status dev").await.status, 0);
    assert_eq!(env.knarr("stop dev").await.status, 0);
    assert_eq!(env.knarr("start dev").await.status, 0);
    assert_eq!(env.knarr("node add -n dev --control-plane --count 2").await.status, 0);
    is_whole(&env, "grown again").await;
    assert_eq!(names(&env).await, ["dev-control-plane", "dev-control-plane2", "dev-control-plane3", "dev-worker"]);
}

/// A node that does not run goes without its pods being moved.
#[tokio::test(start_paused = true)]
async fn a_stopped_node_goes() {
    let env = created("--control-planes 3 --workers 2").await;
    for node in ["dev-worker2", "dev-control-plane2"] {
        env.engine.stop_container(node, 0).await.expect("stopped");
        let run = env.knarr(&format!("node delete {node}")).await;
        assert_eq!(run.status, 0, "{run}");
        assert!(!run.stderr.contains("drained"), "{run}");
        is_whole(&env, node).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_cannot_be_moved() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    let (engine, etcd) = (env.engine.clone(), env.etcd.clone());
    env.engine.on_exec(move |node, exec| {
        if exec.argv.iter().any(|word| word == "drain") && !exec.argv.iter().any(|word| word == "--force") {
            let why = "Warning: ignoring DaemonSet-managed Pods: kube-system/x\nerror: cannot delete Pods that declare no \
                       controller (use --force to override): default/lonely\n";
            return ExecOutcome { status: 1, stderr: why.into(), ..ExecOutcome::default() };
        }
        programs(&engine, &etcd, node, exec)
    });
    insta::assert_snapshot!("pods that cannot be moved", env.knarr("node delete dev-worker").await);
    is_whole(&env, "nothing was removed").await;
    assert_eq!(env.knarr("node delete dev-worker --force").await.status, 0);
    is_whole(&env, "shrunk").await;
}

#[tokio::test(start_paused = true)]
async fn what_is_refused() {
    let _filters = filtered();
    let volume = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-1"},
        "spec": {
            "claimRef": {"namespace": "shop", "name": "data"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": ["dev-worker"]},
            ]}]}},
        },
    });
    let mut stateful = Env::new();
    stateful.kubernetes = FakeKubernetes::with_objects(vec![volume]);
    let env = beside(stateful, "--control-planes 3 --workers 1").await;
    assert_eq!(env.knarr("create other").await.status, 0);
    let lone = created("").await;
    let small = created("--workers 50").await;
    let degraded = created("--workers 1").await;
    degraded.engine.stop_container("dev-worker", 0).await.expect("stopped");
    let gone = created("--workers 1").await;
    lose(&gone, "dev-worker").await;
    let without_quorum = created("--control-planes 3").await;
    for plane in ["dev-control-plane2", "dev-control-plane3"] {
        without_quorum.engine.stop_container(plane, 0).await.expect("stopped");
    }
    let two_lost = created("--control-planes 3").await;
    lose(&two_lost, "dev-control-plane2").await;
    lose(&two_lost, "dev-control-plane3").await;
    let broken = created("").await;
    break_etcd(&broken, "dev-control-plane");
    for (name, env, words, status) in [
        ("no cluster", &env, "node add -n nowhere", 7),
        ("an unknown node", &env, "node delete dev-worker7", 7),
        ("an unknown node of a cluster", &env, "node delete -n dev dev-worker7 other-worker", 7),
        ("nodes of two clusters", &env, "node delete dev-worker other-control-plane", 2),
        ("the last control plane", &lone, "node delete dev-control-plane", 1),
        ("all control planes", &env, "node delete dev-control-plane dev-control-plane2 dev-control-plane3", 1),
        ("no majority", &without_quorum, "node delete --force dev-control-plane2", 1),
        ("data would be lost", &env, "node delete dev-worker", 1),
        ("growth of a degraded cluster", &degraded, "node add -n dev", 1),
        ("growth of a cluster with a hole", &gone, "node add -n dev", 1),
        ("a full subnet", &small, "node add -n dev --count 12", 4),
        ("two of three lost", &two_lost, "repair dev", 1),
        ("a single control plane that is broken", &broken, "repair dev", 1),
    ] {
        let (left, before, files) = (env.left(), changes(&env.engine.calls()), env.engine.files("dev-control-plane"));
        let run = env.knarr(words).await;
        insta::assert_snapshot!(format!("refused, {name}"), run);
        assert_eq!(run.status, status, "{run}");
        assert_eq!((env.left(), changes(&env.engine.calls())), (left, before), "{run}");
        assert_eq!(env.engine.files("dev-control-plane"), files, "{run}");
    }
    assert_eq!(env.knarr("node delete dev-worker --force").await.status, 0);
}

/// Lets etcd on a node end again and again.
fn break_etcd(env: &Env, broken: &'static str) {
    let (engine, etcd) = (env.engine.clone(), env.etcd.clone());
    let whole = engine.file(broken, knarr_contract::NODE_FILE);
    env.engine.on_exec(move |node, exec| {
        if node != broken || exec.argv[0] != "knarr-node" || engine.file(node, knarr_contract::NODE_FILE) != whole {
            return programs(&engine, &etcd, node, exec);
        }
        agent(&engine, node, exec, |status| {
            let etcd = status.components.iter_mut().find(|c| c.name == "etcd").expect("a control plane has one");
            (etcd.ready, etcd.restarts, etcd.last_exit) = (false, 3, Some("exit status 2".into()));
        })
    });
}

#[tokio::test(start_paused = true)]
async fn what_is_lost_is_made_anew() {
    let _filters = filtered();
    for lost in ["dev-worker", "dev-balancer", "dev-control-plane", "dev-control-plane2"] {
        let env = created("--control-planes 3 --workers 1").await;
        let (left, kubeconfig) = (env.left(), server(&env));
        lose(&env, lost).await;
        insta::assert_snapshot!(format!("repair, {lost} is lost"), env.knarr("repair dev").await);
        is_whole(&env, lost).await;
        assert_eq!((env.left(), server(&env)), (left, kubeconfig), "{lost}");
        let again = env.knarr("repair dev").await;
        assert!(again.status == 0 && again.stderr.contains("cluster `dev` is as it should be"), "{again}");
    }
    let env = created("--control-planes 3").await;
    break_etcd(&env, "dev-control-plane2");
    insta::assert_snapshot!("repair, etcd of one is broken", env.knarr("repair dev").await);
    is_whole(&env, "mended").await;
    let layout = recalled(&env).await.layout;
    let lives: Vec<u64> = layout.nodes.iter().filter_map(|node| node.etcd.as_ref()).map(|start| start.life).collect();
    assert_eq!(lives, [0, 2, 0], "its broken data stays where it is");
}

/// The only control plane is gone, and everything that it knew stands on its volume.
#[tokio::test(start_paused = true)]
async fn the_only_control_plane_is_made_anew_from_its_volume() {
    let _filters = filtered();
    for (shape, begin) in [("--workers 1", ""), ("", "alone, ")] {
        let env = created(shape).await;
        let (left, api) = (env.left(), server(&env));
        lose(&env, "dev-control-plane").await;
        let lost = env.left();
        assert_eq!(env.knarr("repair dev --dry-run").await.status, 0);
        assert_eq!(env.left(), lost, "a dry run leaves nothing");
        insta::assert_snapshot!(
            format!("repair, {begin}the only control plane is lost"),
            env.knarr("repair dev").await
        );
        is_whole(&env, shape).await;
        assert_eq!((env.left(), server(&env)), (left, api));
    }
    // One that joined others, which have left since, has nobody to join now.
    let env = created("").await;
    for words in ["node add -n dev --control-plane --count 2", "node delete dev-control-plane dev-control-plane3"] {
        let run = env.knarr(words).await;
        assert_eq!(run.status, 0, "{run}");
    }
    lose(&env, "dev-control-plane2").await;
    let run = env.knarr("repair dev").await;
    assert_eq!(run.status, 0, "{run}");
    is_whole(&env, "the last of three").await;
    let good = created("--workers 1").await;
    lose(&good, "dev-control-plane").await;
    for call in calls_of(&good, "repair dev").await {
        let env = created("--workers 1").await;
        lose(&env, "dev-control-plane").await;
        env.engine.inject(When::Call(call.number), How::Refuse(EngineErrorKind::Other));
        let place = format!("{call}: {}", env.knarr("repair dev").await);
        let again = env.knarr("repair dev").await;
        assert_eq!(again.status, 0, "{place}\n{again}");
        is_whole(&env, &place).await;
    }
}

/// The calls of a run to which nothing happens.
pub async fn calls_of(env: &Env, words: &str) -> Vec<Call> {
    let begin = env.engine.calls().len();
    let run = env.knarr(words).await;
    assert_eq!(run.status, 0, "{run}");
    env.engine.calls().split_off(begin)
}

/// What is there, what grows, and how.
const GROWTHS: [(&str, &str); 3] = [
    ("--workers 1", "node add -n dev"),
    ("--workers 1", "node add -n dev --control-plane --count 2"),
    ("--control-planes 3", "node add -n dev --control-plane --count 2"),
];

/// Whatever fails on the way, what was added is taken back, and the next try succeeds.
#[tokio::test(start_paused = true)]
async fn a_growth_that_fails_is_taken_back() {
    for (shape, words) in GROWTHS {
        let good = created(shape).await;
        let before = names(&good).await;
        let calls = calls_of(&good, words).await;
        assert!(calls.len() > 20, "{words}: {}", calls.len());
        let after = names(&good).await;
        for call in &calls {
            for how in [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)] {
                let env = created(shape).await;
                assert_eq!(env.knarr("create other").await.status, 0);
                let number = call.number + env.engine.calls().len() + 1 - calls[0].number;
                env.engine.inject(When::Call(number), how);
                let run = env.knarr(words).await;
                let failed = &env.engine.calls()[number - 1];
                let place = format!("{shape}, {words}: {failed}, {how:?}\n{run}");
                taken_back(&env, run.status, &before, &after, &place).await;
                if run.status != 0 {
                    let why = run.stderr.contains("the test wants ") || run.stderr.contains("is not whole");
                    assert!(run.stderr.contains("error: ") && why, "{place}");
                    assert!(!run.stderr.contains("taking it back failed"), "{place}");
                    assert_eq!(env.knarr(words).await.status, 0, "{place}");
                    is_whole(&env, &place).await;
                }
            }
        }
    }
}

/// The same for an interrupt.
#[tokio::test(start_paused = true)]
async fn a_growth_that_is_interrupted_is_taken_back() {
    for (shape, words) in GROWTHS {
        let good = created(shape).await;
        let before = names(&good).await;
        let calls = calls_of(&good, words).await;
        let after = names(&good).await;
        for call in &calls {
            let env = created(shape).await;
            assert_eq!(env.knarr("create other").await.status, 0);
            let number = call.number + env.engine.calls().len() + 1 - calls[0].number;
            let interrupt = Interrupt::manual();
            let signal = interrupt.clone();
            env.engine.on_call(move |call| {
                if call.number == number {
                    signal.signal();
                }
            });
            let began = tokio::time::Instant::now();
            let run = env.run(words, interrupt).await;
            let place = format!("{shape}, {words}: {call}\n{run}");
            assert!(began.elapsed() < Duration::from_secs(60), "{place}");
            assert!(matches!(run.status, 0 | 130), "{place}");
            taken_back(&env, run.status, &before, &after, &place).await;
            if run.status != 0 {
                assert!(!run.stderr.contains("taking it back failed"), "{place}");
                assert_eq!(env.knarr(words).await.status, 0, "{place}");
                is_whole(&env, &place).await;
            }
        }
    }
}

async fn taken_back(env: &Env, status: u8, before: &[String], after: &[String], place: &str) {
    is_whole(env, place).await;
    let names = names(env).await;
    // What comes after the last step may fail without harm to the cluster.
    if status == 0 {
        assert_eq!(names, after, "{place}");
    } else {
        assert!(names == before || names == after, "{place}\n{names:?}");
    }
    let others = |thing: &&String| thing.contains(" other-") || thing.contains(" knarr-other");
    assert_eq!(env.left().iter().filter(others).count(), 3, "{place}");
}

#[tokio::test(start_paused = true)]
async fn a_growth_that_failed_says_what_is_left() {
    let _filters = filtered();
    for (name, words, operation, nth) in [
        ("a worker", "node add -n dev", op::CREATE_CONTAINER, 1),
        ("control planes", "node add -n dev --control-plane --count 2", op::CREATE_CONTAINER, 3),
    ] {
        let env = created("--workers 1").await;
        let made = env.engine.calls().iter().filter(|call| call.operation == operation).count();
        env.engine.inject(When::Nth(operation, made + nth), How::Refuse(EngineErrorKind::DiskFull));
        insta::assert_snapshot!(format!("a growth that failed, {name}"), env.knarr(words).await);
    }
    let env = created("--workers 1").await;
    let interrupt = Interrupt::manual();
    let signal = interrupt.clone();
    env.engine.on_call(move |call| {
        if call.operation == op::STOP_CONTAINER {
            signal.signal();
        }
    });
    let run = env.run("node add -n dev --control-plane --count 2", interrupt).await;
    insta::assert_snapshot!("a growth that was interrupted", run);
}

/// What shrinks or is mended, and how.
const OTHERS: [(&str, Option<&str>, &str); 4] = [
    ("--workers 2", None, "node delete dev-worker"),
    ("--control-planes 3 --workers 1", None, "node delete dev-control-plane2 dev-worker"),
    ("--workers 2", Some("dev-worker"), "repair dev"),
    ("--control-planes 3", Some("dev-control-plane2"), "repair dev"),
];

/// Cut off at any call, by a kill: the same command again completes it.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_killed_is_completed_by_the_same_command() {
    for (shape, lost, words) in OTHERS {
        let prepared = || async {
            let env = created(shape).await;
            if let Some(lost) = lost {
                lose(&env, lost).await;
            }
            env
        };
        let good = prepared().await;
        let calls = calls_of(&good, words).await;
        let after = names(&good).await;
        for call in &calls {
            let env = prepared().await;
            env.killed_at(call.number, words).await;
            let again = env.knarr(words).await;
            let place = format!("{shape}, {words}, killed at {call}\n{again}");
            // What everybody has forgotten is gone.
            assert!(again.status == 0 || again.status == 7 && words.starts_with("node delete"), "{place}");
            is_whole(&env, &place).await;
            assert_eq!(names(&env).await, after, "{place}");
        }
    }
}

/// A growth that was killed is completed by a repair, or by the same command after one.
#[tokio::test(start_paused = true)]
async fn a_growth_that_was_killed_is_completed_by_a_repair() {
    for (shape, words) in [GROWTHS[0], GROWTHS[2]] {
        let good = created(shape).await;
        let before = names(&good).await;
        let calls = calls_of(&good, words).await;
        let after = names(&good).await;
        for call in &calls {
            let env = created(shape).await;
            env.killed_at(call.number, words).await;
            let repair = env.knarr("repair dev").await;
            let mut place = format!("{shape}, {words}, killed at {call}\n{repair}");
            assert_eq!(repair.status, 0, "{place}");
            if names(&env).await == before {
                let again = env.knarr(words).await;
                place = format!("{place}\n{again}");
                assert_eq!(again.status, 0, "{place}");
            }
            is_whole(&env, &place).await;
            assert_eq!(names(&env).await, after, "{place}");
        }
    }
}
