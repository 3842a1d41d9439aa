//! Claims that get no volume: their class does not exist, its provisioner does not run, or nobody uses the claim.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::finding::Finding;
use super::super::follow::{consumers, waits_for_pods};
use super::super::look::{Look, between, some, span};
use super::words::nearest;

/// The provisioner that makes nothing: volumes of its classes are made by hand.
pub const BY_HAND: &str = "kubernetes.io/no-provisioner";
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// A provisioner may take this long, in seconds.
const PATIENCE: i64 = 30;

/// Whether a claim still waits for a volume.
pub fn is_pending(claim: &Value) -> bool {
    claim.text("/status/phase") == "Pending" && claim.text("/metadata/deletionTimestamp").is_empty()
}

/// Whether volumes of a claim's class are made by hand: a class without provisioner, none at all, or one that only
/// volumes carry.
pub fn is_by_hand(facts: &Facts, claim: &Value) -> bool {
    let name = claim.text("/spec/storageClassName");
    match facts.one("StorageClass", "", name) {
        Some(class) => class["provisioner"] == BY_HAND,
        None => facts.all("PersistentVolume").iter().any(|volume| volume.text("/spec/storageClassName") == name),
    }
}

fn default_class(facts: &Facts) -> Option<&Value> {
    facts.all("StorageClass").iter().find(|class| class.texts("/metadata/annotations").get(DEFAULT) == Some(&"true"))
}

pub fn class(facts: &Facts, claim: &Value) -> Option<Finding> {
    let name = claim.text("/spec/storageClassName");
    if !is_pending(claim) || facts.one("StorageClass", "", name).is_some() || is_by_hand(facts, claim) {
        return None;
    }
    let known: Vec<&str> = facts.all("StorageClass").iter().map(Look::name).collect();
    let has = if known.is_empty() {
        "the cluster has no StorageClass".to_owned()
    } else {
        format!("the cluster has: {}", some(&known, 5))
    };
    let sentence = if claim.pointer("/spec/storageClassName").is_none() {
        if default_class(facts).is_some() {
            return None;
        }
        "The claim names no StorageClass, and the cluster has no default one, so nobody makes a volume.".to_owned()
    } else if name.is_empty() {
        "The claim wants no StorageClass (`storageClassName: \"\"`), and no volume without a class fits, so nobody makes one.".to_owned()
    } else {
        format!("The claim names the StorageClass `{name}`, which does not exist{}.", nearest(name, &known))
    };
    let finding = Finding::new(sentence)
        .line(has)
        .line("the class of a claim cannot be changed: delete the claim and make it anew with another class, or with none for the default");
    let finding = if facts.has_addon("storage") || !known.is_empty() {
        finding
    } else {
        finding.try_(facts.knarr("addons enable storage"))
    };
    Some(
        finding
            .try_(facts.kubectl("", "get storageclasses"))
            .try_(facts.kubectl(claim.namespace(), &format!("delete pvc {}", claim.name()))),
    )
}

pub fn no_provisioner(facts: &Facts, claim: &Value) -> Option<Finding> {
    let event =
        facts.event(claim, &["ExternalProvisioning"]).filter(|_| is_pending(claim) && facts.age(claim) > PATIENCE)?;
    if facts.event(claim, &["ProvisioningFailed"]).is_some() {
        return None;
    }
    let provisioner = between(event.text("/message"), "provisioner '", "'").unwrap_or("?");
    let class = claim.text("/spec/storageClassName");
    let known: Vec<&str> = facts.all("StorageClass").iter().map(Look::name).filter(|name| *name != class).collect();
    let finding = Finding::new(format!("The provisioner `{provisioner}` of the StorageClass `{class}` does not answer: it does not run in this cluster."))
        .line(format!("the claim waits since {}", span(facts.age(claim))))
        .line(format!("other classes: {}", if known.is_empty() { "none".to_owned() } else { some(&known, 5) }));
    let finding =
        if provisioner.contains("knarr.dev") { finding.try_(facts.knarr("addons enable storage")) } else { finding };
    Some(
        finding
            .try_(facts.kubectl("", &format!("describe storageclass {class}")))
            .try_(facts.kubectl("", "get storageclasses")),
    )
}

pub fn waits(facts: &Facts, claim: &Value) -> Option<Finding> {
    if !is_pending(claim) || !waits_for_pods(facts, claim) || !consumers(facts, claim).is_empty() {
        return None;
    }
    let name = claim.name();
    Some(
        Finding::new(format!(
            "The claim waits for the first Pod that uses it, as its class `{}` wants; no Pod does.",
            claim.text("/spec/storageClassName")
        ))
        .line("volumeBindingMode: WaitForFirstConsumer makes the volume on the node to which that Pod goes")
        .line("this is no failure: use the claim in a Pod")
        .try_(facts.kubectl(claim.namespace(), &format!("describe pvc {name}"))),
    )
}

pub fn failed(facts: &Facts, claim: &Value) -> Option<Finding> {
    let event = facts.event(claim, &["ProvisioningFailed"]).filter(|_| is_pending(claim))?;
    if class(facts, claim).is_some() || is_by_hand(facts, claim) {
        return None;
    }
    Some(
        Finding::new(format!(
            "The provisioner of the StorageClass `{}` could not make a volume.",
            claim.text("/spec/storageClassName")
        ))
        .line(event.text("/message"))
        .try_(facts.kubectl(claim.namespace(), &format!("describe pvc {}", claim.name()))),
    )
}
