//! One cluster of a case: made by knarr, asked through `knarr kubectl`, removed without knarr when the case ends.

use serde_json::Value;

use crate::docker;
use crate::processes::Run;
use crate::scene::{Scene, kept};
use crate::wait::{seconds, until};

/// A cluster's name; whatever carries it is removed when this goes, also after a panic.
pub struct Cluster<'s> {
    scene: &'s Scene,
    /// Its name.
    pub name: String,
}

impl<'s> Cluster<'s> {
    /// Takes over the removal of everything with this name.
    pub fn named(scene: &'s Scene, name: String) -> Self {
        Self { scene, name }
    }

    /// Creates it, with further flags.
    #[track_caller]
    pub fn create(&self, flags: &[&str]) -> Run {
        self.try_create(flags).ok()
    }

    /// Tries to create it.
    pub fn try_create(&self, flags: &[&str]) -> Run {
        self.scene.knarr(&[&["create", "cluster", &self.name], flags].concat())
    }

    /// Deletes it with knarr, and checks that nothing is left.
    #[track_caller]
    pub fn delete(&self) -> Run {
        let run = self.scene.knarr(&["delete", "cluster", &self.name]).ok();
        assert_eq!(self.objects(), [""; 0], "after\n{run}");
        run
    }

    /// What Docker has of it.
    pub fn objects(&self) -> Vec<String> {
        docker::objects(&self.name)
    }

    /// The name of its control plane.
    pub fn control_plane(&self) -> String {
        format!("{}-control-plane", self.name)
    }

    /// Runs kubectl against it.
    pub fn kubectl(&self, arguments: &[&str]) -> Run {
        self.kubectl_reading(arguments, b"")
    }

    /// Runs kubectl with something on its stdin.
    pub fn kubectl_reading(&self, arguments: &[&str], input: &[u8]) -> Run {
        self.scene.knarr_reading(&[&["kubectl", "--name", &self.name], arguments].concat(), input)
    }

    /// One object, or a list, as JSON.
    #[track_caller]
    pub fn get(&self, arguments: &[&str]) -> Value {
        self.kubectl(&[&["get", "-o", "json"], arguments].concat()).ok().json()
    }

    /// Applies a manifest.
    #[track_caller]
    pub fn apply(&self, manifest: &str) {
        self.kubectl_reading(&["apply", "-f", "-"], manifest.as_bytes()).ok();
    }

    /// Waits until every pod of a label runs and is ready; returns them.
    pub fn pods_ready(&self, label: &str, count: usize) -> Vec<Value> {
        until(&format!("{count} pods of {label}"), seconds(60), || {
            let run = self.kubectl(&["get", "pods", "-o", "json", "-l", label]);
            if run.status != 0 {
                return Err(run.stderr);
            }
            let pods = run.json()["items"].as_array().cloned().unwrap_or_default();
            let ready = pods.iter().filter(|pod| condition(pod, "Ready") == "True").count();
            if ready == count && pods.len() == count { Ok(pods) } else { Err(format!("{ready} of {}", pods.len())) }
        })
    }

    /// Runs a program in a node.
    pub fn exec(&self, node: &str, argv: &[&str]) -> Run {
        self.scene.knarr(&[&["exec", node], argv].concat())
    }

    /// Waits until `knarr status` is content.
    pub fn well(&self) {
        until(&format!("{} is well", self.name), seconds(60), || {
            let run = self.scene.knarr(&["status", &self.name]);
            if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
        });
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.objects().is_empty() {
            let folder = kept().join("logs").join(&self.name);
            let folder = folder.to_string_lossy();
            let run = self.scene.knarr(&["export", "logs", &folder, "--name", &self.name]);
            eprintln!("logs of {}: {folder} (status {})", self.name, run.status);
        }
        docker::sweep(&self.name);
    }
}

/// The status of an object's condition: `True`, `False`, or nothing.
pub fn condition<'v>(object: &'v Value, kind: &str) -> &'v str {
    let all = object["status"]["conditions"].as_array();
    let found = all.and_then(|all| all.iter().find(|c| c["type"] == kind));
    found.and_then(|c| c["status"].as_str()).unwrap_or_default()
}

/// A text inside an object.
#[track_caller]
pub fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer} of {object:#}"))
}
