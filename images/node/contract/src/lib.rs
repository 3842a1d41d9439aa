//! The contract between `knarr` (which writes it) and `knarr-node` (which obeys it).
//!
//! `knarr` renders one [`NodeFile`] per container and puts it at [`NODE_FILE`] before the container starts; it may put
//! another one there later, which `knarr-node reload` carries out. `knarr-node` decides nothing about Kubernetes: every
//! command line, every address and every order constraint stands here. In the other direction
//! `knarr-node status -o json` prints one [`NodeStatus`], and `knarr-node reload` one [`Reloaded`].

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

/// The version of this contract; the node image carries the same number in the label `dev.knarr.image.contract`.
pub const CONTRACT: u32 = 2;
/// Where `knarr` writes the [`NodeFile`] and `knarr-node` reads it.
pub const NODE_FILE: &str = "/etc/knarr/node.json";
/// The folder with one log file per component: `<component>.log`, older ones `<component>.log.1` and so on.
pub const LOG_DIR: &str = "/var/log/knarr";
/// The unix socket on which PID 1 answers `knarr-node status`.
pub const AGENT_SOCKET: &str = "/run/knarr/agent.sock";
/// The address, the same on every node, at which pods reach the node's own resolver (Docker's resolver on 127.0.0.11
/// is unreachable from a pod's network namespace).
pub const RESOLVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 53, 53);
/// The folder of preloaded images inside the node image: the seed of `/var/lib/containerd`.
pub const IMAGE_SEED: &str = "/usr/lib/knarr/images/root";
/// The folder of containerd drop-in files, in which `knarr-node` writes what only the node can know (for instance that
/// OOM scores cannot be lowered). The rendered `config.toml` must have `imports = ["/etc/containerd/conf.d/*.toml"]`.
pub const CONTAINERD_DROP_INS: &str = "/etc/containerd/conf.d";
/// The folder of kubelet drop-in files, in which `knarr-node` writes what only the node can know (for instance that
/// control groups are version 1). The rendered kubelet command must have `--config-dir=/var/lib/knarr/kubernetes/kubelet.conf.d`.
pub const KUBELET_DROP_INS: &str = "/var/lib/knarr/kubernetes/kubelet.conf.d";
/// The resolver configuration that `knarr-node` writes for pods: `resolvConf` of the kubelet.
pub const POD_RESOLV_CONF: &str = "/run/knarr/resolv.conf";
/// The control group that `knarr-node` makes for pods: `cgroupRoot` of the kubelet.
pub const KUBELET_CGROUP: &str = "/kubelet";

/// Everything a container must know to boot by itself, again and again, without `knarr`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeFile {
    /// Always [`CONTRACT`]; an agent refuses a number that it does not know.
    pub contract: u32,
    /// The cluster's name, for messages.
    pub cluster: String,
    /// The container's name; in a node of Kubernetes also the host name and the Node's name.
    pub node: String,
    /// What makes the container a node of Kubernetes; none in a helper container (the API balancer, a port forwarder).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
    /// Ports of this container that are passed on to other addresses of the cluster's network (port forwarders).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<Forward>,
    /// The processes to supervise, in starting order; they are stopped in reverse order.
    pub components: Vec<Component>,
}

/// What a container needs to be a node of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Member {
    /// What the node is for.
    pub role: Role,
    /// Addresses and routes.
    pub network: NodeNetwork,
}

/// What a node is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs etcd, the API server, the controller manager and the scheduler beside what a worker runs.
    ControlPlane,
    /// Runs containerd, kubelet and kube-proxy.
    Worker,
}

impl Role {
    /// The word used in names, labels and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control-plane",
            Self::Worker => "worker",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Addresses and routes of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeNetwork {
    /// The node's own fixed address on the cluster's Docker network.
    pub address: Ipv4Addr,
    /// The pods of this node, as CIDR.
    pub pod_cidr: String,
    /// The pods of all nodes, as CIDR: traffic inside it keeps its source address, traffic leaving it is masqueraded.
    pub cluster_cidr: String,
    /// The other nodes, to whose pods a route is set.
    pub peers: Vec<Peer>,
}

/// Another node of the cluster, as a route target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its address on the cluster's Docker network.
    pub address: Ipv4Addr,
    /// Its pods, as CIDR.
    pub pod_cidr: String,
}

/// A port of the container that is passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forward {
    /// The port on the container's own address.
    pub port: u16,
    /// What is spoken there; the same port may be passed on differently for another protocol.
    pub protocol: Transport,
    /// Where everything is passed on to.
    pub to: SocketAddrV4,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Transmission Control Protocol.
    Tcp,
    /// User Datagram Protocol.
    Udp,
    /// Stream Control Transmission Protocol.
    Sctp,
}

