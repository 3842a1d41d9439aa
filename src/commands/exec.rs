//! Runs a program in a node with this terminal's streams, size and exit status.

use std::pin::Pin;

use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::Session;
use crate::cli::args::Exec;
use crate::cluster;
use crate::engine::{Engine, ExecOutput, ExecSpec};
use crate::error::{Error, ErrorKind, Result};

/// Runs `knarr exec`.
pub async fn run(session: &Session<impl Engine>, args: Exec) -> Result<u8> {
    let engine = session.engine().await?;
    let known = cluster::list(&*engine).await?;
    if !known.iter().flat_map(|c| &c.nodes).any(|n| n.name == args.node) {
        return Err(Error::new(ErrorKind::NotFound, format!("there is no node `{}`", args.node))
            .hint("list the nodes with `knarr get nodes -A`"));
    }
    attached(session, &*engine, &args.node, args.argv).await
}

/// Runs `argv` in `container`, attached to this process's streams.
pub async fn attached<E: Engine>(session: &Session<E>, engine: &E, container: &str, argv: Vec<String>) -> Result<u8> {
    let env = &session.environment;
    let tty = env.stdin_terminal && env.stdout_terminal;
    let spec = ExecSpec {
        argv,
        attach_stdin: true,
        tty,
        env: env.all.get("TERM").filter(|_| tty).map(|term| format!("TERM={term}")).into_iter().collect(),
        ..ExecSpec::default()
    };
    let mut exec = engine.exec_attached(container, &spec).await?;
    let raw = tty.then(crate::terminal::raw).transpose()?;
    let input = forward((session.outside.stdin)(), exec.input);
    let resizing = async {
        if raw.is_some() {
            let mut sizes = std::pin::pin!(crate::terminal::sizes());
            while let Some((columns, rows)) = sizes.next().await {
                // The program may have ended in between; its status is asked for below.
                let _ = engine.resize_exec(&exec.id, columns, rows).await;
            }
        }
        std::future::pending::<()>().await;
    };
    let output = async {
        while let Some(piece) = exec.output.next().await {
            match piece? {
                ExecOutput::Stdout(bytes) => session.print_bytes(&bytes)?,
                ExecOutput::Stderr(bytes) => session.outside.complain(&bytes),
            }
        }
        Ok::<(), Error>(())
    };
    let outcome = tokio::select! {
        outcome = output => outcome,
        () = resizing => Ok(()),
        () = session.outside.interrupt.token().cancelled() => {
            Err(Error::new(ErrorKind::Interrupted, format!("stopped listening to the program in `{container}`"))
                .state("it may still run"))
        }
    };
    input.abort();
    drop(raw);
    outcome?;
    let status = engine.exec_status(&exec.id).await?;
    Ok(u8::try_from(status).unwrap_or(1))
}

/// Copies this process's stdin until it ends; then the program's stdin is closed.
fn forward(
    mut stdin: Pin<Box<dyn AsyncRead + Send>>,
    mut input: Pin<Box<dyn AsyncWrite + Send>>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        // A program that does not read its stdin is none of our business.
        let _ = tokio::io::copy(&mut stdin, &mut input).await;
        let _ = input.shutdown().await;
    })
}
