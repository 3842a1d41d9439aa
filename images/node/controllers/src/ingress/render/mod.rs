//! From what is served to nginx's configuration: text, the same for the same model.

mod cors;
mod location;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use super::model::{Location, Model, Owner};
use super::world::Name;

/// The port that takes HTTP inside the pod: no capability is needed for it.
pub const HTTP: u16 = 8080;
/// The port that takes HTTPS.
pub const HTTPS: u16 = 8443;
/// The certificate of hosts that have none of their own.
pub const DEFAULT_CERTIFICATE: &str = "tls/default.pem";

const HEAD: &str = include_str!("head.conf");

/// What all Ingresses share.
pub fn head(folder: &str, generation: u64) -> String {
    HEAD.replace("{{FOLDER}}", folder).replace("{{GENERATION}}", &generation.to_string())
}

/// Everything after the head, with the closing brace.
pub fn body(model: &Model, folder: &str) -> String {
    let mut out = String::new();
    let owners: BTreeMap<&Name, &Arc<Owner>> =
        model.servers.iter().flat_map(|s| &s.locations).map(|l| (&l.owner.name, &l.owner)).collect();
    for owner in owners.values() {
        location::zones(&mut out, owner);
        cors::origins(&mut out, owner);
    }
    for server in &model.servers {
        server::render(&mut out, server, folder);
    }
    out.push_str("}\n");
    out
}

/// The variable part of a name inside the configuration: unique per Ingress, and only letters.
fn slug(name: &Name) -> String {
    super::model::hash(name.to_string().as_bytes())
}

/// One line of configuration; all of it was made safe by those who call.
fn line(out: &mut String, depth: usize, text: impl AsRef<str>) {
    let _ = writeln!(out, "{:1$}{2}", "", depth * 4, text.as_ref());
}

/// The locations of a server decide by expressions as soon as one of them does.
fn by_expression(locations: &[Location]) -> bool {
    locations.iter().any(|location| location.kind == super::model::Kind::Regex)
}
