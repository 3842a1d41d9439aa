//! Tests of the kubeconfig, from pure texts to processes that are killed while writing.
#![expect(clippy::disallowed_methods, reason = "tests look at files from outside")]

mod concurrency;
mod disk;
mod faults;
mod generate;
mod kubectl;
mod properties;
mod texts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use super::{Document, Entry, Options, Paths, Store};

/// An entry that can be told from every other cluster's and every other run's.
fn entry(cluster: &str, create_id: &str) -> Entry {
    let pem = |what: &str| format!("-----BEGIN {what}-----\n{cluster} {create_id}\n-----END {what}-----\n");
    Entry {
        cluster: cluster.to_owned(),
        create_id: create_id.to_owned(),
        docker: String::new(),
        server: format!("https://127.0.0.1:{}", 20_000 + cluster.len()),
        ca_pem: pem("CERTIFICATE"),
        client_cert_pem: pem("CERTIFICATE"),
        client_key_pem: Zeroizing::new(pem("PRIVATE KEY")),
    }
}

fn parse(text: &str) -> Document {
    Document::parse(text.as_bytes()).unwrap_or_else(|defect| panic!("{defect}\n{text}"))
}

fn text(document: &Document) -> String {
    String::from_utf8(document.to_bytes()).unwrap()
}

/// Merges and removes as the store does it for a single file.
fn merged(document: &Document, entry: &Entry) -> Document {
    document.merge(entry, true).unwrap().map_or_else(|| document.clone(), |changed| changed.document)
}

fn removed(document: &Document, cluster: &str) -> Document {
    let bare = document.remove(cluster, None, None).unwrap();
    let Some(bare) = bare else { return document.clone() };
    let successor = document.previous_contexts(cluster).into_iter().find(|c| bare.document.has_context(c));
    document.remove(cluster, None, Some(&successor.unwrap_or_default())).unwrap().unwrap().document
}

/// A folder of its own, a store on one file in it, and no patience.
struct Scene {
    folder: tempfile::TempDir,
    options: Options,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            state_dir: Some(folder.path().join("state")),
            lock_wait: Duration::from_millis(200),
            ..Options::default()
        };
        Self { folder, options }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names in the folder that nobody asked for.
    fn litter(&self) -> Vec<String> {
        let names =
            std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter(|n| n.contains("knarr") || Path::new(n).extension().is_some_and(|e| e == "lock")).collect()
    }

    fn store(&self, names: &[&str]) -> Store {
        let list = std::env::join_paths(names.iter().map(|n| self.path(n))).unwrap();
        Store::new(Paths::choose(None, Some(&list), None).unwrap().unwrap(), self.options.clone())
    }
}

fn store_on(path: &Path, options: Options) -> Store {
    Store::new(Paths::choose(Some(path), None, None).unwrap().unwrap(), options)
}

fn never() -> bool {
    false
}
