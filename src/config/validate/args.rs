//! Feature gates, API versions and further flags; flags that the cluster's safety or life hangs on are refused.

use std::collections::BTreeMap;

use super::{Check, entry};
use crate::config::v1alpha1::Text;
use crate::spec::ExtraArgsTarget;

/// Feature gates: the grammar only, since each version of Kubernetes knows others.
pub(super) fn feature_gates(check: &mut Check<'_>) -> BTreeMap<String, bool> {
    let gates = &check.input.cluster.feature_gates;
    for gate in gates.keys() {
        let fine =
            gate.starts_with(|c: char| c.is_ascii_uppercase()) && gate.bytes().all(|b| b.is_ascii_alphanumeric());
        if !fine {
            check.problem(
                entry("featureGates", gate),
                format!("`{gate}` is not the name of a feature gate, for example `InPlacePodVerticalScaling`"),
            );
        }
    }
    gates.clone()
}

/// `api/all`, `api/beta`, `v1`, `apps/v1` or `apps/v1/deployments`, each true or false.
pub(super) fn runtime_config(check: &mut Check<'_>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for (key, Text(value)) in &check.input.cluster.runtime_config {
        let path = entry("runtimeConfig", key);
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b))
        };
        if key.split('/').count() > 3 || !key.split('/').all(part) {
            check.problem(path, format!("`{key}` is not a version of an API, for example `api/all` or `apps/v1`"));
        } else if value != "true" && value != "false" {
            check.problem(path, format!("`{value}` is neither `true` nor `false`"));
        }
        out.insert(key.clone(), value.clone());
    }
    out
}

/// The flags per component; components without any are left out.
pub(super) fn extra_args(check: &mut Check<'_>) -> BTreeMap<ExtraArgsTarget, BTreeMap<String, String>> {
    use ExtraArgsTarget as Target;
    let wire = &check.input.cluster.extra_args;
    let all = [
        (Target::ApiServer, "apiServer", &wire.api_server),
        (Target::ControllerManager, "controllerManager", &wire.controller_manager),
        (Target::Scheduler, "scheduler", &wire.scheduler),
        (Target::Etcd, "etcd", &wire.etcd),
        (Target::Kubelet, "kubelet", &wire.kubelet),
        (Target::KubeProxy, "kubeProxy", &wire.kube_proxy),
    ];
    let mut out = BTreeMap::new();
    for (target, name, args) in all {
        for (flag, Text(value)) in args {
            if let Some(wrong) = wrong(target, flag, value) {
                check.problem(entry(&format!("extraArgs.{name}"), flag), wrong);
            }
        }
        if !args.is_empty() {
            out.insert(target, args.iter().map(|(flag, Text(value))| (flag.clone(), value.clone())).collect());
        }
    }
    out
}

fn wrong(target: ExtraArgsTarget, flag: &str, value: &str) -> Option<String> {
    let bare = flag.trim_start_matches('-');
    if bare.len() < flag.len() {
        return Some(format!("write flags without their dashes: `{bare}`"));
    }
    let fine = flag.starts_with(|c: char| c.is_ascii_lowercase())
        && flag.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !fine {
        return Some(format!("`{flag}` is not the name of a flag: use lower-case letters, digits and `-`"));
    }
    if value.contains(|c: char| c.is_control()) {
        return Some("the value contains a line end or another control character".into());
    }
    if let Some(reason) = protected(target, flag) {
        return Some(format!("refused: {reason}"));
    }
    if target != ExtraArgsTarget::ApiServer {
        return None;
    }
    let plugins = |name: &str| value.split(',').any(|plugin| plugin.trim() == name);
    match flag {
        "enable-admission-plugins" if plugins("AlwaysAdmit") => {
            Some("refused: `AlwaysAdmit` switches checks off".into())
        }
        "enable-admission-plugins" if plugins("AlwaysPullImages") => {
            Some("refused: with `AlwaysPullImages`, images loaded into the nodes could not be used".into())
        }
        "disable-admission-plugins" if plugins("NodeRestriction") => {
            Some("refused: `NodeRestriction` keeps nodes apart".into())
        }
        _ => None,
    }
}

