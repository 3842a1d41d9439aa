//! bollard's types into ours and ours into bollard's; no calls.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum,
    HostConfigLogConfig, ImageInspect, ImageSummary, Mount, MountBindOptions, MountType, MountVolumeOptions,
    NetworkingConfig, PortBinding as DockerPort, PortMap, PortSummary, PortSummaryTypeEnum, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};

use super::info::{seconds, unsigned};
use crate::engine::{
    Attachment, ContainerInfo, ContainerSpec, ContainerState, ImageInfo, MountSource, MountSpec, PortBinding,
};
use crate::spec::values::Protocol;

/// How much of what a container prints is kept: nodes run for months.
const LOG_LIMITS: [(&str, &str); 2] = [("max-size", "10m"), ("max-file", "3")];

/// The filter of every listing by label.
pub(super) fn label_filter(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}

/// The container's own name; the others are links of other containers and have a second slash.
pub(super) fn container_name(names: Option<&[String]>) -> String {
    let mut plain = names.unwrap_or_default().iter().map(|name| name.trim_start_matches('/'));
    plain.find(|name| !name.contains('/')).unwrap_or_default().to_owned()
}

/// What runs is kept by `always`. A Docker that was killed finds its containers alive, stops them, and then takes them
/// for ones that the user has stopped: `unless-stopped` would leave them so. It is for those that the user did stop.
pub(super) fn restart_policy(keep: bool) -> RestartPolicy {
    let name = if keep { RestartPolicyNameEnum::ALWAYS } else { RestartPolicyNameEnum::UNLESS_STOPPED };
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

pub(super) fn image_from_inspect(image: ImageInspect) -> ImageInfo {
    ImageInfo {
        id: image.id.unwrap_or_default(),
        tags: image.repo_tags.unwrap_or_default(),
        labels: image.config.and_then(|c| c.labels).unwrap_or_default().into_iter().collect(),
        size: unsigned(image.size),
        arch: image.architecture.unwrap_or_default(),
        created: image.created.as_deref().and_then(seconds).unwrap_or(0),
    }
}

pub(super) fn image_from_summary(image: ImageSummary) -> ImageInfo {
    ImageInfo {
        id: image.id,
        tags: image.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect(),
        labels: image.labels.into_iter().collect(),
        size: unsigned(Some(image.size)),
        arch: String::new(),
        created: image.created,
    }
}

pub(super) fn container_from_summary(container: ContainerSummary) -> ContainerInfo {
    let networks = container.network_settings.and_then(|s| s.networks);
    let state = match container.state {
        Some(ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING) => ContainerState::Running,
        Some(ContainerSummaryStateEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerSummaryStateEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerSummaryStateEnum::EXITED) => ContainerState::Exited,
        Some(ContainerSummaryStateEnum::REMOVING | ContainerSummaryStateEnum::DEAD) => ContainerState::Dead,
        Some(ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY) | None => ContainerState::Created,
    };
    ContainerInfo {
        name: container_name(container.names.as_deref()),
        id: container.id.unwrap_or_default(),
        image: container.image.unwrap_or_default(),
        labels: container.labels.unwrap_or_default().into_iter().collect(),
        state,
        exit_code: None,
        oom_killed: false,
        addresses: addresses(networks.unwrap_or_default()),
        ports: sorted(container.ports.unwrap_or_default().iter().filter_map(published)),
        created: container.created.unwrap_or(0),
        started: 0,
    }
}

pub(super) fn container_from_inspect(container: ContainerInspectResponse) -> ContainerInfo {
    let config = container.config.unwrap_or_default();
    let settings = container.network_settings.unwrap_or_default();
    let status = container.state.unwrap_or_default();
    let state = match status.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => ContainerState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => ContainerState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => ContainerState::Exited,
        Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD) => ContainerState::Dead,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => ContainerState::Created,
    };
    let ended = matches!(state, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting);
    // Ports are bound only while the container runs; at other times what it asks for is the better answer.
    let bound = settings.ports.filter(|ports| ports.values().any(Option::is_some));
    let asked = || container.host_config.and_then(|c| c.port_bindings);
    ContainerInfo {
        name: container_name(container.name.as_ref().map(std::slice::from_ref)),
        id: container.id.unwrap_or_default(),
        image: config.image.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state,
        exit_code: status.exit_code.filter(|_| ended),
        oom_killed: status.oom_killed.unwrap_or(false),
        addresses: addresses(settings.networks.unwrap_or_default()),
        ports: sorted(
            bound.or_else(asked).unwrap_or_default().iter().flat_map(|(key, at)| bindings(key, at.as_deref())),
        ),
        created: container.created.as_deref().and_then(seconds).unwrap_or(0),
        // Docker says the year 1 where it means never.
        started: status.started_at.as_deref().and_then(seconds).unwrap_or(0).max(0),
    }
}

