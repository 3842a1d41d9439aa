//! Rulesets to read, and what nft says about them.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use super::compile::compile;
use super::oracle::Objects;
use super::text::print;

/// The objects of a few YAML documents.
fn objects(yaml: &str) -> Objects {
    let mut objects = Objects::default();
    for document in serde_yaml::Deserializer::from_str(yaml) {
        let value = Value::deserialize(document).expect("YAML");
        let object = value.clone();
        match value["kind"].as_str() {
            Some("Pod") => objects.pods.push(serde_json::from_value(object).expect("a Pod")),
            Some("Namespace") => objects.namespaces.push(serde_json::from_value(object).expect("a Namespace")),
            _ => objects.policies.push(serde_json::from_value(object).expect("a policy")),
        }
    }
    objects
}

fn rules(yaml: &str) -> String {
    let text = print(&compile(&objects(yaml).facts(), "here"));
    check(&text);
    text
}

/// Lets nft parse it, in a network of its own, where there is an nft that knows what is used: that of a node does.
fn check(text: &str) {
    let probe = "table inet t { chain c { ct protocol tcp ct reply proto-src 80 accept; }; }";
    if nft(probe).is_ok()
        && let Err(said) = nft(text)
    {
        panic!("nft refuses it: {said}\n{text}");
    }
}

fn nft(text: &str) -> Result<(), String> {
    let mut command = Command::new("unshare");
    command.args(["--net", "nft", "-c", "-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| e.to_string())?;
    let written = child.stdin.take().expect("piped").write_all(text.as_bytes());
    let output = child.wait_with_output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { written.map_err(|e| e.to_string()) } else { Err(said) }
}

const PODS: &str = r"
kind: Namespace
metadata: {name: shop}
---
kind: Namespace
metadata: {name: lab, labels: {team: lab}}
---
kind: Pod
metadata: {namespace: shop, name: web, labels: {app: web}}
spec: {nodeName: here, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.244.1.2}, {ip: 'fd00:1::2'}]}
---
kind: Pod
metadata: {namespace: shop, name: web-2, labels: {app: web}}
spec: {nodeName: here, containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]}
status: {podIPs: [{ip: 10.244.1.3}]}
---
kind: Pod
metadata: {namespace: shop, name: db, labels: {app: db}}
spec: {nodeName: here, containers: [{name: c}]}
status: {podIPs: [{ip: 10.244.1.4}]}
---
kind: Pod
metadata: {namespace: lab, name: tool}
spec: {nodeName: there, containers: [{name: c}]}
status: {podIPs: [{ip: 10.244.2.2}]}
";

fn with_pods(policies: &str) -> String {
    rules(&format!("{PODS}---{policies}"))
}

#[test]
fn without_policies_there_is_no_table() {
    insta::assert_snapshot!(rules(PODS), @r"
    table inet knarr-policy
    delete table inet knarr-policy
    ");
}

#[test]
fn only_pods_of_this_node_are_guarded() {
    let text = with_pods("\nmetadata: {namespace: lab, name: p}\nspec: {podSelector: {}}");
    assert!(!text.contains("chain"), "{text}");
}

#[test]
fn default_deny() {
    insta::assert_snapshot!(with_pods(
        "\nmetadata: {namespace: shop, name: deny}\nspec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}"
    ));
}

#[test]
fn peers_ports_and_names() {
    insta::assert_snapshot!(with_pods(
        r"
metadata: {namespace: shop, name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from:
    - podSelector: {}
    - namespaceSelector: {matchLabels: {team: lab}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.128.0.0/9]}
    ports: [{port: http}, {port: 80}, {port: 81, endPort: 90}, {port: 53, protocol: UDP}, {protocol: SCTP}]
  - from: [{podSelector: {matchLabels: {app: nobody}}}]
---
metadata: {namespace: shop, name: all}
spec:
  podSelector: {}
  egress:
  - to: [{ipBlock: {cidr: 0.0.0.0/0}}, {ipBlock: {cidr: '::/0', except: ['fd00::/8']}}]
  - ports: [{port: http}]
"
    ));
}

#[test]
fn a_pod_without_address_is_isolated_before_anybody_knows_where_it_is() {
    let pod = "\nkind: Pod\nmetadata: {namespace: shop, name: young, labels: {app: young}}\nspec: {nodeName: here, containers: [{name: c}]}\n---";
    let policy = "\nmetadata: {namespace: shop, name: young}\nspec: {podSelector: {matchLabels: {app: young}}, policyTypes: [Ingress, Egress]}";
    insta::assert_snapshot!(with_pods(&format!("{pod}{policy}")));
}

#[test]
fn names_are_no_script() {
    let policy = "\nmetadata: {namespace: shop, name: \"x\\\" }; flush ruleset; #\"}\nspec: {podSelector: {}}";
    let text = with_pods(policy);
    assert!(text.contains("comment \"shop/xflushruleset\"\n"), "{text}");
}

#[test]
fn an_address_that_was_given_away_belongs_to_the_younger_pod() {
    let pod = |name: &str, second: u8, ending: &str| {
        format!(
            "\nkind: Pod\nmetadata: {{namespace: shop, name: {name}, labels: {{app: {name}}}, creationTimestamp: '2026-01-01T00:00:0{second}Z'{ending}}}\n\
             spec: {{nodeName: here, containers: [{{name: c}}]}}\nstatus: {{podIP: 10.244.1.9}}\n---"
        )
    };
    let policy = |name: &str| {
        format!(
            "\nmetadata: {{namespace: shop, name: {name}}}\nspec: {{podSelector: {{matchLabels: {{app: {name}}}}}}}\n---"
        )
    };
    let ended = ", deletionTimestamp: '2026-01-01T00:01:00Z'";
    let both = format!("{}{}", policy("old"), policy("new"));
    let text = rules(format!("{PODS}---{}{}{both}", pod("old", 1, ""), pod("new", 2, "")).trim_end_matches('-'));
    assert!(text.contains("shop/new") && !text.contains("shop/old"), "{text}");
    let text = rules(format!("{PODS}---{}{}{both}", pod("old", 1, ""), pod("new", 2, ended)).trim_end_matches('-'));
    assert!(text.contains("shop/old") && !text.contains("shop/new"), "{text}");
}
