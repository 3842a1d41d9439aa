//! kube-apiserver: the only door to the cluster.

use knarr_contract::Component;

use super::components::{component, https, local_api};
use super::flags::{Flags, map_value};
use super::paths::{
    AUDIT_LOG, AUDIT_POLICY, AUTHENTICATION_CONFIG, CA, ENCRYPTION_CONFIG, ETCD_CA, ETCD_CLIENT_PORT, FRONT_PROXY_CA,
    KUBELET_CLIENT, SERVICE_ACCOUNT_KEY, SERVICE_ACCOUNT_PUBLIC_KEY, pki, program,
};
use crate::plan::layout::{API_PORT, Layout, NodeLayout};
use crate::spec::ExtraArgsTarget;

/// The API server of one control plane.
///
/// It starts at once beside etcd: it binds its port early, lets clients wait in the handshake, and tries etcd until it
/// answers. Its garbage collector keeps Go's defaults on purpose: `GOGC=off` with a `GOMEMLIMIT` would bring the first
/// answer 0.1 s earlier, but costs 40 MB for ever and half a core once CRDs outgrow the limit.
pub(super) fn api_server(layout: &Layout, node: &NodeLayout) -> Component {
    let networking = &layout.spec.networking;
    let flags = Flags::new(program("kube-apiserver"))
        .set("advertise-address", node.address)
        .set("bind-address", "0.0.0.0")
        .set("secure-port", API_PORT)
        // Left out, this would mean AlwaysAllow.
        .set("authorization-mode", "Node,RBAC")
        .set("enable-admission-plugins", "NodeRestriction")
        // It taints each new Node as not ready until the controller manager looks: seconds for nothing here, where
        // the CNI configuration is in place before the kubelet runs. A Node that is really not ready is still tainted
        // by the controller manager.
        .set("disable-admission-plugins", "TaintNodesByCondition")
        .set("authentication-config", AUTHENTICATION_CONFIG)
        .set("client-ca-file", CA)
        .set("tls-cert-file", pki("apiserver", "crt"))
        .set("tls-private-key-file", pki("apiserver", "key"))
        .set("tls-min-version", "VersionTLS13")
        .set("etcd-servers", format!("https://127.0.0.1:{ETCD_CLIENT_PORT}"))
        .set("etcd-cafile", ETCD_CA)
        .set("etcd-certfile", pki("apiserver-etcd-client", "crt"))
        .set("etcd-keyfile", pki("apiserver-etcd-client", "key"))
        .set("encryption-provider-config", ENCRYPTION_CONFIG)
        .set("kubelet-certificate-authority", CA)
        .set("kubelet-client-certificate", pki("apiserver-kubelet-client", "crt"))
        .set("kubelet-client-key", pki("apiserver-kubelet-client", "key"))
        .set("kubelet-preferred-address-types", "InternalIP,ExternalIP,Hostname")
        .set("requestheader-client-ca-file", FRONT_PROXY_CA)
        .set("requestheader-allowed-names", "front-proxy-client")
        .set("requestheader-username-headers", "X-Remote-User")
        .set("requestheader-group-headers", "X-Remote-Group")
        .set("requestheader-extra-headers-prefix", "X-Remote-Extra-")
        .set("proxy-client-cert-file", pki("front-proxy-client", "crt"))
        .set("proxy-client-key-file", pki("front-proxy-client", "key"))
        .set("service-account-issuer", format!("https://kubernetes.default.svc.{}", networking.dns_domain))
        .set("service-account-key-file", SERVICE_ACCOUNT_PUBLIC_KEY)
        .set("service-account-signing-key-file", SERVICE_ACCOUNT_KEY)
        .set("service-cluster-ip-range", networking.service_subnet)
        .set("allow-privileged", true)
        .set("profiling", false)
        // Without it a stop waits up to a minute for clients that watch; with it the server stops in about two seconds,
        // and what arrives meanwhile is told to come again.
        .set("shutdown-send-retry-after", true)
        .set_some("feature-gates", map_value(&layout.spec.feature_gates))
        .set_some("runtime-config", map_value(&layout.spec.runtime_config))
        .when(layout.spec.audit, |flags| {
            flags
                .set("audit-policy-file", AUDIT_POLICY)
                .set("audit-log-path", AUDIT_LOG)
                .set("audit-log-maxage", 7)
                .set("audit-log-maxbackup", 2)
                .set("audit-log-maxsize", 10)
        })
        // Spreads clients over several servers and lets balancers notice a stop; both only hurt a single one.
        .when(layout.balancer, |flags| {
            // A balancer notices within a second and a half.
            flags.set("goaway-chance", 0.001).set("shutdown-delay-duration", "2s")
        })
        .merged(layout, ExtraArgsTarget::ApiServer);
    // Ready means: an authenticated and authorised read from etcd is answered. `/readyz` is a second later, because the
    // hook that makes the RBAC roles sleeps a second before its first try. The kubelet's identity is the one that the
    // Node authorizer lets read Services without any object in the cluster.
    let answers = https(format!("{}/api/v1/services?limit=1", local_api()), CA, Some(KUBELET_CLIENT));
    Component { ready_when: Some(answers), ..component("kube-apiserver", flags) }
}
