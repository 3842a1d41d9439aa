//! A Service: its address stays while all its Pods are replaced, and every node answers for it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::cluster::{Cluster, text};
use crate::http;
use crate::wait::{seconds, until};

/// Where each node answers on a port.
pub fn node_addresses(cluster: &Cluster<'_>, port: u16) -> Vec<SocketAddr> {
    let nodes = cluster.get(&["nodes"]);
    let address = |node| SocketAddr::new(text(node, "/status/addresses/0/address").parse().expect("an address"), port);
    nodes["items"].as_array().expect("a list").iter().map(address).collect()
}

pub fn the_address_stays(cluster: &Cluster<'_>) {
    let kubectl = |arguments: &[&str]| cluster.kubectl(&[&["-n", "sample-service"], arguments].concat()).ok();
    let address = || kubectl(&["get", "service", "web", "-o", "jsonpath={.spec.clusterIP}"]).out();
    let endpoints = || {
        let list = ["get", "endpointslices", "-l", "kubernetes.io/service-name=web"];
        let ready = "-o=jsonpath={.items[*].endpoints[?(@.conditions.ready==true)].addresses[0]}";
        let out = kubectl(&[&list[..], &[ready]].concat()).out();
        out.split_whitespace().map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let (before, pods) = (address(), endpoints());
    assert_eq!(pods.len(), 3, "{pods:?}");
    kubectl(&["rollout", "restart", "deployment/web"]);
    kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
    until("the endpoints are all new ones", seconds(30), || {
        let now = endpoints();
        if now.len() == 3 && now.is_disjoint(&pods) { Ok(()) } else { Err(format!("{now:?}, before {pods:?}")) }
    });
    assert_eq!(address(), before);
    kubectl(&["exec", "client", "--", "wget", "-T", "5", "-qO-", &format!("http://{before}/version")]).says("v1");
    for node in node_addresses(cluster, 30081) {
        let (status, body) = until("a node answers", seconds(10), || http::get(node, "/version"));
        assert_eq!((status, body.trim()), (200, "v1"), "{node}");
    }
}
