//! The waits of a creation: each milestone, bounded by the deadline, an interrupt, and the moment from which it is hopeless.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{RETRY, Run, timings};
use crate::addons::{self, Site};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::health::straits::etcd_log;
use crate::health::{dns, etcd};
use crate::kubernetes::Kubernetes;
use crate::node::data_folder;
use crate::node::paths::ETCD_DATA;
use crate::node::render;
use crate::plan::layout::{Layout, NodeLayout};
use crate::plan::{Milestone, Verb, names};

impl<E: Engine> Run<'_, E> {
    pub(super) fn kubernetes(&self) -> Result<&Arc<dyn Kubernetes>> {
        if let Some(client) = self.kubernetes.get() {
            return Ok(client);
        }
        let bug = || Error::new(ErrorKind::Bug, "a plan asks the API server as nobody");
        let client = self.context.connector.connect(self.keys.access.as_ref().ok_or_else(bug)?)?;
        Ok(self.kubernetes.get_or_init(|| client))
    }

    /// Runs a wait until it ends, the nodes are beyond hope, the time is up or the run is cancelled.
    pub(super) async fn bounded(&self, wait: impl Future<Output = Result<()>>) -> Result<()> {
        tokio::select! {
            biased;
            () = self.context.cancel.cancelled() => Err(Error::new(ErrorKind::Interrupted, "interrupted")),
            result = wait => result,
            error = self.watch.doom() => Err(self.look_closer(error).await),
            () = tokio::time::sleep_until(self.deadline) => Err(self.too_late().await),
        }
    }

    async fn too_late(&self) -> Error {
        let mut error = self.out_of_time();
        if let Some((node, component)) = self.watch.first_unready() {
            let what = component.waiting_for.as_deref().unwrap_or("to become ready");
            let ended = component.last_exit.map(|how| format!("; it last ended with {how}")).unwrap_or_default();
            error = error.cause(format!("`{}` on `{node}` still waits: {what}{ended}", component.name));
            error = error.evidence(self.watch.last_lines(&node, &component.name).await);
        } else if let Some(last) = self.last_reason.lock().ok().and_then(|l| l.clone()) {
            error = error.cause(format!("the last thing it waited for: {last}"));
        }
        self.look_closer(error).await
    }

    /// What a person can do about nodes that do not come up, unless they are kept anyway.
    async fn look_closer(&self, error: Error) -> Error {
        let cluster = self.plan.layout.name();
        if self.plan.verb != Verb::Create {
            if let Some((node, why)) = self.damaged_etcd().await {
                return damaged(&self.plan.layout, &node, &why, Some(error));
            }
            return error
                .state("what was done so far stays as it is")
                .hint(format!("see what is wrong with `knarr status {cluster}` and `knarr logs --name {cluster}`"))
                .hint(format!("then go on with `{}`", self.plan.command()));
        }
        if self.retain {
            return error;
        }
        error.hint(format!("create it with `--retain` to keep the nodes, and look into `knarr logs --name {cluster}`"))
    }

    /// A control plane that does not serve because its etcd cannot use its data, and etcd's own words.
    async fn damaged_etcd(&self) -> Option<(String, String)> {
        for node in self.plan.present().filter(|node| node.etcd.is_some()) {
            let name = node.spec.name.as_str();
            if self.watch.serves(name, &["etcd", "kube-apiserver"]) {
                continue;
            }
            if let Some(why) = etcd::damage(&etcd_log(&*self.context.engine, name).await) {
                return Some((name.to_owned(), why));
            }
        }
        None
    }

    /// A cluster that was there has data. An etcd that finds none begins anew, and the API server knows nobody.
    async fn has_data(&self) -> Result<()> {
        if !matches!(self.plan.verb, Verb::Start | Verb::Restart) {
            return Ok(());
        }
        // The others may live the life in which they were made, and began with nothing.
        let started = |node: &&NodeLayout| self.plan.starts(node.spec.name.as_str());
        for node in self.plan.present().filter(|node| node.etcd.is_some()).filter(started) {
            let name = node.spec.name.as_str();
            let container = self.context.engine.inspect_container(name).await?;
            let since = container.map_or(i64::MAX, |container| container.started);
            if let Some(folder) = etcd::began_empty(&etcd_log(&*self.context.engine, name).await, since) {
                let why = format!("`{folder}` was not there: etcd has begun anew, without any");
                return Err(damaged(&self.plan.layout, name, &why, None));
            }
        }
        Ok(())
    }

    pub(super) async fn reach(&self, milestone: Milestone, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
        // What ails the nodes is no reason to keep a port closed.
        if milestone != Milestone::PortsOpen {
            self.listen_to_all();
        }
        match milestone {
            Milestone::PortsOpen => {
                let is_helper = |name: &&str| self.plan.layout.node(name).is_none();
                let made = self.plan.nodes().map(|made| made.container.name.as_str());
                self.watch.prepared(&made.filter(is_helper).collect::<Vec<_>>()).await;
                Ok(())
            }
            Milestone::NodesBack => {
                self.nodes_back(progress).await?;
                self.timings.mark(timings::NODES_READY);
                Ok(())
            }
            Milestone::ApiAnswers => self.api_answers(progress).await,
            Milestone::ComponentsReady => {
                self.watch.all_ready(progress).await;
                Ok(())
            }
            Milestone::NodesReady => {
                let names: Vec<String> = self.plan.present().map(|n| n.spec.name.to_string()).collect();
                self.kubernetes()?.nodes_ready(&names, progress).await?;
                self.timings.mark(timings::NODES_READY);
                Ok(())
            }
            Milestone::DefaultServiceAccount => self.kubernetes()?.default_service_account(progress).await,
            Milestone::DnsAnswers => {
                let first_pod = async {
                    let outcome = self.kubernetes()?.first_pod_running(&|_| ()).await;
                    self.timings.mark(timings::FIRST_POD);
                    outcome
                };
                let answers = dns::answers(&*self.context.engine, self.plan, progress);
                futures::future::try_join(first_pod, answers).await?;
                self.timings.mark(timings::DNS);
                Ok(())
            }
        }
    }

    async fn api_answers(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
        // Any of them will do: a cluster goes on without the others.
        let planes: Vec<&str> = self.plan.layout.control_planes().map(|node| node.spec.name.as_str()).collect();
        progress("etcd is starting");
        self.watch.component_ready(&planes, "etcd").await;
        self.timings.mark(timings::ETCD);
        progress("kube-apiserver is starting");
        let serves = async {
            self.watch.component_ready(&planes, "kube-apiserver").await;
            Ok(())
        };
        futures::future::try_join(serves, self.has_data()).await?;
        let kubernetes = self.kubernetes()?;
        while let Err(e) = kubernetes.answers().await {
            progress(e.causes.last().unwrap_or(&e.message));
            tokio::time::sleep(RETRY).await;
        }
        self.timings.mark(timings::API);
        Ok(())
    }

    pub(super) async fn apply_addons(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
        let layout = &self.plan.layout;
        let site = Site { load_balancer_range: layout.load_balancer_range(), now: OffsetDateTime::now_utc() };
        let mut objects = Vec::new();
        for (name, settings) in &layout.spec.addons {
            if let Some(addon) = addons::find(name) {
                objects.extend(addons::render(addon, settings, &site)?);
            }
        }
        addons::apply(&**self.kubernetes()?, objects, progress).await
    }

    pub(super) async fn adopt(&self, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<()> {
        let layout = &self.plan.layout;
        let adoptions: Vec<_> = layout.nodes.iter().map(render::adoption).collect();
        let registered = |_: &str| self.timings.mark(timings::NODE_REGISTERED);
        self.kubernetes()?.adopt_nodes(&adoptions, &registered, progress).await
    }
}

/// The data of one member cannot be used. What is left of it stays where it is, for whoever can do something with it.
fn damaged(layout: &Layout, node: &str, why: &str, found: Option<Error>) -> Error {
    let (cluster, volume) = (layout.name(), names::volume(node));
    let folder = layout.node(node).map_or_else(|| ETCD_DATA.to_owned(), data_folder);
    let error = Error::failed(format!("the data of etcd on `{node}` is damaged")).cause(why);
    let error = found.into_iter().fold(error, |error, found| error.cause(found.message));
    let error = error
        .state(format!("nothing was deleted: what is left lies in volume `{volume}`"))
        .hint(format!("keep a copy of it with `docker cp {node}:{folder} COPY`"));
    if layout.control_planes().count() > 1 {
        error.hint(format!("give it the data of the others with `knarr repair {cluster}`"))
    } else {
        error.hint(format!(
            "put a copy from before in its place and go on with `knarr start {cluster}`, or begin anew with `knarr delete cluster {cluster}` and `knarr create cluster {cluster}`"
        ))
    }
}
