//! The small values of a cluster: parsed once, displayed once, never wrong afterwards.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net};
use serde::{Deserialize, Serialize};

/// A text that was refused, with the reason and an example that would pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

macro_rules! text_value {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refused;
            fn from_str(text: &str) -> Result<Self, Refused> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refused;
            fn try_from(text: String) -> Result<Self, Refused> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}

pub(super) use text_value;

text_value! {
    /// A cluster's name: 1–32 characters, a DNS-1123 label.
    ClusterName
}
text_value! {
    /// A node's name: a DNS-1123 label of at most 52 characters (the common name `system:node:<name>` has 64).
    NodeName
}
text_value! {
    /// The cluster's DNS suffix, such as `cluster.local`.
    DnsDomain
}
text_value! {
    /// A reference to a container image, such as `knarr.dev/node:v1.36.4`.
    ImageRef
}

/// Whether `text` is a DNS-1123 label of at most `max` characters.
pub(crate) fn is_dns_label(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !bytes.is_empty()
        && bytes.len() <= max
        && bytes.iter().all(|&b| alnum(b) || b == b'-')
        && alnum(bytes[0])
        && alnum(bytes[bytes.len() - 1])
}

/// Whether `text` is a DNS-1123 subdomain: labels with dots between them, at most 253 characters.
pub(crate) fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(|label| is_dns_label(label, 63))
}

impl ClusterName {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if is_dns_label(text, 32) {
            return Ok(Self(text.into()));
        }
        Err(Refused(format!(
            "`{text}` is not a cluster name: use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends, for example `dev` or `pr-123`"
        )))
    }
}

impl NodeName {
    /// Parses a name.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if is_dns_label(text, 52) {
            return Ok(Self(text.into()));
        }
        Err(Refused(format!("`{text}` is not a node name: use at most 52 lower-case letters, digits and `-`")))
    }
}

impl DnsDomain {
    /// Parses a domain.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        if is_dns_subdomain(text) {
            return Ok(Self(text.into()));
        }
        Err(Refused(format!("`{text}` is not a DNS domain, for example `cluster.local`")))
    }
}

impl ImageRef {
    /// Parses a reference: `[registry[:port]/]name[:tag][@digest]`, as the OCI distribution specification has it.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        match wrong_in_reference(text) {
            None => Ok(Self(text.into())),
            Some(wrong) => Err(Refused(format!(
                "`{text}` is not an image reference ({wrong}), for example `knarr.dev/node:v1.36.4`"
            ))),
        }
    }
}

/// What is wrong in an image reference, if anything is.
fn wrong_in_reference(text: &str) -> Option<String> {
    let (rest, digest) = text.split_once('@').map_or((text, None), |(rest, digest)| (rest, Some(digest)));
    if let Some(digest) = digest
        && let Some(wrong) = wrong_in_digest(digest)
    {
        return Some(wrong);
    }
    // A colon before the last slash belongs to the registry's port.
    let name_end = rest.rfind(':').filter(|colon| !rest[*colon..].contains('/')).unwrap_or(rest.len());
    let (name, tag) = (&rest[..name_end], rest.get(name_end + 1..));
    if let Some(tag) = tag {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let fine = tag.len() <= 128
            && tag.bytes().next().is_some_and(word)
            && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-');
        if !fine {
            return Some(format!("the tag `{tag}` is wrong"));
        }
    }
    if name.is_empty() || name.len() > 255 {
        return Some("the name must have 1 to 255 characters".into());
    }
    let path = match name.split_once('/') {
        Some((registry, path)) if names_registry(registry) => {
            if !registry_host_fits(registry) {
                return Some(format!("the registry `{registry}` is wrong"));
            }
            path
        }
        _ => name,
    };
    let wrong = path.split('/').find(|part| !is_path_component(part))?;
    Some(format!("the part `{wrong}` is wrong"))
}

/// Whether the first part of an image's name is a registry; any other is a folder of Docker Hub.
pub(crate) fn names_registry(part: &str) -> bool {
    part == "localhost" || part.contains(['.', ':'])
}

/// Whether this is a host, maybe with a port.
pub(super) fn registry_host_fits(registry: &str) -> bool {
    let (host, port) = host_and_port(registry);
    let host_fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => is_dns_subdomain(&host.to_ascii_lowercase()),
    };
    // Parsed alone, `+80` would be a number too.
    let port_fits =
        |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    host_fits && port.is_none_or(port_fits)
}

