//! How this machine reaches the internet: proxies and certificate authorities.

use super::{Env, Host};

/// Where distributions keep their bundle of certificate authorities.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Never through a proxy, wherever nodes are.
const NEVER: [&str; 5] = ["localhost", "127.0.0.1", "::1", ".svc", ".svc.cluster.local"];

/// Proxy settings.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For plain HTTP.
    pub http: Option<String>,
    /// For HTTPS.
    pub https: Option<String>,
    /// What goes without, separated by commas.
    pub no_proxy: Option<String>,
}

impl Proxies {
    /// The settings of an environment. Upper case counts first, as for Go programs.
    pub fn from_env(env: &Env) -> Self {
        let get = |key: &str| {
            let values = [env.get(key), env.get(&key.to_lowercase())];
            values.into_iter().flatten().find(|value| !value.is_empty()).cloned()
        };
        let all = get("ALL_PROXY");
        Self {
            http: get("HTTP_PROXY").or_else(|| all.clone()),
            https: get("HTTPS_PROXY").or(all),
            no_proxy: get("NO_PROXY"),
        }
    }

    /// Whether any proxy is set.
    pub fn any(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }

    /// The proxies that listen on this machine's loopback address: a container has its own and cannot reach them.
    pub fn only_local(&self) -> Vec<&str> {
        let mut local: Vec<&str> = [&self.http, &self.https].into_iter().flatten().map(String::as_str).collect();
        local.retain(|url| is_loopback(url));
        local.dedup();
        local
    }

    /// The variables for programs in nodes: without unreachable proxies, and with `NO_PROXY` extended by `inside` (the
    /// cluster's subnets and names). Empty when no proxy is left.
    pub fn for_nodes(&self, inside: &[String]) -> Vec<(String, String)> {
        let reachable = |url: &Option<String>| url.clone().filter(|url| !is_loopback(url));
        let set = [("HTTP_PROXY", reachable(&self.http)), ("HTTPS_PROXY", reachable(&self.https))];
        let mut variables: Vec<(String, String)> =
            set.into_iter().filter_map(|(key, url)| Some((key.to_owned(), url?))).collect();
        if variables.is_empty() {
            return variables;
        }
        let mut without: Vec<&str> = self.no_proxy.iter().flat_map(|list| list.split(',')).map(str::trim).collect();
        without.extend(NEVER.into_iter().chain(inside.iter().map(String::as_str)));
        let mut unique: Vec<&str> = Vec::new();
        for entry in without.into_iter().filter(|entry| !entry.is_empty()) {
            if !unique.contains(&entry) {
                unique.push(entry);
            }
        }
        variables.push(("NO_PROXY".into(), unique.join(",")));
        variables
    }

    /// The proxies for people to read; passwords are left out.
    pub fn shown(&self) -> String {
        let mut urls: Vec<String> = [&self.http, &self.https].into_iter().flatten().map(|url| redact(url)).collect();
        urls.dedup();
        urls.join(", ")
    }
}

impl std::fmt::Debug for Proxies {
    /// Proxy addresses may hold passwords, which must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxies({}; without {:?})", self.shown(), self.no_proxy)
    }
}

/// Scheme, user part and the rest of a proxy address.
fn parts(url: &str) -> (&str, Option<&str>, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let rest = rest.split('/').next().unwrap_or_default();
    match rest.rsplit_once('@') {
        Some((user, host)) => (scheme, Some(user), host),
        None => (scheme, None, rest),
    }
}

/// An address without its password.
pub(crate) fn redact(url: &str) -> String {
    let (scheme, user, host) = parts(url);
    if user.is_some() { format!("{scheme}://***@{host}") } else { format!("{scheme}://{host}") }
}

pub(crate) fn is_loopback(url: &str) -> bool {
    let (_, _, host) = parts(url);
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The certificate authorities that this machine trusts.
#[derive(Clone, PartialEq, Eq)]
pub struct CaBundle {
    /// Where it is.
    pub path: String,
    /// Who named it.
    pub origin: CaOrigin,
    /// Its content; empty when the named file cannot be read.
    pub pem: String,
}

/// Who named a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaOrigin {
    /// The user, with this variable.
    Variable(&'static str),
    /// It is where the distribution keeps it.
    Distribution,
}

impl CaBundle {
    /// How many certificates it holds.
    pub fn certificates(&self) -> usize {
        self.pem.matches("-----BEGIN CERTIFICATE-----").count()
    }
}

impl std::fmt::Debug for CaBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CaBundle({}, {:?}, {} certificates)", self.path, self.origin, self.certificates())
    }
}

