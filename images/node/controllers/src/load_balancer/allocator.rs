//! Writes what [`super::allocate`] decides into the Services' statuses, while this process holds the Lease.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client};
use serde_json::json;
use tokio::sync::watch;

use super::NAME;
use super::allocate::{Book, Refusal, Verdict, allocate};
use super::facts::Balanced;
use super::pool::Pool;
use super::settings::Settings;
use super::world::World;

/// Before something that failed is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Gives addresses.
pub struct Allocator {
    client: Client,
    events: Recorder,
    pool: Pool,
    book: Book,
    /// What a Service was last told that it cannot have.
    told: BTreeMap<String, Vec<Refusal>>,
}

impl Allocator {
    /// An allocator that does nothing before it leads.
    pub fn new(client: Client, settings: &Settings) -> Self {
        let reporter = Reporter { controller: NAME.into(), instance: Some(settings.node.clone()) };
        let events = Recorder::new(client.clone(), reporter);
        Self { client, events, pool: settings.pool.clone(), book: Book::new(), told: BTreeMap::new() }
    }

    /// Gives addresses whenever it leads; does not end.
    pub async fn run(mut self, mut world: watch::Receiver<World>, mut leading: watch::Receiver<bool>) {
        loop {
            if leading.wait_for(|leading| *leading).await.is_err() {
                return std::future::pending().await;
            }
            if let Err(error) = self.open_book().await {
                tracing::warn!("reading the Services: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            while *leading.borrow() {
                let failed = self.round(&mut world, &leading).await;
                tokio::select! {
                    _ = leading.changed() => {}
                    _ = world.changed() => {}
                    () = tokio::time::sleep(RETRY), if failed => {}
                }
            }
        }
    }

    /// Another one led before; what it wrote last may not have come through the watch yet.
    async fn open_book(&mut self) -> kube::Result<()> {
        let services = Api::<Service>::all(self.client.clone()).list(&ListParams::default()).await?;
        let ours = services.items.iter().filter_map(Balanced::read);
        self.book = ours.filter(|s| !s.assigned.is_empty()).map(|s| (s.uid, s.assigned)).collect();
        self.told.clear();
        Ok(())
    }

    /// Brings all statuses to what they should be; returns whether something failed.
    async fn round(&mut self, world: &mut watch::Receiver<World>, leading: &watch::Receiver<bool>) -> bool {
        let services: Vec<Balanced> = {
            let world = world.borrow_and_update();
            if !world.services.is_complete() {
                return false;
            }
            world.services.all().values().cloned().collect()
        };
        let all: Vec<&Balanced> = services.iter().collect();
        let verdicts = allocate(&self.pool, &all, &self.book);
        self.told.retain(|uid, _| verdicts.contains_key(uid));
        self.book = verdicts.iter().map(|(uid, verdict)| (uid.clone(), verdict.addresses.clone())).collect();
        let mut failed = false;
        for service in all {
            let Some(verdict) = verdicts.get(&service.uid) else { continue };
            // Each write takes a while, in which the Lease may be lost.
            if !*leading.borrow() {
                break;
            }
            if let Err(error) = self.settle(service, verdict).await {
                tracing::warn!("Service {}: {error}", service.key);
                failed = true;
            }
        }
        failed
    }

    async fn settle(&mut self, service: &Balanced, verdict: &Verdict) -> kube::Result<()> {
        if service.assigned != verdict.addresses {
            match self.write(service, &verdict.addresses).await {
                // It is gone, or another one of its name is there: the watch will tell.
                Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return Ok(()),
                written => written?,
            }
            let shown: Vec<String> = verdict.addresses.iter().map(ToString::to_string).collect();
            let shown = shown.join(", ");
            tracing::info!("Service {} has {}", service.key, if shown.is_empty() { "no address" } else { &shown });
            if !shown.is_empty() {
                self.tell(service, EventType::Normal, "AddressAssigned", format!("its address is {shown}")).await;
            }
        }
        if self.told.get(&service.uid).map_or(&[][..], Vec::as_slice) != verdict.refusals {
            for refusal in &verdict.refusals {
                self.tell(service, EventType::Warning, refusal.reason(), refusal.to_string()).await;
            }
            self.told.insert(service.uid.clone(), verdict.refusals.clone());
        }
        Ok(())
    }

    async fn write(&self, service: &Balanced, addresses: &[IpAddr]) -> kube::Result<()> {
        let ingress: Vec<_> = addresses.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
        let status = json!({
            // A Service of the same name that was made anew is not meant.
            "metadata": {"uid": service.uid},
            "status": {"loadBalancer": {"ingress": ingress}},
        });
        let services: Api<Service> = Api::namespaced(self.client.clone(), &service.key.namespace);
        let params = PatchParams { field_manager: Some(NAME.into()), ..PatchParams::default() };
        services.patch_status(&service.key.name, &params, &Patch::Merge(status)).await.map(drop)
    }

    /// An Event is a courtesy: one that cannot be written holds nothing up.
    async fn tell(&self, service: &Balanced, type_: EventType, reason: &str, note: String) {
        let event =
            Event { type_, reason: reason.into(), note: Some(note), action: "Allocate".into(), secondary: None };
        let about = ObjectReference {
            api_version: Some("v1".into()),
            kind: Some("Service".into()),
            namespace: Some(service.key.namespace.clone()),
            name: Some(service.key.name.clone()),
            uid: Some(service.uid.clone()),
            ..ObjectReference::default()
        };
        if let Err(error) = self.events.publish(&event, &about).await {
            tracing::warn!("Event on Service {}: {error}", service.key);
        }
    }
}
