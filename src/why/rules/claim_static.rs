//! Claims for which a volume must be there already, and none fits: each volume's reason.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::follow::{consumers, waits_for_pods};
use super::super::look::{Look, selects, some};
use super::super::quantity::parse;
use super::claim::{is_by_hand, is_pending};

pub fn check(facts: &Facts, claim: &Value) -> Option<Finding> {
    let waits = waits_for_pods(facts, claim) && consumers(facts, claim).is_empty();
    if !is_pending(claim) || !is_by_hand(facts, claim) || waits {
        return None;
    }
    let volumes = facts.all("PersistentVolume");
    let reasons: Vec<String> = volumes
        .iter()
        .filter_map(|volume| Some(format!("volume {}: {}", volume.name(), unfit(claim, volume)?)))
        .collect();
    // One that fits will be bound in a moment.
    if reasons.len() < volumes.len() {
        return None;
    }
    let (size, class) = (claim.text("/spec/resources/requests/storage"), claim.text("/spec/storageClassName"));
    Some(
        Finding::new(format!(
            "No PersistentVolume fits the claim for {size} of class `{class}`, and nobody makes volumes of this class."
        ))
        .lines(reasons)
        .lines(volumes.is_empty().then_some("the cluster has no PersistentVolume"))
        .try_(facts.kubectl("", "get persistentvolumes"))
        .try_(facts.kubectl(claim.namespace(), &format!("describe pvc {}", claim.name()))),
    )
}

/// Why a volume cannot be the claim's; `None` when it can.
fn unfit(claim: &Value, volume: &Value) -> Option<String> {
    let class = (claim.text("/spec/storageClassName"), volume.text("/spec/storageClassName"));
    let modes: Vec<&str> = volume.list("/spec/accessModes").iter().filter_map(Value::as_str).collect();
    let wanted: Vec<&str> = claim.list("/spec/accessModes").iter().filter_map(Value::as_str).collect();
    let (has, wants) = (volume.text("/spec/capacity/storage"), claim.text("/spec/resources/requests/storage"));
    let holder = volume.text("/spec/claimRef/name");
    let is_mine = holder == claim.name() && volume.text("/spec/claimRef/namespace") == claim.namespace();
    let mut why = Vec::new();
    if class.0 != class.1 {
        why.push(format!("class `{}`, not `{}`", class.1, class.0));
    }
    if parse(has).zip(parse(wants)).is_some_and(|(has, wants)| has < wants) {
        why.push(format!("only {has}, {wants} wanted"));
    }
    if let Some(mode) = wanted.iter().find(|mode| !modes.contains(mode)) {
        why.push(format!("no {mode}, only {}", some(&modes, 3)));
    }
    if volume.text("/spec/volumeMode") == "Block" && claim.text("/spec/volumeMode") != "Block" {
        why.push("a block device, not a file system".to_owned());
    }
    if !selects(claim.pointer("/spec/selector").unwrap_or(&Value::Null), &volume.texts("/metadata/labels")) {
        why.push("the claim's selector does not mean its labels".to_owned());
    }
    match volume.text("/status/phase") {
        "Bound" => why.push(format!("bound to {}/{holder}", volume.text("/spec/claimRef/namespace"))),
        "Released" => why.push("released by a deleted claim; its data waits for a decision (Retain)".to_owned()),
        "Failed" => why.push("failed".to_owned()),
        _ if !holder.is_empty() && !is_mine => {
            why.push(format!("reserved for {}/{holder}", volume.text("/spec/claimRef/namespace")));
        }
        _ => {}
    }
    (!why.is_empty()).then(|| why.join("; "))
}
