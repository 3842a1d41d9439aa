//! The addresses of Services and Ingresses as a person on this machine can use them: objects in, lines out.

mod ingress;
mod service;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;
use serde_json::Value;

pub use self::ingress::of_ingress;
pub use self::service::of_service;

/// How this machine sees a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether the containers' own addresses can be reached from here.
    pub direct: bool,
    /// The addresses of the nodes that run.
    pub nodes: Vec<IpAddr>,
    /// What the nodes publish: protocol, port in the container, and where that is on this machine.
    pub published: Vec<(String, u16, SocketAddr)>,
    /// What is forwarded to Services by a tunnel that is open.
    pub tunnels: Vec<Tunnelled>,
}

/// A port of this machine that leads to a port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnelled {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// The Service's own addresses, by which Ingresses know it.
    pub addresses: Vec<IpAddr>,
    /// Where it is here.
    pub local: SocketAddr,
}

/// One thing that has an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `LoadBalancer`, `NodePort` or `Ingress`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What a browser or a client takes as it is.
    pub urls: Vec<String>,
    /// What a shell takes as it is, where a URL alone does not lead there.
    pub curl: Vec<String>,
    /// Why there is no URL, or what to do to have one.
    pub note: Option<String>,
}

impl Entry {
    fn new(kind: &'static str, object: &Value) -> Self {
        let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
        let (urls, curl) = (Vec::new(), Vec::new());
        Self { kind, namespace: text("namespace"), name: text("name"), urls, curl, note: None }
    }

    /// What there is to see, line by line.
    pub fn lines(&self) -> Vec<String> {
        let note = self.note.as_ref().map(|note| format!("({note})"));
        self.urls.iter().chain(&self.curl).cloned().chain(note).collect()
    }
}

/// The addresses in an object's `status.loadBalancer`.
pub fn addresses(object: &Value) -> Vec<IpAddr> {
    let all = object["status"]["loadBalancer"]["ingress"].as_array();
    all.into_iter().flatten().filter_map(|ingress| ingress["ip"].as_str()?.parse().ok()).collect()
}

/// A URL without the port that its scheme has anyway.
fn url(scheme: &str, address: IpAddr, port: u16) -> String {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    match (scheme, port) {
        ("http", 80) | ("https", 443) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

impl View {
    /// Where a port of the nodes is on this machine.
    fn published(&self, protocol: &str, port: u16) -> impl Iterator<Item = SocketAddr> {
        let wanted = protocol.to_owned();
        let fits = move |published: &&(String, u16, SocketAddr)| published.0 == wanted && published.1 == port;
        self.published.iter().filter(fits).map(|published| published.2)
    }
}
