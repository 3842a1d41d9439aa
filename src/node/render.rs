//! A node as a whole: its `node.json` and all its files.

use std::net::SocketAddrV4;

use knarr_contract::{CONTRACT, Component, Forward, Member, NODE_FILE, NodeFile, NodeNetwork, Peer, Role, Transport};
use sha2::{Digest, Sha256};

use super::api_server::api_server;
use super::balancer::{self, Serves};
use super::components::{api_url, controller_manager, kube_proxy, local_api, scheduler};
use super::containerd::{containerd, containerd_config};
use super::documents::{audit_policy, authentication, cni, kubeconfig, text};
use super::etcd::{data_folder, etcd};
pub use super::files::{Content, Entry, FileSpec, materialize};
use super::kubelet::{kubelet, kubelet_config};
use super::labels::admin_labels;
use super::paths;
use super::registries::registry_files;
use crate::kubernetes::Adoption;
use crate::pki::{Authority, Cert, Leaf};
use crate::plan::layout::{Forwarder, Layout, NodeLayout};
use crate::plan::names;
use crate::spec::values::Protocol;

/// The contract with `knarr-node`.
pub fn node_file(layout: &Layout, node: &NodeLayout) -> NodeFile {
    let network = NodeNetwork {
        address: node.address,
        pod_cidr: node.pod_cidr.to_string(),
        cluster_cidr: layout.spec.networking.pod_subnet.to_string(),
        peers: layout
            .nodes
            .iter()
            .filter(|other| other.spec.name != node.spec.name)
            .map(|other| Peer {
                name: other.spec.name.to_string(),
                address: other.address,
                pod_cidr: other.pod_cidr.to_string(),
            })
            .collect(),
    };
    NodeFile {
        contract: CONTRACT,
        cluster: layout.name().into(),
        node: node.spec.name.to_string(),
        member: Some(Member { role: node.spec.role, network, limits: node.spec.limits }),
        forwards: Vec::new(),
        components: revised(components(layout, node), &configurations(layout, node)),
    }
}

/// The same for the container with the balancer.
pub fn balancer_file(layout: &Layout) -> NodeFile {
    NodeFile {
        contract: CONTRACT,
        cluster: layout.name().into(),
        node: names::balancer(layout.name()),
        member: None,
        forwards: Vec::new(),
        components: revised(vec![balancer::balancer()], &[("haproxy", balancer_config(layout, Serves::Everybody))]),
    }
}

/// Every file of the container with the balancer.
pub fn balancer_files(layout: &Layout) -> Vec<FileSpec> {
    vec![
        FileSpec::text(NODE_FILE, text(&serde_json::json!(balancer_file(layout)))),
        balancer_config(layout, Serves::Everybody),
        FileSpec::named(paths::CA, Content::Certificate(Cert::Authority(Authority::Cluster))),
    ]
}

/// Every file of the container that passes a port on. It has no process but its agent.
pub fn forwarder_files(layout: &Layout, forwarder: &Forwarder) -> Vec<FileSpec> {
    let forward = |node: &NodeLayout| Forward {
        port: forwarder.node_port,
        protocol: match forwarder.protocol {
            Protocol::Tcp => Transport::Tcp,
            Protocol::Udp => Transport::Udp,
            Protocol::Sctp => Transport::Sctp,
        },
        to: SocketAddrV4::new(node.address, forwarder.node_port),
    };
    let file = NodeFile {
        contract: CONTRACT,
        cluster: layout.name().into(),
        node: names::forwarder(layout.name(), forwarder),
        member: None,
        forwards: layout.node(forwarder.node.as_str()).map(forward).into_iter().collect(),
        components: Vec::new(),
    };
    vec![FileSpec::text(NODE_FILE, text(&serde_json::json!(file)))]
}

fn balancer_config(layout: &Layout, serves: Serves) -> FileSpec {
    FileSpec::text(paths::BALANCER_CONFIG, balancer::config(layout, serves))
}

/// Gives each component that reads one of these files a revision that changes with it.
fn revised(mut components: Vec<Component>, read: &[(&str, FileSpec)]) -> Vec<Component> {
    for component in &mut components {
        let mut digest = Sha256::new();
        let mut reads = false;
        for (_, file) in read.iter().filter(|(reader, _)| *reader == component.name) {
            if let Content::Text(text) = &file.content {
                digest.update(text);
                reads = true;
            }
        }
        if reads {
            // An eighth of it tells two texts apart as well.
            component.revision = format!("{:.8x}", digest.finalize());
        }
    }
    components
}

