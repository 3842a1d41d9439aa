//! The node's interface on the cluster's network, as raw frames. It needs CAP_NET_RAW and nothing else.

use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::frame::{ARP, HEARTBEAT, Heard, Mac, parse};

/// Longer than any frame that matters.
const LONGEST: usize = 512;

/// An open interface.
pub struct Link {
    interface: String,
    mac: Mac,
    arp: AsyncFd<Socket>,
    heartbeats: AsyncFd<Socket>,
}

impl Link {
    /// Opens the interface that has this address.
    pub fn open(address: Ipv4Addr) -> io::Result<Self> {
        let all: Vec<_> = getifaddrs()?.collect();
        let has = |a: &&nix::ifaddrs::InterfaceAddress| {
            a.address.as_ref().and_then(|a| a.as_sockaddr_in()).is_some_and(|a| a.ip() == address)
        };
        let missing = |what: String| io::Error::new(io::ErrorKind::NotFound, what);
        let interface = all.iter().find(has).map(|a| a.interface_name.clone());
        let interface = interface.ok_or_else(|| missing(format!("no interface has {address}")))?;
        let mut of_link = all.iter().filter(|a| a.interface_name == interface);
        let link = of_link.find_map(|a| a.address.as_ref()?.as_link_addr().copied());
        let (link, mac) = link
            .and_then(|link| Some((link, link.addr()?)))
            .ok_or_else(|| missing(format!("interface {interface} has no hardware address")))?;
        Ok(Self { interface, mac, arp: listen(&link, ARP)?, heartbeats: listen(&link, HEARTBEAT)? })
    }

    /// The interface's name.
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Its hardware address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The next frame from somebody else that means something. May be dropped without losing one.
    pub async fn hear(&self) -> io::Result<Heard> {
        loop {
            let frame = tokio::select! {
                frame = receive(&self.arp) => frame?,
                frame = receive(&self.heartbeats) => frame?,
            };
            if let Some(heard) = parse(self.mac, &frame) {
                return Ok(heard);
            }
        }
    }

    /// Sends a frame. One that the interface does not take is lost, as frames may be.
    pub fn send(&self, frame: &[u8]) {
        if let Err(error) = self.heartbeats.get_ref().send(frame) {
            tracing::warn!("sending on {}: {error}", self.interface);
        }
    }
}

async fn receive(socket: &AsyncFd<Socket>) -> io::Result<Vec<u8>> {
    let read = |mut socket: &Socket| {
        let mut buffer = [0; LONGEST];
        socket.read(&mut buffer).map(|length| buffer[..length].to_vec())
    };
    socket.async_io(Interest::READABLE, |socket| read(socket)).await
}

/// A socket for the frames of one type on one interface.
fn listen(link: &LinkAddr, kind: u16) -> io::Result<AsyncFd<Socket>> {
    // The kernel wants the type in network order; bound to a link address without a type it keeps this one.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(kind.to_be()))))?;
    socket.set_nonblocking(true)?;
    bind(socket.as_raw_fd(), link)?;
    // SAFETY: a Socket owns its descriptor and shows the same one until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE) }?)
}
