//! The rules over what real clusters said: one capture per broken sample, asked as the sample itself says.
//!
//! `facts/NAME.json` is what the API server answered while the sample was applied, without what no rule reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::facts::Facts;
use super::look::Look;
use super::target::{self, Target};
use super::{Answer, Question, answer, text};
use crate::config::DEFAULT_NAME;

static CAPTURES: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/src/why/tests/facts");
/// Nodes that are short of something: no manifest breaks these.
static NODES: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/src/why/tests/nodes");
static SAMPLES: include_dir::Dir<'_> = include_dir::include_dir!("$CARGO_MANIFEST_DIR/manifests/samples/broken");

fn read(capture: &str) -> Facts {
    let capture: Value = serde_json::from_str(capture).expect("a capture is JSON");
    let map = |field: &str| -> BTreeMap<String, String> {
        capture.texts(field).into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    };
    let facts = Facts {
        cluster: DEFAULT_NAME.to_owned(),
        now: capture.moment("/now").expect("a capture has its time"),
        logs: map("/logs"),
        images: map("/images"),
        containers: map("/containers"),
        peaks: serde_json::from_value(capture["peaks"].clone()).unwrap_or_default(),
        listening: serde_json::from_value(capture["listening"].clone()).unwrap_or_default(),
        ..Facts::default()
    };
    facts.with(capture.list("/objects").iter().cloned())
}

/// The capture of a sample.
fn captured(sample: &str) -> Facts {
    let file = CAPTURES.get_file(format!("{sample}.json")).unwrap_or_else(|| panic!("there is no capture of {sample}"));
    read(file.contents_utf8().expect("text"))
}

/// The question that a sample's comment tells to ask.
fn question(sample: &str) -> Question {
    let words = sample.lines().find_map(|line| line.split_once("knarr why ")).expect("the third line asks").1;
    let (object, namespace) = words.split_once(" -n ").expect("with a namespace");
    Question { target: target::parse(&[object.to_owned()]).expect("a question"), namespace: Some(namespace.to_owned()) }
}

fn ask(facts: &Facts, words: &str) -> Answer {
    let words: Vec<String> = words.split_whitespace().map(ToOwned::to_owned).collect();
    answer(facts, &Question { target: target::parse(&words).expect("words"), namespace: None }).expect("an answer")
}

#[test]
fn every_sample_is_explained() {
    for file in SAMPLES.files() {
        let name = file.path().file_stem().and_then(|n| n.to_str()).expect("a name");
        let question = question(file.contents_utf8().expect("text"));
        let answer = answer(&captured(name), &question).unwrap_or_else(|e| panic!("{name}: {e}"));
        let rules: Vec<&str> = answer.findings.iter().map(|finding| finding.rule).collect();
        assert!(!answer.well, "{name}: nothing was found");
        assert!(
            answer.findings.iter().all(|f| !f.evidence.is_empty() && f.evidence.len() <= 10 && !f.commands.is_empty()),
            "{name}"
        );
        insta::assert_snapshot!(name, format!("rule: {}\n\n{}", rules.join(", "), text(&answer)));
    }
    assert_eq!(SAMPLES.files().count(), CAPTURES.files().count(), "a capture without sample");
}

#[test]
fn asking_a_service_or_an_ingress_names_the_cause_beneath() {
    let rules = |sample: &str, words: &str| -> Vec<&str> {
        ask(&captured(sample), words).findings.iter().map(|f| f.rule).collect()
    };
    assert_eq!(rules("service-not-ready", "svc/web"), ["readiness-probe"]);
    assert_eq!(rules("service-not-ready", "deploy/web"), ["readiness-probe"]);
    assert_eq!(rules("rollout", "deploy/web"), ["readiness-probe"]);
    assert_eq!(rules("claim-unknown-class", "pod/db"), ["claim-class"]);
    assert_eq!(rules("app-error", "shop"), ["application-exits"]);
    assert_eq!(rules("ingress-port", "svc/web"), [""; 0]);
}

#[test]
fn a_stopped_node_is_the_one_cause_of_all_its_pods() {
    let mut facts = captured("readiness");
    let name =
        facts.all("Node").iter().map(Look::name).find(|name| name.ends_with("worker")).expect("a worker").to_owned();
    let unknown = json!([{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}]);
    let nodes = facts.objects.get_mut("Node").expect("nodes");
    nodes.iter_mut().filter(|node| node.name() == name).for_each(|node| node["status"]["conditions"] = unknown.clone());
    let silent = ask(&facts, "deploy/web");
    assert_eq!(silent.findings.iter().map(|f| f.rule).collect::<Vec<_>>(), ["node-not-ready"]);
    facts.containers.insert(name, "exited".to_owned());
    let stopped = ask(&facts, "deploy/web");
    insta::assert_snapshot!("a stopped node", text(&stopped));
}

#[test]
fn pressure_is_told() {
    for file in NODES.files() {
        let what = file.path().file_stem().and_then(|n| n.to_str()).expect("a name");
        let answer = ask(&read(file.contents_utf8().expect("text")), "node/dev-worker");
        insta::assert_snapshot!(format!("short of {what}"), text(&answer));
    }
}

