//! Golden copies of everything rendered, and the rules that no edit may break.

use std::collections::{BTreeMap, BTreeSet};

use knarr_contract::{Component, Limits, NODE_FILE, NodeFile, Role};
use time::OffsetDateTime;

use super::files::{Content, Entry, materialize};
use super::fixture::layout;
use super::labels::admin_labels;
use super::render::{files, node_file};
use super::*;
use crate::pki::Pki;
use crate::plan::layout::{Layout, NodeLayout};
use crate::spec::values::Taint;
use crate::spec::{ExtraArgsTarget, ProxyMode};

/// Clusters of all shapes and switches.
fn all_layouts() -> Vec<Layout> {
    let mut out = vec![layout(1, 0), layout(1, 2), layout(3, 2)];
    for mut layout in out.clone() {
        layout.spec.networking.proxy_mode = ProxyMode::Iptables;
        layout.spec.audit = true;
        layout.spec.feature_gates.insert("SomeGate".into(), true);
        layout.spec.runtime_config.insert("api/all".into(), "true".into());
        layout.egress.ca_bundle = Some("-----BEGIN CERTIFICATE-----\n".into());
        layout.egress.proxy = vec![("HTTPS_PROXY".into(), "http://proxy.example.com:3128".into())];
        out.push(layout);
    }
    out
}

fn every_component() -> Vec<(Layout, Component)> {
    all_layouts()
        .into_iter()
        .flat_map(|layout| {
            let components: Vec<Component> =
                layout.nodes.iter().flat_map(|node| node_file(&layout, node).components).collect();
            components.into_iter().map(move |component| (layout.clone(), component)).collect::<Vec<_>>()
        })
        .collect()
}

/// Everything rendered for a node: what a dry run can show.
fn listing(layout: &Layout, node: &NodeLayout) -> String {
    files(layout, node)
        .iter()
        .map(|file| {
            let head = format!("=== {} {:o}", file.path, file.mode);
            match &file.content {
                Content::Text(text) => format!("{head}\n{text}"),
                other => format!("{head} {other:?}\n"),
            }
        })
        .collect()
}

