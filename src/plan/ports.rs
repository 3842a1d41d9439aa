//! The ports of the host that lead into a cluster: those its nodes were made with, and those opened and closed while it
//! lives.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use super::layout::{API_PORT, Forwarder, Layout};
use super::names;
use crate::error::{Error, ErrorKind};
use crate::spec::ports::{HostPort, is_reserved};
use crate::spec::values::{PortMapping, Protocol};

/// A port of the host, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPort {
    /// The host's address.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The node, or the balancer.
    pub node: String,
    /// The port of the node.
    pub node_port: u16,
    /// Whether the cluster was made with it: such a port stays as long as the cluster does.
    pub fixed: bool,
}

/// Whether two cannot have the same port at these addresses; all addresses cover each one.
pub fn overlap(one: IpAddr, other: IpAddr) -> bool {
    one == other || one.is_unspecified() || other.is_unspecified()
}

impl Layout {
    /// Every port of the host that leads into the cluster, the API's first.
    pub fn open_ports(&self) -> Vec<OpenPort> {
        let plane = || self.first_control_plane().spec.name.to_string();
        let front = if self.balancer { names::balancer(self.name()) } else { plane() };
        let api = OpenPort {
            host_address: self.api.ip(),
            host_port: self.api.port(),
            protocol: Protocol::Tcp,
            node: front,
            node_port: API_PORT,
            fixed: true,
        };
        let made_with = self.nodes.iter().flat_map(|node| {
            node.spec.ports.iter().filter_map(|port| {
                Some(OpenPort {
                    host_address: port.host_address,
                    host_port: port.host_port?,
                    protocol: port.protocol,
                    node: node.spec.name.to_string(),
                    node_port: port.container_port,
                    fixed: true,
                })
            })
        });
        let opened = self.forwarders.iter().map(|forwarder| OpenPort {
            host_address: forwarder.host_address,
            host_port: forwarder.host_port,
            protocol: forwarder.protocol,
            node: forwarder.node.to_string(),
            node_port: forwarder.node_port,
            fixed: false,
        });
        std::iter::once(api).chain(made_with).chain(opened).collect()
    }

    /// Whether a port of the host is open already, and leads to `node`; unless told, to any.
    pub fn has_open(&self, port: &PortMapping, node: Option<&str>) -> bool {
        self.open_ports().iter().any(|open| {
            (open.host_address, Some(open.host_port), open.protocol)
                == (port.host_address, port.host_port, port.protocol)
                && open.node_port == port.container_port
                && node.is_none_or(|node| open.node == node)
        })
    }

    /// The same cluster with these ports of the host open besides. They lead to `node`; unless told, to the first
    /// worker, or to the first control plane where there is none. It is the very same if all are open already.
    ///
    /// # Errors
    /// There is no such node, a port is the node's own, the cluster has the host's port already, or no address is left.
    pub fn opening(&self, wanted: &[PortMapping], node: Option<&str>) -> Result<Self, Error> {
        let refuse = |kind: ErrorKind, message: String| Error::new(kind, message).state("nothing was changed");
        let mut opened = self.clone();
        let target = match node {
            None => self.spec.workers().next().map_or(&self.first_control_plane().spec, |worker| worker),
            Some(name) => {
                &self
                    .node(name)
                    .ok_or_else(|| {
                        refuse(ErrorKind::NotFound, format!("cluster `{}` has no node `{name}`", self.name()))
                            .hint(format!("list its nodes with `knarr get nodes --name {}`", self.name()))
                    })?
                    .spec
            }
        };
        for port in wanted {
            if opened.has_open(port, node) {
                continue;
            }
            let (host_port, node_port) = (port.host_port.unwrap_or_default(), port.container_port);
            if is_reserved(node_port) {
                let own = if node_port == API_PORT {
                    format!("it is the API server, which is published anyway at {}", self.api)
                } else {
                    "it belongs to the node's own programs, which must not be published".to_owned()
                };
                return Err(refuse(ErrorKind::Usage, format!("port {node_port} of nodes cannot be opened")).cause(own));
            }
            let clashes = |other: &&OpenPort| {
                let same = (other.host_port, other.protocol) == (host_port, port.protocol);
                // A forwarder is named by its port.
                same && (!other.fixed || overlap(other.host_address, port.host_address))
            };
            if let Some(other) = opened.open_ports().iter().find(clashes) {
                let at = SocketAddr::new(other.host_address, other.host_port);
                return Err(refuse(
                    ErrorKind::Exists,
                    format!("cluster `{}` has port {host_port}/{} of the host already", self.name(), port.protocol),
                )
                .cause(format!("{at} leads to port {} of `{}`", other.node_port, other.node))
                .hint(format!("see all of them with `knarr port list --name {}`", self.name())));
            }
            let address = opened.free_addresses().next_back().ok_or_else(|| {
                refuse(ErrorKind::Environment, format!("cluster `{}` has no room for another port", self.name()))
                    .cause(format!("its network {} has no address left", self.subnet))
                    .hint("create a cluster with a larger `networking.nodeSubnet`")
            })?;
            opened.forwarders.push(Forwarder {
                address,
                host_address: port.host_address,
                host_port,
                protocol: port.protocol,
                node: target.name.clone(),
                node_port,
            });
        }
        Ok(if opened.forwarders == self.forwarders { opened } else { opened.next() })
    }

