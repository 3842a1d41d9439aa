//! `knarr create`: what it asks of Docker and Kubernetes, what it prints, what it writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use knarr::engine::EngineErrorKind::{AddressTaken, PortTaken};
use knarr::engine::fake::{FakeEngine, How, When};
use knarr::engine::{ExecOutcome, op};
use knarr_contract::ComponentState;

use crate::env::{Env, KUBECONFIG, agent, filtered, printed};

#[tokio::test(start_paused = true)]
async fn one_node() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("create").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    the API server answers (TIME)
    granted rights to the components (TIME)
    installed the cluster DNS and adopted the nodes (TIME)
    the cluster is usable (TIME)
    switched on the addons (TIME)
    kubectl's current context was `work`; it comes back when the cluster is deleted
    starting in the background: load-balancer, metrics-server, network-policy, storage; see them with `knarr addons list --name knarr`
    cluster `knarr` is ready; try `kubectl --context knarr-knarr get nodes`
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.engine.transcript(), @r"
    ask Docker at `fake://`
    list containers labelled `dev.knarr.cluster`
    list networks of `fake://`
    list volumes labelled `dev.knarr.cluster`
    find image `knarr.dev/node:v1.36.X`
    list networks of `fake://`
    create network `knarr-knarr`
    create container `knarr-control-plane`
    put files into `ID`
    start container `ID`
    run a program in container `knarr-control-plane`
    inspect container `knarr-control-plane`
    run a program in container `knarr-control-plane`
    ");
    let journal = env.kubernetes.journal();
    let (boot, addons) = journal.split_at(journal.iter().position(|l| l == "first Pod").expect("it is awaited") + 1);
    assert!(addons.iter().all(|line| line.starts_with("apply ")), "{addons:?}");
    assert!(addons.contains(&"apply Deployment kube-system/metrics-server".to_owned()), "{addons:?}");
    insta::assert_snapshot!(boot.join("\n"), @r"
    answers
    apply ClusterRoleBinding knarr:cluster-admins, ClusterRoleBinding knarr:apiserver-kubelet-client, ClusterRoleBinding knarr:node-autoapprove-certificate-rotation
    adopt knarr-control-plane
    apply ServiceAccount kube-system/coredns, ClusterRole system:coredns, ClusterRoleBinding system:coredns, ConfigMap kube-system/coredns, Service kube-system/kube-dns, Deployment kube-system/coredns
    nodes ready knarr-control-plane
    default ServiceAccount
    first Pod
    ");
    insta::assert_snapshot!(env.left().join("\n"), @r"
    container knarr-control-plane
    network knarr-knarr
    volume knarr-control-plane-var
    ");
    let kubeconfig = env.kubeconfig();
    assert!(kubeconfig.contains("current-context: knarr-knarr"), "{kubeconfig}");
    assert!(kubeconfig.contains("https://work.example.com"), "{kubeconfig}");
}

#[tokio::test(start_paused = true)]
async fn a_control_plane_and_two_workers() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("create cluster dev --workers 2 --timings").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create cluster dev --workers 2 --timings
    first container started  TIME
    etcd                     TIME
    API answering            TIME
    first Node registered    TIME
    nodes Ready              TIME
    first Pod Running        TIME
    DNS answering            TIME
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 3 nodes (TIME)
    the API server answers (TIME)
    granted rights to the components (TIME)
    installed the cluster DNS and adopted the nodes (TIME)
    the cluster is usable (TIME)
    switched on the addons (TIME)
    kubectl's current context was `work`; it comes back when the cluster is deleted
    starting in the background: load-balancer, metrics-server, network-policy, storage; see them with `knarr addons list --name dev`
    cluster `dev` is ready; try `kubectl --context knarr-dev get nodes`
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.engine.changes(), @r"
    create network `knarr-dev`
    create container `dev-control-plane`
    put files into `ID`
    create container `dev-worker`
    create container `dev-worker2`
    start container `ID`
    put files into `ID`
    put files into `ID`
    start container `ID`
    start container `ID`
    run a program in container `dev-control-plane`
    run a program in container `dev-worker2`
    run a program in container `dev-worker`
    run a program in container `dev-control-plane`
    run a program in container `dev-worker` ...
    run a program in container `dev-worker2` ...
    ");
    insta::assert_snapshot!(env.left().join("\n"), @r"
    container dev-control-plane
    container dev-worker
    container dev-worker2
    network knarr-dev
    volume dev-control-plane-var
    volume dev-worker-var
    volume dev-worker2-var
    ");
}

#[tokio::test(start_paused = true)]
async fn the_result_as_json() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("create dev --workers 1 -o json -q").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr create dev --workers 1 -o json -q
    {
      "addons": {
        "load-balancer": {},
        "metrics-server": {},
        "network-policy": {},
        "storage": {}
      },
      "api": "https://127.0.0.1:PORT",
      "applied": [],
      "cluster": "dev",
      "context": "knarr-dev",
      "createId": "UUID",
      "expires": null,
      "nodes": [
        {
          "address": "172.29.0.2",
          "limits": {},
          "name": "dev-control-plane",
          "role": "control-plane"
        },
        {
          "address": "172.29.0.3",
          "limits": {},
          "name": "dev-worker",
          "role": "worker"
        }
      ],
      "owner": null,
      "timings": [
        {
          "milestone": "first container started",
          "seconds": TIME
        },
        {
          "milestone": "etcd",
          "seconds": TIME
        },
        {
          "milestone": "API answering",
          "seconds": TIME
        },
        {
          "milestone": "first Node registered",
          "seconds": TIME
        },
        {
          "milestone": "nodes Ready",
          "seconds": TIME
        },
        {
          "milestone": "first Pod Running",
          "seconds": TIME
        },
        {
          "milestone": "DNS answering",
          "seconds": TIME
        }
      ]
    }
    --- exit status 0 ---
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing() {
    let env = Env::new();
    let run = env.knarr("create dev --dry-run").await;
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stdout.contains("container dev-control-plane image knarr.dev/node"), "{run}");
    assert_eq!(env.engine.changes(), "");
    assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn without_a_kubeconfig_none_is_touched() {
    let env = Env::new();
    let run = env.knarr("create dev --no-kubeconfig").await;
    assert_eq!((run.status, env.kubeconfig().as_str()), (0, KUBECONFIG), "{run}");
    assert!(run.stderr.contains("knarr get kubeconfig --name dev"), "{run}");
}

#[tokio::test(start_paused = true)]
async fn a_config_comes_from_stdin() {
    let mut env = Env::new();
    env.stdin = b"apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nname: piped\n".to_vec();
    let run = env.knarr("create -c -").await;
    assert_eq!(run.status, 0, "{run}");
    assert!(env.left().contains(&"container piped-control-plane".to_owned()));
}

/// A port or subnet that was ours to choose and is taken is chosen again, 20 times in all.
#[tokio::test(start_paused = true)]
async fn what_knarr_chose_is_chosen_again() {
    for (operation, kind) in [(op::START_CONTAINER, PortTaken), (op::CREATE_NETWORK, AddressTaken)] {
        for times in [19, 20] {
            let env = Env::new();
            for n in 1..=times {
                env.engine.inject(When::Nth(operation, n), How::Refuse(kind));
            }
            let run = env.knarr("create dev").await;
            assert_eq!(run.status, if times == 19 { 0 } else { 4 }, "{run}");
            assert_eq!(run.stderr.matches("trying again with another choice").count(), 19, "{run}");
            assert_eq!(env.left().is_empty(), times == 20, "{:?}", env.left());
        }
    }
}

/// A port or subnet that the user chose is not replaced by another.
#[tokio::test(start_paused = true)]
async fn what_the_user_chose_is_an_error() {
    let subnet = "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnetworking: {nodeSubnet: 172.20.0.0/24}\n";
    for (words, operation, kind) in [
        ("create dev --api-port 16443", op::START_CONTAINER, PortTaken),
        ("create dev --config -", op::CREATE_NETWORK, AddressTaken),
    ] {
        let mut env = Env::new();
        env.stdin = subnet.into();
        env.engine.inject(When::Nth(operation, 1), How::Refuse(kind));
        let run = env.knarr(words).await;
        assert_eq!(run.status, 4, "{run}");
        assert!(!run.stderr.contains("trying again"), "{run}");
        assert_eq!(env.left(), Vec::<String>::new());
    }
}

/// Which component of a node does what, from the second status on.
fn let_component(engine: &FakeEngine, name: &'static str, exits: u32, ready: bool) {
    let (agents, asked) = (engine.clone(), Arc::new(AtomicUsize::new(0)));
    engine.on_exec(move |node, exec| {
        if exec.argv[0] == "tail" {
            return printed(format!("E1123 starting\nF1123 {name}: no such flag\n"));
        }
        agent(&agents, node, exec, |status| {
            let exits = if asked.fetch_add(1, Ordering::Relaxed) == 0 { 0 } else { exits };
            for component in status.components.iter_mut().filter(|c| c.name == name) {
                component.ready = ready;
                component.state = ComponentState::BackOff;
                (component.restarts, component.recent_exits) = (exits, exits);
                component.last_exit = Some("exit status 1".into());
                component.waiting_for = Some("the next start in 2s".into());
            }
        })
    });
}

#[tokio::test(start_paused = true)]
async fn a_component_that_dies_again_and_again() {
    let _filters = filtered();
    let env = Env::new();
    let_component(&env.engine, "kube-apiserver", 3, false);
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    removed what this run made (TIME)
    error: `kube-apiserver` on `dev-control-plane` dies again and again
      caused by: it exited 3 times within a minute, last with exit status 1
        E1123 starting
        F1123 kube-apiserver: no such flag
      removed 1 container, 1 network and 1 volume
    hint: create it with `--retain` to keep the nodes, and look into `knarr logs --name dev`
    --- exit status 1 ---
    ");
    assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_says_what_was_waited_for() {
    let _filters = filtered();
    let env = Env::new();
    let_component(&env.engine, "kube-apiserver", 0, false);
    let began = tokio::time::Instant::now();
    let run = env.knarr("create dev --wait 30s").await;
    assert!((30..36).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --wait 30s
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    removed what this run made (TIME)
    error: cluster `dev` did not become usable within 30s
      caused by: `kube-apiserver` on `dev-control-plane` still waits: the next start in 2s; it last ended with exit status 1
        E1123 starting
        F1123 kube-apiserver: no such flag
      removed 1 container, 1 network and 1 volume
    hint: create it with `--retain` to keep the nodes, and look into `knarr logs --name dev`
    --- exit status 5 ---
    ");
    assert_eq!(env.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_exits_at_once() {
    let _filters = filtered();
    let env = Env::new();
    let engine = env.engine.clone();
    env.engine.on_exec(move |node, _| {
        engine.print(node, "knarr-node: cannot mount cgroup2: permission denied");
        engine.end_container(node, 1, false);
        ExecOutcome { status: 1, ..ExecOutcome::default() }
    });
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    removed what this run made (TIME)
    error: node `dev-control-plane` does not run
      caused by: its container is exited with status 1
        knarr-node: cannot mount cgroup2: permission denied
      removed 1 container, 1 network and 1 volume
    hint: create it with `--retain` to keep the nodes, and look into `knarr logs --name dev`
    --- exit status 1 ---
    ");
    assert_eq!(env.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_kept_on_demand() {
    let _filters = filtered();
    let env = Env::new();
    let_component(&env.engine, "etcd", 3, false);
    let run = env.knarr("create dev --retain").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --retain
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    error: `etcd` on `dev-control-plane` dies again and again
      caused by: it exited 3 times within a minute, last with exit status 1
        E1123 starting
        F1123 etcd: no such flag
      what was made is kept because of `--retain`
    hint: look at it with `knarr export logs DIR --name dev`; remove it with `knarr delete cluster dev`
    --- exit status 1 ---
    ");
    assert_eq!(env.left(), ["container dev-control-plane", "network knarr-dev", "volume dev-control-plane-var"]);
    assert_eq!(env.kubeconfig(), KUBECONFIG);
}
