//! What somebody else took while a cluster was stopped: the host port of a node, its address, the port of a balancer.

use knarr::cluster::{self, State};
use knarr::engine::fake::{How, When};
use knarr::engine::{ContainerSpec, Engine, EngineErrorKind, Labels, PortBinding};
use knarr::spec::values::Protocol;

use crate::env::{Env, filtered};
use crate::lifecycle::{created, state};

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
