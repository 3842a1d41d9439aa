//! How the builder reaches the internet: this machine's proxies, certificate authorities, Go's and cargo's settings.

use crate::host::{Env, Host, Proxies};

/// Where the certificate authorities lie in the builder. Not below `/etc/ssl/certs`, which Debian's packages rewrite.
pub const CA_FILE: &str = "/knarr/ca.crt";

/// Go's settings that say where modules come from. Not `GOFLAGS`: those are for the user's own builds.
const GO: [&str; 7] = ["GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOAUTH"];
/// What cargo's settings begin with that say where crates come from.
const CARGO: [&str; 4] = ["CARGO_REGISTRIES_", "CARGO_SOURCE_", "CARGO_HTTP_", "CARGO_NET_"];

/// What is passed on to the builder.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Further environment, `KEY=value`, given to scripts only and never stored in an image.
    pub env: Vec<String>,
    /// The certificate authorities, where any are known.
    pub ca_pem: Option<String>,
    /// Whether containers share the host's network: a proxy that listens on its loopback is only reached so.
    pub host_network: bool,
    /// Whether debootstrap may be installed on this machine if it is needed.
    pub may_install: bool,
}

impl Surroundings {
    /// Those of this machine.
    pub fn of(env: &Env, host: &Host) -> Self {
        let proxies = Proxies::from_env(env);
        let mut passed = Vec::new();
        for (key, value) in
            [("HTTP_PROXY", &proxies.http), ("HTTPS_PROXY", &proxies.https), ("NO_PROXY", &proxies.no_proxy)]
        {
            if let Some(value) = value {
                // Go reads both, apt the second only.
                passed.extend([format!("{key}={value}"), format!("{}={value}", key.to_lowercase())]);
            }
        }
        let wanted = |key: &str| GO.contains(&key) || CARGO.iter().any(|prefix| key.starts_with(prefix));
        let settings =
            env.iter().filter(|(key, value)| wanted(key) && *key != "CARGO_HTTP_CAINFO" && !value.is_empty());
        passed.extend(settings.map(|(key, value)| format!("{key}={value}")));
        let ca_pem = host.ca_bundle(env).filter(|bundle| bundle.certificates() > 0).map(|bundle| bundle.pem);
        if ca_pem.is_some() {
            passed.extend(["SSL_CERT_FILE", "CARGO_HTTP_CAINFO"].map(|key| format!("{key}={CA_FILE}")));
        }
        Self { env: passed, ca_pem, host_network: !proxies.only_local().is_empty(), may_install: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::probe::FakeProbe;

    #[test]
    fn settings_are_passed_on_and_nothing_else() {
        let env = [
            ("HTTPS_PROXY", "http://127.0.0.1:3128"),
            ("GOPROXY", "https://go.corp.example"),
            ("GOFLAGS", "-mod=vendor"),
            ("CARGO_REGISTRIES_CRATES_IO_PROTOCOL", "sparse"),
            ("AWS_SECRET_ACCESS_KEY", "no"),
        ];
        let env: Env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let host = Host::new(FakeProbe::default().file("/etc/ssl/certs/ca-certificates.crt", pem));
        let found = Surroundings::of(&env, &host);
        assert_eq!(
            found.env,
            [
                "HTTPS_PROXY=http://127.0.0.1:3128",
                "https_proxy=http://127.0.0.1:3128",
                "CARGO_REGISTRIES_CRATES_IO_PROTOCOL=sparse",
                "GOPROXY=https://go.corp.example",
                "SSL_CERT_FILE=/knarr/ca.crt",
                "CARGO_HTTP_CAINFO=/knarr/ca.crt",
            ]
        );
        assert!(found.host_network && found.ca_pem.is_some());
        assert!(Surroundings::of(&Env::new(), &Host::new(FakeProbe::default())) == Surroundings::default());
    }
}
