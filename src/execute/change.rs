//! The steps that change a node which is there, and the waits that only a living cluster needs.

use futures::StreamExt;
use futures::future::try_join_all;
use knarr_contract::NodeStatus;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::failure::Failure;
use super::{Progress, RETRY, Run, pack};
use crate::engine::{ContainerState, Engine, ExecOutput, ExecSpec, Labels, op};
use crate::error::{Error, Result};
use crate::kubernetes::{Selection, kinds, objects};
use crate::node::paths::{ADMIN_CONF, CLUSTER_FILE, program};
use crate::node::render::FileSpec;
use crate::plan::{Action, Change, Through, names};

/// How long Docker waits before it kills a node that was asked to stop: far more than the five seconds that it takes.
const STOP_GRACE_SECONDS: u32 = 30;
/// How often pods are asked to leave a node of a cluster that has just lost a member.
const DRAINS: u32 = 10;
/// They have no certificate, and ending them would only disturb pods and connections.
const WITHOUT_CERTIFICATES: [&str; 2] = ["containerd", "haproxy"];

impl<E: Engine> Run<'_, E> {
    pub(super) async fn change(
        &self,
        change: &Change,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> std::result::Result<(), Failure> {
        let (node, engine) = (change.node.as_str(), &self.context.engine);
        self.go_on()?;
        match &change.action {
            Action::Stop => {
                progress(&format!("{node} to end its components"));
                // First, so that whatever comes between the two, Docker does not bring back what is stopped.
                self.call(op::KEEP_CONTAINER, node, engine.keep_container(node, false)).await?;
                self.go_on()?;
                self.call(op::STOP_CONTAINER, node, engine.stop_container(node, STOP_GRACE_SECONDS)).await
            }
            Action::Start => {
                self.call(op::KEEP_CONTAINER, node, engine.keep_container(node, true)).await?;
                self.go_on()?;
                self.call(op::START_CONTAINER, node, engine.start_container(node)).await?;
                self.timings.mark(super::timings::CONTAINERS_STARTED);
                Ok(())
            }
            Action::Keep => self.call(op::KEEP_CONTAINER, node, engine.keep_container(node, true)).await,
            Action::Pause => self.call(op::PAUSE_CONTAINER, node, engine.pause_container(node)).await,
            Action::Unpause => self.call(op::UNPAUSE_CONTAINER, node, engine.unpause_container(node)).await,
            Action::PutFiles(files) => {
                let tar = pack(files, self.pki()?)?;
                self.call(op::PUT_ARCHIVE, node, engine.put_archive(node, "/", tar)).await
            }
            Action::RestartComponents => self.restart_components(node, progress).await,
            Action::Adapt(files) => self.adapt(node, files, progress).await,
            Action::Discard { data } => self.discard(node, *data).await,
            Action::SetAside => {
                let name = names::aside(node);
                self.call(op::RENAME_CONTAINER, node, engine.rename_container(node, &name)).await
            }
            Action::TidyEtcd(through) => self.tidy_etcd(through, progress).await,
            Action::JoinEtcd(through) => self.join_etcd(node, through, progress).await,
            Action::PromoteEtcd(through) => self.promote_etcd(node, through, progress).await,
            Action::LeaveEtcd(through) => self.leave_etcd(node, through, progress).await,
            Action::Drain { through, force } => self.drain(node, through, *force, progress).await,
            Action::Forget => Ok(self.bounded(self.forget(node, progress)).await?),
            Action::Mark(marks) => {
                let marking = async { self.kubernetes()?.mark_node(node, marks, progress).await };
                Ok(self.bounded(marking).await?)
            }
        }
    }

    /// Ends the processes by a signal, as if they had ended themselves: `knarr-node` starts each again at once.
    async fn restart_components(
        &self,
        node: &str,
        progress: &(dyn Fn(&str) + Send + Sync),
    ) -> std::result::Result<(), Failure> {
        let engine = &self.context.engine;
        let status = ExecSpec::new(["knarr-node", "status", "-o", "json"]);
        let told = self.call(op::EXEC, node, engine.exec(node, &status)).await?;
        let status: NodeStatus = serde_json::from_slice(&told.stdout)
            .map_err(|e| Error::failed(format!("the agent of `{node}` does not answer")).cause(e))?;
        let old: Vec<(String, u32)> = status
            .components
            .into_iter()
            .filter(|c| !WITHOUT_CERTIFICATES.contains(&c.name.as_str()))
            .filter_map(|c| Some((c.name, c.pid?)))
            .collect();
        let pids = old.iter().map(|(_, pid)| pid.to_string());
        let kill =
            ExecSpec::new(["sh".to_owned(), "-c".into(), "kill \"$@\"".into(), "sh".into()].into_iter().chain(pids));
        self.go_on()?;
        self.call(op::EXEC, node, engine.exec(node, &kill)).await?;
        self.listen_to(node);
        let back = async {
            self.watch.replaced(node, &old, progress).await;
            Ok(())
        };
        Ok(self.bounded(back).await?)
    }

    /// Gives a node changed files. One that runs reads them and goes on with what they say; one that does not will find
    /// them when it starts.
    async fn adapt(&self, node: &str, files: &[FileSpec], progress: Progress<'_>) -> std::result::Result<(), Failure> {
        // What says that the node knows the new layout comes last: until then it is one that was not told.
        let (mark, rest): (Vec<FileSpec>, Vec<FileSpec>) =
            files.iter().cloned().partition(|file| file.path == CLUSTER_FILE);
        self.put(node, &rest).await?;
        let container = self.context.engine.inspect_container(node).await.map_err(Error::from)?;
        if container.is_some_and(|c| c.state == ContainerState::Running) {
            progress(&format!("{node} to read its changed files"));
            self.reload(node).await?;
        }
        self.put(node, &mark).await
    }

    async fn put(&self, node: &str, files: &[FileSpec]) -> std::result::Result<(), Failure> {
        if files.is_empty() {
            return Ok(());
        }
        self.go_on()?;
        let tar = pack(files, self.pki()?)?;
        self.call(op::PUT_ARCHIVE, node, self.context.engine.put_archive(node, "/", tar)).await
    }

    async fn reload(&self, node: &str) -> std::result::Result<(), Failure> {
        self.go_on()?;
        let reload = ExecSpec::new(["knarr-node", "reload"]);
        let told = self.call(op::EXEC, node, self.context.engine.exec(node, &reload)).await?;
        if told.status == 0 {
            return Ok(());
        }
        let why = String::from_utf8_lossy(&told.stderr).trim().to_owned();
        Err(Error::failed(format!("`{node}` does not accept its changed files")).cause(why).into())
    }

    async fn discard(&self, node: &str, data: bool) -> std::result::Result<(), Failure> {
        let (engine, layout) = (&self.context.engine, &self.plan.layout);
        let ours = |labels: &Labels| labels.get(names::CREATE_ID) == Some(&layout.create_id);
        self.watch.forget(node);
        if let Some(container) = engine.inspect_container(node).await.map_err(Error::from)? {
            if !ours(&container.labels) {
                return Err(foreign("container", node, layout.name()).into());
            }
            self.call(op::REMOVE_CONTAINER, node, engine.remove_container(&container.id)).await?;
        }
        let volume = names::volume(node);
        let volumes = if data { engine.list_volumes(&names::of_cluster(layout.name())).await } else { Ok(Vec::new()) };
        match volumes.map_err(Error::from)?.into_iter().find(|found| found.name == volume) {
            Some(found) if ours(&found.labels) => {
                self.go_on()?;
                self.call(op::REMOVE_VOLUME, &volume, engine.remove_volume(&volume)).await
            }
            Some(_) => Err(foreign("volume", &volume, layout.name()).into()),
            None => Ok(()),
        }
    }

    /// Moves the pods of a node elsewhere with kubectl, which knows what may be evicted and what must not.
    async fn drain(
        &self,
        node: &str,
        through: &Through,
        force: bool,
        progress: Progress<'_>,
    ) -> std::result::Result<(), Failure> {
        let mut tries = 0;
        let draining = async {
            loop {
                let rest = self.deadline.saturating_duration_since(tokio::time::Instant::now()).as_secs().max(1);
                let mut words = vec![program("kubectl"), format!("--kubeconfig={ADMIN_CONF}"), "drain".into()];
                words.extend([node.into(), "--ignore-daemonsets".into(), "--delete-emptydir-data".into()]);
                words.push(format!("--timeout={rest}s"));
                words.extend(force.then(|| "--force".to_owned()));
                let exec = ExecSpec::new(words);
                let Err(complaints) = self.drained_by(&exec, node, through, progress).await? else { return Ok(()) };
                tries += 1;
                let passing = complaints.lines().find(|line| passes(line)).filter(|_| tries < DRAINS);
                let Some(passing) = passing else {
                    return Err(not_drained(self.plan.layout.name(), node, &complaints));
                };
                progress(&format!("{node}: {passing}"));
                tokio::time::sleep(RETRY * 20).await;
            }
        };
        Ok(self.bounded(draining).await?)
    }

    /// One run of `kubectl drain`; the inner error is what it complained of.
    async fn drained_by(
        &self,
        drain: &ExecSpec,
        node: &str,
        through: &Through,
        progress: Progress<'_>,
    ) -> Result<std::result::Result<(), String>> {
        let mut exec = self.context.engine.exec_attached(through.as_str(), drain).await?;
        let mut complaints = String::new();
        while let Some(piece) = exec.output.next().await {
            match piece? {
                ExecOutput::Stdout(bytes) => {
                    String::from_utf8_lossy(&bytes).lines().for_each(|line| progress(&format!("{node}: {line}")));
                }
                ExecOutput::Stderr(bytes) => complaints.push_str(&String::from_utf8_lossy(&bytes)),
            }
        }
        let status = self.context.engine.exec_status(&exec.id).await?;
        Ok(if status == 0 { Ok(()) } else { Err(complaints) })
    }

    /// Deletes the Node object and the volumes that lay on it; asks again while the balancer still finds out that a
    /// control plane is gone.
    async fn forget(&self, node: &str, progress: Progress<'_>) -> Result<()> {
        while let Err(e) = self.try_to_forget(node).await {
            progress(e.causes.last().unwrap_or(&e.message));
            tokio::time::sleep(RETRY).await;
        }
        Ok(())
    }

    async fn try_to_forget(&self, node: &str) -> Result<()> {
        let kubernetes = self.kubernetes()?;
        let volumes = kubernetes.list(&kinds::VOLUME, Selection::default()).await?;
        let mut gone: Vec<Value> = volumes.into_iter().filter(|volume| objects::lies_on(volume, node)).collect();
        gone.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
        kubernetes.delete(&gone).await
    }

    /// Listens to every node of the cluster that is there and not heard yet.
    pub(super) fn listen_to_all(&self) {
        let unborn = self.unborn.lock().map(|unborn| unborn.clone()).unwrap_or_default();
        for node in self.plan.present().filter(|node| !unborn.contains(node.spec.name.as_str())) {
            self.listen_to(node.spec.name.as_str());
        }
    }

    pub(super) fn listen_to(&self, node: &str) {
        if !self.watch.observed().contains_key(node) {
            self.watch.add(node);
        }
    }

    /// Waits until every Node has said that it is Ready since its container was started.
    pub(super) async fn nodes_back(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
        let nodes = self.plan.present().map(|node| async {
            let name = node.spec.name.as_str();
            let container = self.context.engine.inspect_container(name).await?;
            let started = container.map_or(0, |c| c.started);
            let field = format!("metadata.name={name}");
            let selection = Selection { fields: &field, ..Selection::default() };
            let mut back = |object: &Value| object["metadata"]["name"] == name && is_back(object, started);
            progress(&format!("Node {name}"));
            self.kubernetes()?.watch_until(&kinds::NODE, selection, &mut back, progress).await
        });
        try_join_all(nodes).await.map(drop)
    }
}

