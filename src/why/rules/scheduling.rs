//! Pods for which the scheduler finds no node: what each node lacks, computed as the scheduler does.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::facts::Facts;
use super::super::facts::pods::is_done;
use super::super::finding::Finding;
use super::super::look::{Look, expression, pairs};
use super::super::quantity::{parse, show};
use super::words;

/// The scheduler's words about a Pod that it could not place.
pub fn refused(pod: &Value) -> Option<&str> {
    let condition = pod.condition("PodScheduled")?;
    (pod.text("/metadata/deletionTimestamp").is_empty() && condition["reason"] == "Unschedulable")
        .then(|| condition.text("/message"))
}

/// Whether a node is one that the Pod's nodeSelector and required node affinity mean.
fn is_selected(pod: &Value, node: &Value) -> bool {
    let labels = node.texts("/metadata/labels");
    let plain = pod.texts("/spec/nodeSelector").iter().all(|(k, v)| labels.get(k) == Some(v));
    let terms =
        pod.list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
    let fields = BTreeMap::from([("metadata.name", node.name())]);
    let meets = |term: &Value| {
        term.list("/matchExpressions").iter().all(|e| expression(e, &labels))
            && term.list("/matchFields").iter().all(|e| expression(e, &fields))
    };
    plain && (terms.is_empty() || terms.iter().any(meets))
}

/// What a Pod's nodeSelector and affinity ask for, in words.
fn wishes(pod: &Value) -> Vec<String> {
    let mut wishes = Vec::new();
    let plain = pod.texts("/spec/nodeSelector");
    if !plain.is_empty() {
        wishes.push(pairs(&plain));
    }
    for term in pod.list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
    {
        for e in term.list("/matchExpressions").iter().chain(term.list("/matchFields")) {
            let values: Vec<&str> = e.list("/values").iter().filter_map(Value::as_str).collect();
            wishes.push(
                format!("{} {} {}", e.text("/key"), e.text("/operator"), values.join(", ")).trim_end().to_owned(),
            );
        }
    }
    wishes
}

/// The taints of a node that keep the Pod away.
fn untolerated<'n>(pod: &Value, node: &'n Value) -> Vec<&'n Value> {
    let tolerates = |taint: &Value, toleration: &Value| {
        let (key, effect) = (toleration.text("/key"), toleration.text("/effect"));
        let exists = toleration["operator"] == "Exists";
        (effect.is_empty() || effect == taint.text("/effect"))
            && ((key.is_empty() && exists)
                || (key == taint.text("/key") && (exists || toleration.text("/value") == taint.text("/value"))))
    };
    let taints = node.list("/spec/taints").iter().filter(|taint| taint["effect"] != "PreferNoSchedule");
    taints.filter(|taint| !pod.list("/spec/tolerations").iter().any(|t| tolerates(taint, t))).collect()
}

fn shown(taint: &Value) -> String {
    let value = taint.text("/value");
    let equals = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{equals}:{}", taint.text("/key"), taint.text("/effect"))
}

/// What a Pod asks for, by resource: its containers together, or its largest init container.
fn requests(pod: &Value) -> BTreeMap<&str, f64> {
    let of = |container: &Value| -> Vec<(String, f64)> {
        let all = container.texts("/resources/requests");
        all.iter().filter_map(|(name, amount)| Some(((*name).to_owned(), parse(amount)?))).collect()
    };
    let mut sum: BTreeMap<String, f64> = BTreeMap::new();
    for (name, amount) in pod.list("/spec/containers").iter().flat_map(of) {
        *sum.entry(name).or_default() += amount;
    }
    for (name, amount) in pod.list("/spec/initContainers").iter().flat_map(of) {
        let so_far = sum.entry(name).or_default();
        *so_far = so_far.max(amount);
    }
    let names: Vec<&str> = ["/spec/containers", "/spec/initContainers"]
        .iter()
        .flat_map(|list| pod.list(list))
        .flat_map(|c| c.texts("/resources/requests").into_keys())
        .collect();
    names.into_iter().map(|name| (name, sum.get(name).copied().unwrap_or_default())).collect()
}

