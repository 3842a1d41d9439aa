//! One failure at every call of a creation in turn, of Docker and of Kubernetes: it ends cleanly each time.

use knarr::engine::fake::{How, When};
use knarr::engine::{EngineErrorKind, op};
use knarr::kubernetes::fake::Script;

use crate::env::{Env, KUBECONFIG, filtered};

/// Every operation of the API server that fails or never answers ends the creation cleanly.
#[tokio::test(start_paused = true)]
async fn every_failure_of_kubernetes() {
    let _filters = filtered();
    let operations = ["apply", "adopt", "nodes_ready", "default_service_account", "first_pod_running"];
    for operation in operations {
        for (script, status) in [
            (Script { fails: Some(operation), ..Script::default() }, 1),
            (Script { hangs: Some(operation), ..Script::default() }, 5),
        ] {
            let env = Env::scripted(script.clone());
            let run = env.knarr("create dev --workers 1").await;
            assert_eq!(run.status, status, "{script:?}: {run}");
            assert!(run.stderr.contains("removed 2 containers, 1 network and 2 volumes"), "{run}");
            assert_eq!((env.left(), env.kubeconfig()), (Vec::new(), KUBECONFIG.to_owned()), "{script:?}");
        }
    }
    // An API server that does not answer yet is asked again until the time is up.
    let env = Env::scripted(Script { fails: Some("answers"), ..Script::default() });
    let run = env.knarr("create dev --wait 10s").await;
    insta::assert_snapshot!(run, @r"
    $ knarr create dev --wait 10s
    --- stderr ---
    created the network (TIME)
    claimed the name (TIME)
    started 1 node (TIME)
    failed: waiting for the API server (TIME)
    removed what this run made (TIME)
    error: cluster `dev` did not become usable within 10s
      caused by: the last thing it waited for: the script says so
      removed 1 container, 1 network and 1 volume
    hint: create it with `--retain` to keep the nodes, and look into `knarr logs --name dev`
    --- exit status 5 ---
    ");
    assert_eq!(env.left(), Vec::<String>::new());
}

/// How a call may go wrong, and whether it was carried out.
const FAULTS: [How; 7] = [
    How::Refuse(EngineErrorKind::Other),
    How::Refuse(EngineErrorKind::TimedOut),
    How::Refuse(EngineErrorKind::DiskFull),
    How::Refuse(EngineErrorKind::Unreachable),
    How::LoseAnswer(EngineErrorKind::Other),
    How::LoseAnswer(EngineErrorKind::TimedOut),
    How::LoseAnswer(EngineErrorKind::Unreachable),
];

/// One failure at every call of a creation in turn, refused or carried out without an answer.
#[tokio::test(start_paused = true)]
async fn every_failure_of_docker() {
    for words in ["create dev", "create dev --workers 2"] {
        let good = Env::new();
        assert_eq!(good.knarr(words).await.status, 0);
        let calls = good.engine.calls();
        assert!(calls.len() > 12, "only {} calls", calls.len());
        for call in &calls {
            for how in FAULTS {
                let env = Env::new();
                env.engine.inject(When::Call(call.number), how);
                let run = env.knarr(words).await;
                let place = format!("{words}, call {} ({call}), {how:?}\n{run}", call.number);
                if run.status == 0 {
                    // Listening to an agent is tried again, and nothing else is.
                    assert!(matches!(call.operation, op::EXEC | op::INSPECT_CONTAINER), "{place}");
                    assert_eq!(env.left(), good.left(), "{place}");
                    continue;
                }
                assert_eq!(env.left(), Vec::<String>::new(), "{place}");
                assert_eq!(env.kubeconfig(), KUBECONFIG, "{place}");
                assert!(run.stderr.contains("\n  caused by: ") && run.stderr.contains("the test wants "), "{place}");
                assert!(
                    run.stderr.contains("\n  removed ") || run.stderr.contains("\n  nothing was created"),
                    "{place}"
                );
            }
        }
    }
}
