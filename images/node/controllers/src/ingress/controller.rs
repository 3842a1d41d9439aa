//! The program: follows the cluster, keeps nginx right, ends in order.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::apply::Applier;
use super::files::Folder;
use super::report::{self, Report, SERVICE};
use super::secret_cache::Secrets;
use super::secrets::self_signed;
use super::watch::Stores;
use super::world::{Name, Settings, World};

/// Changes come in groups; this long the first of them waits for the others.
const GATHER: Duration = Duration::from_millis(30);
/// After a failure that no change in the cluster has to follow.
const AGAIN: Duration = Duration::from_secs(5);

type Failure = Box<dyn std::error::Error>;

/// Where it runs.
pub struct Place {
    /// The namespace of its own Service and pods.
    pub namespace: String,
    /// Its own name.
    pub pod: String,
}

struct Controller {
    namespace: String,
    settings: Settings,
    stores: Stores,
    secrets: Secrets,
    applier: Applier,
    reports: watch::Sender<Report>,
}

/// Runs until it is told to stop; nginx ending by itself is an error.
pub async fn run(
    client: Client,
    settings: Settings,
    place: Place,
    stop: impl Future<Output = std::io::Result<()>>,
) -> Result<(), Failure> {
    let folder = Folder::prepare(Path::new(&settings.folder), &self_signed()?)?;
    let changed = Arc::new(Notify::new());
    let stores = Stores::follow(&client, &place.namespace, &changed);
    let (reports, receiver) = watch::channel(Report::default());
    tokio::spawn(report::run(client.clone(), place.namespace.clone(), place.pod, receiver));
    let mut controller = Controller {
        namespace: place.namespace,
        applier: Applier::new(settings.clone(), folder),
        settings,
        stores,
        secrets: Secrets::new(client),
        reports,
    };
    let mut stop = std::pin::pin!(stop);
    tokio::select! {
        known = controller.stores.ready() => known?,
        stopped = &mut stop => return Ok(stopped?),
    }
    loop {
        let outcome = controller.turn().await;
        let again = match &outcome {
            Ok(()) => controller.secrets.again(),
            Err(why) => {
                tracing::error!("{why}");
                Some(AGAIN)
            }
        };
        tokio::select! {
            () = changed.notified() => sleep(GATHER).await,
            () = wait(again) => {
                controller.secrets.refresh().await;
            }
            ended = ended(&mut controller.applier) => return Err(format!("nginx ended by itself: {}", ended?).into()),
            stopped = &mut stop => {
                stopped?;
                break;
            }
        }
    }
    if let Some(nginx) = controller.applier.nginx {
        tracing::info!("ending: no new clients, those that are there are served");
        let status = nginx.quit().await?;
        tracing::info!("nginx ended: {status}");
    }
    Ok(())
}

impl Controller {
    /// Brings nginx and the reports up to what is known now.
    async fn turn(&mut self) -> std::io::Result<()> {
        let world = self.world().await;
        let compiled = self.applier.apply(&world).await?;
        let ours = world.ours(&self.settings);
        self.reports.send_replace(Report {
            problems: compiled.problems,
            served: ours.iter().filter(|i| compiled.served.contains(&Name::of(i.as_ref()))).cloned().collect(),
            ours,
            service: world.services.get(&Name::new(&self.namespace, SERVICE)).cloned(),
            nodes: self.stores.nodes(),
        });
        Ok(())
    }

    /// All objects, with the Secrets that they name.
    async fn world(&mut self) -> World {
        let mut world = self.stores.world();
        world.secrets = self.secrets.known();
        let named = self.applier.compile(&world).secrets;
        if self.secrets.want(&named).await {
            world.secrets = self.secrets.known();
        }
        world
    }
}

async fn wait(duration: Option<Duration>) {
    match duration {
        Some(duration) => sleep(duration).await,
        None => std::future::pending().await,
    }
}

async fn ended(applier: &mut Applier) -> std::io::Result<std::process::ExitStatus> {
    match &mut applier.nginx {
        Some(nginx) => nginx.ended().await,
        None => std::future::pending().await,
    }
}
