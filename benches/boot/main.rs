//! How long clusters take and what they cost: created and deleted N times, measured, set beside another tool if asked.
//!
//! `cargo bench --bench boot -- --runs 10 --nodes 3`; see docs/bench.md.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a plain program whose output is its purpose")]
#![expect(clippy::disallowed_methods, reason = "it writes one file, where it was told")]

mod beside;
mod high_availability;
mod idle;
mod lifecycle;
mod measure;
mod recovery;
mod series;
#[path = "../../tests/shared/writes.rs"]
mod writes;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde_json::{Value, json};

use crate::measure::{Addons, Bench, Outcome};
use crate::series::Table;

/// Measures creation, deletion and idle cost of clusters
#[derive(Parser)]
struct Arguments {
    /// How many times
    #[arg(long, default_value_t = 10)]
    runs: u32,
    /// How many nodes a cluster has
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// How long an idle cluster is watched, in seconds; 0 leaves this part out
    #[arg(long, default_value_t = 120)]
    idle_seconds: u64,
    /// How long a new cluster may settle before it counts as idle, in seconds
    #[arg(long, default_value_t = 30)]
    settle_seconds: u64,
    /// Measure three control planes and two workers too, what they bear, and how fast a worker comes
    #[arg(long)]
    high_availability: bool,
    /// Measure how long each component takes to serve again after it was killed
    #[arg(long)]
    recovery: bool,
    /// Measure clusters without any addon too, in turn with the others
    #[arg(long)]
    without_addons: bool,
    /// Another tool's command that creates a cluster, run in turn with knarr's
    #[arg(long, value_name = "COMMAND")]
    versus: Option<String>,
    /// The other tool's command that deletes it again
    #[arg(long, value_name = "COMMAND", requires = "versus")]
    versus_delete: Option<String>,
    /// Write the figures as JSON into this file too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What cargo tells every bench
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if !arguments.bench {
        eprintln!("SKIPPED: clusters are only measured by `cargo bench --bench boot`");
        return ExitCode::SUCCESS;
    }
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let (runs, nodes) = (arguments.runs, arguments.nodes);
    let bench = Bench::new(nodes, Addons::Default)?;
    let bare = arguments.without_addons.then(|| Bench::new(nodes, Addons::None)).transpose()?;
    let (mut table, mut bare_table) = (Table::default(), Table::default());
    for round in 1..=runs {
        eprintln!("round {round} of {runs}");
        bench.round(&mut table)?;
        if let Some(bare) = &bare {
            bare.round(&mut bare_table)?;
        }
        if let Some(create) = &arguments.versus {
            bench.other(create, arguments.versus_delete.as_deref(), &mut table)?;
        }
    }
    lifecycle::measure(&bench, nodes, runs, &mut table)?;
    if arguments.high_availability {
        for _ in 0..runs {
            high_availability::round(&bench, &mut table)?;
        }
    }
    if arguments.recovery {
        recovery::measure(&bench, runs, &mut table)?;
    }
    let mut report = json!({"runs": runs, "nodes": nodes, "host": measure::host(), "seconds": table.to_json()});
    println!("{runs} runs, {nodes} nodes, times in seconds\n\n{table}");
    if bare.is_some() {
        report["secondsWithoutAddons"] = bare_table.to_json();
        println!("{}", beside::times(&table, &bare_table));
    }
    if arguments.idle_seconds > 0 {
        let measure = |bench| idle::measure(bench, arguments.settle_seconds, arguments.idle_seconds);
        let idle = measure(&bench)?;
        println!("{idle}");
        report["idle"] = idle.to_json();
        if let Some(bare) = &bare {
            let without = measure(bare)?;
            report["idleWithoutAddons"] = without.to_json();
            println!("{}", beside::idle(&idle, &without));
        }
    }
    finish(&report, arguments.json.as_deref())
}

fn finish(report: &Value, file: Option<&std::path::Path>) -> Outcome<()> {
    println!("{report}");
    let Some(file) = file else { return Ok(()) };
    std::fs::write(file, format!("{report:#}\n")).map_err(|e| format!("{}: {e}", file.display()))
}
