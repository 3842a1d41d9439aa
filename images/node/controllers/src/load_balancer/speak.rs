//! The loop of a speaker: hears, decides, answers, says that it lives.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Fault;
use super::frame::{Arp, Heard, Heartbeat};
use super::link::Link;
use super::pool::Pool;
use super::speaker::{BEAT, Speaker};
use super::world::World;

/// How often a new address is announced, a heartbeat apart: a single frame may be lost.
const ANNOUNCEMENTS: u8 = 3;

/// Speaks until it is asked to stop, and then says goodbye.
pub async fn run(
    node: &str,
    pool: &Pool,
    link: Link,
    mut world: watch::Receiver<World>,
    mut stopping: watch::Receiver<bool>,
) -> Result<(), Fault> {
    let mut voice =
        Voice { speaker: Speaker::new(node, pool.clone(), Instant::now()), link, node, due: BTreeMap::new() };
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // What was heard counts before the time that it took to get around to it.
            biased;
            _ = stopping.changed() => {
                voice.beat(false);
                return Ok(());
            }
            heard = voice.link.hear() => match heard? {
                Heard::Arp(arp) => voice.arp(&arp),
                Heard::Heartbeat(other) => {
                    voice.speaker.hear(&other.node, other.serving, Instant::now());
                    voice.decide(&world.borrow());
                }
            },
            changed = world.changed() => {
                changed?;
                voice.decide(&world.borrow_and_update());
            }
            _ = beats.tick() => {
                voice.decide(&world.borrow());
                voice.beat(voice.speaker.is_serving());
                voice.announce();
            }
        }
    }
}

struct Voice<'a> {
    speaker: Speaker,
    link: Link,
    node: &'a str,
    /// Announcements that are still to be sent.
    due: BTreeMap<Ipv4Addr, u8>,
}

impl Voice<'_> {
    fn decide(&mut self, world: &World) {
        let change = self.speaker.decide(world, Instant::now());
        for (address, service) in &change.lost {
            tracing::info!("no more answering for {address} of {service}");
        }
        if change.gained.is_empty() {
            return;
        }
        for (address, service) in &change.gained {
            tracing::info!("answering for {address} of {service}");
            if let IpAddr::V4(address) = address {
                self.due.insert(*address, ANNOUNCEMENTS);
            }
        }
        // First the others let go, then everybody hears of the new owner.
        self.beat(self.speaker.is_serving());
        self.announce();
    }

    fn announce(&mut self) {
        let (speaker, link) = (&self.speaker, &self.link);
        self.due.retain(|address, left| {
            *left = left.saturating_sub(1);
            let ours = speaker.owns(IpAddr::V4(*address));
            if ours {
                link.send(&Arp::announcement(link.mac(), *address));
            }
            ours && *left > 0
        });
    }

    fn arp(&mut self, arp: &Arp) {
        if arp.request && arp.sender.1 != arp.target.1 && self.speaker.owns(arp.target.1.into()) {
            self.link.send(&arp.answer(self.link.mac()));
        } else if self.speaker.owns(arp.sender.1.into()) {
            // Somebody else believes to have it, who has not heard this node for a while: say it again.
            self.due.entry(arp.sender.1).or_insert(1);
        }
    }

    fn beat(&self, serving: bool) {
        let heartbeat = Heartbeat { node: self.node.to_owned(), serving };
        self.link.send(&heartbeat.frame(self.link.mac()));
    }
}
