//! Kubernetes objects as plain JSON: who they are, where they live.

use serde_json::Value;

/// `kind/name` or `kind/namespace/name`, for messages.
pub fn describe(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object");
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// Group and version of an object, from its `apiVersion`.
pub fn group_version(object: &Value) -> (String, String) {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    match api_version.split_once('/') {
        Some((group, version)) => (group.into(), version.into()),
        None => (String::new(), api_version.into()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_objects() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}});
        assert_eq!(describe(&object), "Deployment b/a");
        assert_eq!(group_version(&object), ("apps".into(), "v1".into()));
        assert_eq!(group_version(&json!({"apiVersion": "v1"})), (String::new(), "v1".into()));
    }
}
