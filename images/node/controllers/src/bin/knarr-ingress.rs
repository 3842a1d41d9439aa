//! Serves Ingresses with nginx.

use knarr_controllers::process;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    process::log_to_stderr();
    let _client = process::connect().await?;
    Ok(process::stopped().await?)
}
