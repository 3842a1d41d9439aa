//! What matters about a Service and an EndpointSlice; the rest of the objects is not kept.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::jiff::Timestamp;

use super::pool::Family;

/// Our own `loadBalancerClass`; Services without one are ours too.
pub const CLASS: &str = "knarr.dev/load-balancer";
/// Asks for particular addresses, between commas.
pub const WANTED: &str = "knarr.dev/load-balancer-ip";
/// On an EndpointSlice: whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A namespace and a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Service that wants an address from us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balanced {
    /// Where it is.
    pub key: Key,
    /// Which one of that name it is.
    pub uid: String,
    /// When it was made: the older one wins a conflict.
    pub created: Option<Timestamp>,
    /// The families that it wants, in its order.
    pub families: Vec<Family>,
    /// The addresses that it asks for, or what is wrong with the question.
    pub wanted: Result<Vec<IpAddr>, String>,
    /// The addresses that its status has.
    pub assigned: Vec<IpAddr>,
    /// Whether only nodes with endpoints of its own may answer (`externalTrafficPolicy: Local`).
    pub local: bool,
}

impl Balanced {
    /// What matters of a Service; `None` when it is none of ours.
    pub fn read(service: &Service) -> Option<Self> {
        let spec = service.spec.as_ref()?;
        let ours = spec.load_balancer_class.as_deref().is_none_or(|class| class == CLASS);
        if spec.type_.as_deref() != Some("LoadBalancer") || !ours {
            return None;
        }
        let meta = &service.metadata;
        let annotation = meta.annotations.as_ref().and_then(|all| all.get(WANTED)).map(String::as_str);
        let family = |name: &String| if name == "IPv6" { Family::V6 } else { Family::V4 };
        let families: Vec<Family> = spec.ip_families.iter().flatten().map(family).collect();
        let ingress = service.status.as_ref().and_then(|s| s.load_balancer.as_ref()).and_then(|l| l.ingress.as_ref());
        Some(Self {
            key: Key {
                namespace: meta.namespace.clone().unwrap_or_default(),
                name: meta.name.clone().unwrap_or_default(),
            },
            uid: meta.uid.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            families: if families.is_empty() { vec![Family::V4] } else { families },
            wanted: wanted(annotation, spec.load_balancer_ip.as_deref()),
            assigned: ingress.into_iter().flatten().filter_map(|i| i.ip.as_ref()?.parse().ok()).collect(),
            local: spec.external_traffic_policy.as_deref() == Some("Local"),
        })
    }
}

/// Both places may name the same address; different ones are a contradiction.
fn wanted(annotation: Option<&str>, field: Option<&str>) -> Result<Vec<IpAddr>, String> {
    let parse = |from: &str, text: &str| {
        let address = |part: &str| part.trim().parse().map_err(|_| format!("{from}: `{part}` is not an address"));
        text.split(',').filter(|part| !part.trim().is_empty()).map(address).collect::<Result<Vec<IpAddr>, String>>()
    };
    let annotated = parse(&format!("annotation {WANTED}"), annotation.unwrap_or_default())?;
    let field = parse("spec.loadBalancerIP", field.unwrap_or_default())?;
    if !annotated.is_empty() && !field.is_empty() && annotated != field {
        return Err(format!("spec.loadBalancerIP and annotation {WANTED} ask for different addresses"));
    }
    Ok(if annotated.is_empty() { field } else { annotated })
}

/// An EndpointSlice: whose it is, and the nodes on which it has endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// The Service.
    pub service: Key,
    /// Nodes with an endpoint that is ready.
    pub ready: BTreeSet<String>,
    /// Nodes with an endpoint that still serves while it ends; kube-proxy uses these where none is ready.
    pub serving: BTreeSet<String>,
}

impl Slice {
    /// What matters of an EndpointSlice; `None` when it belongs to no Service.
    pub fn read(slice: &EndpointSlice) -> Option<Self> {
        let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
        let namespace = slice.metadata.namespace.clone()?;
        let mut facts = Self { service: Key { namespace, name: service.clone() }, ..Self::default() };
        for endpoint in slice.endpoints.iter().flatten() {
            let Some(node) = &endpoint.node_name else { continue };
            let conditions = endpoint.conditions.clone().unwrap_or_default();
            // Absent means yes.
            if conditions.ready.unwrap_or(true) {
                facts.ready.insert(node.clone());
            } else if conditions.serving.unwrap_or(false) && conditions.terminating.unwrap_or(false) {
                facts.serving.insert(node.clone());
            }
        }
        Some(facts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(spec: &serde_json::Value, annotation: Option<&str>) -> Option<Balanced> {
        let mut object = json!({
            "metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": spec,
            "status": {"loadBalancer": {"ingress": [{"ip": "10.89.0.200"}, {"hostname": "x"}]}},
        });
        if let Some(text) = annotation {
            object["metadata"]["annotations"][WANTED] = text.into();
        }
        Balanced::read(&serde_json::from_value(object).expect("a Service"))
    }

    #[test]
    fn only_ours() {
        assert_eq!(service(&json!({"type": "NodePort"}), None), None);
        assert_eq!(service(&json!({"type": "LoadBalancer", "loadBalancerClass": "example.com/other"}), None), None);
        let ours = service(&json!({"type": "LoadBalancer", "loadBalancerClass": CLASS}), None).expect("ours");
        assert_eq!(ours.key.to_string(), "shop/web");
        assert_eq!(ours.assigned, ["10.89.0.200".parse::<IpAddr>().expect("an address")]);
        assert_eq!(ours.families, [Family::V4]);
    }

    #[test]
    fn a_question_may_stand_in_two_places_but_not_contradict_itself() {
        let ask = |field: &str, annotation| {
            let spec = json!({"type": "LoadBalancer", "loadBalancerIP": field});
            service(&spec, annotation).expect("ours").wanted
        };
        let address: IpAddr = "10.89.0.201".parse().expect("an address");
        assert_eq!(ask("10.89.0.201", None), Ok(vec![address]));
        assert_eq!(ask("", Some("10.89.0.201")), Ok(vec![address]));
        assert_eq!(ask("10.89.0.201", Some("10.89.0.201")), Ok(vec![address]));
        assert!(ask("10.89.0.201", Some("10.89.0.202")).is_err_and(|why| why.contains("different")));
        assert!(ask("here", None).is_err_and(|why| why.contains("`here` is not an address")));
    }

    #[test]
    fn endpoints_that_end_count_apart() {
        let slice = json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {SERVICE_NAME: "web"}},
            "addressType": "IPv4",
            "endpoints": [
                {"addresses": ["1.1.1.1"], "nodeName": "a"},
                {"addresses": ["1.1.1.2"], "nodeName": "b", "conditions": {"ready": false, "serving": true, "terminating": true}},
                {"addresses": ["1.1.1.3"], "nodeName": "c", "conditions": {"ready": false, "serving": false}},
            ],
        });
        let facts = Slice::read(&serde_json::from_value(slice).expect("a slice")).expect("a Service's");
        assert_eq!(facts.ready, ["a".to_owned()].into());
        assert_eq!(facts.serving, ["b".to_owned()].into());
    }
}
