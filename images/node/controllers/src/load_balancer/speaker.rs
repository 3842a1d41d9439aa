//! Which addresses this node answers for, from what it hears of the others: no clock and no socket of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::choose::{eligible, owner};
use super::facts::{Balanced, Key};
use super::pool::Pool;
use super::world::World;

/// Between two heartbeats.
pub const BEAT: Duration = Duration::from_millis(500);
/// A speaker that is silent for so long is dead. Eight heartbeats, because machines with clusters on them are busy.
pub const DEAD: Duration = Duration::from_secs(4);
/// How long a new speaker only listens, so that it takes no address of a node that it has not heard yet.
pub const LISTEN: Duration = Duration::from_millis(1500);

/// One node's view.
pub struct Speaker {
    me: String,
    pool: Pool,
    begun: Instant,
    heard: BTreeMap<String, Instant>,
    owned: BTreeMap<IpAddr, Key>,
    serving: bool,
}

/// What is different after a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Addresses that this node answers for from now on.
    pub gained: Vec<(IpAddr, Key)>,
    /// Addresses that it answers for no more.
    pub lost: Vec<(IpAddr, Key)>,
}

impl Speaker {
    /// A speaker that begins to listen.
    pub fn new(me: &str, pool: Pool, now: Instant) -> Self {
        let (heard, owned) = (BTreeMap::new(), BTreeMap::new());
        Self { me: me.to_owned(), pool, begun: now, heard, owned, serving: false }
    }

    /// Takes a heartbeat of another node in. One that does not serve (any more) counts as gone at once.
    pub fn hear(&mut self, node: &str, serving: bool, now: Instant) {
        if serving && node != self.me {
            self.heard.insert(node.to_owned(), now);
        } else {
            self.heard.remove(node);
        }
    }

    /// Decides anew.
    pub fn decide(&mut self, world: &World, now: Instant) -> Change {
        self.heard.retain(|_, last| now.duration_since(*last) < DEAD);
        self.serving = world.is_complete() && now.duration_since(self.begun) >= LISTEN;
        let mut owned = BTreeMap::new();
        if self.serving {
            let alive = self.heard.keys().map(String::as_str).chain([self.me.as_str()]);
            let alive: BTreeSet<&str> = alive.filter(|node| world.may_announce(node)).collect();
            for service in world.services.all().values() {
                if self.chosen(world, service, &alive) {
                    let ours = service.assigned.iter().filter(|address| self.pool.contains(**address));
                    owned.extend(ours.map(|address| (*address, service.key.clone())));
                }
            }
        }
        let before = std::mem::replace(&mut self.owned, owned);
        let only = |these: &BTreeMap<IpAddr, Key>, those: &BTreeMap<IpAddr, Key>| {
            these.iter().filter(|(address, _)| !those.contains_key(*address)).map(|(a, k)| (*a, k.clone())).collect()
        };
        Change { gained: only(&self.owned, &before), lost: only(&before, &self.owned) }
    }

    fn chosen(&self, world: &World, service: &Balanced, alive: &BTreeSet<&str>) -> bool {
        if service.assigned.is_empty() {
            return false;
        }
        let endpoints = service.local.then(|| world.endpoints(&service.key));
        let may = eligible(alive, endpoints.as_ref().map(|(ready, serving)| (ready, serving)));
        owner(&service.key, may) == Some(self.me.as_str())
    }

    /// Whether it answers for addresses.
    pub fn is_serving(&self) -> bool {
        self.serving
    }

    /// Whether it answers for this address.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.owned.contains_key(&address)
    }

    /// What it answers for.
    pub fn owned(&self) -> impl Iterator<Item = IpAddr> {
        self.owned.keys().copied()
    }
}

#[cfg(test)]
#[path = "speaker_tests.rs"]
mod tests;
