//! The errors that people meet most: each whole message, and its exit code.

use std::net::{IpAddr, Ipv4Addr};

use knarr::engine::EngineErrorKind::{Denied, DiskFull, Unreachable};
use knarr::engine::fake::{How, When};
use knarr::engine::{Labels, NetworkSpec, op};

use crate::env::{Env, KUBECONFIG, filtered, refusal};

#[tokio::test(start_paused = true)]
async fn a_port_is_taken() {
    let env = Env::new();
    env.engine.take_port(IpAddr::V4(Ipv4Addr::LOCALHOST), 16443);
    let run = env.knarr("create dev --api-port 16443").await;
    insta::with_settings!({filters => vec![(r"\d\.\d+s", "TIME")]}, { insta::assert_snapshot!(run, @r"
    $ knarr create dev --api-port 16443
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    failed: starting 1 node (TIME)
    removed what this run made (TIME)
    error: a host port that cluster `dev` needs is taken
      caused by: cannot start container `dev-control-plane`: listen tcp4 127.0.0.1:16443: bind: address already in use
      removed 1 container, 1 network and 1 volume
    hint: see who holds it with `ss -ltnp`; the API wants 127.0.0.1:16443, let knarr choose with `--api-port 0`
    --- exit status 4 ---
    "); });
    assert_eq!((env.engine.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_subnet_is_taken() {
    let mut env = Env::new();
    env.engine.add_network(&NetworkSpec {
        name: "company".into(),
        labels: Labels::new(),
        subnet: "172.20.0.0/16".parse().expect("a subnet"),
        gateway: Ipv4Addr::new(172, 20, 0, 1),
        ip_range: "172.20.0.0/24".parse().expect("a subnet"),
    });
    env.stdin = b"apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnetworking: {nodeSubnet: 172.20.1.0/24}\n".to_vec();
    let run = env.knarr("create dev -c -").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev -c -
    --- stderr ---
    error: the subnet 172.20.1.0/24 cannot be used for the nodes
      caused by: 172.20.1.0/24 overlaps 172.20.0.0/16, the Docker network `company`
      nothing was created
    hint: set `networking.nodeSubnet` to a free one, such as `172.29.0.0/24`, or leave it out
    --- exit status 4 ---
    ");
    assert_eq!(env.engine.left(), ["network company"]);
}

#[tokio::test(start_paused = true)]
async fn a_subnet_is_taken_behind_our_back() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Every(op::CREATE_NETWORK), How::Refuse(knarr::engine::EngineErrorKind::AddressTaken));
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.0.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.1.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.2.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.3.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.4.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.5.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.6.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.7.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.8.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.9.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.10.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.11.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.12.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.13.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.14.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 172.29.15.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 192.168.224.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 192.168.225.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    the subnet 192.168.226.0/24 for cluster `dev` is taken; trying again with another choice
    failed: creating the network (TIME)
    removed what this run made (TIME)
    error: the subnet 192.168.227.0/24 for cluster `dev` is taken
      caused by: cannot create network `knarr-dev`: the test wants this call to fail
      nothing was created
    hint: see who has it with `docker network ls` and `ip route`; choose another with `networking.nodeSubnet` in the config
    --- exit status 4 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn the_image_is_missing() {
    let _filters = filtered();
    let env = Env::new();
    let run = env.knarr("create dev --image knarr.dev/node:nope").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --image knarr.dev/node:nope
    --- stderr ---
    no registry has `knarr.dev/node:nope` (TIME)
    error: the node image `knarr.dev/node:nope` is not here
      caused by: no registry that answers has it
      nothing was created
    hint: see which node images are here with `knarr image ls`, or build one with `knarr image build`
    --- exit status 8 ---
    ");
    env.engine.add_image("debian", &Labels::new());
    let run = env.knarr("create dev --image debian").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --image debian
    --- stderr ---
    error: image `debian` cannot be a node
      caused by: it is not a node image of knarr
      nothing was created
    hint: build one that fits with `knarr image build`, or name another with `--image`
    --- exit status 4 ---
    ");
    assert_eq!(env.engine.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_not_here_is_pulled() {
    let env = Env::new();
    env.engine.offer_image("knarr.dev/node:offered", &crate::env::node_image());
    let run = env.knarr("create dev --image knarr.dev/node:offered").await;
    assert_eq!(run.status, 0, "{run}");
    assert!(run.stderr.starts_with("pulled `knarr.dev/node:offered` ("), "{run}");
}

#[tokio::test(start_paused = true)]
async fn the_image_goes_missing_under_way() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Nth(op::CREATE_CONTAINER, 1), How::Refuse(knarr::engine::EngineErrorKind::NotFound));
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    failed: claiming the name (TIME)
    removed what this run made (TIME)
    error: the node image `knarr.dev/node:v1.36.X` is not here
      caused by: cannot create container `dev-control-plane`: the test wants this call to fail
      removed 1 network
    hint: build it with `knarr image build`
    --- exit status 8 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn the_disk_is_full() {
    let _filters = filtered();
    let env = Env::new();
    env.engine.inject(When::Every(op::PUT_ARCHIVE), How::Refuse(DiskFull));
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    failed: starting 1 node (TIME)
    removed what this run made (TIME)
    error: cannot put files into `dev-control-plane`
      caused by: the test wants this call to fail
      removed 1 container, 1 network and 1 volume
    hint: see what fills Docker's disk with `docker system df`, and free it with `docker image prune`
    --- exit status 4 ---
    ");
    assert_eq!(env.engine.left(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn docker_is_absent() {
    let mut env = Env::new();
    env.docker = Some(refusal(Unreachable, "the socket does not exist"));
    insta::assert_snapshot!(env.knarr("create dev").await, @r"
    $ knarr create dev
    --- stderr ---
    error: cannot reach Docker at `unix:///var/run/docker.sock`
      caused by: the socket does not exist
      nothing was created
    hint: start Docker (`sudo systemctl start docker`), set `DOCKER_HOST`, or see what is missing with `knarr doctor`
    --- exit status 4 ---
    ");
    insta::assert_snapshot!(env.knarr("get clusters").await, @r"
    $ knarr get clusters
    --- stderr ---
    error: cannot reach Docker at `unix:///var/run/docker.sock`
      caused by: the socket does not exist
    hint: start Docker (`sudo systemctl start docker`), set `DOCKER_HOST`, or see what is missing with `knarr doctor`
    --- exit status 4 ---
    ");
    let run = env.knarr("delete dev -o json").await;
    assert_eq!(run.status, 4, "{run}");
    serde_json::from_str::<serde_json::Value>(&run.stderr).expect("the error is JSON");
}

#[tokio::test(start_paused = true)]
async fn docker_is_denied() {
    let mut env = Env::new();
    env.docker = Some(refusal(Denied, "permission denied on the socket"));
    insta::assert_snapshot!(env.knarr("create dev").await, @r"
    $ knarr create dev
    --- stderr ---
    error: cannot reach Docker at `unix:///var/run/docker.sock`
      caused by: permission denied on the socket
      nothing was created
    hint: add yourself to the `docker` group and log in again (`sudo usermod -aG docker $USER`), or set `DOCKER_HOST` to a daemon that you may use
    --- exit status 4 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn docker_goes_away_under_way() {
    let _filters = filtered();
    let env = Env::new();
    let engine = env.engine.clone();
    env.engine.on_call(move |call| {
        if call.operation == op::PUT_ARCHIVE {
            for operation in [op::START_CONTAINER, op::LIST_CONTAINERS, op::LIST_NETWORKS, op::LIST_VOLUMES] {
                engine.inject(When::Every(operation), How::Refuse(Unreachable));
            }
        }
    });
    let run = env.knarr("create dev").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    failed: starting 1 node (TIME)
    failed: removing what this run made (TIME)
    error: cannot start container `dev-control-plane`
      caused by: the test wants this call to fail
      left behind: perhaps containers, networks, volumes, which Docker does not list: the test wants this call to fail
    hint: start Docker (`sudo systemctl start docker`), set `DOCKER_HOST`, or see what is missing with `knarr doctor`
    hint: remove what is left with `knarr delete cluster dev`
    --- exit status 4 ---
    ");
}

#[tokio::test(start_paused = true)]
async fn the_config_is_bad() {
    let mut env = Env::new();
    env.stdin = b"apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnodes: [{role: master}]\nnetworking: {podSubnet: 10.96.0.0/16}\n".to_vec();
    let run = env.knarr("create dev -c -").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev -c -
    --- stderr ---
    error: the config on standard input has 2 problems
      nodes[0].role: `master` is not a role (did you mean `control-plane`?)
      networking.podSubnet: `10.96.0.0/16` overlaps serviceSubnet `10.96.0.0/16` (the default)
      nothing was created
    hint: see every key with an explanation with `knarr config init`
    --- exit status 3 ---
    ");
    let run = env.knarr("create -c /nowhere/dev.yaml").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create -c /nowhere/dev.yaml
    --- stderr ---
    error: cannot read `/nowhere/dev.yaml`
      caused by: no such file or directory
      nothing was created
    hint: write a config file to begin with by `knarr config init`
    --- exit status 3 ---
    ");
    assert_eq!(env.engine.transcript(), "", "no call to Docker before the config is good");
}

#[tokio::test(start_paused = true)]
async fn the_cluster_exists() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    insta::assert_snapshot!(env.knarr("create dev").await, @r"
    $ knarr create dev
    --- stderr ---
    error: cluster `dev` exists already
      nothing was created
    hint: use it with `knarr kubectl --name dev get nodes`, or see `knarr status dev`
    hint: remove it with `knarr delete cluster dev`, or choose another name with `--name`
    --- exit status 6 ---
    ");
    env.engine.add_network(&NetworkSpec {
        name: "knarr-other".into(),
        labels: Labels::new(),
        subnet: "10.99.0.0/24".parse().expect("a subnet"),
        gateway: Ipv4Addr::new(10, 99, 0, 1),
        ip_range: "10.99.0.0/28".parse().expect("a subnet"),
    });
    let run = env.knarr("create other").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create other
    --- stderr ---
    failed: creating the network (TIME)
    removed what this run made (TIME)
    error: the name of cluster `other` is taken
      caused by: cannot create network `knarr-other`: network with name knarr-other already exists
      nothing was created
    hint: see what has it with `knarr get clusters` and `docker network ls`; a cluster goes with `knarr delete cluster other`
    hint: choose another name with `--name`
    --- exit status 6 ---
    ");
    assert!(env.engine.left().contains(&"network knarr-other".to_owned()), "what is not ours stays");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_that_name() {
    let env = Env::new();
    insta::assert_snapshot!(env.knarr("status nope").await, @r"
    $ knarr status nope
    --- stderr ---
    error: there is no cluster `nope`
      caused by: no cluster exists
    hint: create it with `knarr create cluster nope`
    --- exit status 7 ---
    ");
    insta::assert_snapshot!(env.knarr("logs --name nope").await, @r"
    $ knarr logs --name nope
    --- stderr ---
    error: there is no cluster `nope`
      caused by: no cluster exists
    hint: create it with `knarr create cluster nope`
    --- exit status 7 ---
    ");
    insta::assert_snapshot!(env.knarr("delete My_Cluster").await, @r"
    $ knarr delete My_Cluster
    --- stderr ---
    error: invalid value 'My_Cluster' for '[NAME]...': `My_Cluster` is not a cluster name: use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends, for example `dev` or `pr-123`

    For more information, try '--help'.
    --- exit status 2 ---
    ");
}

/// The kubeconfig is looked at before anything is made.
#[tokio::test(start_paused = true)]
async fn the_kubeconfig_is_broken() {
    let env = Env::new();
    std::fs::write(env.kubeconfig_path(), "clusters: [").expect("it is ours");
    insta::assert_snapshot!(env.knarr("create dev").await, @r"
    $ knarr create dev
    --- stderr ---
    error: cannot use kubeconfig `/home/ana/.kube/config`
      caused by: line 2: not valid YAML (or a key twice, or more than one document)
      the file was not touched
    hint: repair it, or use another one with `--kubeconfig <file>`
    --- exit status 4 ---
    ");
    assert_eq!((env.engine.changes(), env.kubeconfig().as_str()), (String::new(), "clusters: ["));
}
