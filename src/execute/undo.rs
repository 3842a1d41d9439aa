//! Takes back what a run, or a whole cluster, has made. Docker's labels say what that is, so a crash loses nothing.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde::Serialize;

use crate::engine::{Engine, EngineError, EngineErrorKind};
use crate::error::Error;
use crate::plan::{Plan, names};
use crate::report::{Reporter, Steps};

/// How long a clean-up may take before it is reported as incomplete.
const DEADLINE: Duration = Duration::from_secs(12);

/// What a sweep removed and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Names of removed containers.
    pub containers: Vec<String>,
    /// Names of removed networks.
    pub networks: Vec<String>,
    /// Names of removed volumes.
    pub volumes: Vec<String>,
    /// What is still there and why, one sentence each.
    pub left: Vec<String>,
    /// The attached containers of others that hold a network.
    #[serde(skip)]
    pub holders: Vec<(String, String)>,
}

impl Swept {
    /// Whether there was nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty() && self.left.is_empty()
    }

    /// `removed 3 containers, 1 network and 3 volumes`, or what there was nothing of.
    pub fn describe(&self) -> String {
        let some = |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}{}", if n == 1 { "" } else { "s" }));
        let parts: Vec<String> = [
            some(self.containers.len(), "container"),
            some(self.networks.len(), "network"),
            some(self.volumes.len(), "volume"),
        ]
        .into_iter()
        .flatten()
        .collect();
        match parts.split_last() {
            None => "nothing was created".into(),
            Some((only, [])) => format!("removed {only}"),
            Some((last, others)) => format!("removed {} and {last}", others.join(", ")),
        }
    }
}

/// Removes everything that carries `label`: containers together, then networks and volumes together.
pub async fn sweep<E: Engine>(engine: &E, label: &str) -> Swept {
    let mut swept = Swept::default();
    let note = |swept: &mut Swept, outcome: Result<(), EngineError>, what: &str, name: String| match outcome {
        Ok(()) => match what {
            "container" => swept.containers.push(name),
            "network" => swept.networks.push(name),
            _ => swept.volumes.push(name),
        },
        Err(e) => swept.left.push(format!("{what} `{name}`: {}", e.detail)),
    };
    match engine.list_containers(label).await {
        Ok(found) => {
            let removed = join_all(found.into_iter().map(|c| async move {
                let outcome = engine.remove_container(&c.id).await;
                (outcome, c.name)
            }));
            for (outcome, name) in removed.await {
                note(&mut swept, outcome, "container", name);
            }
        }
        Err(e) => swept.left.push(format!("containers: {}", e.detail)),
    }
    let networks = async {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        let all = engine.list_networks().await?;
        let ours = all.into_iter().filter(|n| n.labels.get(key).is_some_and(|v| value.is_empty() || v == value));
        Ok::<_, EngineError>(
            join_all(ours.map(|n| async move {
                let outcome = engine.remove_network(&n.id).await;
                (outcome, n)
            }))
            .await,
        )
    };
    let volumes = async {
        let all = engine.list_volumes(label).await?;
        Ok::<_, EngineError>(
            join_all(all.into_iter().map(|v| async move {
                let outcome = engine.remove_volume(&v.name).await;
                (outcome, v.name)
            }))
            .await,
        )
    };
    let (networks, volumes) = futures::future::join(networks, volumes).await;
    match networks {
        Ok(all) => {
            for (outcome, network) in all {
                if outcome.is_err() {
                    swept.holders.extend(network.containers.iter().map(|c| (network.name.clone(), c.clone())));
                }
                note(&mut swept, outcome, "network", network.name);
            }
        }
        Err(e) => swept.left.push(format!("networks: {}", e.detail)),
    }
    match volumes {
        Ok(all) => {
            for (outcome, name) in all {
                note(&mut swept, outcome, "volume", name);
            }
        }
        Err(e) => swept.left.push(format!("volumes: {}", e.detail)),
    }
    swept
}

/// After a failed creation: removes what this run made (or keeps it when asked) and says so in the error.
pub async fn after_failure<E: Engine>(
    engine: &E,
    plan: &Plan,
    error: Error,
    retain: bool,
    reporter: &Arc<dyn Reporter>,
) -> Error {
    let cluster = plan.layout.name();
    let delete = format!("`knarr delete cluster {cluster}`");
    if retain {
        return error
            .state("what was made is kept because of `--retain`")
            .hint(format!("look at it with `knarr export logs DIR --name {cluster}`; remove it with {delete}"));
    }
    let steps = Steps::new(Arc::clone(reporter));
    let step = steps.start("removing what this run made");
    let label = names::of_run(&plan.layout.create_id);
    // A call whose answer was lost may still be carried out: look again until nothing is found.
    let swept = tokio::time::timeout(DEADLINE, async {
        let mut all = sweep(engine, &label).await;
        loop {
            let more = sweep(engine, &label).await;
            if more.is_empty() || !more.left.is_empty() {
                all.left.extend(more.left.into_iter().filter(|l| !all.left.contains(l)).collect::<Vec<_>>());
                return all;
            }
            // What could not be removed at first is gone now.
            all.left.clear();
            all.containers.extend(more.containers);
            all.networks.extend(more.networks);
            all.volumes.extend(more.volumes);
        }
    })
    .await;
    let Ok(swept) = swept else {
        drop(step);
        return error
            .state(format!("clean-up did not end within {}", humantime::format_duration(DEADLINE)))
            .hint(format!("remove what is left with {delete}"));
    };
    if swept.left.is_empty() {
        step.done(swept.describe());
        return error.state(swept.describe());
    }
    drop(step);
    let mut error = error.state(format!("{}\nleft behind: {}", swept.describe(), swept.left.join("; ")));
    for (network, holder) in &swept.holders {
        error = error.hint(format!("disconnect it with `docker network disconnect {network} {holder}`"));
    }
    error.hint(format!("then remove the rest with {delete}"))
}

/// Whether an engine error means that nothing can be swept since Docker does not answer.
pub fn unreachable(e: &EngineError) -> bool {
    matches!(e.kind, EngineErrorKind::Unreachable | EngineErrorKind::Denied)
}
