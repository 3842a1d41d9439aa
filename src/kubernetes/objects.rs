//! Kubernetes objects as plain JSON: who they are, where they live.

use serde_json::Value;

use crate::spec::values::Taint;

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

/// The taints of a Node.
pub fn taints(node: &Value) -> Vec<Taint> {
    let text = |taint: &Value, key: &str| taint[key].as_str().unwrap_or_default().to_owned();
    let taint = |t: &Value| Taint { key: text(t, "key"), value: text(t, "value"), effect: text(t, "effect") };
    node["spec"]["taints"].as_array().into_iter().flatten().map(taint).collect()
}

/// Whether a PersistentVolume can be used on this node only.
pub fn lies_on(volume: &Value, node: &str) -> bool {
    let terms = volume.pointer("/spec/nodeAffinity/required/nodeSelectorTerms").and_then(Value::as_array);
    let expressions = terms.into_iter().flatten().filter_map(|term| term["matchExpressions"].as_array()).flatten();
    let mut hosts = expressions.filter(|e| e["key"] == "kubernetes.io/hostname" && e["operator"] == "In");
    hosts.any(|e| e["values"].as_array().is_some_and(|values| values.len() == 1 && values[0] == node))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_of_one_node() {
        let volume = |values: Value| {
            json!({"spec": {"nodeAffinity": {"required": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": values}]},
            ]}}}})
        };
        assert!(lies_on(&volume(json!(["a"])), "a"));
        assert!(!lies_on(&volume(json!(["b"])), "a"));
        assert!(!lies_on(&volume(json!(["a", "b"])), "a"));
        assert!(!lies_on(&json!({"spec": {"nfs": {}}}), "a"));
    }

    #[test]
    fn names_objects() {
        let object =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}});
        assert_eq!(describe(&object), "Deployment b/a");
        assert_eq!(group_version(&object), ("apps".into(), "v1".into()));
        assert_eq!(group_version(&json!({"apiVersion": "v1"})), (String::new(), "v1".into()));
    }
}
