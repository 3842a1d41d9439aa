//! Ports of this machine that lead to Services, through the API server: for hosts that cannot reach containers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::Session;
use super::urls::{Found, print};
use crate::cli::args::Tunnel;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::kubernetes::kinds::ENDPOINT_SLICE;
use crate::kubernetes::{Kubernetes, Selection};
use crate::report::{Event, Reporter};
use crate::urls::{Tunnelled, addresses};

/// Runs `knarr tunnel`, until it is interrupted.
pub async fn run(session: &Session<impl Engine>, args: &Tunnel) -> Result<()> {
    let opening = open(session, args);
    let (found, doors) = session.unless_interrupted("stopped before a port was forwarded", opening).await?;
    let shown: Vec<_> = found
        .entries(None)
        .into_iter()
        .filter(|entry| entry.kind == "Ingress" || doors.iter().any(|d| d.is(entry)))
        .collect();
    print(session, &shown)?;
    session.note("forwarded until Ctrl-C");
    let serving = join_all(doors.into_iter().map(|door| door.serve(Arc::clone(&found.kubernetes), &*session.reporter)));
    tokio::select! {
        _ = serving => Ok(()),
        () = session.outside.interrupt.token().cancelled() => Ok(()),
    }
}

/// One port of this machine and the Service's port that it leads to.
struct Door {
    listener: TcpListener,
    leads: Tunnelled,
    /// The port's name, by which EndpointSlices know it.
    port_name: String,
    /// Counts connections, so that they go round among the Pods.
    turn: AtomicUsize,
}

async fn open<E: Engine>(session: &Session<E>, args: &Tunnel) -> Result<(Found, Vec<Door>)> {
    let mut found = Found::look(session, &session.cluster(args.cluster.name.as_deref())?).await?;
    let mut doors = Vec::new();
    for service in choose(args, &found.services)? {
        for port in service["spec"]["ports"].as_array().into_iter().flatten() {
            if port["protocol"].as_str().is_some_and(|protocol| protocol != "TCP") {
                session.warn(format!(
                    "{}: a tunnel carries TCP only; port {} is left out",
                    name(service),
                    port["port"]
                ));
            } else if let Some(door) = Door::open(service, port).await? {
                doors.push(door);
            }
        }
    }
    // What goes through the tunnel is what is shown, also where there is another way.
    found.view.direct = false;
    found.view.published.clear();
    found.view.tunnels = doors.iter().map(|door| door.leads.clone()).collect();
    if doors.is_empty() {
        return Err(Error::new(ErrorKind::NotFound, "there is nothing to forward to")
            .cause("no Service of type LoadBalancer has a TCP port")
            .hint("name a Service of any type: `knarr tunnel NAMESPACE/NAME`"));
    }
    Ok((found, doors))
}

/// The Services that were named, or all of type LoadBalancer.
fn choose<'a>(args: &Tunnel, services: &'a [Value]) -> Result<Vec<&'a Value>> {
    let within = args.cluster.namespace.as_deref();
    if args.services.is_empty() {
        let wanted = |service: &&Value| {
            service["spec"]["type"] == "LoadBalancer"
                && within.is_none_or(|namespace| service["metadata"]["namespace"] == namespace)
        };
        return Ok(services.iter().filter(wanted).collect());
    }
    let mut unknown = Vec::new();
    let mut chosen = Vec::new();
    for text in &args.services {
        let wanted = match text.split_once('/') {
            Some(_) => text.clone(),
            None => format!("{}/{text}", within.unwrap_or("default")),
        };
        match services.iter().find(|service| name(service) == wanted) {
            Some(service) => chosen.push(service),
            None => unknown.push(wanted),
        }
    }
    if unknown.is_empty() {
        return Ok(chosen);
    }
    Err(Error::new(ErrorKind::NotFound, format!("there is no Service {}", unknown.join(", ")))
        .state("nothing is forwarded")
        .hint("list them with `knarr kubectl get services -A`; name one as NAMESPACE/NAME, or with `-n NAMESPACE`"))
}

fn name(service: &Value) -> String {
    let text = |key: &str| service["metadata"][key].as_str().unwrap_or_default();
    format!("{}/{}", text("namespace"), text("name"))
}

