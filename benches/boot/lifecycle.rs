//! How long a cluster takes to stop, to start until it is usable, and to restart: one cluster, again and again.

use std::time::Instant;

use crate::measure::{Bench, Outcome};
use crate::series::Table;

/// The verbs in their order, and what their figures are called.
const VERBS: [(&str, &str); 5] = [
    ("stop", "stop, from Enter to prompt"),
    ("start", "start to usable, from Enter to prompt"),
    ("restart", "restart to usable, from Enter to prompt"),
    ("pause", "pause, from Enter to prompt"),
    ("unpause", "unpause to usable, from Enter to prompt"),
];

/// Creates a cluster, runs every verb so often, and deletes it.
pub fn measure(bench: &Bench, nodes: u32, runs: u32, table: &mut Table) -> Outcome<()> {
    bench.create(&["--nodes", &nodes.to_string()])?;
    for _ in 0..runs {
        for (verb, title) in VERBS {
            let begun = Instant::now();
            bench.on_cluster(verb)?;
            table.add(title, begun.elapsed().as_secs_f64());
        }
    }
    bench.delete()?;
    Ok(())
}
