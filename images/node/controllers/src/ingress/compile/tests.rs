//! Worlds made of YAML, and what follows from them.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::networking::v1::Ingress;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

pub fn settings() -> Settings {
    Settings {
        controller: "k8s.io/ingress-nginx".into(),
        class: "nginx".into(),
        allow_snippets: false,
        folder: "/run/knarr-ingress".into(),
    }
}

fn read<K: serde::de::DeserializeOwned>(value: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(value).expect("an object"))
}

/// A world with the class `nginx`, and the Services `a` and `b` with two endpoints and one that ends.
pub fn world(ingresses: Vec<Value>) -> World {
    let mut world = World {
        classes: vec![read(json!({"metadata": {"name": "nginx"}, "spec": {"controller": "k8s.io/ingress-nginx"}}))],
        ingresses: ingresses.into_iter().map(read::<Ingress>).collect(),
        ..World::default()
    };
    for (number, name) in ["a", "b"].into_iter().enumerate() {
        let key = Name::new("shop", name);
        let service = json!({"metadata": {"name": name, "namespace": "shop"},
            "spec": {"ports": [{"name": "web", "port": 80, "targetPort": 8080}]}});
        let slice = json!({"metadata": {"name": name, "namespace": "shop"}, "addressType": "IPv4",
        "ports": [{"name": "web", "port": 8080}],
        "endpoints": [
            {"addresses": [format!("10.0.{number}.2")], "conditions": {"ready": true}},
            {"addresses": [format!("10.0.{number}.1")], "conditions": {"ready": true}},
            {"addresses": [format!("10.0.{number}.3")], "conditions": {"ready": false, "serving": true, "terminating": true}},
        ]});
        world.services.insert(key.clone(), read(service));
        world.slices.insert(key, vec![read(slice)]);
    }
    world
}