impl Host {
    /// The bundle that programs on this machine use: the one named by the environment, else the distribution's.
    pub fn ca_bundle(&self, env: &Env) -> Option<CaBundle> {
        let named = ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"]
            .into_iter()
            .find_map(|key| Some((key, env.get(key).filter(|path| !path.is_empty())?)));
        if let Some((key, path)) = named {
            let pem = self.text(path).unwrap_or_default();
            return Some(CaBundle { path: path.clone(), origin: CaOrigin::Variable(key), pem });
        }
        BUNDLES.into_iter().find_map(|path| {
            let pem = self.text(path)?;
            Some(CaBundle { path: path.into(), origin: CaOrigin::Distribution, pem })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::FakeProbe;
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn both_cases_count() {
        let proxies =
            Proxies::from_env(&env(&[("http_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2"), ("HTTP_PROXY", "")]));
        assert_eq!((proxies.http.as_deref(), proxies.https.as_deref()), (Some("http://a:1"), Some("http://b:2")));
        let proxies = Proxies::from_env(&env(&[("ALL_PROXY", "socks5://c:3")]));
        assert_eq!(proxies.https.as_deref(), Some("socks5://c:3"));
    }

    #[test]
    fn passwords_are_never_shown() {
        let proxies = Proxies::from_env(&env(&[("HTTPS_PROXY", "http://ana:se@cret@proxy.corp:3128/")]));
        assert_eq!(proxies.shown(), "http://***@proxy.corp:3128");
        assert!(!format!("{proxies:?}").contains("cret"));
    }

    #[test]
    fn loopback_in_every_spelling() {
        for url in [
            "http://localhost:3128",
            "127.0.0.1:8080",
            "http://u:p@127.1.2.3",
            "http://[::1]:3128/",
            "socks5://LOCALHOST:1",
        ] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["http://proxy:3128", "http://localhost.corp:1", "10.0.0.1:8080", "http://[2001:db8::1]:3128"] {
            assert!(!is_loopback(url), "{url}");
        }
    }

    #[test]
    fn nodes_get_what_they_can_reach() {
        let both = [
            ("HTTP_PROXY", "http://127.0.0.1:1"),
            ("HTTPS_PROXY", "http://proxy:2"),
            ("no_proxy", "corp.example, ::1"),
        ];
        let inside = ["10.244.0.0/16".to_owned()];
        assert_eq!(
            Proxies::from_env(&env(&both)).for_nodes(&inside),
            [
                ("HTTPS_PROXY".to_owned(), "http://proxy:2".to_owned()),
                (
                    "NO_PROXY".to_owned(),
                    "corp.example,::1,localhost,127.0.0.1,.svc,.svc.cluster.local,10.244.0.0/16".to_owned()
                ),
            ]
        );
        assert_eq!(Proxies::from_env(&env(&both[..1])).for_nodes(&inside), []);
    }

    #[test]
    fn the_environment_names_the_bundle_first() {
        let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
        let host = Host::new(FakeProbe::default().file(BUNDLES[2], pem).file("/corp.pem", pem.repeat(2)));
        let found = host.ca_bundle(&Env::new()).expect("there is one");
        assert_eq!((found.path.as_str(), found.origin, found.certificates()), (BUNDLES[2], CaOrigin::Distribution, 1));
        let found = host.ca_bundle(&env(&[("SSL_CERT_FILE", "/corp.pem")])).expect("there is one");
        assert_eq!((found.origin, found.certificates()), (CaOrigin::Variable("SSL_CERT_FILE"), 2));
        let absent = host.ca_bundle(&env(&[("SSL_CERT_FILE", "/absent.pem")])).expect("it was named");
        assert_eq!(absent.certificates(), 0);
        assert_eq!(Host::new(FakeProbe::default()).ca_bundle(&Env::new()), None);
    }
}
