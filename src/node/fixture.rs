//! Layouts for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use knarr_contract::Role;

use crate::plan::layout::{Egress, EtcdStart, Layout, NodeLayout};
use crate::spec::values::{ClusterName, DnsDomain, ImageRef, NodeName};
use crate::spec::{ClusterSpec, Limits, Networking, NodeSpec, ProxyMode};

/// A cluster named `dev` of so many control planes and workers.
pub(crate) fn layout(control_planes: u8, workers: u8) -> Layout {
    let roles = (0..control_planes).map(|n| (Role::ControlPlane, n)).chain((0..workers).map(|n| (Role::Worker, n)));
    let number = |n: u8| if n == 0 { String::new() } else { (n + 1).to_string() };
    let name = |role: Role, n: u8| NodeName::parse(&format!("dev-{role}{}", number(n))).expect("a name");
    let members: Vec<NodeName> = (0..control_planes).map(|n| name(Role::ControlPlane, n)).collect();
    let nodes: Vec<NodeLayout> = roles
        .zip(2u8..)
        .map(|((role, n), host)| NodeLayout {
            spec: NodeSpec {
                name: name(role, n),
                role,
                image: None,
                labels: BTreeMap::new(),
                taints: Some(crate::node::default_taints(role, workers > 0)),
                limits: Limits::default(),
                mounts: Vec::new(),
                ports: Vec::new(),
            },
            address: Ipv4Addr::new(10, 89, 0, host),
            pod_cidr: format!("10.244.{}.0/24", host - 2).parse().expect("a subnet"),
            etcd: (role == Role::ControlPlane).then(|| EtcdStart { members: members.clone(), joins: false, life: 0 }),
        })
        .collect();
    Layout {
        create_id: "0f8fad5b-d9cb-469f-a165-70867728950e".into(),
        generation: 1,
        balancer: control_planes > 1,
        expires: None,
        owner: None,
        spec: ClusterSpec {
            name: ClusterName::parse("dev").expect("a name"),
            image: ImageRef::parse("knarr.dev/node:v1.36.4").expect("an image"),
            nodes: nodes.iter().map(|node| node.spec.clone()).collect(),
            networking: Networking {
                api_address: Ipv4Addr::LOCALHOST.into(),
                api_port: None,
                node_subnet: None,
                pod_subnet: "10.244.0.0/16".parse().expect("a subnet"),
                service_subnet: "10.96.0.0/16".parse().expect("a subnet"),
                dns_domain: DnsDomain::parse("cluster.local").expect("a domain"),
                proxy_mode: ProxyMode::Nftables,
                extra_sans: Vec::new(),
            },
            feature_gates: BTreeMap::new(),
            runtime_config: BTreeMap::new(),
            extra_args: BTreeMap::new(),
            audit: false,
            addons: crate::addons::by_default(),
            registries: BTreeMap::new(),
            manifests: Vec::new(),
            ttl: None,
        },
        subnet: "10.89.0.0/24".parse().expect("a subnet"),
        gateway: Ipv4Addr::new(10, 89, 0, 1),
        ip_range: "10.89.0.128/25".parse().expect("a subnet"),
        api: "127.0.0.1:40443".parse().expect("an address"),
        nodes,
        forwarders: Vec::new(),
        former_registries: BTreeSet::new(),
        egress: Egress::default(),
        sys_resource: false,
    }
}
