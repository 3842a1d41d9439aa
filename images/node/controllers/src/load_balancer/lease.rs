//! One of all gives the addresses: the one that holds the Lease.
//!
//! No crate does this for us: the one for this version of kube takes an expired Lease away without comparing what it
//! has read, so that two may hold it. Here every write names the version that it replaces, and expiry is measured on
//! one's own clock from when a version was first seen, never by comparing two machines' clocks.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::NAME;

/// A holder that has not renewed for so long has lost the Lease.
const DURATION: Duration = Duration::from_secs(10);
/// How often the holder renews.
const RENEW: Duration = Duration::from_secs(3);
/// The holder believes for so long that a renewal holds: shorter than the others, who must not begin before it ends.
const BELIEVED: Duration = Duration::from_secs(7);
/// A request that takes longer has failed.
const REQUEST: Duration = Duration::from_secs(3);

/// One candidate.
pub struct Election {
    leases: Api<Lease>,
    me: String,
    /// The newest version that was seen, and when.
    seen: Option<(Lease, Instant)>,
    /// When it was last renewed by us.
    renewed: Option<Instant>,
}

/// What to do about the Lease.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// It is not there: make it.
    Make,
    /// It is ours or nobody's: write it.
    Write,
    /// Nothing before this moment.
    Wait(Instant),
}

impl Election {
    /// A candidate named after its node.
    pub fn new(client: Client, me: &str) -> Self {
        Self { leases: Api::namespaced(client, "kube-system"), me: me.to_owned(), seen: None, renewed: None }
    }

    /// Keeps `leading` true while this one holds the Lease, until `stopping`; then gives it up.
    pub async fn run(mut self, leading: watch::Sender<bool>, mut stopping: watch::Receiver<bool>) {
        let only = watcher::Config::default().fields(&format!("metadata.name={NAME}")).timeout(20);
        let mut events = watcher(self.leases.clone(), only).boxed();
        // Nothing is known before the first listing.
        let mut next = Instant::now() + DURATION;
        loop {
            tokio::select! {
                _ = stopping.changed() => {
                    if leading.send_replace(false) {
                        self.give_up().await;
                    }
                    return;
                }
                Some(event) = events.next() => match event {
                    Ok(Event::Apply(lease) | Event::InitApply(lease)) => self.see(lease),
                    Ok(Event::Delete(_)) => self.seen = None,
                    Ok(Event::InitDone) => {}
                    Ok(Event::Init) | Err(_) => {
                        self.expire(&leading);
                        continue;
                    }
                },
                () = sleep_until(next) => {}
            }
            let now = Instant::now();
            next = match self.step(now) {
                Step::Wait(until) => until,
                step => {
                    self.write(&step).await;
                    // Whatever the answer is, the watch tells of it; a silent one is asked again.
                    Instant::now() + RENEW / 3
                }
            };
            self.expire(&leading);
        }
    }

    /// Leading ends by itself when no renewal succeeded for long, before anybody else may begin.
    fn expire(&self, leading: &watch::Sender<bool>) {
        let valid = self.renewed.is_some_and(|at| at.elapsed() < BELIEVED);
        leading.send_if_modified(|leading| {
            let different = *leading != valid;
            if different {
                tracing::info!("{}", if valid { "giving addresses from now on" } else { "giving addresses no more" });
            }
            *leading = valid;
            different
        });
    }

    fn see(&mut self, lease: Lease) {
        let version = |lease: &Lease| lease.metadata.resource_version.clone();
        if self.seen.as_ref().is_none_or(|(known, _)| version(known) != version(&lease)) {
            self.seen = Some((lease, Instant::now()));
        }
    }

    fn step(&self, now: Instant) -> Step {
        let Some((lease, since)) = &self.seen else { return Step::Make };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let due = match (holder, self.renewed) {
            ("", _) => now,
            (holder, Some(renewed)) if holder == self.me => renewed + RENEW,
            // It has our name from a former life.
            (holder, None) if holder == self.me => now,
            _ => *since + DURATION,
        };
        if due <= now { Step::Write } else { Step::Wait(due) }
    }

