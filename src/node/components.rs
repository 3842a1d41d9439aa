//! The smaller components, and the conditions under which components start and count as ready.
//!
//! Conditions are watched by `knarr-node`; nothing ever sleeps for a guessed time.

use knarr_contract::{Component, Gate, Role};

use super::flags::{Flags, map_value};
use super::paths::{
    CA, CA_KEY, CONTROLLER_MANAGER_CONF, CONTROLLER_MANAGER_PEM, CONTROLLER_MANAGER_PORT, FRONT_PROXY_CA,
    KUBE_PROXY_CONF, KUBE_PROXY_HEALTH_PORT, KUBE_PROXY_METRICS_PORT, KUBE_PROXY_PEM, SCHEDULER_CONF, SCHEDULER_PEM,
    SCHEDULER_PORT, SERVICE_ACCOUNT_KEY, pki, program,
};
use crate::plan::layout::{API_PORT, Layout, NodeLayout};
use crate::spec::{ExtraArgsTarget, ProxyMode};

/// kube-scheduler of one control plane.
///
/// A request that is refused while the RBAC roles are still being made costs its informers 0.8 s or more, so it waits
/// until it may list StorageClasses. That right comes from `system:volume-scheduler`, the later of its two bindings.
pub(super) fn scheduler(layout: &Layout) -> Component {
    let flags = control_loop("kube-scheduler", layout, SCHEDULER_CONF, "scheduler-server")
        .set_some("feature-gates", map_value(&layout.spec.feature_gates))
        .merged(layout, ExtraArgsTarget::Scheduler);
    let authorised =
        https(format!("{}/apis/storage.k8s.io/v1/storageclasses?limit=1", local_api()), CA, Some(SCHEDULER_PEM));
    Component {
        start_when: vec![authorised],
        ready_when: Some(https(format!("https://127.0.0.1:{SCHEDULER_PORT}/healthz"), CA, None)),
        ..component("kube-scheduler", flags)
    }
}

/// kube-controller-manager of one control plane.
///
/// It asks the API server's `/healthz` when it starts, then once a second, and gives up after ten. So it starts the
/// moment that very answer is 200: earlier, the first refusal costs the rest of a second; and at that moment all RBAC
/// roles exist, because the hook that makes them is part of `/healthz`.
pub(super) fn controller_manager(layout: &Layout) -> Component {
    // One that is asked to end gives its lease back, as the scheduler does anyway. (Alpha in 1.36.) Without it, the next
    // one acts only 15 s after it has first seen the lease: also when the whole cluster starts.
    let releases = layout.balancer.then(|| ("ControllerManagerReleaseLeaderElectionLockOnExit".to_owned(), true));
    let gates = releases.into_iter().chain(layout.spec.feature_gates.clone()).collect();
    let flags = control_loop("kube-controller-manager", layout, CONTROLLER_MANAGER_CONF, "controller-manager-server")
        .set_some("feature-gates", map_value::<bool>(&gates))
        .set("cluster-name", layout.name())
        .set("root-ca-file", CA)
        .set("cluster-signing-cert-file", CA)
        .set("cluster-signing-key-file", CA_KEY)
        .set("service-account-private-key-file", SERVICE_ACCOUNT_KEY)
        // Each controller with its own ServiceAccount and no more rights than it needs.
        .set("use-service-account-credentials", true)
        // The defaults of 20 and 30 make those forty ServiceAccounts a matter of six seconds.
        .set("kube-api-qps", 1000)
        .set("kube-api-burst", 2000)
        // The plan has chosen each node's pod addresses and written them into its CNI configuration; the Node's
        // spec.podCIDR is set from the same plan. A second allocator could only disagree.
        .set("allocate-node-cidrs", false)
        .set("terminated-pod-gc-threshold", 100)
        .merged(layout, ExtraArgsTarget::ControllerManager);
    Component {
        start_when: vec![https(format!("{}/healthz", local_api()), CA, Some(CONTROLLER_MANAGER_PEM))],
        ready_when: Some(https(format!("https://127.0.0.1:{CONTROLLER_MANAGER_PORT}/healthz"), CA, None)),
        ..component("kube-controller-manager", flags)
    }
}

