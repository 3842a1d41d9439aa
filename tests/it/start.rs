//! What a start may find, and what it then does or says: parts that are gone, components that do not come up, data that
//! is damaged.

use std::sync::atomic::{AtomicU32, Ordering};

use knarr::cluster::State;
use knarr::engine::Engine;
use knarr::kubernetes::fake::Script;
use knarr_contract::NodeStatus;

use crate::env::{Env, KUBECONFIG, filtered};
use crate::lifecycle::{created, state};

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
