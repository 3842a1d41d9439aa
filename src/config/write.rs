//! From a [`ClusterSpec`] back to a config file that says the same; what it leaves out is the default.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use super::v1alpha1::{
    API_VERSION, Addons, Cluster, ExtraArgs, KIND, Mount, Networking, Node, Port, Registry, Switch, Taint, Text,
};
use super::{Overrides, Source, Surroundings, load};
use crate::addons::{self, Chosen};
use crate::error::Result;
use crate::spec::registries::Registries;
use crate::spec::values::PortMapping;
use crate::spec::{self, ClusterSpec, ExtraArgsTarget, Manifest, NodeSpec, Propagation, ProxyMode, limits};
use crate::yaml::{self, Value};

/// The text of the file, for a knarr whose node image this is.
///
/// # Errors
/// Never: an empty config is a valid one.
pub fn write(spec: &ClusterSpec, default_image: &str) -> Result<String> {
    let current_dir = Path::new("/");
    let around = Surroundings { verb: "get", default_name: None, default_image, current_dir, exists: &|_| true };
    let defaults = load(&Source::None, &Overrides::default(), &around)?.spec;
    let cluster = Cluster {
        api_version: API_VERSION.into(),
        kind: KIND.into(),
        name: Some(spec.name.to_string()),
        image: unless(&spec.image, &defaults.image),
        nodes: spec.nodes.iter().map(node).collect(),
        networking: networking(&spec.networking, &defaults.networking),
        feature_gates: spec.feature_gates.clone(),
        runtime_config: texts(&spec.runtime_config),
        extra_args: extra_args(spec),
        audit: spec.audit,
        addons: switches(&spec.addons),
        registries: registries(&spec.registries),
        manifests: spec.manifests.iter().map(Manifest::to_string).collect(),
        ttl: spec.ttl.map(|ttl| humantime::format_duration(ttl).to_string().replace(' ', "")),
    };
    // Rendered and read again it is a tree of values, from which can go what says nothing.
    let mut tree = yaml::parse_value(&yaml::render(&cluster)).unwrap_or(Value::Null);
    prune(&mut tree);
    Ok(yaml::render(&tree))
}

/// Switches that are off unless they are named.
const OFF: [&str; 4] = ["audit", "readOnly", "selinuxRelabel", "skipVerify"];

/// Takes out what means the same as its absence. An empty list of taints does not: it means none, and absence the default.
fn prune(value: &mut Value) {
    match value {
        Value::Mapping(mapping) => {
            mapping.values_mut().for_each(prune);
            mapping.retain(|key, value| match value {
                Value::Null => false,
                Value::Bool(on) => *on || key.as_str().is_none_or(|key| !OFF.contains(&key)),
                Value::Mapping(inner) => !inner.is_empty(),
                Value::Sequence(items) => !items.is_empty() || key.as_str() == Some("taints"),
                _ => true,
            });
        }
        Value::Sequence(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

fn unless<T: PartialEq + Display>(value: &T, default: &T) -> Option<String> {
    (value != default).then(|| value.to_string())
}

fn node(node: &NodeSpec) -> Node {
    let taint = |taint: &spec::values::Taint| Taint {
        key: Some(taint.key.clone()),
        value: Some(taint.value.clone()).filter(|value| !value.is_empty()),
        effect: Some(taint.effect.clone()),
    };
    Node {
        role: Some(node.role.to_string()),
        count: None,
        image: node.image.as_ref().map(ToString::to_string),
        labels: node.labels.clone(),
        taints: node.taints.as_ref().map(|taints| taints.iter().map(taint).collect()),
        cpus: node.limits.milli_cpus.map(|milli| Text(limits::show_cpus(milli))),
        memory: node.limits.memory_bytes.map(|bytes| Text(limits::show_memory(bytes))),
        extra_mounts: node.mounts.iter().map(mount).collect(),
        ports: node.ports.iter().map(port).collect(),
    }
}

fn mount(mount: &spec::Mount) -> Mount {
    let propagation = match mount.propagation {
        Propagation::None => None,
        Propagation::HostToContainer => Some("HostToContainer".into()),
        Propagation::Bidirectional => Some("Bidirectional".into()),
    };
    Mount {
        host_path: Some(mount.host_path.display().to_string()),
        container_path: Some(mount.container_path.clone()),
        read_only: mount.read_only,
        propagation,
        selinux_relabel: mount.selinux_relabel,
    }
}

fn port(port: &PortMapping) -> Port {
    let (address, protocol) = (port.host_address.to_string(), port.protocol.to_string().to_uppercase());
    Port {
        host_address: Some(address).filter(|address| address != super::defaults::HOST_ADDRESS),
        host_port: port.host_port.map(i64::from),
        container_port: Some(port.container_port.into()),
        protocol: Some(protocol).filter(|protocol| protocol != "TCP"),
    }
}

fn networking(net: &spec::Networking, default: &spec::Networking) -> Networking {
    let mode = match net.proxy_mode {
        ProxyMode::Nftables => None,
        ProxyMode::Iptables => Some("iptables".into()),
    };
    Networking {
        ip_family: None,
        api_server_address: unless(&net.api_address, &default.api_address),
        api_server_port: net.api_port.map(i64::from),
        node_subnet: net.node_subnet.map(|subnet| subnet.to_string()),
        pod_subnet: unless(&net.pod_subnet, &default.pod_subnet),
        service_subnet: unless(&net.service_subnet, &default.service_subnet),
        dns_domain: unless(&net.dns_domain, &default.dns_domain),
        proxy_mode: mode,
        extra_sans: net.extra_sans.clone(),
    }
}

fn texts(map: &BTreeMap<String, String>) -> BTreeMap<String, Text> {
    map.iter().map(|(key, value)| (key.clone(), Text(value.clone()))).collect()
}

fn extra_args(spec: &ClusterSpec) -> ExtraArgs {
    let of = |target| spec.extra_args.get(&target).map(texts).unwrap_or_default();
    ExtraArgs {
        api_server: of(ExtraArgsTarget::ApiServer),
        controller_manager: of(ExtraArgsTarget::ControllerManager),
        scheduler: of(ExtraArgsTarget::Scheduler),
        etcd: of(ExtraArgsTarget::Etcd),
        kubelet: of(ExtraArgsTarget::Kubelet),
        kube_proxy: of(ExtraArgsTarget::KubeProxy),
    }
}

/// What differs from what is on anyway. One that is off is said by its name: absence would mean the default.
fn switches(chosen: &Chosen) -> Addons {
    let mut switches = BTreeMap::new();
    for addon in &addons::ALL {
        let settings: Option<BTreeMap<String, bool>> = chosen.get(addon.name).map(|settings| {
            settings.iter().filter(|(_, on)| **on).map(|(name, on)| ((*name).to_owned(), *on)).collect()
        });
        let switch = match settings {
            Some(settings) if !settings.is_empty() => Switch::Settings(settings),
            Some(_) if addon.by_default => continue,
            None if !addon.by_default => continue,
            on => Switch::Bool(on.is_some()),
        };
        switches.insert(addon.name.to_owned(), switch);
    }
    Addons::Mapping(switches)
}

fn registries(registries: &Registries) -> Vec<Registry> {
    let registry = |(host, registry): (&spec::registries::RegistryHost, &spec::registries::Registry)| Registry {
        host: Some(host.to_string()),
        mirrors: registry.mirrors.iter().map(ToString::to_string).collect(),
        skip_verify: registry.skip_verify,
    };
    registries.iter().map(registry).collect()
}
