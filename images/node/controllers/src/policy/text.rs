//! A ruleset as text for `nft -f -`: one transaction that replaces whatever was there.
//!
//! Judged is every packet that the node forwards, also those of established connections, so what a change of policies
//! forbids stops at once. `ct original … saddr` is who asked, before masquerading, and `ct reply … saddr` with
//! `ct reply proto-src` is who answers, behind a Service's address; both are the same for all packets of a connection
//! in both directions, and for ICMP errors about it. What a node sends to its own Pods, or gets from them, is not
//! forwarded, and so it is always allowed, as Kubernetes wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::net::IpAddr;

use super::addresses::Addresses;
use super::facts::Direction;
use super::ruleset::{Expected, Guard, Rule, Ruleset, Service};

/// The family and the name of the one table.
pub const TABLE: &str = "inet knarr-policy";

/// What the ends of Pods in the node's network are called by the CNI plugin `ptp`.
const PODS: &str = "veth*";

/// A comment of nft may have 128 bytes.
const LONGEST_COMMENT: usize = 120;

/// Removes the table, whether or not it is there.
pub fn removal() -> String {
    format!("table {TABLE}\ndelete table {TABLE}\n")
}

/// What nft has to read so that a ruleset, and nothing else, is in force.
pub fn print(ruleset: &Ruleset) -> String {
    let mut text = removal();
    if !ruleset.is_empty() {
        let mut chains = String::new();
        let mut sets = Sets::default();
        // A String takes everything.
        let _ = chains_of(&mut chains, ruleset, &mut sets);
        let _ = write!(text, "table {TABLE} {{\n{sets}{chains}}}\n");
    }
    text
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    V4,
    V6,
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

impl Family {
    fn of(address: &IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The word before `saddr`.
    fn word(self) -> &'static str {
        if self == Self::V4 { "ip" } else { "ip6" }
    }

    fn data_type(self) -> &'static str {
        if self == Self::V4 { "ipv4_addr" } else { "ipv6_addr" }
    }
}

/// A range as nft reads it.
fn range<A: fmt::Display + PartialEq>((first, last): (A, A)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// Named sets; the same elements are written once, however many rules look into them.
#[derive(Default)]
struct Sets {
    numbers: BTreeMap<(Family, bool, String), usize>,
}

impl Sets {
    fn name(&mut self, family: Family, endpoints: bool, elements: String) -> String {
        let next = self.numbers.len() + 1;
        let number = self.numbers.entry((family, endpoints, elements)).or_insert(next);
        format!("{}-{number}", if endpoints { "endpoints" } else { "addresses" })
    }

    fn addresses(&mut self, family: Family, addresses: &Addresses) -> Option<String> {
        let elements: Vec<String> = match family {
            Family::V4 => addresses.v4().map(range).collect(),
            Family::V6 => addresses.v6().map(range).collect(),
        };
        (!elements.is_empty()).then(|| self.name(family, false, elements.join(", ")))
    }

    fn endpoints(&mut self, family: Family, endpoints: &BTreeSet<(IpAddr, u16)>) -> Option<String> {
        let own = endpoints.iter().filter(|(address, _)| Family::of(address) == family);
        let elements: Vec<String> = own.map(|(address, port)| format!("{address} . {port}")).collect();
        (!elements.is_empty()).then(|| self.name(family, true, elements.join(", ")))
    }
}

impl fmt::Display for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ordered: Vec<_> = self.numbers.iter().collect();
        ordered.sort_by_key(|(_, number)| **number);
        for ((family, endpoints, elements), number) in ordered {
            let of = family.data_type();
            if *endpoints {
                writeln!(f, "\tset endpoints-{number} {{\n\t\ttype {of} . inet_service")?;
            } else {
                writeln!(f, "\tset addresses-{number} {{\n\t\ttype {of}\n\t\tflags interval")?;
            }
            writeln!(f, "\t\telements = {{ {elements} }}\n\t}}")?;
        }
        Ok(())
    }
}

fn chains_of(text: &mut String, ruleset: &Ruleset, sets: &mut Sets) -> fmt::Result {
    guard(text, &ruleset.ingress, Direction::Ingress, sets)?;
    writeln!(text, "\tchain ingress {{")?;
    dispatch(text, &ruleset.ingress, Direction::Ingress)?;
    writeln!(text, "\t\taccept\n\t}}")?;
    guard(text, &ruleset.egress, Direction::Egress, sets)?;
    stateless(text, ruleset)?;
    writeln!(text, "\tchain forward {{\n\t\ttype filter hook forward priority filter; policy accept;")?;
    // Without a tracked connection nobody can say whose packet it is.
    writeln!(text, "\t\tct state invalid,untracked goto stateless")?;
    expected(text, &ruleset.expected, sets)?;
    dispatch(text, &ruleset.egress, Direction::Egress)?;
    writeln!(text, "\t\tgoto ingress\n\t}}")
}

