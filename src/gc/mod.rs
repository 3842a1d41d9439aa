//! What nobody needs any more, and why: clusters that expired, creations that were killed, what either left behind, and
//! kubeconfig entries that lead nowhere.
//!
//! Everything goes by the identity of the run that made it, never by name: a cluster that is being made anew under the
//! name of an expired one has nothing in common with it. [`judge`] is pure; [`survey`] looks and then judges.
//!
//! Data comes first. What may hold any is removed only when its owner said beforehand when (`ttl`), or when it was taken
//! apart already (a volume or a network without a container). Whatever is only suspicious is told and kept.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use futures::future::try_join;
use knarr_contract::Role;
use serde::Serialize;
use time::OffsetDateTime;

use crate::cluster::role;
use crate::engine::{ContainerInfo, ContainerState, Engine, EngineInfo, Labels, NetworkInfo, VolumeInfo};
use crate::error::Result;
use crate::execute::undo::Connection;
use crate::kubeconfig::Marked;
use crate::plan::names;
use crate::report::span;

/// How long nothing of a run must have come into being before what it left is called abandoned. A creation makes its
/// network, then all containers with their volumes within seconds, and starts each at once; only a Docker that does not
/// answer draws this out, and `create` gives up on that after its `--wait`, two minutes unless told otherwise. An hour
/// is thirty times as long, and nothing is lost by waiting: what is half-made uses neither memory nor processors.
pub const GRACE: Duration = Duration::from_secs(60 * 60);

/// How far apart Docker notes the creation of a container and of the volume that it makes for it, in seconds.
const SAME_MOMENT: i64 = 60;

/// Everything that one `create` has made and that is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The cluster's name.
    pub cluster: String,
    /// The identity of the run.
    pub create_id: String,
    /// Its containers, nodes and helpers.
    pub containers: Vec<ContainerInfo>,
    /// Its networks.
    pub networks: Vec<NetworkInfo>,
    /// Its volumes.
    pub volumes: Vec<VolumeInfo>,
}

/// Why something may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A cluster outlived its `ttl`.
    Expired,
    /// A creation was killed before any control plane ran.
    HalfMade,
    /// Volumes and networks of a cluster that has no container any more.
    Orphaned,
    /// Kubeconfig entries of a cluster that was on this Docker and is not any more.
    NoCluster,
}

/// Something that may go, or that looks as if it might and is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The cluster's name.
    pub cluster: String,
    /// The identity of the run that made it.
    pub create_id: String,
    /// Why it may go; none if it is kept.
    pub reason: Option<Reason>,
    /// The evidence, as a sentence about «it».
    pub why: String,
    /// When it was to end, as its label says.
    pub expires: Option<String>,
    /// Which job of a CI system made it.
    pub owner: Option<String>,
    /// Its containers.
    pub containers: Vec<String>,
    /// Its networks.
    pub networks: Vec<String>,
    /// Its volumes.
    pub volumes: Vec<String>,
    /// Containers of others on its networks, which are taken off.
    pub connected: Vec<Connection>,
    /// The kubeconfig files that have an entry of it.
    pub kubeconfigs: Vec<PathBuf>,
}

/// The time by which things are judged: the earlier of this machine's clock and Docker's. Who made a cluster wrote its
/// end by one clock, Docker noted its begin by another; what only one of the two calls old stays.
pub fn now(info: &EngineInfo) -> OffsetDateTime {
    let docker = info.clock.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let own = OffsetDateTime::now_utc();
    docker.map_or(own, |docker| docker.min(own))
}

/// Looks at everything with knarr's labels, and at `entries`, which were read before: whatever they lead to existed when
/// Docker is asked.
///
/// # Errors
///
/// If Docker does not list something: what is not seen must not be taken for absent.
pub async fn survey<E: Engine>(engine: &E, info: &EngineInfo, entries: &[Marked]) -> Result<Vec<Finding>> {
    // Containers last: one that was made in the meantime still shows that its network and volume are in use.
    let (networks, volumes) = try_join(engine.list_networks(), engine.list_volumes(names::CLUSTER)).await?;
    let containers = engine.list_containers(names::CLUSTER).await?;
    Ok(judge(&runs(containers, networks, volumes), entries, &info.id, now(info)))
}

