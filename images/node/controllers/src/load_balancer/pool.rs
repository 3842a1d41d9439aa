//! The addresses that may be given, and in which order they are tried for a Service.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use ipnet::IpNet;

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Ranges of addresses; the first and the last address of each (network and broadcast) are never given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool(Vec<IpNet>);

impl Pool {
    /// Ranges as CIDRs, between commas.
    pub fn parse(text: &str) -> Result<Self, String> {
        let range = |part: &str| part.trim().parse::<IpNet>().map_err(|_| format!("`{part}` is not a range (a CIDR)"));
        let ranges: Vec<IpNet> = text.split(',').map(range).collect::<Result<_, _>>()?;
        match ranges.iter().find(|range| range.addr().is_ipv6()) {
            Some(range) => Err(format!("`{range}` cannot be announced: only IPv4 is")),
            None => Ok(Self(ranges)),
        }
    }

    /// Whether there is a range of this family.
    pub fn serves(&self, family: Family) -> bool {
        self.ranges(family).next().is_some()
    }

    /// Whether an address may be given.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| {
            let edge = range.max_prefix_len() - range.prefix_len() > 1
                && (address == range.network() || address == range.broadcast());
            range.contains(&address) && !edge
        })
    }

    /// All addresses of a family in the order in which they are tried for `name`: from a place that the name alone
    /// decides, so that a Service which is made anew most likely has the address that it had.
    pub fn candidates(&self, family: Family, name: &impl Hash) -> impl Iterator<Item = IpAddr> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let size = self.ranges(family).map(|range| range.hosts().count()).sum::<usize>().max(1);
        let start = usize::try_from(hasher.finish() % size as u64).unwrap_or(0);
        let all = move || self.ranges(family).flat_map(IpNet::hosts);
        all().skip(start).chain(all().take(start))
    }

    fn ranges(&self, family: Family) -> impl Iterator<Item = &IpNet> {
        self.0.iter().filter(move |range| Family::of(range.addr()) == family)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_address_but_the_edges_is_tried_once() {
        let pool = Pool::parse("10.89.0.192/28").expect("a range");
        let tried: Vec<IpAddr> = pool.candidates(Family::V4, &"default/web").collect();
        assert_eq!(tried.len(), 14);
        assert_eq!(tried.iter().collect::<BTreeSet<_>>().len(), 14);
        assert!(tried.iter().all(|address| pool.contains(*address)), "{tried:?}");
        for edge in ["10.89.0.192", "10.89.0.207", "10.89.0.208", "fd00::1"] {
            assert!(!pool.contains(edge.parse().expect("an address")), "{edge}");
        }
        assert!(!pool.serves(Family::V6));
    }

    #[test]
    fn the_name_alone_decides_where_to_begin() {
        let pool = Pool::parse("10.89.0.192/26").expect("a range");
        let first = |name: &str| pool.candidates(Family::V4, &name).next();
        assert_eq!(first("default/web"), first("default/web"));
        let names: BTreeSet<_> = (0..20).map(|n| first(&format!("default/web-{n}"))).collect();
        assert!(names.len() > 10, "{names:?}");
    }
}
