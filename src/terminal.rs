//! This process's own terminal, for programs that run in a node: raw mode, size.

use std::os::fd::AsFd;

use futures::stream::{self, Stream};
use rustix::termios::{self, OptionalActions, Termios};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};

/// The terminal in raw mode; the former mode comes back when this is dropped.
pub struct Raw {
    before: Termios,
}

/// Puts the terminal of stdin into raw mode, so that keys reach the program in the node untouched.
pub fn raw() -> Result<Raw> {
    let stdin = std::io::stdin();
    let trouble = |e: rustix::io::Errno| Error::failed("cannot put the terminal into raw mode").source(&e);
    let before = termios::tcgetattr(stdin.as_fd()).map_err(trouble)?;
    let mut mode = before.clone();
    mode.make_raw();
    termios::tcsetattr(stdin.as_fd(), OptionalActions::Flush, &mode).map_err(trouble)?;
    Ok(Raw { before })
}

impl Drop for Raw {
    fn drop(&mut self) {
        // Nothing better can be done when the terminal is gone.
        let _ = termios::tcsetattr(std::io::stdin().as_fd(), OptionalActions::Flush, &self.before);
    }
}

/// The terminal's columns and rows, now and at every change.
pub fn sizes() -> impl Stream<Item = (u16, u16)> {
    let changes = signal(SignalKind::window_change()).ok();
    stream::unfold((true, changes), |(first, mut changes)| async move {
        if !first {
            changes.as_mut()?.recv().await?;
        }
        let size = termios::tcgetwinsize(std::io::stdout().as_fd()).ok()?;
        Some(((size.ws_col, size.ws_row), (false, changes)))
    })
}
