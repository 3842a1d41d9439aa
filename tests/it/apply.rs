//! `knarr apply`: what it says of a difference, what it refuses, and that what was cut off is completed.

use knarr::cluster;
use knarr::engine::fake::Call;
use knarr::engine::{Engine, op};

use crate::env::{Env, Transcript, filtered};

/// A config whose addons are off, so that an API server without objects is what it says.
fn config(nodes: &str) -> String {
    let addons = "addons: {metrics-server: false, storage: false, load-balancer: false, network-policy: false}";
    format!("apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nname: dev\n{addons}\nnodes:\n{nodes}")
}

const ONE: &str = "- role: control-plane\n- role: worker\n";
const MARKED: &str =
    "- role: control-plane\n- role: worker\n  labels: {tier: db}\n  taints: [{key: a, effect: NoSchedule}]\n";
/// A port that was opened on the first node, and one that moved to a node which is new.
const AT_PLANE: &str = "- role: control-plane\n  ports: [{hostPort: 18081, containerPort: 81}]\n- role: worker\n";
const AT_NEW: &str =
    "- role: control-plane\n- role: worker\n- role: worker\n  ports: [{hostPort: 18081, containerPort: 81}]\n";
const GROWN: &str = "- role: control-plane\n  count: 3\n- role: worker\n  labels: {tier: db}\n- role: worker\n";
/// How two registries are reached, and then one of them otherwise and another.
const MIRRORED: &str = "- role: control-plane\n- role: worker\nregistries:\n\
    - {host: docker.io, mirrors: [http://cache:5000]}\n- {host: localhost:5001, mirrors: [http://registry:5000]}\n";
const OTHERWISE: &str = "- role: control-plane\n- role: worker\n  labels: {tier: db}\n- role: worker\nregistries:\n\
    - {host: docker.io, mirrors: [http://cache:5000], skipVerify: true}\n- {host: '*', mirrors: [https://cache]}\n";

async fn apply(env: &mut Env, config: &str, flags: &str) -> Transcript {
    env.stdin = config.into();
    env.knarr(&format!("apply -f - {flags}")).await
}

/// A cluster that was made from a config.
async fn made(nodes: &str) -> Env {
    after(&[nodes]).await
}

/// A cluster that was made from the first of these configs, and then became each of the others.
async fn after(configs: &[&str]) -> Env {
    let mut env = Env::new();
    for nodes in configs {
        let run = apply(&mut env, &config(nodes), "--yes").await;
        assert_eq!(run.status, 0, "{run}");
    }
    env
}

async fn nodes(env: &Env) -> Vec<String> {
    let cluster = cluster::find(&env.engine, "dev").await.expect("it is there");
    let recalled = cluster::recall(&env.engine, &cluster).await.expect("it remembers itself");
    assert_eq!((recalled.missing, recalled.strangers, recalled.behind), (vec![], vec![], vec![]));
    recalled.layout.nodes.iter().map(|node| node.spec.name.to_string()).collect()
}

