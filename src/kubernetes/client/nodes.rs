//! Node objects: what an administrator sets on them, and when they are Ready.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Node;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::{KubeClient, words};
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::{Adoption, Marks, NodeHealth, Progress, kinds, objects};

impl KubeClient {
    pub(super) async fn adopt_as_they_register(
        &self,
        adoptions: &[Adoption],
        registered: Progress<'_>,
        progress: Progress<'_>,
    ) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let mut waiting: BTreeMap<&str, &Adoption> = adoptions.iter().map(|a| (a.node.as_str(), a)).collect();
        let mut seen = Vec::new();
        // A second watch would cost a connection's round trip; Nodes are patched as they are seen.
        let (found, mut names) = tokio::sync::mpsc::unbounded_channel();
        let watching = self.watch(nodes.clone(), watcher::Config::default(), progress, |node| {
            // A closed channel means that the adopting side is done.
            found.send(node.name_any()).is_err()
        });
        let adopting = async {
            while !waiting.is_empty() {
                let missing: Vec<&str> = waiting.keys().copied().collect();
                progress(&format!("waiting for {} to register", missing.join(", ")));
                let Some(name) = names.recv().await else { break };
                let Some(adoption) = waiting.remove(name.as_str()) else { continue };
                registered(&name);
                seen.push(name);
                let body = json!({
                    "metadata": {"labels": adoption.labels},
                    "spec": {"podCIDR": adoption.pod_cidr, "podCIDRs": [adoption.pod_cidr]},
                });
                self.insist(&format!("label node {}", adoption.node), progress, || {
                    let (nodes, body) = (&nodes, &body);
                    async move { nodes.patch(&adoption.node, &PatchParams::default(), &Patch::Strategic(body)).await }
                })
                .await?;
            }
            Ok(())
        };
        tokio::select! {
            result = adopting => result,
            () = watching => Ok(()),
        }
    }

    pub(super) async fn mark(&self, node: &str, marks: &Marks, progress: Progress<'_>) -> Result<()> {
        let nodes = self.api(&kinds::NODE, None);
        let what = format!("mark node {node}");
        let marked = self.insist(&what, progress, || async {
            let Some(found) = nodes.get_opt(node).await? else { return Ok(None) };
            let before = objects::taints(&json!({"spec": found.data["spec"]}));
            // With the version that was read: taints are a list, and Kubernetes itself changes it too.
            let body = json!({
                "metadata": {"resourceVersion": found.resource_version(), "labels": marks.labels},
                "spec": {"taints": marks.taints_after(&before)},
            });
            nodes.patch(node, &PatchParams::default(), &Patch::Merge(&body)).await.map(Some)
        });
        if marked.await?.is_some() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::NotFound, format!("there is no Node `{node}`"))
            .cause("somebody deleted it; its kubelet registers it when it starts")
            .hint(format!("let it start again with `docker restart {node}`")))
    }

    pub(super) async fn await_ready(&self, names: &[String], progress: Progress<'_>) -> Result<()> {
        let mut waiting: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        self.watch(Api::<Node>::all(self.client.clone()), watcher::Config::default(), progress, |node| {
            let name = node.name_any();
            match ready_reason(node) {
                Ok(()) => {
                    waiting.remove(name.as_str());
                }
                Err(why) if names.contains(&name) => progress(&format!("node {name}: {why}")),
                Err(_) => {}
            }
            waiting.is_empty()
        })
        .await;
        Ok(())
    }

    pub(super) async fn list_nodes(&self) -> Result<Vec<NodeHealth>> {
        let list = Api::<Node>::all(self.client.clone())
            .list(&ListParams::default())
            .await
            .map_err(|e| Error::failed("cannot list the Nodes").cause(words(&e)))?;
        Ok(list
            .items
            .iter()
            .map(|node| {
                let ready = ready_reason(node);
                NodeHealth {
                    name: node.name_any(),
                    ready: ready.is_ok(),
                    reason: ready.err(),
                    version: node
                        .status
                        .as_ref()
                        .and_then(|s| s.node_info.as_ref())
                        .map(|i| i.kubelet_version.clone())
                        .unwrap_or_default(),
                }
            })
            .collect())
    }
}

fn ready_reason(node: &Node) -> std::result::Result<(), String> {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    let ready = conditions.into_iter().flatten().find(|c| c.type_ == "Ready");
    match ready {
        Some(c) if c.status == "True" => Ok(()),
        Some(c) => Err(c.message.clone().unwrap_or_else(|| "not Ready".into())),
        None => Err("has not reported yet".into()),
    }
}