/// Addresses by network; of a container that does not run, the fixed ones that it will have again.
fn addresses(networks: HashMap<String, EndpointSettings>) -> BTreeMap<String, IpAddr> {
    let address = |endpoint: EndpointSettings| -> Option<IpAddr> {
        let fixed = endpoint.ipam_config.and_then(|c| c.ipv4_address);
        endpoint.ip_address.filter(|a| !a.is_empty()).or(fixed)?.parse().ok()
    };
    networks.into_iter().filter_map(|(name, endpoint)| Some((name, address(endpoint)?))).collect()
}

fn published(port: &PortSummary) -> Option<PortBinding> {
    Some(PortBinding {
        host_address: port.ip.as_deref()?.parse().ok()?,
        host_port: port.public_port?,
        container_port: port.private_port,
        protocol: match port.typ {
            Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
            Some(PortSummaryTypeEnum::SCTP) => Protocol::Sctp,
            _ => Protocol::Tcp,
        },
    })
}

/// `6443/tcp` and where on the host it is bound.
fn bindings(key: &str, at: Option<&[DockerPort]>) -> Vec<PortBinding> {
    let (port, protocol) = key.split_once('/').unwrap_or((key, "tcp"));
    let protocol = match protocol {
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => Protocol::Tcp,
    };
    let binding = |at: &DockerPort| {
        Some(PortBinding {
            host_address: at.host_ip.as_deref().filter(|a| !a.is_empty()).unwrap_or("0.0.0.0").parse().ok()?,
            host_port: at.host_port.as_deref()?.parse().ok()?,
            container_port: port.parse().ok()?,
            protocol,
        })
    };
    at.unwrap_or_default().iter().filter_map(binding).collect()
}

fn sorted(ports: impl Iterator<Item = PortBinding>) -> Vec<PortBinding> {
    let mut ports: Vec<PortBinding> = ports.collect();
    ports.sort_by_key(|p| (p.container_port, p.protocol.as_str(), p.host_address, p.host_port));
    ports
}

/// A container to make, in Docker's words, or why it cannot be said in them.
pub(super) fn create_body(spec: &ContainerSpec, bounded_logs: bool) -> Result<ContainerCreateBody, String> {
    let network = spec.network.as_ref().filter(|_| !spec.host_network);
    let mut ports = PortMap::new();
    for port in &spec.ports {
        let binding =
            DockerPort { host_ip: Some(port.host_address.to_string()), host_port: Some(port.host_port.to_string()) };
        let key = format!("{}/{}", port.container_port, port.protocol.as_str());
        ports.entry(key).or_default().get_or_insert_default().push(binding);
    }
    let exposed = ports.keys().cloned().collect();
    let none_masked = || spec.unmask_system_paths.then(Vec::new);
    let (binds, mounts) = mounts(&spec.mounts)?;
    let memory = spec.memory_bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
    let host = HostConfig {
        network_mode: if spec.host_network { Some("host".to_owned()) } else { network.map(|n| n.network.clone()) },
        cap_drop: spec.capabilities.as_ref().map(|_| vec!["ALL".to_owned()]),
        cap_add: spec.capabilities.clone(),
        security_opt: Some(spec.security_opt.clone()),
        masked_paths: none_masked(),
        readonly_paths: none_masked(),
        device_cgroup_rules: Some(spec.device_cgroup_rules.clone()),
        cgroupns_mode: spec.private_cgroup_namespace.then_some(HostConfigCgroupnsModeEnum::PRIVATE),
        sysctls: Some(spec.sysctls.clone().into_iter().collect()),
        tmpfs: Some(spec.tmpfs.clone().into_iter().collect()),
        binds: Some(binds),
        mounts: Some(mounts),
        port_bindings: Some(ports),
        restart_policy: spec.restart.then(|| restart_policy(true)),
        nano_cpus: spec.milli_cpus.map(|milli| i64::from(milli) * 1_000_000),
        memory,
        // Memory and swap together: without it, Docker lets as much again be swapped.
        memory_swap: memory,
        ulimits: spec.nofile.map(|limit| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            vec![ResourcesUlimits { name: Some("nofile".to_owned()), soft: Some(limit), hard: Some(limit) }]
        }),
        log_config: bounded_logs.then(|| HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(LOG_LIMITS.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        }),
        ..HostConfig::default()
    };
    Ok(ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: Some(spec.hostname.clone()).filter(|h| !h.is_empty()),
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.command.clone(),
        env: Some(spec.env.clone()),
        labels: Some(spec.labels.clone().into_iter().collect()),
        exposed_ports: Some(exposed),
        host_config: Some(host),
        networking_config: network.map(networking),
        ..ContainerCreateBody::default()
    })
}

