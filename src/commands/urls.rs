//! Where Services and Ingresses are reached from this machine.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;

use super::{Session, table};
use crate::cli::args::InCluster;
use crate::cluster::{self, Cluster};
use crate::engine::{ContainerState, Engine};
use crate::error::Result;
use crate::kubernetes::kinds::{INGRESS, SERVICE};
use crate::kubernetes::{Kubernetes, Selection};
use crate::plan::container::reachable;
use crate::urls::{Entry, View, of_ingress, of_service};

/// Runs `knarr get urls`.
pub async fn run(session: &Session<impl Engine>, args: &InCluster) -> Result<()> {
    let found = Found::look(session, &session.cluster(args.name.as_deref())?).await?;
    print(session, &found.entries(args.namespace.as_deref()))
}

/// A cluster's Services and Ingresses, and how this machine sees them.
pub struct Found {
    /// The API server.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// How this machine sees the cluster.
    pub view: View,
    /// All Services.
    pub services: Vec<Value>,
    ingresses: Vec<Value>,
}

impl Found {
    /// Looks at a cluster.
    pub async fn look<E: Engine>(session: &Session<E>, name: &str) -> Result<Self> {
        let engine = session.engine().await?;
        let cluster = cluster::find(&*engine, name).await?;
        let access = cluster::access(&*engine, &cluster).await?;
        let kubernetes = session.outside.kubernetes.connect(&access)?;
        let view = view(&cluster, (session.outside.host)().runs_docker(&engine.info().await?));
        let all = Selection::default();
        let (services, ingresses) =
            futures::future::try_join(kubernetes.list(&SERVICE, all), kubernetes.list(&INGRESS, all))
                .await
                .map_err(|e| e.hint(format!("see what is wrong with `knarr status {name}`")))?;
        Ok(Self { kubernetes, view, services, ingresses })
    }

    /// Everything of one namespace, or of all, that has an address.
    pub fn entries(&self, namespace: Option<&str>) -> Vec<Entry> {
        let services = self.services.iter().filter_map(|service| of_service(&self.view, service));
        let ingresses = self.ingresses.iter().map(|ingress| of_ingress(&self.view, ingress));
        let mut all: Vec<Entry> =
            services.chain(ingresses).filter(|entry| namespace.is_none_or(|n| entry.namespace == n)).collect();
        all.sort_by(|a, b| (&a.namespace, a.kind, &a.name).cmp(&(&b.namespace, b.kind, &b.name)));
        all
    }
}

/// Prints entries as a table, one line for each way; or as JSON.
pub fn print(session: &Session<impl Engine>, entries: &[Entry]) -> Result<()> {
    if session.json() {
        return session.print_json(&entries);
    }
    if entries.is_empty() {
        session.note(
            "nothing has an address outside of the cluster: no Service of type LoadBalancer or NodePort, no Ingress",
        );
        return Ok(());
    }
    let mut rows = vec![["NAMESPACE", "KIND", "NAME", "URL"].map(String::from).to_vec()];
    for entry in entries {
        let row = |line| vec![entry.namespace.clone(), entry.kind.to_owned(), entry.name.clone(), line];
        rows.extend(entry.lines().into_iter().map(row));
    }
    session.print(&table(&rows))
}

fn view(cluster: &Cluster, direct: bool) -> View {
    let running = || cluster.nodes.iter().filter(|node| node.state == ContainerState::Running);
    let published = running().flat_map(|node| &node.ports).map(|port| {
        let at = SocketAddr::new(reachable(port.host_address), port.host_port);
        (port.protocol.to_string().to_uppercase(), port.container_port, at)
    });
    let mut published: Vec<_> = published.collect();
    // Docker shows a port that is published on all addresses once for each family.
    published.sort();
    published.dedup();
    let nodes = running().filter_map(|node| node.addresses.values().next().copied()).collect();
    View { direct, nodes, published, tunnels: Vec::new() }
}
