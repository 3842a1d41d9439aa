//! Gives Services of type LoadBalancer their addresses, on every node.

#![expect(clippy::disallowed_methods, reason = "its settings come from its Pod's environment")]

use knarr_controllers::load_balancer::{self, settings::Settings};
use knarr_controllers::process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::log_to_stderr();
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let client = process::connect().await?;
    load_balancer::run(client, settings, process::stopped()).await
}
