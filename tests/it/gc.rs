//! `knarr gc` and `--ttl`: what goes, what only looks as if it should, and how everybody is told.

use std::path::Path;

use knarr::engine::fake::{How, When};
use knarr::engine::{ContainerSpec, Engine, EngineErrorKind, Labels, MountSource, MountSpec, NetworkSpec, op};
use knarr::image::versions;
use knarr::kubeconfig::{Entry, Options, Paths, Store};
use knarr::plan::names;

use crate::delete::attach;
use crate::env::{Env, KUBECONFIG, filtered};

/// When the fake's objects come into being, in seconds since 1970: 2023-11-14T22:13:20Z.
const BEGIN: i64 = 1_700_000_000;
const PAST: &str = "2023-11-14T23:00:00Z";
const FUTURE: &str = "2023-11-15T12:00:00Z";

/// A machine on which it is so many seconds after everything was made.
fn after(seconds: i64) -> Env {
    let env = Env::new();
    env.engine.set_info(|info| info.clock = Some(BEGIN + seconds));
    env
}

fn labels(cluster: &str, expires: Option<&str>) -> Labels {
    let mut labels = Labels::from([
        (names::CLUSTER.into(), cluster.into()),
        (names::CREATE_ID.into(), format!("id-{cluster}")),
        (names::OWNER.into(), "ci:7".into()),
    ]);
    labels.extend(expires.map(|at| (names::EXPIRES.into(), at.into())));
    labels
}

async fn network(env: &Env, cluster: &str, third: u8, expires: Option<&str>) {
    let subnet: ipnet::Ipv4Net = format!("10.9.{third}.0/24").parse().expect("a network");
    let spec = NetworkSpec {
        name: names::network(cluster),
        labels: labels(cluster, expires),
        subnet,
        gateway: [10, 9, third, 1].into(),
        ip_range: subnet,
    };
    env.engine.create_network(&spec).await.expect("made");
}

/// A control plane with its volume, not yet started.
async fn node(env: &Env, cluster: &str, expires: Option<&str>) {
    let name = format!("{cluster}-control-plane");
    let mut labels = labels(cluster, expires);
    labels.insert(names::ROLE.into(), "control-plane".into());
    let volume = MountSpec {
        source: MountSource::Volume { name: names::volume(&name), labels: labels.clone() },
        target: "/var".into(),
        read_only: false,
        propagation: String::new(),
        selinux_relabel: false,
    };
    let image = versions::default_reference();
    let spec = ContainerSpec { name, image, labels, mounts: vec![volume], ..ContainerSpec::default() };
    env.engine.create_container(&spec).await.expect("made");
}

/// A cluster whose control plane runs.
async fn cluster(env: &Env, name: &str, third: u8, expires: Option<&str>) {
    network(env, name, third, expires).await;
    node(env, name, expires).await;
    env.engine.start_container(&format!("{name}-control-plane")).await.expect("started");
}

fn store(path: &Path) -> Store {
    let paths = Paths::choose(Some(path), None, None).expect("a path").expect("a file");
    Store::new(paths, Options::default())
}

/// Puts an entry of a cluster into the kubeconfig, as made on this Docker.
fn entry(env: &Env, cluster: &str, docker: &str) {
    let entry = Entry {
        cluster: cluster.into(),
        create_id: format!("id-{cluster}"),
        docker: docker.into(),
        server: "https://127.0.0.1:6443".into(),
        ca_pem: "ca".into(),
        client_cert_pem: "cert".into(),
        client_key_pem: "key".to_owned().into(),
    };
    store(&env.kubeconfig_path()).merge(&entry, false, &|| false).expect("written");
}

async fn docker_id(env: &Env) -> String {
    env.engine.info().await.expect("it tells").id
}

