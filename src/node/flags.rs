//! Command lines: ordered flags, the user's extra ones, and those that the user cannot have.

use std::collections::BTreeMap;

use crate::plan::layout::Layout;
use crate::spec::ExtraArgsTarget;

/// A command line being made: `--name=value` in the order of writing, each name once.
#[derive(Clone, Debug)]
pub(super) struct Flags {
    program: String,
    flags: Vec<(String, String)>,
}

impl Flags {
    pub(super) fn new(program: String) -> Self {
        Self { program, flags: Vec::new() }
    }

    /// Adds a flag, or changes its value where it stands.
    #[expect(clippy::needless_pass_by_value, reason = "numbers, addresses and texts read best without `&`")]
    pub(super) fn set(mut self, name: &str, value: impl ToString) -> Self {
        let value = value.to_string();
        match self.flags.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.flags.push((name.into(), value)),
        }
        self
    }

    /// Adds a flag unless its value is empty.
    pub(super) fn set_some(self, name: &str, value: String) -> Self {
        if value.is_empty() { self } else { self.set(name, value) }
    }

    /// A command line of another style: these words as they are.
    pub(super) fn words<'w>(self, words: impl IntoIterator<Item = &'w str>) -> Vec<String> {
        self.argv().into_iter().chain(words.into_iter().map(String::from)).collect()
    }

    /// Adds the flags of `more` if `condition` holds.
    pub(super) fn when(self, condition: bool, more: impl FnOnce(Self) -> Self) -> Self {
        if condition { more(self) } else { self }
    }

    /// Adds what the user asked for. Ours win where a flag is protected (validation has refused it already; this is
    /// the second lock), and lists of admission plugins are joined instead of replaced.
    pub(super) fn merged(mut self, layout: &Layout, target: ExtraArgsTarget) -> Self {
        for (name, value) in layout.spec.extra_args.get(&target).into_iter().flatten() {
            if is_protected(target, name) {
                continue;
            }
            let value = if JOINED.contains(&name.as_str()) { self.joined(name, value) } else { value.clone() };
            self = self.set(name, value);
        }
        self
    }

    fn joined(&self, name: &str, more: &str) -> String {
        let ours = self.flags.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let mut list: Vec<&str> = Vec::new();
        for item in ours.split(',').chain(more.split(',')).map(str::trim) {
            if !item.is_empty() && !list.contains(&item) {
                list.push(item);
            }
        }
        list.join(",")
    }

    pub(super) fn argv(self) -> Vec<String> {
        let flags = self.flags.into_iter().map(|(name, value)| format!("--{name}={value}"));
        std::iter::once(self.program).chain(flags).collect()
    }
}

impl From<Flags> for Vec<String> {
    fn from(flags: Flags) -> Self {
        flags.argv()
    }
}

/// A map as the value of one flag: `a=1,b=2`.
pub(super) fn map_value<V: ToString>(map: &BTreeMap<String, V>) -> String {
    map.iter().map(|(key, value)| format!("{key}={}", value.to_string())).collect::<Vec<_>>().join(",")
}

/// Whether `flag` (without dashes) of a component is knarr's alone: it wires the cluster together, keeps it safe, or
/// has its own field in the configuration.
pub fn is_protected(target: ExtraArgsTarget, flag: &str) -> bool {
    let own = match target {
        ExtraArgsTarget::ApiServer => API_SERVER,
        ExtraArgsTarget::ControllerManager => CONTROLLER_MANAGER,
        ExtraArgsTarget::Scheduler => SCHEDULER,
        ExtraArgsTarget::Etcd => ETCD,
        ExtraArgsTarget::Kubelet => KUBELET,
        ExtraArgsTarget::KubeProxy => KUBE_PROXY,
    };
    // Kubernetes takes `_` for `-` in flag names.
    own.contains(&flag.replace('_', "-").as_str())
}

/// Lists to which the user adds.
const JOINED: &[&str] = &["enable-admission-plugins", "disable-admission-plugins"];

