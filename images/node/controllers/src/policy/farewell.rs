//! Whether the rules outlive the process: they do, so that neither a restart nor an update opens a hole, unless the
//! addon itself was removed and nobody would keep them up to date any more.

use std::time::Duration;

use k8s_openapi::api::apps::v1::DaemonSet;
use kube::core::PartialObjectMeta;
use kube::{Api, Client};

/// The addon's DaemonSet, in `manifests/addons/network-policy.yaml`.
const NAMESPACE: &str = "kube-system";
const NAME: &str = "knarr-network-policy";

/// Not longer than a Pod has to end.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks whether the addon was removed; without a clear answer it was not.
pub async fn addon_was_removed(client: Client) -> bool {
    let daemon_sets: Api<DaemonSet> = Api::namespaced(client, NAMESPACE);
    let answer = tokio::time::timeout(PATIENCE, daemon_sets.get_metadata(NAME)).await;
    answer.is_ok_and(|answer| is_gone(&answer))
}

/// Who removes an addon may take away its rights before the process has ended.
fn is_gone(answer: &kube::Result<PartialObjectMeta<DaemonSet>>) -> bool {
    match answer {
        Ok(found) => found.metadata.deletion_timestamp.is_some(),
        Err(kube::Error::Api(status)) => matches!(status.code, 401 | 403 | 404),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16) -> kube::Result<PartialObjectMeta<DaemonSet>> {
        Err(kube::Error::Api(Status::failure("no", "No").with_code(code).boxed()))
    }

    #[test]
    fn only_a_clear_answer_takes_the_rules_away() {
        let mut found = PartialObjectMeta::<DaemonSet>::default();
        assert!(!is_gone(&Ok(found.clone())), "a restart or an update");
        found.metadata.deletion_timestamp = serde_json::from_str("\"2026-01-01T00:00:00Z\"").expect("a time");
        assert!(is_gone(&Ok(found)));
        assert!(is_gone(&refused(404)) && is_gone(&refused(403)) && is_gone(&refused(401)));
        assert!(!is_gone(&refused(503)) && !is_gone(&refused(429)));
    }
}
