//! Secrets by name, and only those that an Ingress names.
//!
//! Following all Secrets would take the right to list every one of them; asking for single ones takes `get` only. The
//! price is asking again from time to time, and only while an Ingress names a Secret at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};

use super::world::Name;

const KNOWN: Duration = Duration::from_secs(10);
const MISSING: Duration = Duration::from_secs(2);

/// What was asked for.
pub struct Secrets {
    client: Client,
    known: BTreeMap<Name, Option<Arc<Secret>>>,
}

impl Secrets {
    /// None yet.
    pub fn new(client: Client) -> Self {
        Self { client, known: BTreeMap::new() }
    }

    /// All of them.
    pub fn known(&self) -> BTreeMap<Name, Option<Arc<Secret>>> {
        self.known.clone()
    }

    /// Asks for those that are not known and forgets those that nobody names; true when there is something new.
    pub async fn want(&mut self, names: &BTreeSet<Name>) -> bool {
        self.known.retain(|name, _| names.contains(name));
        let missing: Vec<Name> = names.iter().filter(|name| !self.known.contains_key(name)).cloned().collect();
        let mut new = false;
        for name in missing {
            new |= self.fetch(name).await;
        }
        new
    }

    /// When to ask again; never while nobody names one.
    pub fn again(&self) -> Option<Duration> {
        let missing = self.known.values().any(Option::is_none);
        (!self.known.is_empty()).then_some(if missing { MISSING } else { KNOWN })
    }

    /// Asks again for all; true when one has changed.
    pub async fn refresh(&mut self) -> bool {
        let names: Vec<Name> = self.known.keys().cloned().collect();
        let mut changed = false;
        for name in names {
            changed |= self.fetch(name).await;
        }
        changed
    }

    async fn fetch(&mut self, name: Name) -> bool {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &name.namespace);
        match api.get_opt(&name.name).await {
            Ok(found) => {
                let version = |secret: &Secret| secret.resource_version();
                let before = self.known.get(&name).map(|known| known.as_deref().and_then(version));
                let changed = before != Some(found.as_ref().and_then(version));
                self.known.insert(name, found.map(Arc::new));
                changed
            }
            Err(why) => {
                tracing::warn!("Secret {name}: {why}");
                // What was known stays in use; what was not is asked for again soon.
                self.known.entry(name).or_insert(None);
                false
            }
        }
    }
}
