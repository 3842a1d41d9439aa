//! Containers of the fake, and how Docker answers about them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::world::{Answer, Network, World, refuse};
use crate::engine::archive::{self, Item, Tree};
use crate::engine::{ContainerInfo, ContainerSpec, ContainerState, EngineErrorKind, MountSource, PortBinding, Stats};

pub(super) struct Container {
    pub(super) id: String,
    pub(super) spec: ContainerSpec,
    pub(super) image_id: String,
    pub(super) state: ContainerState,
    pub(super) exit_code: Option<i64>,
    pub(super) oom_killed: bool,
    pub(super) log: Vec<String>,
    /// What was put into it, by absolute path.
    files: BTreeMap<String, Item>,
    pub(super) stats: Stats,
    address: Option<Ipv4Addr>,
    created: i64,
    started: i64,
}

impl Container {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    pub(super) fn network(&self) -> Option<&str> {
        self.spec.network.as_ref().filter(|_| !self.spec.host_network).map(|n| n.network.as_str())
    }

    pub(super) fn mounts_volume(&self, wanted: &str) -> bool {
        self.spec.mounts.iter().any(|m| matches!(&m.source, MountSource::Volume { name, .. } if name == wanted))
    }

    /// The volume in which a path lies, if any.
    fn volume_of(&self, path: &str) -> Option<&str> {
        self.spec.mounts.iter().find_map(|mount| match &mount.source {
            MountSource::Volume { name, .. } if path.starts_with(&format!("{}/", mount.target)) => Some(name.as_str()),
            _ => None,
        })
    }

    fn fixed_address(&self) -> Option<Ipv4Addr> {
        self.spec.network.as_ref().and_then(|n| n.address)
    }

    pub(super) fn info(&self) -> ContainerInfo {
        let address = if self.is_running() { self.address } else { self.fixed_address() };
        let published = |port: &PortBinding| PortBinding {
            host_address: port.host_address,
            host_port: port.host_port,
            container_port: port.container_port,
            protocol: port.protocol,
        };
        ContainerInfo {
            id: self.id.clone(),
            name: self.spec.name.clone(),
            image: self.spec.image.clone(),
            labels: self.spec.labels.clone(),
            state: self.state,
            exit_code: self.exit_code,
            oom_killed: self.oom_killed,
            addresses: self.network().zip(address).map(|(name, a)| (name.to_owned(), a.into())).into_iter().collect(),
            ports: self.spec.ports.iter().map(published).collect(),
            created: self.created,
            started: self.started,
        }
    }

    pub(super) fn end(&mut self, exit_code: i64) {
        self.state = ContainerState::Exited;
        self.exit_code = Some(exit_code);
        self.address = None;
    }
}

/// Whether two bindings of the same port exclude each other.
fn same_place(one: IpAddr, other: IpAddr) -> bool {
    one == other || one.is_unspecified() || other.is_unspecified()
}

impl World {
    /// The name of a container that was named by its name or id.
    pub(super) fn container_name(&self, container: &str) -> Answer<String> {
        let found = self.containers.values().find(|c| c.spec.name == container || c.id == container);
        match found {
            Some(found) => Ok(found.spec.name.clone()),
            None => refuse(EngineErrorKind::NotFound, format!("No such container: {container}")),
        }
    }

    pub(super) fn container(&mut self, container: &str) -> Answer<&mut Container> {
        let name = self.container_name(container)?;
        match self.containers.get_mut(&name) {
            Some(found) => Ok(found),
            None => refuse(EngineErrorKind::NotFound, format!("No such container: {container}")),
        }
    }

