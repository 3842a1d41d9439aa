//! The main job in one command: check, image, cluster, sample, URL. Run again, it changes nothing and is quick.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::json;

use super::{Session, create, doctor, image};
use crate::cli::args::{CreateCluster, Up};
use crate::cluster::{self, Cluster};
use crate::config::{DEFAULT_NAME, Overrides, Source};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::host;
use crate::kubeconfig::context_name;
use crate::samples;
use crate::spec::ClusterSpec;
use crate::spec::values::{PortMapping, Protocol};

/// The host port that people expect a first application on; another free one if it is taken.
const FAVOURITE_PORT: u16 = 8080;
/// The sample that is started: its name is that of its namespace and of its Deployment too.
const HELLO_NAME: &str = "hello";
/// The port of every node on which it answers.
const HELLO_NODE_PORT: u16 = 30080;

/// Runs `knarr up`.
pub async fn run(session: &Session<impl Engine>, args: Up) -> Result<()> {
    let name = session.cluster(args.name.as_deref())?;
    // The name is checked before anything on this machine is touched.
    let mut spec = spec(session, &name, &args)?;
    if args.fix {
        doctor::mend(session).await?;
    }
    let engine = session.engine().await?;
    let existing = cluster::list(&*engine).await?.into_iter().find(|c| c.name == name);
    if existing.is_none() {
        image::ensure(session, &*engine, spec.image.as_str(), args.fix).await?;
        let first = spec.nodes.first_mut().expect("a valid spec has a control plane");
        first.ports.push(sample_port());
        create::create(session, spec, &create_flags(&args, &name)).await?;
    }
    if let (Some(_), Some(_)) = (&existing, args.ttl) {
        session.warn(format!("cluster `{name}` is there already: `--ttl` is for new ones, its end stays as it is"));
    }
    let cluster = cluster::find(&*engine, &name).await?;
    cluster.running_nodes()?;
    start_sample(session, &*engine, &cluster, args.wait).await?;
    report(session, &cluster)
}

fn spec(session: &Session<impl Engine>, name: &str, args: &Up) -> Result<ClusterSpec> {
    let overrides =
        Overrides { name: Some(name.to_owned()), workers: Some(args.workers), ttl: args.ttl, ..Overrides::default() };
    let loaded = session.load_config("up", &Source::None, &overrides);
    loaded.map(|loaded| loaded.spec).map_err(|e| e.state("nothing was created"))
}

fn sample_port() -> PortMapping {
    let favourite = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), FAVOURITE_PORT);
    PortMapping {
        host_address: favourite.ip(),
        host_port: host::port_is_free(favourite).then_some(FAVOURITE_PORT),
        container_port: HELLO_NODE_PORT,
        protocol: Protocol::Tcp,
    }
}

fn create_flags(args: &Up, name: &str) -> CreateCluster {
    CreateCluster {
        name: Some(name.to_owned()),
        workers: Some(args.workers),
        ..CreateCluster::plain(args.wait, args.target.clone())
    }
}

async fn start_sample<E: Engine>(
    session: &Session<E>,
    engine: &E,
    cluster: &Cluster,
    wait: std::time::Duration,
) -> Result<()> {
    let step = session.steps().start("starting the sample application");
    let access = cluster::access(engine, cluster).await?;
    let client = session.outside.kubernetes.connect(&access)?;
    let objects = samples::find(HELLO_NAME)?.objects()?;
    let progress = |what: &str| step.progress(what);
    let work = async {
        client.apply(&objects, &progress).await?;
        client.deployment_available(HELLO_NAME, HELLO_NAME, &progress).await?;
        // The Pods are ready, but kube-proxy may not yet know the Service: only an answer from here counts.
        progress(&format!("{} does not answer yet", url(cluster)?));
        host::until_http_answers(&url(cluster)?).await
    };
    let late = || {
        Error::new(crate::error::ErrorKind::NotReady, "the sample application did not start in time")
            .state(format!("the cluster `{}` runs", cluster.name))
            .hint(format!("look at it with `knarr kubectl --name {} -n {HELLO_NAME} get pods`", cluster.name))
    };
    tokio::select! {
        result = tokio::time::timeout(wait, work) => result.map_err(|_| late())??,
        () = session.outside.interrupt.token().cancelled() => {
            return Err(Error::new(crate::error::ErrorKind::Interrupted, "stopped starting the sample application")
                .state(format!("the cluster `{}` runs", cluster.name)));
        }
    }
    step.done("the sample application runs");
    Ok(())
}

/// Where the sample answers: the published port, or else a node's own address.
fn url(cluster: &Cluster) -> Result<String> {
    let node = cluster.control_plane()?;
    let published = node.ports.iter().find(|p| p.container_port == HELLO_NODE_PORT);
    let address = if let Some(port) = published {
        SocketAddr::new(crate::plan::container::reachable(port.host_address), port.host_port)
    } else {
        let address = node.addresses.values().next().copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        SocketAddr::new(address, HELLO_NODE_PORT)
    };
    Ok(format!("http://{address}"))
}

fn report(session: &Session<impl Engine>, cluster: &Cluster) -> Result<()> {
    let url = url(cluster)?;
    let name = &cluster.name;
    let flag = if name == DEFAULT_NAME { String::new() } else { format!(" --name {name}") };
    let next = [
        format!("curl {url}"),
        format!("knarr kubectl{flag} get nodes"),
        format!("knarr delete cluster{}", if name == DEFAULT_NAME { String::new() } else { format!(" {name}") }),
    ];
    if session.json() {
        return session.print_json(&json!({
            "cluster": name, "url": url, "context": context_name(name), "next": next,
        }));
    }
    session.print(&format!("{url}\n"))?;
    session.note(format!("the sample answers at {url}; what you may try next:\n  {}", next.join("\n  ")));
    Ok(())
}