/// Everything by the run that made it. What lacks a label of ours belongs to nobody that we know.
pub fn runs(containers: Vec<ContainerInfo>, networks: Vec<NetworkInfo>, volumes: Vec<VolumeInfo>) -> Vec<Run> {
    let mut runs = BTreeMap::new();
    for container in containers {
        if let Some(run) = run_of(&mut runs, &container.labels) {
            run.containers.push(container);
        }
    }
    for network in networks {
        if let Some(run) = run_of(&mut runs, &network.labels) {
            run.networks.push(network);
        }
    }
    for volume in volumes {
        if let Some(run) = run_of(&mut runs, &volume.labels) {
            run.volumes.push(volume);
        }
    }
    runs.into_values().collect()
}

/// The run that made an object with these labels, if one of ours did.
fn run_of<'r>(runs: &'r mut BTreeMap<(String, String), Run>, labels: &Labels) -> Option<&'r mut Run> {
    let (cluster, create_id) = (labels.get(names::CLUSTER)?.clone(), labels.get(names::CREATE_ID)?.clone());
    let key = (cluster.clone(), create_id.clone());
    Some(runs.entry(key).or_insert_with(|| Run { cluster, create_id, ..Run::default() }))
}

/// What may go and what is only suspicious. `docker` is the identity of the Docker that has the runs, empty if it does
/// not tell.
pub fn judge(runs: &[Run], entries: &[Marked], docker: &str, now: OffsetDateTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    for run in runs {
        if let Some((reason, why)) = run.verdict(now) {
            let own = entries.iter().filter(|e| e.create_id == run.create_id && e.cluster == run.cluster);
            findings.push(run.finding(reason, why, own.map(|e| e.path.clone())));
        }
    }
    let alive: BTreeSet<&str> = runs.iter().map(|run| run.create_id.as_str()).collect();
    let mut stray: BTreeMap<(&str, &str, &str), Vec<PathBuf>> = BTreeMap::new();
    for entry in entries.iter().filter(|e| !alive.contains(e.create_id.as_str())) {
        let whose = (entry.cluster.as_str(), entry.create_id.as_str(), entry.docker.as_str());
        stray.entry(whose).or_default().push(entry.path.clone());
    }
    for ((cluster, create_id, home), paths) in stray {
        let (reason, why) = match (home, docker) {
            // An entry of another Docker leads to a cluster there, as far as anybody here can know.
            (home, here) if !home.is_empty() && !here.is_empty() && home != here => continue,
            (home, here) if !home.is_empty() && home == here && !create_id.is_empty() => {
                (Some(Reason::NoCluster), "its cluster does not exist any more".to_owned())
            }
            _ => (None, "its cluster is not here, but it may be on another Docker: the entry does not say".to_owned()),
        };
        let gone = Run { cluster: cluster.to_owned(), create_id: create_id.to_owned(), ..Run::default() };
        findings.push(gone.finding(reason, why, paths.into_iter()));
    }
    findings
}

impl Run {
    fn labels(&self) -> impl Iterator<Item = &Labels> {
        let containers = self.containers.iter().map(|c| &c.labels);
        containers.chain(self.networks.iter().map(|n| &n.labels)).chain(self.volumes.iter().map(|v| &v.labels))
    }

    /// When it may be removed, if ever.
    pub fn expires(&self) -> Option<OffsetDateTime> {
        self.labels().filter_map(names::expires).max()
    }

    /// When the newest part of it was made, in seconds since 1970.
    fn newest(&self) -> i64 {
        let containers = self.containers.iter().map(|c| c.created);
        let others = self.networks.iter().map(|n| n.created).chain(self.volumes.iter().map(|v| v.created));
        containers.chain(others).max().unwrap_or(i64::MAX)
    }