    /// The same cluster without these ports.
    ///
    /// # Errors
    /// A port is not open, or the cluster was made with it.
    pub fn closing(&self, unwanted: &[HostPort]) -> Result<Self, Error> {
        let mut closed = self.next();
        let list = || format!("see the ports with `knarr port list --name {}`", self.name());
        for port in unwanted {
            if self.forwarders.iter().any(|forwarder| forwarder.host() == *port) {
                closed.forwarders.retain(|forwarder| forwarder.host() != *port);
                continue;
            }
            let same = |open: &OpenPort| (open.host_port, open.protocol) == (port.port, port.protocol);
            let fixed = self.open_ports().into_iter().find(same);
            let error = match fixed {
                Some(open) => {
                    Error::failed(format!("port {port} cannot be closed while cluster `{}` lives", self.name())).cause(
                        format!("`{}` was made with it, and Docker cannot take a port from a container", open.node),
                    )
                }
                None => {
                    Error::new(ErrorKind::NotFound, format!("cluster `{}` has no port {port} of the host", self.name()))
                }
            };
            return Err(error.state("nothing was changed").hint(list()));
        }
        Ok(closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::fixture::layout;
    use crate::spec::ports::parse_mapping;

    fn open(layout: &Layout, port: &str, node: Option<&str>) -> Result<Layout, Error> {
        layout.opening(&[parse_mapping(port).expect("a port")], node)
    }

    fn refused(layout: &Layout, port: &str, node: Option<&str>) -> String {
        open(layout, port, node).expect_err("refused").to_string()
    }

    #[test]
    fn a_port_leads_to_the_first_worker_unless_told() {
        let opened = open(&layout(1, 2), "8080:30080", None).expect("open");
        assert_eq!(opened.forwarders[0].to_string(), "127.0.0.1:8080->dev-worker:30080/tcp");
        assert_eq!((opened.forwarders[0].address.to_string(), opened.generation), ("10.89.0.62".into(), 2));
        let again = open(&opened, "0.0.0.0:8080:53/udp", Some("dev-worker2")).expect("another protocol");
        assert_eq!(again.forwarders[1].to_string(), "0.0.0.0:8080->dev-worker2:53/udp");
        assert_eq!(again.forwarders[1].address.to_string(), "10.89.0.61");
        let same = open(&opened, "8080:30080", Some("dev-worker")).expect("it is so already");
        assert_eq!((same == opened, open(&opened, "8080:30080", None).expect("anywhere") == opened), (true, true));
        assert_eq!(open(&layout(3, 0), "80:80", None).expect("open").forwarders[0].node.as_str(), "dev-control-plane");
        let names: Vec<String> = again.containers().collect();
        assert_eq!(names[3..], ["dev-port-8080-tcp", "dev-port-8080-udp"]);
    }

    #[test]
    fn what_cannot_be_opened() {
        let opened = open(&layout(1, 1), "8080:30080", None).expect("open");
        for (port, node, why) in [
            ("8080:30080", Some("dev-control-plane"), "127.0.0.1:8080 leads to port 30080 of `dev-worker`"),
            ("8080:80", None, "127.0.0.1:8080 leads to port 30080 of `dev-worker`"),
            ("127.0.0.2:8080:80", None, "has port 8080/tcp of the host already"),
            ("0.0.0.0:40443:80", None, "leads to port 6443 of `dev-control-plane`"),
            ("9000:10250", None, "the node's own programs"),
            ("9000:6443", None, "published anyway at 127.0.0.1:40443"),
            ("9000:80", Some("dev-worker9"), "has no node `dev-worker9`"),
        ] {
            let error = refused(&opened, port, node);
            assert!(error.contains(why) && error.contains("nothing was changed"), "{port}: {error}");
        }
    }

    #[test]
    fn no_node_gets_the_address_of_a_forwarder() {
        let mut full = layout(1, 0);
        full.subnet = "10.89.0.0/27".parse().expect("a subnet");
        // Eight addresses: the network's, the host's, one node's, and the balancer's leave four.
        for port in 1..=4 {
            full = open(&full, &format!("{port}:80"), None).expect("room");
        }
        assert!(refused(&full, "5:80", None).contains("no address left"));
        assert_eq!(full.free_addresses().count(), 0);
    }

    #[test]
    fn only_what_was_opened_is_closed() {
        let opened = open(&layout(1, 1), "8080:30080", None).expect("open");
        let close = |text: &str| opened.closing(&[text.parse().expect("a port")]);
        assert_eq!(close("8080").expect("closed").forwarders, []);
        assert!(close("8080/udp").expect_err("not open").to_string().contains("has no port 8080/udp"));
        assert!(close("40443").expect_err("the API").to_string().contains("was made with it"));
    }
}
