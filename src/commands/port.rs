//! Opens ports of the host that lead into a living cluster, closes them and lists them.

use std::net::SocketAddr;
use std::time::Duration;

use super::node::{untouched, wish};
use super::reshape::{Done, Found, find, find_to_change, print, reshape};
use super::whole::{must_be_whole, must_run};
use super::{Session, table};
use crate::cli::args::OneCluster;
use crate::cli::args::lifecycle::Refresh;
use crate::cli::args::node::Manner;
use crate::cli::args::port::{Add, Remove};
use crate::cluster::State;
use crate::engine::{ContainerInfo, ContainerState, Engine};
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::plan::layout::Layout;
use crate::plan::{Verb, ports};
use crate::spec::values::PortMapping;

/// Runs `knarr port add`.
pub async fn add(session: &Session<impl Engine>, args: Add) -> Result<()> {
    let looking = async {
        let found = find_to_change(session, &session.cluster(args.cluster.name.as_deref())?).await?;
        must_be_whole(&found)?;
        let (layout, node) = (&found.recalled.layout, args.node.as_deref());
        let target = layout.opening(&args.ports, node)?;
        let (open, wanted): (Vec<PortMapping>, Vec<PortMapping>) =
            args.ports.iter().cloned().partition(|port| layout.has_open(port, node));
        must_be_free(session, &found, &wanted).await?;
        for port in open {
            session.note(format!("{port} is open already"));
        }
        Ok((found, target))
    };
    let (found, target) =
        session.unless_interrupted("stopped before a port was opened", looking).await.map_err(untouched)?;
    let done = carry_out(session, &found, Verb::Open, target, args.dry_run).await?;
    print(session, done.as_ref())
}

/// Runs `knarr port remove`.
pub async fn remove(session: &Session<impl Engine>, args: Remove) -> Result<()> {
    let looking = async {
        let found = find_to_change(session, &session.cluster(args.cluster.name.as_deref())?).await?;
        // A port can be given up whatever else is missing.
        if found.cluster.state() != State::Incomplete {
            must_run(&found)?;
        }
        let layout = &found.recalled.layout;
        let target = match layout.closing(&args.ports) {
            // A removal was cut off while the nodes were told of it: those that were not hear of it now.
            Err(e) if e.kind == ErrorKind::NotFound && !found.recalled.behind.is_empty() => layout.clone(),
            closed => closed?,
        };
        Ok((found, target))
    };
    let (found, target) =
        session.unless_interrupted("stopped before a port was closed", looking).await.map_err(untouched)?;
    let done = carry_out(session, &found, Verb::Close, target, args.dry_run).await?;
    print(session, done.as_ref())
}

/// Runs `knarr port list`.
pub async fn list(session: &Session<impl Engine>, one: &OneCluster) -> Result<()> {
    let open = find(session, &session.cluster(one.name.as_deref())?).await?.recalled.layout.open_ports();
    if session.json() {
        return session.print_json(&open);
    }
    let mut rows = vec![["HOST", "PROTOCOL", "NODE", "NODE PORT", "FIXED"].map(String::from).to_vec()];
    rows.extend(open.into_iter().map(|port| {
        let fixed = if port.fixed { "yes" } else { "no" };
        vec![
            SocketAddr::new(port.host_address, port.host_port).to_string(),
            port.protocol.to_string(),
            port.node,
            port.node_port.to_string(),
            fixed.to_owned(),
        ]
    }));
    session.print(&table(&rows))
}

/// Opens or closes what the target has more or less. Neither the API nor its kubeconfig entry have anything to do with it.
pub(super) async fn carry_out<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    verb: Verb,
    target: Layout,
    dry_run: bool,
) -> Result<Option<Done>> {
    let refresh = Refresh { kubeconfig: None, no_kubeconfig: true, break_lock: false };
    let manner = Manner { wait: Duration::ZERO, dry_run, refresh };
    reshape(session, found, wish(verb, target, found, &manner), &manner).await
}

/// An error if somebody has a port of the host already.
pub(super) async fn must_be_free<E: Engine>(
    session: &Session<E>,
    found: &Found<E>,
    wanted: &[PortMapping],
) -> Result<()> {
    let (containers, info) =
        futures::future::try_join(found.engine.list_containers(""), found.engine.info()).await.map_err(Error::from)?;
    let here = (session.outside.host)().runs_docker(&info);
    for port in wanted {
        let (address, number) = (port.host_address, port.host_port.unwrap_or_default());
        let has = |other: &&ContainerInfo| {
            other.state == ContainerState::Running
                && other.ports.iter().any(|p| {
                    (p.host_port, p.protocol) == (number, port.protocol) && ports::overlap(p.host_address, address)
                })
        };
        let at = SocketAddr::new(address, number);
        let error = || {
            Error::new(ErrorKind::Environment, format!("port {at}/{} of the host is taken", port.protocol))
                .state("nothing was changed")
        };
        if let Some(other) = containers.iter().find(has) {
            return Err(error()
                .cause(format!("container `{}` publishes it", other.name))
                .hint("choose another port, or stop that container"));
        }
        if let Some(why) = here.then(|| host::why_taken(at, port.protocol)).flatten() {
            return Err(error().cause(why).hint("choose another port; see who has it with `ss -ltunp`"));
        }
    }
    Ok(())
}
