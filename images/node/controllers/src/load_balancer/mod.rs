//! Services of type LoadBalancer: an address on the cluster's network, announced by one node.
//!
//! One program runs on every node. What it knows of the cluster is one [`world::World`], kept by watching. From it
//! - the one that holds the Lease gives addresses ([`allocate`] decides, [`allocator`] writes);
//! - every one decides by the same pure function which node answers for which address ([`choose`]), from the nodes that
//!   it hears ([`speaker`]), and answers ARP for its own share ([`link`], [`frame`]).
//!
//! The address is on no interface: kube-proxy knows it from the Service's status and takes its packets before routing,
//! on whatever node they arrive. So nothing is left behind by a process that dies.

pub mod allocate;
pub mod allocator;
pub mod choose;
pub mod facts;
pub mod frame;
pub mod lease;
pub mod link;
pub mod mirror;
pub mod pool;
pub mod settings;
pub mod speak;
pub mod speaker;
pub mod world;

use futures::FutureExt;
use kube::Client;
use tokio::sync::watch;

use self::allocator::Allocator;
use self::lease::Election;
use self::link::Link;
use self::settings::Settings;
use self::world::World;

/// Field manager, reporter of Events, name of the Lease.
pub const NAME: &str = "knarr-load-balancer";

/// What ends the program before it is asked to stop.
pub type Fault = Box<dyn std::error::Error>;

/// Runs until `stopped` completes; then hands the addresses over and gives up the Lease.
pub async fn run(
    client: Client,
    settings: Settings,
    stopped: impl Future<Output = std::io::Result<()>>,
) -> Result<(), Fault> {
    let (knowing, world) = watch::channel(World::default());
    let (stop, stopping) = watch::channel(false);
    let (lead, leading) = watch::channel(false);
    let link = Link::open(settings.address)?;
    tracing::info!("{} speaks on {}; addresses: {}", settings.node, link.interface(), settings.pool);
    let election = Election::new(client.clone(), &settings.node);
    let allocator = Allocator::new(client.clone(), &settings);
    let asked = async {
        stopped.await?;
        stop.send_replace(true);
        Ok(())
    };
    let ending = async {
        tokio::try_join!(
            asked,
            speak::run(&settings.node, &settings.pool, link, world.clone(), stopping.clone()),
            election.run(lead, stopping).map(Ok),
        )
    };
    tokio::select! {
        ended = ending => ended.map(drop),
        () = world::watch(client, knowing) => Err("the watches ended".into()),
        () = allocator.run(world.clone(), leading) => Err("the allocator ended".into()),
    }
}
