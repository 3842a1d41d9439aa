//! Who holds the host port or the address that a node cannot have, as far as Docker knows.

use std::net::IpAddr;

use crate::cluster::{self, Cluster};
use crate::engine::{ContainerInfo, ContainerState, Engine, EngineErrorKind};
use crate::error::Error;
use crate::execute::Failed;
use crate::plan::names;
use crate::spec::values::Protocol;

/// What the rest of the cluster does meanwhile.
const OTHERS: &str = "nodes that could be started run; nothing is lost";

/// The error of a step that failed, with who holds what it wanted.
pub(super) async fn named<E: Engine>(engine: &E, cluster: &Cluster, failed: Failed) -> Error {
    let Failed { error, taken, .. } = failed;
    let (Some(taken), Ok(all)) = (taken, engine.list_containers("").await) else { return error };
    // What a run has made in the meantime is in it too.
    let now = cluster::find(engine, &cluster.name).await;
    let cluster = now.as_ref().unwrap_or(cluster);
    let own = |name: &str| cluster.containers().any(|node| node.name == name);
    let holds = |c: &&ContainerInfo| matches!(c.state, ContainerState::Running | ContainerState::Paused);
    let others: Vec<&ContainerInfo> = all.iter().filter(holds).filter(|c| !own(&c.name)).collect();
    let asked = cluster.containers().map(|node| engine.inspect_container(&node.name));
    let mine: Vec<ContainerInfo> =
        futures::future::join_all(asked).await.into_iter().filter_map(|c| c.ok().flatten()).collect();
    match taken {
        EngineErrorKind::PortTaken => of_port(error, &mine, &others),
        EngineErrorKind::AddressTaken => of_address(error, &names::network(&cluster.name), &mine, &others),
        _ => error,
    }
}

fn of_port(error: Error, mine: &[ContainerInfo], others: &[&ContainerInfo]) -> Error {
    let idle = mine.iter().filter(|c| c.state != ContainerState::Running);
    let wanted: Vec<(u16, Protocol)> = idle.flat_map(|c| &c.ports).map(|p| (p.host_port, p.protocol)).collect();
    let mut published = others.iter().flat_map(|c| c.ports.iter().map(move |p| (&c.name, (p.host_port, p.protocol))));
    let (error, hints) = if let Some((name, (port, _))) = published.find(|(_, port)| wanted.contains(port)) {
        let hint = format!("stop that container with `docker stop {name}`");
        (error.cause(format!("container `{name}` publishes port {port}")), vec![hint])
    } else {
        let ports: Vec<String> = wanted.iter().map(|(port, _)| port.to_string()).collect();
        let look = |(port, protocol): &(u16, Protocol)| {
            let sort = if *protocol == Protocol::Udp { 'u' } else { 't' };
            format!("see which process has it with `ss -l{sort}np 'sport = :{port}'`")
        };
        let cause = format!("no container has it; the host ports of what does not run: {}", ports.join(", "));
        (error.cause(cause), wanted.iter().map(look).collect())
    };
    first(error, hints).state(OTHERS)
}

fn of_address(error: Error, network: &str, mine: &[ContainerInfo], others: &[&ContainerInfo]) -> Error {
    let on_network = |c: &ContainerInfo| c.addresses.get(network).copied();
    let wanted: Vec<IpAddr> = mine.iter().filter_map(on_network).collect();
    let mut placed = others.iter().filter_map(|c| Some((&c.name, on_network(c)?)));
    let (error, hint) = if let Some((name, address)) = placed.find(|(_, address)| wanted.contains(address)) {
        let hint = format!("move that container away with `docker network disconnect {network} {name}`");
        (error.cause(format!("container `{name}` has the address {address}")), hint)
    } else {
        let hint = format!(
            "see who has it with `docker network inspect {network}`, and move it away with `docker network disconnect {network} CONTAINER`"
        );
        (error, hint)
    };
    first(error, vec![hint]).state(OTHERS)
}

/// First the way out, then how to go on.
fn first(mut error: Error, mut hints: Vec<String>) -> Error {
    hints.append(&mut error.hints);
    Error { hints, ..error }
}
