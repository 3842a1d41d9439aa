//! Several runs at once on one Docker.

use futures::future::join_all;

use crate::env::{Env, KUBECONFIG};

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
