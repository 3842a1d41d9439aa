//! The embedded manifests: their order and their placeholders. Applying them is `kubernetes`' work.

pub mod apply;
pub mod user;
pub mod wait;
pub mod works;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::node::paths::COREDNS_IMAGE;
use crate::plan::layout::Layout;
use crate::yaml;

const RIGHTS: (&str, &str) = ("00-rights.yaml", include_str!("../manifests/system/00-rights.yaml"));
const SYSTEM: [(&str, &str); 1] = [("10-coredns.yaml", include_str!("../manifests/system/10-coredns.yaml"))];

/// The file names of what [`system`] gives, for a printed plan.
pub const SYSTEM_NAMES: [&str; SYSTEM.len()] = [SYSTEM[0].0];
/// What the cluster's own identities need before they can work.
pub fn rights(layout: &Layout) -> Result<Vec<Value>> {
    parse(RIGHTS, layout)
}

/// What every cluster runs, in file-name order.
pub fn system(layout: &Layout) -> Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in SYSTEM {
        objects.extend(parse(file, layout)?);
    }
    Ok(objects)
}

fn parse((name, text): (&str, &str), layout: &Layout) -> Result<Vec<Value>> {
    let text = text
        .replace("{{DNS_ADDRESS}}", &layout.dns_service_address().to_string())
        .replace("{{DNS_DOMAIN}}", layout.spec.networking.dns_domain.as_str())
        .replace("{{COREDNS_IMAGE}}", COREDNS_IMAGE);
    documents(name, &text)
}

/// The objects of an embedded manifest.
pub fn documents(name: &str, text: &str) -> Result<Vec<Value>> {
    let broken =
        |why: String| Error::new(ErrorKind::Bug, format!("the embedded manifest `{name}` is broken")).cause(why);
    yaml::documents(text)
        .map_err(|e| broken(e.to_string()))?
        .into_iter()
        .map(|document| serde_json::to_value(document.value).map_err(|e| broken(e.to_string())))
        .collect()
}
