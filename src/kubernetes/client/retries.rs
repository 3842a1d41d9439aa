//! Which requests are tried again, how often, and which refusals pass by themselves.

use std::time::{Duration, Instant};

use super::{KubeClient, words};
use crate::error::{Error, Result};
use crate::kubernetes::Progress;

/// Between two tries of a request that a starting server refused. There is nothing to watch before it serves.
pub(super) const RETRY: Duration = Duration::from_millis(40);
/// How often one request is tried while a cluster elects a leader or a balancer has yet to notice a lost server, and
/// how long it rests between two tries.
const TRIES: u32 = 3;
const REST: Duration = Duration::from_secs(1);
/// After which no further try is begun: a server without etcd takes a minute for each.
const PATIENCE: Duration = Duration::from_secs(10);

impl KubeClient {
    /// Repeats a request until it is not refused for a reason that passes; the caller bounds the time.
    pub(super) async fn insist<T, F>(
        &self,
        what: &str,
        progress: Progress<'_>,
        request: impl Fn() -> F + Send,
    ) -> Result<T>
    where
        F: Future<Output = kube::Result<T>> + Send,
    {
        loop {
            match request().await {
                Ok(answer) => return Ok(answer),
                Err(e) if passes(&e) => {
                    progress(&format!("{what}: {}", words(&e)));
                    tokio::time::sleep(RETRY).await;
                }
                Err(e) => return Err(Error::failed(format!("cannot {what}")).cause(words(&e))),
            }
        }
    }

    /// Tries a request again that failed for a reason that a cluster gets over which has just lost a member.
    pub(super) async fn patiently<T, F>(&self, request: impl Fn() -> F + Send) -> kube::Result<T>
    where
        F: Future<Output = kube::Result<T>> + Send,
    {
        let begun = Instant::now();
        for _ in 1..TRIES {
            match request().await {
                Err(e) if stumbles(&e) && begun.elapsed() < PATIENCE => tokio::time::sleep(REST).await,
                answer => return answer,
            }
        }
        request().await
    }
}

/// Whether a refusal is of a kind that a starting server takes back by itself.
fn passes(error: &kube::Error) -> bool {
    match error {
        // A young server refuses the address of a Service until it has seen its own ServiceCIDR.
        kube::Error::Api(status) if status.code == 422 => {
            status.message.contains("the provided network does not match the current range")
        }
        // The object does not fit its kind, which the server says as if it were its own fault.
        kube::Error::Api(status) if status.message.contains("failed to create typed patch object") => false,
        // 404 stands for an API group or namespace that is not there yet.
        kube::Error::Api(status) => matches!(status.code, 403 | 404 | 409 | 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}

/// Whether a failure is one of a cluster that goes on without a member: no leader for now, a connection that ended or
/// that nobody answers. Where nobody listens at all, nothing is to be waited for.
fn stumbles(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => matches!(status.code, 429 | 500..=599),
        kube::Error::HyperError(_) | kube::Error::Service(_) => {
            let mut cause: Option<&dyn std::error::Error> = Some(error);
            while let Some(e) = cause {
                let io = e.downcast_ref::<std::io::Error>();
                if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
                    return false;
                }
                cause = e.source();
            }
            true
        }
        _ => false,
    }
}
