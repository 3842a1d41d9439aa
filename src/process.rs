//! Other programs on this machine: kubectl in this terminal.

use std::io::{Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::MemfdFlags;

use crate::error::{Error, Result};

/// Runs a program in this terminal and returns its exit status; `variable` names a file with `secret` in it that only exists in memory.
pub fn run_with_secret_file(program: &Path, args: &[String], variable: &str, secret: &[u8]) -> Result<u8> {
    let trouble =
        |e: &(dyn std::error::Error + 'static)| Error::failed(format!("cannot run `{}`", program.display())).source(e);
    // Without CLOEXEC: the child reads it by its number.
    let fd = rustix::fs::memfd_create("knarr-kubeconfig", MemfdFlags::empty()).map_err(|e| trouble(&e))?;
    let mut file = std::fs::File::from(fd);
    file.write_all(secret).and_then(|()| file.rewind()).map_err(|e| trouble(&e))?;
    let status = Command::new(program)
        .args(args)
        .env(variable, format!("/proc/self/fd/{}", file.as_raw_fd()))
        .status()
        .map_err(|e| trouble(&e))?;
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}
