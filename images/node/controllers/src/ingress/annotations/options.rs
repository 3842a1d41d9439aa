//! What annotations ask for, as typed values.

use ipnet::IpNet;

/// How the backends of an Ingress are spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP in the clear.
    #[default]
    Http,
    /// HTTP over TLS; certificates are not verified, as they are the pods' own.
    Https,
    /// gRPC in the clear.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
}

/// Everything that one Ingress asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Another path for the backend.
    pub rewrite_target: Option<String>,
    /// Paths are regular expressions.
    pub use_regex: bool,
    /// Where `/` leads.
    pub app_root: Option<String>,
    /// More names of the host.
    pub server_alias: Vec<String>,
    /// To HTTPS where the host has a certificate; so unless told otherwise.
    pub ssl_redirect: Option<bool>,
    /// To HTTPS in any case.
    pub force_ssl_redirect: bool,
    /// Everything leads elsewhere, for good.
    pub permanent_redirect: Option<String>,
    /// With another status than 301.
    pub permanent_redirect_code: Option<u32>,
    /// Everything leads elsewhere, for now.
    pub temporal_redirect: Option<String>,
    /// How requests are passed on.
    pub proxy: Proxy,
    /// Cross-origin answers.
    pub cors: Cors,
    /// Passwords.
    pub auth: Auth,
    /// Who may ask at all.
    pub allow: Vec<IpNet>,
    /// Who may not.
    pub deny: Vec<IpNet>,
    /// How much one client may ask.
    pub limits: Limits,
    /// Clients stay at their endpoint.
    pub affinity: Affinity,
    /// The Ingress takes a part of another one's requests.
    pub canary: Canary,
    /// Answers with these codes come from the default backend.
    pub custom_http_errors: Vec<u32>,
    /// The Service for that, and for when there is no endpoint.
    pub default_backend: Option<String>,
    /// Configuration as it is.
    pub snippet: Option<String>,
}

/// How requests are passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxy {
    /// The protocol.
    pub protocol: Protocol,
    /// The largest body.
    pub body_size: Option<String>,
    /// Seconds for a connection.
    pub connect_timeout: Option<u32>,
    /// Seconds between two reads.
    pub read_timeout: Option<u32>,
    /// Seconds between two writes.
    pub send_timeout: Option<u32>,
    /// The Host header for the backend.
    pub vhost: Option<String>,
}

/// Cross-origin answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// Whether at all.
    pub enabled: bool,
    /// Origins; all unless told.
    pub origins: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Request headers.
    pub headers: Vec<String>,
    /// Answer headers that scripts may see.
    pub expose: Vec<String>,
    /// Whether credentials may be sent; so unless told.
    pub credentials: Option<bool>,
    /// For how many seconds a browser may remember.
    pub max_age: Option<u32>,
}

/// How a Secret holds passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthKind {
    /// A file of lines `name:hash` in the key `auth`.
    #[default]
    File,
    /// One key per name, its value the hash.
    Map,
}

/// Passwords.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Whether `auth-type: basic` is there.
    pub basic: bool,
    /// The Secret, perhaps with a namespace.
    pub secret: Option<(Option<String>, String)>,
    /// What it holds.
    pub kind: AuthKind,
    /// What browsers show.
    pub realm: Option<String>,
}

/// How much one client may ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests per second.
    pub rps: Option<u32>,
    /// Requests per minute.
    pub rpm: Option<u32>,
    /// How many times the rate may come at once; 5 unless told.
    pub burst: Option<u32>,
    /// Connections at a time.
    pub connections: Option<u32>,
}

/// Clients stay at their endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// Whether at all.
    pub cookie: bool,
    /// The cookie's name.
    pub name: Option<String>,
    /// Its path.
    pub path: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// For how many seconds.
    pub max_age: Option<u32>,
    /// As an expiry date, in seconds from now.
    pub expires: Option<u32>,
    /// `None`, `Lax` or `Strict`.
    pub same_site: Option<String>,
    /// Over TLS only.
    pub secure: bool,
    /// A client whose endpoint fails moves to another for good.
    pub change_on_failure: bool,
}

/// The Ingress takes a part of another one's requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canary {
    /// Whether it is one.
    pub enabled: bool,
    /// This many of the total.
    pub weight: Option<u32>,
    /// The total; 100 unless told.
    pub total: Option<u32>,
    /// Requests with this header.
    pub header: Option<String>,
    /// And this value.
    pub header_value: Option<String>,
    /// Or a value like this.
    pub header_pattern: Option<String>,
    /// Requests with this cookie.
    pub cookie: Option<String>,
}
