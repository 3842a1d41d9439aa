//! Sets of addresses of both families, held as ranges: what an `ipBlock` or the pods of a selector come to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rangemap::RangeInclusiveSet;

/// Ranges that neither overlap nor touch, per family.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Addresses {
    v4: RangeInclusiveSet<u32>,
    v6: RangeInclusiveSet<u128>,
}

impl Addresses {
    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(a) => self.v4.contains(&a.to_bits()),
            IpAddr::V6(a) => self.v6.contains(&a.to_bits()),
        }
    }

    /// Adds one address.
    pub fn insert(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) => self.v4.insert(a.to_bits()..=a.to_bits()),
            IpAddr::V6(a) => self.v6.insert(a.to_bits()..=a.to_bits()),
        }
    }

    /// Adds a network without what is excepted from it; what else is in the set stays.
    pub fn insert_block(&mut self, block: IpNet, except: &[IpNet]) {
        let mut own = Self::default();
        own.insert_net(block);
        for net in except {
            own.remove_net(*net);
        }
        self.v4.extend(own.v4);
        self.v6.extend(own.v6);
    }

    fn insert_net(&mut self, net: IpNet) {
        match net {
            IpNet::V4(net) => self.v4.insert(net.network().to_bits()..=net.broadcast().to_bits()),
            IpNet::V6(net) => self.v6.insert(net.network().to_bits()..=net.broadcast().to_bits()),
        }
    }

    fn remove_net(&mut self, net: IpNet) {
        match net {
            IpNet::V4(net) => self.v4.remove(net.network().to_bits()..=net.broadcast().to_bits()),
            IpNet::V6(net) => self.v6.remove(net.network().to_bits()..=net.broadcast().to_bits()),
        }
    }

    /// The ranges of IPv4.
    pub fn v4(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
        self.v4.iter().map(|r| (Ipv4Addr::from_bits(*r.start()), Ipv4Addr::from_bits(*r.end())))
    }

    /// The ranges of IPv6.
    pub fn v6(&self) -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr)> {
        self.v6.iter().map(|r| (Ipv6Addr::from_bits(*r.start()), Ipv6Addr::from_bits(*r.end())))
    }
}

impl FromIterator<IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = IpAddr>>(addresses: I) -> Self {
        let mut set = Self::default();
        addresses.into_iter().for_each(|a| set.insert(a));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> IpNet {
        text.parse().expect("a network")
    }

    #[test]
    fn an_exception_takes_nothing_from_what_was_there_for_another_reason() {
        let mut set: Addresses = ["10.1.0.9".parse().expect("an address")].into_iter().collect();
        set.insert_block(net("10.1.0.0/24"), &[net("10.1.0.8/29"), net("fd00::/64")]);
        let ranges: Vec<String> = set.v4().map(|(a, b)| format!("{a}-{b}")).collect();
        assert_eq!(ranges, ["10.1.0.0-10.1.0.7", "10.1.0.9-10.1.0.9", "10.1.0.16-10.1.0.255"]);
    }

    #[test]
    fn whole_families_fit() {
        let mut set = Addresses::default();
        set.insert_block(net("0.0.0.0/0"), &[]);
        set.insert_block(net("::/0"), &[net("fd00::/8")]);
        assert!(set.contains("255.255.255.255".parse().expect("an address")));
        assert!(set.contains("ffff::".parse().expect("an address")));
        assert!(!set.contains("fd12::1".parse().expect("an address")));
    }
}
