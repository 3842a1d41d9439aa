//! Asks every rule about every object in question, keeps causes, drops symptoms that they explain, joins what is the same.

use serde_json::Value;

use super::facts::Facts;
use super::finding::{Finding, Named, Rank};
use super::follow::all_beneath;
use super::look::{Look, some};
use super::rules::RULES;
use super::target;

/// A finding and the object at which it was made.
struct Found<'f> {
    object: &'f Value,
    finding: Finding,
}

/// What is wrong with these objects and with what is beneath them. A Pod is told as the workload that made it, unless
/// the Pods themselves are what was asked about.
pub fn diagnose(facts: &Facts, objects: &[&Value], about_pods: bool) -> Vec<Finding> {
    let mut scope: Vec<&Value> = Vec::new();
    for object in objects {
        for one in all_beneath(facts, object) {
            if !scope.iter().any(|known| std::ptr::eq(*known, one)) {
                scope.push(one);
            }
        }
    }
    let found: Vec<Found<'_>> = scope.iter().flat_map(|object| ask(facts, object)).collect();
    let told = found.iter().filter(|one| one.finding.rank == Some(Rank::Cause) || !is_explained(facts, one, &found));
    let mut answer: Vec<Finding> = Vec::new();
    for one in told {
        join(&mut answer, lift(facts, one, about_pods));
    }
    answer
}

/// The answers of all rules that know the object's kind; a Pod has one cause, the first that a rule knows.
fn ask<'f>(facts: &Facts, object: &'f Value) -> Vec<Found<'f>> {
    // A Pod that was told to go is only wrong when it does not.
    let leaving = object.kind() == "Pod" && !object.text("/metadata/deletionTimestamp").is_empty();
    let rules = RULES
        .iter()
        .filter(|rule| rule.kinds.contains(&object.kind()) && (!leaving || rule.name == "stuck-terminating"));
    let answers = rules.filter_map(|rule| {
        let finding = (rule.check)(facts, object)?;
        let namespace = Some(object.namespace()).filter(|n| !n.is_empty()).map(ToOwned::to_owned);
        let subject = Named { kind: object.kind().to_owned(), namespace, name: object.name().to_owned() };
        Some(Found { object, finding: Finding { subject, rule: rule.name, rank: Some(rule.rank), ..finding } })
    });
    let most = if object.kind() == "Pod" { 1 } else { usize::MAX };
    answers.take(most).collect()
}

/// Whether a symptom has a cause at its own object, or anything beneath it.
fn is_explained(facts: &Facts, symptom: &Found<'_>, found: &[Found<'_>]) -> bool {
    let beneath = all_beneath(facts, symptom.object);
    found.iter().any(|other| {
        let here = std::ptr::eq(other.object, symptom.object);
        (here && other.finding.rank == Some(Rank::Cause))
            || (!here && beneath.iter().any(|one| std::ptr::eq(*one, other.object)))
    })
}

/// Tells a finding at a Pod or ReplicaSet as one of the workload that a person wrote.
fn lift(facts: &Facts, found: &Found<'_>, about_pods: bool) -> Finding {
    let mut finding = found.finding.clone();
    let is_pod = found.object.kind() == "Pod";
    if is_pod && about_pods || !is_pod && found.object.kind() != "ReplicaSet" {
        return finding;
    }
    let (kind, name) = facts.root(found.object);
    if is_pod && (kind.as_str(), name.as_str()) != ("Pod", found.object.name()) {
        finding.pods.push(found.object.name().to_owned());
    }
    (finding.subject.kind, finding.subject.name) = (kind, name);
    finding
}

/// Adds a finding, or only its Pods to one that says the same.
fn join(answer: &mut Vec<Finding>, finding: Finding) {
    let same = |other: &&mut Finding| {
        (&other.subject, other.rule, &other.sentence) == (&finding.subject, finding.rule, &finding.sentence)
    };
    match answer.iter_mut().find(same) {
        Some(known) => known.pods.extend(finding.pods),
        None => answer.push(finding),
    }
}

/// `2 Pods: web-a, web-b`; nothing when a finding is about no Pods of something else.
pub fn whose(finding: &Finding) -> Option<String> {
    match finding.pods.len() {
        0 => None,
        1 => Some(format!("Pod {}", finding.pods[0])),
        n => Some(format!("{n} Pods: {}", some(&finding.pods, 3))),
    }
}

/// The objects about which `knarr why` can be asked, of one namespace or of all; with what lives in none.
pub fn everything<'f>(facts: &'f Facts, namespace: Option<&str>) -> Vec<&'f Value> {
    let mine = |object: &&Value| {
        namespace.is_none_or(|n| {
            object.namespace() == n || object.kind() == "Node" || object.kind() == "Namespace" && object.name() == n
        })
    };
    target::kinds().flat_map(|kind| facts.all(kind)).filter(mine).collect()
}
