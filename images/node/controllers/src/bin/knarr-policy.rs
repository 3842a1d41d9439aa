//! Enforces NetworkPolicies on the node that is named as its one argument.

use knarr_controllers::policy::{apply, enforce, farewell, text};
use knarr_controllers::process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::log_to_stderr();
    let node = std::env::args().nth(1).ok_or("usage: knarr-policy NODE")?;
    let client = process::connect().await?;
    tokio::select! {
        () = enforce::enforce(client.clone(), &node) => {}
        stopped = process::stopped() => stopped?,
    }
    if farewell::addon_was_removed(client).await {
        tracing::info!("the addon was removed, and so are its rules");
        apply::apply(&text::removal()).await?;
    }
    Ok(())
}
