//! `knarr-node`: PID 1 of every node container, and the small client of itself that `docker exec` calls.

mod adapt;
mod backoff;
mod boot;
mod cgroups;
mod cli;
mod client;
mod dns;
mod fault;
mod forwards;
mod gate;
mod history;
mod http;
mod launch;
mod logs;
mod mounts;
mod network;
mod nodefile;
mod probe;
mod process;
mod reap;
mod resolver;
mod say;
#[cfg(test)]
mod scratch;
mod seed;
mod server;
mod slot;
mod slots;
mod stale;
mod status;
mod stop;
mod supervise;
mod sysctl;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = cli::parse(&arguments).and_then(|command| match command {
        cli::Command::Boot => boot::run(),
        cli::Command::Launch(launch) => launch::run(&launch),
        cli::Command::Status { format, watch } => client::status(format, watch),
        cli::Command::Reload => client::reload(),
        cli::Command::ProbeDns(probe) => probe::dns(&probe),
        cli::Command::Version => {
            say::answer(&format!("knarr-node {} (contract {})", env!("CARGO_PKG_VERSION"), knarr_contract::CONTRACT))
        }
        cli::Command::Help => say::answer(cli::USAGE),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say::note(&fault.to_string());
            ExitCode::FAILURE
        }
    }
}
