//! What a node's kernel is to enforce, as data: chains of rules and which addresses go through which of them.
//!
//! Everything is said about connections, not packets: where one came from before any masquerading, and which address
//! and port it reached after a Service was resolved. So one set of rules judges both directions of a connection.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rangemap::RangeInclusiveSet;

use super::addresses::Addresses;
use super::facts::Protocol;

/// All of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Connections to Pods of this node.
    pub ingress: Guard,
    /// Connections from Pods of this node.
    pub egress: Guard,
    /// Pods of this node that will be isolated, but whose addresses nobody knows yet.
    pub expected: Expected,
}

impl Ruleset {
    /// No Pod of this node is isolated.
    pub fn is_empty(&self) -> bool {
        self.ingress.groups.is_empty() && self.egress.groups.is_empty() && !self.expected.any()
    }
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// What each policy allows that isolates a Pod of this node.
    pub policies: Vec<Chain>,
    /// The isolated Pods, those with the same policies together.
    pub groups: Vec<Group>,
}

/// What one policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// `namespace/name`, for whoever reads the rules.
    pub policy: String,
    /// A connection that fits any of them is allowed.
    pub rules: Vec<Rule>,
}

/// Pods that the same policies isolate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Indexes of chains; what none of them allows is dropped.
    pub policies: Vec<usize>,
    /// The Pods' addresses.
    pub pods: BTreeSet<IpAddr>,
}

/// Both parts must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The other end; none is anybody.
    pub remote: Option<Addresses>,
    /// What is asked for.
    pub service: Service,
}

/// The target of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Everything, pings too.
    Any,
    /// Ports of one protocol.
    Ports(Protocol, RangeInclusiveSet<u16>),
    /// Ports of one protocol that differ from Pod to Pod, because a name stands for them.
    Endpoints(Protocol, BTreeSet<(IpAddr, u16)>),
}

/// Isolated Pods without an address.
///
/// Pods run before the API server knows their address, and a policy that was there before a Pod must hold from the Pod's
/// first packet. So while such Pods are expected, Pods of unknown address may not communicate in these directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// One will be isolated for connections to it.
    pub ingress: bool,
    /// One will be isolated for connections from it.
    pub egress: bool,
    /// The addresses of all Pods of this node that have one; empty when none is expected.
    pub known: Addresses,
}

impl Expected {
    /// Whether any is expected.
    pub fn any(&self) -> bool {
        self.ingress || self.egress
    }
}
