//! Addresses, subnets, names and the way of proxying.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::{Check, ports};
use crate::config::defaults;
use crate::config::suggest::unknown;
use crate::spec::values::{DnsDomain, is_dns_subdomain, parse_subnet};
use crate::spec::{Networking, ProxyMode};

/// The prefix length of each node's own part of the pod subnet.
const NODE_POD_PREFIX: u8 = 24;
/// The longest and shortest prefixes of each subnet: the API server's own limit of 20 host bits and room for the tenth
/// Service address; at most 16 bits of node numbers; room on the Docker network beside the nodes.
const SERVICE_PREFIX: (u8, u8) = (12, 28);
const POD_PREFIX: (u8, u8) = (8, NODE_POD_PREFIX);
const NODE_PREFIX: (u8, u8) = (8, 28);

/// A subnet and whose it is.
struct Range {
    path: &'static str,
    subnet: Ipv4Net,
    /// Whether the user chose it.
    chosen: bool,
}

/// Everything under `networking`, or nothing if some of it was refused.
pub(super) fn networking(check: &mut Check<'_>, nodes: usize) -> Option<Networking> {
    let wire = &check.input.cluster.networking;
    ip_family(check, wire.ip_family.as_deref());
    let api_address = ports::host_address(check, "networking.apiServerAddress", wire.api_server_address.as_deref());
    let api_port = check.input.overrides.api_port.map(i64::from).or(wire.api_server_port);
    let api_port = check.problems.take(api_port_path(check), ports::host_port(api_port));
    let node_subnet = match &wire.node_subnet {
        None => Some(None),
        Some(text) => range(check, "networking.nodeSubnet", Some(text), "", NODE_PREFIX).map(Some),
    };
    let (pod, service) = (wire.pod_subnet.as_deref(), wire.service_subnet.as_deref());
    let pod_subnet = range(check, "networking.podSubnet", pod, defaults::POD_SUBNET, POD_PREFIX);
    let service_subnet = range(check, "networking.serviceSubnet", service, defaults::SERVICE_SUBNET, SERVICE_PREFIX);
    disjoint(check, [&pod_subnet, &service_subnet, &node_subnet.as_ref().and_then(|n| n.as_ref().map(Range::copy))]);
    room(check, nodes, pod_subnet.as_ref(), node_subnet.as_ref().and_then(Option::as_ref));
    let domain = wire.dns_domain.as_deref().unwrap_or(defaults::DNS_DOMAIN);
    let dns_domain = check.problems.take("networking.dnsDomain", DnsDomain::parse(domain));
    let proxy_mode = proxy_mode(check, wire.proxy_mode.as_deref());
    let extra_sans = extra_sans(check, &wire.extra_sans);
    if let Some(address) = api_address.filter(|address| !address.is_loopback()) {
        let host = "add the names and addresses by which they know this one to networking.extraSans";
        check.warn("networking.apiServerAddress", format!("at `{address}` other machines can reach the API; {host}"));
    }
    Some(Networking {
        api_address: api_address?,
        api_port: api_port?,
        node_subnet: node_subnet?.map(|range| range.subnet),
        pod_subnet: pod_subnet?.subnet,
        service_subnet: service_subnet?.subnet,
        dns_domain: dns_domain?,
        proxy_mode: proxy_mode?,
        extra_sans,
    })
}

/// Where the port of the API was asked for.
pub(super) fn api_port_path(check: &Check<'_>) -> &'static str {
    if check.input.overrides.api_port.is_some() { "--api-port" } else { "networking.apiServerPort" }
}

fn ip_family(check: &mut Check<'_>, text: Option<&str>) {
    let path = "networking.ipFamily";
    match text {
        None | Some("" | "ipv4") => {}
        Some(later @ ("ipv6" | "dual")) => {
            check.problem(path, format!("`{later}` comes with a later version; only `ipv4` works for now"));
        }
        Some(other) => check.problem(path, unknown(other, "an address family", &["ipv4"])),
    }
}

fn proxy_mode(check: &mut Check<'_>, text: Option<&str>) -> Option<ProxyMode> {
    match text {
        None | Some("") => Some(ProxyMode::default()),
        Some("nftables") => Some(ProxyMode::Nftables),
        Some("iptables") => Some(ProxyMode::Iptables),
        Some(other) => {
            let message = match other {
                "ipvs" => "`ipvs` is deprecated by Kubernetes and not offered; use `nftables` or `iptables`".into(),
                "none" => {
                    "`none` is not offered: knarr's clusters have kube-proxy; use `nftables` or `iptables`".into()
                }
                _ => unknown(other, "a mode of kube-proxy", &["nftables", "iptables"]),
            };
            check.problem(check.input.dialect.proxy_mode, message);
            None
        }
    }
}

impl Range {
    fn copy(&self) -> Self {
        Self { ..*self }
    }

    /// `podSubnet`, as it stands in sentences.
    fn name(&self) -> &'static str {
        self.path.trim_start_matches("networking.")
    }
}