/// An Ingress of a second of the hour, with rules `host path type service`.
pub fn ingress(name: &str, second: u32, annotations: &Value, rules: &[(&str, &str, &str, &str)]) -> Value {
    let rules: Vec<Value> = rules
        .iter()
        .map(|(host, path, kind, service)| {
            json!({"host": host, "http": {"paths": [{"path": path, "pathType": kind,
                "backend": {"service": {"name": service, "port": {"number": 80}}}}]}})
        })
        .collect();
    let mut prefixed = serde_json::Map::new();
    for (key, value) in annotations.as_object().into_iter().flatten() {
        prefixed.insert(format!("nginx.ingress.kubernetes.io/{key}"), value.clone());
    }
    json!({"metadata": {"name": name, "namespace": "shop", "annotations": prefixed,
            "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
        "spec": {"ingressClassName": "nginx", "rules": rules}})
}

fn compiled(ingresses: Vec<Value>) -> Compiled {
    compile(&world(ingresses), &settings(), &BTreeSet::new())
}

fn reasons(compiled: &Compiled) -> Vec<(&str, &str)> {
    compiled.problems.iter().map(|p| (p.ingress.name.as_str(), p.reason)).collect()
}

#[test]
fn endpoints_that_end_are_left_out() {
    let compiled = compiled(vec![ingress("one", 0, &json!({}), &[("x.example", "/", "Prefix", "a")])]);
    assert_eq!(compiled.table.backends["shop/a:80"], ["10.0.0.1:8080", "10.0.0.2:8080"]);
    assert_eq!(reasons(&compiled), []);
}

#[test]
fn endpoints_that_end_serve_when_nothing_else_is_left() {
    let mut world = world(vec![ingress("one", 0, &json!({}), &[("x.example", "/", "Prefix", "a")])]);
    let name = Name::new("shop", "a");
    let mut slice = world.slices[&name][0].as_ref().clone();
    slice.endpoints.as_mut().unwrap().drain(..2);
    world.slices.insert(name, vec![Arc::new(slice)]);
    let compiled = compile(&world, &settings(), &BTreeSet::new());
    assert_eq!(compiled.table.backends["shop/a:80"], ["10.0.0.3:8080"]);
}

#[test]
fn the_older_one_keeps_its_path() {
    let rule = [("x.example", "/p/", "Prefix", "b")];
    let compiled = compiled(vec![
        ingress("newer", 9, &json!({}), &rule),
        ingress("older", 1, &json!({}), &[("X.example", "/p", "Prefix", "a")]),
    ]);
    assert_eq!(reasons(&compiled), [("newer", "DuplicatePath")]);
    let routes: Vec<&str> = compiled.table.routes.values().map(|route| route.backend.as_str()).collect();
    assert_eq!(routes, ["shop/a:80"]);
}

#[test]
fn what_cannot_be_is_closed_and_what_is_unknown_is_served() {
    let compiled = compiled(vec![
        ingress("bad", 0, &json!({"proxy-body-size": "x"}), &[("bad.example", "/", "Prefix", "a")]),
        ingress("odd", 1, &json!({"nonsense": "x"}), &[("odd.example", "/", "Prefix", "a")]),
        ingress("snippet", 2, &json!({"configuration-snippet": "return 204;"}), &[("s.example", "/", "Prefix", "a")]),
        ingress("nobody", 3, &json!({"auth-type": "basic", "auth-secret": "s"}), &[("n.example", "/", "Prefix", "a")]),
        ingress(
            "far",
            4,
            &json!({"auth-type": "basic", "auth-secret": "other/s"}),
            &[("f.example", "/", "Prefix", "a")],
        ),
    ]);
    let expected = [
        ("bad", "InvalidAnnotation"),
        ("far", "InvalidAnnotation"),
        ("nobody", "SecretNotFound"),
        ("odd", "UnknownAnnotation"),
        ("snippet", "ForbiddenAnnotation"),
    ];
    assert_eq!(reasons(&compiled), expected);
    let closed: BTreeSet<&str> = compiled
        .model
        .servers
        .iter()
        .flat_map(|server| &server.locations)
        .filter(|location| location.owner.closed)
        .map(|location| location.owner.name.name.as_str())
        .collect();
    assert_eq!(closed, BTreeSet::from(["bad", "far", "nobody", "snippet"]));
    // A Secret of another namespace is not even asked for.
    assert_eq!(compiled.secrets, BTreeSet::from([Name::new("shop", "s")]));
}

#[test]
fn missing_services_and_ports_are_named() {
    let mut port = ingress("port", 0, &json!({}), &[("p.example", "/", "Prefix", "a")]);
    port["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"] = json!({"name": "ftp"});
    let compiled = compiled(vec![port, ingress("service", 1, &json!({}), &[("s.example", "/", "Prefix", "zz")])]);
    assert_eq!(reasons(&compiled), [("port", "PortNotFound"), ("service", "ServiceNotFound")]);
    let why = &compiled.problems.first().unwrap().message;
    assert!(why.contains("80 (web)"), "{why}");
}

#[test]
fn canaries_join_their_main_ingress() {
    let canary = json!({"canary": "true", "canary-weight": "30", "canary-by-header": "X-Try"});
    let compiled = compiled(vec![
        ingress("canary", 0, &canary, &[("x.example", "/", "Prefix", "b")]),
        ingress("main", 1, &json!({}), &[("x.example", "/", "Prefix", "a")]),
        ingress("second", 2, &canary, &[("x.example", "/", "Prefix", "b")]),
        ingress("alone", 3, &canary, &[("y.example", "/", "Prefix", "b")]),
    ]);
    assert_eq!(reasons(&compiled), [("alone", "CanaryAlone"), ("second", "DuplicateCanary")]);
    let [route] = compiled.table.routes.values().collect::<Vec<_>>()[..] else { panic!("one route") };
    let joined = route.canary.as_ref().unwrap();
    assert_eq!((joined.backend.as_str(), joined.weight, joined.total), ("shop/b:80", 30, 100));
}

#[test]
fn only_our_class_is_served() {
    let mut other = ingress("other", 0, &json!({}), &[("o.example", "/", "Prefix", "a")]);
    other["spec"]["ingressClassName"] = json!("other");
    let mut none = ingress("none", 0, &json!({}), &[("n.example", "/", "Prefix", "a")]);
    none["spec"].as_object_mut().unwrap().remove("ingressClassName");
    let mut old = none.clone();
    old["metadata"]["name"] = json!("old");
    old["metadata"]["annotations"] = json!({"kubernetes.io/ingress.class": "nginx"});
    assert_eq!(compiled(vec![other, none, old]).served, BTreeSet::from([Name::new("shop", "old")]));
}

#[test]
fn a_weight_changes_the_table_and_nothing_else() {
    let with = |weight: &str| {
        compiled(vec![
            ingress("main", 0, &json!({}), &[("x.example", "/", "Prefix", "a")]),
            ingress(
                "canary",
                1,
                &json!({"canary": "true", "canary-weight": weight}),
                &[("x.example", "/", "Prefix", "b")],
            ),
        ])
    };
    let (before, after) = (with("10"), with("20"));
    assert_eq!(before.model, after.model);
    assert_ne!(before.table, after.table);
}

proptest! {
    #[test]
    fn nothing_that_an_ingress_says_breaks_out(
        path in "/[^\0]*", host in ".*", key in prop::sample::select(vec!["rewrite-target", "app-root", "auth-realm",
            "permanent-redirect", "upstream-vhost", "cors-allow-origin", "session-cookie-path", "server-alias",
            "whitelist-source-range", "proxy-body-size", "canary-by-header-value", "use-regex"]),
        value in "\\PC*", kind in prop::sample::select(vec!["Exact", "Prefix", "ImplementationSpecific"]),
    ) {
        use crate::ingress::quote::tests::words;
        let annotations = json!({key: value, "enable-cors": "true", "affinity": "cookie"});
        let compiled = compiled(vec![ingress("x", 0, &annotations, &[(&host, &path, kind, "a")])]);
        let text = format!("http {{ {}", crate::ingress::render::body(&compiled.model, "/run/x"));
        let words = words(&text).map_err(TestCaseError::fail)?;
        // Blocks are closed, and every directive is one of those that are written on purpose.
        let (mut depth, mut first, mut servers) = (0_i32, true, 0);
        for word in &words {
            match word.as_str() {
                "{" => { depth += 1; first = true; }
                "}" => { depth -= 1; first = true; }
                ";" => first = true,
                word => {
                    if first && depth == 1 && word == "server" { servers += 1; }
                    if first { prop_assert!(word.is_empty() || word.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                        || depth == 2 && word.starts_with("~*^") || word.starts_with("knarr."), "{}", word); }
                    first = false;
                }
            }
        }
        prop_assert_eq!(depth, 0);
        prop_assert!(servers <= 2);
    }
}
