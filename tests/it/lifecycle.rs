//! `knarr stop`, `start`, `restart`, `pause` and `unpause`: what they do, and what becomes of the kubeconfig.

use knarr::cluster::{self, State};
use knarr::engine::op;

use crate::env::{Env, KUBECONFIG, filtered};

/// A cluster `dev` that runs.
pub async fn created(words: &str) -> Env {
    let env = Env::new();
    let run = env.knarr(&format!("create dev {words}")).await;
    assert_eq!(run.status, 0, "{run}");
    env
}

pub async fn state(env: &Env) -> State {
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
