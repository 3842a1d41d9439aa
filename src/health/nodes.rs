//! What the nodes' agents say: one stream per node, no polling, and the moment from which waiting is hopeless.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use knarr_contract::{ComponentState, ComponentStatus, NodeStatus, Phase};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::{ContainerState, Engine, ExecOutput, ExecSpec};
use crate::error::{Error, ErrorKind};

/// A component that exits this often within a minute will not come up by itself.
const HOPELESS_EXITS: u32 = 3;
/// Between two tries to reach an agent that does not listen yet.
const RETRY: Duration = Duration::from_millis(50);
/// How long the last lines of a log are waited for: they only adorn an error.
const LAST_LINES_PATIENCE: Duration = Duration::from_secs(2);

/// The last word of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeView {
    /// Its agent has not spoken yet.
    Silent,
    /// Its agent's last status; of the exits, only what died while it was listened to counts as recent.
    Speaking(NodeStatus),
    /// Its container does not run.
    Gone {
        /// What became of it: `exited with status 1`.
        how: String,
        /// The last lines it printed.
        last_lines: Vec<String>,
    },
}

/// The last words of all nodes, by name.
pub type Observed = BTreeMap<String, NodeView>;

/// Listens to the agents of some nodes until it is dropped.
pub struct NodeWatch<E> {
    engine: Arc<E>,
    observed: watch::Sender<Observed>,
    listeners: std::sync::Mutex<BTreeMap<String, AbortOnDropHandle<()>>>,
}

impl<E: Engine> NodeWatch<E> {
    /// Listens to nobody yet.
    pub fn new(engine: Arc<E>) -> Self {
        Self { engine, observed: watch::Sender::new(Observed::new()), listeners: std::sync::Mutex::default() }
    }

    /// Begins to listen to a node whose container was started.
    pub fn add(&self, node: &str) {
        self.observed.send_modify(|all| {
            all.insert(node.to_owned(), NodeView::Silent);
        });
        let (engine, observed, node) = (Arc::clone(&self.engine), self.observed.clone(), node.to_owned());
        if let Ok(mut listeners) = self.listeners.lock() {
            let name = node.clone();
            let listener = tokio::spawn(async move { listen(&*engine, &observed, &node).await });
            listeners.insert(name, AbortOnDropHandle::new(listener));
        }
    }

    /// Listens no longer to a node that is removed on purpose: its end is no misfortune.
    pub fn forget(&self, node: &str) {
        if let Ok(mut listeners) = self.listeners.lock() {
            listeners.remove(node);
        }
        self.observed.send_modify(|all| {
            all.remove(node);
        });
    }

    /// What was heard last.
    pub fn observed(&self) -> Observed {
        self.observed.borrow().clone()
    }

    /// Waits until a component of any of these nodes is ready.
    pub async fn component_ready(&self, nodes: &[&str], component: &str) {
        let mut changes = self.observed.subscribe();
        let ready = |view: &NodeView| match view {
            NodeView::Speaking(status) => status.components.iter().any(|c| c.name == component && c.ready),
            _ => false,
        };
        // The sender lives as long as `self`, so this cannot fail.
        let _ = changes.wait_for(|all| nodes.iter().filter_map(|node| all.get(*node)).any(ready)).await;
    }

    /// Whether all of these components of a node were ready when they were heard last.
    pub fn serves(&self, node: &str, components: &[&str]) -> bool {
        match self.observed.borrow().get(node) {
            Some(NodeView::Speaking(status)) => {
                components.iter().all(|name| status.components.iter().any(|c| c.name == *name && c.ready))
            }
            _ => false,
        }
    }

    /// Waits until a component of a node runs, ready or not.
    pub async fn component_started(&self, node: &str, component: &str) {
        let mut changes = self.observed.subscribe();
        let runs = |c: &ComponentStatus| c.name == component && c.state == ComponentState::Running;
        // The sender lives as long as `self`, so this cannot fail.
        let _ = changes
            .wait_for(|all| match all.get(node) {
                Some(NodeView::Speaking(status)) => status.components.iter().any(runs),
                _ => false,
            })
            .await;
    }

