//! `knarr status`: how a component ended, and what is printed while a cluster changes.

use std::time::Duration;

use knarr::engine::Engine;
use knarr::signal::Interrupt;

use crate::env::filtered;
use crate::lifecycle::created;

/// A component that the kernel has ended is told from one that somebody has killed.
#[tokio::test(start_paused = true)]
async fn a_component_out_of_memory() {
    let env = created("").await;
    let _filters = filtered();
    for (kills, wanted) in [(1, "signal 9 (SIGKILL); out of memory"), (0, "signal 9 (SIGKILL)")] {
        let engine = env.engine.clone();
        env.engine.on_exec(move |node, exec| match exec.argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["sh", _, script] if script.starts_with("df ") => {
                crate::env::printed(format!("99000000000 481296384\noom_kill {kills}\n"))
            }
            _ => crate::env::agent(&engine, node, exec, |status| {
                let server = status.components.iter_mut().find(|c| c.name == "kube-apiserver").expect("it is there");
                (server.restarts, server.last_exit) = (1, Some("signal 9 (SIGKILL)".into()));
            }),
        });
        let run = env.knarr("status dev").await;
        assert_eq!(run.status, 0, "{run}");
        let line = run.stdout.lines().find(|line| line.contains("kube-apiserver ")).expect("a row");
        assert!(line.ends_with(&format!("ready  1         {wanted}")), "{run}");
        assert!(run.stdout.contains("LAST END"), "{run}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_status_that_is_watched() {
    let env = created("").await;
    let interrupt = Interrupt::manual();
    let story = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        env.engine.stop_container("dev-control-plane", 0).await.expect("stopped");
        tokio::time::sleep(Duration::from_secs(5)).await;
        interrupt.signal();
    };
    let (run, ()) = tokio::join!(env.run("status dev --watch", interrupt.clone()), story);
    insta::assert_snapshot!(run, @r"
    $ knarr status dev --watch
    cluster dev is Running
    cluster dev is Degraded
      the agent of `dev-control-plane` does not answer
    cluster dev is Stopped
      container `dev-control-plane` is exited
    --- exit status 0 ---
    ");
}