    pub(super) fn create_container(&mut self, spec: &ContainerSpec) -> Answer<String> {
        let image_id = self.image(&spec.image)?.id.clone();
        if let Some(other) = self.containers.get(&spec.name) {
            let detail = format!("Conflict. The container name \"/{}\" is already in use by {}", spec.name, other.id);
            return refuse(EngineErrorKind::Conflict, detail);
        }
        for mount in &spec.mounts {
            if let MountSource::Volume { name, labels } = &mount.source {
                self.create_volume(name, labels);
            }
        }
        let id = self.next_id();
        let mut spec = spec.clone();
        if let Some(attachment) = &mut spec.network
            && let Some(name) = self.network_name(&attachment.network)
        {
            attachment.network = name;
        }
        let name = spec.name.clone();
        let container = Container {
            id: id.clone(),
            spec,
            image_id,
            state: ContainerState::Created,
            exit_code: None,
            oom_killed: false,
            log: Vec::new(),
            files: BTreeMap::new(),
            stats: Stats::default(),
            address: None,
            created: self.now(),
            started: 0,
        };
        self.containers.insert(name, container);
        Ok(id)
    }

    pub(super) fn start_container(&mut self, container: &str) -> Answer<()> {
        let name = self.container_name(container)?;
        let this = &self.containers[&name];
        if this.is_running() {
            return Ok(());
        }
        self.check_ports(this)?;
        let address = match this.network() {
            None => None,
            Some(network) => match self.networks.get(network) {
                Some(found) => Some(self.choose_address(this, found)?),
                None => return refuse(EngineErrorKind::NotFound, format!("network {network} not found")),
            },
        };
        let now = self.now();
        let this = self.container(&name)?;
        this.started = now;
        this.state = ContainerState::Running;
        this.exit_code = None;
        this.address = address;
        Ok(())
    }

    fn check_ports(&self, this: &Container) -> Answer<()> {
        for port in &this.spec.ports {
            let (address, number) = (port.host_address, port.host_port);
            let same = |p: &PortBinding| {
                p.host_port == number && p.protocol == port.protocol && same_place(p.host_address, address)
            };
            if self.containers.values().any(|c| c.is_running() && c.spec.ports.iter().any(same)) {
                let detail = format!("Bind for {address}:{number} failed: port is already allocated");
                return refuse(EngineErrorKind::PortTaken, detail);
            }
            if self.taken_ports.iter().any(|(held, n)| *n == number && same_place(*held, address)) {
                let detail = format!("listen tcp4 {address}:{number}: bind: address already in use");
                return refuse(EngineErrorKind::PortTaken, detail);
            }
        }
        Ok(())
    }

    fn choose_address(&self, this: &Container, network: &Network) -> Answer<Ipv4Addr> {
        let spec = &network.spec;
        let neighbours = self.containers.values().filter(|c| c.is_running() && c.network() == this.network());
        let mut taken: Vec<Ipv4Addr> = neighbours.filter_map(|c| c.address).collect();
        taken.push(spec.gateway);
        match this.fixed_address() {
            Some(address) if !spec.subnet.contains(&address) => {
                refuse(EngineErrorKind::Other, format!("no configured subnet contains IP address {address}"))
            }
            Some(address) if taken.contains(&address) => {
                refuse(EngineErrorKind::AddressTaken, "Address already in use")
            }
            Some(address) => Ok(address),
            None => match spec.ip_range.hosts().find(|address| !taken.contains(address)) {
                Some(address) => Ok(address),
                None => refuse(
                    EngineErrorKind::AddressTaken,
                    format!("no available IPv4 addresses on this network's address pools: {}", spec.name),
                ),
            },
        }
    }

    pub(super) fn stop_container(&mut self, container: &str) -> Answer<()> {
        let this = self.container(container)?;
        if this.is_running() {
            this.end(0);
        }
        Ok(())
    }

    /// Changes whether a container is started with Docker.
    pub(super) fn keep(&mut self, container: &str, keep: bool) -> Answer<()> {
        self.container(container)?.spec.restart = keep;
        Ok(())
    }

    /// Freezes a running container, or lets a frozen one go on.
    pub(super) fn freeze(&mut self, container: &str, frozen: bool) -> Answer<()> {
        let mut states = [ContainerState::Running, ContainerState::Paused];
        if !frozen {
            states.reverse();
        }
        let [from, to] = states;
        let this = self.container(container)?;
        if this.state != from {
            return refuse(EngineErrorKind::Other, format!("Container {container} is not {from}"));
        }
        this.state = to;
        Ok(())
    }

