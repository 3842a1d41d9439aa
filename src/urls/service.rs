//! URLs of Services of type LoadBalancer and NodePort.

use serde_json::Value;

use super::{Entry, View, addresses, url};

/// A Service's addresses; `None` when it has none outside of the cluster.
pub fn of_service(view: &View, service: &Value) -> Option<Entry> {
    let kind = match service["spec"]["type"].as_str()? {
        "LoadBalancer" => "LoadBalancer",
        "NodePort" => "NodePort",
        _ => return None,
    };
    let mut entry = Entry::new(kind, service);
    let own = addresses(service);
    let ports: Vec<Exposed> =
        service["spec"]["ports"].as_array().into_iter().flatten().filter_map(Exposed::read).collect();
    for port in &ports {
        let tunnelled = view.tunnels.iter().filter(|t| {
            port.protocol == "TCP" && (&t.namespace, &t.service, t.port) == (&entry.namespace, &entry.name, port.port)
        });
        entry.urls.extend(tunnelled.map(|t| url(port.scheme, t.local.ip(), t.local.port())));
        if view.direct && kind == "LoadBalancer" {
            entry.urls.extend(own.iter().map(|address| url(port.scheme, *address, port.port)));
        }
        let Some(node_port) = port.node_port else { continue };
        if view.direct && kind == "NodePort" {
            // Every node answers; one is enough to know.
            entry.urls.extend(view.nodes.first().map(|node| url(port.scheme, *node, node_port)));
        }
        let published = view.published(port.protocol, node_port);
        entry.urls.extend(published.map(|at| url(port.scheme, at.ip(), at.port())));
    }
    if kind == "LoadBalancer" && own.is_empty() {
        let (namespace, name) = (&entry.namespace, &entry.name);
        entry.note = Some(format!("no address yet; see `knarr kubectl describe service -n {namespace} {name}`"));
    } else if entry.urls.is_empty() {
        let tcp = ports.iter().any(|port| port.protocol == "TCP");
        entry.note = Some(if tcp {
            format!("not reachable from here; run `knarr tunnel {}/{}`", entry.namespace, entry.name)
        } else {
            "not reachable from here, and a tunnel carries TCP only".into()
        });
    }
    Some(entry)
}

/// One port of a Service.
struct Exposed {
    protocol: &'static str,
    port: u16,
    node_port: Option<u16>,
    scheme: &'static str,
}

impl Exposed {
    fn read(value: &Value) -> Option<Self> {
        let number = |key: &str| value[key].as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0);
        let protocol = match value["protocol"].as_str().unwrap_or("TCP") {
            "UDP" => "UDP",
            "SCTP" => "SCTP",
            _ => "TCP",
        };
        let port = number("port")?;
        // What the port says of itself; the better known word first.
        let says = value["appProtocol"].as_str().or(value["name"].as_str()).unwrap_or_default();
        Some(Self { protocol, port, node_port: number("nodePort"), scheme: scheme(protocol, port, says) })
    }
}

/// The scheme of a port, by what it says of itself and else by its number: most Services speak HTTP.
fn scheme(protocol: &str, port: u16, says: &str) -> &'static str {
    match protocol {
        "UDP" => "udp",
        "SCTP" => "sctp",
        _ if says.starts_with("https") || (!says.starts_with("http") && matches!(port, 443 | 8443)) => "https",
        _ if says.is_empty() || ["http", "web", "ui", "dashboard"].iter().any(|word| says.starts_with(word)) => "http",
        _ if matches!(port, 80 | 8080) => "http",
        _ => "tcp",
    }
}
