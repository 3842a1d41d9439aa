//! A plan as text and as JSON: every container, file name and flag, no secret.

use std::fmt;

use knarr_contract::NodeFile;
use serde_json::{Value, json};

use super::{NodeStep, Plan, Step, Verb, names};
use crate::addons::Chosen;
use crate::engine::{ContainerSpec, MountSource};
use crate::node::render;
use crate::spec::{Limits, limits};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = &self.layout;
        if self.verb != Verb::Create {
            return self.show_changes(f);
        }
        writeln!(f, "cluster {} ({}), image {}", layout.name(), super::describe(&layout.spec), layout.spec.image)?;
        writeln!(f, "API at {}", layout.host_api_url())?;
        if let Some(end) = layout.expires {
            writeln!(f, "expires at {}", names::stamp(end))?;
        }
        if let Some(owner) = &layout.owner {
            writeln!(f, "owner {owner}")?;
        }
        for (number, phase) in self.phases.iter().enumerate() {
            writeln!(f, "\n{}. {}", number + 1, phase.title)?;
            for step in &phase.steps {
                match step {
                    Step::CreateNetwork(net) => writeln!(
                        f,
                        "   network {} subnet {} gateway {} dynamic addresses {}",
                        net.name, net.subnet, net.gateway, net.ip_range
                    )?,
                    Step::ClaimName(c) => writeln!(f, "   container {} (created, not started)", c.name)?,
                    Step::StartNode(node) => {
                        container(f, &node.container)?;
                        for file in &node.files {
                            writeln!(f, "     file {:04o} {} ({})", file.mode, file.path, file.content.describe())?;
                        }
                    }
                    Step::ApplyAddons => addons(f, &layout.spec.addons)?,
                    other => writeln!(f, "   {other}")?,
                }
            }
        }
        for manifest in &layout.spec.manifests {
            writeln!(f, "\nthen apply the manifests of {manifest} and wait until they work")?;
        }
        let nodes = layout.nodes.iter().map(|node| render::node_file(layout, node));
        for file in nodes.chain(layout.balancer.then(|| render::balancer_file(layout))) {
            writeln!(f, "\nprocesses of {}", file.node)?;
            for component in file.components {
                let mut words = component.argv.iter();
                writeln!(f, "   {}", words.next().map_or("", String::as_str))?;
                for word in words {
                    writeln!(f, "     {word}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    /// What is done, in a few words: `make and start dev-worker`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork(network) => write!(f, "create network {}", network.name),
            Self::ClaimName(container) => write!(f, "claim {}", container.name),
            Self::StartNode(node) => write!(f, "make and start {}", node.container.name),
            Self::Await(milestone) => f.write_str(milestone.title()),
            Self::ApplyRights => f.write_str("apply the components' ClusterRoleBindings"),
            Self::AdoptNodes => f.write_str("label, taint and number the Nodes as they register"),
            Self::ApplySystem => write!(f, "apply {}", crate::manifests::SYSTEM_NAMES.join(", ")),
            Self::ApplyAddons => f.write_str("apply the addons"),
            Self::Change(change) => change.fmt(f),
        }
    }
}

fn addons(f: &mut fmt::Formatter<'_>, chosen: &Chosen) -> fmt::Result {
    for (name, settings) in chosen {
        write!(f, "   apply addon {name}")?;
        for (setting, value) in settings {
            write!(f, " {setting}={value}")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// A node file as it may be shown: without the passwords of proxies.
fn shown(mut file: NodeFile) -> NodeFile {
    let variables = file.components.iter_mut().flat_map(|c| &mut c.env);
    for (_, value) in variables.filter(|(name, _)| matches!(name.as_str(), "HTTP_PROXY" | "HTTPS_PROXY")) {
        *value = crate::host::redact(value);
    }
    file
}

fn container(f: &mut fmt::Formatter<'_>, c: &ContainerSpec) -> fmt::Result {
    writeln!(f, "   container {} image {}", c.name, c.image)?;
    if let Some(net) = &c.network {
        let address = net.address.map_or_else(|| "dynamic".into(), |a| a.to_string());
        writeln!(f, "     network {} address {address}", net.network)?;
    }
    if let Some(caps) = &c.capabilities {
        writeln!(f, "     capabilities {}", caps.join(","))?;
    }
    writeln!(f, "     security {}", c.security_opt.join(" "))?;
    let limits = limits::describe(Limits { milli_cpus: c.milli_cpus, memory_bytes: c.memory_bytes });
    if !limits.is_empty() {
        writeln!(f, "     limits {limits}")?;
    }
    for mount in &c.mounts {
        let (kind, source) = match &mount.source {
            MountSource::Volume { name, .. } => ("volume", name),
            MountSource::Host(path) => ("bind", path),
        };
        let access = if mount.read_only { " read-only" } else { "" };
        writeln!(f, "     {kind} {source} at {}{access}", mount.target)?;
    }
    for port in &c.ports {
        writeln!(
            f,
            "     port {}:{} to {}/{}",
            port.host_address,
            port.host_port,
            port.container_port,
            port.protocol.as_str()
        )?;
    }
    Ok(())
}

impl Plan {
    /// The plan as JSON: the same facts as its text.
    pub fn to_json(&self) -> Value {
        let layout = &self.layout;
        if self.verb != Verb::Create {
            return self.changes_to_json();
        }
        let mut steps = self.nodes();
        let nodes: Vec<Value> = layout
            .nodes
            .iter()
            .zip(&mut steps)
            .map(|(node, step)| {
                let mut value = container_json(step, render::node_file(layout, node));
                value["role"] = json!(node.spec.role.as_str());
                value["address"] = json!(node.address);
                value["podCIDR"] = json!(node.pod_cidr);
                value["limits"] = json!(node.spec.limits);
                value
            })
            .collect();
        let balancer = steps.next().map(|step| container_json(step, render::balancer_file(layout)));
        json!({
            "cluster": layout.name(),
            "image": layout.spec.image.as_str(),
            "api": layout.host_api_url(),
            "expires": layout.expires.map(names::stamp),
            "owner": layout.owner,
            "network": {
                "name": names::network(layout.name()),
                "subnet": layout.subnet,
                "gateway": layout.gateway,
                "ipRange": layout.ip_range,
            },
            "addons": layout.spec.addons,
            "manifests": layout.spec.manifests.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "phases": self.phases.iter().map(|p| p.title.clone()).collect::<Vec<_>>(),
            "nodes": nodes,
            "balancer": balancer,
        })
    }
}

/// One container with all that goes into it.
fn container_json(step: &NodeStep, file: NodeFile) -> Value {
    let c = &step.container;
    json!({
        "name": c.name,
        "image": c.image,
        "labels": c.labels,
        "capabilities": c.capabilities,
        "securityOpt": c.security_opt,
        "tmpfs": c.tmpfs,
        "mounts": c.mounts.iter().map(|m| json!({
            "source": match &m.source {
                MountSource::Volume { name, .. } => format!("volume:{name}"),
                MountSource::Host(path) => format!("host:{path}"),
            },
            "target": m.target,
            "readOnly": m.read_only,
        })).collect::<Vec<_>>(),
        "ports": c.ports.iter().map(|p| json!({
            "hostAddress": p.host_address,
            "hostPort": p.host_port,
            "containerPort": p.container_port,
            "protocol": p.protocol.as_str(),
        })).collect::<Vec<_>>(),
        "files": step.files.iter().map(|file| json!({
            "path": file.path,
            "mode": format!("{:04o}", file.mode),
            "content": file.content.describe(),
        })).collect::<Vec<_>>(),
        "node": shown(file),
    })
}