fn flag<'a>(component: &'a Component, name: &str) -> Option<&'a str> {
    component.argv.iter().find_map(|arg| arg.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn one_control_plane() {
    let layout = layout(1, 0);
    insta::assert_snapshot!(listing(&layout, &layout.nodes[0]));
}

#[test]
fn control_plane_and_worker_of_three_nodes() {
    let layout = layout(1, 2);
    insta::assert_snapshot!("three_nodes_control_plane", listing(&layout, &layout.nodes[0]));
    insta::assert_snapshot!("three_nodes_worker", listing(&layout, &layout.nodes[1]));
}

#[test]
fn iptables_mode_changes_only_what_it_must() {
    let (nftables, mut iptables) = (layout(1, 0), layout(1, 0));
    iptables.spec.networking.proxy_mode = ProxyMode::Iptables;
    let before: BTreeSet<String> = listing(&nftables, &nftables.nodes[0]).lines().map(Into::into).collect();
    let after: BTreeSet<String> = listing(&iptables, &iptables.nodes[0]).lines().map(Into::into).collect();
    let gone = before.difference(&after).map(|line| format!("- {}", line.trim()));
    let new = after.difference(&before).map(|line| format!("+ {}", line.trim()));
    let difference: Vec<String> = gone.chain(new).collect();
    insta::assert_snapshot!(difference.join("\n"));
}

#[test]
fn several_control_planes_differ_where_they_must() {
    let layout = layout(3, 0);
    let file = node_file(&layout, &layout.nodes[1]);
    let component = |name: &str| file.components.iter().find(|c| c.name == name).expect("is there");
    assert_eq!(flag(component("kube-scheduler"), "leader-elect"), Some("true"));
    assert_eq!(flag(component("kube-controller-manager"), "leader-elect"), Some("true"));
    let gates = flag(component("kube-controller-manager"), "feature-gates");
    assert_eq!(gates, Some("ControllerManagerReleaseLeaderElectionLockOnExit=true"));
    assert_eq!(flag(component("etcd"), "election-timeout"), None);
    assert_eq!(flag(component("kube-apiserver"), "goaway-chance"), Some("0.001"));
    assert_eq!(
        flag(component("etcd"), "initial-cluster"),
        Some(
            "dev-control-plane=https://dev-control-plane:2380,dev-control-plane2=https://dev-control-plane2:2380,\
             dev-control-plane3=https://dev-control-plane3:2380"
        )
    );
}

#[test]
fn dangerous_flags_never_appear() {
    const FORBIDDEN: &[&str] = &[
        "anonymous-auth",
        "apiserver-count",
        "authorization-config",
        "basic-auth-file",
        "insecure-bind-address",
        "insecure-port",
        "kubelet-insecure-tls",
        "token-auth-file",
        "unsafe-no-fsync",
    ];
    for (_, component) in every_component() {
        for name in FORBIDDEN {
            assert_eq!(flag(&component, name), None, "{}", component.name);
        }
        for arg in &component.argv {
            for word in ["AlwaysAllow", "AlwaysAdmit", "AlwaysPullImages", "system:masters", "experimental-"] {
                assert!(!arg.contains(word), "{arg}");
            }
        }
    }
}

#[test]
fn flags_that_keep_the_cluster_safe_are_there() {
    let required: BTreeMap<&str, &[(&str, &str)]> = BTreeMap::from([
        (
            "kube-apiserver",
            [
                ("authorization-mode", "Node,RBAC"),
                ("enable-admission-plugins", "NodeRestriction"),
                ("authentication-config", paths::AUTHENTICATION_CONFIG),
                ("client-ca-file", paths::CA),
                ("kubelet-certificate-authority", paths::CA),
                ("requestheader-client-ca-file", paths::FRONT_PROXY_CA),
                ("requestheader-allowed-names", "front-proxy-client"),
                ("etcd-cafile", paths::ETCD_CA),
                ("encryption-provider-config", paths::ENCRYPTION_CONFIG),
                ("tls-min-version", "VersionTLS13"),
                ("profiling", "false"),
            ]
            .as_slice(),
        ),
        (
            "kube-controller-manager",
            &[
                ("use-service-account-credentials", "true"),
                ("bind-address", "127.0.0.1"),
                ("tls-min-version", "VersionTLS13"),
                ("profiling", "false"),
                ("allocate-node-cidrs", "false"),
            ],
        ),
        (
            "kube-scheduler",
            &[("bind-address", "127.0.0.1"), ("tls-min-version", "VersionTLS13"), ("profiling", "false")],
        ),
        (
            "etcd",
            &[
                ("client-cert-auth", "true"),
                ("peer-client-cert-auth", "true"),
                ("auto-tls", "false"),
                ("peer-auto-tls", "false"),
                ("tls-min-version", "TLS1.3"),
                ("data-dir", "/var/lib/etcd"),
            ],
        ),
        ("kubelet", &[("config", paths::KUBELET_CONFIG), ("config-dir", paths::KUBELET_DROP_INS)]),
        ("kube-proxy", &[("metrics-bind-address", "127.0.0.1:10249"), ("conntrack-max-per-core", "0")]),
        ("containerd", &[("config", paths::CONTAINERD_CONFIG)]),
        ("haproxy", &[]),
    ]);
    for (_, component) in every_component() {
        for (name, value) in required[component.name.as_str()] {
            assert_eq!(flag(&component, name), Some(*value), "{} --{name}", component.name);
        }
    }
}

#[test]
fn what_knarr_sets_is_protected_or_free_on_purpose() {
    const FREE: &[&str] = &[
        "audit-log-maxage",
        "audit-log-maxbackup",
        "audit-log-maxsize",
        "conntrack-max-per-core",
        "conntrack-tcp-be-liberal",
        "disable-admission-plugins",
        "election-timeout",
        "enable-admission-plugins",
        "feature-gates",
        "goaway-chance",
        "heartbeat-interval",
        "kube-api-burst",
        "kube-api-qps",
        "max-learners",
        "profiling",
        "shutdown-delay-duration",
        "shutdown-send-retry-after",
        "snapshot-count",
        "terminated-pod-gc-threshold",
        "watch-progress-notify-interval",
    ];
    for (_, component) in every_component() {
        let Some(target) = target(&component.name) else { continue };
        for arg in &component.argv[1..] {
            let name = arg.trim_start_matches("--").split('=').next().expect("a name");
            assert!(is_protected(target, name) || FREE.contains(&name), "{}: {name}", component.name);
        }
    }
}

fn target(component: &str) -> Option<ExtraArgsTarget> {
    match component {
        "kube-apiserver" => Some(ExtraArgsTarget::ApiServer),
        "kube-controller-manager" => Some(ExtraArgsTarget::ControllerManager),
        "kube-scheduler" => Some(ExtraArgsTarget::Scheduler),
        "etcd" => Some(ExtraArgsTarget::Etcd),
        "kubelet" => Some(ExtraArgsTarget::Kubelet),
        "kube-proxy" => Some(ExtraArgsTarget::KubeProxy),
        _ => None,
    }
}

#[test]
fn extra_arguments_are_merged() {
    let mut layout = layout(1, 0);
    let extra = [
        ("v", "4"),
        ("profiling", "true"),
        ("authorization-mode", "AlwaysAllow"),
        ("token_auth_file", "/x"),
        ("enable-admission-plugins", "PodNodeSelector,NodeRestriction"),
    ];
    layout.spec.extra_args.insert(
        ExtraArgsTarget::ApiServer,
        extra.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
    );
    let file = node_file(&layout, &layout.nodes[0]);
    let api = file.components.iter().find(|c| c.name == "kube-apiserver").expect("is there");
    assert_eq!(flag(api, "v"), Some("4"));
    assert_eq!(flag(api, "profiling"), Some("true"));
    assert_eq!(flag(api, "authorization-mode"), Some("Node,RBAC"));
    assert_eq!(flag(api, "token_auth_file"), None);
    assert_eq!(flag(api, "enable-admission-plugins"), Some("NodeRestriction,PodNodeSelector"));
}

#[test]
fn every_named_file_is_rendered() {
    for layout in all_layouts() {
        for node in &layout.nodes {
            let files = files(&layout, node);
            let known: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
            assert_eq!(known.len(), files.len(), "no path stands twice");
            let texts = files.iter().filter_map(|file| match &file.content {
                Content::Text(text) => Some(text.as_str()),
                _ => None,
            });
            for word in texts.flat_map(|text| text.split(['"', '=', '\\'])) {
                let is_ours =
                    word.starts_with("/var/lib/knarr/kubernetes/") || word.starts_with("/var/lib/kubelet/pki/");
                assert!(!is_ours || known.contains(word), "{word} is named but not rendered");
            }
        }
    }
}

#[test]
fn folders_come_before_what_they_hold() {
    let layout = layout(1, 0);
    let files = files(&layout, &layout.nodes[0]);
    for (at, file) in files.iter().enumerate() {
        assert!(file.path.starts_with('/') && !file.path.contains(".."), "{}", file.path);
        if file.content == Content::Folder {
            let inside = format!("{}/", file.path);
            assert!(files[..at].iter().all(|earlier| !earlier.path.starts_with(&inside)), "{}", file.path);
        }
    }
}

#[test]
fn secrets_are_named_and_never_shown() {
    for layout in all_layouts() {
        let pki = Pki::issue(&layout, OffsetDateTime::UNIX_EPOCH).expect("issues");
        for node in &layout.nodes {
            let shown = listing(&layout, node) + &format!("{pki:?}");
            assert!(!shown.contains("PRIVATE KEY"));
            for file in files(&layout, node) {
                let Entry::File(bytes) = materialize(&file, &pki).expect("has bytes") else { continue };
                let holds_key = String::from_utf8_lossy(&bytes).contains("PRIVATE KEY");
                assert!(!holds_key || file.content.is_secret(), "{}", file.path);
                if file.content.is_secret() {
                    assert_eq!(file.mode, 0o600, "{}", file.path);
                    assert!(!shown.contains(String::from_utf8_lossy(&bytes).as_ref()), "{}", file.path);
                }
            }
        }
    }
}

#[test]
fn authorities_keys_stay_on_control_planes() {
    let layout = layout(1, 1);
    for file in files(&layout, &layout.nodes[1]) {
        let allowed = !matches!(
            &file.content,
            Content::Key(crate::pki::Cert::Authority(_)) | Content::ServiceAccountKey | Content::EncryptionConfig
        );
        assert!(allowed, "{}", file.path);
    }
}

#[test]
fn documents_parse() {
    for layout in all_layouts() {
        for node in &layout.nodes {
            for file in files(&layout, node) {
                let Content::Text(text) = &file.content else { continue };
                if file.path == NODE_FILE {
                    let parsed: NodeFile = serde_json::from_str(text).expect("a node file");
                    assert_eq!(parsed, node_file(&layout, node));
                }
                let is_json = ["yaml", "conf", "json", "conflist"].iter().any(|end| file.path.ends_with(end));
                if is_json {
                    serde_yaml::from_str::<serde_json::Value>(text).expect("YAML");
                }
                if file.path == paths::KUBELET_CONF {
                    let config: kube::config::Kubeconfig = serde_json::from_str(text).expect("a kubeconfig");
                    let cluster = config.clusters[0].cluster.clone().expect("a cluster");
                    let server = match node.spec.role {
                        Role::Worker if !layout.balancer => "https://dev-control-plane:6443",
                        _ => "https://127.0.0.1:6443",
                    };
                    assert_eq!(cluster.server.as_deref(), Some(server));
                }
            }
        }
    }
}

#[test]
fn the_encryption_config_has_a_key_of_32_bytes() {
    let layout = layout(1, 0);
    let pki = Pki::issue(&layout, OffsetDateTime::UNIX_EPOCH).expect("issues");
    let all = files(&layout, &layout.nodes[0]);
    let file = all.iter().find(|file| file.path == paths::ENCRYPTION_CONFIG).expect("is there");
    let Entry::File(bytes) = materialize(file, &pki).expect("has bytes") else { panic!("a file") };
    let document: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
    let providers = &document["resources"][0]["providers"];
    let key = providers[0]["secretbox"]["keys"][0]["secret"].as_str().expect("a key");
    assert!(crate::pki::EncryptionKey::from_base64(key).is_some());
    assert_eq!(providers[1]["identity"], serde_json::json!({}));
}

#[test]
fn labels_and_taints_go_where_they_may() {
    let mut layout = layout(1, 1);
    layout.nodes[1].spec.labels =
        BTreeMap::from([("team".into(), "blue".into()), ("node-role.kubernetes.io/gpu".into(), String::new())]);
    layout.nodes[1].spec.taints =
        Some(vec![Taint { key: "gpu".into(), value: "yes".into(), effect: "NoExecute".into() }]);
    let (first, worker) = (&layout.nodes[0], &layout.nodes[1]);
    let keys = |labels: BTreeMap<String, String>| labels.into_keys().collect::<Vec<_>>();
    assert_eq!(keys(admin_labels(first)), ["node-role.kubernetes.io/control-plane"]);
    assert_eq!(keys(admin_labels(worker)), ["node-role.kubernetes.io/gpu"]);
    let file = node_file(&layout, worker);
    let kubelet = file.components.iter().find(|c| c.name == "kubelet").expect("is there");
    assert_eq!(flag(kubelet, "node-labels"), Some("team=blue"));
    assert!(listing(&layout, worker).contains(r#""effect": "NoExecute""#));

    let alone = super::fixture::layout(1, 0);
    assert_eq!(keys(admin_labels(&alone.nodes[0])), ["node-role.kubernetes.io/control-plane"]);
    assert!(!listing(&alone, &alone.nodes[0]).contains("NoSchedule"), "a lone node takes pods");
}

#[test]
fn a_node_with_limits_has_its_own_memory_to_watch() {
    let mut layout = layout(1, 1);
    let limits = Limits { milli_cpus: Some(1500), memory_bytes: Some(1 << 30) };
    layout.nodes[1].spec.limits = limits;
    let (first, worker) = (&layout.nodes[0], &layout.nodes[1]);
    let told = |node| node_file(&layout, node).member.map(|member| member.limits);
    assert_eq!((told(first), told(worker)), (Some(Limits::default()), Some(limits)));
    assert!(listing(&layout, worker).contains(r#""memory.available": "100Mi""#));
    assert!(!listing(&layout, first).contains("memory.available"), "the host's memory is nothing to go by");
}

#[test]
fn only_containerd_sees_the_outside() {
    let layouts = all_layouts();
    let layout = layouts.last().expect("some");
    for node in &layout.nodes {
        for component in node_file(layout, node).components {
            if component.name == "containerd" {
                assert_eq!(component.env["SSL_CERT_FILE"], paths::HOST_CA);
                assert_eq!(component.env["SSL_CERT_DIR"], paths::SYSTEM_TRUST);
                assert!(component.env.contains_key("HTTPS_PROXY"));
            } else {
                assert!(component.env.is_empty(), "{}", component.name);
            }
        }
    }
}