fn networking(attachment: &Attachment) -> NetworkingConfig {
    let endpoint = EndpointSettings {
        aliases: Some(attachment.aliases.clone()),
        ipam_config: attachment.address.map(|address| EndpointIpamConfig {
            ipv4_address: Some(address.to_string()),
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(attachment.network.clone(), endpoint)])) }
}

/// Binds for what must be relabelled for SELinux, which only they can say; mounts for the rest, because a bind whose host
/// path is missing makes an empty folder there where a mount is refused.
fn mounts(specs: &[MountSpec]) -> Result<(Vec<String>, Vec<Mount>), String> {
    let mut binds = Vec::new();
    let mut mounts = Vec::new();
    for spec in specs {
        match &spec.source {
            MountSource::Host(path) if spec.selinux_relabel => binds.push(bind(spec, path)?),
            MountSource::Host(path) => {
                let propagation = match spec.propagation.as_str() {
                    "" => None,
                    word => Some(word.parse().map_err(|_| format!("`{word}` is not a mount propagation"))?),
                };
                mounts.push(Mount {
                    typ: Some(MountType::BIND),
                    source: Some(path.clone()),
                    target: Some(spec.target.clone()),
                    read_only: Some(spec.read_only),
                    bind_options: Some(MountBindOptions {
                        propagation,
                        create_mountpoint: Some(false),
                        ..MountBindOptions::default()
                    }),
                    ..Mount::default()
                });
            }
            MountSource::Volume { name, labels } => mounts.push(Mount {
                typ: Some(MountType::VOLUME),
                source: Some(name.clone()),
                target: Some(spec.target.clone()),
                read_only: Some(spec.read_only),
                volume_options: Some(MountVolumeOptions {
                    no_copy: Some(true),
                    labels: Some(labels.clone().into_iter().collect()),
                    ..MountVolumeOptions::default()
                }),
                ..Mount::default()
            }),
        }
    }
    Ok((binds, mounts))
}

