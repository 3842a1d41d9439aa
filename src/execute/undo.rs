//! Takes back what a run, or a whole cluster, has made. Docker's labels say what that is, so a crash loses nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use serde::{Serialize, Serializer};

use crate::engine::{Engine, EngineError, Labels, NetworkInfo};
use crate::error::Error;
use crate::plan::{Plan, names};
use crate::report::{self, Event, Reporter, Steps};

/// How long a clean-up may take before it is reported as incomplete.
const DEADLINE: Duration = Duration::from_secs(9);
/// How often what could not be removed is tried again, and after which pause.
const RETRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// The sorts of things that a cluster is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// A node.
    Container,
    /// The cluster's network.
    Network,
    /// A node's `/var`.
    Volume,
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
        })
    }
}

/// Something that is still there, or that could not be looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What it is.
    pub sort: Sort,
    /// Its name; none if Docker would not even list what is there.
    pub name: Option<String>,
    /// Docker's own words.
    pub why: String,
    /// For a network: the running containers of others that hold it.
    pub holders: Vec<String>,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} `{name}`: {}", self.sort, self.why),
            None => write!(f, "perhaps {}s, which Docker does not list: {}", self.sort, self.why),
        }
    }
}

impl Serialize for Left {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A container of others and the network of ours that it is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// The container.
    pub container: String,
    /// The network.
    pub network: String,
}

/// What a clean-up removed and what it could not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Names of removed containers.
    pub containers: Vec<String>,
    /// Names of removed networks.
    pub networks: Vec<String>,
    /// Names of removed volumes.
    pub volumes: Vec<String>,
    /// What others had on removed networks; their containers are otherwise as they were.
    pub disconnected: Vec<Connection>,
    /// What is still there and why.
    pub left: Vec<Left>,
}

impl Swept {
    /// Whether there was nothing to remove.
    pub fn is_empty(&self) -> bool {
        self.removed_nothing() && self.left.is_empty()
    }

    fn removed_nothing(&self) -> bool {
        self.containers.is_empty() && self.networks.is_empty() && self.volumes.is_empty()
    }

