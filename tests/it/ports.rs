//! `knarr port`: what is opened on a living cluster, what is refused, what stops it half-way, and what is kept.

use insta::internals::SettingsBindDropGuard;
use knarr::cluster::State;
use knarr::engine::fake::{How, When};
use knarr::engine::{ContainerSpec, ContainerState, Engine, EngineErrorKind, PortBinding, op};
use knarr::signal::Interrupt;
use knarr::spec::values::Protocol;
use knarr_contract::{NODE_FILE, NodeFile};

use crate::env::{Env, Transcript};
use crate::shape::{calls_of, changes, is_whole, lose, recalled};

const ADD: &str = "port add 8080:30080 -n dev";
const REMOVE: &str = "port remove 8080 -n dev";
const FORWARDER: &str = "dev-port-8080-tcp";
/// Without a balancer and with one.
const SHAPES: [&str; 2] = ["--workers 1", "--control-planes 3"];

/// Ports are what this is about: of what differs from run to run, only times have a name instead.
fn timeless() -> SettingsBindDropGuard {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\b\d+\.\d+s\b", "TIME");
    settings.bind_to_scope()
}

/// A cluster `dev` of some shape that runs, after further commands.
async fn created(shape: &str, commands: &[&str]) -> Env {
    let env = Env::new();
    well(&env, &format!("create dev --api-port 40443 {shape}")).await;
    for words in commands {
        well(&env, words).await;
    }
    env
}

async fn well(env: &Env, words: &str) -> Transcript {
    let run = env.knarr(words).await;
    assert_eq!(run.status, 0, "{run}");
    run
}

/// The ports that were opened, as the nodes know them, each with its container.
async fn open(env: &Env) -> Vec<String> {
    let layout = recalled(env).await.layout;
    let there = env.left();
    for name in layout.containers() {
        assert!(there.contains(&format!("container {name}")), "{name} is not in {there:?}");
    }
    let forwarders = there.iter().filter(|thing| thing.starts_with("container dev-port-")).count();
    assert_eq!(forwarders, layout.forwarders.len(), "{there:?}");
    layout.forwarders.iter().map(ToString::to_string).collect()
}

/// What was done to anything since some call.
fn done_since(env: &Env, since: usize) -> String {
    changes(&env.engine.calls()[since..])
}