/// The configuration files that depend on the cluster's shape, each with the component that reads it when it starts.
fn configurations(layout: &Layout, node: &NodeLayout) -> Vec<(&'static str, FileSpec)> {
    let api = api_url(layout, node);
    let config = |user: &str, pem| text(&kubeconfig(layout.name(), user, &api, pem));
    let mut files = vec![
        ("kubelet", FileSpec::private_text(paths::KUBELET_CONFIG, text(&kubelet_config(layout, node)))),
        (
            "kubelet",
            FileSpec::private_text(
                paths::KUBELET_CONF,
                config(&format!("system:node:{}", node.spec.name), paths::KUBELET_CLIENT),
            ),
        ),
        (
            "kube-proxy",
            FileSpec::private_text(paths::KUBE_PROXY_CONF, config("system:kube-proxy", paths::KUBE_PROXY_PEM)),
        ),
    ];
    if balances(layout, node) {
        files.push(("haproxy", balancer_config(layout, Serves::Node)));
    }
    files
}

/// Whether the node has a balancer of its own.
fn balances(layout: &Layout, node: &NodeLayout) -> bool {
    layout.balancer && node.spec.role == Role::Worker
}

/// In the order of starting: what others wait for first. They stop in reverse, so that the API server is there until
/// its clients are gone, and etcd until the API server is.
fn components(layout: &Layout, node: &NodeLayout) -> Vec<Component> {
    match node.spec.role {
        Role::ControlPlane => vec![
            containerd(layout),
            etcd(layout, node),
            api_server(layout, node),
            kubelet(layout, node),
            scheduler(layout),
            controller_manager(layout),
            kube_proxy(layout, node),
        ],
        Role::Worker => {
            let balancer = balances(layout, node).then(balancer::balancer);
            let before = std::iter::once(containerd(layout)).chain(balancer);
            before.chain([kubelet(layout, node), kube_proxy(layout, node)]).collect()
        }
    }
}

/// What an administrator sets on the Node once its kubelet has registered it. Its taints it brings along.
pub fn adoption(node: &NodeLayout) -> Adoption {
    Adoption { node: node.spec.name.to_string(), labels: admin_labels(node), pod_cidr: node.pod_cidr.to_string() }
}

/// Every file of a node, folders before what they hold.
pub fn files(layout: &Layout, node: &NodeLayout) -> Vec<FileSpec> {
    let mut files = everywhere(layout, node);
    if node.spec.role == Role::ControlPlane {
        files.extend(control_plane(layout, node));
    }
    files
}

/// What a renewal writes: every leaf certificate with its key, and the link that leads the kubelet to its own.
pub fn leaf_files(layout: &Layout, node: &NodeLayout) -> Vec<FileSpec> {
    let leaf = |file: &FileSpec| match &file.content {
        Content::Certificate(cert) | Content::Key(cert) | Content::CertificateAndKey(cert) => {
            matches!(cert, Cert::Leaf(..))
        }
        Content::Link(_) => file.path == paths::KUBELET_CLIENT,
        _ => false,
    };
    files(layout, node).into_iter().filter(leaf).collect()
}

fn everywhere(layout: &Layout, node: &NodeLayout) -> Vec<FileSpec> {
    let cert = |leaf| Cert::Leaf(leaf, node.spec.name.clone());
    let node_json = serde_json::json!(node_file(layout, node));
    let mut files = vec![
        // Both may hold a proxy's password.
        FileSpec::private_text(NODE_FILE, text(&node_json)),
        FileSpec::private_text(paths::CLUSTER_FILE, text(&serde_json::json!(layout))),
        FileSpec::folder(paths::CONTAINERD_DROP_INS, 0o755),
        FileSpec::folder(paths::REGISTRY_HOSTS, 0o755),
        FileSpec::text(paths::CONTAINERD_CONFIG, containerd_config()),
        FileSpec::text(paths::CNI_CONFIG, text(&cni(layout, node))),
        FileSpec::folder(paths::KUBERNETES, 0o755),
        FileSpec::named(paths::KUBERNETES_LINK, Content::Link(paths::KUBERNETES.into())),
        FileSpec::folder(paths::PKI, 0o700),
        FileSpec::named(paths::CA, Content::Certificate(Cert::Authority(Authority::Cluster))),
        // The kubelet exits when this folder is missing.
        FileSpec::folder(paths::KUBELET_DROP_INS, 0o755),
        FileSpec::folder(paths::KUBELET_PKI, 0o700),
        FileSpec::named(paths::KUBELET_CLIENT_ISSUED, Content::CertificateAndKey(cert(Leaf::KubeletClient))),
        FileSpec::named(paths::KUBELET_CLIENT, Content::Link(paths::KUBELET_CLIENT_ISSUED.into())),
        FileSpec::named(paths::KUBE_PROXY_PEM, Content::CertificateAndKey(cert(Leaf::KubeProxy))),
    ];
    files.extend(configurations(layout, node).into_iter().map(|(_, file)| file));
    files.extend(registry_files(layout));
    files.extend(pair(&format!("{}/kubelet", paths::KUBELET_PKI), &cert(Leaf::KubeletServer)));
    if let Some(bundle) = &layout.egress.ca_bundle {
        files.push(FileSpec::text(paths::HOST_CA, bundle));
    }
    files
}

