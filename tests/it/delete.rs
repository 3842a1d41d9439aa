//! `knarr delete`: everything goes, again and again, whatever is there; what is not ours stays.

use knarr::engine::fake::{FakeEngine, How, When};
use knarr::engine::{Attachment, ContainerSpec, ContainerState, Engine, EngineErrorKind, Labels, op};

use crate::env::{Env, KUBECONFIG, filtered};

const NOTHING: Vec<String> = Vec::new();

#[tokio::test(start_paused = true)]
async fn everything_goes_and_the_kubeconfig_is_as_it_was() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev --workers 2").await.status, 0);
    assert_ne!(env.kubeconfig(), KUBECONFIG);
    let before = env.engine.calls().len();
    let run = env.knarr("delete cluster dev -v").await;
    insta::with_settings!({filters => vec![(r"\S+Z removed", "NOW removed"), (r"\d\.\d+s", "TIME")]}, {
        insta::assert_snapshot!(run, @r"
        $ knarr delete cluster dev -v
        --- stderr ---
        deleted cluster `dev` (TIME)
        NOW removed 3 containers, 1 network and 3 volumes
        kubectl's current context is `work` again
        --- exit status 0 ---
        ");
    });
    assert_eq!((env.left(), env.kubeconfig()), (NOTHING, KUBECONFIG.to_owned()));
    let calls: Vec<String> = env.engine.calls()[before..].iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(calls.join("\n"), @r"
    list containers labelled `dev.knarr.cluster=dev`
    remove container `ID`
    remove container `ID`
    remove container `ID`
    list networks of `fake://`
    list volumes labelled `dev.knarr.cluster=dev`
    remove network `ID`
    remove volume `dev-control-plane-var`
    remove volume `dev-worker-var`
    remove volume `dev-worker2-var`
    list containers labelled `dev.knarr.cluster=dev`
    list networks of `fake://`
    list volumes labelled `dev.knarr.cluster=dev`
    ");
}

#[tokio::test(start_paused = true)]
async fn deleting_again_is_success() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("delete cluster dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete cluster dev
    --- stderr ---
    there is no cluster `dev`, nothing to delete (TIME)
    --- exit status 0 ---
    ");
    assert_eq!((env.engine.changes(), env.kubeconfig()), (String::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_result_as_json() {
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    let run = env.knarr("delete dev other -o json -q").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr delete dev other -o json -q
    [
      {
        "cluster": "dev",
        "containers": [
          "dev-control-plane"
        ],
        "networks": [
          "knarr-dev"
        ],
        "volumes": [
          "dev-control-plane-var"
        ],
        "disconnected": [],
        "left": []
      },
      {
        "cluster": "other",
        "containers": [],
        "networks": [],
        "volumes": [],
        "disconnected": [],
        "left": []
      }
    ]
    --- exit status 0 ---
    "#);
}

#[tokio::test(start_paused = true)]
async fn all_clusters() {
    let _filters = filtered();
    let env = Env::new();
    for name in ["one", "two"] {
        assert_eq!(env.knarr(&format!("create {name}")).await.status, 0);
    }
    let run = env.knarr("delete clusters -A").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete clusters -A
    --- stderr ---
    deleted cluster `one` (TIME)
    deleted cluster `two` (TIME)
    kubectl's current context is `work` again
    --- exit status 0 ---
    ");
    assert_eq!((env.left(), env.kubeconfig()), (NOTHING, KUBECONFIG.to_owned()));
    let run = env.knarr("delete clusters -A").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete clusters -A
    --- stderr ---
    no cluster exists
    --- exit status 0 ---
    ");
}

/// A creation that was killed at any call leaves something that `get` shows, `create` explains and `delete` removes.
#[tokio::test(start_paused = true)]
async fn half_made_clusters() {
    let good = Env::new();
    assert_eq!(good.knarr("create dev --workers 1").await.status, 0);
    let calls = good.engine.calls();
    let begin = calls.iter().find(|c| c.changes()).expect("something is made").number;
    for call in &calls[begin - 1..] {
        let env = Env::new();
        // What a kill leaves: calls up to this one, and nobody who waits for more.
        env.engine.inject(When::Call(call.number), How::HangAfterwards);
        let killed = tokio::time::timeout(std::time::Duration::from_secs(1), env.knarr("create dev --workers 1"));
        let listening = matches!(call.operation, op::EXEC | op::INSPECT_CONTAINER);
        assert!(killed.await.is_err() || listening, "{call}");
        if env.left().is_empty() {
            continue;
        }
        let place = format!("after call {} ({call}): {:?}", call.number, env.left());
        assert_eq!(env.knarr("get clusters").await.stdout, "dev\n", "{place}");
        let again = env.knarr("create dev").await;
        assert_eq!(again.status, 6, "{place}\n{again}");
        assert!(again.stderr.contains("`knarr delete cluster dev`"), "{place}\n{again}");
        let run = env.knarr("delete cluster dev").await;
        assert_eq!((run.status, env.left(), env.kubeconfig()), (0, NOTHING, KUBECONFIG.to_owned()), "{place}\n{run}");
    }
}

/// A container of somebody else on the cluster's network.
pub async fn attach(engine: FakeEngine, network: &str) {
    engine.add_image("busybox", &Labels::new());
    let network = Attachment { network: network.into(), address: None, aliases: Vec::new() };
    let spec = ContainerSpec {
        name: "debug-shell".into(),
        image: "busybox".into(),
        network: Some(network),
        ..ContainerSpec::default()
    };
    let id = engine.create_container(&spec).await.expect("it is made");
    engine.start_container(&id).await.expect("it starts");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_container_on_the_network() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    attach(env.engine.clone(), "knarr-dev").await;
    let run = env.knarr("delete cluster dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete cluster dev
    --- stderr ---
    disconnected container `debug-shell` from network `knarr-dev`
    deleted cluster `dev` (TIME)
    kubectl's current context is `work` again
    --- exit status 0 ---
    ");
    assert_eq!((env.left(), env.kubeconfig()), (vec!["container debug-shell".to_owned()], KUBECONFIG.to_owned()));
    let shell = env.engine.inspect_container("debug-shell").await.expect("it tells").expect("it is there");
    assert_eq!(shell.state, ContainerState::Running, "it stays as it was otherwise");
}

#[tokio::test(start_paused = true)]
async fn a_foreign_container_that_docker_holds_on_to() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    attach(env.engine.clone(), "knarr-dev").await;
    env.engine.inject(When::Every(op::DISCONNECT_CONTAINER), How::Refuse(EngineErrorKind::Other));
    let run = env.knarr("delete cluster dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete cluster dev
    --- stderr ---
    failed: deleting cluster `dev` (TIME)
    error: cluster `dev` is not wholly deleted
      caused by: network `knarr-dev`: cannot disconnect container `debug-shell`: the test wants this call to fail
      removed 1 container and 1 volume
    hint: disconnect it with `docker network disconnect knarr-dev debug-shell`
    hint: then run `knarr delete cluster dev` again
    --- exit status 1 ---
    ");
    assert_eq!(env.left(), ["container debug-shell", "network knarr-dev"]);
    env.engine.heal();
    let run = env.knarr("delete cluster dev -o json -q").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr delete cluster dev -o json -q
    [
      {
        "cluster": "dev",
        "containers": [],
        "networks": [
          "knarr-dev"
        ],
        "volumes": [],
        "disconnected": [
          {
            "container": "debug-shell",
            "network": "knarr-dev"
          }
        ],
        "left": []
      }
    ]
    --- exit status 0 ---
    "#);
    assert_eq!((env.left(), env.kubeconfig()), (vec!["container debug-shell".to_owned()], KUBECONFIG.to_owned()));
}

/// A container of the cluster that cannot be removed is not taken for somebody else's.
#[tokio::test(start_paused = true)]
async fn only_the_containers_of_others_are_disconnected() {
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    env.engine.inject(When::Every(op::REMOVE_CONTAINER), How::Refuse(EngineErrorKind::Other));
    let run = env.knarr("delete cluster dev").await;
    assert_eq!(run.status, 1, "{run}");
    assert!(!run.stderr.contains("disconnected"), "{run}");
    assert!(env.engine.calls().iter().all(|call| call.operation != op::DISCONNECT_CONTAINER));
}

/// The undo of a creation meets it as well.
#[tokio::test(start_paused = true)]
async fn a_foreign_container_in_the_way_of_an_undo() {
    let _filters = filtered();
    let env = Env::new();
    let engine = env.engine.clone();
    let asked = std::sync::atomic::AtomicUsize::new(0);
    env.engine.on_exec(move |node, _| {
        match asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => drop(tokio::spawn(attach(engine.clone(), "knarr-dev"))),
            1 => {}
            _ => drop(engine.end_container(node, 137, true)),
        }
        knarr::engine::ExecOutcome::default()
    });
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    disconnected container `debug-shell` from network `knarr-dev`
    removed what this run made (TIME)
    error: node `dev-control-plane` does not run
      caused by: its container was killed for want of memory
      removed 1 container, 1 network and 1 volume
    hint: create it with `--retain` to keep the nodes, and look into `knarr logs --name dev`
    --- exit status 1 ---
    ");
    assert_eq!(env.left(), ["container debug-shell"]);
}

/// One failure at every call: the next `delete` finishes the work.
#[tokio::test(start_paused = true)]
async fn every_failure_of_docker() {
    let good = Env::new();
    assert_eq!(good.knarr("create dev --workers 1").await.status, 0);
    attach(good.engine.clone(), "knarr-dev").await;
    let begin = good.engine.calls().len();
    assert_eq!(good.knarr("delete dev").await.status, 0);
    let end = good.engine.calls().len();
    assert!(end - begin > 10, "{begin} to {end}");
    for number in begin + 1..=end {
        for how in [How::Refuse(EngineErrorKind::Other), How::LoseAnswer(EngineErrorKind::TimedOut)] {
            let env = Env::new();
            assert_eq!(env.knarr("create dev --workers 1").await.status, 0);
            attach(env.engine.clone(), "knarr-dev").await;
            env.engine.inject(When::Call(number), how);
            // One failure is overcome by looking again.
            let run = env.knarr("delete dev").await;
            let place = format!("call {number}, {how:?}\n{run}\n{}", env.engine.transcript());
            let left = vec!["container debug-shell".to_owned()];
            assert_eq!((run.status, env.left(), env.kubeconfig()), (0, left, KUBECONFIG.to_owned()), "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_named() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    env.engine.inject(When::Every(op::REMOVE_VOLUME), How::Refuse(EngineErrorKind::Other));
    let run = env.knarr("delete dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete dev
    --- stderr ---
    failed: deleting cluster `dev` (TIME)
    error: cluster `dev` is not wholly deleted
      caused by: volume `dev-control-plane-var`: the test wants this call to fail
      removed 1 container and 1 network
    hint: then run `knarr delete cluster dev` again
    --- exit status 1 ---
    ");
    assert!(env.kubeconfig().contains("knarr-dev"), "the entry stays as long as something is left");
    env.engine.heal();
    env.engine.inject(When::Every(op::LIST_CONTAINERS), How::Refuse(EngineErrorKind::Unreachable));
    env.engine.inject(When::Every(op::LIST_VOLUMES), How::Refuse(EngineErrorKind::Unreachable));
    let run = env.knarr("delete dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr delete dev
    --- stderr ---
    failed: deleting cluster `dev` (TIME)
    error: cluster `dev` is not wholly deleted
      caused by: perhaps containers, volumes, which Docker does not list: the test wants this call to fail
    hint: then run `knarr delete cluster dev` again
    --- exit status 1 ---
    ");
}