    pub(super) fn rename_container(&mut self, container: &str, name: &str) -> Answer<()> {
        if self.containers.contains_key(name) {
            return refuse(EngineErrorKind::Conflict, format!("The container name \"/{name}\" is already in use"));
        }
        let old = self.container_name(container)?;
        if let Some(mut renamed) = self.containers.remove(&old) {
            name.clone_into(&mut renamed.spec.name);
            self.containers.insert(name.to_owned(), renamed);
        }
        Ok(())
    }

    pub(super) fn disconnect_container(&mut self, container: &str, network: &str) {
        let network = self.network_name(network);
        if let Ok(this) = self.container(container)
            && this.network() == network.as_deref()
        {
            (this.spec.network, this.address) = (None, None);
        }
    }

    pub(super) fn remove_container(&mut self, container: &str) {
        if let Ok(name) = self.container_name(container) {
            self.containers.remove(&name);
        }
    }

    /// The name of a container in which programs can run.
    pub(super) fn running(&mut self, container: &str) -> Answer<String> {
        let this = self.container(container)?;
        if this.state == ContainerState::Paused {
            refuse(
                EngineErrorKind::Other,
                format!("Container {container} is paused, unpause the container before exec"),
            )
        } else if this.is_running() {
            Ok(this.spec.name.clone())
        } else {
            refuse(EngineErrorKind::Other, format!("Container {container} is not running"))
        }
    }

    pub(super) fn put_archive(&mut self, container: &str, folder: &str, tar: &[u8]) -> Answer<()> {
        self.container(container)?;
        let items = match archive::unpack(tar) {
            Ok(items) => items,
            Err(e) => return refuse(EngineErrorKind::Other, e.to_string()),
        };
        let folder = folder.trim_end_matches('/');
        for (path, item) in items {
            let path = format!("{folder}/{path}");
            let volume = self.container(container)?.volume_of(&path).map(str::to_owned);
            let files = match volume.and_then(|volume| self.volumes.get_mut(&volume)) {
                Some(volume) => &mut volume.files,
                None => &mut self.container(container)?.files,
            };
            files.insert(path, item);
        }
        Ok(())
    }

    /// What a container shows, by absolute path: its own files and those of its volumes.
    pub(super) fn files(&self, container: &str) -> BTreeMap<String, Item> {
        let Some(this) = self.containers.get(container) else { return BTreeMap::new() };
        let volumes = self.volumes.iter().filter(|(name, _)| this.mounts_volume(name));
        let all = volumes.flat_map(|(_, volume)| &volume.files).chain(&this.files);
        all.map(|(path, item)| (path.clone(), item.clone())).collect()
    }

    /// What was put at or below a path, named from the folder above it, or from the folder itself where the path ends
    /// with `/.`, as Docker does.
    pub(super) fn get_archive(&mut self, container: &str, path: &str) -> Answer<Vec<u8>> {
        let (path, content) = path.strip_suffix("/.").map_or((path, false), |folder| (folder, true));
        let path = path.trim_end_matches('/');
        let above = if content { path.len() + 1 } else { path.rfind('/').map_or(0, |at| at + 1) };
        let below = format!("{path}/");
        let name = self.container(container)?.spec.name.clone();
        let files = self.files(&name);
        let wanted = files.iter().filter(|(name, _)| (*name == path && !content) || name.starts_with(&below));
        let mut tree = Tree::new(0);
        for (name, item) in wanted {
            if let Err(e) = tree.insert(&name[above..], item.clone()) {
                return refuse(EngineErrorKind::Other, e.to_string());
            }
        }
        if tree.is_empty() {
            return refuse(
                EngineErrorKind::NotFound,
                format!("Could not find the file {path} in container {container}"),
            );
        }
        tree.build().or_else(|e| refuse(EngineErrorKind::Other, e.to_string()))
    }
}
