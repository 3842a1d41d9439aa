//! What makes the Pods of an addon, and what it says of the addon.

use serde_json::Value;

use super::{Addon, Settings};

/// Where a workload keeps the settings that are on, by name.
pub(super) const SETTINGS: &str = "dev.knarr.addon/settings";

/// Whether an object makes Pods.
pub fn is_workload(object: &Value) -> bool {
    matches!(object["kind"].as_str(), Some("Deployment" | "DaemonSet"))
}

/// The workloads among objects.
pub fn workloads(objects: &[Value]) -> impl Iterator<Item = &Value> {
    objects.iter().filter(|object| is_workload(object))
}

/// The settings with which a workload was applied.
pub fn settings_of(addon: &Addon, workload: &Value) -> Settings {
    let on = workload["metadata"]["annotations"][SETTINGS].as_str().unwrap_or_default();
    addon.settings.iter().filter(|s| on.split(',').any(|name| name == s.name)).map(|s| (s.name, true)).collect()
}
