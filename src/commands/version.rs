//! The versions of knarr and of what it makes.

use serde_json::json;

use super::Session;
use crate::engine::Engine;
use crate::error::Result;
use crate::image::versions;

/// Runs `knarr version`.
pub fn run(session: &Session<impl Engine>) -> Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    let kubernetes = versions::kubernetes();
    if session.json() {
        return session.print_json(&json!({
            "knarr": version,
            "kubernetes": kubernetes,
            "nodeImage": versions::default_reference(),
            "contract": knarr_contract::CONTRACT,
        }));
    }
    session.print(&format!("knarr {version}, makes Kubernetes {kubernetes} from {}", versions::default_reference()))
}
