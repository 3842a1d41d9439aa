//! Networks and volumes.

use std::collections::HashMap;

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkDisconnectRequest, VolumeCreateRequest};
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions, ListVolumesOptions, RemoveVolumeOptions};

use super::DockerEngine;
use super::convert::{container_name, label_filter};
use super::errors::translate;
use super::images::absent;
use super::info::seconds;
use crate::engine::{EngineError, EngineErrorKind, EngineResult, Labels, NetworkInfo, NetworkSpec, VolumeInfo, op};

/// From this API on Docker refuses a second network of the same name by itself.
const UNIQUE_NAMES: (usize, usize) = (1, 44);

pub(super) async fn list(engine: &DockerEngine) -> EngineResult<Vec<NetworkInfo>> {
    let failed = |e| translate(op::LIST_NETWORKS, &engine.address, &e);
    // The listing of networks does not name containers; the listing of running containers names their networks.
    let (networks, running) =
        tokio::join!(engine.client.list_networks(None), engine.client.list_containers(None::<ListContainersOptions>));
    let mut attached: HashMap<String, Vec<String>> = HashMap::new();
    for container in running.map_err(failed)? {
        let name = container_name(container.names.as_deref());
        for endpoint in container.network_settings.and_then(|s| s.networks).unwrap_or_default().into_values() {
            attached.entry(endpoint.network_id.unwrap_or_default()).or_default().push(name.clone());
        }
    }
    let networks = networks.map_err(failed)?.into_iter().map(|network| {
        let id = network.id.unwrap_or_default();
        let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let mut containers = attached.remove(&id).unwrap_or_default();
        containers.sort();
        NetworkInfo {
            name: network.name.unwrap_or_default(),
            labels: network.labels.unwrap_or_default().into_iter().collect(),
            subnets: ranges.into_iter().filter_map(|range| range.subnet?.parse().ok()).collect(),
            containers,
            created: network.created.as_deref().and_then(seconds).unwrap_or(i64::MAX),
            id,
        }
    });
    Ok(networks.collect())
}

pub(super) async fn create(engine: &DockerEngine, spec: &NetworkSpec) -> EngineResult<String> {
    let failed = |e| translate(op::CREATE_NETWORK, &spec.name, &e);
    let range = IpamConfig {
        subnet: Some(spec.subnet.to_string()),
        ip_range: Some(spec.ip_range.to_string()),
        gateway: Some(spec.gateway.to_string()),
        ..IpamConfig::default()
    };
    let request = NetworkCreateRequest {
        name: spec.name.clone(),
        driver: Some("bridge".to_owned()),
        ipam: Some(Ipam { driver: Some("default".to_owned()), config: Some(vec![range]), options: None }),
        labels: Some(spec.labels.clone().into_iter().collect()),
        ..NetworkCreateRequest::default()
    };
    let id = engine.client.create_network(request).await.map_err(failed)?.id;
    if engine.api < UNIQUE_NAMES {
        // Whoever sees a second one gives way: of two that race, the later to look sees both.
        let filters = HashMap::from([("name".to_owned(), vec![spec.name.clone()])]);
        let options = ListNetworksOptions { filters: Some(filters) };
        let same = engine.client.list_networks(Some(options)).await.map_err(failed)?;
        if same.iter().filter(|n| n.name.as_deref() == Some(&spec.name)).count() > 1 {
            engine.client.remove_network(&id).await.map_err(failed)?;
            let detail = format!("network with name {} already exists", spec.name);
            return Err(EngineError::new(op::CREATE_NETWORK, &spec.name, EngineErrorKind::Conflict, detail));
        }
    }
    Ok(id)
}

pub(super) async fn disconnect(engine: &DockerEngine, container: &str, network: &str) -> EngineResult<()> {
    let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
    match engine.client.disconnect_network(network, request).await {
        Ok(()) => Ok(()),
        Err(e) => absent(translate(op::DISCONNECT_CONTAINER, container, &e)).map(|_: Option<()>| ()),
    }
}

pub(super) async fn remove(engine: &DockerEngine, name: &str) -> EngineResult<()> {
    match engine.client.remove_network(name).await {
        Ok(()) => Ok(()),
        Err(e) => absent(translate(op::REMOVE_NETWORK, name, &e)).map(|_: Option<()>| ()),
    }
}

pub(super) async fn list_volumes(engine: &DockerEngine, label: &str) -> EngineResult<Vec<VolumeInfo>> {
    let options = ListVolumesOptions { filters: Some(label_filter(label)) };
    let listed = engine.client.list_volumes(Some(options)).await.map_err(|e| translate(op::LIST_VOLUMES, label, &e))?;
    let volumes = listed.volumes.unwrap_or_default().into_iter().map(|v| VolumeInfo {
        name: v.name,
        labels: v.labels.into_iter().collect(),
        created: v.created_at.as_deref().and_then(seconds).unwrap_or(i64::MAX),
    });
    Ok(volumes.collect())
}

pub(super) async fn create_volume(engine: &DockerEngine, name: &str, labels: &Labels) -> EngineResult<()> {
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        labels: Some(labels.clone().into_iter().collect()),
        ..VolumeCreateRequest::default()
    };
    engine.client.create_volume(request).await.map_err(|e| translate(op::CREATE_VOLUME, name, &e))?;
    Ok(())
}

pub(super) async fn remove_volume(engine: &DockerEngine, name: &str) -> EngineResult<()> {
    match engine.patient.remove_volume(name, None::<RemoveVolumeOptions>).await {
        Ok(()) => Ok(()),
        Err(e) => absent(translate(op::REMOVE_VOLUME, name, &e)).map(|_: Option<()>| ()),
    }
}
