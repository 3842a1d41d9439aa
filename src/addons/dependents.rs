//! What in a cluster would stop working without an addon.

use serde_json::Value;

use super::{Addon, LABEL};
use crate::error::Result;
use crate::kubernetes::kinds::{AUTOSCALER, INGRESS, Kind, SERVICE, VOLUME};
use crate::kubernetes::{Kubernetes, Selection, objects};

/// What the provisioner calls itself on the volumes that it made.
const PROVISIONER: &str = "knarr.dev/local";

/// The objects that depend on an addon, in words.
pub async fn dependents(kubernetes: &dyn Kubernetes, addon: &Addon) -> Result<Vec<String>> {
    let (kind, depends): (Kind, fn(&Value) -> bool) = match addon.name {
        "storage" => {
            (VOLUME, |volume| volume["metadata"]["annotations"]["pv.kubernetes.io/provisioned-by"] == PROVISIONER)
        }
        "load-balancer" => (SERVICE, |service| service["spec"]["type"] == "LoadBalancer"),
        "ingress" => (INGRESS, |ingress| ingress["spec"]["ingressClassName"] == "nginx"),
        "metrics-server" => (AUTOSCALER, |_| true),
        // NetworkPolicies without it allow everything, which is what switching it off asks for.
        _ => return Ok(Vec::new()),
    };
    let all = kubernetes.list(&kind, Selection::default()).await?;
    let of_others = |object: &&Value| object["metadata"]["labels"][LABEL] != addon.name;
    Ok(all.iter().filter(of_others).filter(|object| depends(object)).map(objects::describe).collect())
}
