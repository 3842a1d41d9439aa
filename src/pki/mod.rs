//! Every certificate and secret of a cluster, made in memory.
//!
//! All keys are ECDSA P-256 in PKCS#8. The three authorities live 3650 days, everything they sign 365 days and never
//! longer than its authority. Nothing here is written to the host but the user's own [`Pki::admin_access`].
//!
//! | what | signed by | CN | O | usage | SANs | files (relative: below `/var/lib/knarr/kubernetes/pki`) |
//! |---|---|---|---|---|---|---|
//! | [`Authority::Cluster`] | itself | `kubernetes` | | CA | | `ca.crt` on all nodes, `ca.key` on control planes |
//! | [`Authority::Etcd`] | itself | `etcd-ca` | | CA | | `etcd/ca.{crt,key}` |
//! | [`Authority::FrontProxy`] | itself | `front-proxy-ca` | | CA | | `front-proxy-ca.{crt,key}` |
//! | [`Leaf::ApiServer`] | cluster | `kube-apiserver` | | server | node, balancer, `kubernetes…`, `localhost`, node IP, balancer's IP, loopback, first Service IP, published address, extra | `apiserver.{crt,key}` |
//! | [`Leaf::ApiServerKubeletClient`] | cluster | `kube-apiserver-kubelet-client` | | client | | `apiserver-kubelet-client.{crt,key}` |
//! | [`Leaf::ApiServerEtcdClient`] | etcd | `kube-apiserver-etcd-client` | | client | | `apiserver-etcd-client.{crt,key}` |
//! | [`Leaf::FrontProxyClient`] | front proxy | `front-proxy-client` | | client | | `front-proxy-client.{crt,key}` |
//! | [`Leaf::EtcdServer`] | etcd | node | | server, client | node, `localhost`, node IP, loopback | `etcd/server.{crt,key}` |
//! | [`Leaf::EtcdPeer`] | etcd | node | | server, client | the same | `etcd/peer.{crt,key}` |
//! | [`Leaf::EtcdHealthcheckClient`] | etcd | `kube-etcd-healthcheck-client` | | client | | `etcd/healthcheck-client.{crt,key}` |
//! | [`Leaf::ControllerManager`] | cluster | `system:kube-controller-manager` | | client | | `controller-manager.pem` |
//! | [`Leaf::ControllerManagerServer`] | cluster | `kube-controller-manager` | | server | `localhost`, loopback | `controller-manager-server.{crt,key}` |
//! | [`Leaf::Scheduler`] | cluster | `system:kube-scheduler` | | client | | `scheduler.pem` |
//! | [`Leaf::SchedulerServer`] | cluster | `kube-scheduler` | | server | `localhost`, loopback | `scheduler-server.{crt,key}` |
//! | [`Leaf::Admin`] | cluster | `knarr-admin-<cluster>` | `knarr:cluster-admins` | client | | `admin.pem`, and the user's kubeconfig |
//! | [`Leaf::KubeProxy`] | cluster | `system:kube-proxy` | | client | | `kube-proxy.pem` on all nodes |
//! | [`Leaf::KubeletServer`] | cluster | `system:node:<node>` | `system:nodes` | server | node, node IP | `/var/lib/kubelet/pki/kubelet.{crt,key}` on all nodes |
//! | [`Leaf::KubeletClient`] | cluster | `system:node:<node>` | `system:nodes` | client | | `/var/lib/kubelet/pki/kubelet-client-issued.pem` on all nodes |
//! | [`Pki::super_admin`] | cluster | `kubernetes-super-admin` | `system:masters` | client, one hour | | none: only in memory |
//! | [`lone_server`] | an authority made for it, whose key is not kept | server | | server, 3650 days | as asked | none: in a Secret and an APIService of the cluster |
//! | service-account pair | | | | | | `sa.key`, `sa.pub` on control planes |
//! | encryption key, 32 bytes | | | | | | `/var/lib/knarr/kubernetes/enc/encryption.yaml` on control planes |
//!
//! Each node has its own key for each leaf, also where several share an identity: no leaf key exists twice.
//! The controller manager and the scheduler get serving certificates (kubeadm lets them sign their own) because a
//! self-signed one costs an RSA key at each start, and cannot be verified by whoever asks for their health.

