//! The choice of a cluster's Docker subnet: free, predictable, and out of the way of what people run.
//!
//! Candidates come from four corners, because a VPN often takes one of them whole:
//! - 172.29.0–15.0/24: Docker gives out 172.17, 172.18, … upwards and WSL and clouds stay elsewhere, so the end of this
//!   range is quiet. All clusters share one /16, which costs Docker's own pool a single network.
//! - 192.168.224–239.0/24: above home LANs (0, 1, 178, …) and above minikube's range.
//! - 10.210.0–15.0/24: away from the usual pod, service and cloud ranges.
//! - 198.19.0–3.0/24: the range for benchmarks; the way out where a company routes all private addresses.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::Route;
use crate::engine::NetworkInfo;
use crate::error::{Error, ErrorKind, Result};

/// Addresses in use, and whose they are in words that fit after «overlaps 10.0.0.0/8, »: `the route to tun0`.
pub type Taken = (IpNet, String);

/// How many conflicts an error names.
const NAMED: usize = 5;

/// No network of ours may stand here, on any machine.
const RESERVED: [(Ipv4Addr, u8, &str); 5] = [
    (Ipv4Addr::UNSPECIFIED, 8, "«this network»"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local addresses"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved addresses"),
];

/// The subnets in the order in which they are tried.
fn candidates() -> impl Iterator<Item = Ipv4Net> {
    let corners = [([172, 29], 0..16), ([192, 168], 224..240), ([10, 210], 0..16), ([198, 19], 0..4)];
    corners
        .into_iter()
        .flat_map(|([a, b], range)| range.map(move |c: u8| Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24)))
}

/// Everything that is taken on a Docker host: its routes, Docker's networks, and `more` (pod and service subnets).
pub fn taken_subnets(routes: &[Route], networks: &[NetworkInfo], more: &[Taken]) -> Vec<Taken> {
    let mut taken: Vec<Taken> = more.to_vec();
    for network in networks {
        taken.extend(network.subnets.iter().map(|net| (*net, format!("the Docker network `{}`", network.name))));
    }
    // Docker's networks have routes too; their own names say more.
    let known = |net: IpNet| networks.iter().any(|network| network.subnets.contains(&net));
    let foreign = routes.iter().filter(|route| !known(route.net.into()));
    taken.extend(foreign.map(|route| (route.net.into(), format!("the route to `{}`", route.interface))));
    taken
}

/// A subnet that overlaps nothing of `taken`: `wanted`, or else the first free candidate.
///
/// # Errors
/// What is in the way, as an error of the environment.
pub fn choose_subnet(taken: &[Taken], wanted: Option<Ipv4Net>) -> Result<Ipv4Net> {
    if let Some(wanted) = wanted {
        let conflicts = conflicts(wanted, taken);
        if conflicts.is_empty() {
            return Ok(wanted);
        }
        let error = Error::new(ErrorKind::Environment, format!("the subnet {wanted} cannot be used for the nodes"));
        let error = conflicts.into_iter().take(NAMED).fold(error, Error::cause);
        return Err(match choose_subnet(taken, None) {
            Ok(free) => {
                error.hint(format!("set `networking.nodeSubnet` to a free one, such as `{free}`, or leave it out"))
            }
            Err(_) => error.hint("set `networking.nodeSubnet` to a free one"),
        });
    }
    let mut tried = Vec::new();
    for candidate in candidates() {
        let conflicts = conflicts(candidate, taken);
        if conflicts.is_empty() {
            return Ok(candidate);
        }
        tried.extend(conflicts);
    }
    // One wide route blocks many candidates; it is worth one line.
    let mut facts: Vec<String> = Vec::new();
    for conflict in tried {
        let what = conflict.split_once(" overlaps ").map_or(conflict.as_str(), |(_, what)| what).to_owned();
        if !facts.contains(&what) {
            facts.push(what);
        }
    }
    let more = facts.len().saturating_sub(NAMED);
    let error = Error::new(ErrorKind::Environment, "cannot find a free subnet for the nodes");
    let mut error = facts.into_iter().take(NAMED).fold(error, |e, what| e.cause(format!("in the way: {what}")));
    if more > 0 {
        error = error.cause(format!("and {more} more"));
    }
    Err(error
        .hint("name a free one with `networking.nodeSubnet` in the config file")
        .hint("remove networks that nobody uses with `docker network prune`"))
}