    async fn write(&mut self, step: &Step) {
        let lease = self.next_version();
        let request = async {
            match step {
                Step::Make => self.leases.create(&PostParams::default(), &lease).await,
                _ => self.leases.replace(NAME, &PostParams::default(), &lease).await,
            }
        };
        let begun = Instant::now();
        match timeout(REQUEST, request).await {
            Ok(Ok(lease)) => {
                // Counted from before the request: others count from after it.
                self.renewed = Some(begun);
                self.see(lease);
            }
            // Somebody was faster.
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => self.renewed = None,
            Ok(Err(error)) => tracing::warn!("renewing the lease: {error}"),
            Err(_) => tracing::warn!("renewing the lease: no answer within {REQUEST:?}"),
        }
    }

    /// What the Lease looks like when it is ours; it names the version that it replaces.
    fn next_version(&self) -> Lease {
        let before = self.seen.as_ref().map(|(lease, _)| lease);
        let spec = before.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let ours = spec.holder_identity.as_deref() == Some(self.me.as_str());
        let now = MicroTime(Timestamp::now());
        Lease {
            metadata: before.map_or_else(
                || ObjectMeta { name: Some(NAME.into()), ..ObjectMeta::default() },
                |lease| lease.metadata.clone(),
            ),
            spec: Some(LeaseSpec {
                holder_identity: Some(self.me.clone()),
                lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
                acquire_time: if ours { spec.acquire_time } else { Some(now.clone()) },
                renew_time: Some(now),
                lease_transitions: Some(spec.lease_transitions.unwrap_or(0) + i32::from(!ours)),
                ..LeaseSpec::default()
            }),
        }
    }

    /// So that the next one need not wait.
    async fn give_up(&mut self) {
        let mut lease = self.next_version();
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
        }
        let given = timeout(REQUEST, self.leases.replace(NAME, &PostParams::default(), &lease)).await;
        if !matches!(given, Ok(Ok(_))) {
            tracing::warn!("the lease could not be given up; it ends by itself");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn election(holder: Option<&str>, renewed: Option<Instant>, since: Instant) -> Election {
        let config = kube::Config::new("http://127.0.0.1:1".parse().expect("an address"));
        let client = Client::try_from(config).expect("nothing is asked yet");
        let lease = holder.map(|holder| Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.into()),
                lease_transitions: Some(4),
                ..LeaseSpec::default()
            }),
            metadata: ObjectMeta { resource_version: Some("7".into()), ..ObjectMeta::default() },
        });
        Election { seen: lease.map(|lease| (lease, since)), renewed, ..Election::new(client, "a") }
    }

    #[tokio::test]
    async fn who_may_write_when() {
        let now = Instant::now();
        let step = |holder, renewed, since| election(holder, renewed, since).step(now);
        assert_eq!(step(None, None, now), Step::Make);
        assert_eq!(step(Some(""), None, now), Step::Write, "it was given up");
        assert_eq!(step(Some("a"), None, now), Step::Write, "ours from a former life");
        assert_eq!(step(Some("a"), Some(now), now), Step::Wait(now + RENEW));
        assert_eq!(step(Some("b"), None, now), Step::Wait(now + DURATION));
        assert_eq!(step(Some("b"), None, now.checked_sub(DURATION).expect("a past")), Step::Write, "it is dead");
    }

    #[tokio::test]
    async fn a_write_names_the_version_that_it_replaces() {
        let now = Instant::now();
        let taken = election(Some("b"), None, now).next_version();
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(taken.spec.and_then(|spec| spec.lease_transitions), Some(5));
        let renewed = election(Some("a"), Some(now), now).next_version();
        assert_eq!(renewed.spec.and_then(|spec| spec.lease_transitions), Some(4));
    }
}
