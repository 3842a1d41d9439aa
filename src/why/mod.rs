//! `knarr why`: what is wrong in a cluster, in one sentence each, with evidence and a command to try.
//!
//! `facts` gathers, `follow` knows what stands beneath what, `rules` find, `diagnose` keeps causes and joins them,
//! `print` tells. Everything after `facts` is pure.

pub mod diagnose;
pub mod facts;
pub mod finding;
pub mod follow;
pub mod look;
mod print;
mod quantity;
pub mod rules;
pub mod target;
#[cfg(test)]
mod tests;

use serde::Serialize;
use serde_json::Value;

use self::facts::Facts;
use self::facts::pods::{containers, is_done, is_ready};
use self::finding::Finding;
use self::look::{Look, some, span};
pub use self::print::{count, text};
use self::target::Target;
use crate::config::suggest;
use crate::error::{Error, ErrorKind, Result};

/// What is asked: about whom, and where.
#[derive(Clone, Debug)]
pub struct Question {
    /// About what.
    pub target: Target,
    /// In which namespace; `None` is all of them.
    pub namespace: Option<String>,
}

/// What is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// The cluster.
    pub cluster: String,
    /// What was asked about, in words.
    pub about: String,
    /// Whether nothing was found.
    pub well: bool,
    /// What is wrong, causes only.
    pub findings: Vec<Finding>,
    /// What is not ready yet, but not for long.
    pub starting: Vec<String>,
    /// How many problems other namespaces have, when one namespace was asked about.
    pub elsewhere: usize,
    /// What was looked at: `1 Deployment, 1 ReplicaSet, 3 Pods`.
    pub looked_at: String,
    /// The command that tells everything.
    #[serde(skip)]
    pub all: String,
}

/// Answers a question from facts.
pub fn answer(facts: &Facts, question: &Question) -> Result<Answer> {
    let namespace = question.namespace.as_deref();
    let objects = chosen(facts, question)?;
    let about_pods = matches!(question.target, Target::One("Pod", _) | Target::All("Pod"))
        || matches!(&objects[..], [one] if one.kind() == "Pod");
    let findings = diagnose::diagnose(facts, &objects, about_pods);
    let elsewhere = match (&question.target, namespace) {
        (Target::Everything, Some(_)) => {
            let all = diagnose::diagnose(facts, &diagnose::everything(facts, None), false);
            all.into_iter().filter(|finding| !findings.contains(finding)).count()
        }
        _ => 0,
    };
    let beneath: Vec<&Value> = objects.iter().flat_map(|object| follow::all_beneath(facts, object)).collect();
    Ok(Answer {
        cluster: facts.cluster.clone(),
        about: about(&question.target, namespace),
        well: findings.is_empty(),
        starting: if findings.is_empty() { starting(facts, &beneath) } else { Vec::new() },
        findings,
        elsewhere,
        looked_at: looked_at(&beneath),
        all: facts.knarr("why -A"),
    })
}

fn about(target: &Target, namespace: Option<&str>) -> String {
    let place = namespace.map_or_else(|| "the cluster".to_owned(), |n| format!("namespace `{n}`"));
    match target {
        Target::Everything => place,
        Target::All(kind) => format!("the objects of kind {kind} in {place}"),
        Target::One(kind, name) => format!("{}/{name}", target::short(kind)),
        Target::Called(name) => format!("`{name}`"),
    }
}

/// The objects that are meant, or an error that names near ones.
fn chosen<'f>(facts: &'f Facts, question: &Question) -> Result<Vec<&'f Value>> {
    let namespace = question.namespace.as_deref();
    let is_here = |object: &&Value| object.namespace().is_empty() || namespace.is_none_or(|n| object.namespace() == n);
    match &question.target {
        Target::Everything => {
            if let Some(name) = namespace.filter(|name| facts.one("Namespace", "", name).is_none()) {
                return Err(missing(facts, "Namespace", name, None));
            }
            Ok(diagnose::everything(facts, namespace))
        }
        Target::All(kind) => Ok(facts.all(kind).iter().filter(is_here).collect()),
        Target::One(kind, name) => {
            let found: Vec<&Value> = facts.all(kind).iter().filter(is_here).filter(|o| o.name() == name).collect();
            match (&found[..], *kind) {
                ([], _) => Err(missing(facts, kind, name, namespace)),
                // Who asks about a namespace asks about what is in it.
                (_, "Namespace") => {
                    Ok(diagnose::everything(facts, Some(name)).into_iter().filter(|o| o.kind() != "Node").collect())
                }
                _ => Ok(found),
            }
        }
        Target::Called(name) => {
            let of_kind =
                |kind| facts.all(kind).iter().filter(is_here).filter(|o| o.name() == name).collect::<Vec<_>>();
            let first = target::kinds().map(of_kind).find(|found| !found.is_empty());
            first.ok_or_else(|| missing(facts, "", name, namespace))
        }
    }
}

