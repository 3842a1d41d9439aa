//! etcd: one member on each control plane.

use knarr_contract::{Component, Gate};

use super::components::{component, http};
use super::flags::Flags;
use super::paths::{ETCD_CA, ETCD_CLIENT_PORT, ETCD_DATA, ETCD_METRICS_PORT, ETCD_PEER_PORT, pki, program};
use crate::plan::layout::{EtcdStart, Layout, NodeLayout};
use crate::spec::ExtraArgsTarget;
use crate::spec::values::NodeName;

/// The member of one control plane.
pub(super) fn etcd(layout: &Layout, node: &NodeLayout) -> Component {
    let (name, address) = (&node.spec.name, node.address);
    let start = node.etcd.as_ref();
    // A cluster that can grow back to several keeps the settings for several.
    let alone = !layout.balancer;
    // Listening needs addresses; everything that others remember is a name, so that it survives a change of address.
    let flags = Flags::new(program("etcd"))
        .set("name", name)
        .set("data-dir", data_folder(node))
        .set("listen-client-urls", format!("https://127.0.0.1:{ETCD_CLIENT_PORT},https://{address}:{ETCD_CLIENT_PORT}"))
        .set("advertise-client-urls", format!("https://{name}:{ETCD_CLIENT_PORT}"))
        .set("listen-peer-urls", format!("https://{address}:{ETCD_PEER_PORT}"))
        .set("initial-advertise-peer-urls", peer_url(name))
        .set("initial-cluster", members(start))
        .set("initial-cluster-state", if start.is_some_and(|start| start.joins) { "existing" } else { "new" })
        .set("initial-cluster-token", &layout.create_id)
        .set("cert-file", pki("etcd/server", "crt"))
        .set("key-file", pki("etcd/server", "key"))
        .set("trusted-ca-file", ETCD_CA)
        .set("client-cert-auth", true)
        .set("peer-cert-file", pki("etcd/peer", "crt"))
        .set("peer-key-file", pki("etcd/peer", "key"))
        .set("peer-trusted-ca-file", ETCD_CA)
        .set("peer-client-cert-auth", true)
        .set("auto-tls", false)
        .set("peer-auto-tls", false)
        .set("tls-min-version", "TLS1.3")
        .set("listen-metrics-urls", format!("http://127.0.0.1:{ETCD_METRICS_PORT}"))
        // Several control planes are added at once, and none has a vote before it has the data.
        .set("max-learners", 8)
        .set("snapshot-count", 10_000)
        .set("watch-progress-notify-interval", "5s")
        // A lone member waits one to two election timeouts before it elects itself: up to a second with the default
        // of 1000 ms, a tenth of that with these, for 0.4 % of a core. Nobody can take its place, so a slow disk
        // costs no leadership. Several members keep the defaults: there it would.
        .when(alone, |flags| flags.set("heartbeat-interval", 20).set("election-timeout", 100))
        // Comparing data with the other members takes other members, and is done while they run: before it serves, a
        // member would wait 7 s for each that starts at the same time.
        .when(!alone, |flags| flags.set("feature-gates", "CompactHashCheck=true"))
        .merged(layout, ExtraArgsTarget::Etcd);
    Component { ready_when: Some(healthy()), ..component("etcd", flags) }
}

/// Answers 200 once there is a leader.
fn healthy() -> Gate {
    http(format!("http://127.0.0.1:{ETCD_METRICS_PORT}/health"))
}

/// Where a member keeps its data.
pub fn data_folder(node: &NodeLayout) -> String {
    match node.etcd.as_ref().map_or(0, |start| start.life) {
        0 => ETCD_DATA.into(),
        life => format!("{ETCD_DATA}-{life}"),
    }
}

/// Where the others reach the member of a node.
pub fn peer_url(node: &NodeName) -> String {
    format!("https://{node}:{ETCD_PEER_PORT}")
}

fn members(start: Option<&EtcdStart>) -> String {
    let members = start.into_iter().flat_map(|start| &start.members);
    members.map(|name| format!("{name}={}", peer_url(name))).collect::<Vec<_>>().join(",")
}
