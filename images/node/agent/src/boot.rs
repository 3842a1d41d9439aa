//! The life of PID 1: prepare the container, supervise, stop. A helper container has little to prepare, and may have no
//! rights at all: it neither needs nor gets what makes a node of Kubernetes.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use knarr_contract::{AGENT_SOCKET, LOG_DIR, Member, NODE_FILE, NodeNetwork};

use crate::fault::{Context, Fault, Result};
use crate::process::Children;
use crate::slot::Shared;
use crate::status::Board;
use crate::supervise::Supervisor;
use crate::{
    adapt, cgroups, forwards, mounts, network, nodefile, process, reap, resolver, say, seed, server, stale, sysctl,
};

/// Boots the container and returns when it has been stopped.
pub fn run() -> Result<()> {
    let origin = Instant::now();
    if std::process::id() != 1 {
        return Err(Fault::new("boots only as PID 1 of a container; see `knarr-node help`"));
    }
    let node = nodefile::read(NODE_FILE)?;
    let what = node.member.as_ref().map_or("helper", |member| member.role.as_str());
    say::note(&format!("booting {}, {what} of the cluster {}", node.node, node.cluster));

    // Before any other thread exists, so that all of them leave the signals to the one that waits for them.
    let signals = reap::signals();
    signals.thread_block().context(|| "blocking signals")?;
    let (events, inbox) = channel();
    let to_reaper = events.clone();
    spawn("reaper", move || reap::watch(&signals, &to_reaper))?;

    let board = Arc::new(Board::new(&node.node));
    match &node.member {
        Some(_) => mounts::prepare(&board)?,
        None => mounts::own_folders()?,
    }
    server::start(Path::new(AGENT_SOCKET), &board, &events)?;
    if let Some(member) = &node.member {
        prepare_member(member, &board)?;
    }
    forwards::apply(&node.forwards, &[], &board)?;

    let protect = adapt::may_lower_oom_score();
    if protect {
        process::protect_oneself();
    }
    let shared = Shared { events, origin, logs: LOG_DIR.into(), processes: Arc::new(Children { protect }) };
    Supervisor::new(board, node, inbox, shared)?.run();
    Board::linger();
    Ok(())
}

/// What a node of Kubernetes needs beside its mounts.
fn prepare_member(member: &Member, board: &Arc<Board>) -> Result<()> {
    let cgroups = cgroups::prepare(board);
    sysctl::prepare(board);
    adapt::prepare(board, cgroups)?;
    stale::clear();
    seed::prepare()?;
    resolver::write_pod_conf()?;
    // No component needs routes to start; pods do, and they come much later.
    let (routes, to_board) = (member.network.clone(), board.clone());
    spawn("network", move || connect(&routes, &to_board))
}

fn connect(wanted: &NodeNetwork, board: &Board) {
    if let Err(fault) = network::apply(wanted, None) {
        board.adapted(format!("the pod network is not complete: {fault}"));
    }
    if let Err(fault) = resolver::start() {
        board.adapted(format!("{fault}: pods cannot resolve names outside the cluster"));
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.into()).spawn(work).map(drop).context(|| format!("starting the thread {name}"))
}