    /// Why it may go, or why it is worth a word although it stays (then there is no reason).
    fn verdict(&self, now: OffsetDateTime) -> Option<(Option<Reason>, String)> {
        let expires = self.expires();
        if let Some(at) = expires.filter(|at| *at <= now) {
            return Some((
                Some(Reason::Expired),
                format!("it expired {} ago, at {}", since(at, now), names::stamp(at)),
            ));
        }
        let newest = OffsetDateTime::from_unix_timestamp(self.newest()).ok()?;
        if now - newest < GRACE {
            return None;
        }
        let age = since(newest, now);
        if self.containers.is_empty() {
            return Some((Some(Reason::Orphaned), format!("its cluster has no container; it was made {age} ago")));
        }
        let idle = self.containers.iter().find(|c| matches!(c.state, ContainerState::Created | ContainerState::Dead));
        if self.never_ran() {
            return Some((Some(Reason::HalfMade), format!("its creation was cut off {age} ago: no control plane ran")));
        }
        let flaw = match idle {
            Some(node) => format!("`{}` is {}", node.name, node.state),
            None if self.control_planes().next().is_none() => "its control plane is gone".to_owned(),
            None => return None,
        };
        // Its end is known already.
        if expires.is_some() {
            return None;
        }
        let way = format!("remove it with `knarr delete cluster {}`", self.cluster);
        Some((None, format!("{flaw}, but what ran of it may hold data; {way}")))
    }

    fn control_planes(&self) -> impl Iterator<Item = &ContainerInfo> {
        self.containers.iter().filter(|c| role(c) == Some(Role::ControlPlane))
    }

    /// Whether it is certain that no control plane of it ever ran, so that nothing of the user's can be in it: each is as
    /// Docker made it, and so is its volume. One that is put back into its old place, as a repair does, has a volume that
    /// is older than itself.
    fn never_ran(&self) -> bool {
        let plane = |volume: &VolumeInfo| self.control_planes().find(|c| names::volume(&c.name) == volume.name);
        let of_planes = |volume: &&VolumeInfo| {
            volume.labels.get(names::ROLE).is_some_and(|role| role == Role::ControlPlane.as_str())
        };
        self.control_planes().next().is_some()
            && self.control_planes().all(|c| c.state == ContainerState::Created)
            && self
                .volumes
                .iter()
                .filter(of_planes)
                .all(|volume| plane(volume).is_some_and(|c| volume.created.saturating_add(SAME_MOMENT) >= c.created))
    }

    /// What others have on its networks.
    fn connected(&self) -> Vec<Connection> {
        let of = |network: &NetworkInfo| {
            let network = network.clone();
            let containers = network.containers.into_iter();
            containers.map(move |container| Connection { container, network: network.name.clone() })
        };
        let others = self.networks.iter().flat_map(of);
        others.filter(|c| self.containers.iter().all(|own| own.name != c.container)).collect()
    }

    fn finding(&self, reason: Option<Reason>, why: String, kubeconfigs: impl Iterator<Item = PathBuf>) -> Finding {
        let mut kubeconfigs: Vec<PathBuf> = kubeconfigs.collect();
        kubeconfigs.dedup();
        Finding {
            cluster: self.cluster.clone(),
            create_id: self.create_id.clone(),
            reason,
            why,
            expires: self.expires().map(names::stamp),
            owner: self.labels().find_map(|labels| labels.get(names::OWNER)).cloned(),
            containers: self.containers.iter().map(|c| c.name.clone()).collect(),
            networks: self.networks.iter().map(|n| n.name.clone()).collect(),
            volumes: self.volumes.iter().map(|v| v.name.clone()).collect(),
            connected: self.connected(),
            kubeconfigs,
        }
    }
}

fn since(then: OffsetDateTime, now: OffsetDateTime) -> String {
    span((now - then).unsigned_abs())
}