    /// Waits until each of these has prepared its container: among others, it passes on the ports that it should.
    pub async fn prepared(&self, nodes: &[&str]) {
        let mut changes = self.observed.subscribe();
        let prepared = |view: &NodeView| matches!(view, NodeView::Speaking(status) if status.phase == Phase::Running);
        // The sender lives as long as `self`, so this cannot fail.
        let _ = changes.wait_for(|all| nodes.iter().all(|node| all.get(*node).is_some_and(prepared))).await;
    }

    /// Waits until every component of every node is ready; `progress` hears which is not yet, and what it waits for.
    pub async fn all_ready(&self, progress: &(dyn Fn(&str) + Send + Sync)) {
        let mut changes = self.observed.subscribe();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = changes
            .wait_for(|all| {
                let silent = all.values().any(|view| !matches!(view, NodeView::Speaking(_)));
                match first_unready(all) {
                    Some((node, c)) => {
                        let what = c.waiting_for.as_deref().unwrap_or("not ready yet");
                        progress(&format!("{} on {node}: {what}", c.name));
                        false
                    }
                    None => !silent,
                }
            })
            .await;
    }

    /// Waits until each of these components is ready in another process than this one.
    pub async fn replaced(&self, node: &str, old: &[(String, u32)], progress: &(dyn Fn(&str) + Send + Sync)) {
        let mut changes = self.observed.subscribe();
        let is_new = |c: &ComponentStatus, pid: u32| c.ready && c.pid.is_some_and(|now| now != pid);
        // The sender lives as long as `self`, so this cannot fail.
        let _ = changes
            .wait_for(|all| {
                let Some(NodeView::Speaking(status)) = all.get(node) else { return false };
                let open = old.iter().find(|(name, pid)| {
                    status.components.iter().find(|c| c.name == *name).is_some_and(|c| !is_new(c, *pid))
                });
                if let Some((name, _)) = open {
                    progress(&format!("{name} on {node} to serve again"));
                }
                open.is_none()
            })
            .await;
    }

    /// Waits until further waiting is hopeless, and says why, with the last lines of what died.
    pub async fn doom(&self) -> Error {
        let mut changes = self.observed.subscribe();
        loop {
            let verdict = changes.borrow_and_update().iter().find_map(|(node, view)| match view {
                NodeView::Gone { how, last_lines } => Some(gone(node, how, last_lines)),
                NodeView::Speaking(status) => status
                    .components
                    .iter()
                    .find(|c| !c.ready && c.recent_exits >= HOPELESS_EXITS)
                    .map(|c| (node.clone(), Some(c.clone()), died(node, c))),
                NodeView::Silent => None,
            });
            if let Some((node, component, error)) = verdict {
                return match component {
                    Some(c) => error.evidence(self.last_lines(&node, &c.name).await),
                    None => error,
                };
            }
            if changes.changed().await.is_err() {
                return Error::new(ErrorKind::Bug, "the watch on the nodes ended");
            }
        }
    }

