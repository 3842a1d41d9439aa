//! Clusters and nodes as a table or as JSON.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Session, table};
use crate::cli::args::OneCluster;
use crate::cluster::{self, Cluster, role};
use crate::engine::{ContainerInfo, Engine};
use crate::error::Result;
use crate::plan::names;

/// Runs `knarr get clusters`: a table for people; one name a line for scripts, as kind's users know it; or JSON.
pub async fn clusters(session: &Session<impl Engine>) -> Result<()> {
    let engine = session.engine().await?;
    let clusters = cluster::list(&*engine).await?;
    if session.json() {
        let list: Vec<Value> = clusters
            .iter()
            .map(|c| {
                json!({
                    "name": c.name,
                    "state": c.state(),
                    "expires": c.expires.map(names::stamp),
                    "owner": c.owner,
                    "nodes": c.nodes.iter().map(node_json).collect::<Vec<_>>(),
                })
            })
            .collect();
        return session.print_json(&list);
    }
    if clusters.is_empty() {
        session.note("no cluster exists; create one with `knarr create cluster`");
        return Ok(());
    }
    if session.environment.stdout_terminal {
        let now = OffsetDateTime::now_utc();
        let mut rows = vec![["NAME", "STATE", "NODES", "TIME LEFT"].map(String::from).to_vec()];
        rows.extend(clusters.iter().map(|c| {
            let left = c.time_left(now).unwrap_or_default();
            vec![c.name.clone(), c.state().to_string(), c.nodes.len().to_string(), left]
        }));
        return session.print(&table(&rows));
    }
    session.print(&clusters.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join("\n"))
}

/// Runs `knarr get nodes`.
pub async fn nodes(session: &Session<impl Engine>, one: &OneCluster, all: bool) -> Result<()> {
    let engine = session.engine().await?;
    let clusters = if all {
        cluster::list(&*engine).await?
    } else {
        vec![cluster::find(&*engine, &session.cluster(one.name.as_deref())?).await?]
    };
    if session.json() {
        let list: Vec<Value> = clusters.iter().flat_map(|c| c.nodes.iter().map(node_json)).collect();
        return session.print_json(&list);
    }
    let mut rows = vec![["NAME", "ROLE", "STATE", "ADDRESS", "CLUSTER"].map(String::from).to_vec()];
    rows.extend(clusters.iter().flat_map(|c| c.nodes.iter().map(move |n| row(c, n))));
    if rows.len() == 1 {
        session.note("no node exists");
        return Ok(());
    }
    session.print(&table(&rows))
}

fn row(cluster: &Cluster, node: &ContainerInfo) -> Vec<String> {
    vec![
        node.name.clone(),
        role(node).map_or("?", knarr_contract::Role::as_str).to_owned(),
        node.state.to_string(),
        node.addresses.values().next().map(ToString::to_string).unwrap_or_default(),
        cluster.name.clone(),
    ]
}

fn node_json(node: &ContainerInfo) -> Value {
    json!({
        "name": node.name,
        "role": role(node).map(knarr_contract::Role::as_str),
        "state": node.state.to_string(),
        "image": node.image,
        "addresses": node.addresses.values().collect::<Vec<_>>(),
    })
}