#[test]
fn a_cordon_is_told() {
    let mut facts = captured("readiness");
    facts.objects.get_mut("Node").expect("nodes")[1]["spec"]["unschedulable"] = true.into();
    insta::assert_snapshot!("a cordon", text(&ask(&facts, "node/dev-worker")));
}

/// A cluster in which a Pod's image was refused with these words.
fn refused(image: &str, said: &str) -> Facts {
    let mut facts = captured("no-network");
    let pod = &mut facts.objects.get_mut("Pod").expect("pods")[0];
    pod["spec"]["containers"][0]["image"] = image.into();
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = said.into();
    facts
}

/// What a registry says that has an image, but not for this processor, or has none of this name.
#[test]
fn registries_words_are_understood() {
    let rule = |said: &str| ask(&refused("registry.invalid/team/web:v1", said), "pod/web").findings[0].rule;
    for (said, expected) in [
        ("failed to pull and unpack image \"a\": no match for platform in manifest: not found", "image-wrong-platform"),
        (
            "failed to resolve reference \"registry.invalid/team/web:v1\": registry.invalid/team/web:v1: not found",
            "wrong-image",
        ),
        (
            "unexpected status from HEAD request to https://registry.invalid/v2/team/web/manifests/v1: 401 Unauthorized",
            "private-registry",
        ),
        ("unexpected status from HEAD request to https://registry.invalid/v2/x: 403 Forbidden", "private-registry"),
        ("Head \"https://r/v2/\": http: server gave HTTP response to HTTPS client", "registry-certificate"),
        (
            "Head \"https://r/v2/\": tls: failed to verify certificate: x509: certificate is valid for a, not r",
            "registry-certificate",
        ),
        (
            "Head \"https://r/v2/\": proxyconnect tcp: dial tcp 10.0.0.1:3128: connect: connection refused",
            "registry-unreachable",
        ),
        ("Head \"https://r/v2/\": dial tcp 192.0.2.1:443: i/o timeout", "registry-unreachable"),
        ("Head \"https://r/v2/\": tls: first record does not look like a TLS handshake", "registry-certificate"),
        ("unexpected status code: 500", "image-pull-failed"),
    ] {
        assert_eq!(rule(said), expected, "{said}");
    }
}

/// The words of a real containerd, whose mirrors were as the names of the cases say.
#[test]
fn a_mirror_that_fails_is_named() {
    let whole = "?ns=%5BREDACTED%5D\"";
    for (mirror, said) in [
        ("is no name", format!("Head \"http://rvreg:5000/v2/team/one/manifests/1{whole}: dial tcp: lookup rvreg on 127.0.0.11:53: no such host")),
        ("is no domain", format!("Head \"http://m.invalid/v2/team/one/manifests/1{whole}: dial tcp: lookup m.invalid on 127.0.0.11:53: no such host")),
        ("is the node itself", format!("Head \"http://localhost:5000/v2/team/one/manifests/1{whole}: dial tcp 127.0.0.1:5000: connect: connection refused")),
        ("speaks HTTP", format!("Head \"https://10.0.0.1:5000/v2/team/one/manifests/1{whole}: tls: first record does not look like a TLS handshake")),
        ("lacks it", "unexpected status from GET request to http://10.0.0.1:5000/v2/team/one/manifests/1?ns=localhost%3A5001: 404 Not Found".into()),
        ("asks who it is", "unexpected status from HEAD request to http://10.0.0.1:5000/v2/team/one/manifests/1?ns=localhost%3A5001: 401 Unauthorized".into()),
    ] {
        let said = format!("failed to pull and unpack image \"localhost:5001/team/one:1\": failed to resolve reference \"localhost:5001/team/one:1\": {said}");
        let mut facts = refused("localhost:5001/team/one:1", &said);
        facts.cluster = "dev".into();
        insta::assert_snapshot!(format!("a mirror {mirror}"), text(&ask(&facts, "pod/web")));
    }
}

#[test]
fn what_is_young_is_only_starting() {
    let mut facts = captured("readiness");
    let pod = &mut facts.objects.get_mut("Pod").expect("pods")[0];
    let made = pod.moment("/metadata/creationTimestamp").expect("a time");
    pod["status"]["containerStatuses"] =
        json!([{"name": "web", "state": {"waiting": {"reason": "ContainerCreating"}}}]);
    facts.now = made + 3;
    facts.objects.get_mut("Deployment").expect("one")[0]["status"] = json!({});
    facts.objects.remove("Event");
    let answer = ask(&facts, "deploy/web");
    assert!(answer.well);
    assert!(answer.starting[0].contains("is not ready yet: ContainerCreating, 3s old"), "{:?}", answer.starting);
}

#[test]
fn everything_of_one_namespace_is_asked_at_once() {
    let facts = captured("quota");
    let question = |namespace: &str| Question { target: Target::Everything, namespace: Some(namespace.to_owned()) };
    let answer = answer(&facts, &question("broken-quota")).expect("an answer");
    assert_eq!(
        answer.findings.iter().map(|f| (f.rule, f.subject.short())).collect::<Vec<_>>(),
        [("quota-exceeded", "deployment/web".to_owned())]
    );
    let error = super::answer(&facts, &question("broken-quotas")).expect_err("no such namespace");
    insta::assert_snapshot!("an unknown namespace", error);
}