impl Transport {
    /// The word used in files and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One supervised process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Component {
    /// Its name in status and log file names: `etcd`, `kube-apiserver`, …
    pub name: String,
    /// The program (absolute path) and its arguments.
    pub argv: Vec<String>,
    /// Variables added to a minimal environment (`PATH`, `HOME`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// What must hold before each start; none means: at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start_when: Vec<Gate>,
    /// What holds when the component serves; none means: as soon as it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_when: Option<Gate>,
    /// The scheduling priority (`nice`), 0 unless told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nice: i32,
    /// Changes when a file that the component reads has changed, so that a reload of the node file notices.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The signal by which the component reads its files again without ending (`SIGUSR2`); none: it is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload_signal: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

/// A condition that `knarr-node` watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Gate {
    /// A unix socket accepts a connection.
    UnixSocket {
        /// Its path.
        path: String,
    },
    /// A GET is answered with status 200.
    Http {
        /// The address, `http://…` or `https://…`; the host is an IP address or `localhost`, never a name to look up.
        url: String,
        /// The CA file that the server's certificate must chain to (for `https`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca: Option<String>,
        /// A PEM file holding the client's certificate and, if `key` is none, its key too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cert: Option<String>,
        /// A PEM file holding the client's key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
}

/// The answer of `knarr-node reload`: what a changed [`NodeFile`] did to the components, by name. All of them show in
/// the status as not ready by the time of the answer, except for those that were signalled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reloaded {
    /// New ones, in starting order.
    pub started: Vec<String>,
    /// Those that are gone, in stopping order.
    pub stopped: Vec<String>,
    /// Changed ones, which are stopped and started anew, in starting order.
    pub restarted: Vec<String>,
    /// Those whose files alone have changed and that read them again at their [`Component::reload_signal`].
    pub signalled: Vec<String>,
}

/// The answer of `knarr-node status -o json`; with `--watch` one such line at every change.
///
/// Attach standard input to a watching `docker exec`: its end is the only sign by which the watcher learns that its
/// reader has gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// The node's name.
    pub node: String,
    /// What PID 1 is doing.
    pub phase: Phase,
    /// What the host lacks and what was done instead, one sentence each.
    pub adaptations: Vec<String>,
    /// The supervised processes, in the order of the node file.
    pub components: Vec<ComponentStatus>,
}

/// What PID 1 is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Mounts, cgroups, routes.
    Preparing,
    /// Supervising.
    Running,
    /// Stopping everything in order.
    Stopping,
}

/// One supervised process as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: ComponentState,
    /// Whether `ready_when` has held since the last start.
    pub ready: bool,
    /// Its process id while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// How often it was started again after an exit.
    pub restarts: u32,
    /// How often it has exited within the last 60 seconds.
    pub recent_exits: u32,
    /// Milliseconds after the agent's start at which the process was last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_ms: Option<u64>,
    /// Milliseconds after the agent's start at which `ready` last became true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_ms: Option<u64>,
    /// How it last ended: `exit status 1`, `signal 9 (SIGKILL)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<String>,
    /// What it waits for: a gate in words, or the time until the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
}

/// What a supervised process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentState {
    /// A gate is not yet open.
    Waiting,
    /// The process runs.
    Running,
    /// It exited and will be started again.
    BackOff,
    /// It is gone and is not started: the node is stopping, or a reload has others to stop first.
    Stopped,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str) -> Component {
        Component {
            name: name.into(),
            argv: vec![format!("/usr/bin/{name}")],
            env: BTreeMap::new(),
            start_when: vec![Gate::UnixSocket { path: "/run/x.sock".into() }],
            ready_when: Some(Gate::Http {
                url: "http://127.0.0.1:2381/health".into(),
                ca: None,
                cert: None,
                key: None,
            }),
            nice: 0,
            revision: String::new(),
            reload_signal: None,
        }
    }

    fn survives(file: &NodeFile) -> String {
        let text = serde_json::to_string(file).expect("serializes");
        assert_eq!(serde_json::from_str::<NodeFile>(&text).expect("parses"), *file);
        text
    }

    #[test]
    fn a_node_file_survives_the_trip() {
        let network = NodeNetwork {
            address: Ipv4Addr::new(10, 89, 0, 2),
            pod_cidr: "10.244.0.0/24".into(),
            cluster_cidr: "10.244.0.0/16".into(),
            peers: vec![],
        };
        let text = survives(&NodeFile {
            contract: CONTRACT,
            cluster: "dev".into(),
            node: "dev-control-plane".into(),
            member: Some(Member { role: Role::ControlPlane, network }),
            forwards: vec![],
            components: vec![component("etcd")],
        });
        // What is not there is not written.
        for absent in ["forwards", "revision", "reloadSignal", "env", "nice"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn a_helper_file_survives_the_trip() {
        let to = SocketAddrV4::new(Ipv4Addr::new(10, 89, 0, 2), 53);
        let text = survives(&NodeFile {
            contract: CONTRACT,
            cluster: "dev".into(),
            node: "dev-ports-1".into(),
            member: None,
            forwards: vec![Forward { port: 30053, protocol: Transport::Udp, to }],
            components: vec![Component {
                revision: "3f".into(),
                reload_signal: Some("SIGUSR2".into()),
                ..component("haproxy")
            }],
        });
        assert!(text.contains(r#""forwards":[{"port":30053,"protocol":"udp","to":"10.89.0.2:53"}]"#), "{text}");
        assert!(text.contains(r#""reloadSignal":"SIGUSR2""#) && !text.contains("member"), "{text}");
    }
}