/// The chains of one direction's policies and groups. What egress allows is still to be allowed by ingress.
fn guard(text: &mut String, guard: &Guard, direction: Direction, sets: &mut Sets) -> fmt::Result {
    let (name, verdict) = match direction {
        Direction::Ingress => ("ingress", "accept"),
        Direction::Egress => ("egress", "goto ingress"),
    };
    for (number, chain) in guard.policies.iter().enumerate() {
        writeln!(text, "\tchain {name}-policy-{number} {{\n\t\tcomment \"{}\"", comment(&chain.policy))?;
        for rule in &chain.rules {
            for condition in conditions(rule, direction, sets) {
                writeln!(text, "\t\t{condition}{verdict}")?;
            }
        }
        writeln!(text, "\t}}")?;
    }
    for (number, group) in guard.groups.iter().enumerate() {
        writeln!(text, "\tchain {name}-group-{number} {{")?;
        for policy in &group.policies {
            writeln!(text, "\t\tjump {name}-policy-{policy}")?;
        }
        writeln!(text, "\t\tdrop\n\t}}")?;
    }
    Ok(())
}

/// A policy's name as part of a script: only what names consist of, and no more than fits.
fn comment(policy: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '/');
    policy.chars().filter(plain).take(LONGEST_COMMENT).collect()
}

/// The left sides of a rule; a connection that fits one of them fits the rule. Each ends with a space, if not empty.
fn conditions(rule: &Rule, direction: Direction, sets: &mut Sets) -> Vec<String> {
    let side = if direction == Direction::Ingress { "original" } else { "reply" };
    // Of a family, or of both.
    let services: Vec<(Option<Family>, String)> = match &rule.service {
        Service::Any => vec![(None, String::new())],
        Service::Ports(protocol, ports) => {
            let whole = ports.iter().any(|range| *range.start() == 0 && *range.end() == u16::MAX);
            let ranges: Vec<String> = ports.iter().map(|ports| range((*ports.start(), *ports.end()))).collect();
            let numbers = format!("ct reply proto-src {{ {} }} ", ranges.join(", "));
            vec![(None, format!("ct protocol {protocol} {}", if whole { "" } else { &numbers }))]
        }
        Service::Endpoints(protocol, endpoints) => FAMILIES
            .into_iter()
            .filter_map(|family| {
                let set = sets.endpoints(family, endpoints)?;
                let target = format!("ct reply {} saddr . ct reply proto-src @{set} ", family.word());
                Some((Some(family), format!("ct protocol {protocol} {target}")))
            })
            .collect(),
    };
    let remotes: Vec<(Option<Family>, String)> = match &rule.remote {
        None => vec![(None, String::new())],
        Some(addresses) => FAMILIES
            .into_iter()
            .filter_map(|family| {
                let set = sets.addresses(family, addresses)?;
                Some((Some(family), format!("ct {side} {} saddr @{set} ", family.word())))
            })
            .collect(),
    };
    let mut all = Vec::new();
    for (one, remote) in &remotes {
        for (other, service) in &services {
            if one.is_none() || other.is_none() || one == other {
                all.push(format!("{remote}{service}"));
            }
        }
    }
    all
}

/// Sends the connections of isolated Pods to their groups, except what a Pod has with itself.
fn dispatch(text: &mut String, guard: &Guard, direction: Direction) -> fmt::Result {
    let (name, side) = match direction {
        Direction::Ingress => ("ingress", "reply"),
        Direction::Egress => ("egress", "original"),
    };
    for family in FAMILIES {
        let pods: Vec<(&IpAddr, usize)> = members(guard, family).collect();
        if pods.is_empty() {
            continue;
        }
        let word = family.word();
        let selves: Vec<String> = pods.iter().map(|(pod, _)| format!("{pod} . {pod}")).collect();
        writeln!(text, "\t\tct original {word} saddr . ct reply {word} saddr {{ {} }} accept", selves.join(", "))?;
        let groups: Vec<String> =
            pods.iter().map(|(pod, group)| format!("{pod} : jump {name}-group-{group}")).collect();
        writeln!(text, "\t\tct {side} {word} saddr vmap {{ {} }}", groups.join(", "))?;
    }
    Ok(())
}

fn members(guard: &Guard, family: Family) -> impl Iterator<Item = (&IpAddr, usize)> {
    let all =
        guard.groups.iter().enumerate().flat_map(|(number, group)| group.pods.iter().map(move |pod| (pod, number)));
    all.filter(move |(pod, _)| Family::of(pod) == family)
}

/// Packets of no connection neither reach nor leave an isolated Pod.
fn stateless(text: &mut String, ruleset: &Ruleset) -> fmt::Result {
    writeln!(text, "\tchain stateless {{")?;
    for family in FAMILIES {
        let word = family.word();
        for (guard, side) in [(&ruleset.ingress, "daddr"), (&ruleset.egress, "saddr")] {
            let pods: Vec<String> = members(guard, family).map(|(pod, _)| pod.to_string()).collect();
            if !pods.is_empty() {
                writeln!(text, "\t\t{word} {side} {{ {} }} drop", pods.join(", "))?;
            }
        }
    }
    writeln!(text, "\t}}")
}

fn expected(text: &mut String, expected: &Expected, sets: &mut Sets) -> fmt::Result {
    let ways = [(expected.egress, "iifname", "original"), (expected.ingress, "oifname", "reply")];
    for (_, interface, side) in ways.into_iter().filter(|(wanted, _, _)| *wanted) {
        for family in FAMILIES {
            let word = family.word();
            let begun = format!("\t\t{interface} \"{PODS}\" ct direction original");
            match sets.addresses(family, &expected.known) {
                Some(set) => writeln!(text, "{begun} ct {side} {word} saddr != @{set} drop")?,
                None => writeln!(text, "{begun} meta nfproto {} drop", if word == "ip" { "ipv4" } else { "ipv6" })?,
            }
        }
    }
    Ok(())
}
