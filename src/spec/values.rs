//! The small values of a cluster: parsed once, displayed once, never wrong afterwards.

use std::fmt;
use std::net::IpAddr;

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
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Refused;
            fn from_str(text: &str) -> Result<Self, Refused> {
                Self::parse(text)
            }
        }
    };
}

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

fn is_dns_label(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let alnum = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !bytes.is_empty()
        && bytes.len() <= max
        && bytes.iter().all(|&b| alnum(b) || b == b'-')
        && alnum(bytes[0])
        && alnum(bytes[bytes.len() - 1])
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
        if text.len() <= 253 && text.split('.').all(|label| is_dns_label(label, 63)) {
            return Ok(Self(text.into()));
        }
        Err(Refused(format!("`{text}` is not a DNS domain, for example `cluster.local`")))
    }
}

impl ImageRef {
    /// Parses a reference (`name[:tag][@digest]`).
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let fine = !text.is_empty()
            && text.len() <= 255
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b))
            && text.as_bytes()[0].is_ascii_alphanumeric();
        if fine {
            return Ok(Self(text.into()));
        }
        Err(Refused(format!("`{text}` is not an image reference, for example `knarr.dev/node:v1.36.4`")))
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// A port of a node published on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A taint of a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}
