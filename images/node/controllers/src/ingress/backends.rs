//! Who answers for a Service: its endpoints.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ServicePort;
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::api::networking::v1::{IngressServiceBackend, ServiceBackendPort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::world::{Name, World};

/// A backend of an Ingress, looked up.
#[derive(Debug)]
pub struct Backend {
    /// `namespace/service:port`.
    pub key: String,
    /// The Service's name and port as the Ingress writes them.
    pub service: (String, String),
    /// `address:port` of each endpoint.
    pub peers: Vec<String>,
    /// Why there can be none: reason and sentence.
    pub problem: Option<(&'static str, String)>,
}

/// Looks a backend up.
pub fn look_up(world: &World, namespace: &str, backend: &IngressServiceBackend) -> Backend {
    let name = Name::new(namespace, &backend.name);
    let wanted = backend.port.clone().unwrap_or_default();
    let port = wanted.name.clone().or_else(|| wanted.number.map(|n| n.to_string())).unwrap_or_default();
    let found = peers(world, &name, &wanted, &port);
    let (peers, problem) = match found {
        Ok(peers) => (peers, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    Backend { key: format!("{name}:{port}"), service: (backend.name.clone(), port), peers, problem }
}

/// The backend of a Service's first port.
pub fn first_port(world: &World, namespace: &str, service: &str) -> Backend {
    let found = world.services.get(&Name::new(namespace, service));
    let port = found.and_then(|s| s.spec.as_ref()?.ports.as_ref()?.first().map(|p| p.port));
    let port = ServiceBackendPort { number: Some(port.unwrap_or(80)), name: None };
    look_up(world, namespace, &IngressServiceBackend { name: service.to_owned(), port: Some(port) })
}

fn peers(
    world: &World,
    name: &Name,
    wanted: &ServiceBackendPort,
    port: &str,
) -> Result<Vec<String>, (&'static str, String)> {
    let service = world.services.get(name).ok_or_else(|| {
        ("ServiceNotFound", format!("there is no Service `{}` in the namespace `{}`", name.name, name.namespace))
    })?;
    let spec = service.spec.clone().unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        let why = format!("the Service `{name}` is of type ExternalName, which has no endpoints to pass requests to");
        return Err(("UnsupportedService", why));
    }
    let ports = spec.ports.unwrap_or_default();
    let found = ports.iter().find(|p| match (&wanted.name, wanted.number) {
        (Some(name), _) => p.name.as_ref() == Some(name),
        (None, Some(number)) => p.port == number || p.target_port == Some(IntOrString::Int(number)),
        (None, None) => false,
    });
    let found = found.ok_or_else(|| {
        let all: Vec<String> = ports.iter().map(describe).collect();
        ("PortNotFound", format!("the Service `{name}` has no port `{port}`; it has: {}", all.join(", ")))
    })?;
    let none = Vec::new();
    Ok(endpoints(world.slices.get(name).unwrap_or(&none).iter().map(AsRef::as_ref), found.name.as_deref()))
}

fn describe(port: &ServicePort) -> String {
    port.name.as_ref().map_or_else(|| port.port.to_string(), |name| format!("{} ({name})", port.port))
}

/// The endpoints of a port. Those that end are left out at once, unless nothing else would be left.
fn endpoints<'a>(slices: impl Iterator<Item = &'a EndpointSlice>, port: Option<&str>) -> Vec<String> {
    let (mut ready, mut serving) = (BTreeSet::new(), BTreeSet::new());
    for slice in slices {
        let ports = slice.ports.iter().flatten();
        let same = |name: Option<&str>| name.unwrap_or_default() == port.unwrap_or_default();
        let Some(number) = ports.filter(|p| same(p.name.as_deref())).find_map(|p| p.port) else { continue };
        for endpoint in slice.endpoints.iter().flatten() {
            let Some(address) = endpoint.addresses.first() else { continue };
            let peer = match slice.address_type.as_str() {
                "IPv4" => format!("{address}:{number}"),
                "IPv6" => format!("[{address}]:{number}"),
                _ => continue,
            };
            if is_ready(endpoint) {
                ready.insert(peer);
            } else if endpoint.conditions.as_ref().and_then(|c| c.serving).unwrap_or_default() {
                serving.insert(peer);
            }
        }
    }
    (if ready.is_empty() { serving } else { ready }).into_iter().collect()
}

/// Not knowing means ready, says the API.
fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true)
}
