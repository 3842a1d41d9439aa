//! The same story for a person, a CI log, a program, nobody, and a reader who went away.

use knarr::engine::{EngineErrorKind, fake};

use crate::env::{Env, filtered};

#[tokio::test(start_paused = true)]
async fn ci_gets_whole_lines_with_colour_where_it_is_a_terminal() {
    let mut env = Env::new();
    (env.environment.ci, env.environment.stderr_terminal, env.environment.dumb_terminal) = (true, true, false);
    env.engine.inject(fake::When::Call(8), fake::How::Refuse(EngineErrorKind::Other));
    let colored = env.knarr("create dev").await.stderr;
    assert!(colored.contains("\u{1b}[31mfailed:\u{1b}[0m claiming the name"), "{colored:?}");
    assert!(!colored.contains('\r') && !colored.contains("\u{1b}[2K"), "{colored:?}");
    env.environment.no_color = true;
    let plain = env.knarr("create dev --wait 0s").await.stderr;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[tokio::test(start_paused = true)]
async fn quiet_leaves_only_results_and_warnings() {
    let env = Env::new();
    let run = env.knarr("create dev -q").await;
    assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.status), ("", "", 0));
    let run = env.knarr("get clusters -q").await;
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("dev\n", ""));
}

#[tokio::test(start_paused = true)]
async fn json_is_on_both_streams() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("create dev -o json").await;
    insta::assert_snapshot!(run.stderr, @r#"
    {"event":"stepStarted","id":1,"time":"NOW","title":"creating the network"}
    {"event":"stepDone","id":1,"seconds":TIME,"time":"NOW","title":"created the network"}
    {"event":"stepStarted","id":2,"time":"NOW","title":"claiming the name"}
    {"event":"stepDone","id":2,"seconds":TIME,"time":"NOW","title":"claimed the name"}
    {"event":"stepStarted","id":3,"time":"NOW","title":"starting 1 node"}
    {"event":"stepDone","id":3,"seconds":TIME,"time":"NOW","title":"started 1 node"}
    {"event":"stepStarted","id":4,"time":"NOW","title":"waiting for the API server"}
    {"detail":"etcd is starting","event":"stepProgress","id":4,"time":"NOW"}
    {"detail":"kube-apiserver is starting","event":"stepProgress","id":4,"time":"NOW"}
    {"event":"stepDone","id":4,"seconds":TIME,"time":"NOW","title":"the API server answers"}
    {"event":"stepStarted","id":5,"time":"NOW","title":"granting rights to the components"}
    {"event":"stepDone","id":5,"seconds":TIME,"time":"NOW","title":"granted rights to the components"}
    {"event":"stepStarted","id":6,"time":"NOW","title":"installing the cluster DNS and adopting the nodes"}
    {"event":"stepDone","id":6,"seconds":TIME,"time":"NOW","title":"installed the cluster DNS and adopted the nodes"}
    {"event":"stepStarted","id":7,"time":"NOW","title":"waiting until the cluster is usable"}
    {"event":"stepDone","id":7,"seconds":TIME,"time":"NOW","title":"the cluster is usable"}
    {"event":"stepStarted","id":8,"time":"NOW","title":"switching on the addons"}
    {"event":"stepDone","id":8,"seconds":TIME,"time":"NOW","title":"switched on the addons"}
    {"event":"note","text":"kubectl's current context was `work`; it comes back when the cluster is deleted","time":"NOW"}
    "#);
    serde_json::from_str::<serde_json::Value>(&run.stdout).expect("stdout is one JSON document");
    for line in run.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("every line of stderr is JSON");
    }
    let run = env.knarr("create dev -o json").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr create dev -o json
    --- stderr ---
    {"error":{"causes":[],"details":[],"evidence":[],"exitCode":6,"hints":["use it with `knarr kubectl --name dev get nodes`, or see `knarr status dev`","remove it with `knarr delete cluster dev`, or choose another name with `--name`"],"id":"already-exists","message":"cluster `dev` exists already","state":"nothing was created"}}
    --- exit status 6 ---
    "#);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_went_away_is_no_failure() {
    let mut env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    env.stdout_open = false;
    for words in ["get clusters", "get nodes --name dev -o json", "config schema", "completion bash", "--help"] {
        let run = env.knarr(words).await;
        assert_eq!((run.stdout.as_str(), run.stderr.as_str(), run.status), ("", "", 0), "{run}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists() {
    let _filters = filtered();
    let env = Env::new();
    insta::assert_snapshot!(env.knarr("get clusters").await, @r"
    $ knarr get clusters
    --- stderr ---
    no cluster exists; create one with `knarr create cluster`
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.knarr("get nodes -A").await, @r"
    $ knarr get nodes -A
    --- stderr ---
    no node exists
    --- exit status 0 ---
    ");
    assert_eq!(env.knarr("create dev --workers 1").await.status, 0);
    assert_eq!(env.knarr("create other").await.status, 0);
    insta::assert_snapshot!(env.knarr("get clusters").await, @r"
    $ knarr get clusters
    dev
    other
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.knarr("get nodes -A").await, @r"
    $ knarr get nodes -A
    NAME                 ROLE           STATE    ADDRESS     CLUSTER
    dev-control-plane    control-plane  running  172.29.0.2  dev
    dev-worker           worker         running  172.29.0.3  dev
    other-control-plane  control-plane  running  172.29.1.2  other
    --- exit status 0 ---
    ");
    let run = env.knarr("get nodes --name other -o json").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr get nodes --name other -o json
    [
      {
        "addresses": [
          "172.29.1.2"
        ],
        "image": "knarr.dev/node:v1.36.X",
        "name": "other-control-plane",
        "role": "control-plane",
        "state": "running"
      }
    ]
    --- exit status 0 ---
    "#);
    insta::assert_snapshot!(env.knarr("get nodes --name nope").await, @r"
    $ knarr get nodes --name nope
    --- stderr ---
    error: there is no cluster `nope`
      caused by: these exist: `dev`, `other`
    hint: name one of them with `--name`
    --- exit status 7 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn status() {
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    let run = env.knarr("status dev").await;
    insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\dT[0-9:]+Z", "[WHEN EXACTLY]   "), (r"\b36[45]\b", "DAYS")]}, {
        insta::assert_snapshot!(run, @r"
        $ knarr status dev
        cluster dev is Running

        NODE               CONTAINER  KUBERNETES     COMPONENT                STATE  RESTARTS
        dev-control-plane  running    Ready v1.36.0  containerd               ready  0
                                                     etcd                     ready  0
                                                     kube-apiserver           ready  0
                                                     kubelet                  ready  0
                                                     kube-scheduler           ready  0
                                                     kube-controller-manager  ready  0
                                                     kube-proxy               ready  0

        certificates: 18, the first ends in DAYS days (`knarr certs check dev` lists them)
        --- exit status 0 ---
        ");
    });
    env.engine.end_container("dev-control-plane", 137, true);
    let run = env.knarr("status dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr status dev
    cluster dev is Stopped
      container `dev-control-plane` is exited

    NODE               CONTAINER  KUBERNETES  COMPONENT  STATE  RESTARTS
    dev-control-plane  exited     unknown
    --- stderr ---
    error: cluster `dev` is stopped
    hint: start it with `knarr start dev`
    --- exit status 5 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn load_and_exec() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev --workers 1").await.status, 0);
    env.engine.add_image("app:1", &knarr::engine::Labels::new());
    let run = env.knarr("load docker-image app:1 --name dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr load docker-image app:1 --name dev
    --- stderr ---
    loaded docker.io/library/app:1 into 2 nodes (TIME)
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.knarr("load docker-image app:2 --name dev").await, @r"
    $ knarr load docker-image app:2 --name dev
    --- stderr ---
    error: image `app:2` is not in the host's Docker
      nothing was loaded
    hint: see what is there with `docker images`, or fetch it with `docker pull app:2`
    --- exit status 7 ---
    ");
    let engine = env.engine.clone();
    env.engine.on_exec(move |node, exec| match exec.argv[0].as_str() {
        "hostname" => crate::env::printed(format!("{node}\n")),
        "false" => knarr::engine::ExecOutcome { status: 3, stderr: b"no\n".to_vec(), ..Default::default() },
        _ => crate::env::healthy(&engine, node, exec),
    });
    insta::assert_snapshot!(env.knarr("exec dev-worker hostname").await, @r"
    $ knarr exec dev-worker hostname
    dev-worker
    --- exit status 0 ---
    ");
    insta::assert_snapshot!(env.knarr("exec dev-worker false").await, @r"
    $ knarr exec dev-worker false
    --- stderr ---
    no
    --- exit status 3 ---
    ");
    insta::assert_snapshot!(env.knarr("exec nope hostname").await, @r"
    $ knarr exec nope hostname
    --- stderr ---
    error: there is no node `nope`
    hint: list the nodes with `knarr get nodes -A`
    --- exit status 7 ---
    ");
}

/// What `get kubeconfig` prints leads to the same place as what `create` wrote; `export` is content with it.
#[tokio::test(start_paused = true)]
async fn kubeconfig() {
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    let run = env.knarr("get kubeconfig --name dev").await;
    let server = run.stdout.lines().find(|line| line.contains("server: ")).expect("it names a server").trim();
    assert!(env.kubeconfig().contains(server), "{server}\n{}", env.kubeconfig());
    let inside = env.knarr("get kubeconfig --name dev --internal").await;
    assert!(inside.stdout.contains("https://dev-control-plane:6443"), "{inside}");
    for _ in 0..2 {
        let again = env.knarr("export kubeconfig --name dev").await;
        assert_eq!(again.status, 0, "{again}");
        assert!(env.kubeconfig().contains(server));
    }
    insta::assert_snapshot!(env.knarr("export kubeconfig --name dev").await, @r"
    $ knarr export kubeconfig --name dev
    --- stderr ---
    context `knarr-dev` was as it should be
    --- exit status 0 ---
    ");
    assert_eq!(env.knarr("delete dev").await.status, 0);
    assert_eq!(env.kubeconfig(), crate::env::KUBECONFIG);
}
