//! Pods that the API server refuses to make: quotas, LimitRanges, Pod Security, ServiceAccounts, webhooks.

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::happened;
use super::super::finding::Finding;
use super::super::look::{Look, between, some};
use super::super::target;
use super::words::nearest;

/// A refusal older than this, of a controller that has all its Pods by now, counts no more; in seconds.
const RECENT: i64 = 600;

/// Why the Pods of a controller are refused, in the API server's words; `None` when it has them all.
fn refusal<'f>(facts: &'f Facts, owner: &'f Value) -> Option<&'f str> {
    let there = facts.controlled("Pod", owner).len();
    let wanted = match owner.kind() {
        "DaemonSet" => owner.number("/status/desiredNumberScheduled"),
        "Job" => Some(i64::from(owner.condition("Complete").is_none())),
        _ => owner.number("/spec/replicas"),
    };
    if wanted.unwrap_or(1) <= i64::try_from(there).unwrap_or(i64::MAX) {
        return None;
    }
    let event = facts.event(owner, &["FailedCreate"]).filter(|event| facts.now - happened(event) < RECENT);
    let condition = owner.condition("ReplicaFailure").filter(|c| c["status"] == "True");
    let message = condition.or(event)?.text("/message");
    Some(message.split_once(" is forbidden: ").map_or(message, |(_, why)| why))
}

fn count(facts: &Facts, owner: &Value) -> String {
    let (there, wanted) = (facts.controlled("Pod", owner).len(), owner.number("/spec/replicas"));
    wanted.map_or_else(|| format!("Pods: {there}"), |wanted| format!("Pods: {there} of {wanted}"))
}

fn edit(facts: &Facts, owner: &Value) -> String {
    let (kind, name) = facts.root(owner);
    facts.kubectl(owner.namespace(), &format!("edit {}/{name}", target::short(&kind)))
}

pub fn quota(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let (name, rest) = message.split_once("exceeded quota: ")?.1.split_once(", requested: ")?;
    let namespace = owner.namespace();
    let quota = facts.one("ResourceQuota", namespace, name);
    let all = quota.map(|q| (q.texts("/status/used"), q.texts("/status/hard")));
    let lines: Vec<String> = all
        .iter()
        .flat_map(|(used, hard)| {
            hard.iter().map(|(what, most)| format!("{what}: {} used of {most}", used.get(what).copied().unwrap_or("0")))
        })
        .collect();
    let resource = rest.split('=').next().unwrap_or("pods");
    let patch =
        format!("patch resourcequota {name} --type=merge -p '{{\"spec\":{{\"hard\":{{\"{resource}\":\"MORE\"}}}}}}'");
    Some(
        Finding::new(format!(
            "The quota `{name}` of namespace `{namespace}` is used up, so no further Pod may be made ({resource})."
        ))
        .line(count(facts, owner))
        .line(format!("requested: {rest}"))
        .lines(lines)
        .try_(facts.kubectl(namespace, &format!("describe resourcequota {name}")))
        .try_(facts.kubectl(namespace, &patch)),
    )
}

pub fn quota_needs(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let (name, rest) = message.split_once("failed quota: ")?.1.split_once(": must specify ")?;
    let (what, containers) = rest.split_once(" for: ").unwrap_or((rest, ""));
    let (kind, root) = facts.root(owner);
    let flags: Vec<String> = what
        .split(',')
        .filter_map(|what| {
            let (flag, resource) = what.split_once('.').unwrap_or(("requests", what));
            Some(format!(
                "--{flag}={resource}={}",
                match resource {
                    "cpu" => "100m",
                    "memory" => "128Mi",
                    _ => return None,
                }
            ))
        })
        .collect();
    let set = format!("set resources {}/{root} {}", target::short(&kind), flags.join(" "));
    Some(
        Finding::new(format!(
            "The quota `{name}` counts {what}, so every container must say its {what}, and `{containers}` does not."
        ))
        .line(count(facts, owner))
        .line(message)
        .line("a LimitRange in the namespace can give containers defaults")
        .try_(facts.kubectl(owner.namespace(), &set)),
    )
}

pub fn limit_range(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let signs = ["usage per Container", "usage per Pod", "limit to request ratio"];
    if !super::super::look::any(message, &signs) {
        return None;
    }
    let names = facts.names("LimitRange", owner.namespace());
    let name = *names.first()?;
    Some(
        Finding::new(format!(
            "The LimitRange {} of namespace `{}` does not allow Pods like this.",
            some(&names, 3),
            owner.namespace()
        ))
        .line(count(facts, owner))
        .lines(
            message
                .trim_matches(['[', ']'])
                .split("], ")
                .flat_map(|part| part.split(", maximum"))
                .map(ToOwned::to_owned),
        )
        .try_(facts.kubectl(owner.namespace(), &format!("describe limitrange {name}")))
        .try_(edit(facts, owner)),
    )
}

pub fn pod_security(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let level = between(message, "violates PodSecurity \"", ":")?;
    let why = message.split_once("\": ").map_or(message, |(_, why)| why);
    let namespace = owner.namespace();
    // A comma separates reasons only where the parenthesis of the one before is closed.
    let reasons: Vec<String> =
        why.split("), ").map(|reason| format!("{}{}", reason.trim_end_matches(')'), ")")).collect();
    Some(
        Finding::new(format!(
            "The namespace `{namespace}` enforces the Pod Security level `{level}`, which these Pods do not meet."
        ))
        .line(count(facts, owner))
        .lines(reasons)
        .try_(edit(facts, owner))
        .try_(facts.kubectl(
            "",
            &format!("label namespace {namespace} pod-security.kubernetes.io/enforce=privileged --overwrite"),
        )),
    )
}

pub fn service_account(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let name = between(message, "serviceaccount \"", "\" not found")?;
    let namespace = owner.namespace();
    let known = facts.names("ServiceAccount", namespace);
    Some(
        Finding::new(format!(
            "The ServiceAccount `{name}`, as which the Pods should run, does not exist in namespace `{namespace}`{}.",
            nearest(name, &known)
        ))
        .line(count(facts, owner))
        .line(format!("the namespace has: {}", some(&known, 5)))
        .try_(facts.kubectl(namespace, &format!("create serviceaccount {name}"))),
    )
}

pub fn other(facts: &Facts, owner: &Value) -> Option<Finding> {
    let message = refusal(facts, owner)?;
    let known = [quota, quota_needs, limit_range, pod_security, service_account];
    if known.iter().any(|rule| rule(facts, owner).is_some()) {
        return None;
    }
    Some(
        Finding::new("The API server refuses to make the Pods.").line(count(facts, owner)).line(message).try_(
            facts.kubectl(owner.namespace(), &format!("describe {}/{}", target::short(owner.kind()), owner.name())),
        ),
    )
}
