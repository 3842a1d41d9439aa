//! What is there, and how Docker answers about it: images, networks, volumes. Containers are in their own file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::container::Container;
use super::flock::Locks;
use crate::engine::archive::Item;
use crate::engine::{EngineErrorKind, ImageInfo, Labels, NetworkInfo, NetworkSpec, VolumeInfo};

/// When the world was made, in seconds since 1970.
pub(super) const BEGIN: i64 = 1_700_000_000;

/// Why Docker refuses.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: EngineErrorKind,
    pub(super) detail: String,
}

pub(super) type Answer<T> = Result<T, Refusal>;

pub(super) fn refuse<T>(kind: EngineErrorKind, detail: impl Into<String>) -> Answer<T> {
    Err(Refusal { kind, detail: detail.into() })
}

/// Whether labels carry `key` or `key=value`.
pub(super) fn carries(labels: &Labels, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|v| v == value),
        None => labels.contains_key(wanted),
    }
}

/// The name with its tag: `latest` where there is none.
fn tagged(reference: &str) -> String {
    let last = reference.rsplit('/').next().unwrap_or(reference);
    if last.contains([':', '@']) { reference.to_owned() } else { format!("{reference}:latest") }
}

#[derive(Default)]
pub(super) struct World {
    pub(super) images: Vec<ImageInfo>,
    /// What a registry would give.
    pub(super) offered: Vec<ImageInfo>,
    pub(super) networks: BTreeMap<String, Network>,
    pub(super) volumes: BTreeMap<String, Volume>,
    /// By name.
    pub(super) containers: BTreeMap<String, Container>,
    /// Ports held by processes of the host.
    pub(super) taken_ports: BTreeSet<(IpAddr, u16)>,
    /// Programs that were attached to, and their exit status once they ended.
    pub(super) execs: BTreeMap<String, Option<i64>>,
    pub(super) locks: Locks,
    made: u32,
    /// How much later it is than the number of objects tells, in seconds.
    pub(super) passed: i64,
}

pub(super) struct Network {
    pub(super) id: String,
    pub(super) spec: NetworkSpec,
    pub(super) created: i64,
}

pub(super) struct Volume {
    labels: Labels,
    created: i64,
    /// What was put into containers below where it is mounted, by absolute path.
    pub(super) files: BTreeMap<String, Item>,
}

impl World {
    /// An id like Docker's that no other object has.
    pub(super) fn next_id(&mut self) -> String {
        self.made += 1;
        format!("{:064x}", self.made)
    }

    pub(super) fn now(&self) -> i64 {
        BEGIN + self.passed + i64::from(self.made)
    }

    pub(super) fn find_image(&self, reference: &str) -> Option<&ImageInfo> {
        let name = tagged(reference);
        self.images.iter().find(|image| image.id == reference || image.tags.contains(&name))
    }

    pub(super) fn image(&self, reference: &str) -> Answer<&ImageInfo> {
        match self.find_image(reference) {
            Some(image) => Ok(image),
            None => refuse(EngineErrorKind::NotFound, format!("No such image: {}", tagged(reference))),
        }
    }

    /// An image that nobody has yet.
    pub(super) fn new_image(&mut self, reference: &str, labels: Labels, size: u64) -> ImageInfo {
        let id = format!("sha256:{}", self.next_id());
        ImageInfo { id, tags: vec![tagged(reference)], labels, size, arch: "amd64".to_owned(), created: self.now() }
    }

    /// Adds an image; its names are taken from those that had them.
    pub(super) fn add_image(&mut self, image: ImageInfo) -> String {
        for name in &image.tags {
            self.untag(name);
        }
        let id = image.id.clone();
        self.images.push(image);
        id
    }

    fn untag(&mut self, name: &str) {
        for image in &mut self.images {
            image.tags.retain(|tag| tag != name);
        }
    }

    pub(super) fn pull_image(&mut self, reference: &str) -> Answer<()> {
        let name = tagged(reference);
        match self.offered.iter().find(|image| image.tags.contains(&name)).cloned() {
            Some(image) => {
                self.images.retain(|old| old.id != image.id);
                self.add_image(image);
                Ok(())
            }
            None => refuse(EngineErrorKind::NotFound, format!("manifest for {name} not found: manifest unknown")),
        }
    }