#[tokio::test(start_paused = true)]
async fn opened_listed_kept_and_closed() {
    let _filters = timeless();
    let env = created("--workers 1", &[]).await;
    let (left, since) = (env.left(), env.engine.calls().len());
    insta::assert_snapshot!("two ports are opened", env.knarr("port add 8080:30080 0.0.0.0:53:30053/udp -n dev").await);
    insta::assert_snapshot!("two ports are opened, calls", done_since(&env, since));
    insta::assert_snapshot!("ports", env.knarr("port list -n dev").await);
    insta::assert_snapshot!("ports as json", env.knarr("port ls -n dev -o json").await);
    is_whole(&env, "opened").await;
    let spec = env.engine.spec("dev-port-53-udp").expect("it is there");
    assert_eq!(spec.capabilities, Some(vec!["NET_ADMIN".to_owned()]));
    assert_eq!(spec.sysctls["net.ipv4.ip_forward"], "1");
    let file = env.engine.file("dev-port-53-udp", NODE_FILE).expect("it has one");
    let file: NodeFile = serde_json::from_slice(&file).expect("a node file");
    assert_eq!((file.member, file.components.len()), (None, 0));
    let worker = recalled(&env).await.layout.node("dev-worker").expect("there").address;
    assert_eq!(file.forwards.iter().map(|f| f.to.to_string()).collect::<Vec<_>>(), [format!("{worker}:30053")]);

    let since = env.engine.calls().len();
    insta::assert_snapshot!("a port is open already", env.knarr(ADD).await);
    assert_eq!(done_since(&env, since), "");

    insta::assert_snapshot!("a stop with ports", env.knarr("stop dev").await);
    insta::assert_snapshot!("a start with ports", env.knarr("start dev").await);
    for verb in ["pause", "unpause", "restart"] {
        well(&env, &format!("{verb} dev")).await;
    }
    is_whole(&env, "restarted").await;
    insta::assert_snapshot!(
        "status with ports",
        well(&env, "status dev").await.stdout.split("\n\n").nth(1).expect("nodes")
    );
    assert!(well(&env, "gc --dry-run").await.stderr.contains("nothing"));

    let since = env.engine.calls().len();
    insta::assert_snapshot!("two ports are closed", env.knarr("port remove 8080 53/udp -n dev").await);
    insta::assert_snapshot!("two ports are closed, calls", done_since(&env, since));
    assert_eq!((env.left(), open(&env).await), (left, Vec::<String>::new()));
    is_whole(&env, "closed").await;
    insta::assert_snapshot!("a port is opened, as json", env.knarr(&format!("{ADD} -o json -q")).await);
    well(&env, "delete dev").await;
    assert_eq!(env.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn refused_before_anything_is_touched() {
    let _filters = timeless();
    let env = created("--workers 1", &[ADD]).await;
    let published =
        PortBinding { host_address: [0, 0, 0, 0].into(), host_port: 9000, container_port: 80, protocol: Protocol::Tcp };
    let image = env.engine.spec(FORWARDER).expect("it is there").image;
    let other = ContainerSpec { name: "web".into(), image, ports: vec![published], ..ContainerSpec::default() };
    env.engine.create_container(&other).await.expect("created");
    env.engine.start_container("web").await.expect("started");
    let (left, since) = (env.left(), env.engine.calls().len());
    let mut told = Vec::new();
    for words in [
        "port add 8080:80 -n dev",
        "port add 40443:80 -n dev",
        "port add 9000:80 -n dev",
        "port add 7000:80 7000:81 -n dev",
        "port add 7000:10250 -n dev",
        "port add 7000:6443 -n dev",
        "port add 7000:80 --node dev-worker9 -n dev",
        "port add 7000:80 -n other",
        "port add 7000 -n dev",
        "port add 7000:80/sctp -n dev",
        "port remove 7000 -n dev",
        "port remove 8080/udp -n dev",
        "port remove 40443 -n dev",
        "node delete dev-worker -n dev",
    ] {
        let run = env.knarr(words).await;
        assert_ne!(run.status, 0, "{run}");
        told.push(run.to_string());
    }
    insta::assert_snapshot!("ports, refused", told.join("\n\n"));
    assert_eq!((done_since(&env, since), env.left()), (String::new(), left));
    for (verb, state) in [("pause", "paused"), ("stop", "stopped")] {
        well(&env, &format!("{verb} dev")).await;
        for words in ["port add 7000:80 -n dev", REMOVE] {
            let run = env.knarr(words).await;
            assert_eq!(run.status, 1, "{run}");
            let told = [&format!("cluster `dev` is {state}"), "nothing was changed"];
            assert!(told.iter().all(|told| run.stderr.contains(*told)), "{run}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let env = created("--workers 1", &[ADD]).await;
    let since = env.engine.calls().len();
    insta::assert_snapshot!("plan of a port more", env.knarr("port add 53:30053/udp -n dev --dry-run").await);
    insta::assert_snapshot!("plan of a port less", env.knarr(&format!("{REMOVE} --dry-run")).await);
    assert_eq!(done_since(&env, since), "");
}

/// The port was free when it was looked at: what was made is taken back.
#[tokio::test(start_paused = true)]
async fn taken_in_the_last_moment() {
    let _filters = timeless();
    for shape in SHAPES {
        let env = created(shape, &[]).await;
        env.engine.take_port([127, 0, 0, 1].into(), 8080);
        let left = env.left();
        let run = env.knarr(ADD).await;
        if shape == SHAPES[0] {
            insta::assert_snapshot!("a port that was taken", run);
        }
        assert_eq!((run.status, env.left(), open(&env).await), (4, left, vec![]), "{run}");
        is_whole(&env, shape).await;
    }
}

/// A failure of every call, and Ctrl-C before it: either the port is open, or everything is as before.
#[tokio::test(start_paused = true)]
async fn an_addition_that_fails_is_taken_back() {
    for shape in SHAPES {
        let good = created(shape, &[]).await;
        let calls = calls_of(&good, ADD).await;
        assert!(calls.len() > 10, "{}", calls.len());
        let opened = open(&good).await;
        let hows = [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)];
        for call in &calls {
            for how in hows.into_iter().map(Some).chain([None]) {
                let env = created(shape, &[]).await;
                let (left, number) = (env.left(), call.number);
                let interrupt = Interrupt::manual();
                if let Some(how) = how {
                    env.engine.inject(When::Call(number), how);
                } else {
                    let signal = interrupt.clone();
                    env.engine.on_call(move |call| {
                        if call.number == number {
                            signal.signal();
                        }
                    });
                }
                let run = env.run(ADD, interrupt).await;
                let place = format!("{shape}, {call}, {how:?}\n{run}");
                is_whole(&env, &place).await;
                if run.status != 0 {
                    assert!(!run.stderr.contains("taking it back failed"), "{place}");
                    assert_eq!((env.left(), open(&env).await), (left, vec![]), "{place}");
                    well(&env, ADD).await;
                    is_whole(&env, &place).await;
                }
                assert_eq!(open(&env).await, opened, "{place}");
            }
        }
    }
}

/// A repair makes the cluster whole, with the port or without.
#[tokio::test(start_paused = true)]
async fn an_addition_that_was_killed_is_completed_by_a_repair() {
    for shape in SHAPES {
        let calls = calls_of(&created(shape, &[]).await, ADD).await;
        for call in &calls {
            let env = created(shape, &[]).await;
            env.killed_at(call.number, ADD).await;
            let repair = well(&env, "repair dev").await;
            let place = format!("{shape}, killed at {call}\n{repair}");
            is_whole(&env, &place).await;
            open(&env).await;
            well(&env, ADD).await;
            assert_eq!(open(&env).await.len(), 1, "{place}");
        }
    }
}

/// A removal that fails, is interrupted or killed anywhere: the same command completes it.
#[tokio::test(start_paused = true)]
async fn a_removal_is_completed_by_the_same_command() {
    for shape in SHAPES {
        let calls = calls_of(&created(shape, &[ADD]).await, REMOVE).await;
        assert!(calls.len() > 6, "{}", calls.len());
        let hows = [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)];
        for call in &calls {
            for how in hows.into_iter().map(Some).chain([None]) {
                let env = created(shape, &[ADD]).await;
                if let Some(how) = how {
                    env.engine.inject(When::Call(call.number), how);
                    env.knarr(REMOVE).await;
                } else {
                    env.killed_at(call.number, REMOVE).await;
                }
                let again = env.knarr(REMOVE).await;
                let place = format!("{shape}, {call}, {how:?}\n{again}");
                // What everybody has forgotten is gone.
                assert!(matches!(again.status, 0 | 7), "{place}");
                is_whole(&env, &place).await;
                assert_eq!(open(&env).await, [""; 0], "{place}");
                assert_eq!(env.knarr("status dev").await.status, 0, "{place}");
            }
        }
    }
}

/// A forwarder holds nothing: whatever became of it, it is made anew, and nothing else is touched.
#[tokio::test(start_paused = true)]
async fn a_lost_forwarder() {
    let _filters = timeless();
    let env = created("--workers 1", &[ADD]).await;
    let (left, spec) = (env.left(), env.engine.spec(FORWARDER).expect("it is there"));
    for verb in ["start", "repair"] {
        lose(&env, FORWARDER).await;
        let status = env.knarr("status dev").await;
        let gone = "cluster dev is Incomplete\n  `dev-port-8080-tcp` is gone";
        assert!(status.stdout.contains(gone) && status.stderr.contains("`knarr repair dev`"), "{status}");
        let add = env.knarr("port add 7000:80 -n dev").await;
        assert!(add.status == 1 && add.stderr.contains("`dev-port-8080-tcp` is missing"), "{add}");
        insta::assert_snapshot!(format!("a lost forwarder, {verb}"), env.knarr(&format!("{verb} dev")).await);
        is_whole(&env, verb).await;
        assert_eq!((env.left(), env.knarr("status dev").await.status), (left.clone(), 0));
    }

    // Made by a run that was killed before it was started.
    lose(&env, FORWARDER).await;
    env.engine.create_container(&spec).await.expect("created");
    let status = env.knarr("status dev").await;
    assert!(status.stdout.contains("container `dev-port-8080-tcp` is created"), "{status}");
    let since = env.engine.calls().len();
    well(&env, "repair dev").await;
    let done = done_since(&env, since);
    assert!(!done.contains("stop container") && !done.contains("start container `dev-worker`"), "{done}");
    is_whole(&env, "half made").await;
    let file = env.engine.file(FORWARDER, NODE_FILE).expect("it has its file");
    assert!(String::from_utf8_lossy(&file).contains("\"forwards\""));
}

/// Somebody took the host's port while the cluster was stopped: it is said who, and the port can be given up.
#[tokio::test(start_paused = true)]
async fn a_forwarder_that_cannot_start() {
    let _filters = timeless();
    let env = created("--workers 1", &[ADD]).await;
    env.engine.end_container(FORWARDER, 1, false);
    let status = env.knarr("status dev").await;
    assert!(status.stdout.contains("container `dev-port-8080-tcp` is exited"), "{status}");
    env.engine.inject(When::Every(op::START_CONTAINER), How::Refuse(EngineErrorKind::PortTaken));
    insta::assert_snapshot!("a port that was taken meanwhile", env.knarr("start dev").await);
    // Even where it is only half made, and cannot be made.
    lose(&env, FORWARDER).await;
    assert_eq!(env.knarr("repair dev").await.status, 4);
    assert_eq!(recalled(&env).await.missing, [FORWARDER]);
    well(&env, REMOVE).await;
    env.engine.heal();
    is_whole(&env, "given up").await;
    let containers = env.engine.list_containers("dev.knarr.cluster=dev").await.expect("listed");
    assert!(containers.iter().all(|c| c.state == ContainerState::Running && c.name != FORWARDER));
    assert_eq!(knarr::cluster::find(&env.engine, "dev").await.expect("there").state(), State::Running);
}

/// Ports live beside nodes that come and go.
#[tokio::test(start_paused = true)]
async fn nodes_come_and_go_beside_a_port() {
    let env = created("--workers 1", &[ADD]).await;
    for words in ["node add -n dev", "node add -n dev --control-plane --count 2", "node delete dev-worker2"] {
        well(&env, words).await;
        is_whole(&env, words).await;
        assert_eq!(open(&env).await, ["127.0.0.1:8080->dev-worker:30080/tcp"], "{words}");
    }
    // A node that is lost takes no port with it.
    lose(&env, "dev-worker").await;
    well(&env, "repair dev").await;
    is_whole(&env, "repaired").await;
    well(&env, REMOVE).await;
    well(&env, "node delete dev-worker").await;
    is_whole(&env, "shrunk").await;
}
