//! Hands a ruleset to the kernel, by the real `nft`: all of it or nothing.

use std::io;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs `nft -f -` with a text that is one transaction.
pub async fn apply(text: &str) -> io::Result<()> {
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut nft = command.spawn()?;
    if let Some(mut stdin) = nft.stdin.take() {
        // An nft that ends without reading says why on stderr.
        let _ended = stdin.write_all(text.as_bytes()).await;
    }
    let output = nft.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("nft ended with {}: {}", output.status, said.trim())))
}