mod authority;
mod check;
mod profile;
mod roots;
mod secret;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use time::{Duration, OffsetDateTime};
use zeroize::Zeroizing;

pub use self::authority::CertifiedKey;
use self::authority::{Profile, Validity};
pub use self::check::{Checked, RENEW_DAYS, WARN_DAYS, authority_of, check, names_of};
use self::profile::{leaf_profile, super_admin};
pub use self::roots::Roots;
pub use self::secret::{EncryptionKey, SecretPem};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::Access;
use crate::plan::layout::Layout;
use crate::spec::Role;
use crate::spec::values::NodeName;

/// The group that owns the cluster; a ClusterRoleBinding gives it `cluster-admin`, and deleting that revokes it.
pub const ADMIN_GROUP: &str = "knarr:cluster-admins";

const CA_LIFE: Duration = Duration::days(3650);
const LEAF_LIFE: Duration = Duration::days(365);
const SUPER_ADMIN_LIFE: Duration = Duration::hours(1);
/// Certificates begin in the past, because the clocks of the host and of a Docker virtual machine may differ.
const BACKDATE: Duration = Duration::minutes(5);

/// A certificate authority. They are three so that no one can stand in for another: a certificate made for etcd opens
/// no API, and an aggregated API server's client cannot claim to be a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// Signs the API server, kubelets and every client of the API.
    Cluster,
    /// Signs etcd's members and clients.
    Etcd,
    /// Signs the API server's client towards aggregated API servers.
    FrontProxy,
}

impl Authority {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cluster, Self::Etcd, Self::FrontProxy];

    const fn common_name(self) -> &'static str {
        match self {
            Self::Cluster => "kubernetes",
            Self::Etcd => "etcd-ca",
            Self::FrontProxy => "front-proxy-ca",
        }
    }
}

/// What a leaf certificate is for; the table of this module says the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leaf {
    /// The API server itself.
    ApiServer,
    /// The API server as a client of kubelets.
    ApiServerKubeletClient,
    /// The API server as a client of etcd.
    ApiServerEtcdClient,
    /// The API server as a client of aggregated API servers.
    FrontProxyClient,
    /// etcd towards its clients.
    EtcdServer,
    /// etcd towards its peers.
    EtcdPeer,
    /// Whoever asks etcd for its health from inside the node.
    EtcdHealthcheckClient,
    /// The controller manager as a client of the API.
    ControllerManager,
    /// The controller manager's health and metrics.
    ControllerManagerServer,
    /// The scheduler as a client of the API.
    Scheduler,
    /// The scheduler's health and metrics.
    SchedulerServer,
    /// The administrator: the user's kubeconfig, and `kubectl` inside a control plane.
    Admin,
    /// kube-proxy as a client of the API.
    KubeProxy,
    /// The kubelet's own API.
    KubeletServer,
    /// The kubelet as a client of the API.
    KubeletClient,
}

impl Leaf {
    /// What a node of `role` holds.
    pub const fn of(role: Role) -> &'static [Self] {
        match role {
            Role::ControlPlane => &[
                Self::ApiServer,
                Self::ApiServerKubeletClient,
                Self::ApiServerEtcdClient,
                Self::FrontProxyClient,
                Self::EtcdServer,
                Self::EtcdPeer,
                Self::EtcdHealthcheckClient,
                Self::ControllerManager,
                Self::ControllerManagerServer,
                Self::Scheduler,
                Self::SchedulerServer,
                Self::Admin,
                Self::KubeProxy,
                Self::KubeletServer,
                Self::KubeletClient,
            ],
            Role::Worker => &[Self::KubeProxy, Self::KubeletServer, Self::KubeletClient],
        }
    }
}

/// The name of a certificate and of its private key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cert {
    /// An authority's own.
    Authority(Authority),
    /// One node's.
    Leaf(Leaf, NodeName),
}

impl fmt::Display for Cert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authority(authority) => write!(f, "{}", authority.common_name()),
            Self::Leaf(leaf, node) => write!(f, "{leaf:?} of {node}"),
        }
    }
}

/// All certificates and secrets of one cluster.
#[derive(Debug)]
pub struct Pki {
    roots: Roots,
    leaves: BTreeMap<(Leaf, NodeName), CertifiedKey>,
    super_admin: CertifiedKey,
}

