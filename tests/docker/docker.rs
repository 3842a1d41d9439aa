//! Docker seen from outside, through its own program: what exists by label, and the few things a person would do to it.

use std::process::Command;

use serde_json::Value;

use crate::processes::{Run, run};
use crate::scene::prefix;

/// The label that everything of a cluster carries.
const CLUSTER: &str = "dev.knarr.cluster";

/// Runs `docker …`.
pub fn docker(arguments: &[&str]) -> Run {
    run(Command::new("docker").args(arguments), b"")
}

/// What `docker inspect` says about one container.
pub fn inspect(container: &str) -> Value {
    docker(&["container", "inspect", container]).ok().json()[0].take()
}

/// Containers, networks and volumes of a cluster, one `kind name` each.
pub fn objects(cluster: &str) -> Vec<String> {
    let filter = format!("label={CLUSTER}={cluster}");
    list(&["--filter", &filter], |_| true)
}

fn list(filter: &[&str], ours: impl Fn(&str) -> bool) -> Vec<String> {
    let label = format!("{{{{.Label \"{CLUSTER}\"}}}}");
    let kinds = [
        ("container", "{{.Names}}", &["container", "ls", "--all", "--no-trunc"][..]),
        ("network", "{{.Name}}", &["network", "ls"]),
        ("volume", "{{.Name}}", &["volume", "ls"]),
    ];
    let mut found = Vec::new();
    for (kind, name, list) in kinds {
        let format = format!("--format={label} {name}");
        let run = docker(&[list, filter, &[format.as_str()]].concat()).ok();
        let out = run.out();
        let named = out.lines().filter_map(|line| line.split_once(' '));
        found.extend(named.filter(|(cluster, _)| ours(cluster)).map(|(_, name)| format!("{kind} {name}")));
    }
    // Docker lists what was made last first, which is nobody's business.
    found.sort();
    found
}

/// Removes whatever carries the name of a cluster, without knarr: a bug in it must not hide its own traces.
pub fn sweep(cluster: &str) {
    assert!(cluster.starts_with(prefix()), "`{cluster}` is not of this run");
    remove(&objects(cluster));
}

/// Removes whatever any case of this run may have left.
pub fn sweep_this_run() {
    remove(&list(&["--filter", &format!("label={CLUSTER}")], |cluster| cluster.starts_with(prefix())));
}

fn remove(objects: &[String]) {
    for object in objects {
        let (kind, name) = object.split_once(' ').expect("kind and name");
        match kind {
            "container" => docker(&["container", "rm", "--force", "--volumes", name]),
            _ => docker(&[kind, "rm", name]),
        };
    }
}

/// A network or an image of this run that is removed at the end of its case.
pub struct Foreign {
    kind: &'static str,
    /// Its name.
    pub name: String,
}

impl Foreign {
    /// Takes over the removal of something.
    pub fn new(kind: &'static str, name: String) -> Self {
        Self { kind, name }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        match self.kind {
            "network" => docker(&["network", "rm", &self.name]),
            kind => docker(&[kind, "rm", "--force", &self.name]),
        };
    }
}