fn bind(spec: &MountSpec, path: &str) -> Result<String, String> {
    if path.contains(':') || spec.target.contains(':') {
        return Err(format!("`{path}` cannot be relabelled for SELinux because a path has a colon in it"));
    }
    let access = if spec.read_only { "ro" } else { "rw" };
    let mut bind = format!("{path}:{}:{access},z", spec.target);
    if !spec.propagation.is_empty() {
        bind.push(',');
        bind.push_str(&spec.propagation);
    }
    Ok(bind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::PortBinding;

    fn host_path(selinux_relabel: bool, propagation: &str) -> MountSpec {
        MountSpec {
            source: MountSource::Host("/data".to_owned()),
            target: "/mnt".to_owned(),
            read_only: true,
            propagation: propagation.to_owned(),
            selinux_relabel,
        }
    }

    #[test]
    fn a_spec_in_dockers_words() {
        let volume = MountSource::Volume { name: "dev-var".to_owned(), labels: [("k".into(), "v".into())].into() };
        let spec = ContainerSpec {
            name: "dev".to_owned(),
            image: "node".to_owned(),
            capabilities: Some(vec!["NET_ADMIN".to_owned()]),
            unmask_system_paths: true,
            private_cgroup_namespace: true,
            sysctls: [("net.ipv4.ip_forward".to_owned(), "1".to_owned())].into(),
            restart: true,
            milli_cpus: Some(1500),
            memory_bytes: Some(2 << 30),
            nofile: Some(65536),
            network: Some(Attachment {
                network: "dev".to_owned(),
                address: Some([172, 30, 0, 3].into()),
                aliases: vec!["dev-api".to_owned()],
            }),
            mounts: vec![
                MountSpec { source: volume, target: "/var".to_owned(), ..host_path(false, "") },
                host_path(false, "rslave"),
            ],
            ports: vec![PortBinding {
                host_address: [127, 0, 0, 1].into(),
                host_port: 6443,
                container_port: 6443,
                protocol: Protocol::Tcp,
            }],
            ..ContainerSpec::default()
        };
        let body = serde_json::to_value(create_body(&spec, true).unwrap()).unwrap();
        let host = &body["HostConfig"];
        let expect = |path: &str, json: &str| {
            let expected: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(body.pointer(path), Some(&expected), "{path}");
        };
        expect("/HostConfig/CapDrop", r#"["ALL"]"#);
        expect("/HostConfig/CapAdd", r#"["NET_ADMIN"]"#);
        expect("/HostConfig/Sysctls", r#"{"net.ipv4.ip_forward":"1"}"#);
        expect("/HostConfig/MaskedPaths", "[]");
        expect("/HostConfig/ReadonlyPaths", "[]");
        expect("/HostConfig/CgroupnsMode", r#""private""#);
        expect("/HostConfig/NetworkMode", r#""dev""#);
        expect("/HostConfig/RestartPolicy", r#"{"Name":"always"}"#);
        expect("/HostConfig/NanoCpus", "1500000000");
        expect("/HostConfig/Memory", "2147483648");
        expect("/HostConfig/MemorySwap", "2147483648");
        expect("/HostConfig/Ulimits", r#"[{"Name":"nofile","Soft":65536,"Hard":65536}]"#);
        expect("/HostConfig/PortBindings", r#"{"6443/tcp":[{"HostIp":"127.0.0.1","HostPort":"6443"}]}"#);
        expect("/ExposedPorts", r#"{"6443/tcp":{}}"#);
        expect("/HostConfig/LogConfig", r#"{"Type":"json-file","Config":{"max-size":"10m","max-file":"3"}}"#);
        expect("/HostConfig/Mounts/0/VolumeOptions", r#"{"NoCopy":true,"Labels":{"k":"v"}}"#);
        expect("/HostConfig/Mounts/1/BindOptions", r#"{"Propagation":"rslave","CreateMountpoint":false}"#);
        expect("/HostConfig/Mounts/1/ReadOnly", "true");
        expect("/NetworkingConfig/EndpointsConfig/dev/IPAMConfig", r#"{"IPv4Address":"172.30.0.3"}"#);
        assert!(host.get("Privileged").is_none());
    }

    #[test]
    fn a_plain_spec_keeps_dockers_defaults() {
        let body = serde_json::to_value(create_body(&ContainerSpec::default(), false).unwrap()).unwrap();
        for key in [
            "CapDrop",
            "CapAdd",
            "MaskedPaths",
            "ReadonlyPaths",
            "CgroupnsMode",
            "LogConfig",
            "Memory",
            "NanoCpus",
            "NetworkMode",
        ] {
            assert!(body["HostConfig"].get(key).is_none(), "{key}");
        }
    }

    #[test]
    fn relabelled_paths_are_binds() {
        let (binds, rest) = mounts(&[host_path(true, "rslave")]).unwrap();
        assert_eq!((binds, rest), (vec!["/data:/mnt:ro,z,rslave".to_owned()], vec![]));
        let odd = MountSpec { source: MountSource::Host("/a:b".to_owned()), ..host_path(true, "") };
        assert!(mounts(&[odd]).is_err());
        assert!(mounts(&[host_path(false, "sideways")]).is_err());
    }

    #[test]
    fn names_of_links_are_not_names() {
        assert_eq!(container_name(Some(&["/other/alias".to_owned(), "/dev".to_owned()])), "dev");
        assert_eq!(container_name(None), "");
    }
}
