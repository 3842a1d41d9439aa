//! What is served: servers, their locations, and who answers. Plain data between the objects and the configuration.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::annotations::Options;
use super::world::Name;

/// Everything that nginx is told in its configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// One per host, the default server first.
    pub servers: Vec<Server>,
}

/// One host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its name; none for requests to any other host.
    pub host: Option<String>,
    /// More names.
    pub aliases: Vec<String>,
    /// The file with its certificate and key; the default one without.
    pub certificate: Option<String>,
    /// Where `/` leads.
    pub app_root: Option<String>,
    /// Its paths.
    pub locations: Vec<Location>,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The path itself.
    Exact,
    /// The path and what lies below it.
    Prefix,
    /// Whatever starts with the text.
    Text,
    /// A regular expression.
    Regex,
}

/// One path of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Whose it is.
    pub owner: Arc<Owner>,
    /// How it is compared.
    pub kind: Kind,
    /// With what.
    pub path: String,
    /// The key of its entry in the table.
    pub route: String,
    /// The Service and port, for the backend of custom errors.
    pub backend: (String, String),
    /// Whether the host has a certificate of its own.
    pub tls: bool,
    /// The key of the entry that answers for custom errors.
    pub errors: Option<String>,
}

/// An Ingress as far as all its locations share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// Its name.
    pub name: Name,
    /// What it asks for.
    pub options: Options,
    /// It must not be served as it is: its paths answer 503.
    pub closed: bool,
    /// The file with its passwords.
    pub passwords: Option<String>,
}

impl Location {
    /// What makes two paths of a host the same one.
    pub fn key(kind: Kind, path: &str) -> String {
        match kind {
            Kind::Exact => format!("= {path}"),
            Kind::Prefix => format!("{}/", path.trim_end_matches('/')),
            Kind::Text => path.to_owned(),
            Kind::Regex => format!("~ {path}"),
        }
    }

    /// The key in the table: it changes with everything that is in the configuration, so that a table which is ahead
    /// of the configuration never changes what the running one means.
    pub fn route(host: Option<&str>, kind: Kind, path: &str, owner: &Owner) -> String {
        let all = format!("{host:?} {kind:?} {path} {:?} {} {:?}", owner.options, owner.closed, owner.passwords);
        format!("{}#{}", owner.name, hash(all.as_bytes()))
    }
}

/// A short name for what bytes say.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(10).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What the balancer is told; it changes without touching the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Table {
    /// By the key of the location.
    pub routes: BTreeMap<String, Route>,
    /// `address:port` of each endpoint, by Service and port.
    pub backends: BTreeMap<String, Vec<String>>,
}

impl Table {
    /// This one and whatever only the other one has.
    pub fn and(&self, other: &Self) -> Self {
        let mut both = self.clone();
        for (key, route) in &other.routes {
            both.routes.entry(key.clone()).or_insert_with(|| route.clone());
        }
        for (key, peers) in &other.backends {
            both.backends.entry(key.clone()).or_insert_with(|| peers.clone());
        }
        both
    }
}

/// Who answers at a location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Route {
    /// The backend.
    pub backend: String,
    /// Who answers when that has no endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Who takes a part of the requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryRoute>,
    /// How clients stay at their endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
}

/// Who takes a part of the requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CanaryRoute {
    /// The backend.
    pub backend: String,
    /// How many of the total.
    pub weight: u32,
    /// The total.
    pub total: u32,
    /// The header that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// With this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Or a value like this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The cookie that decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
}

/// How clients stay at their endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sticky {
    /// The cookie's name.
    pub name: String,
    /// Everything after its value.
    pub attributes: String,
    /// Seconds until it expires, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u32>,
    /// A failing endpoint is left for good.
    pub moves: bool,
}

/// What is wrong with an Ingress, for its Event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Problem {
    /// The Ingress.
    pub ingress: Name,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
}
