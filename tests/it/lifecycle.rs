//! `knarr stop`, `start`, `restart`, `pause`, `unpause` and `certs`: what they do, what stops them half-way, and that the
//! next command completes it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use knarr::cluster::{self, State, certificates};
use knarr::engine::fake::{How, When};
use knarr::engine::{ContainerSpec, Engine, EngineErrorKind, Labels, PortBinding, archive::Tree, op};
use knarr::kubernetes::fake::Script;
use knarr::node::render;
use knarr::pki::Pki;
use knarr::signal::Interrupt;
use knarr::spec::values::Protocol;
use knarr_contract::NodeStatus;
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::env::{Env, KUBECONFIG, filtered};

/// A cluster `dev` that runs.
async fn created(words: &str) -> Env {
    let env = Env::new();
    let run = env.knarr(&format!("create dev {words}")).await;
    assert_eq!(run.status, 0, "{run}");
    env
}

async fn state(env: &Env) -> State {
    cluster::find(&env.engine, "dev").await.expect("it is there").state()
}

#[tokio::test(start_paused = true)]
async fn stopped_and_started() {
    let _filters = filtered();
    let env = created("--workers 2").await;
    let (left, kubeconfig, before) = (env.left(), env.kubeconfig(), env.engine.calls().len());
    insta::assert_snapshot!(env.knarr("stop dev").await, @r"
    $ knarr stop dev
    --- stderr ---
    dev: stopped 3 nodes (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(state(&env).await, State::Stopped);
    let again = env.knarr("cluster stop dev").await;
    insta::assert_snapshot!(again, @r"
    $ knarr cluster stop dev
    --- stderr ---
    cluster `dev` is stopped already
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.knarr("start dev").await, @r"
    $ knarr start dev
    --- stderr ---
    dev: started 3 nodes (TIME)
    dev: the API server answers (TIME)
    dev: it is usable (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(state(&env).await, State::Running);
    let changes: Vec<String> = env.engine.calls()[before..]
        .iter()
        .filter(|c| c.changes() && c.operation != op::EXEC)
        .map(ToString::to_string)
        .collect();
    insta::assert_snapshot!(changes.join("\n"), @r"
    change when Docker starts container `dev-control-plane`
    change when Docker starts container `dev-worker`
    change when Docker starts container `dev-worker2`
    stop container `dev-control-plane`
    stop container `dev-worker`
    stop container `dev-worker2`
    change when Docker starts container `dev-control-plane`
    change when Docker starts container `dev-worker`
    change when Docker starts container `dev-worker2`
    start container `dev-control-plane`
    start container `dev-worker`
    start container `dev-worker2`
    ");
    assert_eq!((env.left(), env.kubeconfig()), (left, kubeconfig), "nothing is lost and nothing is new");
    insta::assert_snapshot!(env.knarr("start dev").await, @r"
    $ knarr start dev
    --- stderr ---
    dev: the API server answers (TIME)
    dev: it is usable (TIME)
    cluster `dev` runs already
    --- exit status 0 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn restarted() {
    let _filters = filtered();
    let env = created("").await;
    insta::assert_snapshot!(env.knarr("restart dev -o json -q").await, @r#"
    $ knarr restart dev -o json -q
    [
      {
        "cluster": "dev",
        "verb": "restarted",
        "changed": true,
        "nodes": [
          "dev-control-plane"
        ],
        "renewed": [],
        "kubeconfig": "unchanged"
      }
    ]
    --- exit status 0 ---
    "#);
    assert_eq!(state(&env).await, State::Running);
    // What is stopped is started all the same.
    assert_eq!(env.knarr("stop dev").await.status, 0);
    insta::assert_snapshot!(env.knarr("restart dev --wait 0s").await, @r"
    $ knarr restart dev --wait 0s
    --- stderr ---
    dev: started 1 node (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(state(&env).await, State::Running);
}

#[tokio::test(start_paused = true)]
async fn paused_and_unpaused() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    insta::assert_snapshot!(env.knarr("pause dev").await, @r"
    $ knarr pause dev
    --- stderr ---
    dev: paused 2 nodes (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(state(&env).await, State::Paused);
    insta::assert_snapshot!(env.knarr("status dev").await, @r"
    $ knarr status dev
    cluster dev is Paused
      container `dev-control-plane` is paused
      container `dev-worker` is paused

    NODE               CONTAINER  KUBERNETES  COMPONENT  STATE  RESTARTS
    dev-control-plane  paused     unknown
    dev-worker         paused     unknown
    --- stderr ---
    error: cluster `dev` is paused
    hint: let it go on with `knarr unpause dev`
    --- exit status 5 ---
    ");
    assert!(env.knarr("pause dev").await.stderr.contains("cluster `dev` is paused already"));
    insta::assert_snapshot!(env.knarr("unpause dev").await, @r"
    $ knarr unpause dev
    --- stderr ---
    dev: unpaused 2 nodes (TIME)
    dev: the API server answers (TIME)
    dev: it is usable (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(state(&env).await, State::Running);
    assert!(env.knarr("unpause dev").await.stderr.contains("cluster `dev` runs already"));
    // Stop and start know what to do with a frozen cluster.
    for verb in ["stop", "start", "restart"] {
        let before = state(&env).await;
        if before == State::Running {
            assert_eq!(env.knarr("pause dev").await.status, 0);
        }
        assert_eq!(env.knarr(&format!("{verb} dev")).await.status, 0, "{verb}");
        assert_eq!(state(&env).await, if verb == "stop" { State::Stopped } else { State::Running }, "{verb}");
    }
    assert_eq!(env.knarr("stop dev").await.status, 0);
    let changes = env.engine.changes();
    insta::assert_snapshot!(env.knarr("pause dev").await, @r"
    $ knarr pause dev
    --- stderr ---
    error: cluster `dev` is not running
      caused by: `dev-control-plane`, `dev-worker` are stopped; only running nodes can be paused
      nothing was changed
    hint: start it with `knarr start dev`
    --- exit status 1 ---
    ");
    assert_eq!(env.knarr("unpause dev").await.status, 1);
    assert_eq!(env.engine.changes(), changes, "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let env = created("--workers 1").await;
    let changes = env.engine.changes();
    insta::assert_snapshot!(env.knarr("restart dev --dry-run").await, @r"
    $ knarr restart dev --dry-run
    cluster dev: restarting it

    1. dev: stopping 2 nodes
       stop dev-control-plane
       stop dev-worker

    2. dev: starting 2 nodes
       start dev-control-plane
       start dev-worker

    3. dev: waiting for the API server
       waiting for the API server

    4. dev: waiting until it is usable
       waiting for every component to serve
       waiting for the nodes to say that they are Ready again
       waiting for the default ServiceAccount
       waiting for the cluster DNS to answer inside a pod
    --- exit status 0 ---
    ");
    assert_eq!(env.knarr("stop dev --dry-run -o json").await.status, 0);
    assert_eq!(env.engine.changes(), changes);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there() {
    let env = created("").await;
    insta::assert_snapshot!(env.knarr("stop dev other third").await, @r"
    $ knarr stop dev other third
    --- stderr ---
    error: there is no cluster `other`, `third`
      caused by: these exist: `dev`
      nothing was changed
    hint: list them with `knarr get clusters`
    --- exit status 7 ---
    ");
    assert_eq!(state(&env).await, State::Running, "not even what is there was stopped");
    assert_eq!(env.knarr("stop -A dev").await.status, 2);
    assert_eq!(env.knarr("stop No!").await.status, 2);
    let empty = Env::new();
    insta::assert_snapshot!(empty.knarr("start -A").await, @r"
    $ knarr start -A
    --- stderr ---
    no cluster exists
    --- exit status 0 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn all_clusters() {
    let env = created("").await;
    assert_eq!(env.knarr("create other").await.status, 0);
    assert_eq!(env.knarr("stop -A").await.status, 0);
    let states = cluster::list(&env.engine).await.expect("listed");
    assert!(states.iter().all(|c| c.state() == State::Stopped) && states.len() == 2);
    let run = env.knarr("get clusters -o json").await;
    assert_eq!(run.stdout.matches("\"state\": \"Stopped\"").count(), 2, "{run}");
    let mut env = env;
    env.environment.stdout_terminal = true;
    insta::assert_snapshot!(env.knarr("get clusters").await, @r"
    $ knarr get clusters
    NAME   STATE    NODES  TIME LEFT
    dev    Stopped  1
    other  Stopped  1
    --- exit status 0 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn parts_that_are_gone() {
    let _filters = filtered();
    let env = created("--workers 2").await;
    assert_eq!(env.knarr("stop dev").await.status, 0);
    env.engine.remove_container("dev-worker2").await.expect("removed");
    let run = env.knarr("start dev").await;
    assert_eq!(run.status, 0, "the others go on without it: {run}");
    let warning = "warning: dev-worker2 is lost; make what is lost anew with `knarr repair dev`";
    assert!(run.stderr.contains(warning), "{run}");
    let status = env.knarr("status dev").await;
    assert!(status.stdout.contains("cluster dev is Incomplete\n  `dev-worker2` is gone"), "{status}");
    assert!(status.status == 5 && status.stderr.contains("`knarr repair dev`"), "{status}");
    assert_eq!(env.knarr("stop dev").await.status, 0);
    env.engine.remove_network("knarr-dev").await.expect("removed");
    assert!(env.knarr("start dev").await.stderr.contains("its network `knarr-dev` is gone"));
    env.engine.remove_container("dev-control-plane").await.expect("removed");
    let run = env.knarr("start dev").await;
    assert!(
        run.stderr.contains("it has no control plane") && run.stderr.contains("`knarr delete cluster dev`"),
        "{run}"
    );
    assert_eq!(env.knarr("delete dev").await.status, 0);
    assert_eq!((env.left(), env.kubeconfig()), (Vec::<String>::new(), KUBECONFIG.to_owned()));
}

/// It holds nothing, so whoever starts the cluster makes it anew, running or not, at the same place.
#[tokio::test(start_paused = true)]
async fn a_balancer_that_is_gone() {
    let _filters = filtered();
    let env = created("--control-planes 3").await;
    let before = env.engine.spec("dev-balancer").expect("it is there");
    for prepare in ["", "stop dev"] {
        if !prepare.is_empty() {
            assert_eq!(env.knarr(prepare).await.status, 0);
        }
        env.engine.remove_container("dev-balancer").await.expect("removed");
        let status = env.knarr("status dev").await;
        assert!(status.status == 5 && status.stdout.contains("`dev-balancer` is gone"), "{status}");
        let run = env.knarr("start dev").await;
        assert_eq!(run.status, 0, "{run}");
        assert_eq!(env.engine.spec("dev-balancer").as_ref(), Some(&before));
        assert_eq!(state(&env).await, State::Running);
    }
}

/// One failure at every call of every verb: it is told, and the same verb then does the rest.
#[tokio::test(start_paused = true)]
async fn every_failure_of_docker() {
    for (prepare, verb, end) in VERBS {
        let good = ready(prepare).await;
        let begin = good.engine.calls().len();
        assert_eq!(good.knarr(&format!("{verb} dev")).await.status, 0);
        let calls = good.engine.calls();
        assert!(calls.len() > begin + 3, "{verb}");
        for call in &calls[begin..] {
            for how in [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)] {
                let env = ready(prepare).await;
                let left = env.left();
                env.engine.inject(When::Call(call.number), how);
                let run = env.knarr(&format!("{verb} dev")).await;
                let place = format!("{verb}, call {} ({call}), {how:?}\n{run}", call.number);
                if run.status != 0 {
                    assert!(run.stderr.contains("error: ") && run.stderr.contains("the test wants "), "{place}");
                    let again = env.knarr(&format!("{verb} dev")).await;
                    assert_eq!(again.status, 0, "{place}\n{again}");
                }
                assert_eq!((state(&env).await, env.left()), (end, left), "{place}");
            }
        }
    }
}

/// What comes before, the verb, and what it leads to.
const VERBS: [(&str, &str, State); 6] = [
    ("", "stop", State::Stopped),
    ("stop dev", "start", State::Running),
    ("", "restart", State::Running),
    ("", "pause", State::Paused),
    ("pause dev", "unpause", State::Running),
    ("", "certs renew", State::Running),
];

async fn ready(prepare: &str) -> Env {
    let env = created("").await;
    if !prepare.is_empty() {
        assert_eq!(env.knarr(prepare).await.status, 0);
    }
    env
}

/// Ctrl-C before every call of every verb: it ends in time, drops no call that changes something, and says how to go on.
#[tokio::test(start_paused = true)]
async fn interrupted_at_every_call() {
    for (prepare, verb, end) in VERBS {
        let good = ready(prepare).await;
        let begin = good.engine.calls().len();
        assert_eq!(good.knarr(&format!("{verb} dev")).await.status, 0);
        for number in begin + 1..=good.engine.calls().len() {
            let env = ready(prepare).await;
            let left = env.left();
            let interrupt = Interrupt::manual();
            let signal = interrupt.clone();
            env.engine.on_call(move |call| {
                if call.number == number {
                    signal.signal();
                }
            });
            let began = Instant::now();
            let run = env.run(&format!("{verb} dev"), interrupt).await;
            let place = format!("{verb}, call {number}\n{run}");
            assert!(began.elapsed() < Duration::from_secs(15), "{place}");
            // Only what comes after the last step may still be finished.
            if run.status != 0 {
                assert_eq!(run.status, 130, "{place}");
                assert!(run.stderr.contains("interrupted: "), "{place}");
            }
            let next = match (verb, run.status) {
                (_, 0) => continue,
                ("restart", _) => "start",
                (verb, _) => verb,
            };
            let again = env.knarr(&format!("{next} dev")).await;
            assert_eq!((again.status, state(&env).await, env.left()), (0, end, left), "{place}\n{again}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_says_where_and_how_to_go_on() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    let interrupt = Interrupt::manual();
    let signal = interrupt.clone();
    env.engine.on_call(move |call| {
        if call.operation == op::STOP_CONTAINER && call.object == "dev-worker" {
            signal.signal();
        }
    });
    insta::assert_snapshot!(env.run("restart dev", interrupt).await, @r"
    $ knarr restart dev
    --- stderr ---
    dev: stopped 2 nodes (TIME)
    interrupted: restarting cluster `dev` broke off at step 2 of 4 (dev: starting 2 nodes)
    hint: go on with `knarr start dev`
    --- exit status 130 ---
    ");
}

/// Once more, each time that it is asked for.
fn etcd_dies(status: &mut NodeStatus, heard: &AtomicU32) {
    let etcd = status.components.iter_mut().find(|c| c.name == "etcd").expect("it is there");
    etcd.restarts = heard.fetch_add(1, Ordering::Relaxed);
    (etcd.ready, etcd.recent_exits, etcd.last_exit) = (false, 3, Some("exit status 2".into()));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_does_not_come_says_why() {
    let _filters = filtered();
    let env = Env::scripted(Script { hangs: Some("watch"), ..Script::default() });
    assert_eq!(env.knarr("create dev").await.status, 0);
    assert_eq!(env.knarr("stop dev").await.status, 0);
    insta::assert_snapshot!(env.knarr("start dev --wait 5s").await, @r"
    $ knarr start dev --wait 5s
    --- stderr ---
    dev: started 1 node (TIME)
    dev: the API server answers (TIME)
    failed: dev: waiting until it is usable (TIME)
    error: cluster `dev` did not become usable within 5s
      caused by: the last thing it waited for: Node dev-control-plane
      what was done so far stays as it is
    hint: see what is wrong with `knarr status dev` and `knarr logs --name dev`
    hint: then go on with `knarr start dev`
    --- exit status 5 ---
    ");
    let env = created("").await;
    assert_eq!(env.knarr("stop dev").await.status, 0);
    let (engine, heard) = (env.engine.clone(), AtomicU32::new(0));
    env.engine.on_exec(move |node, exec| crate::env::agent(&engine, node, exec, |status| etcd_dies(status, &heard)));
    insta::assert_snapshot!(env.knarr("start dev").await, @r"
    $ knarr start dev
    --- stderr ---
    dev: started 1 node (TIME)
    failed: dev: waiting for the API server (TIME)
    error: `etcd` on `dev-control-plane` dies again and again
      caused by: it exited 3 times within a minute, last with exit status 2
        the last line of /var/log/knarr/etcd.log
      what was done so far stays as it is
    hint: see what is wrong with `knarr status dev` and `knarr logs --name dev`
    hint: then go on with `knarr start dev`
    --- exit status 1 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn a_port_that_somebody_took() {
    let env = created("").await;
    assert_eq!(env.knarr("stop dev").await.status, 0);
    let port = env.engine.spec("dev-control-plane").expect("it is there").ports[0].clone();
    env.engine.add_image("busybox", &Labels::new());
    let thief = ContainerSpec {
        name: "thief".into(),
        image: "busybox".into(),
        ports: vec![PortBinding { container_port: 80, protocol: Protocol::Tcp, ..port.clone() }],
        ..ContainerSpec::default()
    };
    env.engine.create_container(&thief).await.expect("made");
    env.engine.start_container("thief").await.expect("started");
    let _filters = filtered();
    let number = port.host_port.to_string();
    let told = env.knarr("start dev").await.to_string().replace(&number, "PORT");
    insta::assert_snapshot!(told, @r"
    $ knarr start dev
    --- stderr ---
    failed: dev: starting 1 node (TIME)
    error: node `dev-control-plane` cannot start: a host port of it is taken
      caused by: Bind for 127.0.0.1:PORT failed: port is already allocated
      caused by: container `thief` publishes port PORT
      nodes that could be started run; nothing is lost
    hint: stop that container with `docker stop thief`
    hint: then go on with `knarr start dev`
    --- exit status 4 ---
    ");
    env.engine.stop_container("thief", 0).await.expect("stopped");
    env.engine.take_port(port.host_address, port.host_port);
    let told = env.knarr("start dev").await.to_string().replace(&number, "PORT");
    insta::assert_snapshot!(told, @r"
    $ knarr start dev
    --- stderr ---
    failed: dev: starting 1 node (TIME)
    error: node `dev-control-plane` cannot start: a host port of it is taken
      caused by: listen tcp4 127.0.0.1:PORT: bind: address already in use
      caused by: no container has it; the host ports of what does not run: PORT
      nodes that could be started run; nothing is lost
    hint: see which process has it with `ss -ltnp 'sport = :PORT'`
    hint: then go on with `knarr start dev`
    --- exit status 4 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_somebody_took() {
    let env = created("--workers 1").await;
    assert_eq!(env.knarr("stop dev").await.status, 0);
    let network = env.engine.spec("dev-worker").expect("it is there").network;
    let address = network.as_ref().and_then(|network| network.address).expect("a fixed one");
    env.engine.add_image("busybox", &Labels::new());
    let thief = ContainerSpec { name: "thief".into(), image: "busybox".into(), network, ..ContainerSpec::default() };
    env.engine.create_container(&thief).await.expect("made");
    env.engine.start_container("thief").await.expect("started");
    let _filters = filtered();
    let told = env.knarr("start dev").await.to_string().replace(&address.to_string(), "ADDRESS");
    insta::assert_snapshot!(told, @r"
    $ knarr start dev
    --- stderr ---
    failed: dev: starting 2 nodes (TIME)
    error: node `dev-worker` cannot start: its address is taken
      caused by: Address already in use
      caused by: container `thief` has the address ADDRESS
      nodes that could be started run; nothing is lost
    hint: move that container away with `docker network disconnect knarr-dev thief`
    hint: then go on with `knarr start dev`
    --- exit status 4 ---
    ");
    env.engine.remove_container("thief").await.expect("removed");
    assert_eq!(env.knarr("start dev").await.status, 0);
    assert_eq!(state(&env).await, State::Running);
}

/// A balancer holds nothing but its port: it gets another one, and the user's entry follows.
#[tokio::test(start_paused = true)]
async fn the_port_of_a_balancer_that_somebody_took() {
    let env = created("--control-planes 3").await;
    let published = |env: &Env| env.engine.spec("dev-balancer").expect("it is there").ports[0].clone();
    let (port, left, kubeconfig) = (published(&env), env.left(), env.kubeconfig());
    assert_eq!(env.knarr("stop dev").await.status, 0);
    env.engine.take_port(port.host_address, port.host_port);
    let run = env.knarr("start dev").await;
    assert_eq!(run.status, 0, "{run}");
    let now = published(&env);
    assert_ne!(now.host_port, port.host_port);
    let warning = format!(
        "warning: port {} is taken: the API of cluster `dev` moves to https://127.0.0.1:{}",
        port.host_port, now.host_port
    );
    assert!(run.stderr.contains(&warning), "{run}");
    assert!(run.stderr.contains("brought the kubeconfig entry of cluster `dev` up to date"), "{run}");
    let moved = kubeconfig.replace(&format!(":{}", port.host_port), &format!(":{}", now.host_port));
    assert_eq!((env.kubeconfig(), env.left()), (moved, left));
    let found = cluster::find(&env.engine, "dev").await.expect("it is there");
    let recalled = cluster::recall(&env.engine, &found).await.expect("told");
    assert_eq!(recalled.layout.api.port(), now.host_port);
    assert!(recalled.behind.is_empty() && recalled.missing.is_empty(), "{recalled:?}");
    assert_eq!(env.knarr("restart dev").await.status, 0, "it stays there");
    assert_eq!(published(&env).host_port, now.host_port);
}

/// Cut off at any call, the move of a balancer is completed by the same verb, or by the repair that it names; and who has
/// not heard of it is told by a repair.
#[tokio::test(start_paused = true)]
async fn a_move_of_the_balancer_that_is_cut_off() {
    let stolen = async || {
        let env = created("--control-planes 3").await;
        let port = env.engine.spec("dev-balancer").expect("it is there").ports[0].clone();
        assert_eq!(env.knarr("stop dev").await.status, 0);
        env.engine.take_port(port.host_address, port.host_port);
        env
    };
    let good = stolen().await;
    let begin = good.engine.calls().len();
    assert_eq!(good.knarr("start dev").await.status, 0);
    let calls = good.engine.calls();
    for call in calls[begin..].iter().filter(|call| call.changes()) {
        let env = stolen().await;
        env.engine.inject(When::Call(call.number), How::LoseAnswer(EngineErrorKind::TimedOut));
        let run = env.knarr("start dev").await;
        let again = env.knarr("start dev").await;
        let way_out = again.stderr.contains("make it whole with `knarr repair dev`");
        assert!(again.status == 0 || way_out, "call {} ({call})\n{run}\n{again}", call.number);
        let repaired = env.knarr("repair dev").await;
        assert_eq!(repaired.status, 0, "{run}\n{again}\n{repaired}");
        assert_eq!(state(&env).await, State::Running, "call {} ({call})\n{run}\n{again}", call.number);
        let found = cluster::find(&env.engine, "dev").await.expect("it is there");
        let recalled = cluster::recall(&env.engine, &found).await.expect("told");
        assert_eq!(found.api().expect("published").port(), recalled.layout.api.port(), "{run}\n{again}\n{repaired}");
        assert!(recalled.behind.is_empty() && recalled.missing.is_empty(), "{recalled:?}\n{run}\n{again}");
    }
}

/// etcd's own log tells why it does not come up: in place of its last lines, what that means and what to do.
#[tokio::test(start_paused = true)]
async fn data_that_etcd_cannot_use() {
    let damaged = r#"{"level":"panic","msg":"failed to open database","path":"/var/lib/etcd/member/snap/db","error":"invalid database"}"#;
    let env = created("").await;
    assert_eq!(env.knarr("stop dev").await.status, 0);
    let (engine, heard) = (env.engine.clone(), AtomicU32::new(0));
    env.engine.on_exec(move |node, exec| match exec.argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tail", "-c", ..] => crate::env::printed(format!("knarr-node: etcd started as process 9\n{damaged}\n")),
        ["sh", _, script] if script.starts_with("df ") => crate::env::printed("1048576 481296384\noom_kill 0\n"),
        _ => crate::env::agent(&engine, node, exec, |status| etcd_dies(status, &heard)),
    });
    let _filters = filtered();
    insta::assert_snapshot!(env.knarr("start dev").await, @r"
    $ knarr start dev
    --- stderr ---
    dev: started 1 node (TIME)
    failed: dev: waiting for the API server (TIME)
    error: the data of etcd on `dev-control-plane` is damaged
      caused by: `/var/lib/etcd/member/snap/db`: invalid database
      caused by: `etcd` on `dev-control-plane` dies again and again
      nothing was deleted: what is left lies in volume `dev-control-plane-var`
    hint: keep a copy of it with `docker cp dev-control-plane:/var/lib/etcd COPY`
    hint: put a copy from before in its place and go on with `knarr start dev`, or begin anew with `knarr delete cluster dev` and `knarr create cluster dev`
    --- exit status 1 ---
    ");
    let status = env.knarr("status dev").await;
    let lines: Vec<&str> = status.stdout.lines().take(4).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    cluster dev is Degraded
      `etcd` on `dev-control-plane`: exit status 2
      the disk of `dev-control-plane` is full: 1 of 459 MiB at /var are free
      the data of etcd on `dev-control-plane` is damaged: `/var/lib/etcd/member/snap/db`: invalid database
    ");
    assert!(status.stderr.contains("docker image prune"), "{status}");
}

/// A component that the kernel has ended is told from one that somebody has killed.
#[tokio::test(start_paused = true)]
async fn a_component_out_of_memory() {
    let env = created("").await;
    let _filters = filtered();
    for (kills, wanted) in [(1, "signal 9 (SIGKILL); out of memory"), (0, "signal 9 (SIGKILL)")] {
        let engine = env.engine.clone();
        env.engine.on_exec(move |node, exec| match exec.argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["sh", _, script] if script.starts_with("df ") => {
                crate::env::printed(format!("99000000000 481296384\noom_kill {kills}\n"))
            }
            _ => crate::env::agent(&engine, node, exec, |status| {
                let server = status.components.iter_mut().find(|c| c.name == "kube-apiserver").expect("it is there");
                (server.restarts, server.last_exit) = (1, Some("signal 9 (SIGKILL)".into()));
            }),
        });
        let run = env.knarr("status dev").await;
        assert_eq!(run.status, 0, "{run}");
        let line = run.stdout.lines().find(|line| line.contains("kube-apiserver ")).expect("a row");
        assert!(line.ends_with(&format!("ready  1         {wanted}")), "{run}");
        assert!(run.stdout.contains("LAST END"), "{run}");
    }
}

/// Gives the nodes certificates that end three minutes from now: made a year ago, as those of an old cluster are.
async fn age(env: &Env, left: time::Duration) {
    let cluster = cluster::find(&env.engine, "dev").await.expect("it is there");
    let layout = cluster::recall(&env.engine, &cluster).await.expect("it can be recalled").layout;
    let roots = certificates::roots(&env.engine, &cluster).await.expect("they are there");
    let then = OffsetDateTime::now_utc() - time::Duration::days(365) + left;
    let pki = Pki::reissue(roots, &layout, then).expect("signed");
    for node in &layout.nodes {
        let mut tree = Tree::new(0);
        for file in render::leaf_files(&layout, node) {
            let path = file.path.trim_start_matches('/').to_owned();
            match render::materialize(&file, &pki).expect("bytes") {
                render::Entry::Folder => tree.folder(&path, file.mode),
                render::Entry::Link(target) => tree.link(&path, &target),
                render::Entry::File(bytes) => tree.file(&path, file.mode, bytes.to_vec()),
            }
            .expect("packed");
        }
        let tar = tree.build().expect("packed");
        env.engine.put_archive(node.spec.name.as_str(), "/", tar).await.expect("put");
    }
}

#[tokio::test(start_paused = true)]
async fn old_certificates_are_renewed_on_the_way() {
    let _filters = filtered();
    let env = created("--workers 1").await;
    assert_eq!(env.knarr("certs check dev").await.status, 0);
    let (kubeconfig, ca) =
        (env.kubeconfig(), env.engine.file("dev-control-plane", "/var/lib/knarr/kubernetes/pki/ca.crt"));
    for (left, stop) in
        [(time::Duration::days(100), true), (time::Duration::minutes(3), false), (-time::Duration::MINUTE, false)]
    {
        age(&env, left).await;
        if stop {
            assert_eq!(env.knarr("stop dev").await.status, 0);
        }
        // Within 30 days it is worth a complaint; a start renews long before.
        let check = env.knarr("certs check dev").await;
        assert_eq!(check.status, if left < time::Duration::days(30) { 5 } else { 0 }, "{left}: {check}");
        let run = env.knarr("start dev").await;
        assert_eq!(run.status, 0, "{left}: {run}");
        assert!(run.stderr.contains("dev: renewed the certificates of 2 nodes"), "{run}");
        assert_eq!(run.stderr.contains("restarted the components"), !stop, "{run}");
        assert!(run.stderr.contains("brought the kubeconfig entry of cluster `dev` up to date"), "{run}");
        assert_eq!(env.knarr("certs check dev").await.status, 0, "{left}");
        assert_eq!(env.knarr("status dev").await.status, 0, "{left}");
    }
    assert_ne!(env.kubeconfig(), kubeconfig, "its certificate is a new one");
    assert_eq!(env.engine.file("dev-control-plane", "/var/lib/knarr/kubernetes/pki/ca.crt"), ca, "the authority stays");
    let run = env.knarr("start dev").await;
    assert!(!run.stderr.contains("renewed"), "{run}");
    assert_eq!(env.knarr("delete dev").await.status, 0);
    assert_eq!(env.kubeconfig(), KUBECONFIG);
}

#[tokio::test(start_paused = true)]
async fn broken_certificates_are_named() {
    let env = created("--workers 1").await;
    let put = |path: &'static str, bytes: &'static [u8]| {
        let engine = env.engine.clone();
        async move {
            let mut tree = Tree::new(0);
            tree.file(path, 0o644, bytes).expect("packed");
            engine.put_archive("dev-worker", "/", tree.build().expect("packed")).await.expect("put");
        }
    };
    put("var/lib/kubelet/pki/kubelet.crt", b"nonsense").await;
    let run = env.knarr("certs check dev").await;
    assert_eq!(run.status, 5);
    insta::assert_snapshot!(run.stderr, @r"
    error: 1 certificate of cluster `dev` needs attention
      `/var/lib/kubelet/pki/kubelet.crt` of `dev-worker`: the file is missing, or there is no certificate in it
    hint: renew them with `knarr certs renew dev`
    ");
    assert_eq!(env.knarr("certs renew dev").await.status, 0);
    assert_eq!(env.knarr("certs check dev -o json").await.status, 0);
}

/// A certificate of another cluster is not taken for one of this.
#[tokio::test(start_paused = true)]
async fn a_foreign_certificate() {
    let env = created("").await;
    assert_eq!(env.knarr("create other").await.status, 0);
    let path = "var/lib/knarr/kubernetes/pki/scheduler.pem";
    let foreign = env.engine.file("other-control-plane", &format!("/{path}")).expect("it is there");
    let mut tree = Tree::new(0);
    tree.file(path, 0o600, foreign).expect("packed");
    env.engine.put_archive("dev-control-plane", "/", tree.build().expect("packed")).await.expect("put");
    let run = env.knarr("certs check dev").await;
    assert!(run.status == 5 && run.stderr.contains("the cluster's authority `kubernetes` did not sign it"), "{run}");
    assert!(env.knarr("start dev").await.stderr.contains("renewed the certificates of 1 node"));
    assert_eq!(env.knarr("certs check dev").await.status, 0);
}

#[tokio::test(start_paused = true)]
async fn the_kubeconfig_follows() {
    let env = created("").await;
    let good = env.kubeconfig();
    let port = env.engine.spec("dev-control-plane").expect("it is there").ports[0].host_port;
    let wrong = good.replace(&format!(":{port}"), ":1");
    assert_ne!(wrong, good);
    for verb in ["start dev", "restart dev", "certs renew dev"] {
        std::fs::write(env.kubeconfig_path(), &wrong).expect("written");
        assert_eq!(env.knarr(verb).await.status, 0);
        assert!(env.kubeconfig().contains(&format!(":{port}")), "{verb}");
        assert!(env.kubeconfig().contains("current-context: knarr-dev"), "{verb}: it is kept");
    }
    // Who wants none gets none.
    std::fs::write(env.kubeconfig_path(), &wrong).expect("written");
    assert_eq!(env.knarr("start dev --no-kubeconfig").await.status, 0);
    assert_eq!(env.kubeconfig(), wrong);
    std::fs::write(env.kubeconfig_path(), KUBECONFIG).expect("written");
    assert_eq!(env.knarr("start dev").await.status, 0);
    assert_eq!(env.kubeconfig(), KUBECONFIG, "an entry that was removed does not come back");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_watched() {
    let env = created("").await;
    let interrupt = Interrupt::manual();
    let story = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        env.engine.stop_container("dev-control-plane", 0).await.expect("stopped");
        tokio::time::sleep(Duration::from_secs(5)).await;
        interrupt.signal();
    };
    let (run, ()) = tokio::join!(env.run("status dev --watch", interrupt.clone()), story);
    insta::assert_snapshot!(run, @r"
    $ knarr status dev --watch
    cluster dev is Running
    cluster dev is Degraded
      the agent of `dev-control-plane` does not answer
    cluster dev is Stopped
      container `dev-control-plane` is exited
    --- exit status 0 ---
    ");
}