const AUTHENTICATION: &str = "knarr decides who may log in, and anonymous users may see health only";
const AUTHORIZATION: &str = "who may do what is decided by Node and RBAC in every cluster of knarr";
const CERTIFICATES: &str = "certificates and keys are made and placed by knarr";
const PLACE: &str = "knarr decides where the component listens and whom it talks to";
const NETWORK: &str = "it follows from `networking`";
const DATA: &str = "data must be where snapshots, restarts and deletion find it";
const ETCD: &str = "the members of etcd are set up by knarr";
const CONFIG_FILE: &str = "it would replace the settings that knarr makes";
const GATES: &str = "use `featureGates`, which reaches every component";
const LABELS: &str = "use `nodes[].labels`";
const TAINTS: &str = "use `nodes[].taints`";
const UNSAFE: &str = "it loses data";

/// Flags that may not be set, with the reason. A name that ends with `*` means all flags beginning so.
type Table = &'static [(&'static [&'static str], &'static str)];

/// What holds for all Kubernetes components.
const COMMON: Table = &[
    (&["anonymous-auth", "authentication-*", "token-auth-file", "requestheader-*"], AUTHENTICATION),
    (&["authorization-*"], AUTHORIZATION),
    (&["client-ca-file", "cert-dir", "tls-cert-file", "tls-private-key-file", "tls-min-version"], CERTIFICATES),
    (&["kubeconfig", "master", "bind-address", "secure-port", "address", "port"], PLACE),
    (&["config", "config-dir", "write-config-to"], CONFIG_FILE),
    (&["feature-gates"], GATES),
];

const API_SERVER: Table = &[
    (&["oidc-*"], AUTHENTICATION),
    (&["proxy-client-*", "kubelet-client-*", "kubelet-certificate-authority", "service-account-*"], CERTIFICATES),
    (&["encryption-provider-config*"], CERTIFICATES),
    (&["advertise-address", "apiserver-count", "allow-privileged"], PLACE),
    (&["etcd-servers*", "etcd-cafile", "etcd-certfile", "etcd-keyfile", "etcd-prefix"], ETCD),
    (&["service-cluster-ip-range"], NETWORK),
    (&["kubelet-preferred-address-types"], PLACE),
    (&["audit-log-path", "audit-policy-file"], "use `audit: true`"),
    (&["runtime-config"], "use `runtimeConfig`"),
];

const CONTROLLER_MANAGER: Table = &[
    (&["root-ca-file", "service-account-private-key-file", "cluster-signing-*"], CERTIFICATES),
    (&["use-service-account-credentials"], AUTHORIZATION),
    (&["leader-elect"], PLACE),
    (
        &["allocate-node-cidrs", "cluster-cidr", "service-cluster-ip-range", "node-cidr-mask-size*", "cluster-name"],
        NETWORK,
    ),
];

const SCHEDULER: Table = &[(&["leader-elect"], PLACE)];

const ETCD_FLAGS: Table = &[
    (&["name", "initial-*", "strict-reconfig-check", "force-new-cluster", "discovery*", "feature-gates"], ETCD),
    (&["data-dir", "wal-dir"], DATA),
    (
        &[
            "cert-file",
            "key-file",
            "trusted-ca-file",
            "client-*",
            "peer-*",
            "auto-tls",
            "self-signed-*",
            "tls-min-version",
        ],
        CERTIFICATES,
    ),
    (&["listen-*", "advertise-*"], PLACE),
    (&["config-file"], CONFIG_FILE),
    (&["unsafe-*"], UNSAFE),
];

