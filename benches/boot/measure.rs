//! One round: create, read the milestones, delete; or the same with another tool's commands.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::series::Table;

/// A result, or why there is none.
pub type Outcome<T> = Result<T, String>;

/// Which addons the clusters have.
#[derive(Clone, Copy)]
pub enum Addons {
    /// Those that every cluster has unless told otherwise.
    Default,
    /// None at all.
    None,
}

/// A cluster's name that is only ours, and a kubeconfig that is nobody's.
pub struct Bench {
    name: String,
    nodes: u32,
    addons: Addons,
    home: TempDir,
}

impl Bench {
    /// Nothing is created yet.
    pub fn new(nodes: u32, addons: Addons) -> Outcome<Self> {
        let home = tempfile::tempdir().map_err(|e| e.to_string())?;
        let suffix = if matches!(addons, Addons::None) { "-bare" } else { "" };
        Ok(Self { name: format!("bench-{}{suffix}", std::process::id()), nodes, addons, home })
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kubeconfig that has nothing but the cluster.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.path().join("kubeconfig")
    }

    /// The first node's name.
    pub fn control_plane(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// Creates and deletes once; every figure goes into the table.
    pub fn round(&self, table: &mut Table) -> Outcome<()> {
        let (created, took) = self.create(&["--nodes", &self.nodes.to_string()])?;
        for milestone in created["timings"].as_array().into_iter().flatten() {
            if let (Some(name), Some(seconds)) = (milestone["milestone"].as_str(), milestone["seconds"].as_f64()) {
                table.add(name, seconds);
            }
        }
        table.add("create, from Enter to prompt", took.as_secs_f64());
        let took = self.delete()?;
        table.add("delete, from Enter to prompt", took.as_secs_f64());
        Ok(())
    }

    /// The same with another tool: how long from Enter to prompt.
    pub fn other(&self, create: &str, delete: Option<&str>, table: &mut Table) -> Outcome<()> {
        let word = create.split_whitespace().next().unwrap_or("other");
        for (what, command) in [("create", Some(create)), ("delete", delete)] {
            let Some(command) = command else { continue };
            let mut shell = Command::new("sh");
            let begun = Instant::now();
            checked(shell.args(["-c", command]).env("KUBECONFIG", self.home.path().join("other")))?;
            table.add(&format!("{word}: {what}, from Enter to prompt"), begun.elapsed().as_secs_f64());
        }
        Ok(())
    }

    /// Creates the cluster of this shape; returns what `-o json` says and how long it took.
    pub fn create(&self, shape: &[&str]) -> Outcome<(Value, Duration)> {
        let mut arguments = [&["create", "cluster", &self.name, "-o", "json"], shape].concat();
        if let Addons::None = self.addons {
            let on = knarr::addons::ALL.iter().filter(|addon| addon.by_default);
            arguments.extend(on.flat_map(|addon| ["--no-addon", addon.name]));
        }
        let begun = Instant::now();
        let output = self.knarr(&arguments)?;
        let took = begun.elapsed();
        let created = serde_json::from_slice(&output.stdout).map_err(|e| format!("not JSON: {e}"))?;
        Ok((created, took))
    }

    /// Deletes the cluster; returns how long it took.
    pub fn delete(&self) -> Outcome<Duration> {
        let begun = Instant::now();
        self.knarr(&["delete", "cluster", &self.name])?;
        Ok(begun.elapsed())
    }

    /// Runs a verb that takes nothing but the cluster's name.
    pub fn on_cluster(&self, verb: &str) -> Outcome<()> {
        self.knarr(&[verb, &self.name]).map(drop)
    }

    /// Runs a shell script in the first node.
    pub fn in_node(&self, script: &str) -> Outcome<String> {
        let output = self.knarr(&["exec", &self.control_plane(), "--", "sh", "-c", script])?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs knarr with these words.
    pub fn knarr(&self, arguments: &[&str]) -> Outcome<Output> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_knarr"));
        checked(command.args(arguments).env("KUBECONFIG", self.kubeconfig()))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // After a failure in the middle; otherwise there is nothing to delete.
        if let Err(why) = self.delete() {
            eprintln!("cluster {} is left: {why}", self.name);
        }
    }
}

/// Runs a command that must succeed.
pub fn checked(command: &mut Command) -> Outcome<Output> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// What figures of two machines must not be compared without.
pub fn host() -> Value {
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let docker = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
    let docker = docker.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
    json!({"cpus": cpus, "docker": docker, "arch": std::env::consts::ARCH})
}
