//! Other programs on this machine: kubectl in this terminal, debootstrap behind a step.

use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use futures::{StreamExt, TryStreamExt};
use rustix::fs::MemfdFlags;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::io::ReaderStream;

use crate::engine::{ByteStream, EngineError, EngineErrorKind};
use crate::error::{Error, Result};

/// Becomes another program; `variable` names a file with `secret` in it that only exists in memory.
///
/// Returns only when that fails: streams, signals and the exit status are then the program's own, with nobody between.
pub fn run_with_secret_file(program: &Path, args: &[String], variable: &str, secret: &[u8]) -> Result<u8> {
    let trouble =
        |e: &(dyn std::error::Error + 'static)| Error::failed(format!("cannot run `{}`", program.display())).source(e);
    // Without CLOEXEC: the program reads it by its number.
    let fd = rustix::fs::memfd_create("knarr-kubeconfig", MemfdFlags::empty()).map_err(|e| trouble(&e))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(secret).and_then(|()| file.rewind()).map_err(|e| trouble(&e))?;
    let failed = Command::new(program).args(args).env(variable, format!("/proc/self/fd/{}", file.as_raw_fd())).exec();
    Err(trouble(&failed))
}

/// Whether a program is installed, also where only root looks for programs.
pub fn exists(program: &str) -> bool {
    let look = ["-c", "PATH=\"$PATH:/usr/sbin:/sbin\" command -v \"$1\"", "sh", program];
    let found = Command::new("sh").args(look).stdout(Stdio::null()).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success())
}

/// Whether a program ends well, asked nothing and heard by nobody.
pub async fn succeeds(argv: &[String]) -> bool {
    let Some((program, args)) = argv.split_first() else { return false };
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command.status().await.is_ok_and(|status| status.success())
}

/// Starts a program whose stdout is wanted as a stream; its stderr goes to `heard` line by line.
///
/// The stream ends with an error when the program ends badly. Dropped early, it asks the program to end (SIGTERM).
pub fn produce(argv: &[String], heard: UnboundedSender<String>) -> Result<ByteStream> {
    let (program, args) = argv.split_first().ok_or_else(|| Error::failed("no program was named"))?;
    let trouble = |e: &std::io::Error| Error::failed(format!("cannot run `{program}`")).source(e);
    let mut command = tokio::process::Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: Ctrl-C in the terminal reaches knarr alone, which then asks the program to end.
    let mut child = command.process_group(0).spawn().map_err(|e| trouble(&e))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::failed(format!("cannot read from `{program}`")));
    };
    tokio::spawn(async move {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // Nobody may listen any more; the program must be able to write all the same.
            let _ = heard.send(line);
        }
    });
    let name = program.clone();
    let failed = move |why: String| EngineError::new("run", name.clone(), EngineErrorKind::Other, why);
    let unreadable = failed.clone();
    let pieces = ReaderStream::new(stdout).map_ok(|bytes| bytes.to_vec()).map_err(move |e| unreadable(e.to_string()));
    let mut child = Ended(child);
    let end = futures::stream::once(async move {
        match child.0.wait().await {
            Ok(status) if status.success() => Ok(Vec::new()),
            Ok(status) => Err(failed(status.to_string())),
            Err(e) => Err(failed(e.to_string())),
        }
    });
    Ok(Box::pin(pieces.chain(end).try_filter(|piece| std::future::ready(!piece.is_empty()))))
}

/// A program that is asked to end when nobody wants it any more.
struct Ended(tokio::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended in this moment: then nothing is lost.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
}
