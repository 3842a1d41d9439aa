//! From a node with its place to the container that Docker is asked for; every line says why.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::layout::{API_PORT, Forwarder, Layout, NodeLayout};
use super::names;
use crate::engine::{Attachment, ContainerSpec, MountSource, MountSpec, PortBinding};
use crate::spec::values::Protocol;
use crate::spec::{Mount, Propagation};

/// What a node may do. Never `--privileged`: restricted hosts refuse it and it is not needed. Each was dropped on its own
/// to see what fails without it; the README's table gives the reason.
pub const CAPABILITIES: [&str; 20] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "KILL",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_CHROOT",
    "SYS_NICE",
    "SYS_PTRACE",
    "SYSLOG",
];

/// The container of one node.
pub fn node(layout: &Layout, node: &NodeLayout) -> ContainerSpec {
    let name = node.spec.name.to_string();
    let labels = names::labels(layout, Some(node.spec.role.as_str()));
    let image = node.spec.image.as_ref().unwrap_or(&layout.spec.image).to_string();
    let mut mounts = vec![MountSpec {
        // State outlives the container's own layer, and overlayfs cannot stand on Docker's overlay.
        source: MountSource::Volume { name: names::volume(&name), labels: labels.clone() },
        target: "/var".into(),
        read_only: false,
        propagation: String::new(),
        selinux_relabel: false,
    }];
    mounts.extend(node.spec.mounts.iter().map(bind));
    ContainerSpec {
        hostname: name.clone(),
        image,
        labels,
        network: Some(attachment(layout, node.address)),
        capabilities: Some(capabilities(layout)),
        // runc inside the node makes mounts and namespaces, which Docker's default profiles forbid.
        security_opt: vec!["seccomp=unconfined".into(), "apparmor=unconfined".into(), "label=disable".into()],
        unmask_system_paths: true,
        // Pods may be given any device; what they see of it is decided inside the node.
        device_cgroup_rules: vec!["a *:* rwm".into()],
        private_cgroup_namespace: true,
        // Sockets, pids and namespaces of a former boot must be gone after a restart.
        tmpfs: BTreeMap::from([("/run".into(), "rw,exec".into()), ("/tmp".into(), "rw,exec".into())]),
        mounts,
        ports: published(layout, node),
        restart: true,
        milli_cpus: node.spec.limits.milli_cpus,
        memory_bytes: node.spec.limits.memory_bytes,
        name,
        ..ContainerSpec::default()
    }
}

/// The smallest set, and the right to lower OOM scores where the daemon has it to give (asking otherwise fails).
fn capabilities(layout: &Layout) -> Vec<String> {
    let raise = layout.sys_resource.then_some("SYS_RESOURCE");
    CAPABILITIES.into_iter().chain(raise).map(String::from).collect()
}

fn bind(mount: &Mount) -> MountSpec {
    MountSpec {
        source: MountSource::Host(mount.host_path.display().to_string()),
        target: mount.container_path.clone(),
        read_only: mount.read_only,
        propagation: match mount.propagation {
            Propagation::None => "rprivate",
            Propagation::HostToContainer => "rslave",
            Propagation::Bidirectional => "rshared",
        }
        .into(),
        selinux_relabel: mount.selinux_relabel,
    }
}

/// The container that publishes the API of several control planes. It needs no capability: it listens above 1024 and
/// changes nothing outside of its own memory.
pub fn balancer(layout: &Layout) -> ContainerSpec {
    let name = names::balancer(layout.name());
    ContainerSpec {
        ports: vec![api_binding(layout)],
        ..helper(layout, name, names::BALANCER, layout.balancer_address())
    }
}

/// The container that passes a port of the host on to a node. It rewrites packets, for which it needs rights over its
/// own network namespace, and a kernel that lets them through.
pub fn forwarder(layout: &Layout, forwarder: &Forwarder) -> ContainerSpec {
    ContainerSpec {
        capabilities: Some(vec!["NET_ADMIN".into()]),
        sysctls: BTreeMap::from([("net.ipv4.ip_forward".into(), "1".into())]),
        ports: vec![PortBinding {
            host_address: forwarder.host_address,
            host_port: forwarder.host_port,
            container_port: forwarder.node_port,
            protocol: forwarder.protocol,
        }],
        ..helper(layout, names::forwarder(layout.name(), forwarder), names::FORWARDER, forwarder.address)
    }
}

/// A container beside the nodes: the node image with other files, and without any right.
fn helper(layout: &Layout, name: String, role: &str, address: Ipv4Addr) -> ContainerSpec {
    ContainerSpec {
        hostname: name.clone(),
        image: layout.spec.image.to_string(),
        labels: names::labels(layout, Some(role)),
        network: Some(attachment(layout, address)),
        capabilities: Some(Vec::new()),
        security_opt: vec!["no-new-privileges".into()],
        tmpfs: BTreeMap::from([("/run".into(), "rw".into()), ("/tmp".into(), "rw".into())]),
        restart: true,
        name,
        ..ContainerSpec::default()
    }
}

/// A fixed place on the cluster's network, outside of the range Docker hands out, so that it survives every restart.
fn attachment(layout: &Layout, address: Ipv4Addr) -> Attachment {
    Attachment { network: names::network(layout.name()), address: Some(address), aliases: Vec::new() }
}

/// What a node publishes: the ports asked for, and the API if it is the only one who has it.
fn published(layout: &Layout, node: &NodeLayout) -> Vec<PortBinding> {
    let api = !layout.balancer && node.spec.name == layout.first_control_plane().spec.name;
    let asked = node.spec.ports.iter().map(|port| PortBinding {
        host_address: port.host_address,
        // Every layout has chosen; 0 would let Docker choose anew at each start.
        host_port: port.host_port.unwrap_or_default(),
        container_port: port.container_port,
        protocol: port.protocol,
    });
    api.then(|| api_binding(layout)).into_iter().chain(asked).collect()
}

fn api_binding(layout: &Layout) -> PortBinding {
    PortBinding {
        host_address: layout.api.ip(),
        host_port: layout.api.port(),
        container_port: API_PORT,
        protocol: Protocol::Tcp,
    }
}

/// The address a person on this host uses for something published on `address`.
pub fn reachable(address: IpAddr) -> IpAddr {
    if address.is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address }
}
