//! What a person applies: kinds that only the server can describe, and refusals that are the person's to hear.

use std::sync::PoisonError;

use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery;
use serde_json::Value;

use super::retries::RETRY;
use super::{FIELD_MANAGER, KubeClient, words};
use crate::error::{Error, Result};
use crate::kubernetes::{Progress, Scope, objects};

impl KubeClient {
    /// How the server serves an object's kind. It is remembered: the plural of a foreign kind follows no rule.
    pub(super) async fn discover(&self, object: &Value) -> Result<Option<Scope>> {
        let (group, version) = objects::group_version(object);
        let kind = object["kind"].as_str().unwrap_or_default();
        let wanted = GroupVersionKind::gvk(&group, &version, kind);
        let known = self.served.lock().unwrap_or_else(PoisonError::into_inner).get(&wanted).map(|(_, scope)| *scope);
        if known.is_some() {
            return Ok(known);
        }
        let (resource, scope) = match discovery::pinned_kind(&self.client, &wanted).await {
            Ok((resource, capabilities)) => (
                resource,
                match capabilities.scope {
                    discovery::Scope::Cluster => Scope::Cluster,
                    discovery::Scope::Namespaced => Scope::Namespaced,
                },
            ),
            Err(kube::Error::Discovery(_)) => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(e) => return Err(Error::failed(format!("cannot ask what a `{kind}` is")).cause(words(&e))),
        };
        self.served.lock().unwrap_or_else(PoisonError::into_inner).insert(wanted, (resource, scope));
        Ok(Some(scope))
    }

    /// Applies one object. Only what a cluster takes back by itself is tried again; the caller bounds the time.
    pub(super) async fn apply_strictly(&self, object: &Value, progress: Progress<'_>) -> Result<()> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        // A misspelt field is refused, as kubectl does it.
        let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
        let api: Api<DynamicObject> = self.api_of(object);
        loop {
            match api.patch(name, &params, &Patch::Apply(object)).await {
                Ok(_) => return Ok(()),
                Err(e) if is_momentary(&e) => {
                    progress(&format!("{}: {}", objects::describe(object), words(&e)));
                    tokio::time::sleep(RETRY).await;
                }
                Err(e) => {
                    return Err(Error::failed(format!("cannot apply {}", objects::describe(object))).cause(words(&e)));
                }
            }
        }
    }
}

/// Whether a refusal says more about the moment than about the object.
fn is_momentary(error: &kube::Error) -> bool {
    match error {
        kube::Error::Api(status) => {
            let says = |text: &str| status.message.contains(text);
            match status.code {
                // A new namespace has its ServiceAccount a moment later; an old one may still be on its way out.
                403 => says("error looking up service account") || says("being terminated"),
                409 => says("being deleted") || says("being terminated"),
                422 => says("the provided network does not match the current range"),
                // Webhooks whose Pods have just been applied answer later. Every other 500 may be the object's fault: a
                // field that no schema knows is one too.
                500 => says("failed calling webhook") || says("etcdserver"),
                429 | 502..=504 => true,
                _ => false,
            }
        }
        kube::Error::HyperError(_) | kube::Error::Service(_) => true,
        _ => false,
    }
}
