//! Free ports of this machine. A test by binding, because that is what Docker will do.

use std::net::{IpAddr, SocketAddr, TcpListener};

use crate::error::{Error, ErrorKind, Result};

/// Whether a TCP port can be bound now; somebody may still take it before Docker does.
pub fn port_is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
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