    pub(super) fn tag_image(&mut self, source: &str, target: &str) -> Answer<()> {
        let id = self.image(source)?.id.clone();
        let name = tagged(target);
        self.untag(&name);
        for image in self.images.iter_mut().filter(|image| image.id == id) {
            image.tags.push(name.clone());
        }
        Ok(())
    }

    pub(super) fn remove_image(&mut self, reference: &str, force: bool) -> Answer<()> {
        let Some(image) = self.find_image(reference) else { return Ok(()) };
        let (id, names) = (image.id.clone(), image.tags.clone());
        let name = tagged(reference);
        if reference != id && names.len() > 1 {
            self.untag(&name);
            return Ok(());
        }
        let users = || self.containers.values().filter(|c| c.image_id == id);
        if let Some(user) = users().find(|c| c.is_running() || !force) {
            let detail = format!("conflict: unable to remove {reference}: container {} is using it", user.spec.name);
            return refuse(EngineErrorKind::Conflict, detail);
        }
        self.images.retain(|image| image.id != id);
        Ok(())
    }

    pub(super) fn list_networks(&self) -> Vec<NetworkInfo> {
        let attached = |network: &str| {
            let running = self.containers.values().filter(|c| c.is_running() && c.network() == Some(network));
            running.map(|c| c.spec.name.clone()).collect()
        };
        let info = |(name, network): (&String, &Network)| NetworkInfo {
            id: network.id.clone(),
            name: name.clone(),
            labels: network.spec.labels.clone(),
            subnets: vec![IpNet::V4(network.spec.subnet)],
            containers: attached(name),
            created: network.created,
        };
        self.networks.iter().map(info).collect()
    }

    pub(super) fn create_network(&mut self, spec: &NetworkSpec) -> Answer<String> {
        if self.networks.contains_key(&spec.name) {
            return refuse(EngineErrorKind::Conflict, format!("network with name {} already exists", spec.name));
        }
        let overlaps = |other: &Ipv4Net| other.contains(&spec.subnet) || spec.subnet.contains(other);
        if self.networks.values().any(|network| overlaps(&network.spec.subnet)) {
            return refuse(EngineErrorKind::AddressTaken, "Pool overlaps with other one on this address space");
        }
        let id = self.next_id();
        let created = self.now();
        self.networks.insert(spec.name.clone(), Network { id: id.clone(), spec: spec.clone(), created });
        Ok(id)
    }

    /// The name of a network that is told by name or id.
    pub(super) fn network_name(&self, network: &str) -> Option<String> {
        let found = self.networks.iter().find(|(key, other)| *key == network || other.id == network);
        found.map(|(key, _)| key.clone())
    }

    pub(super) fn remove_network(&mut self, name: &str) -> Answer<()> {
        let Some(key) = self.network_name(name) else { return Ok(()) };
        if self.containers.values().any(|c| c.is_running() && c.network() == Some(&key)) {
            let detail = format!("error while removing network: network {key} has active endpoints");
            return refuse(EngineErrorKind::Conflict, detail);
        }
        self.networks.remove(&key);
        Ok(())
    }

    pub(super) fn list_volumes(&self, label: &str) -> Vec<VolumeInfo> {
        let carrying = self.volumes.iter().filter(|(_, volume)| carries(&volume.labels, label));
        let info = |(name, volume): (&String, &Volume)| VolumeInfo {
            name: name.clone(),
            labels: volume.labels.clone(),
            created: volume.created,
        };
        carrying.map(info).collect()
    }

    pub(super) fn create_volume(&mut self, name: &str, labels: &Labels) {
        let created = self.now();
        self.volumes.entry(name.to_owned()).or_insert_with(|| Volume {
            labels: labels.clone(),
            created,
            files: BTreeMap::new(),
        });
    }

    pub(super) fn remove_volume(&mut self, name: &str) -> Answer<()> {
        if let Some(user) = self.containers.values().find(|c| c.mounts_volume(name)) {
            let detail = format!("remove {name}: volume is in use - [{}]", user.id);
            return refuse(EngineErrorKind::Conflict, detail);
        }
        self.volumes.remove(name);
        Ok(())
    }
}