    /// The last ten lines of a component's log; empty when they cannot be had.
    pub async fn last_lines(&self, node: &str, component: &str) -> Vec<String> {
        let file = format!("{}/{component}.log", knarr_contract::LOG_DIR);
        let tail = ExecSpec::new(["tail", "-n", "10", file.as_str()]);
        match tokio::time::timeout(LAST_LINES_PATIENCE, self.engine.exec(node, &tail)).await {
            Ok(Ok(outcome)) if outcome.status == 0 => {
                String::from_utf8_lossy(&outcome.stdout).lines().map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The first component of a node that is not ready, in the order of its node file, with what it waits for.
    pub fn first_unready(&self) -> Option<(String, ComponentStatus)> {
        first_unready(&self.observed.borrow()).map(|(node, component)| (node.to_owned(), component.clone()))
    }
}

fn first_unready(all: &Observed) -> Option<(&str, &ComponentStatus)> {
    all.iter().find_map(|(node, view)| match view {
        NodeView::Speaking(status) => status.components.iter().find(|c| !c.ready).map(|c| (node.as_str(), c)),
        _ => None,
    })
}

fn gone(node: &str, how: &str, last_lines: &[String]) -> (String, Option<ComponentStatus>, Error) {
    let error = Error::failed(format!("node `{node}` does not run")).cause(how).evidence(last_lines.to_vec());
    (node.to_owned(), None, error)
}

fn died(node: &str, component: &ComponentStatus) -> Error {
    let last = component.last_exit.as_deref().unwrap_or("unknown");
    Error::failed(format!("`{}` on `{node}` dies again and again", component.name))
        .cause(format!("it exited {} times within a minute, last with {last}", component.recent_exits))
}

/// How often each component had exited when it was first heard of, by name.
type Exits = BTreeMap<String, u32>;

/// Leaves out of the recent exits what died before anybody listened: a node that ran already may have had a full disk
/// a moment ago, and whoever makes room for it and waits again is not told of the past.
fn leave_out_history(history: &mut Exits, status: &mut NodeStatus) {
    for component in &mut status.components {
        let ended = component.pid.is_none() && component.started_ms.is_some();
        let exits = component.restarts + u32::from(ended);
        let before = history.entry(component.name.clone()).or_insert(exits);
        // A container that was started again, or a component that was changed, begins to count anew.
        *before = exits.min(*before);
        component.recent_exits = component.recent_exits.min(exits - *before);
    }
}

/// Passes on what one node's agent says, for as long as its container runs.
async fn listen<E: Engine>(engine: &E, observed: &watch::Sender<Observed>, node: &str) {
    let say = |view: NodeView| {
        observed.send_modify(|all| {
            all.insert(node.to_owned(), view);
        });
    };
    let mut history = Exits::new();
    let mut status = ExecSpec::new(["knarr-node", "status", "--watch", "-o", "json"]);
    // An open stdin is how the agent learns that its listener went away.
    status.attach_stdin = true;
    loop {
        if let Ok(mut exec) = engine.exec_attached(node, &status).await {
            let mut pending = Vec::new();
            while let Some(Ok(piece)) = exec.output.next().await {
                let ExecOutput::Stdout(bytes) = piece else { continue };
                pending.extend_from_slice(&bytes);
                while let Some(end) = pending.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = pending.drain(..=end).collect();
                    if let Ok(mut status) = serde_json::from_slice::<NodeStatus>(&line) {
                        leave_out_history(&mut history, &mut status);
                        say(NodeView::Speaking(status));
                    }
                }
            }
        }
        // The stream ended: either the agent does not listen yet, or the container is gone.
        match engine.inspect_container(node).await {
            Ok(Some(c))
                if matches!(c.state, ContainerState::Exited | ContainerState::Dead | ContainerState::Restarting) =>
            {
                let how = match (c.oom_killed, c.exit_code) {
                    (true, _) => "its container was killed for want of memory".to_owned(),
                    (false, Some(code)) => format!("its container is {} with status {code}", c.state),
                    (false, None) => format!("its container is {}", c.state),
                };
                let last_lines = engine.container_logs(node, 10).await.unwrap_or_default();
                say(NodeView::Gone { how, last_lines });
            }
            Ok(None) => say(NodeView::Gone { how: "its container was removed".into(), last_lines: Vec::new() }),
            _ => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of six recent exits, status by status, where etcd has been started again this often and now runs or not.
    fn counted(said: &[(u32, bool)]) -> Vec<u32> {
        let mut history = Exits::new();
        let count = |&(restarts, runs): &(u32, bool)| {
            let etcd = ComponentStatus {
                name: "etcd".into(),
                state: if runs { ComponentState::Running } else { ComponentState::BackOff },
                ready: false,
                pid: runs.then_some(42),
                restarts,
                recent_exits: 6,
                started_ms: Some(10),
                ready_ms: None,
                last_exit: Some("exit status 1".into()),
                waiting_for: None,
            };
            let (node, phase) = ("dev-control-plane".into(), Phase::Running);
            let mut status = NodeStatus { node, phase, adaptations: Vec::new(), components: vec![etcd] };
            leave_out_history(&mut history, &mut status);
            status.components[0].recent_exits
        };
        said.iter().map(count).collect()
    }

    #[test]
    fn only_what_dies_while_somebody_listens_counts() {
        assert_eq!(counted(&[(9, true), (9, false), (10, true), (10, false), (11, true)]), [0, 1, 1, 2, 2]);
        assert_eq!(counted(&[(9, false), (10, true), (10, false)]), [0, 0, 1], "it was between two lives");
        assert_eq!(counted(&[(9, true), (0, true), (0, false), (1, false)]), [0, 0, 1, 2], "its container began anew");
    }
}
