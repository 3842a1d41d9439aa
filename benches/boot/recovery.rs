//! How long a component of a node takes to serve again after it was killed: one cluster, each component again and again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::measure::{Bench, Outcome};
use crate::series::Table;

/// What runs on a control plane, in the order of starting.
const COMPONENTS: [&str; 7] =
    ["containerd", "etcd", "kube-apiserver", "kubelet", "kube-scheduler", "kube-controller-manager", "kube-proxy"];
/// Between two questions; what is measured is no finer than one question and this.
const EVERY: Duration = Duration::from_millis(50);
/// When a component is given up.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// Creates a cluster, kills every component so often, and deletes it.
pub fn measure(bench: &Bench, runs: u32, table: &mut Table) -> Outcome<()> {
    bench.create(&["--nodes", "1"])?;
    for _ in 0..runs {
        for component in COMPONENTS {
            let was = status(bench, component)?;
            bench.in_node(&format!("kill -9 {}", was["pid"]))?;
            let begun = Instant::now();
            loop {
                let now = status(bench, component)?;
                if now["ready"] == true && now["pid"] != was["pid"] {
                    break;
                }
                if begun.elapsed() > GIVEN_UP {
                    return Err(format!("{component} does not come back: {now}"));
                }
                sleep(EVERY);
            }
            table.add(&format!("{component} serves again after kill -9"), begun.elapsed().as_secs_f64());
        }
    }
    bench.delete()?;
    Ok(())
}

/// What the node's own agent says of a component; the API server may be the one that is gone.
fn status(bench: &Bench, component: &str) -> Outcome<Value> {
    let text = bench.in_node("knarr-node status -o json")?;
    let node: Value = serde_json::from_str(&text).map_err(|e| format!("not JSON: {e}"))?;
    let all = node["components"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|other| other["name"] == component);
    one.cloned().ok_or_else(|| format!("there is no {component}"))
}