impl Door {
    async fn open(service: &Value, port: &Value) -> Result<Option<Self>> {
        let text = |key: &str| service["metadata"][key].as_str().unwrap_or_default().to_owned();
        let Some(number) = port["port"].as_u64().and_then(|n| u16::try_from(n).ok()) else { return Ok(None) };
        let listener = listen(number).await.map_err(|e| {
            Error::new(ErrorKind::Environment, format!("no port of 127.0.0.1 can be had for {}", name(service)))
                .source(&e)
        })?;
        let local = listener.local_addr().map_err(|e| Error::failed("a listener has no address").source(&e))?;
        let leads = Tunnelled {
            namespace: text("namespace"),
            service: text("name"),
            port: number,
            addresses: addresses(service),
            local,
        };
        let port_name = port["name"].as_str().unwrap_or_default().to_owned();
        Ok(Some(Self { listener, leads, port_name, turn: AtomicUsize::new(0) }))
    }

    fn is(&self, entry: &crate::urls::Entry) -> bool {
        entry.kind != "Ingress" && (&entry.namespace, &entry.name) == (&self.leads.namespace, &self.leads.service)
    }

    async fn serve(self, kubernetes: Arc<dyn Kubernetes>, reporter: &dyn Reporter) {
        let mut connections = tokio::task::JoinSet::new();
        let door = Arc::new(self);
        loop {
            tokio::select! {
                accepted = door.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (door, kubernetes) = (Arc::clone(&door), Arc::clone(&kubernetes));
                        connections.spawn(async move { door.carry(stream, &*kubernetes).await });
                    }
                    // The system is out of something for the moment; the next one may be accepted.
                    Err(error) => reporter.event(Event::Warning(format!("{}: {error}", door.leads.local))),
                },
                Some(Ok(Err(error))) = connections.join_next() => reporter.event(Event::Warning(error.to_string())),
            }
        }
    }

    /// Carries one connection; the Pod is looked up anew, so Pods may come and go.
    async fn carry(&self, mut stream: TcpStream, kubernetes: &dyn Kubernetes) -> Result<()> {
        let leads = &self.leads;
        let labels = format!("kubernetes.io/service-name={}", leads.service);
        let selection = Selection { namespace: Some(&leads.namespace), labels: &labels, fields: "" };
        let slices = kubernetes.list(&ENDPOINT_SLICE, selection).await?;
        let of_service = |slice: &&Value| slice["metadata"]["labels"]["kubernetes.io/service-name"] == leads.service;
        let pods: Vec<(String, u16)> =
            slices.iter().filter(of_service).flat_map(|s| ready(s, &self.port_name)).collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let Some((pod, port)) = pods.get(turn % pods.len().max(1)) else {
            let service = format!("{}/{}", leads.namespace, leads.service);
            return Err(Error::failed(format!("no Pod of Service {service} is ready: a connection was closed")));
        };
        let mut far = kubernetes.dial(&leads.namespace, pod, *port).await?;
        // Whoever hangs up first ends it; that is no failure of the tunnel.
        let _ = copy_bidirectional(&mut stream, &mut far).await;
        Ok(())
    }
}

/// The Pods of a slice that are ready, each with the number that the port of this name has there.
fn ready(slice: &Value, port_name: &str) -> Vec<(String, u16)> {
    let mut ports = slice["ports"].as_array().into_iter().flatten();
    let port = ports.find(|port| port["name"].as_str().unwrap_or_default() == port_name);
    let Some(port) = port.and_then(|port| u16::try_from(port["port"].as_u64()?).ok()) else { return Vec::new() };
    let endpoints = slice["endpoints"].as_array().into_iter().flatten();
    let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
    ready.filter_map(|endpoint| Some((endpoint["targetRef"]["name"].as_str()?.to_owned(), port))).collect()
}

/// The Service's own port where everybody may take it, or 8080 for 80 and the like; else any.
async fn listen(port: u16) -> std::io::Result<TcpListener> {
    let wanted = if port < 1024 { 8000 + port } else { port };
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, wanted))).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await,
    }
}