/// What the scheduler and the controller manager have in common.
fn control_loop(name: &str, layout: &Layout, client_config: &str, serving: &str) -> Flags {
    Flags::new(program(name))
        .set("kubeconfig", client_config)
        .set("authentication-kubeconfig", client_config)
        .set("authorization-kubeconfig", client_config)
        // Given here, they need not be looked up in the cluster before it has them.
        .set("client-ca-file", CA)
        .set("requestheader-client-ca-file", FRONT_PROXY_CA)
        .set("bind-address", "127.0.0.1")
        .set("tls-cert-file", pki(serving, "crt"))
        .set("tls-private-key-file", pki(serving, "key"))
        .set("tls-min-version", "VersionTLS13")
        .set("profiling", false)
        // One alone has nobody to elect; electing itself would cost up to 15 s after each crash, until the lease of
        // its predecessor ends.
        .set("leader-elect", layout.balancer)
}

/// kube-proxy of one node.
///
/// It has flags and no configuration file, because a file would silently switch the user's extra flags off. It looks
/// for its Node once and then each second, so it starts when its own identity sees that Node; that also proves that
/// its binding, `system:node-proxier`, is there.
pub(super) fn kube_proxy(layout: &Layout, node: &NodeLayout) -> Component {
    let health = format!("{}:{KUBE_PROXY_HEALTH_PORT}", node.address);
    let (mode, nftables) = match layout.spec.networking.proxy_mode {
        ProxyMode::Nftables => ("nftables", true),
        ProxyMode::Iptables => ("iptables", false),
    };
    let flags = Flags::new(program("kube-proxy"))
        .set("kubeconfig", KUBE_PROXY_CONF)
        .set("hostname-override", &node.spec.name)
        .set("proxy-mode", mode)
        .set("cluster-cidr", layout.spec.networking.pod_subnet)
        .set("healthz-bind-address", &health)
        .set("metrics-bind-address", format!("127.0.0.1:{KUBE_PROXY_METRICS_PORT}"))
        // The size of the connection table belongs to the host's kernel, not to a network name space.
        .set("conntrack-max-per-core", 0)
        // Packets outside of the window are no reason to reset a connection: nftables mode has no rule that drops them.
        .when(nftables, |flags| flags.set("conntrack-tcp-be-liberal", true))
        .set("profiling", false)
        .set_some("feature-gates", map_value(&layout.spec.feature_gates))
        .merged(layout, ExtraArgsTarget::KubeProxy);
    // Gates take addresses only: the agent is static and has no resolver of its own.
    let api = match node.spec.role {
        Role::Worker if !layout.balancer => format!("https://{}:{API_PORT}", layout.first_control_plane().address),
        _ => local_api(),
    };
    let own_node = format!("{api}/api/v1/nodes/{}", node.spec.name);
    Component {
        start_when: vec![https(own_node, CA, Some(KUBE_PROXY_PEM))],
        ready_when: Some(http(format!("http://{health}/healthz"))),
        ..component("kube-proxy", flags)
    }
}

/// The API as a node's own components reach it: control planes by their own server, so that no change of address and
/// no other node matters to them; workers by the name of the only server, or by a balancer of their own where there are
/// several, so that losing the front one stops nothing.
pub(super) fn api_url(layout: &Layout, node: &NodeLayout) -> String {
    match node.spec.role {
        Role::Worker if !layout.balancer => layout.internal_api_url(),
        _ => local_api(),
    }
}

/// The API on the node itself: its own server, or its own balancer.
pub(super) fn local_api() -> String {
    format!("https://127.0.0.1:{API_PORT}")
}

/// A component without conditions and variables.
pub(super) fn component(name: &str, argv: impl Into<Vec<String>>) -> Component {
    Component {
        name: name.into(),
        argv: argv.into(),
        env: std::collections::BTreeMap::new(),
        start_when: Vec::new(),
        ready_when: None,
        nice: 0,
        revision: String::new(),
        reload_signal: None,
    }
}

/// A GET in the clear, on the node itself.
pub(super) fn http(url: String) -> Gate {
    Gate::Http { url, ca: None, cert: None, key: None }
}

/// A GET of a verified server, with a client certificate and key from one file if one is given.
pub(super) fn https(url: String, ca: &str, identity: Option<&str>) -> Gate {
    Gate::Http { url, ca: Some(ca.into()), cert: identity.map(Into::into), key: None }
}
