//! Several runs at once on one Docker.

use futures::future::join_all;
use knarr::cluster;

use crate::env::{Env, KUBECONFIG, Transcript, filtered};
use crate::shape::{is_whole, recalled};

/// Eight runs for one name: one wins and is whole, the others say so and leave nothing.
#[tokio::test(start_paused = true)]
async fn the_same_name() {
    for round in 0..50 {
        let env = Env::new();
        let words = if round % 2 == 0 { "create dev" } else { "create dev --workers 2" };
        // They begin at different moments of each other's work.
        let runs = join_all((0..8).map(|racer| {
            let env = &env;
            async move {
                for _ in 0..racer * round {
                    tokio::task::yield_now().await;
                }
                env.knarr(words).await
            }
        }))
        .await;
        let winners = runs.iter().filter(|run| run.status == 0).count();
        let shown: Vec<String> = runs.iter().map(ToString::to_string).collect();
        assert_eq!(winners, 1, "round {round}\n{}", shown.join("\n"));
        for loser in runs.iter().filter(|run| run.status != 0) {
            assert_eq!(loser.status, 6, "round {round}\n{loser}");
        }
        let one = Env::new();
        assert_eq!(one.knarr(words).await.status, 0);
        assert_eq!(env.left(), one.left(), "round {round}: the winner is whole and nothing else is there");
        let nodes = env.knarr("get nodes --name dev").await;
        assert_eq!(nodes.stdout.matches("running").count(), if round % 2 == 0 { 1 } else { 3 }, "{nodes}");
        assert_eq!(env.knarr("delete dev").await.status, 0);
        assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()));
    }
}

/// Different names do not disturb each other: all work, and the kubeconfig holds all.
#[tokio::test(start_paused = true)]
async fn different_names() {
    for round in 0..20 {
        let env = Env::new();
        let runs = join_all((0..4).map(|racer| {
            let env = &env;
            async move {
                for _ in 0..racer * round {
                    tokio::task::yield_now().await;
                }
                env.knarr(&format!("create c{racer}")).await
            }
        }))
        .await;
        for run in &runs {
            assert_eq!(run.status, 0, "round {round}\n{run}");
        }
        let kubeconfig = env.kubeconfig();
        for name in ["knarr-c0", "knarr-c1", "knarr-c2", "knarr-c3"] {
            assert!(kubeconfig.contains(name), "round {round}: {name} is missing in {kubeconfig}");
        }
        let deletions = join_all((0..4).map(|racer| {
            let env = &env;
            async move { env.knarr(&format!("delete c{racer}")).await }
        }))
        .await;
        for run in &deletions {
            assert_eq!(run.status, 0, "round {round}\n{run}");
        }
        assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()), "round {round}");
    }
}

/// Several changes of one cluster at once, each a little later than the one before.
async fn changes(env: &Env, words: &[&str], lateness: usize) -> Vec<Transcript> {
    join_all(words.iter().enumerate().map(|(racer, words)| async move {
        for _ in 0..racer * lateness {
            tokio::task::yield_now().await;
        }
        env.knarr(words).await
    }))
    .await
}

/// Each waits until the one before is done, so all are done.
#[tokio::test(start_paused = true)]
async fn changes_of_one_cluster() {
    for lateness in (0..200).step_by(20) {
        let env = Env::new();
        assert_eq!(env.knarr("create dev").await.status, 0);
        let words = ["node add -n dev", "port add 8080:80 -n dev", "port add 8081:81 -n dev", "node add -n dev"];
        let runs = changes(&env, &words, lateness).await;
        let shown: String = runs.iter().map(ToString::to_string).collect();
        assert!(runs.iter().all(|run| run.status == 0), "{lateness}\n{shown}");
        let layout = recalled(&env).await.layout;
        assert_eq!((layout.nodes.len(), layout.forwarders.len()), (3, 2), "{lateness}\n{shown}");
        is_whole(&env, &shown).await;
    }
}

/// A change that does not end is waited for, but not for ever; once it is gone, the next one goes on.
#[tokio::test(start_paused = true)]
async fn a_change_that_does_not_end() {
    let _filters = filtered();
    let env = Env::new();
    assert_eq!(env.knarr("create dev").await.status, 0);
    let dev = cluster::find(&env.engine, "dev").await.expect("it is there");
    let held = cluster::lock(&env.engine, &dev).await.expect("nobody else is here");
    assert!(held.is_some());
    insta::assert_snapshot!(env.knarr("node add -n dev").await, @r"
    $ knarr node add -n dev
    --- stderr ---
    another run of knarr changes cluster `dev`: waiting until it is done
    error: cluster `dev` is being changed by another run of knarr
      caused by: it did not end within 60 seconds
      nothing was changed
    hint: try again when it is done
    --- exit status 6 ---
    ");
    assert_eq!(env.knarr("port list -n dev").await.status, 0, "who only looks does not wait");
    drop(held);
    assert_eq!(env.knarr("node add -n dev").await.status, 0);
}