/// What is in the way of a subnet.
fn conflicts(net: Ipv4Net, taken: &[Taken]) -> Vec<String> {
    let overlaps = |other: Ipv4Net| other.contains(&net.network()) || net.contains(&other.network());
    let reserved = RESERVED.iter().map(|(at, len, whose)| (Ipv4Net::new_assert(*at, *len), *whose));
    let used = taken.iter().filter_map(|(other, whose)| match other {
        IpNet::V4(other) => Some((other.trunc(), whose.as_str())),
        IpNet::V6(_) => None,
    });
    let hits = reserved.chain(used).filter(|(other, _)| overlaps(*other));
    hits.map(|(other, whose)| format!("{net} overlaps {other}, {whose}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(list: &[(&str, &str)]) -> Vec<Taken> {
        list.iter().map(|(net, whose)| (net.parse().expect("a network"), (*whose).to_owned())).collect()
    }

    #[test]
    fn the_first_free_candidate_wins() {
        assert_eq!(choose_subnet(&[], None).expect("all is free").to_string(), "172.29.0.0/24");
        let used = taken(&[("172.29.0.0/24", "the Docker network `knarr`"), ("fd00::/8", "the route to `eth0`")]);
        assert_eq!(choose_subnet(&used, None).expect("one is taken").to_string(), "172.29.1.0/24");
        let vpn = taken(&[("172.16.0.0/12", "the route to `tun0`"), ("192.168.0.0/16", "the route to `tun0`")]);
        assert_eq!(choose_subnet(&vpn, None).expect("one corner is left").to_string(), "10.210.0.0/24");
        let all = [vpn, taken(&[("10.0.0.0/8", "the route to `tun0`")])].concat();
        assert_eq!(choose_subnet(&all, None).expect("one corner is left").to_string(), "198.19.0.0/24");
    }

    #[test]
    fn a_wish_in_the_way_is_refused_with_both_ranges() {
        let used = taken(&[("10.0.0.0/8", "the route to `tun0`"), ("10.244.0.0/16", "the pod subnet")]);
        let wanted = Some("10.244.7.0/24".parse().expect("a network"));
        insta::assert_snapshot!(choose_subnet(&used, wanted).expect_err("it overlaps"), @r"
        error: the subnet 10.244.7.0/24 cannot be used for the nodes
          caused by: 10.244.7.0/24 overlaps 10.0.0.0/8, the route to `tun0`
          caused by: 10.244.7.0/24 overlaps 10.244.0.0/16, the pod subnet
        hint: set `networking.nodeSubnet` to a free one, such as `172.29.0.0/24`, or leave it out
        ");
        let loopback = choose_subnet(&[], Some("127.0.1.0/24".parse().expect("a network"))).expect_err("reserved");
        assert_eq!(loopback.causes, ["127.0.1.0/24 overlaps 127.0.0.0/8, loopback"]);
    }

    #[test]
    fn when_nothing_is_left_the_error_names_what_is_in_the_way() {
        let used = taken(&[("0.0.0.0/0", "the route to `wg0`"), ("10.210.0.0/16", "the Docker network `big`")]);
        insta::assert_snapshot!(choose_subnet(&used, None).expect_err("all is taken"), @r"
        error: cannot find a free subnet for the nodes
          caused by: in the way: 0.0.0.0/0, the route to `wg0`
          caused by: in the way: 10.210.0.0/16, the Docker network `big`
        hint: name a free one with `networking.nodeSubnet` in the config file
        hint: remove networks that nobody uses with `docker network prune`
        ");
    }

    #[test]
    fn dockers_networks_are_named_once() {
        let network = NetworkInfo {
            id: "1".into(),
            name: "kind".into(),
            labels: crate::engine::Labels::new(),
            subnets: vec!["172.18.0.0/16".parse().expect("a network"), "fc00::/64".parse().expect("a network")],
            containers: Vec::new(),
            created: 0,
        };
        let route =
            |net: &str, interface: &str| Route { net: net.parse().expect("a network"), interface: interface.into() };
        let all = taken_subnets(
            &[route("172.18.0.0/16", "br-1234"), route("10.8.0.0/24", "tun0")],
            &[network],
            &taken(&[("10.96.0.0/12", "the service subnet")]),
        );
        let shown: Vec<String> = all.iter().map(|(net, whose)| format!("{net} {whose}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        10.96.0.0/12 the service subnet
        172.18.0.0/16 the Docker network `kind`
        fc00::/64 the Docker network `kind`
        10.8.0.0/24 the route to `tun0`
        ");
    }

    proptest! {
        #[test]
        fn never_overlaps_anything_taken(
            list in prop::collection::vec((any::<u32>(), 8u8..=32), 0..40),
            corners in prop::collection::vec((0usize..52, 16u8..=30), 0..60),
            wanted in prop::option::of((any::<u32>(), 8u8..=28)),
        ) {
            let spread: Vec<Ipv4Net> = candidates().collect();
            let near = corners.into_iter().map(|(i, len)| (u32::from(spread[i].network()), len));
            let taken: Vec<Taken> = list
                .into_iter()
                .chain(near)
                .map(|(at, len)| (IpNet::V4(Ipv4Net::new_assert(at.into(), len)), "somebody".to_owned()))
                .collect();
            let wanted = wanted.map(|(at, len)| Ipv4Net::new_assert(at.into(), len).trunc());
            match choose_subnet(&taken, wanted) {
                Ok(chosen) => {
                    prop_assert!(wanted.is_none_or(|w| w == chosen));
                    let (first, last) = (u32::from(chosen.network()), u32::from(chosen.broadcast()));
                    for (net, _) in &taken {
                        let IpNet::V4(net) = net else { continue };
                        prop_assert!(u32::from(net.broadcast()) < first || u32::from(net.network()) > last, "{chosen} and {net}");
                    }
                    prop_assert_eq!(choose_subnet(&taken, wanted).ok(), Some(chosen), "the choice is the same every time");
                }
                Err(error) => prop_assert!(!error.causes.is_empty() && !error.hints.is_empty()),
            }
        }
    }
}
