//! Does the cluster DNS answer inside a pod's network? Asked from a node, in the network namespace of one of its pods.

use std::time::Duration;

use crate::engine::{Engine, ExecSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::Plan;
use crate::plan::layout::Layout;

/// Between two probes.
const RETRY: Duration = Duration::from_millis(50);
/// How long one probe watches inside the node before it reports why there is no answer yet, in seconds.
const PATIENCE_SECONDS: u32 = 10;

/// Waits until some node's pods get an answer for the API's own Service name.
///
/// All nodes are asked at once since only those with a pod can tell; `progress` hears why not.
pub async fn answers<E: Engine>(engine: &E, plan: &Plan, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
    let probe = probe(&plan.layout);
    let asked = plan.present().map(|node| {
        let probe = &probe;
        Box::pin(async move {
            loop {
                match engine.exec(node.spec.name.as_str(), probe).await {
                    Ok(outcome) if outcome.status == 0 => return Ok(()),
                    Ok(outcome) => {
                        let why = String::from_utf8_lossy(&outcome.stderr);
                        progress(why.lines().last().unwrap_or("no answer"));
                        // The probe watches for itself; only one that cannot even run comes back at once.
                        tokio::time::sleep(RETRY).await;
                    }
                    Err(e) => {
                        return Err(Error::new(ErrorKind::NotReady, "cannot ask the cluster DNS").cause(e));
                    }
                }
            }
        })
    });
    futures::future::select_ok(asked).await.map(|((), _)| ())
}

fn probe(layout: &Layout) -> ExecSpec {
    ExecSpec::new([
        "knarr-node".to_owned(),
        "probe".to_owned(),
        "dns".to_owned(),
        "--netns-of-any-pod".to_owned(),
        "--server".to_owned(),
        layout.dns_service_address().to_string(),
        "--name".to_owned(),
        format!("kubernetes.default.svc.{}", layout.spec.networking.dns_domain),
        "--timeout".to_owned(),
        PATIENCE_SECONDS.to_string(),
    ])
}