/// Something of each sort, at a time when all of it is old.
async fn one_of_each() -> Env {
    let env = after(7200);
    let here = docker_id(&env).await;
    cluster(&env, "expired", 1, Some(PAST)).await;
    cluster(&env, "going-on", 2, Some(FUTURE)).await;
    cluster(&env, "for-ever", 3, None).await;
    network(&env, "half", 4, None).await;
    node(&env, "half", None).await;
    network(&env, "left", 5, None).await;
    env.engine.create_volume("left-worker-var", &labels("left", None)).await.expect("made");
    // Whose control plane was removed by hand, with a worker that still runs.
    cluster(&env, "headless", 6, None).await;
    let mut worker = env.engine.spec("headless-control-plane").expect("it is there");
    worker.name = "headless-worker".into();
    worker.labels.insert(names::ROLE.into(), "worker".into());
    env.engine.create_container(&worker).await.expect("made");
    env.engine.start_container("headless-worker").await.expect("started");
    env.engine.remove_container("headless-control-plane").await.expect("removed");
    // What is not ours, even if its name looks like it.
    env.engine
        .create_volume("half-worker-var", &Labels::from([("dev.knarr.cluster".into(), "half".into())]))
        .await
        .expect("made");
    env.engine.create_volume("data", &Labels::new()).await.expect("made");
    env.engine.add_image("busybox", &Labels::new());
    let spec = ContainerSpec { name: "shell".into(), image: "busybox".into(), ..ContainerSpec::default() };
    env.engine.create_container(&spec).await.expect("made");
    for (cluster, docker) in
        [("expired", ""), ("for-ever", &here), ("gone", &here), ("unknown", ""), ("elsewhere", "another")]
    {
        entry(&env, cluster, docker);
    }
    env
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_lists_every_object_and_changes_nothing() {
    let env = one_of_each().await;
    let (left, kubeconfig, changes) = (env.left(), env.kubeconfig(), env.engine.changes());
    let run = env.knarr("gc --dry-run").await;
    insta::assert_snapshot!(run);
    let run = env.knarr("gc --dry-run -o json -q").await;
    insta::assert_snapshot!(run);
    assert_eq!((env.left(), env.kubeconfig(), env.engine.changes()), (left, kubeconfig, changes));
}

#[tokio::test(start_paused = true)]
async fn exactly_that_is_removed() {
    let _filters = filtered();
    let env = one_of_each().await;
    let run = env.knarr("gc").await;
    insta::assert_snapshot!(run);
    insta::assert_snapshot!(env.left().join("\n"));
    let kubeconfig = env.kubeconfig();
    for (context, there) in [
        ("knarr-expired", false),
        ("knarr-gone", false),
        ("knarr-for-ever", true),
        ("knarr-unknown", true),
        ("knarr-elsewhere", true),
        ("name: work", true),
    ] {
        assert_eq!(kubeconfig.contains(context), there, "{context}\n{kubeconfig}");
    }
    let again = env.knarr("gc").await;
    insta::assert_snapshot!(again);
    assert_eq!(env.kubeconfig(), kubeconfig);
}

#[tokio::test(start_paused = true)]
async fn the_result_as_json() {
    let env = after(7200);
    cluster(&env, "expired", 1, Some(PAST)).await;
    let run = env.knarr("gc -o json -q").await;
    insta::assert_snapshot!(run, @r#"
    $ knarr gc -o json -q
    [
      {
        "outcome": "removed",
        "cluster": "expired",
        "createId": "id-expired",
        "reason": "expired",
        "why": "it expired 1h 13m ago, at 2023-11-14T23:00:00Z",
        "expires": "2023-11-14T23:00:00Z",
        "owner": "ci:7",
        "containers": [
          "expired-control-plane"
        ],
        "networks": [
          "knarr-expired"
        ],
        "volumes": [
          "expired-control-plane-var"
        ],
        "connected": [],
        "kubeconfigs": [],
        "left": []
      }
    ]
    --- exit status 0 ---
    "#);
    assert_eq!(env.left(), [""; 0]);
}

/// What is young may be being made right now.
#[tokio::test(start_paused = true)]
async fn creations_under_way_are_left_alone() {
    let env = after(60);
    network(&env, "beginning", 1, None).await;
    network(&env, "half", 2, None).await;
    node(&env, "half", None).await;
    let left = env.left();
    let run = env.knarr("gc").await;
    assert_eq!((run.stderr.as_str(), run.status, env.left()), ("there is nothing to remove\n", 0, left), "{run}");
}

/// What Docker does not list must not be taken for absent.
#[tokio::test(start_paused = true)]
async fn a_list_that_fails_removes_nothing() {
    for list in [op::LIST_CONTAINERS, op::LIST_NETWORKS, op::LIST_VOLUMES, op::INFO] {
        let env = one_of_each().await;
        let (left, kubeconfig) = (env.left(), env.kubeconfig());
        env.engine.inject(When::Every(list), How::Refuse(EngineErrorKind::Other));
        let run = env.knarr("gc").await;
        assert!(run.status == 1 && run.stderr.contains("nothing was removed"), "{list}: {run}");
        assert_eq!((env.left(), env.kubeconfig()), (left, kubeconfig), "{list}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_told() {
    let _filters = filtered();
    let env = after(7200);
    cluster(&env, "expired", 1, Some(PAST)).await;
    entry(&env, "expired", "");
    env.engine.inject(When::Every(op::REMOVE_VOLUME), How::Refuse(EngineErrorKind::Other));
    insta::assert_snapshot!(env.knarr("gc").await, @r"
    $ knarr gc
    --- stderr ---
    failed: removing cluster `expired` (TIME)
    error: cluster `expired` is not wholly deleted
      caused by: volume `expired-control-plane-var`: the test wants this call to fail
      removed 1 container and 1 network
    hint: then run `knarr gc` again
    --- exit status 1 ---
    ");
    assert!(env.kubeconfig().contains("knarr-expired"), "the entry stays as long as the cluster does");
    env.engine.heal();
    // The volume alone still says that it expired.
    assert_eq!(env.knarr("gc").await.status, 0);
    assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn containers_of_others_are_taken_off_networks_that_go() {
    let _filters = filtered();
    let env = after(7200);
    cluster(&env, "expired", 1, Some(PAST)).await;
    attach(env.engine.clone(), "knarr-expired").await;
    insta::assert_snapshot!(env.knarr("gc --dry-run").await, @r"
    $ knarr gc --dry-run
    KIND        NAME                       CLUSTER  WHY
    container   expired-control-plane      expired  it expired 1h 13m ago, at 2023-11-14T23:00:00Z
    network     knarr-expired              expired  it expired 1h 13m ago, at 2023-11-14T23:00:00Z
    volume      expired-control-plane-var  expired  it expired 1h 13m ago, at 2023-11-14T23:00:00Z
    connection  debug-shell                expired  it is on network `knarr-expired`; the container stays
    --- exit status 0 ---
    ");
    assert!(env.left().contains(&"container expired-control-plane".to_owned()));
    insta::assert_snapshot!(env.knarr("gc").await, @r"
    $ knarr gc
    --- stderr ---
    disconnected container `debug-shell` from network `knarr-expired`
    removed cluster `expired`: it expired 1h 13m ago, at 2023-11-14T23:00:00Z (TIME)
    --- exit status 0 ---
    ");
    assert_eq!(env.left(), ["container debug-shell"]);
}

#[tokio::test(start_paused = true)]
async fn a_broken_kubeconfig_stops_it_before_anything_is_removed() {
    let env = one_of_each().await;
    std::fs::write(env.kubeconfig_path(), "clusters: 7\n").expect("written");
    let left = env.left();
    let run = env.knarr("gc").await;
    assert!(run.status == 4 && run.stderr.contains("cannot use kubeconfig"), "{run}");
    assert_eq!(env.left(), left);
    assert_eq!(env.knarr("gc --kubeconfig -").await.status, 0);
    assert_ne!(env.left(), left);
}

/// Every creation removes what has expired, also what has its own name, in a line each.
#[tokio::test(start_paused = true)]
async fn a_creation_removes_what_has_expired() {
    let _filters = filtered();
    let env = Env::new();
    cluster(&env, "dev", 1, Some(PAST)).await;
    cluster(&env, "old", 2, Some(PAST)).await;
    cluster(&env, "for-ever", 3, None).await;
    network(&env, "half", 4, None).await;
    entry(&env, "old", "");
    let before = env.left();
    let dry = env.knarr("create dev --dry-run").await;
    assert_eq!((dry.status, env.left()), (0, before), "a dry run changes nothing\n{dry}");
    let run = env.knarr("create dev").await;
    assert_eq!(run.status, 0, "{run}");
    let gone: Vec<&str> = run.stderr.lines().filter(|line| line.contains("expired")).collect();
    insta::with_settings!({filters => vec![(r"expired \d+d( \d+h)? ago", "expired AGES ago"), (r"\d\.\d+s", "TIME")]}, {
        insta::assert_snapshot!(gone.join("\n"), @r"
        removed cluster `dev`: it expired AGES ago, at 2023-11-14T23:00:00Z (TIME)
        removed cluster `old`: it expired AGES ago, at 2023-11-14T23:00:00Z (TIME)
        ");
    });
    let left = env.left();
    for (object, there) in [
        ("container dev-control-plane", true),
        ("container for-ever-control-plane", true),
        ("network knarr-half", true),
        ("container old-control-plane", false),
        ("volume old-control-plane-var", false),
        ("network knarr-old", false),
    ] {
        assert_eq!(left.iter().any(|o| o == object), there, "{object}: {left:?}");
    }
    assert!(!env.kubeconfig().contains("knarr-old"));
}

#[tokio::test(start_paused = true)]
async fn a_creation_does_not_fail_because_of_others() {
    let env = Env::new();
    cluster(&env, "old", 1, Some(PAST)).await;
    env.engine.inject(When::Every(op::REMOVE_CONTAINER), How::Refuse(EngineErrorKind::Other));
    let run = env.knarr("create dev").await;
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.contains("warning: expired clusters are still there: "), "{run}");
    env.engine.heal();
    env.engine.inject(When::Every(op::REMOVE_VOLUME), How::Hang);
    let run = env.knarr("create other").await;
    assert!(run.status == 0 && run.stderr.contains("Docker did not remove them within 20s"), "{run}");
}

/// A creation asks Docker nothing more because of this when nothing has expired.
#[tokio::test(start_paused = true)]
async fn a_creation_looks_no_further_than_it_must() {
    let (alone, beside) = (Env::new(), Env::new());
    cluster(&beside, "going-on", 1, Some("2999-01-01T00:00:00Z")).await;
    cluster(&beside, "for-ever", 2, None).await;
    let begin = beside.engine.calls().len();
    for env in [&alone, &beside] {
        assert_eq!(env.knarr("create dev").await.status, 0);
    }
    let lists = |env: &Env, from: usize| {
        env.engine.calls()[from..].iter().filter(|call| call.operation == op::LIST_VOLUMES).count()
    };
    assert_eq!(lists(&alone, 0), lists(&beside, begin));
}

/// A clean-up and a creation of one name at the same time: the old goes, the new one is whole.
#[tokio::test(start_paused = true)]
async fn beside_a_creation_of_the_same_name() {
    let one = Env::new();
    assert_eq!(one.knarr("create dev --workers 1").await.status, 0);
    for round in 0..60 {
        let env = Env::new();
        cluster(&env, "dev", 1, Some(PAST)).await;
        // What is new from here on is young.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
        env.engine.let_time_pass(i64::try_from(now.as_secs()).expect("it is long before the end") - BEGIN);
        entry(&env, "dev", "");
        let late = |words: &'static str, turns: usize| {
            let env = &env;
            async move {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                }
                env.knarr(words).await
            }
        };
        let (cleaned, again, created) =
            tokio::join!(late("gc", round), late("gc", 60 - round), late("create dev --workers 1", 30));
        for run in [&cleaned, &again, &created] {
            assert_eq!(run.status, 0, "round {round}\n{cleaned}\n{again}\n{created}");
        }
        assert_eq!(env.left(), one.left(), "round {round}\n{cleaned}\n{again}\n{created}");
        let found = store(&env.kubeconfig_path()).find("dev").expect("readable").expect("it is there");
        assert_ne!(found.entry.create_id, "id-dev", "round {round}");
    }
}

/// The end and the owner are on everything, and are told.
#[tokio::test(start_paused = true)]
async fn a_cluster_with_an_end() {
    let _filters = filtered();
    let mut env = Env::new();
    env.environment.owner = Some("github:acme/web:77:1".into());
    let run = env.knarr("create dev --ttl 2h").await;
    assert_eq!(run.status, 0, "{run}");
    let specs = env.engine.spec("dev-control-plane").expect("it is there");
    let end = specs.labels[names::EXPIRES].clone();
    assert!(run.stderr.contains(&format!("it expires at {end}; ")), "{run}");
    let network = env.engine.list_networks().await.expect("listed").remove(0);
    let volume = env.engine.list_volumes(names::CLUSTER).await.expect("listed").remove(0);
    for labels in [&specs.labels, &network.labels, &volume.labels] {
        assert_eq!((&labels[names::EXPIRES], labels[names::OWNER].as_str()), (&end, "github:acme/web:77:1"));
    }
    for words in ["get clusters -o json", "status dev -o json"] {
        let json: serde_json::Value = serde_json::from_str(&env.knarr(words).await.stdout).expect("JSON");
        let cluster = json.get(0).unwrap_or(&json);
        assert_eq!((&cluster["expires"], &cluster["owner"]), (&end.as_str().into(), &"github:acme/web:77:1".into()));
    }
    let status = env.knarr("status dev").await;
    insta::with_settings!({filters => vec![(r"1h 59m|2h", "LEFT"), (r"\d{4}-\d\d-\d\dT[0-9:]+Z", "END")]}, {
        insta::assert_snapshot!(status.stdout.lines().take(3).collect::<Vec<_>>().join("\n"), @r"
        cluster dev is Running
        time left: LEFT; it expires at END
        made by github:acme/web:77:1
        ");
    });
    env.environment.stdout_terminal = true;
    let list = env.knarr("get clusters").await;
    insta::with_settings!({filters => vec![(r"1h 59m|2h", "LEFT")]}, {
        insta::assert_snapshot!(list, @r"
        $ knarr get clusters
        NAME  STATE    NODES  TIME LEFT
        dev   Running  1      LEFT
        --- exit status 0 ---
        ");
    });
    let gc = env.knarr("gc").await;
    assert_eq!((gc.stderr.as_str(), gc.status), ("there is nothing to remove\n", 0));
    let mark = env.kubeconfig();
    assert!(mark.contains(&format!("docker: {}", docker_id(&env).await)), "{mark}");
}

#[tokio::test(start_paused = true)]
async fn ends_that_make_no_sense() {
    let env = Env::new();
    for (ttl, why) in [
        ("0s", "`0s` must be at least 1s and at most 365d"),
        ("500ms", "`500ms` must be at least 1s and at most 365d"),
        ("400d", "`400d` must be at least 1s and at most 365d"),
        ("soon", "`soon` is not a duration, for example `90m` or `2h`"),
        ("2", "`2` is not a duration, for example `90m` or `2h`"),
        ("-1h", "unexpected argument"),
    ] {
        let run = env.knarr(&format!("create dev --ttl {ttl}")).await;
        assert!(run.status == 2 && run.stderr.contains(why), "{run}");
    }
    assert_eq!(env.engine.transcript(), "");
}
