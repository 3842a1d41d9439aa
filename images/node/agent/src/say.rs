//! The only place that prints: answers to standard output, the agent's own lines to standard error (`docker logs`).

use std::io::Write;

use crate::fault::{Context, Result};

/// Prints one line to standard output and fails when nobody reads it any more.
pub fn answer(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).context(|| "writing the answer")
}

/// Prints one of the agent's own lines to standard error; nothing can be done when that fails.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "knarr-node: {text}");
}