/// How much of a resource a node has for Pods, and how much of that is free.
fn room(facts: &Facts, node: &Value, resource: &str) -> (f64, f64) {
    let allocatable =
        parse(node.texts("/status/allocatable").get(resource).copied().unwrap_or_default()).unwrap_or_default();
    let here = facts.all("Pod").iter().filter(|pod| {
        pod.text("/spec/nodeName") == node.name() && !is_done(pod) && pod.text("/status/phase") != "Failed"
    });
    let used: f64 = here
        .map(|pod| if resource == "pods" { 1.0 } else { requests(pod).get(resource).copied().unwrap_or_default() })
        .sum();
    (allocatable, (allocatable - used).max(0.0))
}

pub fn selector(facts: &Facts, pod: &Value) -> Option<Finding> {
    refused(pod)?;
    let nodes = facts.all("Node");
    if nodes.is_empty() || nodes.iter().any(|node| is_selected(pod, node)) {
        return None;
    }
    let wishes = wishes(pod);
    let keys: Vec<String> = pod
        .texts("/spec/nodeSelector")
        .into_keys()
        .map(ToOwned::to_owned)
        .chain(
            pod.list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
                .iter()
                .flat_map(|t| t.list("/matchExpressions"))
                .map(|e| e.text("/key").to_owned()),
        )
        .collect();
    let line = |node: &Value| {
        let labels = node.texts("/metadata/labels");
        let has: Vec<String> = keys
            .iter()
            .map(|key| match labels.get(key.as_str()) {
                Some(value) => format!("{key}={value}"),
                None => format!("no label {key}"),
            })
            .collect();
        format!("node {}: {}", node.name(), has.join(", "))
    };
    let (key, value) = label_to_set(pod).unwrap_or(("KEY", "VALUE"));
    let free = nodes.iter().find(|node| untolerated(pod, node).is_empty()).or(nodes.first()).map_or("NODE", Look::name);
    Some(
        Finding::new(format!("No node has what the Pod's node selector asks for: {}.", wishes.join("; ")))
            .lines(nodes.iter().map(line))
            .try_(facts.kubectl("", &format!("label node {free} {key}={value}")))
            .try_all(words::edit(facts, pod)),
    )
}

/// A label that would make a node one of those that are meant.
fn label_to_set(pod: &Value) -> Option<(&str, &str)> {
    let plain = pod.texts("/spec/nodeSelector").into_iter().next();
    plain.or_else(|| {
        let terms =
            pod.list("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms");
        let e = terms.iter().flat_map(|term| term.list("/matchExpressions")).find(|e| e["operator"] == "In")?;
        Some((e.text("/key"), e.text("/values/0")))
    })
}

pub fn taints(facts: &Facts, pod: &Value) -> Option<Finding> {
    refused(pod)?;
    let selected: Vec<&Value> = facts.all("Node").iter().filter(|node| is_selected(pod, node)).collect();
    if selected.is_empty() || selected.iter().any(|node| untolerated(pod, node).is_empty()) {
        return None;
    }
    let others = facts.all("Node").len() - selected.len();
    let lines = selected.iter().map(|node| {
        let taints: Vec<String> = untolerated(pod, node).into_iter().map(shown).collect();
        format!("node {}: {}", node.name(), taints.join(", "))
    });
    let first = untolerated(pod, selected[0])[0];
    let key = first.text("/key");
    let node = selected[0].name();
    let (why, command) = match key {
        "node.kubernetes.io/unschedulable" => ("is cordoned", facts.kubectl("", &format!("uncordon {node}"))),
        "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable" => {
            ("is not ready", facts.knarr(&format!("why node/{node}")))
        }
        _ => (
            "has a taint that the Pod does not tolerate",
            facts.kubectl("", &format!("taint node {node} {key}:{}-", first.text("/effect"))),
        ),
    };
    let which = if selected.len() == 1 {
        format!("The node `{node}`, the only one that the Pod may use,")
    } else {
        "Every node that the Pod may use".to_owned()
    };
    let edit = words::edit(facts, pod);
    let finding = Finding::new(format!("{which} {why}.")).lines(lines);
    let finding = if others > 0 {
        finding.line(format!("nodes that the Pod's node selector does not mean: {others}"))
    } else {
        finding
    };
    let tolerate = format!("or let the Pod tolerate it: tolerations: [{{key: {key}, operator: Exists}}]");
    Some(if key.starts_with("node.kubernetes.io/") {
        finding.try_(command)
    } else {
        finding.line(tolerate).try_all(edit).try_(command)
    })
}

