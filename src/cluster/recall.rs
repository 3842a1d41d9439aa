//! Where everything of a cluster stands, read back from the cluster itself: its nodes' own files and Docker.
//!
//! What is recalled are names, addresses and what certificates say. How components were configured beyond that stands in
//! each node's own files and is not asked for: nothing that changes a living cluster renders those anew.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures::future::{try_join, try_join_all, try_join3};
use ipnet::{IpNet, Ipv4Net};
use knarr_contract::{NODE_FILE, NodeFile, Role};

use super::{Cluster, read_file};
use crate::addons::Chosen;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::node::paths;
use crate::pki;
use crate::plan::layout::{API_PORT, Egress, Layout, NodeLayout, nth};
use crate::plan::names;
use crate::spec::values::{ClusterName, DnsDomain, ImageRef, NodeName, Refused};
use crate::spec::{ClusterSpec, Networking, NodeSpec, ProxyMode};

/// A cluster's nodes as their own files tell, and what those files say is missing.
#[derive(Clone, Debug)]
pub struct Recalled {
    /// Where everything stands, with the nodes in the order of [`Cluster::nodes`].
    pub layout: Layout,
    /// Nodes that others know of and that Docker does not have.
    pub missing: Vec<String>,
}

/// Reads the layout of a cluster out of its nodes, running or not.
pub async fn recall<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Recalled> {
    let first = &cluster.control_plane()?.name;
    let files = try_join_all(cluster.nodes.iter().map(|node| node_file(engine, &node.name)));
    let docker = async { Ok(try_join(engine.list_networks(), engine.inspect_container(first)).await?) };
    // Without a certificate there are no names to keep, and its check says that it is missing.
    let certificate = async { Ok(read_file(engine, first, &paths::pki("apiserver", "crt")).await.ok()) };
    let (files, (networks, container), certificate) = try_join3(files, docker, certificate).await?;
    // Only an inspection tells the ports of a container that does not run.
    let ports = container.map(|c| c.ports).unwrap_or_default();
    let api = ports.iter().find(|p| p.container_port == API_PORT);
    let api = api.map_or(SocketAddr::from(([127, 0, 0, 1], 0)), |p| (p.host_address, p.host_port).into());
    let network = networks.into_iter().find(|n| n.labels.get(names::CLUSTER) == Some(&cluster.name));
    let subnet = network
        .and_then(|n| n.subnets.into_iter().find_map(|net| if let IpNet::V4(net) = net { Some(net) } else { None }));
    let sans = certificate.map(|pem| pki::names_of(&String::from_utf8_lossy(&pem))).unwrap_or_default();
    let layout = lay_out(cluster, &files, subnet, api, sans)
        .map_err(|why| Error::failed(format!("cannot tell how cluster `{}` was made", cluster.name)).cause(why.0))?;
    let known = |name: &&String| !cluster.nodes.iter().any(|node| node.name == **name);
    let mut missing: Vec<String> =
        files.iter().flat_map(|f| f.network.peers.iter().map(|p| &p.name)).filter(known).cloned().collect();
    missing.sort();
    missing.dedup();
    Ok(Recalled { layout, missing })
}

async fn node_file<E: Engine>(engine: &E, node: &str) -> Result<NodeFile> {
    let bytes = read_file(engine, node, NODE_FILE).await.map_err(|e| Error { kind: ErrorKind::Failed, ..e })?;
    serde_json::from_slice(&bytes)
        .map_err(|e| Error::failed(format!("`{NODE_FILE}` of node `{node}` is not what knarr wrote")).cause(e))
}

fn lay_out(
    cluster: &Cluster,
    files: &[NodeFile],
    subnet: Option<Ipv4Net>,
    api: SocketAddr,
    extra_sans: Vec<String>,
) -> Result<Layout, Refused> {
    let net = |text: &str| text.parse::<Ipv4Net>().map_err(|e| Refused(format!("`{text}`: {e}")));
    let mut nodes = Vec::new();
    for file in files {
        nodes.push(NodeLayout {
            spec: NodeSpec {
                name: NodeName::parse(&file.node)?,
                role: file.role,
                image: None,
                labels: BTreeMap::new(),
                taints: None,
                mounts: Vec::new(),
                ports: Vec::new(),
            },
            address: file.network.address,
            pod_cidr: net(&file.network.pod_cidr)?,
        });
    }
    let plane = files.iter().find(|f| f.role == Role::ControlPlane);
    let flag = |name: &str| plane.and_then(|file| flag(file, "kube-apiserver", name));
    let missing = |what: &str| Refused(format!("no API server of it has the flag `--{what}`"));
    let services = flag("service-cluster-ip-range").ok_or_else(|| missing("service-cluster-ip-range"))?;
    let issuer = flag("service-account-issuer").ok_or_else(|| missing("service-account-issuer"))?;
    let domain = issuer.strip_prefix("https://kubernetes.default.svc.").unwrap_or(issuer);
    // Without a network there is nothing to reach; any subnet that holds the nodes will do.
    let subnet = subnet.or_else(|| Ipv4Net::new(nodes.first()?.address, 24).ok().map(|n| n.trunc()));
    let subnet = subnet.ok_or_else(|| Refused("it has no node".into()))?;
    let image = cluster.nodes.first().map(|n| n.image.as_str()).unwrap_or_default();
    Ok(Layout {
        create_id: cluster.create_id.clone(),
        expires: cluster.expires,
        owner: cluster.owner.clone(),
        gateway: nth(subnet, 1),
        ip_range: subnet,
        subnet,
        api,
        spec: ClusterSpec {
            name: ClusterName::parse(&cluster.name)?,
            image: ImageRef::parse(image)?,
            nodes: nodes.iter().map(|n| n.spec.clone()).collect(),
            networking: Networking {
                api_address: api.ip(),
                api_port: Some(api.port()),
                node_subnet: Some(subnet),
                pod_subnet: net(&files.first().map(|f| f.network.cluster_cidr.clone()).unwrap_or_default())?,
                service_subnet: net(services)?,
                dns_domain: DnsDomain::parse(domain)?,
                proxy_mode: ProxyMode::default(),
                extra_sans: extra_sans.into_iter().filter(|san| !is_loopback(san)).collect(),
            },
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            extra_args: BTreeMap::new(),
            audit: false,
            addons: Chosen::new(),
            manifests: Vec::new(),
            ttl: None,
        },
        nodes,
        egress: Egress::default(),
        sys_resource: false,
    })
}

/// The loopback is in every certificate anyway, and first of all.
fn is_loopback(san: &str) -> bool {
    san.parse::<IpAddr>().is_ok_and(|ip| ip == IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn flag<'f>(file: &'f NodeFile, component: &str, name: &str) -> Option<&'f str> {
    let component = file.components.iter().find(|c| c.name == component)?;
    component.argv.iter().find_map(|word| word.strip_prefix("--")?.strip_prefix(name)?.strip_prefix('='))
}