const KUBELET: Table = &[
    (&["bootstrap-kubeconfig", "rotate-*"], CERTIFICATES),
    (&["hostname-override", "node-ip", "provider-id", "register-node", "container-runtime-endpoint"], PLACE),
    (&["read-only-port", "healthz-*", "enable-server"], PLACE),
    (&["cluster-dns", "cluster-domain", "pod-cidr", "resolv-conf"], NETWORK),
    (&["root-dir"], DATA),
    (&["cgroup-root", "cgroup-driver", "runtime-cgroups", "kubelet-cgroups"], "knarr sets up the cgroups of a node"),
    (&["node-labels"], LABELS),
    (&["register-with-taints"], TAINTS),
];

const KUBE_PROXY: Table = &[
    (&["cluster-cidr", "hostname-override"], NETWORK),
    (&["healthz-*", "metrics-bind-address", "metrics-port"], PLACE),
    (&["proxy-mode"], "use `networking.proxyMode`"),
    (&["cleanup"], "kube-proxy would clean up and end"),
];

/// Why a flag may not be set, if so.
fn protected(target: ExtraArgsTarget, flag: &str) -> Option<&'static str> {
    let tables: &[Table] = match target {
        ExtraArgsTarget::ApiServer => &[API_SERVER, COMMON],
        ExtraArgsTarget::ControllerManager => &[CONTROLLER_MANAGER, COMMON],
        ExtraArgsTarget::Scheduler => &[SCHEDULER, COMMON],
        ExtraArgsTarget::Etcd => &[ETCD_FLAGS],
        ExtraArgsTarget::Kubelet => &[KUBELET, COMMON],
        ExtraArgsTarget::KubeProxy => &[KUBE_PROXY, COMMON],
    };
    let meant = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => flag.starts_with(beginning),
        None => flag == *pattern,
    };
    let mut rows = tables.iter().flat_map(|table| table.iter());
    rows.find(|(flags, _)| flags.iter().any(&meant)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_safety_hangs_on_is_protected() {
        use ExtraArgsTarget as Target;
        let refused = [
            (Target::ApiServer, "anonymous-auth"),
            (Target::ApiServer, "token-auth-file"),
            (Target::ApiServer, "authorization-mode"),
            (Target::ApiServer, "etcd-servers"),
            (Target::ApiServer, "tls-private-key-file"),
            (Target::ApiServer, "encryption-provider-config"),
            (Target::ControllerManager, "kubeconfig"),
            (Target::Scheduler, "authentication-kubeconfig"),
            (Target::Etcd, "data-dir"),
            (Target::Etcd, "unsafe-no-fsync"),
            (Target::Kubelet, "node-labels"),
            (Target::Kubelet, "root-dir"),
            (Target::KubeProxy, "proxy-mode"),
        ];
        for (target, flag) in refused {
            assert!(protected(target, flag).is_some(), "{target:?} {flag}");
        }
        let fine = [
            (Target::ApiServer, "max-requests-inflight"),
            (Target::ApiServer, "etcd-compaction-interval"),
            (Target::ControllerManager, "node-monitor-grace-period"),
            (Target::Scheduler, "v"),
            (Target::Etcd, "quota-backend-bytes"),
            (Target::Kubelet, "max-pods"),
        ];
        for (target, flag) in fine {
            assert_eq!(wrong(target, flag, "5"), None, "{target:?} {flag}");
        }
    }

    #[test]
    fn admission_keeps_node_restriction() {
        let wrong = |flag, value| wrong(ExtraArgsTarget::ApiServer, flag, value);
        assert!(wrong("enable-admission-plugins", "AlwaysAdmit").is_some());
        assert!(wrong("enable-admission-plugins", "PodNodeSelector, AlwaysPullImages").is_some());
        assert!(wrong("disable-admission-plugins", "NodeRestriction").is_some());
        assert_eq!(wrong("enable-admission-plugins", "PodNodeSelector"), None);
    }
}
