//! Ports of nodes and of the host: which are spoken for, and how commands name them, in Docker's way of writing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::values::{PortMapping, Protocol, Refused};

/// The port on which every API server listens inside its node.
pub const API_PORT: u16 = 6443;
/// Ports on which the node's own programs listen: etcd, kubelet, kube-proxy, controller manager and scheduler.
const RESERVED: [u16; 9] = [2379, 2380, 2381, 10248, 10249, 10250, 10256, 10257, 10259];

/// Whether a port of the node belongs to the node itself.
pub fn is_reserved(port: u16) -> bool {
    port == API_PORT || RESERVED.contains(&port)
}

/// A port of the host that is open: `8080`, `5353/udp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Its number.
    pub port: u16,
    /// TCP unless told.
    pub protocol: Protocol,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.port, self.protocol)
    }
}

impl FromStr for HostPort {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let (port, protocol) = protocol(text)?;
        Ok(Self { port: number(port)?, protocol })
    }
}

/// Parses `[HOST_ADDRESS:]HOST_PORT:NODE_PORT[/PROTOCOL]`, as `docker run --publish` has it; without an address only this
/// machine reaches the port.
///
/// # Errors
/// The text is something else.
pub fn parse_mapping(text: &str) -> Result<PortMapping, Refused> {
    let (ports, protocol) = protocol(text)?;
    let (host, node_port) = ports.rsplit_once(':').ok_or_else(|| {
        Refused(format!("`{text}` does not say which port leads where, for example `8080:30080` or `5353:30053/udp`"))
    })?;
    let (address, host_port) = host.rsplit_once(':').map_or((None, host), |(address, port)| (Some(address), port));
    let host_address = match address.map(str::parse::<Ipv4Addr>) {
        None => Ipv4Addr::LOCALHOST,
        Some(Ok(address)) => address,
        Some(Err(_)) => {
            let address = address.unwrap_or_default();
            return Err(Refused(format!(
                "`{address}` is not an IPv4 address; use `127.0.0.1` for this machine alone or `0.0.0.0` for everybody"
            )));
        }
    };
    Ok(PortMapping {
        host_address: IpAddr::V4(host_address),
        host_port: Some(number(host_port)?),
        container_port: number(node_port)?,
        protocol,
    })
}

/// The text before the protocol, and the protocol: those that are passed on.
fn protocol(text: &str) -> Result<(&str, Protocol), Refused> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    match protocol.parse() {
        Ok(protocol @ (Protocol::Tcp | Protocol::Udp)) => Ok((ports, protocol)),
        _ => Err(Refused(format!("`{protocol}` is not a protocol that can be passed on; use `tcp` or `udp`"))),
    }
}

fn number(text: &str) -> Result<u16, Refused> {
    match text.parse() {
        Ok(port @ 1..) => Ok(port),
        _ => Err(Refused(format!("`{text}` is not a port; use 1 to 65535"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_docker_writes_them() {
        for (text, shown) in [
            ("8080:30080", "127.0.0.1:8080->30080/tcp"),
            ("0.0.0.0:53:30053/udp", "0.0.0.0:53->30053/udp"),
            ("1:65535/TCP", "127.0.0.1:1->65535/tcp"),
        ] {
            assert_eq!(parse_mapping(text).map(|port| port.to_string()), Ok(shown.to_owned()));
        }
        assert_eq!("53/udp".parse::<HostPort>().map(|port| port.to_string()), Ok("53/udp".to_owned()));
    }

    #[test]
    fn others_are_refused_with_an_example() {
        for (text, why) in [
            ("8080", "for example `8080:30080`"),
            ("0:80", "`0` is not a port"),
            ("80:70000", "`70000` is not a port"),
            ("80:80/sctp", "use `tcp` or `udp`"),
            ("::1:80:80", "is not an IPv4 address"),
            ("host:80:80", "`host` is not an IPv4 address"),
            (":80", "`` is not a port"),
        ] {
            let refused = parse_mapping(text).expect_err(text);
            assert!(refused.0.contains(why), "{text}: {refused}");
        }
    }
}
