//! The program `knarr`: hands what the process was given to the library and turns the answer into an exit status.

use std::process::ExitCode;

use knarr::cli;
use knarr::cli::settings::Environment;

#[tokio::main]
async fn main() -> ExitCode {
    let code = cli::run(std::env::args_os().collect(), Environment::of_process()).await;
    // A stdin that somebody is still reading must not hold up the end: the runtime waits for blocking tasks otherwise.
    code
}