/// Splits `host:port`; the colons of an IPv6 address stand in brackets.
pub(super) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    }
}

/// Lower-case letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_path_component(part: &str) -> bool {
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (Some(first), Some(last)) = (part.bytes().next(), part.bytes().last()) else { return false };
    let separators = part.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    alnum(first)
        && alnum(last)
        && separators.into_iter().all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
}

fn wrong_in_digest(digest: &str) -> Option<String> {
    let hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let length = match digest.split_once(':') {
        Some(("sha256", _)) => 64,
        Some(("sha512", _)) => 128,
        _ => return Some(format!("the digest `{digest}` must begin with `sha256:` or `sha512:`")),
    };
    let digits = &digest[7..];
    let fine = digits.len() == length && hex(digits);
    (!fine).then(|| format!("the digest must have {length} characters 0-9 and a-f, not {}", digits.len()))
}

/// Parses an IPv4 subnet in its canonical form: `10.244.0.0/16`, never `10.244.3.1/16`.
pub fn parse_subnet(text: &str) -> Result<Ipv4Net, Refused> {
    let Ok(subnet) = text.parse::<Ipv4Net>() else {
        let why = match text.parse::<IpNet>() {
            Ok(_) => " (IPv6 comes with a later version)",
            Err(_) => "",
        };
        return Err(Refused(format!("`{text}` is not an IPv4 subnet{why}, for example `10.244.0.0/16`")));
    };
    let canonical = subnet.trunc();
    if canonical == subnet {
        return Ok(subnet);
    }
    Err(Refused(format!("`{text}` names an address, not a subnet (did you mean `{canonical}`?)")))
}

/// Parses a time to wait, such as `90s`, `2m` or `1h30m`: more than nothing and at most a day.
pub fn parse_wait(text: &str) -> Result<Duration, Refused> {
    let wait = humantime::parse_duration(text)
        .map_err(|_| Refused(format!("`{text}` is not a duration, for example `90s` or `2m`")))?;
    if wait.is_zero() || wait > Duration::from_secs(24 * 60 * 60) {
        return Err(Refused(format!("`{text}` must be more than 0s and at most 24h")));
    }
    Ok(wait)
}

/// Parses how long a cluster may live, such as `90m` or `2h`: more than nothing and at most a year.
pub fn parse_ttl(text: &str) -> Result<Duration, Refused> {
    let ttl = humantime::parse_duration(text)
        .map_err(|_| Refused(format!("`{text}` is not a duration, for example `90m` or `2h`")))?;
    if ttl.as_secs() == 0 || ttl > Duration::from_secs(365 * 24 * 60 * 60) {
        return Err(Refused(format!("`{text}` must be at least 1s and at most 365d")));
    }
    Ok(ttl)
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// The lower-case word Docker uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = Refused;

    /// Takes `TCP` as well as `tcp`: Kubernetes writes the one, Docker the other.
    fn from_str(text: &str) -> Result<Self, Refused> {
        [Self::Tcp, Self::Udp, Self::Sctp]
            .into_iter()
            .find(|protocol| text.eq_ignore_ascii_case(protocol.as_str()))
            .ok_or_else(|| Refused(format!("`{text}` is not a protocol; use `TCP`, `UDP` or `SCTP`")))
    }
}

/// A port of a node published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// The host's address; 127.0.0.1 unless asked otherwise.
    pub host_address: IpAddr,
    /// The host's port; `None` lets knarr choose a free one and keep it.
    pub host_port: Option<u16>,
    /// The node's port.
    pub container_port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl fmt::Display for PortMapping {
    /// `127.0.0.1:8080->80/tcp`; a port that is still to be chosen is `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host_address, host_port, container_port, protocol } = self;
        match host_port {
            Some(port) => write!(f, "{}", SocketAddr::new(*host_address, *port))?,
            None if host_address.is_ipv6() => write!(f, "[{host_address}]:*")?,
            None => write!(f, "{host_address}:*")?,
        }
        write!(f, "->{container_port}/{protocol}")
    }
}

/// A taint of a Node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

