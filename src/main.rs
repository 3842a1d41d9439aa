//! The program `knarr`: hands what the process was given to the library and turns the answer into an exit status.

use std::process::ExitCode;

use knarr::cli;
use knarr::cli::settings::Environment;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main(std::env::args_os().collect(), Environment::of_process()).await.into()
}
