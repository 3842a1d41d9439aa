//! Programs in running containers: collected or attached.

use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as BollardError;
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::DockerEngine;
use super::errors::translate;
use crate::engine::{AttachedExec, EngineError, EngineErrorKind, EngineResult, ExecOutcome, ExecOutput, ExecSpec, op};

/// How much of what is typed may wait for the program to read it.
const INPUT: usize = 64 * 1024;
/// How long Docker may take to notice that a program ended whose output has ended.
const NOTICE: Duration = Duration::from_secs(10);

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, BollardError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

pub(super) async fn collected(engine: &DockerEngine, container: &str, exec: &ExecSpec) -> EngineResult<ExecOutcome> {
    let (id, mut output, mut input) = start(engine, container, exec, exec.stdin.is_some(), false).await?;
    let mut outcome = ExecOutcome::default();
    let stdin = exec.stdin.as_deref();
    let feed = async {
        if let Some(bytes) = stdin {
            // A program may end without reading all: then this fails, and its exit status tells.
            let _ = input.write_all(bytes).await;
            let _ = input.shutdown().await;
        }
    };
    tokio::pin!(feed);
    let mut fed = false;
    loop {
        // Both at once: a program that prints before it has read all would otherwise wait for us while we wait for it.
        tokio::select! {
            () = &mut feed, if !fed => fed = true,
            piece = output.next() => match piece {
                None => break,
                Some(Ok(LogOutput::StdErr { message })) => outcome.stderr.extend_from_slice(&message),
                Some(Ok(piece)) => outcome.stdout.extend_from_slice(piece.as_ref()),
                Some(Err(e)) => return Err(translate(op::EXEC, container, &e)),
            },
        }
    }
    outcome.status = status(engine, &id, container).await?;
    Ok(outcome)
}

pub(super) async fn attached(engine: &DockerEngine, container: &str, exec: &ExecSpec) -> EngineResult<AttachedExec> {
    let (id, output, mut input) = start(engine, container, exec, exec.attach_stdin, exec.tty).await?;
    let object = container.to_owned();
    let output = output.map(move |piece| match piece {
        Ok(LogOutput::StdErr { message }) => Ok(ExecOutput::Stderr(message.to_vec())),
        Ok(piece) => Ok(ExecOutput::Stdout(piece.into_bytes().to_vec())),
        Err(e) => Err(translate(op::EXEC, &object, &e)),
    });
    let (ours, mut theirs) = tokio::io::duplex(INPUT);
    if exec.attach_stdin {
        // One half of a split connection does not close anything when it is dropped, and the program would wait for
        // more for ever; this task closes its half when ours is dropped.
        tokio::spawn(async move {
            if tokio::io::copy(&mut theirs, &mut input).await.is_ok() {
                let _ = input.shutdown().await;
            }
        });
    }
    Ok(AttachedExec { id, output: Box::pin(output), input: Box::pin(ours) })
}

pub(super) async fn resize(engine: &DockerEngine, exec_id: &str, columns: u16, rows: u16) -> EngineResult<()> {
    let options = ResizeExecOptions { height: rows, width: columns };
    engine.client.resize_exec(exec_id, options).await.map_err(|e| translate(op::RESIZE_EXEC, exec_id, &e))
}

/// The exit status of a program whose output has ended; Docker itself may notice its end a moment later.
pub(super) async fn status(engine: &DockerEngine, exec_id: &str, object: &str) -> EngineResult<i64> {
    let deadline = Instant::now() + NOTICE;
    let mut pause = Duration::from_millis(5);
    loop {
        let seen = engine.client.inspect_exec(exec_id).await;
        let seen = seen.map_err(|e| translate(op::EXEC_STATUS, object, &e))?;
        if let (Some(false), Some(status)) = (seen.running, seen.exit_code) {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            let detail = "the program still runs although its output has ended";
            return Err(EngineError::new(op::EXEC_STATUS, object, EngineErrorKind::TimedOut, detail));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(200));
    }
}

async fn start(
    engine: &DockerEngine,
    container: &str,
    exec: &ExecSpec,
    stdin: bool,
    tty: bool,
) -> EngineResult<(String, Output, Input)> {
    let failed = |e| translate(op::EXEC, container, &e);
    let config = ExecConfig {
        attach_stdin: Some(stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(tty),
        env: Some(exec.env.clone()),
        cmd: Some(exec.argv.clone()),
        working_dir: Some(exec.working_dir.clone()).filter(|folder| !folder.is_empty()),
        ..ExecConfig::default()
    };
    let id = engine.client.create_exec(container, config).await.map_err(failed)?.id;
    let options = StartExecOptions { detach: false, tty, output_capacity: None };
    match engine.client.start_exec(&id, Some(options)).await.map_err(failed)? {
        StartExecResults::Attached { output, input } => Ok((id, output, input)),
        StartExecResults::Detached => {
            let detail = "Docker did not attach to the program";
            Err(EngineError::new(op::EXEC, container, EngineErrorKind::Other, detail))
        }
    }
}
