//! Free ports of this machine. A test by binding, because that is what Docker will do.

use std::io::ErrorKind as Io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use crate::error::{Error, ErrorKind, Result};
use crate::spec::values::Protocol;

/// Whether a TCP port can be bound now; somebody may still take it before Docker does.
pub fn port_is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// Why Docker cannot publish a port here, if that can be told without its rights.
pub fn why_taken(address: SocketAddr, protocol: Protocol) -> Option<String> {
    let bound = match protocol {
        Protocol::Tcp => TcpListener::bind(address).map(drop),
        Protocol::Udp => UdpSocket::bind(address).map(drop),
        Protocol::Sctp => return None,
    };
    match bound.map_err(|e| e.kind()) {
        Err(Io::AddrInUse) => Some(format!("a program of this machine has {address}/{protocol}")),
        Err(Io::AddrNotAvailable) => Some(format!("this machine has no address {}", address.ip())),
        // A port below 1024 may be Docker's to give, though not ours.
        _ => None,
    }
}

/// A TCP port that nobody uses now and that is none of `taken`. It is chosen once and kept: a port that Docker chooses
/// would change with every restart.
///
/// # Errors
/// The address does not belong to this machine, or no port is left.
pub fn pick_free_port(address: IpAddr, taken: &[u16]) -> Result<u16> {
    let refused = |e: &std::io::Error| {
        Error::new(ErrorKind::Environment, format!("cannot choose a free port on {address}")).source(e)
    };
    // Listeners are held until one fits, so that the system does not offer the same port again.
    let mut held = Vec::new();
    for _ in 0..=taken.len() {
        let listener = TcpListener::bind((address, 0)).map_err(|e| refused(&e))?;
        let port = listener.local_addr().map_err(|e| refused(&e))?.port();
        if !taken.contains(&port) {
            return Ok(port);
        }
        held.push(listener);
    }
    Err(Error::new(ErrorKind::Environment, format!("cannot choose a free port on {address}: none is left")))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_bound_port_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback takes listeners");
        let address = listener.local_addr().expect("a bound listener has an address");
        assert!(!port_is_free(address));
        drop(listener);
        assert!(port_is_free(address));
    }

    #[test]
    fn why_a_port_cannot_be_published() {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback takes listeners");
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback takes sockets");
        let tcp_at = tcp.local_addr().expect("bound");
        let udp_at = udp.local_addr().expect("bound");
        assert!(why_taken(tcp_at, Protocol::Tcp).is_some_and(|why| why.contains("a program of this machine has")));
        assert!(why_taken(udp_at, Protocol::Udp).is_some_and(|why| why.ends_with("/udp")));
        let foreign = "203.0.113.7:80".parse().expect("an address");
        assert_eq!(why_taken(foreign, Protocol::Tcp).as_deref(), Some("this machine has no address 203.0.113.7"));
        drop(tcp);
        assert_eq!(why_taken(tcp_at, Protocol::Tcp), None);
    }

    #[test]
    fn picks_nothing_taken() {
        let first = pick_free_port(Ipv4Addr::LOCALHOST.into(), &[]).expect("there is a port");
        let second = pick_free_port(Ipv4Addr::LOCALHOST.into(), &[first]).expect("there is another");
        assert_ne!(first, second);
    }

    #[test]
    fn a_foreign_address_is_an_error_of_the_environment() {
        let error = pick_free_port("203.0.113.7".parse().expect("an address"), &[]).expect_err("not ours");
        assert_eq!(error.kind, ErrorKind::Environment);
    }
}