fn foreign(what: &str, name: &str, cluster: &str) -> Error {
    Error::failed(format!("{what} `{name}` does not belong to cluster `{cluster}`"))
        .state("it was not touched")
        .hint(format!("look at it with `docker {what} inspect {name}`"))
}

/// Whether kubectl met a cluster that has just lost a member, and not a pod that cannot be moved.
fn passes(complaint: &str) -> bool {
    // The webhook that an eviction meets is the user's, and does not mend itself.
    if complaint.contains("failed calling webhook") {
        return false;
    }
    ["etcdserver: ", "TLS handshake timeout", "connection refused", "was refused", "connection reset", "unexpected EOF"]
        .iter()
        .any(|sign| complaint.contains(sign))
}

fn not_drained(cluster: &str, node: &str, complaints: &str) -> Error {
    let lines = complaints.lines().filter(|line| !line.starts_with("Warning: ignoring"));
    Error::failed(format!("the pods of node `{node}` cannot be moved elsewhere"))
        .evidence(lines)
        .state(format!("`{node}` is cordoned; nothing was removed"))
        .hint(format!("let it take pods again with `knarr kubectl --name {cluster} uncordon {node}`"))
        .hint("or give up pods that nobody makes anew with `--force`")
}

/// Whether the Ready condition is true and was reported after `started`, in seconds since 1970. Both are whole seconds,
/// and a kubelet can be back within the one in which its node was started; it cannot also have reported, stopped and
/// been started in it.
fn is_back(node: &Value, started: i64) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.into_iter().flatten().filter(|c| c["type"] == "Ready" && c["status"] == "True").any(|c| {
        let heard = c["lastHeartbeatTime"].as_str().and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        heard.is_some_and(|heard| heard.unix_timestamp() >= started)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_node_said_before_its_start_does_not_count() {
        let node = |status: &str, time: &str| {
            json!({"status": {"conditions": [
                {"type": "MemoryPressure", "status": "True", "lastHeartbeatTime": "2030-01-01T00:00:00Z"},
                {"type": "Ready", "status": status, "lastHeartbeatTime": time},
            ]}})
        };
        let started = 1_795_435_200;
        assert!(is_back(&node("True", "2026-11-23T12:00:03Z"), started));
        assert!(is_back(&node("True", "2026-11-23T12:00:00Z"), started), "a kubelet is quick");
        assert!(!is_back(&node("True", "2026-11-23T11:59:59Z"), started));
        assert!(!is_back(&node("False", "2026-11-23T12:00:03Z"), started));
        assert!(!is_back(&node("True", "soon"), started));
        assert!(!is_back(&json!({}), started));
    }
}
