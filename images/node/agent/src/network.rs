//! Routes to the pods of the other nodes, masquerading for one's own, and the address of the resolver.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use knarr_contract::{NodeNetwork, RESOLVER_ADDRESS};

use crate::fault::{Context, Fault, Result};
use crate::reap;

/// Sets everything that `network` asks for, and removes what `before` asked for and `network` does not.
pub fn apply(network: &NodeNetwork, before: Option<&NodeNetwork>) -> Result<()> {
    let (routes, rules) = (routes(network, before)?, rules(network)?);
    // One process for all routes; a route that cannot be set does not keep the others from being set.
    let set = reap::run("ip", &["-force", "-batch", "-"], &routes).context(|| "setting the pod routes");
    reap::run("nft", &["-f", "-"], &rules).context(|| "setting up masquerading")?;
    set.map(drop)
}

/// The input of `ip -batch`.
fn routes(network: &NodeNetwork, before: Option<&NodeNetwork>) -> Result<String> {
    let mut text = format!("address replace {RESOLVER_ADDRESS}/32 dev lo\n");
    // An address of this node's own pods that no pod has is answered at once instead of being sent around in circles.
    let _ = writeln!(text, "route replace unreachable {} metric 4096", Cidr::parse(&network.pod_cidr)?);
    for old in before.into_iter().flat_map(|network| &network.peers) {
        if !network.peers.iter().any(|peer| peer.pod_cidr == old.pod_cidr) {
            // Unlike `delete`, it does not fail where a change that failed half-way has removed the route already.
            let _ = writeln!(text, "route flush exact {} via {}", Cidr::parse(&old.pod_cidr)?, old.address);
        }
    }
    for peer in &network.peers {
        let _ = writeln!(text, "route replace {} via {}", Cidr::parse(&peer.pod_cidr)?, peer.address);
    }
    Ok(text)
}

/// The input of `nft -f`: one transaction, whether or not the table is there already.
fn rules(network: &NodeNetwork) -> Result<String> {
    let (pods, cluster) = (Cidr::parse(&network.pod_cidr)?, Cidr::parse(&network.cluster_cidr)?);
    Ok(format!(
        "table ip knarr\n\
         delete table ip knarr\n\
         table ip knarr {{\n\
         \tchain postrouting {{\n\
         \t\ttype nat hook postrouting priority srcnat; policy accept;\n\
         \t\tip saddr {pods} ip daddr != {cluster} masquerade\n\
         \t}}\n\
         }}\n"
    ))
}

/// An IPv4 network, checked before it becomes part of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cidr {
    address: Ipv4Addr,
    prefix: u8,
}

impl Cidr {
    fn parse(text: &str) -> Result<Self> {
        let parts = text.split_once('/').and_then(|(address, prefix)| {
            Some(Self { address: address.parse().ok()?, prefix: prefix.parse().ok().filter(|prefix| *prefix <= 32)? })
        });
        parts.ok_or_else(|| Fault::new(format!("{text:?} is not an IPv4 network")))
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use knarr_contract::Peer;

    use super::*;

    fn network(peers: &[(u8, &str)]) -> NodeNetwork {
        let peer = |(host, pods): &(u8, &str)| Peer {
            name: format!("n{host}"),
            address: Ipv4Addr::new(10, 89, 0, *host),
            pod_cidr: (*pods).to_owned(),
        };
        NodeNetwork {
            address: Ipv4Addr::new(10, 89, 0, 2),
            pod_cidr: "10.244.0.0/24".into(),
            cluster_cidr: "10.244.0.0/16".into(),
            peers: peers.iter().map(peer).collect(),
        }
    }

    #[test]
    fn each_peer_has_a_route_and_a_lost_peer_loses_it() {
        let (old, new) = (network(&[(3, "10.244.1.0/24"), (4, "10.244.2.0/24")]), network(&[(4, "10.244.2.0/24")]));
        let text = routes(&new, Some(&old)).expect("good");
        assert!(text.contains("route flush exact 10.244.1.0/24 via 10.89.0.3\n"), "{text}");
        assert!(text.contains("route replace 10.244.2.0/24 via 10.89.0.4\n"), "{text}");
        assert!(!text.contains("flush exact 10.244.2.0"), "{text}");
    }

    #[test]
    fn a_script_is_never_made_of_unchecked_text() {
        for bad in ["10.244.1.0/24; flush ruleset", "10.244.1.0", "10.244.1.0/33", "10.244.1.0/24\n", ""] {
            assert!(routes(&network(&[(3, bad)]), None).is_err(), "{bad:?}");
        }
        let mut bad = network(&[]);
        bad.cluster_cidr = "0.0.0.0/0 }".into();
        assert!(rules(&bad).is_err());
    }
}
