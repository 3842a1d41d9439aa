//! Serves the dashboard of one cluster on the loopback until it is interrupted.

use serde_json::json;
use tokio::net::TcpListener;

use super::Session;
use crate::cli::args::Dashboard;
use crate::cluster;
use crate::dashboard::{Secret, router};
use crate::engine::Engine;
use crate::error::{Error, Result};

/// Runs `knarr dashboard`.
pub async fn run(session: &Session<impl Engine>, args: Dashboard) -> Result<()> {
    let name = &session.cluster(args.cluster.name.as_deref())?;
    let preparing = async {
        let engine = session.engine().await?;
        let cluster = cluster::find(&*engine, name).await?;
        let access = cluster::access(&*engine, &cluster).await?;
        let kubernetes = session.outside.kubernetes.connect(&access)?;
        kubernetes.answers().await.map_err(|e| e.hint(format!("see what is wrong with `knarr status {name}`")))?;
        Ok(kubernetes)
    };
    let kubernetes = session.unless_interrupted("stopped before the dashboard was served", preparing).await?;
    let broken = |e: &std::io::Error| {
        Error::failed(format!("cannot serve the dashboard on 127.0.0.1:{}", args.port))
            .source(e)
            .hint("leave `--port` out, and knarr takes a free one")
    };
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await.map_err(|e| broken(&e))?;
    let address = listener.local_addr().map_err(|e| broken(&e))?;
    let secret = Secret::new(address);
    let url = secret.url();
    if session.json() {
        session.print_json(&json!({"cluster": name, "url": url}))?;
    } else {
        session.print(&url)?;
        session.note(format!(
            "the dashboard of cluster `{name}` is served until Ctrl-C; whoever has its address may use it"
        ));
    }
    if session.environment.stdout_terminal && !args.no_open {
        // No browser is no failure: the address stands on the screen.
        let _ = open::that_detached(&url);
    }
    let cancel = session.outside.interrupt.token().clone();
    // Browsers keep watches open; they are cut, not waited for.
    tokio::select! {
        served = axum::serve(listener, router(name, secret, kubernetes)) => served.map_err(|e| broken(&e)),
        () = cancel.cancelled() => Ok(()),
    }
}
