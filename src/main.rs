//! The program `knarr`: hands what the process was given to the library and turns the answer into an exit status.

use std::process::ExitCode;

use knarr::cli;
use knarr::cli::settings::Environment;

fn main() -> ExitCode {
    // Nothing works without it, and there is nothing to try: not even a message can be drawn in the usual way.
    let Ok(runtime) = tokio::runtime::Runtime::new() else { return ExitCode::from(70) };
    let status = runtime.block_on(cli::main(std::env::args_os().collect(), Environment::of_process()));
    // A read of stdin that is still under way must not hold up the end.
    runtime.shutdown_background();
    status.into()
}
