//! Watches the objects and keeps the node's rules up with them.

use std::time::{Duration, Instant};

use futures::stream::{self, BoxStream, StreamExt};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt, watcher as watch};
use kube::{Api, Client};

use super::apply::apply;
use super::compile::compile;
use super::facts::{self, Facts, Labels, Policy};
use super::mirror::Mirror;
use super::ruleset::Guard;
use super::text::print;

/// How many events are taken over before the rules are made again, if so many are there already.
const BURST: usize = 1024;

/// After how long rules that nft refused are tried again.
const AGAIN: Duration = Duration::from_secs(2);

enum Heard {
    Pod(Box<Event<Pod>>),
    Namespace(Box<Event<PartialObjectMeta<Namespace>>>),
    Policy(Box<Event<NetworkPolicy>>),
}

/// Everything that is known, and whether it is everything.
#[derive(Default)]
struct Known {
    facts: Facts,
    pods: Mirror<facts::Pod>,
    namespaces: Mirror<Labels>,
    policies: Mirror<Policy>,
}

impl Known {
    fn take(&mut self, heard: Heard) -> bool {
        let facts = &mut self.facts;
        match heard {
            Heard::Pod(event) => self.pods.take(&mut facts.pods, *event, facts::Pod::of),
            Heard::Policy(event) => self.policies.take(&mut facts.policies, *event, |p| Some(Policy::of(p))),
            Heard::Namespace(event) => {
                let labels = |n: &PartialObjectMeta<Namespace>| Some(n.metadata.labels.clone().unwrap_or_default());
                self.namespaces.take(&mut facts.namespaces, *event, labels)
            }
        }
    }

    fn complete(&self) -> bool {
        self.pods.complete() && self.namespaces.complete() && self.policies.complete()
    }
}

/// Enforces until the process ends. Rules of an earlier process stay in force until everything is known.
pub async fn enforce(client: Client, node: &str) {
    // Events that came while rules were being applied are taken over together.
    let mut bursts = hear(client).ready_chunks(BURST);
    let mut known = Known::default();
    let mut in_force: Option<String> = None;
    let mut stale = true;
    loop {
        if stale && known.complete() {
            stale = false;
            bring_into_force(&known.facts, node, &mut in_force).await;
        }
        tokio::select! {
            burst = bursts.next() => {
                for heard in burst.into_iter().flatten() {
                    stale |= known.take(heard);
                }
            }
            () = tokio::time::sleep(AGAIN), if known.complete() && in_force.is_none() => stale = true,
        }
    }
}

async fn bring_into_force(facts: &Facts, node: &str, in_force: &mut Option<String>) {
    let begun = Instant::now();
    let ruleset = compile(facts, node);
    let text = print(&ruleset);
    if in_force.as_ref() == Some(&text) {
        return;
    }
    let (compiled, begun) = (begun.elapsed(), Instant::now());
    match apply(&text).await {
        Ok(()) => {
            let pods = |guard: &Guard| guard.groups.iter().map(|group| group.pods.len()).sum::<usize>();
            let (ingress, egress) = (pods(&ruleset.ingress), pods(&ruleset.egress));
            tracing::info!(ingress, egress, bytes = text.len(), ?compiled, applied = ?begun.elapsed(), "new rules");
            *in_force = Some(text);
        }
        Err(why) => {
            tracing::error!(%why, "the rules stay as they were");
            *in_force = None;
        }
    }
}

fn hear(client: Client) -> BoxStream<'static, Heard> {
    // Small pages: a list is in memory as a whole while it is decoded.
    let config = || watcher::Config::default().page_size(100);
    let pods = watch(Api::<Pod>::all(client.clone()), config()).default_backoff().boxed();
    let policies = watch(Api::<NetworkPolicy>::all(client.clone()), config()).default_backoff().boxed();
    let namespaces = watch(Api::<PartialObjectMeta<Namespace>>::all(client), config()).default_backoff().boxed();
    stream::select_all([
        understood(pods, Heard::Pod),
        understood(policies, Heard::Policy),
        understood(namespaces, Heard::Namespace),
    ])
    .boxed()
}

/// The events of a watch; what breaks it is logged, and the watch begins anew by itself.
fn understood<K: Send + 'static>(
    events: BoxStream<'static, watcher::Result<Event<K>>>,
    heard: fn(Box<Event<K>>) -> Heard,
) -> BoxStream<'static, Heard> {
    let logged = events.filter_map(move |event| async move {
        match event {
            Ok(event) => Some(heard(Box::new(event))),
            Err(why) => {
                tracing::warn!(%why, "a watch broke");
                None
            }
        }
    });
    logged.boxed()
}