fn control_plane(layout: &Layout, node: &NodeLayout) -> Vec<FileSpec> {
    let cert = |leaf| Cert::Leaf(leaf, node.spec.name.clone());
    let config = |user: &str, pem| text(&kubeconfig(layout.name(), user, &local_api(), pem));
    let mut files = vec![
        FileSpec::folder(&format!("{}/etcd", paths::PKI), 0o700),
        FileSpec::folder(&format!("{}/enc", paths::KUBERNETES), 0o700),
        FileSpec::folder(&data_folder(node), 0o700),
        FileSpec::named(paths::SERVICE_ACCOUNT_KEY, Content::ServiceAccountKey),
        FileSpec::named(paths::SERVICE_ACCOUNT_PUBLIC_KEY, Content::ServiceAccountPublicKey),
        FileSpec::named(paths::ENCRYPTION_CONFIG, Content::EncryptionConfig),
        FileSpec::text(paths::AUTHENTICATION_CONFIG, text(&authentication())),
        FileSpec::private_text(
            paths::CONTROLLER_MANAGER_CONF,
            config("system:kube-controller-manager", paths::CONTROLLER_MANAGER_PEM),
        ),
        FileSpec::named(paths::CONTROLLER_MANAGER_PEM, Content::CertificateAndKey(cert(Leaf::ControllerManager))),
        FileSpec::private_text(paths::SCHEDULER_CONF, config("system:kube-scheduler", paths::SCHEDULER_PEM)),
        FileSpec::named(paths::SCHEDULER_PEM, Content::CertificateAndKey(cert(Leaf::Scheduler))),
        FileSpec::private_text(paths::ADMIN_CONF, config(&format!("knarr-admin-{}", layout.name()), paths::ADMIN_PEM)),
        FileSpec::named(paths::ADMIN_PEM, Content::CertificateAndKey(cert(Leaf::Admin))),
    ];
    // The authorities' keys live on the control planes and nowhere else: the controller manager signs rotated kubelet
    // certificates, and knarr reads them back to renew certificates and to let nodes join.
    let pairs = [
        ("ca", Cert::Authority(Authority::Cluster)),
        ("etcd/ca", Cert::Authority(Authority::Etcd)),
        ("front-proxy-ca", Cert::Authority(Authority::FrontProxy)),
        ("apiserver", cert(Leaf::ApiServer)),
        ("apiserver-kubelet-client", cert(Leaf::ApiServerKubeletClient)),
        ("apiserver-etcd-client", cert(Leaf::ApiServerEtcdClient)),
        ("front-proxy-client", cert(Leaf::FrontProxyClient)),
        ("etcd/server", cert(Leaf::EtcdServer)),
        ("etcd/peer", cert(Leaf::EtcdPeer)),
        ("etcd/healthcheck-client", cert(Leaf::EtcdHealthcheckClient)),
        ("controller-manager-server", cert(Leaf::ControllerManagerServer)),
        ("scheduler-server", cert(Leaf::SchedulerServer)),
    ];
    for (stem, cert) in pairs {
        // The cluster's own certificate is on every node already.
        let known = |file: &FileSpec| file.path != paths::CA;
        files.extend(pair(&format!("{}/{stem}", paths::PKI), &cert).into_iter().filter(known));
    }
    if layout.spec.audit {
        files.push(FileSpec::text(paths::AUDIT_POLICY, text(&audit_policy())));
    }
    files
}

/// A certificate and its key in two files.
fn pair(stem: &str, cert: &Cert) -> [FileSpec; 2] {
    [
        FileSpec::named(&format!("{stem}.crt"), Content::Certificate(cert.clone())),
        FileSpec::named(&format!("{stem}.key"), Content::Key(cert.clone())),
    ]
}