/// There is no such object: the near ones, and those of the same name elsewhere.
fn missing(facts: &Facts, kind: &str, name: &str, namespace: Option<&str>) -> Error {
    let kinds: Vec<&str> = if kind.is_empty() { target::kinds().collect() } else { vec![kind] };
    let all: Vec<&Value> = kinds.iter().flat_map(|kind| facts.all(kind)).collect();
    let here = |o: &&&Value| o.namespace().is_empty() || namespace.is_none_or(|n| o.namespace() == n);
    let shown = |o: &Value| format!("`{}/{}`", target::short(o.kind()), o.name());
    let place =
        namespace.filter(|_| !target::is_global(kind)).map(|n| format!(" in namespace `{n}`")).unwrap_or_default();
    let what = if kind.is_empty() { String::new() } else { format!("{kind} ") };
    let error = Error::new(ErrorKind::NotFound, format!("there is no {what}`{name}`{place}"));
    let elsewhere: Vec<&Value> = all.iter().copied().filter(|o| o.name() == name).collect();
    if let Some(found) = elsewhere.first() {
        let ask = facts.knarr(&format!("why {}/{name} -n {}", target::short(found.kind()), found.namespace()));
        return error
            .cause(format!("{} is in namespace `{}`", shown(found), found.namespace()))
            .hint(format!("ask `{ask}`"));
    }
    let names: Vec<&str> = all.iter().filter(here).map(|o| o.name()).collect();
    let starts = all.iter().filter(here).find(|o| o.name().starts_with(name) || name.starts_with(o.name()));
    let near =
        suggest::nearest(name, &names).and_then(|near| all.iter().filter(here).find(|o| o.name() == near)).or(starts);
    let error = match near {
        Some(near) => error.cause(format!("did you mean {}?", shown(near))),
        None if names.is_empty() => error.cause("there is none at all"),
        None => error.cause(format!("there are {}", some(&names, 5))),
    };
    error.hint(format!("see everything that is not well with `{}`", facts.knarr("why -A")))
}

/// Pods that are not ready and for which no rule has found a cause: they are on their way.
fn starting(facts: &Facts, objects: &[&Value]) -> Vec<String> {
    let mut lines: Vec<String> = objects
        .iter()
        .filter(|o| o.kind() == "Pod" && !is_ready(o) && !is_done(o))
        .map(|pod| {
            let reason = containers(pod)
                .iter()
                .map(|c| c.waiting().0)
                .find(|reason| !reason.is_empty())
                .unwrap_or(pod.text("/status/phase"));
            let reason = if pod.text("/metadata/deletionTimestamp").is_empty() { reason } else { "Terminating" };
            format!(
                "pod/{} in {} is not ready yet: {reason}, {} old",
                pod.name(),
                pod.namespace(),
                span(facts.age(pod))
            )
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// `1 Deployment, 1 ReplicaSet, 3 Pods`
fn looked_at(objects: &[&Value]) -> String {
    let counts = target::kinds().filter_map(|kind| {
        let mut seen: Vec<*const Value> =
            objects.iter().filter(|o| o.kind() == kind).map(|o| std::ptr::from_ref(*o)).collect();
        seen.sort_unstable();
        seen.dedup();
        match seen.len() {
            0 => None,
            1 => Some(format!("1 {kind}")),
            n => Some(format!("{n} {kind}{}", if kind.ends_with('s') { "es" } else { "s" })),
        }
    });
    let counts: Vec<String> = counts.collect();
    if counts.is_empty() { "there are no such objects".to_owned() } else { format!("looked at {}", counts.join(", ")) }
}
