//! Namespaces that were deleted and do not go.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::look::{Look, span};

/// What is deleted with a namespace may take this long, in seconds.
const PATIENCE: i64 = 20;

pub fn check(facts: &Facts, namespace: &Value) -> Option<Finding> {
    let deleted = namespace.moment("/metadata/deletionTimestamp")?;
    if facts.now - deleted < PATIENCE {
        return None;
    }
    let name = namespace.name();
    let told = [
        "NamespaceDeletionDiscoveryFailure",
        "NamespaceDeletionContentFailure",
        "NamespaceContentRemaining",
        "NamespaceFinalizersRemaining",
    ];
    let told: Vec<&Value> =
        told.iter().filter_map(|kind| namespace.condition(kind)).filter(|c| c["status"] == "True").collect();
    let finalizers = namespace.condition("NamespaceFinalizersRemaining").filter(|c| c["status"] == "True");
    let sentence = if finalizers.is_some() {
        "The namespace was deleted, but objects in it have finalizers that nobody removes."
    } else if namespace.condition("NamespaceDeletionDiscoveryFailure").is_some_and(|c| c["status"] == "True") {
        "The namespace was deleted, but an API that the cluster offers does not answer, so nobody knows what is left in it."
    } else {
        "The namespace was deleted, but not everything in it is gone."
    };
    // «Some resources are remaining: configmaps. has 1 resource instances, …»
    let remaining = namespace
        .condition("NamespaceContentRemaining")
        .map(|c| c.text("/message").trim_start_matches("Some resources are remaining: "));
    let kinds: Vec<&str> = remaining
        .into_iter()
        .flat_map(|text| text.split(", "))
        .filter_map(|part| part.split(" has ").next())
        .map(|kind| kind.trim_end_matches('.'))
        .collect();
    let list = if kinds.is_empty() { "all".to_owned() } else { kinds.join(",") };
    let kind = kinds.first().copied().unwrap_or("KIND");
    Some(
        Finding::new(sentence)
            .line(format!("deleted {} ago", span(facts.now - deleted)))
            .lines(told.into_iter().map(|c| c.text("/message").to_owned()))
            .try_(facts.kubectl(name, &format!("get {list} -o yaml")))
            .try_(facts.kubectl(
                name,
                &format!("patch {kind} NAME --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'"),
            )),
    )
}
