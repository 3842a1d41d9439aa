//! The only control plane is gone, and its volume is not: a container that never runs makes it readable again.

use super::Cluster;
use crate::engine::{ContainerSpec, Engine, MountSource, MountSpec, VolumeInfo};
use crate::error::Result;
use crate::image::{self, versions};
use crate::plan::names;
use crate::spec::Role;

/// Makes a container around the volume of the only control plane, if nothing else is left of it, under the name that a
/// control plane has which was set aside. Tells its name; whoever asked for it removes it.
pub async fn salvage<E: Engine>(engine: &E, cluster: &Cluster) -> Result<Option<String>> {
    if cluster.first_control_plane().is_some() {
        return Ok(None);
    }
    let volumes = engine.list_volumes(&names::of_cluster(&cluster.name)).await?;
    let of_plane = |volume: &&VolumeInfo| {
        volume.labels.get(names::ROLE).is_some_and(|role| role == Role::ControlPlane.as_str())
            && volume.labels.get(names::CREATE_ID) == Some(&cluster.create_id)
    };
    let all: Vec<_> = volumes.iter().filter(of_plane).collect();
    // Of several, none knows what the others agreed on.
    let [only] = all[..] else { return Ok(None) };
    let Some(node) = only.name.strip_suffix(&names::volume("")) else { return Ok(None) };
    // It never runs, so any image will do that is here.
    let other = cluster.containers().next().map(|container| container.image.clone());
    let image = other.unwrap_or_else(versions::default_reference);
    if engine.find_image(&image).await?.is_none() {
        return Err(image::missing(&image).context(format!("cannot read volume `{}`", only.name)));
    }
    let spec = ContainerSpec {
        name: names::aside(node),
        image,
        labels: only.labels.clone(),
        capabilities: Some(Vec::new()),
        mounts: vec![MountSpec {
            source: MountSource::Volume { name: only.name.clone(), labels: only.labels.clone() },
            target: "/var".into(),
            read_only: false,
            propagation: String::new(),
            selinux_relabel: false,
        }],
        ..ContainerSpec::default()
    };
    engine.create_container(&spec).await?;
    Ok(Some(spec.name))
}
