//! What users see in the API: Events about what is wrong, and the address at which an Ingress is served.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::model::{Problem, hash};
use super::world::Name;

/// The Service through which clients come.
pub const SERVICE: &str = "knarr-ingress";
/// An Event's note may have 1024 bytes.
const LONGEST: usize = 1000;

/// What is to be said.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What is wrong.
    pub problems: BTreeSet<Problem>,
    /// The Ingresses that are served.
    pub served: Vec<Arc<Ingress>>,
    /// All of ours, for Events.
    pub ours: Vec<Arc<Ingress>>,
    /// The Service as it is.
    pub service: Option<Arc<Service>>,
    /// The addresses of the nodes that serve.
    pub nodes: Vec<String>,
}

/// Says it, as often as there is something new. What fails is said again with the next report.
pub async fn run(client: Client, namespace: String, instance: String, mut reports: watch::Receiver<Report>) {
    let mut told = BTreeSet::new();
    while reports.changed().await.is_ok() {
        let report = reports.borrow_and_update().clone();
        told.retain(|problem| report.problems.contains(problem));
        for problem in report.problems.difference(&told.clone()) {
            match tell(&client, &instance, &report, problem).await {
                Ok(()) => {
                    tracing::warn!("{}: {}", problem.ingress, problem.message);
                    told.insert(problem.clone());
                }
                Err(why) => tracing::warn!("Event for {}: {why}", problem.ingress),
            }
        }
        if let Err(why) = publish_nodes(&client, &namespace, &report).await {
            tracing::warn!("Service {namespace}/{SERVICE}: {why}");
        }
        let address = addresses(&report);
        for ingress in &report.served {
            if let Err(why) = publish(&client, ingress, &address).await {
                tracing::warn!("status of {}: {why}", Name::of(ingress.as_ref()));
            }
        }
    }
}

/// Writes one Event. Its name is made of what it says, so that several instances write one.
async fn tell(client: &Client, instance: &str, report: &Report, problem: &Problem) -> kube::Result<()> {
    let find = |ingress: &&Arc<Ingress>| Name::of(ingress.as_ref()) == problem.ingress;
    let Some(ingress) = report.ours.iter().find(find) else { return Ok(()) };
    let said = format!("{} {} {}", ingress.uid().unwrap_or_default(), problem.reason, problem.message);
    // Four bytes are the most that a character takes.
    let note = if problem.message.len() > LONGEST {
        problem.message.chars().take(LONGEST / 4).collect()
    } else {
        problem.message.clone()
    };
    let event = Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{}", problem.ingress.name, hash(said.as_bytes()))),
            namespace: Some(problem.ingress.namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(Timestamp::now())),
        type_: Some("Warning".into()),
        reason: Some(problem.reason.into()),
        note: Some(note),
        action: Some("Configure".into()),
        reporting_controller: Some("knarr.dev/ingress".into()),
        reporting_instance: Some(instance.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(Ingress::api_version(&()).into()),
            kind: Some(Ingress::kind(&()).into()),
            name: Some(problem.ingress.name.clone()),
            namespace: Some(problem.ingress.namespace.clone()),
            uid: ingress.uid(),
            ..ObjectReference::default()
        }),
        ..Event::default()
    };
    let api: Api<Event> = Api::namespaced(client.clone(), &problem.ingress.namespace);
    match api.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(why)) if why.code == 409 => Ok(()),
        other => other.map(drop),
    }
}

/// Ports 80 and 443 of the nodes that serve belong to the Service too, for those who published them.
async fn publish_nodes(client: &Client, namespace: &str, report: &Report) -> kube::Result<()> {
    let Some(service) = &report.service else { return Ok(()) };
    let spec = service.spec.as_ref();
    let now = spec.and_then(|spec| spec.external_ips.clone()).unwrap_or_default();
    if report.nodes.is_empty() || now == report.nodes {
        return Ok(());
    }
    let api: Api<Service> = Api::namespaced(client.clone(), namespace);
    let patch = json!({ "spec": { "externalIPs": report.nodes } });
    api.patch(SERVICE, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}

/// The Service's addresses; where nobody gives it one, those of the nodes.
fn addresses(report: &Report) -> Vec<Value> {
    let status = report.service.as_ref().and_then(|s| s.status.as_ref()?.load_balancer.as_ref()?.ingress.clone());
    let given: Vec<Value> = status.iter().flatten().filter_map(|i| i.ip.as_ref()).map(|ip| json!({"ip": ip})).collect();
    if given.is_empty() { report.nodes.iter().map(|ip| json!({"ip": ip})).collect() } else { given }
}

async fn publish(client: &Client, ingress: &Ingress, addresses: &[Value]) -> kube::Result<()> {
    let status = ingress.status.as_ref().and_then(|s| s.load_balancer.as_ref()?.ingress.clone());
    let now: Vec<Value> = status.iter().flatten().map(|i| json!({"ip": i.ip})).collect();
    if now == addresses || addresses.is_empty() {
        return Ok(());
    }
    let api: Api<Ingress> = Api::namespaced(client.clone(), &ingress.namespace().unwrap_or_default());
    let patch = json!({ "status": { "loadBalancer": { "ingress": addresses } } });
    match api.patch_status(&ingress.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await {
        // Deleted meanwhile.
        Err(kube::Error::Api(why)) if why.code == 404 => Ok(()),
        other => other.map(drop),
    }
}
