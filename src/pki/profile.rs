//! What each certificate says: the table of [`super`] as code.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::authority::Profile;
use super::{ADMIN_GROUP, Authority, Leaf};
use crate::error::{Error, ErrorKind, Result};
use crate::plan::layout::{Layout, NodeLayout};
use crate::plan::names;

/// The upper bound of a common name (X.520).
const MAX_COMMON_NAME: usize = 64;

/// The certificate of `leaf` for one node.
pub(super) fn leaf_profile(leaf: Leaf, layout: &Layout, node: &NodeLayout) -> Result<Profile> {
    let name = node.spec.name.as_str();
    let address = IpAddr::V4(node.address);
    let node_user = || format!("system:node:{name}");
    let profile = match leaf {
        Leaf::ApiServer => api_server(layout, node),
        // No group: a binding gives this one user what it needs towards kubelets.
        Leaf::ApiServerKubeletClient => client(Authority::Cluster, "kube-apiserver-kubelet-client"),
        Leaf::ApiServerEtcdClient => client(Authority::Etcd, "kube-apiserver-etcd-client"),
        Leaf::FrontProxyClient => client(Authority::FrontProxy, "front-proxy-client"),
        // etcd also calls itself, over the gateway to its own gRPC server: it wants both usages.
        Leaf::EtcdServer | Leaf::EtcdPeer => Profile {
            client: true,
            ..server(Authority::Etcd, name).called([name, "localhost"]).at([address]).at(loopback())
        },
        Leaf::EtcdHealthcheckClient => client(Authority::Etcd, "kube-etcd-healthcheck-client"),
        Leaf::ControllerManager => client(Authority::Cluster, "system:kube-controller-manager"),
        Leaf::ControllerManagerServer => local_server("kube-controller-manager"),
        Leaf::Scheduler => client(Authority::Cluster, "system:kube-scheduler"),
        Leaf::SchedulerServer => local_server("kube-scheduler"),
        Leaf::Admin => Profile {
            organization: Some(ADMIN_GROUP),
            ..client(Authority::Cluster, &format!("knarr-admin-{}", layout.name()))
        },
        Leaf::KubeProxy => client(Authority::Cluster, "system:kube-proxy"),
        // The API server dials a kubelet by its InternalIP, so the address must be there.
        Leaf::KubeletServer => Profile {
            organization: Some("system:nodes"),
            ..server(Authority::Cluster, &node_user()).called([name]).at([address])
        },
        // No names at all: the signer of rotated kubelet certificates refuses them.
        Leaf::KubeletClient => {
            Profile { organization: Some("system:nodes"), ..client(Authority::Cluster, &node_user()) }
        }
    };
    if profile.common_name.len() > MAX_COMMON_NAME {
        return Err(Error::new(
            ErrorKind::Bug,
            format!("the common name `{}` is longer than {MAX_COMMON_NAME} characters", profile.common_name),
        ));
    }
    Ok(profile)
}

/// The certificate for the first calls.
pub(super) fn super_admin() -> Profile {
    Profile { organization: Some("system:masters"), ..client(Authority::Cluster, "kubernetes-super-admin") }
}

/// The certificate of a server that none of the cluster's authorities knows, called by the first of its names.
pub(super) fn lone_server(names: &[&str]) -> Profile {
    // Whoever signs is chosen by the caller.
    let common_name = names.first().copied().unwrap_or_default();
    server(Authority::Cluster, common_name).called(names.iter().copied())
}

fn api_server(layout: &Layout, node: &NodeLayout) -> Profile {
    let networking = &layout.spec.networking;
    let in_cluster = format!("kubernetes.default.svc.{}", networking.dns_domain);
    let mut profile = server(Authority::Cluster, "kube-apiserver")
        .called([
            node.spec.name.as_str(),
            // A balancer may be added later.
            &names::balancer(layout.name()),
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            &in_cluster,
            "localhost",
        ])
        .at([node.address, layout.balancer_address(), layout.api_service_address()].map(IpAddr::V4))
        .at(loopback());
    // 0.0.0.0 and :: are where to listen, not what to call.
    if !layout.api.ip().is_unspecified() {
        profile = profile.at([layout.api.ip()]);
    }
    for san in &networking.extra_sans {
        profile = match san.parse() {
            Ok(address) => profile.at([address]),
            Err(_) => profile.called([san.as_str()]),
        };
    }
    profile
}

fn client(authority: Authority, common_name: &str) -> Profile {
    Profile {
        authority,
        common_name: common_name.into(),
        organization: None,
        server: false,
        client: true,
        dns: Vec::new(),
        addresses: Vec::new(),
    }
}

fn server(authority: Authority, common_name: &str) -> Profile {
    Profile { server: true, client: false, ..client(authority, common_name) }
}

fn local_server(common_name: &str) -> Profile {
    server(Authority::Cluster, common_name).called(["localhost"]).at(loopback())
}

fn loopback() -> [IpAddr; 2] {
    [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
}

impl Profile {
    fn called<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        for name in names {
            if !self.dns.iter().any(|known| known == name) {
                self.dns.push(name.into());
            }
        }
        self
    }

    fn at(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        for address in addresses {
            if !self.addresses.contains(&address) {
                self.addresses.push(address);
            }
        }
        self
    }
}
