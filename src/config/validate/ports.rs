//! Ports of nodes published on the host, and which of them get into each other's way.

use std::net::IpAddr;

use super::nodes::Draft;
use super::{Check, networking};
use crate::config::{defaults, v1alpha1};
use crate::spec::Networking;
use crate::spec::ports::{API_PORT, is_reserved};
use crate::spec::values::{PortMapping, Protocol};

/// The ports of a node; `None` stands for one that was refused.
pub(super) fn ports(check: &mut Check<'_>, node: &str, ports: &[v1alpha1::Port]) -> Vec<Option<PortMapping>> {
    let key = check.input.dialect.ports;
    ports.iter().enumerate().map(|(i, port)| mapping(check, &format!("{node}.{key}[{i}]"), port)).collect()
}

fn mapping(check: &mut Check<'_>, path: &str, port: &v1alpha1::Port) -> Option<PortMapping> {
    let address_path = format!("{path}.{}", check.input.dialect.host_address);
    let host_address = host_address(check, &address_path, port.host_address.as_deref());
    let host_port = check.problems.take(&format!("{path}.hostPort"), host_port(port.host_port));
    let container_port = container_port(check, path, port.container_port);
    let protocol = match port.protocol.as_deref().filter(|text| !text.is_empty()) {
        None => Some(Protocol::Tcp),
        Some(text) => check.problems.take(&format!("{path}.protocol"), text.parse()),
    };
    Some(PortMapping {
        host_address: host_address?,
        host_port: host_port?,
        container_port: container_port?,
        protocol: protocol?,
    })
}

/// An address of the host; only IPv4 for now.
pub(super) fn host_address(check: &mut Check<'_>, path: &str, text: Option<&str>) -> Option<IpAddr> {
    let text = text.filter(|text| !text.is_empty()).unwrap_or(defaults::HOST_ADDRESS);
    let wrong = match text.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => return Some(address),
        Ok(IpAddr::V6(_)) => format!("`{text}` is an IPv6 address; they come with a later version"),
        Err(_) => {
            format!("`{text}` is not an address; use `127.0.0.1` for this machine alone or `0.0.0.0` for everybody")
        }
    };
    check.problem(path, wrong);
    None
}

/// A port of the host; none means that knarr chooses it, also written as 0 or -1.
pub(super) fn host_port(port: Option<i64>) -> Result<Option<u16>, String> {
    match port {
        None | Some(0 | -1) => Ok(None),
        Some(port) => u16::try_from(port)
            .map(Some)
            .map_err(|_| format!("{port} is not a port; use 1 to 65535, or 0 for any free one")),
    }
}

fn container_port(check: &mut Check<'_>, mapping: &str, port: Option<i64>) -> Option<u16> {
    let path = format!("{mapping}.containerPort");
    let Some(port) = port else {
        check.problem(path, "missing; name a port of the node, 1 to 65535");
        return None;
    };
    match u16::try_from(port) {
        Ok(API_PORT) => {
            check.problem(
                path,
                format!("{API_PORT} is the API server, which is published anyway; use networking.apiServerPort"),
            );
            None
        }
        Ok(port) if is_reserved(port) => {
            check.problem(path, format!("{port} belongs to the node's own programs, which must not be published"));
            None
        }
        Ok(port @ 1..) => Some(port),
        _ => {
            check.problem(path, format!("{port} is not a port; use 1 to 65535"));
            None
        }
    }
}

/// A port of the host that somebody asked for.
#[derive(Clone, Debug)]
struct Wanted {
    path: String,
    address: IpAddr,
    port: u16,
    protocol: Protocol,
}

impl Wanted {
    /// Whether both cannot be had; all addresses cover each one.
    fn clashes(&self, other: &Self) -> bool {
        let any = self.address.is_unspecified() || other.address.is_unspecified();
        (self.port, self.protocol) == (other.port, other.protocol) && (any || self.address == other.address)
    }
}

/// Finds ports of the host that are asked for twice.
pub(super) fn conflicts(check: &mut Check<'_>, drafts: &[Draft], networking: Option<&Networking>) {
    let key = check.input.dialect.ports;
    let api = networking.and_then(|networking| {
        let path = networking::api_port_path(check).into();
        let (address, port, protocol) = (networking.api_address, networking.api_port?, Protocol::Tcp);
        Some(Wanted { path, address, port, protocol })
    });
    let of_nodes = drafts.iter().flat_map(|draft| {
        draft.ports.iter().enumerate().filter_map(move |(i, mapping)| {
            let mapping = mapping.as_ref()?;
            let path = format!("{}.{key}[{i}]", draft.path);
            let (address, port, protocol) = (mapping.host_address, mapping.host_port?, mapping.protocol);
            Some(Wanted { path, address, port, protocol })
        })
    });
    let wanted: Vec<Wanted> = api.into_iter().chain(of_nodes).collect();
    for (i, one) in wanted.iter().enumerate() {
        let Some(other) = wanted[..i].iter().find(|other| other.clashes(one)) else { continue };
        let Wanted { path, address, port, protocol } = one;
        if other.path == *path {
            let again = wanted[..i].iter().filter(|other| other.path == *path).count() > 1;
            if !again {
                check.problem(
                    format!("{path}.hostPort"),
                    format!("{port}/{protocol} can be given to one node only, but `count` makes several; leave hostPort out to get free ports"),
                );
            }
        } else {
            check.problem(
                format!("{path}.hostPort"),
                format!("{port}/{protocol} at {address} is asked for already by {} (at {})", other.path, other.address),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted() -> impl Strategy<Value = Wanted> {
        let protocol = prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Sctp)];
        let address = prop_oneof![Just([0, 0, 0, 0]), Just([127, 0, 0, 1]), Just([10, 0, 0, 7])];
        (address, 1u16..4, protocol).prop_map(|(address, port, protocol)| Wanted {
            path: String::new(),
            address: address.into(),
            port,
            protocol,
        })
    }

    proptest! {
        #[test]
        fn clashes_are_mutual_and_all_addresses_cover_each(a in wanted(), b in wanted()) {
            prop_assert_eq!(a.clashes(&b), b.clashes(&a));
            prop_assert!(a.clashes(&a), "nobody gets a port twice");
            let everywhere = Wanted { address: [0, 0, 0, 0].into(), ..a.clone() };
            let same = (a.port, a.protocol) == (b.port, b.protocol);
            prop_assert_eq!(everywhere.clashes(&b), same);
        }
    }
}