pub fn too_large(facts: &Facts, pod: &Value) -> Option<Finding> {
    let message = refused(pod)?;
    let too_many = message.contains("Too many pods");
    if !message.contains("Insufficient") && !too_many {
        return None;
    }
    let mut wanted = requests(pod);
    if too_many {
        wanted.insert("pods", 1.0);
    }
    let usable: Vec<&Value> =
        facts.all("Node").iter().filter(|node| is_selected(pod, node) && untolerated(pod, node).is_empty()).collect();
    let lacks = |node: &Value| -> Vec<(&str, f64, f64, f64)> {
        let all = wanted.iter().map(|(resource, amount)| {
            let (allocatable, free) = room(facts, node, resource);
            (*resource, *amount, allocatable, free)
        });
        all.filter(|(_, amount, _, free)| amount > free).collect()
    };
    let lacking: Vec<(&Value, Vec<_>)> = usable.iter().map(|node| (*node, lacks(node))).collect();
    let (resource, amount, ..) = *lacking.iter().flat_map(|(_, lacks)| lacks).next()?;
    let never = lacking.iter().all(|(_, lacks)| lacks.iter().any(|(_, amount, allocatable, _)| amount > allocatable));
    let lines = lacking.iter().map(|(node, lacks)| {
        let words: Vec<String> = lacks
            .iter()
            .map(|(r, _, allocatable, free)| {
                format!(
                    "{r} {} allocatable, {} requested, {} free",
                    show(r, *allocatable),
                    show(r, allocatable - free),
                    show(r, *free)
                )
            })
            .collect();
        format!("node {}: {}", node.name(), words.join("; "))
    });
    let away: Vec<String> = facts
        .all("Node")
        .iter()
        .filter(|node| !usable.iter().any(|u| u.name() == node.name()))
        .map(|node| {
            let taints: Vec<String> = untolerated(pod, node).into_iter().map(shown).collect();
            format!(
                "node {}: not for this Pod ({})",
                node.name(),
                if taints.is_empty() { "node selector".to_owned() } else { taints.join(", ") }
            )
        })
        .collect();
    let amount = show(resource, amount);
    let sentence = match (resource, never) {
        ("pods", _) => "Every node has as many Pods as it may have.".to_owned(),
        (_, true) => format!("The Pod requests {amount} of {resource}, more than any node has."),
        (_, false) => format!("The Pod requests {amount} of {resource}, and no node has that much free."),
    };
    let container = pod
        .list("/spec/containers")
        .iter()
        .max_by(|a, b| {
            let of = |c: &Value| {
                parse(c.texts("/resources/requests").get(resource).copied().unwrap_or_default()).unwrap_or_default()
            };
            of(a).total_cmp(&of(b))
        })
        .map_or("", |c| c.text("/name"));
    let most = lacking.iter().map(|(node, _)| room(facts, node, resource).1).fold(0.0, f64::max);
    let lower = if resource == "cpu" { "100m".to_owned() } else { show(resource, (most / 2.0).min(268_435_456.0)) };
    let set = facts.kubectl(
        pod.namespace(),
        &format!("set resources {} -c {container} --requests={resource}={lower}", words::workload(facts, pod)),
    );
    let commands = if words::is_bare(facts, pod) || resource == "pods" { words::edit(facts, pod) } else { vec![set] };
    Some(Finding::new(sentence).lines(lines).lines(away).try_all(commands).try_(facts.kubectl("", "describe nodes")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tolerations_are_those_of_kubernetes() {
        let node = json!({"spec": {"taints": [{"key": "a", "value": "b", "effect": "NoSchedule"}]}});
        let away = |tolerations: Value| !untolerated(&json!({"spec": {"tolerations": tolerations}}), &node).is_empty();
        assert!(
            away(json!([]))
                && away(json!([{"key": "a"}]))
                && away(json!([{"key": "a", "operator": "Exists", "effect": "NoExecute"}]))
        );
        assert!(!away(json!([{"key": "a", "value": "b"}])) && !away(json!([{"operator": "Exists"}])));
    }

    #[test]
    fn a_pod_asks_for_its_largest_need() {
        let c = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let pod = json!({"spec": {"containers": [c("100m"), c("200m")], "initContainers": [c("1")]}});
        assert_eq!(requests(&pod), BTreeMap::from([("cpu", 1.0)]));
    }
}