impl fmt::Display for Taint {
    /// As kubectl writes it: `key=value:effect`, or `key:effect` without a value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, effect } = self;
        if value.is_empty() { write!(f, "{key}:{effect}") } else { write!(f, "{key}={value}:{effect}") }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn image_references() {
        let digest = "a".repeat(64);
        let fine = [
            "busybox".to_owned(),
            "knarr.dev/node:v1.36.4".into(),
            "localhost/a".into(),
            "localhost:5000/a/b_c/d__e/f--g:X_1.2-3".into(),
            "10.0.0.1:5000/a".into(),
            "[fd00::5]:5000/a:1".into(),
            "[fd00::5]/a".into(),
            format!("a/b@sha256:{digest}"),
            format!("a/b:c@sha256:{digest}"),
        ];
        for text in fine {
            assert_eq!(ImageRef::parse(&text).expect("fine").as_str(), text);
        }
        let wrong = [
            ("", "1 to 255"),
            ("Busybox", "`Busybox`"),
            ("a:", "the tag"),
            ("a:-x", "the tag"),
            ("a//b", "the part ``"),
            ("a/b-", "`b-`"),
            ("a/b..c", "`b..c`"),
            ("reg.io:99999/a", "`reg.io:99999`"),
            ("localhost:+5001/a", "`localhost:+5001`"),
            ("reg.io:/a", "`reg.io:`"),
            ("[fd00:5]:80/a", "`[fd00:5]:80`"),
            ("fd00::5/a", "`fd00::5`"),
            ("a@sha256:abc", "64 characters"),
            ("a@md5:abc", "must begin with"),
            ("a b", "`a b`"),
            ("a;rm", "`a;rm`"),
        ];
        for (text, part) in wrong {
            let refused = ImageRef::parse(text).expect_err(text).0;
            assert!(refused.contains(part), "{refused}");
        }
    }

    #[test]
    fn waits() {
        assert_eq!(parse_wait("1h30m"), Ok(Duration::from_secs(5400)));
        for wrong in ["", "0s", "25h", "soon", "-1s", "5"] {
            assert!(parse_wait(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lifetimes() {
        assert_eq!(parse_ttl("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_ttl("365d"), Ok(Duration::from_secs(365 * 86400)));
        for wrong in ["", "0s", "999ms", "366d", "soon", "-1s", "5"] {
            assert!(parse_ttl(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn values_are_written_as_tools_write_them() {
        let mapping = |host_port| PortMapping {
            host_address: [127, 0, 0, 1].into(),
            host_port,
            container_port: 80,
            protocol: Protocol::Tcp,
        };
        assert_eq!(mapping(Some(8080)).to_string(), "127.0.0.1:8080->80/tcp");
        assert_eq!(mapping(None).to_string(), "127.0.0.1:*->80/tcp");
        let taint = |value: &str| Taint { key: "k".into(), value: value.into(), effect: "NoSchedule".into() };
        assert_eq!((taint("v").to_string(), taint("").to_string()), ("k=v:NoSchedule".into(), "k:NoSchedule".into()));
    }

    proptest! {
        #[test]
        fn names_are_labels(text in "[a-zA-Z0-9._-]{0,40}") {
            let fits = !text.is_empty()
                && text.len() <= 32
                && !text.starts_with('-')
                && !text.ends_with('-')
                && !text.contains(|c: char| c.is_ascii_uppercase() || c == '.' || c == '_');
            prop_assert_eq!(ClusterName::parse(&text).is_ok(), fits);
            prop_assert_eq!(text.parse::<ClusterName>().is_ok(), fits);
            if fits {
                let node = format!("{text}-control-plane99");
                prop_assert!(NodeName::parse(&node).is_ok(), "every cluster name leaves room for its nodes' names");
            }
        }

        #[test]
        fn subnets_are_canonical(address in any::<u32>(), length in 0u8..=32) {
            let written = format!("{}/{length}", std::net::Ipv4Addr::from(address));
            let canonical = Ipv4Net::new(address.into(), length).expect("at most 32").trunc();
            prop_assert_eq!(parse_subnet(&canonical.to_string()), Ok(canonical));
            match parse_subnet(&written) {
                Ok(subnet) => prop_assert_eq!(subnet.to_string(), written),
                Err(refused) => prop_assert!(refused.0.contains(&canonical.to_string()), "{}", refused),
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in any::<String>()) {
            let _ = (ClusterName::parse(&text), NodeName::parse(&text), DnsDomain::parse(&text));
            let _ = (ImageRef::parse(&text), parse_subnet(&text), parse_wait(&text), parse_ttl(&text), text.parse::<Protocol>());
        }
    }
}