fn changes(calls: &[Call]) -> Vec<String> {
    let shown = calls.iter().filter(|call| call.changes() && call.operation != op::EXEC).map(ToString::to_string);
    shown.collect()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_not_there_is_created_and_then_is_what_the_file_says() {
    let _filters = filtered();
    let mut env = Env::new();
    insta::assert_snapshot!("apply creates", apply(&mut env, &config(ONE), "").await);
    let begin = env.engine.calls().len();
    insta::assert_snapshot!("apply changes nothing", apply(&mut env, &config(ONE), "").await);
    insta::assert_snapshot!("apply changes nothing, json", apply(&mut env, &config(ONE), "-o json").await);
    assert_eq!(changes(&env.engine.calls()[begin..]), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_difference_is_shown_asked_about_and_done() {
    let _filters = filtered();
    let mut env = made(ONE).await;
    let begin = env.engine.calls().len();
    insta::assert_snapshot!("apply shows", apply(&mut env, &config(GROWN), "--dry-run").await);
    insta::assert_snapshot!("apply shows, json", apply(&mut env, &config(GROWN), "--dry-run -o json").await);
    insta::assert_snapshot!("apply cannot ask", apply(&mut env, &config(GROWN), "").await);
    assert_eq!(changes(&env.engine.calls()[begin..]), Vec::<String>::new(), "nothing was changed");
    insta::assert_snapshot!("apply grows and marks", apply(&mut env, &config(GROWN), "--yes").await);
    assert_eq!(
        nodes(&env).await,
        ["dev-control-plane", "dev-control-plane2", "dev-control-plane3", "dev-worker", "dev-worker2"]
    );
    assert_eq!(marks(&env), ["mark dev-worker tier=db"]);
    assert_eq!(apply(&mut env, &config(GROWN), "--dry-run").await.stdout, "", "it is what the file says");
    insta::assert_snapshot!("apply shrinks and marks", apply(&mut env, &config(MARKED), "--yes").await);
    assert_eq!(nodes(&env).await, ["dev-control-plane", "dev-worker"]);
    assert_eq!(marks(&env), ["mark dev-worker tier=db", "mark dev-worker a:NoSchedule"]);
    assert_eq!(apply(&mut env, &config(MARKED), "--dry-run").await.stdout, "", "it is what the file says");
}

#[tokio::test(start_paused = true)]
async fn ports_are_opened_closed_and_moved() {
    let _filters = filtered();
    let ports = |plane: &str, worker: &str| {
        config(&format!("- role: control-plane\n  ports: [{plane}]\n- role: worker\n  ports: [{worker}]\n"))
    };
    let mut env = Env::new();
    let fixed = "{hostPort: 18080, containerPort: 80}";
    assert_eq!(apply(&mut env, &ports(fixed, ""), "").await.status, 0);
    let web = "{hostPort: 18081, containerPort: 81}";
    let both = ports(fixed, &format!("{web}, {{containerPort: 53, protocol: UDP}}"));
    insta::assert_snapshot!("apply opens ports", apply(&mut env, &both, "--yes").await);
    assert_eq!(apply(&mut env, &both, "--dry-run").await.stdout, "", "it is what the file says");
    let moved = ports(&format!("{fixed}, {web}"), "");
    insta::assert_snapshot!("apply moves a port", apply(&mut env, &moved, "--yes").await);
    assert_eq!(apply(&mut env, &moved, "--dry-run").await.stdout, "", "it is what the file says");
    insta::assert_snapshot!("apply cannot close a port", apply(&mut env, &ports("", ""), "--yes").await);
    let alone = config(&format!("- role: control-plane\n  ports: [{fixed}]\n"));
    assert_eq!(apply(&mut env, &both, "--yes").await.status, 0);
    insta::assert_snapshot!("apply removes a node that a port leads to", apply(&mut env, &alone, "--yes").await);
    assert_eq!(nodes(&env).await, ["dev-control-plane"]);
}

#[tokio::test(start_paused = true)]
async fn registries_are_told_to_every_node_and_nothing_restarts() {
    let _filters = filtered();
    let mut env = made(ONE).await;
    let begin = env.engine.calls().len();
    insta::assert_snapshot!("apply names registries", apply(&mut env, &config(MIRRORED), "--yes").await);
    let calls = changes(&env.engine.calls()[begin..]);
    assert!(!calls.is_empty() && calls.iter().all(|call| call.contains(op::PUT_ARCHIVE)), "{calls:?}");
    assert_eq!(apply(&mut env, &config(MIRRORED), "--dry-run").await.stdout, "", "it is what the file says");
    insta::assert_snapshot!("apply reaches registries otherwise", apply(&mut env, &config(OTHERWISE), "--yes").await);
    assert_eq!(apply(&mut env, &config(OTHERWISE), "--dry-run").await.stdout, "", "it is what the file says");
    for node in ["dev-control-plane", "dev-worker", "dev-worker2"] {
        let file = |host: &str| {
            let file = env.engine.file(node, &format!("/etc/containerd/certs.d/{host}/hosts.toml"));
            String::from_utf8(file.unwrap_or_default()).expect("it is text")
        };
        assert!(file("docker.io").contains("skip_verify"), "{node}");
        assert!(file("_default").contains("[host.\"https://cache\"]"), "{node}");
        assert!(file("localhost:5001").contains("[host.\"https://cache\"]"), "{node}: it is one of the others now");
    }
    insta::assert_snapshot!("apply forgets registries", apply(&mut env, &config(ONE), "--yes").await);
    assert_eq!(apply(&mut env, &config(ONE), "--dry-run").await.stdout, "", "it is what the file says");
}

/// What a cluster is like can be read, changed and applied.
#[tokio::test(start_paused = true)]
async fn the_config_of_a_cluster_that_lives() {
    let mut env = after(&[GROWN, AT_PLANE, MIRRORED]).await;
    assert_eq!(env.knarr("port add 18082:82 -n dev --node dev-worker").await.status, 0);
    assert_eq!(env.knarr("node add -n dev").await.status, 0);
    let config = env.knarr("get config -n dev").await;
    insta::assert_snapshot!("the config of a cluster", config);
    let run = apply(&mut env, &config.stdout, "--dry-run").await;
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "it is what the file says\n{run}");
    let json = env.knarr("get config -n dev -o json").await;
    let run = apply(&mut env, &json.stdout, "--dry-run").await;
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "it is what the file says\n{run}");
}

fn marks(env: &Env) -> Vec<String> {
    env.kubernetes.journal().into_iter().filter(|line| line.starts_with("mark ")).collect()
}

/// A person at a terminal, whose file is on the disk.
#[tokio::test(start_paused = true)]
async fn a_person_is_asked() {
    let _filters = filtered();
    let mut env = made(ONE).await;
    env.environment.stdin_terminal = true;
    let file = env.kubeconfig_path().with_file_name("dev.yaml");
    std::fs::write(&file, config(MARKED)).expect("a file");
    let words = format!("apply -f {}", file.display());
    for (answer, goes_on) in [("n\n", false), ("", false), ("what?\n", false), (" Yes\n", true)] {
        env.stdin = answer.into();
        let run = env.knarr(&words).await;
        assert_eq!(run.status, 0, "{run}");
        assert!(run.stderr.contains("change cluster `dev`? [y/N] "), "{run}");
        assert_eq!(run.stderr.matches("differs from the file").count(), 1, "{run}");
        assert_eq!(run.stderr.contains("nothing was changed"), !goes_on, "{answer:?}: {run}");
        assert_eq!(marks(&env).len(), usize::from(goes_on), "{answer:?}");
    }
    // Nobody is asked blindly.
    std::fs::write(&file, config(ONE)).expect("a file");
    env.stdin = "n\n".into();
    insta::assert_snapshot!(env.knarr(&format!("{words} -q")).await.stderr, @r"
    cluster `dev` differs from the file, and changes:
    -  label  dev-worker  tier=db
    -  taint  dev-worker  a:NoSchedule
    change cluster `dev`? [y/N]
    ");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_run_is_told_so_by_every_change() {
    let mut env = made(ONE).await;
    for (verb, told) in [
        ("stop", "error: cluster `dev` is stopped\n  nothing was changed\nhint: start it with `knarr start dev`\n"),
        (
            "pause",
            "error: cluster `dev` is paused\n  nothing was changed\nhint: let it go on with `knarr unpause dev`\n",
        ),
    ] {
        assert_eq!(env.knarr(&format!("{verb} dev")).await.status, 0);
        env.stdin = config(GROWN).into();
        for change in ["apply -f - --yes", "node add -n dev", "port add -n dev 8080:80", "port remove -n dev 8080"] {
            let run = env.knarr(change).await;
            assert_eq!((run.status, run.stderr.as_str()), (1, told), "{run}");
        }
        assert_eq!(env.knarr("start dev").await.status, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_is_refused_before_anything_is_done() {
    let _filters = filtered();
    let mut env = made(ONE).await;
    let begin = env.engine.calls().len();
    let other = config("- role: control-plane\n- role: worker\n  cpus: 1\n- role: worker\n")
        + "networking: {podSubnet: 10.9.0.0/16, serviceSubnet: 10.8.0.0/16}\naudit: true\nttl: 2h\n";
    insta::assert_snapshot!("apply refuses", apply(&mut env, &other, "--yes").await);
    env.engine.stop_container("dev-worker", 1).await.expect("stopped");
    insta::assert_snapshot!("apply to a degraded cluster", apply(&mut env, &config(GROWN), "--yes").await);
    env.stdin = config("- role: worker\n").into();
    insta::assert_snapshot!("apply of a bad file", env.knarr("apply -f -").await);
    assert_eq!(changes(&env.engine.calls()[begin..]).len(), 1, "the stop is ours");
}

/// Whatever call of Docker's the program is killed at, the same command completes the change, after a repair if it says so.
#[tokio::test(start_paused = true)]
async fn a_change_that_was_killed_is_completed() {
    let cases: [(&[&str], &str); 6] = [
        (&[ONE], GROWN),
        (&[GROWN], MARKED),
        (&[ONE], MARKED),
        (&[ONE, "- role: control-plane\n- role: worker\n  ports: [{hostPort: 18081, containerPort: 81}]\n"], AT_PLANE),
        (&[ONE, AT_PLANE], AT_NEW),
        (&[MIRRORED], OTHERWISE),
    ];
    for (from, to) in cases {
        let mut good = after(from).await;
        let begin = good.engine.calls().len();
        assert_eq!(apply(&mut good, &config(to), "--yes").await.status, 0);
        let wanted = nodes(&good).await;
        let calls = good.engine.calls();
        let changing = calls[begin..].iter().filter(|call| call.changes());
        let numbers: Vec<usize> = changing.map(|call| call.number).collect();
        let to = config(to);
        for number in numbers {
            let mut env = after(from).await;
            env.stdin = to.clone().into();
            env.killed_at(number, "apply -f - --yes").await;
            let mut again = apply(&mut env, &to, "--yes").await;
            if again.status != 0 {
                assert!(again.stderr.contains("`knarr repair dev`"), "killed at {number}\n{again}");
                let repair = env.knarr("repair dev").await;
                assert_eq!(repair.status, 0, "killed at {number}\n{again}\n{repair}");
                again = apply(&mut env, &to, "--yes").await;
            }
            assert_eq!(again.status, 0, "killed at {number}\n{again}");
            assert_eq!(nodes(&env).await, wanted, "killed at {number}");
            assert_eq!(apply(&mut env, &to, "--dry-run").await.stdout, "", "killed at {number}");
        }
    }
}