const API_SERVER: &[&str] = &[
    "advertise-address",
    "allow-privileged",
    "anonymous-auth",
    "audit-log-path",
    "audit-policy-file",
    "authentication-config",
    "authorization-config",
    "authorization-mode",
    "bind-address",
    "client-ca-file",
    "encryption-provider-config",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "etcd-prefix",
    "etcd-servers",
    "feature-gates",
    "kubelet-certificate-authority",
    "kubelet-client-certificate",
    "kubelet-client-key",
    "kubelet-preferred-address-types",
    "proxy-client-cert-file",
    "proxy-client-key-file",
    "requestheader-allowed-names",
    "requestheader-client-ca-file",
    "requestheader-extra-headers-prefix",
    "requestheader-group-headers",
    "requestheader-username-headers",
    "runtime-config",
    "secure-port",
    "service-account-issuer",
    "service-account-key-file",
    "service-account-signing-key-file",
    "service-cluster-ip-range",
    "tls-cert-file",
    "tls-min-version",
    "tls-private-key-file",
    "token-auth-file",
];

const CONTROLLER_MANAGER: &[&str] = &[
    "allocate-node-cidrs",
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "bind-address",
    "client-ca-file",
    "cluster-cidr",
    "cluster-name",
    "cluster-signing-cert-file",
    "cluster-signing-key-file",
    "feature-gates",
    "kubeconfig",
    "leader-elect",
    "master",
    "requestheader-client-ca-file",
    "root-ca-file",
    "secure-port",
    "service-account-private-key-file",
    "tls-cert-file",
    "tls-min-version",
    "tls-private-key-file",
    "use-service-account-credentials",
];

const SCHEDULER: &[&str] = &[
    "authentication-kubeconfig",
    "authorization-kubeconfig",
    "bind-address",
    "client-ca-file",
    "feature-gates",
    "kubeconfig",
    "leader-elect",
    "master",
    "requestheader-client-ca-file",
    "secure-port",
    "tls-cert-file",
    "tls-min-version",
    "tls-private-key-file",
];

const ETCD: &[&str] = &[
    "advertise-client-urls",
    "auto-tls",
    "cert-file",
    "client-cert-auth",
    "config-file",
    "data-dir",
    "initial-advertise-peer-urls",
    "initial-cluster",
    "initial-cluster-state",
    "initial-cluster-token",
    "key-file",
    "listen-client-urls",
    "listen-metrics-urls",
    "listen-peer-urls",
    "name",
    "peer-auto-tls",
    "peer-cert-file",
    "peer-client-cert-auth",
    "peer-key-file",
    "peer-trusted-ca-file",
    "tls-min-version",
    "trusted-ca-file",
];

const KUBELET: &[&str] = &[
    "anonymous-auth",
    "authentication-token-webhook",
    "authorization-mode",
    "bootstrap-kubeconfig",
    "cert-dir",
    "cgroup-driver",
    "cgroup-root",
    "client-ca-file",
    "config",
    "config-dir",
    "container-runtime-endpoint",
    "feature-gates",
    "healthz-bind-address",
    "healthz-port",
    "hostname-override",
    "kubeconfig",
    "node-ip",
    "node-labels",
    "provider-id",
    "read-only-port",
    "register-with-taints",
    "tls-cert-file",
    "tls-min-version",
    "tls-private-key-file",
];

const KUBE_PROXY: &[&str] = &[
    "cluster-cidr",
    "config",
    "feature-gates",
    "healthz-bind-address",
    "hostname-override",
    "kubeconfig",
    "master",
    "metrics-bind-address",
    "proxy-mode",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_names_are_found_however_they_are_written() {
        assert!(is_protected(ExtraArgsTarget::ApiServer, "authorization-mode"));
        assert!(is_protected(ExtraArgsTarget::ApiServer, "authorization_mode"));
        assert!(!is_protected(ExtraArgsTarget::ApiServer, "v"));
    }

    #[test]
    fn each_name_stands_once() {
        let flags = Flags::new("/bin/x".into()).set("a", 1).set("b", 2).set("a", 3);
        assert_eq!(flags.argv(), ["/bin/x", "--a=3", "--b=2"]);
    }
}
