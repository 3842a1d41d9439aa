//! The compiler and the oracle agree about every connection of random clusters.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::compile::compile;
use super::facts::Protocol;
use super::oracle::{Connection, Objects, forwards};
use super::text::print;

const NODES: [&str; 2] = ["n0", "n1"];
const NAMESPACES: [&str; 3] = ["red", "green", "blue"];
const OUTSIDE: [&str; 4] = ["10.9.1.1", "10.244.0.250", "192.0.2.7", "fd99::1"];
const PORTS: [u16; 5] = [53, 80, 81, 8080, 65535];

fn maybe(values: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), values].boxed()
}

fn labels() -> impl Strategy<Value = Value> {
    (maybe(select(&["a", "b"][..]).prop_map(Value::from)), maybe(select(&["x", "y"][..]).prop_map(Value::from)))
        .prop_map(|(app, tier)| without_nulls(json!({"app": app, "tier": tier})))
}

fn without_nulls(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, v| !v.is_null());
    }
    value
}

fn selector() -> BoxedStrategy<Value> {
    let key = || select(&["app", "tier"][..]);
    let values = || subsequence(vec!["a", "b", "x"], 1..3);
    let expression = prop_oneof![
        (key(), select(&["In", "NotIn"][..]), values())
            .prop_map(|(key, operator, values)| json!({"key": key, "operator": operator, "values": values})),
        (key(), select(&["Exists", "DoesNotExist"][..]))
            .prop_map(|(key, operator)| json!({"key": key, "operator": operator})),
    ];
    prop_oneof![
        2 => Just(json!({})),
        3 => labels().prop_map(|labels| json!({"matchLabels": labels})),
        2 => (labels(), vec(expression, 1..3)).prop_map(|(l, e)| json!({"matchLabels": l, "matchExpressions": e})),
    ]
    .boxed()
}

fn peer() -> impl Strategy<Value = Value> {
    let nets = ["0.0.0.0/0", "10.244.0.0/16", "10.244.0.0/24", "10.244.1.0/30", "10.9.1.1/32", "fd00::/120", "::/0"];
    let block = (select(nets.to_vec()), subsequence(nets.to_vec(), 0..3));
    prop_oneof![
        selector().prop_map(|pods| json!({"podSelector": pods})),
        selector().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        (selector(), selector()).prop_map(|(n, p)| json!({"namespaceSelector": n, "podSelector": p})),
        block.prop_map(|(net, except)| json!({"ipBlock": {"cidr": net, "except": except}})),
    ]
}

fn port() -> impl Strategy<Value = Value> {
    let protocol = || maybe(select(&["TCP", "UDP", "SCTP"][..]).prop_map(Value::from));
    let number = prop_oneof![
        Just(json!({})),
        select(&PORTS[..]).prop_map(|port| json!({"port": port})),
        (select(&PORTS[..]), 0..2u16).prop_map(|(p, more)| json!({"port": p, "endPort": p.saturating_add(more)})),
        select(&["web", "dns"][..]).prop_map(|name| json!({"port": name})),
    ];
    (protocol(), number).prop_map(|(protocol, mut port)| {
        port["protocol"] = protocol;
        port
    })
}

fn rules(peers: &'static str) -> impl Strategy<Value = Value> {
    let rule = (vec(peer(), 0..3), vec(port(), 0..3));
    vec(rule.prop_map(move |(who, ports)| json!({peers: who, "ports": ports})), 0..3).prop_map(Value::from)
}

fn policy() -> impl Strategy<Value = Value> {
    let types = maybe(subsequence(vec!["Ingress", "Egress"], 0..=2).prop_map(Value::from));
    (select(&NAMESPACES[..]), selector(), types, maybe(rules("from")), maybe(rules("to"))).prop_map(
        |(namespace, pods, types, ingress, egress)| {
            json!({
                "metadata": {"namespace": namespace},
                "spec": {"podSelector": pods, "policyTypes": types, "ingress": ingress, "egress": egress},
            })
        },
    )
}

/// Its name and its address come from its place in the list.
fn pod() -> impl Strategy<Value = Value> {
    let number = || select(&PORTS[..]);
    let phase = select(&["Running", "Running", "Running", "Succeeded", "Failed"][..]);
    let rest = (phase, prop::bool::weighted(0.1), 0..2usize, any::<bool>());
    (select(&NAMESPACES[..]), labels(), number(), number(), rest).prop_map(
        |(namespace, labels, web, dns, (phase, host, node, udp))| {
            let dns = json!({"name": "dns", "containerPort": dns, "protocol": if udp { "UDP" } else { "TCP" }});
            let ports = json!([{"name": "web", "containerPort": web}, dns, {"name": "web", "containerPort": dns["containerPort"]}]);
            json!({
                "metadata": {"namespace": namespace, "labels": labels},
                "spec": {"nodeName": NODES[node], "hostNetwork": host, "containers": [{"name": "c", "ports": ports}]},
                "status": {"phase": phase},
            })
        },
    )
}

fn objects() -> impl Strategy<Value = Objects> {
    (vec(pod(), 1..8), vec(labels(), 3), vec(policy(), 0..5)).prop_map(|(mut pods, labels, mut policies)| {
        for (i, pod) in pods.iter_mut().enumerate() {
            // What has finished has given its address away, to the Pod that follows it here.
            let node = &pod["spec"]["nodeName"].as_str().expect("a node")[1..];
            let host = if pod["status"]["phase"] == "Running" { i } else { i + 1 };
            pod["status"]["podIPs"] =
                json!([{"ip": format!("10.244.{node}.{host}")}, {"ip": format!("fd00::{node}:{host}")}]);
            pod["metadata"]["name"] = json!(format!("p{i}"));
        }
        for (i, policy) in policies.iter_mut().enumerate() {
            policy["metadata"]["name"] = json!(format!("policy-{i}"));
        }
        let namespaces =
            NAMESPACES.iter().zip(labels).map(|(name, labels)| json!({"metadata": {"name": name, "labels": labels}}));
        Objects { pods: decoded(pods), namespaces: decoded(namespaces), policies: decoded(policies) }
    })
}

fn decoded<T: serde::de::DeserializeOwned>(values: impl IntoIterator<Item = Value>) -> Vec<T> {
    values.into_iter().map(|v| serde_json::from_value(v).expect("an object")).collect()
}

proptest! {
    #[test]
    fn a_connection_passes_exactly_when_the_policies_allow_it(objects in objects()) {
        let facts = objects.facts();
        let rulesets = NODES.map(|node| compile(&facts, node));
        let ips = objects.pods.iter().filter_map(|p| p.status.as_ref()?.pod_ips.clone()).flatten().map(|ip| ip.ip);
        let all: Vec<IpAddr> = ips.chain(OUTSIDE.map(str::to_owned)).map(|ip| ip.parse().expect("an address")).collect();
        for from in &all {
            for to in all.iter().filter(|to| to.is_ipv4() == from.is_ipv4()) {
                for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                    for port in PORTS {
                        let connection = Connection { from: *from, to: *to, protocol, port };
                        let passes = rulesets.iter().all(|ruleset| forwards(ruleset, connection));
                        prop_assert_eq!(passes, objects.allow(connection), "{:?}", connection);
                    }
                }
            }
        }
    }

    #[test]
    fn the_order_in_which_objects_are_told_changes_nothing(objects in objects()) {
        let mut other = objects.clone();
        other.pods.reverse();
        other.policies.reverse();
        for node in NODES {
            prop_assert_eq!(print(&compile(&objects.facts(), node)), print(&compile(&other.facts(), node)));
        }
    }
}
