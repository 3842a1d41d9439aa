//! Waits until objects do what they are for, all at once, and tells what is still missing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures::future::try_join_all;
use serde_json::Value;

use super::works;
use crate::error::{Error, Result};
use crate::kubernetes::kinds::STORAGE_CLASS;
use crate::kubernetes::{Kubernetes, Progress, Selection, objects};

/// Waits for all objects at once; an object that failed for good is an error.
pub async fn until_they_work(
    kubernetes: &dyn Kubernetes,
    objects: &[Value],
    waits: &Waits,
    progress: Progress<'_>,
) -> Result<()> {
    let lazy = lazy_classes(kubernetes, objects).await?;
    let one = |object: &Value, kind| {
        let name = objects::describe(object);
        let fields = format!("metadata.name={}", object["metadata"]["name"].as_str().unwrap_or_default());
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let lazy = &lazy;
        async move {
            let selection = Selection { namespace: namespace.as_deref(), labels: "", fields: &fields };
            let mut failed = None;
            let mut done = |object: &Value| {
                failed = works::failed(object);
                let lies_ready = object["spec"]["storageClassName"].as_str().is_some_and(|class| lazy.contains(class));
                let missing = if lies_ready { None } else { works::missing(object) };
                let done = missing.is_none();
                progress(&waits.set(&name, missing));
                done || failed.is_some()
            };
            kubernetes.watch_until(kind, selection, &mut done, progress).await?;
            match failed {
                Some(why) => Err(Error::failed(format!("{name} failed")).cause(why)),
                None => Ok(()),
            }
        }
    };
    let waited = objects.iter().filter_map(|object| works::kind_of(object).map(|kind| one(object, kind)));
    try_join_all(waited).await.map(|_| ())
}

/// The StorageClasses whose claims rest until a Pod comes for them.
async fn lazy_classes(kubernetes: &dyn Kubernetes, objects: &[Value]) -> Result<BTreeSet<String>> {
    if !objects.iter().any(|object| object["kind"] == "PersistentVolumeClaim") {
        return Ok(BTreeSet::new());
    }
    let classes = kubernetes.list(&STORAGE_CLASS, Selection::default()).await?;
    let lazy = classes.iter().filter(|class| class["volumeBindingMode"] == "WaitForFirstConsumer");
    Ok(lazy.filter_map(|class| class["metadata"]["name"].as_str().map(str::to_owned)).collect())
}

/// What is still waited for, by object.
#[derive(Default)]
pub struct Waits(Mutex<BTreeMap<String, String>>);

impl Waits {
    /// Notes what an object lacks, or that it lacks nothing; returns all that is waited for.
    pub fn set(&self, name: &str, missing: Option<String>) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match missing {
            Some(missing) => all.insert(name.to_owned(), missing),
            None => all.remove(name),
        };
        lines(&all).join(", ")
    }

    /// Notes that exactly these sentences hold.
    pub fn only(&self, sentences: impl IntoIterator<Item = String>) -> String {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all = sentences.into_iter().map(|sentence| (sentence, String::new())).collect();
        lines(&all).join(", ")
    }

    /// One line each.
    pub fn lines(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines(&all)
    }
}

/// What is waited for, one line each; a sentence stands for itself.
fn lines(all: &BTreeMap<String, String>) -> Vec<String> {
    let line = |(name, missing): (&String, &String)| {
        if missing.is_empty() { name.clone() } else { format!("{name}: {missing}") }
    };
    all.iter().map(line).collect()
}