impl Pki {
    /// Makes everything for a new cluster.
    pub fn issue(layout: &Layout, now: OffsetDateTime) -> Result<Self> {
        Self::reissue(Roots::generate(now)?, layout, now)
    }

    /// Makes every leaf anew below existing roots: renewal, and the certificates of nodes that join.
    pub fn reissue(roots: Roots, layout: &Layout, now: OffsetDateTime) -> Result<Self> {
        let mut order = Vec::new();
        for node in &layout.nodes {
            for leaf in Leaf::of(node.spec.role) {
                order.push(((*leaf, node.spec.name.clone()), leaf_profile(*leaf, layout, node)?));
            }
        }
        let mut leaves = BTreeMap::new();
        for authority in Authority::ALL {
            let (mine, rest): (Vec<_>, Vec<_>) = order.into_iter().partition(|(_, p)| p.authority == authority);
            order = rest;
            let (names, profiles): (Vec<_>, Vec<_>) = mine.into_iter().unzip();
            let pairs = roots.authority(authority).sign(&profiles, Validity::starting(now, LEAF_LIFE))?;
            leaves.extend(names.into_iter().zip(pairs));
        }
        let super_admin = outside(&roots, super_admin(), now, SUPER_ADMIN_LIFE)?;
        Ok(Self { roots, leaves, super_admin })
    }

    /// The PEM of the authority that signs the API server's certificate.
    pub fn cluster_ca(&self) -> &str {
        self.roots.authority(Authority::Cluster).certificate()
    }

    /// The user's access, for the kubeconfig: bound to `cluster-admin` by its group, [`ADMIN_GROUP`]. It is the one that
    /// the first control plane keeps, so that a later export gives the same.
    pub fn admin_access(&self, layout: &Layout) -> Result<Access> {
        let cert = Cert::Leaf(Leaf::Admin, layout.first_control_plane().spec.name.clone());
        Ok(self.access(self.pair(&cert)?, layout.host_api_url()))
    }

    /// The access for the first calls to a new cluster, before anybody is bound to anything: authorised without any
    /// object in the cluster, valid for an hour, never written anywhere.
    pub fn super_admin(&self, layout: &Layout) -> Access {
        self.access(&self.super_admin, layout.host_api_url())
    }

    fn access(&self, client: &CertifiedKey, url: String) -> Access {
        Access {
            url,
            ca: self.cluster_ca().into(),
            cert: client.certificate().into(),
            key: Zeroizing::new(client.key().expose().into()),
        }
    }

    /// The authorities, the service-account pair and the encryption key.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// A certificate and its key.
    pub fn pair(&self, cert: &Cert) -> Result<&CertifiedKey> {
        match cert {
            Cert::Authority(authority) => Ok(self.roots.authority(*authority)),
            Cert::Leaf(leaf, node) => self
                .leaves
                .get(&(*leaf, node.clone()))
                .ok_or_else(|| Error::new(ErrorKind::Bug, format!("no certificate was made for {cert}"))),
        }
    }

    #[cfg(test)]
    fn leaves(&self) -> impl Iterator<Item = (Leaf, &NodeName, &CertifiedKey)> {
        self.leaves.iter().map(|((leaf, node), pair)| (*leaf, node, pair))
    }
}

/// A client of the API that lives outside of the nodes.
fn outside(roots: &Roots, profile: Profile, now: OffsetDateTime, life: Duration) -> Result<CertifiedKey> {
    let mut pairs = roots.authority(profile.authority).sign(&[profile], Validity::starting(now, life))?;
    pairs.pop().ok_or_else(|| Error::new(ErrorKind::Bug, "one profile gave no certificate"))
}

/// A pair for a server inside the cluster that one client alone must trust, and the authority which that client is given.
/// The authority's key is gone when this returns: nothing else will ever be signed by it, so both may live long.
pub fn lone_server(names: &[&str], now: OffsetDateTime) -> Result<(String, CertifiedKey)> {
    let validity = Validity::starting(now, CA_LIFE);
    let profile = profile::lone_server(names);
    let authority = CertifiedKey::new_authority(&format!("{} (made for this alone)", profile.common_name), validity)?;
    let mut pairs = authority.sign(&[profile], validity)?;
    let pair = pairs.pop().ok_or_else(|| Error::new(ErrorKind::Bug, "one profile gave no certificate"))?;
    Ok((authority.certificate().to_owned(), pair))
}
