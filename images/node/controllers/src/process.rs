//! What every program here begins and ends with: its log, its connection to the API server, the signal to stop.

use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Writes the log to stderr; `RUST_LOG` chooses the detail, `info` unless told.
pub fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}

/// A client with the rights of the Pod's ServiceAccount.
pub async fn connect() -> kube::Result<kube::Client> {
    kube::Client::try_default().await
}

/// Returns when the process is asked to stop.
pub async fn stopped() -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
