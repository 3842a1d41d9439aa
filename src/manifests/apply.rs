//! Puts a person's objects into a cluster: what others need first, each as far as it goes, every refusal told.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::user::Written;
use super::wait::{Waits, until_they_work};
use crate::error::{Error, Result};
use crate::kubernetes::{Kubernetes, Progress, Scope, objects};

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";
/// Between two questions for a kind that was defined a moment ago: the server learns it by itself.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The kind that defines kinds.
const DEFINITION: &str = "CustomResourceDefinition";

/// How far an application went.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The objects that the cluster has now, as they were applied.
    pub applied: Vec<Written>,
    /// What was refused, and why.
    pub refused: Vec<(Written, String)>,
}

/// Applies objects in their order, Namespaces and definitions of kinds before the others. One that is refused does not
/// keep back those behind it; `outcome` is right at every moment, also when the caller stops waiting.
pub async fn apply(
    kubernetes: &dyn Kubernetes,
    written: &[Written],
    outcome: &mut Outcome,
    progress: Progress<'_>,
) -> Result<()> {
    let is_first = |w: &&Written| {
        matches!(w.object["kind"].as_str(), Some("Namespace" | DEFINITION))
            && matches!(objects::group_version(&w.object).0.as_str(), "" | "apiextensions.k8s.io")
    };
    let (first, rest): (Vec<&Written>, Vec<&Written>) = written.iter().partition(is_first);
    let mut defined = BTreeSet::new();
    for one in first {
        apply_one(kubernetes, one, &defined, outcome, progress).await;
    }
    let definitions: Vec<Value> =
        outcome.applied.iter().map(|w| &w.object).filter(|o| o["kind"] == DEFINITION).cloned().collect();
    until_they_work(kubernetes, &definitions, &Waits::default(), progress).await?;
    for definition in &definitions {
        let spec = &definition["spec"];
        defined.insert((text(&spec["group"]).to_owned(), text(&spec["names"]["kind"]).to_owned()));
    }
    for one in rest {
        apply_one(kubernetes, one, &defined, outcome, progress).await;
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

async fn apply_one(
    kubernetes: &dyn Kubernetes,
    written: &Written,
    defined: &BTreeSet<(String, String)>,
    outcome: &mut Outcome,
    progress: Progress<'_>,
) {
    let mut object = written.object.clone();
    let applied = async {
        place(kubernetes, &mut object, defined).await?;
        progress(&objects::describe(&object));
        kubernetes.submit(&object, progress).await
    }
    .await;
    let origin = written.origin.clone();
    match applied {
        Ok(()) => outcome.applied.push(Written { object, origin }),
        Err(e) => outcome.refused.push((Written { object, origin }, e.causes.last().unwrap_or(&e.message).clone())),
    }
}

/// Gives an object its namespace, as the server wants its kind.
async fn place(kubernetes: &dyn Kubernetes, object: &mut Value, defined: &BTreeSet<(String, String)>) -> Result<()> {
    let ours = (objects::group_version(object).0, text(&object["kind"]).to_owned());
    loop {
        match kubernetes.scope(object).await? {
            Some(Scope::Namespaced) => {
                if text(&object["metadata"]["namespace"]).is_empty() {
                    object["metadata"]["namespace"] = DEFAULT_NAMESPACE.into();
                }
                return Ok(());
            }
            Some(Scope::Cluster) => {
                if let Some(metadata) = object["metadata"].as_object_mut() {
                    metadata.remove("namespace");
                }
                return Ok(());
            }
            None if defined.contains(&ours) => tokio::time::sleep(ASK_AGAIN).await,
            None => {
                let api_version = text(&object["apiVersion"]);
                return Err(Error::failed(format!("the cluster knows no kind `{}` of `{api_version}`", ours.1)));
            }
        }
    }
}
