//! Limits of nodes, from what is typed to what Docker and `knarr-node` are told.

use knarr_contract::{Limits, NODE_FILE, NodeFile};
use serde_json::{Value, json};

use crate::env::{Env, KUBECONFIG};

const CONFIG: &[u8] = b"
apiVersion: knarr.dev/v1alpha1
kind: Cluster
nodes:
- role: control-plane
- role: worker
  cpus: 1.5
  memory: 2GiB
";

fn told(env: &Env, node: &str) -> Limits {
    let file = env.engine.file(node, NODE_FILE).expect("it was written");
    let file: NodeFile = serde_json::from_slice(&file).expect("a node file");
    file.member.expect("a node").limits
}

#[tokio::test(start_paused = true)]
async fn a_file_limits_one_node() {
    let mut env = Env::new();
    env.stdin = CONFIG.to_vec();
    let run = env.knarr("create dev -c - -o json").await;
    let made: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(made["nodes"][0]["limits"], json!({}));
    assert_eq!(made["nodes"][1]["limits"], json!({"milliCpus": 1500, "memoryBytes": 2_147_483_648_u64}));
    let limits = Limits { milli_cpus: Some(1500), memory_bytes: Some(2 << 30) };
    assert_eq!((told(&env, "dev-worker"), told(&env, "dev-control-plane")), (limits, Limits::default()));
    let of = |node: &str| {
        let spec = env.engine.spec(node).expect("it was made");
        Limits { milli_cpus: spec.milli_cpus, memory_bytes: spec.memory_bytes }
    };
    assert_eq!((of("dev-worker"), of("dev-control-plane")), (limits, Limits::default()));
}

#[tokio::test(start_paused = true)]
async fn flags_limit_every_node() {
    let mut env = Env::new();
    env.stdin = CONFIG.to_vec();
    let run = env.knarr("create dev -c - --cpus 2000m --memory 2g --dry-run").await;
    let limits: Vec<&str> = run.stdout.lines().filter(|line| line.contains("limits")).map(str::trim).collect();
    assert_eq!(limits, ["limits 2 CPUs, 2Gi of memory"; 2]);
    assert_eq!(run.stderr, "warning: nodes[1].cpus: `--cpus 2` is used instead of 1.5\n");
    let run = env.knarr("create dev --cpus 1 --dry-run -o json").await;
    let plan: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(plan["nodes"][0]["limits"], json!({"milliCpus": 1000}));
    assert_eq!(plan["nodes"][0]["node"]["member"]["limits"], json!({"milliCpus": 1000}));
}

#[tokio::test(start_paused = true)]
async fn too_little_is_refused_once_for_each_role() {
    let env = Env::new();
    insta::assert_snapshot!(env.knarr("create dev --workers 3 --cpus 50m --memory 2").await, @r"
    $ knarr create dev --workers 3 --cpus 50m --memory 2
    --- stderr ---
    error: the command line has 3 problems
      --memory: `2` is not an amount of memory; use for example `2Gi`, `2g` or `1536Mi` (all in powers of 1024)
      --cpus: 0.05 is too little for a control plane to get ready in time; use at least 0.5
      --cpus: 0.05 is too little for a worker to get ready in time; use at least 0.1
      nothing was created
    hint: see what flags mean with `knarr create --help`
    --- exit status 2 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn more_than_there_is_is_refused_before_anything_is_made() {
    let mut env = Env::new();
    env.stdin = CONFIG.to_vec();
    env.engine.set_info(|info| (info.cpus, info.memory) = (1, 1 << 30));
    insta::assert_snapshot!(env.knarr("create dev -c -").await, @r"
    $ knarr create dev -c -
    --- stderr ---
    error: Docker's machine is smaller than the limits of nodes
      caused by: `dev-worker` may use 1.5 CPUs, Docker has 1
      caused by: `dev-worker` may use 2Gi of memory, Docker has 1024Mi
      nothing was created
    hint: ask for less by `--cpus` and `--memory`, or by `cpus:` and `memory:` of the nodes in the config file
    --- exit status 4 ---
    ");
    assert_eq!((env.engine.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}
