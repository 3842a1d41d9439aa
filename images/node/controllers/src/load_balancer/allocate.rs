//! Who gets which address: a pure function of the Services and of what was given before.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use super::facts::{Balanced, Key};
use super::pool::{Family, Pool};

/// What was given, by the Service's uid. It is ahead of the statuses that have been seen.
pub type Book = BTreeMap<String, Vec<IpAddr>>;

/// What a Service shall have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Its addresses, in the order of its families.
    pub addresses: Vec<IpAddr>,
    /// Why it does not have (all of) what it wants.
    pub refusals: Vec<Refusal>,
}

/// Why an address was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The question makes no sense.
    Malformed(String),
    /// The address is none of the pool's.
    OutOfRange(IpAddr, Pool),
    /// The Service is not of the address's family.
    OtherFamily(IpAddr),
    /// Another Service has it.
    Taken(IpAddr, Key),
    /// Nothing is left.
    Exhausted(Family, Pool),
    /// The pool has no range of a family that the Service has.
    NoRange,
}

impl Refusal {
    /// The reason of the Event.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exhausted(..) => "AddressesExhausted",
            _ => "AddressRefused",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => f.write_str(why),
            Self::OutOfRange(address, pool) => write!(f, "{address} is not one of this cluster's addresses ({pool})"),
            Self::OtherFamily(address) => write!(f, "{address} is of a family that the Service does not have"),
            Self::Taken(address, by) => write!(f, "{address} belongs to Service {by}"),
            Self::Exhausted(family, pool) => write!(f, "no {family} address is left of {pool}"),
            Self::NoRange => f.write_str("the cluster has no addresses of the Service's families"),
        }
    }
}

/// Decides for all Services at once.
///
/// What a Service has it keeps, unless it asks for something else that is free. Older Services come first, and what is
/// asked for is given before what is only needed.
pub fn allocate(pool: &Pool, services: &[&Balanced], book: &Book) -> BTreeMap<String, Verdict> {
    let mut services = services.to_vec();
    services.sort_by_key(|service| (service.created, service.uid.as_str()));
    let mut round = Round { pool, taken: BTreeMap::new(), held: BTreeMap::new(), refusals: BTreeMap::new() };
    for service in &services {
        for address in book.get(&service.uid).unwrap_or(&service.assigned) {
            round.keep(service, *address);
        }
    }
    for service in &services {
        match &service.wanted {
            Ok(wanted) => {
                for address in wanted {
                    round.give(service, *address);
                }
            }
            Err(why) => round.refuse(service, Refusal::Malformed(why.clone())),
        }
    }
    for service in &services {
        // One that asks for something it cannot have is not put off with something else.
        if !round.refusals.contains_key(service.uid.as_str()) {
            round.fill(service, &services);
        }
    }
    services.iter().map(|service| (service.uid.clone(), round.verdict(service))).collect()
}

struct Round<'a> {
    pool: &'a Pool,
    taken: BTreeMap<IpAddr, &'a Balanced>,
    held: BTreeMap<(&'a str, Family), IpAddr>,
    refusals: BTreeMap<&'a str, Vec<Refusal>>,
}

impl<'a> Round<'a> {
    fn keep(&mut self, service: &'a Balanced, address: IpAddr) {
        let family = Family::of(address);
        let place = (service.uid.as_str(), family);
        let fits = self.pool.contains(address) && service.families.contains(&family);
        if fits && !self.taken.contains_key(&address) && !self.held.contains_key(&place) {
            self.taken.insert(address, service);
            self.held.insert(place, address);
        }
    }

    fn give(&mut self, service: &'a Balanced, address: IpAddr) {
        let family = Family::of(address);
        if !self.pool.contains(address) {
            return self.refuse(service, Refusal::OutOfRange(address, self.pool.clone()));
        }
        if !service.families.contains(&family) {
            return self.refuse(service, Refusal::OtherFamily(address));
        }
        match self.taken.get(&address) {
            Some(owner) if owner.uid == service.uid => {}
            Some(owner) => self.refuse(service, Refusal::Taken(address, owner.key.clone())),
            None => {
                self.taken.insert(address, service);
                if let Some(before) = self.held.insert((&service.uid, family), address) {
                    self.taken.remove(&before);
                }
            }
        }
    }

    fn fill(&mut self, service: &'a Balanced, all: &[&Balanced]) {
        if !service.families.iter().any(|family| self.pool.serves(*family)) {
            return self.refuse(service, Refusal::NoRange);
        }
        // A family that the pool does not have is one that this cluster does not have.
        for family in service.families.iter().filter(|family| self.pool.serves(**family)) {
            if self.held.contains_key(&(service.uid.as_str(), *family)) {
                continue;
            }
            let asked_for = |address: &IpAddr| all.iter().any(|s| s.wanted.as_ref().is_ok_and(|w| w.contains(address)));
            let mut free = self.pool.candidates(*family, &service.key).filter(|a| !self.taken.contains_key(a));
            match free.find(|address| !asked_for(address)) {
                Some(address) => {
                    self.taken.insert(address, service);
                    self.held.insert((&service.uid, *family), address);
                }
                None => self.refuse(service, Refusal::Exhausted(*family, self.pool.clone())),
            }
        }
    }

    fn refuse(&mut self, service: &'a Balanced, refusal: Refusal) {
        self.refusals.entry(&service.uid).or_default().push(refusal);
    }

    fn verdict(&mut self, service: &'a Balanced) -> Verdict {
        let of = |family: &Family| self.held.get(&(service.uid.as_str(), *family)).copied();
        Verdict {
            addresses: service.families.iter().filter_map(of).collect(),
            refusals: self.refusals.remove(service.uid.as_str()).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
#[path = "allocate_tests.rs"]
mod tests;