    /// `removed 3 containers, 1 network and 3 volumes`; none if nothing was.
    pub fn describe(&self) -> Option<String> {
        let some = |n: usize, what: &str| (n > 0).then(|| report::some(n, what));
        let parts: Vec<String> = [
            some(self.containers.len(), "container"),
            some(self.networks.len(), "network"),
            some(self.volumes.len(), "volume"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let (last, others) = parts.split_last()?;
        Some(if others.is_empty() {
            format!("removed {last}")
        } else {
            format!("removed {} and {last}", others.join(", "))
        })
    }

    /// A sentence for each container of others that was touched.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        let note = |c: &Connection| format!("disconnected container `{}` from network `{}`", c.container, c.network);
        self.disconnected.iter().map(note)
    }

    /// What was removed, and then a line for everything that is left behind.
    pub fn state(&self) -> String {
        let left = self.left_lines().into_iter().map(|line| format!("left behind: {line}"));
        let lines: Vec<String> = self.describe().into_iter().chain(left).collect();
        if lines.is_empty() { "nothing was created".into() } else { lines.join("\n") }
    }

    /// A line for everything that is left behind; what Docker refused to list for one reason is one line.
    pub fn left_lines(&self) -> Vec<String> {
        let named = self.left.iter().filter(|left| left.name.is_some()).map(Left::to_string);
        let mut unseen: Vec<(&str, Vec<String>)> = Vec::new();
        for left in self.left.iter().filter(|left| left.name.is_none()) {
            let sort = format!("{}s", left.sort);
            match unseen.iter_mut().find(|(why, _)| *why == left.why) {
                Some((_, sorts)) => sorts.push(sort),
                None => unseen.push((&left.why, vec![sort])),
            }
        }
        let unseen = unseen
            .into_iter()
            .map(|(why, sorts)| format!("perhaps {}, which Docker does not list: {why}", sorts.join(", ")));
        named.chain(unseen).collect()
    }

    /// Commands that help with what is left.
    pub fn hints(&self) -> Vec<String> {
        let held = self.left.iter().filter_map(|left| left.name.as_ref().map(|name| (name, &left.holders)));
        held.flat_map(|(network, holders)| {
            holders.iter().map(move |h| format!("disconnect it with `docker network disconnect {network} {h}`"))
        })
        .collect()
    }

    fn note(&mut self, sort: Sort, name: String) {
        let names = match sort {
            Sort::Container => &mut self.containers,
            Sort::Network => &mut self.networks,
            Sort::Volume => &mut self.volumes,
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }

    fn outcome(&mut self, sort: Sort, name: String, outcome: Result<(), EngineError>, holders: Vec<String>) {
        match outcome {
            Ok(()) => self.note(sort, name),
            Err(e) => self.left.push(Left { sort, name: Some(name), why: e.detail, holders }),
        }
    }

    fn unseen(&mut self, sort: Sort, e: EngineError) {
        self.left.push(Left { sort, name: None, why: e.detail, holders: Vec::new() });
    }

    /// Adds what a later look found. What was left before and is not any more was removed in the meantime.
    fn then(&mut self, later: Self) {
        for gone in std::mem::replace(&mut self.left, later.left) {
            let unseen = self.left.iter().any(|left| left.sort == gone.sort && left.name.is_none());
            if let (Some(name), false) = (gone.name, unseen)
                && !self.left.iter().any(|left| left.sort == gone.sort && left.name.as_ref() == Some(&name))
            {
                self.note(gone.sort, name);
            }
        }
        let removed =
            [(Sort::Container, later.containers), (Sort::Network, later.networks), (Sort::Volume, later.volumes)];
        for (sort, names) in removed {
            for name in names {
                self.note(sort, name);
            }
        }
        self.disconnected.extend(later.disconnected);
    }
}

/// Removes everything that carries `label`, and looks again until nothing more comes to light: a call whose answer was
/// lost may still have been carried out, and what was busy may be free a moment later.
pub async fn clean<E: Engine>(engine: &E, label: &str) -> Swept {
    let mut all = sweep(engine, label).await;
    let mut tries = 0;
    while !all.is_empty() {
        if !all.left.is_empty() {
            if tries == RETRIES {
                break;
            }
            tries += 1;
            tokio::time::sleep(PAUSE).await;
        }
        let more = sweep(engine, label).await;
        let end = more.is_empty();
        all.then(more);
        if end {
            break;
        }
    }
    all
}

/// Looks once: containers together, then networks and volumes together.
async fn sweep<E: Engine>(engine: &E, label: &str) -> Swept {
    let mut swept = Swept::default();
    match engine.list_containers(label).await {
        Ok(found) => {
            let removed = join_all(found.into_iter().map(|c| async move {
                let outcome = engine.remove_container(&c.id).await;
                (outcome, c.name)
            }));
            for (outcome, name) in removed.await {
                swept.outcome(Sort::Container, name, outcome, Vec::new());
            }
        }
        Err(e) => swept.unseen(Sort::Container, e),
    }
    let networks = async {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        let all = engine.list_networks().await?;
        let ours = all.into_iter().filter(|n| n.labels.get(key).is_some_and(|v| value.is_empty() || v == value));
        Ok::<_, EngineError>(
            join_all(ours.map(|n| async move {
                let (disconnected, outcome) = remove_network(engine, label, &n).await;
                (outcome, disconnected, n)
            }))
            .await,
        )
    };
    let volumes = async {
        let all = engine.list_volumes(label).await?;
        Ok::<_, EngineError>(
            join_all(all.into_iter().map(|v| async move {
                let outcome = engine.remove_volume(&v.name).await;
                (outcome, v.name)
            }))
            .await,
        )
    };
    let (networks, volumes) = join(networks, volumes).await;
    match networks {
        Ok(all) => {
            for (outcome, disconnected, mut network) in all {
                network.containers.retain(|holder| disconnected.iter().all(|gone| gone.container != *holder));
                swept.outcome(Sort::Network, network.name, outcome, network.containers);
                swept.disconnected.extend(disconnected);
            }
        }
        Err(e) => swept.unseen(Sort::Network, e),
    }
    match volumes {
        Ok(all) => {
            for (outcome, name) in all {
                swept.outcome(Sort::Volume, name, outcome, Vec::new());
            }
        }
        Err(e) => swept.unseen(Sort::Volume, e),
    }
    swept
}

/// Removes a network. Docker does not as long as a container is on it, and one of others, such as a registry, need not go
/// with the cluster: it is taken off. What carries the label goes by itself.
async fn remove_network<E: Engine>(
    engine: &E,
    label: &str,
    network: &NetworkInfo,
) -> (Vec<Connection>, Result<(), EngineError>) {
    let ours = |labels: &Labels| label.split_once('=').is_some_and(|(k, v)| labels.get(k).is_some_and(|own| own == v));
    let mut disconnected = Vec::new();
    for name in &network.containers {
        let disconnecting = async {
            match engine.inspect_container(name).await? {
                Some(other) if !ours(&other.labels) => {
                    engine.disconnect_container(&other.id, &network.id).await.map(|()| true)
                }
                _ => Ok(false),
            }
        };
        match disconnecting.await {
            Ok(true) => disconnected.push(Connection { container: name.clone(), network: network.name.clone() }),
            Ok(false) => {}
            Err(e) => {
                // Of the network's own removal it says nothing otherwise.
                let detail = EngineError { object: name.clone(), ..e.clone() }.to_string();
                return (disconnected, Err(EngineError { detail, ..e }));
            }
        }
    }
    (disconnected, engine.remove_network(&network.id).await)
}

/// After a failed creation: removes what this run made (or keeps it when asked) and says so in the error.
pub async fn after_failure<E: Engine>(
    engine: &E,
    plan: &Plan,
    error: Error,
    retain: bool,
    reporter: &Arc<dyn Reporter>,
) -> Error {
    let cluster = plan.layout.name();
    let delete = format!("`knarr delete cluster {cluster}`");
    if retain {
        return error
            .state("what was made is kept because of `--retain`")
            .hint(format!("look at it with `knarr export logs DIR --name {cluster}`; remove it with {delete}"));
    }
    let steps = Steps::new(Arc::clone(reporter));
    let step = steps.start("removing what this run made");
    let label = names::of_run(&plan.layout.create_id);
    let Ok(swept) = tokio::time::timeout(DEADLINE, clean(engine, &label)).await else {
        drop(step);
        return error
            .state(format!("clean-up did not end within {}", humantime::format_duration(DEADLINE)))
            .hint(format!("remove what is left with {delete}"));
    };
    for note in swept.notes() {
        reporter.event(Event::Note(note));
    }
    if swept.left.is_empty() {
        step.done("removed what this run made");
        return error.state(swept.state());
    }
    drop(step);
    let error = swept.hints().into_iter().fold(error.state(swept.state()), Error::hint);
    error.hint(format!("remove what is left with {delete}"))
}