fn range(
    check: &mut Check<'_>,
    path: &'static str,
    text: Option<&str>,
    default: &str,
    (shortest, longest): (u8, u8),
) -> Option<Range> {
    let text = text.filter(|text| !text.is_empty());
    let subnet = check.problems.take(path, parse_subnet(text.unwrap_or(default)))?;
    let length = subnet.prefix_len();
    if !(shortest..=longest).contains(&length) {
        let size = if length < shortest { "large" } else { "small" };
        check.problem(path, format!("`{subnet}` is too {size}; use a subnet from /{shortest} to /{longest}"));
    }
    Some(Range { path, subnet, chosen: text.is_some() })
}

fn disjoint(check: &mut Check<'_>, ranges: [&Option<Range>; 3]) {
    let special = [
        (Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 8), "addresses without a meaning"),
        (Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8), "loopback"),
        (Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), "link-local"),
        (Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4), "multicast"),
        (Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4), "reserved"),
    ];
    let ranges: Vec<&Range> = ranges.into_iter().flatten().collect();
    for (i, one) in ranges.iter().enumerate() {
        for (subnet, whose) in special.iter().filter(|(subnet, _)| overlap(one.subnet, *subnet)) {
            check.problem(one.path, format!("`{}` overlaps `{subnet}` ({whose})", one.subnet));
        }
        for other in ranges[..i].iter().filter(|other| overlap(one.subnet, other.subnet)) {
            // Tell it of the one that the user can change in the file as it is.
            let (one, other) = if one.chosen { (one, other) } else { (other, one) };
            let default = if other.chosen { "" } else { " (the default)" };
            let message = format!("`{}` overlaps {} `{}`{default}", one.subnet, other.name(), other.subnet);
            check.problem(one.path, message);
        }
    }
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

/// Whether all nodes get addresses, and their pods too.
fn room(check: &mut Check<'_>, nodes: usize, pod: Option<&Range>, node: Option<&Range>) {
    if let Some(pod) = pod.filter(|pod| pod.subnet.prefix_len() <= NODE_POD_PREFIX) {
        let parts = 1_usize << (NODE_POD_PREFIX - pod.subnet.prefix_len());
        if parts < nodes {
            check.problem(
                pod.path,
                format!("`{}` has {parts} parts of /{NODE_POD_PREFIX}, but there are {nodes} nodes", pod.subnet),
            );
        }
    }
    // The plan gives a quarter of the network to the nodes, the host and the network's own address.
    if let Some(node) = node.filter(|node| node.subnet.prefix_len() <= NODE_PREFIX.1) {
        let places = (1_usize << (30 - node.subnet.prefix_len())) - 2;
        if places < nodes {
            let message = format!("`{}` has room for {places} nodes, but there are {nodes}", node.subnet);
            check.problem(node.path, message);
        }
    }
}

fn extra_sans(check: &mut Check<'_>, sans: &[String]) -> Vec<String> {
    for (i, san) in sans.iter().enumerate() {
        let name = san.strip_prefix("*.").unwrap_or(san);
        // What looks like an address must be one: `10.0.0.300` is a DNS name by its letters alone.
        let numeric = name.split('.').next_back().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        if san.parse::<IpAddr>().is_err() && (numeric || !is_dns_subdomain(name)) {
            check.problem(
                format!("networking.extraSans[{i}]"),
                format!("`{san}` is neither an address nor a DNS name, for example `10.0.0.5`, `dev.example.com` or `*.example.com`"),
            );
        }
    }
    sans.to_vec()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net() -> impl Strategy<Value = Ipv4Net> {
        (any::<u32>(), 0u8..=32).prop_map(|(bits, length)| Ipv4Net::new_assert(bits.into(), length).trunc())
    }

    proptest! {
        #[test]
        fn overlap_is_having_an_address_in_common(a in net(), b in net()) {
            let common = a.network() <= b.broadcast() && b.network() <= a.broadcast();
            prop_assert_eq!(overlap(a, b), common);
            prop_assert_eq!(overlap(b, a), common);
        }
    }
}
