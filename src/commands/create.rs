//! Creates a cluster: load → validate → choose → plan → execute → kubeconfig → report.

use std::sync::Arc;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde_json::json;
use time::OffsetDateTime;

use super::manifests::{self, Wish};
use super::{Session, entry, gc};
use crate::cli::args::CreateCluster;
use crate::cluster::{self, Cluster};
use crate::config::{Loaded, Overrides, Source};
use crate::doctor::{self, Demand, Facts};
use crate::engine::{Engine, EngineErrorKind, EngineInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::execute::{self, Context, Created, Options, undo};
use crate::fs;
use crate::host::{self, Host, Proxies, Taken};
use crate::image;
use crate::kubeconfig::{Store, context_name};
use crate::manifests::user::Written;
use crate::pki::Pki;
use crate::plan::layout::Egress;
use crate::plan::{Choices, Plan, names};
use crate::report::human;
use crate::spec::{ClusterSpec, limits};

/// How often a lost race for a port or a subnet is tried again with another choice.
const ATTEMPTS: u32 = 20;

/// Runs `knarr create cluster`.
pub async fn run(session: &Session<impl Engine>, args: CreateCluster) -> Result<()> {
    let reading = load(session, &args, "create", "nothing was created");
    let (spec, written) = session.unless_interrupted("stopped before anything was created", reading).await?;
    carry_out(session, spec, &written, &args).await
}

/// Creates what was read, applies its manifests and tells of it.
pub(super) async fn carry_out(
    session: &Session<impl Engine>,
    spec: ClusterSpec,
    written: &[Written],
    args: &CreateCluster,
) -> Result<()> {
    let Some((plan, created)) = create(session, spec, args).await? else { return Ok(()) };
    let wish = Wish { wait: args.wait, load_images: args.load_images };
    let spec = &plan.layout.spec;
    // The cluster is there whatever becomes of the manifests, and a person is told of both.
    let outcome = manifests::put(session, spec.name.as_str(), &spec.addons, written, wish).await;
    announce(session, &plan, &created, args, outcome.as_deref().unwrap_or_default())?;
    outcome.map(|_| ())
}

/// Reads the config and the flags for `verb`; every problem at once, before any call to Docker. `state` says what came of
/// it if it cannot be read.
pub(super) async fn load(
    session: &Session<impl Engine>,
    args: &CreateCluster,
    verb: &str,
    state: &str,
) -> Result<(ClusterSpec, Vec<Written>)> {
    let untouched = |error: Error| if error.state.is_some() { error } else { error.state(state) };
    if args.config.as_deref() == Some("-") && args.manifests.iter().any(|manifest| manifest == "-") {
        return Err(Error::new(
            ErrorKind::Usage,
            "standard input cannot be the config and a manifest at the same time",
        )
        .state(state));
    }
    let source = match args.config.as_deref() {
        None => Source::None,
        Some("-") => Source::Stdin(session.read_stdin().await?),
        Some(path) => {
            let text = fs::read_to_string(path.as_ref()).map_err(|e| {
                Error { kind: ErrorKind::Config, ..untouched(e) }
                    .hint("write a config file to begin with by `knarr config init`")
            })?;
            Source::File(path.into(), text)
        }
    };
    let overrides = Overrides {
        name: args.name.clone().or_else(|| args.positional_name.clone()),
        image: args.image.clone(),
        control_planes: args.control_planes,
        workers: args.workers,
        nodes: args.nodes,
        cpus: args.cpus.clone(),
        memory: args.memory.clone(),
        api_port: args.api_port,
        addons: args.addons.clone(),
        no_addons: args.no_addons.clone(),
        manifests: args.manifests.clone(),
        ttl: args.ttl,
    };
    let Loaded { spec, warnings } = session.load_config(verb, &source, &overrides).map_err(untouched)?;
    for warning in warnings {
        session.warn(warning);
    }
    let written = manifests::read(session, &spec).await.map_err(untouched)?;
    Ok((spec, written))
}

/// Creates the cluster of a valid spec; `None` after a dry run.
pub async fn create(
    session: &Session<impl Engine>,
    spec: ClusterSpec,
    args: &CreateCluster,
) -> Result<Option<(Plan, Created)>> {
    let name = spec.name.to_string();
    let stopped = format!("stopped before anything of cluster `{name}` was created");
    let store = session.kubeconfig(&args.target)?;
    let prepared = session.unless_interrupted(&stopped, prepare(session, &spec, store.as_ref(), args.dry_run));
    let (engine, info) = prepared.await.map_err(untouched)?;
    let options =
        Options { wait: if args.wait.is_zero() { Duration::from_secs(120) } else { args.wait }, retain: args.retain };
    let (mut attempt, mut avoid) = (1, Vec::new());
    let (plan, pki, created) = loop {
        let choosing = choose(session, &*engine, &spec, &info, &avoid);
        let choices = session.unless_interrupted(&stopped, choosing).await.map_err(untouched)?;
        let plan = Plan::create(spec.clone(), &choices, !args.wait.is_zero())?;
        if args.dry_run {
            return print_plan(session, &plan).map(|()| None);
        }
        let pki = Pki::issue(&plan.layout, signing_time(&info))?;
        let _ = session.making.set(name.clone());
        let context = Context {
            engine: Arc::clone(&engine),
            connector: Arc::clone(&session.outside.kubernetes),
            reporter: Arc::clone(&session.reporter),
            cancel: session.outside.interrupt.token().clone(),
        };
        match execute::create(&context, &plan, &pki, options).await {
            Ok(created) => break (plan, pki, created),
            Err(failed) if attempt < ATTEMPTS && !args.retain && may_choose_again(&spec, failed.taken) => {
                attempt += 1;
                session.note(format!("{}; trying again with another choice", failed.error.message));
                // Who took it may be another run for the same name; and a network in the making is in no list yet.
                must_be_new(&cluster::list(&*engine).await?, &name)?;
                avoid.push((plan.layout.subnet.into(), "a cluster that is just being created".to_owned()));
            }
            Err(failed) if failed.error.kind == ErrorKind::Interrupted => {
                return Err(failed.error.also("your kubeconfig was not touched"));
            }
            Err(failed) => return Err(failed.error),
        }
    };
    if let Some(store) = &store {
        let access = pki.admin_access(&plan.layout)?;
        let entry = entry(&name, &plan.layout.create_id, &info, &access);
        if let Err(e) = session.remember_context(store, entry, args.target.switch_context).await {
            if e.kind == ErrorKind::Interrupted {
                // Stopped while waiting for somebody's lock: nobody has been told of this cluster yet.
                let undone = undo::after_failure(&*engine, &plan, e, args.retain, &session.reporter).await;
                return Err(undone.also("your kubeconfig was not touched"));
            }
            return Err(e
                .context(format!("cluster `{name}` is ready, but its kubeconfig entry could not be written"))
                .state("the cluster runs")
                .hint(format!("try again with `knarr export kubeconfig --name {name}`")));
        }
    }
    Ok(Some((plan, created)))
}

/// An error before anything was made says so.
fn untouched(error: Error) -> Error {
    if error.state.is_some() { error } else { error.state("nothing was created") }
}

/// Reaches Docker and looks at everything that must hold before anything is made.
async fn prepare<E: Engine>(
    session: &Session<E>,
    spec: &ClusterSpec,
    store: Option<&Store>,
    dry_run: bool,
) -> Result<(Arc<E>, EngineInfo)> {
    let engine = session.engine().await?;
    let info = engine.info().await?;
    if !dry_run {
        let mut warnings = preflight(session, &*engine, spec, &info, store).await?;
        warnings.extend(store.map_or(Ok(Vec::new()), |store| store.preflight(spec.name.as_str()))?);
        for warning in warnings {
            session.warn(warning);
        }
    }
    Ok((engine, info))
}

/// What must hold before anything is made.
async fn preflight<E: Engine>(
    session: &Session<E>,
    engine: &E,
    spec: &ClusterSpec,
    info: &EngineInfo,
    store: Option<&Store>,
) -> Result<Vec<String>> {
    let mut existing = cluster::list(engine).await?;
    let now = OffsetDateTime::now_utc();
    if existing.iter().any(|cluster| cluster.expires.is_some_and(|end| end <= now)) {
        gc::sweep_expired(session, engine, info, store).await;
        existing = cluster::list(engine).await?;
    }
    must_be_new(&existing, spec.name.as_str())?;
    let reference = spec.image.as_str();
    let found = image::find_or_pull(engine, &session.steps(), session.outside.interrupt.token(), reference).await?;
    image::check(&found.ok_or_else(|| image::missing(reference))?, reference, &info.arch)?;
    must_fit(spec, info, "nothing was created")?;
    let facts = Facts::of(info, (session.outside.host)(), session.environment.all.clone(), Demand::of(spec));
    doctor::preflight(&facts).into_result()
}

/// An error if the cluster is there already, whole or in parts.
fn must_be_new(existing: &[Cluster], name: &str) -> Result<()> {
    let Some(cluster) = existing.iter().find(|c| c.name == name) else { return Ok(()) };
    let error = Error::new(ErrorKind::Exists, format!("cluster `{name}` exists already")).state("nothing was created");
    Err(if cluster.first_control_plane().is_some() {
        error
            .hint(format!("use it with `knarr kubectl --name {name} get nodes`, or see `knarr status {name}`"))
            .hint(format!("remove it with `knarr delete cluster {name}`, or choose another name with `--name`"))
    } else {
        error
            .cause("it is only half there: a creation or deletion was cut off")
            .hint(format!("remove what is left with `knarr delete cluster {name}`"))
    })
}

/// An error if a node may use more than there is: Docker refuses it, or Kubernetes would count on what is not there.
/// `state` says what came of it then.
pub(super) fn must_fit(spec: &ClusterSpec, info: &EngineInfo, state: &str) -> Result<()> {
    let beyond = limits::beyond(spec, info.cpus, info.memory);
    if beyond.is_empty() {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Environment, "Docker's machine is smaller than the limits of nodes")
        .state(state)
        .hint("ask for less by `--cpus` and `--memory`, or by `cpus:` and `memory:` of the nodes in the config file");
    Err(beyond.into_iter().fold(error, Error::cause))
}

/// When certificates are made: by the slower of the two clocks, so that they are valid for both.
fn signing_time(info: &EngineInfo) -> OffsetDateTime {
    let now = OffsetDateTime::now_utc();
    let there = info.clock.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    there.map_or(now, |there| there.min(now))
}

/// Free subnet, free ports, proxies: what this host allows, found now.
async fn choose<E: Engine>(
    session: &Session<E>,
    engine: &E,
    spec: &ClusterSpec,
    info: &EngineInfo,
    avoid: &[Taken],
) -> Result<Choices> {
    let host = (session.outside.host)();
    let (networks, net) = (engine.list_networks().await?, &spec.networking);
    let mut own = avoid.to_vec();
    own.push((net.pod_subnet.into(), "this cluster's pods".to_owned()));
    own.push((net.service_subnet.into(), "this cluster's Services".to_owned()));
    // A remote Docker has routes of its own that cannot be seen from here; its networks are known all the same.
    let routes = host.routes().filter(|_| host.runs_docker(info)).unwrap_or_default();
    let subnet = host::choose_subnet(&host::taken_subnets(&routes, &networks, &own), net.node_subnet)?;
    let ports = || spec.nodes.iter().flat_map(|n| &n.ports);
    let mut taken: Vec<u16> = ports().filter_map(|p| p.host_port).chain(net.api_port).collect();
    let mut pick = |address| {
        let port = host::pick_free_port(address, &taken)?;
        taken.push(port);
        Ok::<u16, Error>(port)
    };
    let api_port = match net.api_port {
        Some(port) => port,
        None => pick(net.api_address)?,
    };
    let open = ports().filter(|p| p.host_port.is_none());
    let host_ports = open.map(|p| pick(p.host_address)).collect::<Result<Vec<u16>>>()?;
    let create_id = uuid::Uuid::new_v4().to_string();
    Ok(Choices {
        create_id,
        expires: spec.ttl.map(|ttl| OffsetDateTime::now_utc() + ttl),
        owner: session.environment.owner.clone(),
        subnet,
        api_port,
        host_ports,
        egress: egress(session, &host, spec, subnet),
        sys_resource: host.runs_docker(info) && host.docker_has_sys_resource() == Some(true),
    })
}

/// How the nodes reach registries: this machine's proxies, and its certificate authorities where the user named them.
fn egress(session: &Session<impl Engine>, host: &Host, spec: &ClusterSpec, subnet: Ipv4Net) -> Egress {
    let env = &session.environment.all;
    let net = &spec.networking;
    let mut inside: Vec<String> =
        [subnet, net.pod_subnet, net.service_subnet].iter().map(ToString::to_string).collect();
    inside.extend([".svc".to_owned(), format!(".{}", net.dns_domain)]);
    inside.extend(spec.nodes.iter().map(|n| n.name.to_string()));
    let ca_bundle = host.ca_bundle(env).filter(|bundle| bundle.certificates() > 0).map(|bundle| bundle.pem);
    Egress { proxy: Proxies::from_env(env).for_nodes(&inside), ca_bundle }
}

/// Whether another choice may help: only where the choice was ours.
fn may_choose_again(spec: &ClusterSpec, taken: Option<EngineErrorKind>) -> bool {
    match taken {
        Some(EngineErrorKind::AddressTaken) => spec.networking.node_subnet.is_none(),
        Some(EngineErrorKind::PortTaken) => {
            spec.networking.api_port.is_none()
                && spec.nodes.iter().flat_map(|n| &n.ports).all(|p| p.host_port.is_none())
        }
        _ => false,
    }
}

fn print_plan(session: &Session<impl Engine>, plan: &Plan) -> Result<()> {
    if session.json() { session.print_json(&plan.to_json()) } else { session.print(&plan.to_string()) }
}

fn announce(
    session: &Session<impl Engine>,
    plan: &Plan,
    created: &Created,
    args: &CreateCluster,
    applied: &[String],
) -> Result<()> {
    let name = plan.layout.name();
    let marks = created.timings.marks();
    if session.json() {
        return session.print_json(&json!({
            "cluster": name,
            "api": plan.layout.host_api_url(),
            "context": context_name(name),
            "createId": plan.layout.create_id,
            "expires": plan.layout.expires.map(names::stamp),
            "owner": plan.layout.owner,
            "addons": plan.layout.spec.addons,
            "applied": applied,
            "nodes": plan.layout.nodes.iter().map(|n| json!({
                "name": n.spec.name.as_str(),
                "role": n.spec.role.as_str(),
                "address": n.address,
                "limits": n.spec.limits,
            })).collect::<Vec<_>>(),
            "timings": marks.iter().map(|(what, when)| json!({
                "milestone": what,
                "seconds": when.as_secs_f64(),
            })).collect::<Vec<_>>(),
        }));
    }
    if args.timings {
        let rows: Vec<Vec<String>> = marks.iter().map(|(what, when)| vec![(*what).to_owned(), human(*when)]).collect();
        session.print(&super::table(&rows))?;
    }
    if !plan.layout.spec.addons.is_empty() {
        let names: Vec<&str> = plan.layout.spec.addons.keys().copied().collect();
        session.note(format!(
            "starting in the background: {}; see them with `knarr addons list --name {name}`",
            names.join(", ")
        ));
    }
    if args.target.no_kubeconfig {
        session.note(format!("cluster `{name}` is ready; its kubeconfig: `knarr get kubeconfig --name {name}`"));
    } else {
        session.note(format!("cluster `{name}` is ready; try `kubectl --context {} get nodes`", context_name(name)));
    }
    if let Some(end) = plan.layout.expires {
        session.note(format!(
            "it expires at {}; afterwards `knarr gc` and every later `knarr create` remove it",
            names::stamp(end)
        ));
    }
    Ok(())
}
