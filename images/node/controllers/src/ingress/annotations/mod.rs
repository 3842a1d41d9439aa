//! The annotations `nginx.ingress.kubernetes.io/…`: one table of names and what each sets.

mod options;
pub mod values;

use std::collections::BTreeMap;

pub use options::{Affinity, Auth, AuthKind, Canary, Cors, Limits, Options, Protocol, Proxy};
use values::{Parsed, boolean, list, number, seconds};

/// What their names start with.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// What is wrong with one annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody knows it; the Ingress is served without it.
    Unknown(String),
    /// Its value cannot be; the Ingress is not served, since nobody can say what was meant.
    Invalid(String),
    /// It is not allowed here; the Ingress is not served.
    Forbidden(String),
}

type Set = fn(&mut Options, &str) -> Parsed<()>;

/// Every annotation.
const TABLE: &[(&str, Set)] = &[
    ("affinity", |o, v| one_of(v, &["cookie"]).map(|_| o.affinity.cookie = true)),
    ("affinity-mode", |_, v| one_of(v, &["balanced", "persistent"]).map(drop)),
    ("allowlist-source-range", |o, v| put(&mut o.allow, list(v, values::network))),
    ("app-root", |o, v| some(&mut o.app_root, values::path(v))),
    ("auth-realm", |o, v| some(&mut o.auth.realm, values::words(v))),
    ("auth-secret", |o, v| some(&mut o.auth.secret, values::reference(v))),
    ("auth-secret-type", |o, v| put(&mut o.auth.kind, auth_kind(v))),
    ("auth-type", |o, v| one_of(v, &["basic"]).map(|_| o.auth.basic = true)),
    ("backend-protocol", |o, v| put(&mut o.proxy.protocol, protocol(v))),
    ("canary", |o, v| put(&mut o.canary.enabled, boolean(v))),
    ("canary-by-cookie", |o, v| some(&mut o.canary.cookie, values::token(v))),
    ("canary-by-header", |o, v| some(&mut o.canary.header, values::token(v))),
    ("canary-by-header-pattern", |o, v| some(&mut o.canary.header_pattern, values::expression(v))),
    ("canary-by-header-value", |o, v| some(&mut o.canary.header_value, values::words(v))),
    ("canary-weight", |o, v| some(&mut o.canary.weight, number(v, 0, 1_000_000))),
    ("canary-weight-total", |o, v| some(&mut o.canary.total, number(v, 1, 1_000_000))),
    ("configuration-snippet", |o, v| some(&mut o.snippet, values::snippet(v))),
    ("cors-allow-credentials", |o, v| some(&mut o.cors.credentials, boolean(v))),
    ("cors-allow-headers", |o, v| put(&mut o.cors.headers, list(v, values::token_or_all))),
    ("cors-allow-methods", |o, v| put(&mut o.cors.methods, list(v, values::token_or_all))),
    ("cors-allow-origin", |o, v| put(&mut o.cors.origins, list(v, values::origin))),
    ("cors-expose-headers", |o, v| put(&mut o.cors.expose, list(v, values::token_or_all))),
    ("cors-max-age", |o, v| some(&mut o.cors.max_age, number(v, 0, 31_536_000))),
    ("custom-http-errors", |o, v| put(&mut o.custom_http_errors, list(v, |code| number(code, 400, 599)))),
    ("default-backend", |o, v| some(&mut o.default_backend, own_reference(v))),
    ("denylist-source-range", |o, v| put(&mut o.deny, list(v, values::network))),
    ("enable-cors", |o, v| put(&mut o.cors.enabled, boolean(v))),
    ("force-ssl-redirect", |o, v| put(&mut o.force_ssl_redirect, boolean(v))),
    ("limit-burst-multiplier", |o, v| some(&mut o.limits.burst, number(v, 1, 1000))),
    ("limit-connections", |o, v| some(&mut o.limits.connections, number(v, 1, 65_535))),
    ("limit-rpm", |o, v| some(&mut o.limits.rpm, number(v, 1, 1_000_000))),
    ("limit-rps", |o, v| some(&mut o.limits.rps, number(v, 1, 1_000_000))),
    ("permanent-redirect", |o, v| some(&mut o.permanent_redirect, values::target(v))),
    ("permanent-redirect-code", |o, v| some(&mut o.permanent_redirect_code, number(v, 300, 308))),
    ("proxy-body-size", |o, v| some(&mut o.proxy.body_size, values::size(v))),
    ("proxy-connect-timeout", |o, v| some(&mut o.proxy.connect_timeout, seconds(v))),
    ("proxy-read-timeout", |o, v| some(&mut o.proxy.read_timeout, seconds(v))),
    ("proxy-send-timeout", |o, v| some(&mut o.proxy.send_timeout, seconds(v))),
    ("rewrite-target", |o, v| some(&mut o.rewrite_target, values::rewrite(v))),
    ("server-alias", |o, v| put(&mut o.server_alias, list(v, values::host))),
    ("session-cookie-change-on-failure", |o, v| put(&mut o.affinity.change_on_failure, boolean(v))),
    ("session-cookie-domain", |o, v| some(&mut o.affinity.domain, values::host(v.trim_start_matches('.')))),
    ("session-cookie-expires", |o, v| some(&mut o.affinity.expires, number(v, 0, u32::MAX))),
    ("session-cookie-max-age", |o, v| some(&mut o.affinity.max_age, number(v, 0, u32::MAX))),
    ("session-cookie-name", |o, v| some(&mut o.affinity.name, values::token(v))),
    ("session-cookie-path", |o, v| some(&mut o.affinity.path, cookie_path(v))),
    ("session-cookie-samesite", |o, v| some(&mut o.affinity.same_site, one_of(v, &["None", "Lax", "Strict"]))),
    ("session-cookie-secure", |o, v| put(&mut o.affinity.secure, boolean(v))),
    ("ssl-redirect", |o, v| some(&mut o.ssl_redirect, boolean(v))),
    ("temporal-redirect", |o, v| some(&mut o.temporal_redirect, values::target(v))),
    ("upstream-vhost", |o, v| some(&mut o.proxy.vhost, values::authority(v))),
    ("use-regex", |o, v| put(&mut o.use_regex, boolean(v))),
    ("whitelist-source-range", |o, v| put(&mut o.allow, list(v, values::network))),
];

/// Reads all annotations of an Ingress.
pub fn parse(annotations: &BTreeMap<String, String>, allow_snippets: bool) -> (Options, Vec<Fault>) {
    let (mut options, mut faults) = (Options::default(), Vec::new());
    for (full, value) in annotations {
        let Some(name) = full.strip_prefix(PREFIX) else { continue };
        let Some((_, set)) = TABLE.iter().find(|(known, _)| *known == name) else {
            faults.push(Fault::Unknown(unknown(full, name)));
            continue;
        };
        if name == "configuration-snippet" && !allow_snippets {
            let why = "the annotation `configuration-snippet` is not allowed in this cluster; \
                       the setting `allowSnippets` of the addon ingress allows it";
            faults.push(Fault::Forbidden(why.into()));
        } else if let Err(why) = set(&mut options, value) {
            let shown: String = value.chars().take(80).collect();
            faults.push(Fault::Invalid(format!("the annotation `{name}` has the value `{shown}`: {why}")));
        }
    }
    (options, faults)
}

fn unknown(full: &str, name: &str) -> String {
    let head = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    let near: Vec<&str> = TABLE.iter().map(|(known, _)| *known).filter(|known| head(known) == head(name)).collect();
    let hint = if near.is_empty() { String::new() } else { format!("; known are: {}", near.join(", ")) };
    format!("the annotation `{full}` is not known and has no effect{hint}")
}

fn put<T>(slot: &mut T, value: Parsed<T>) -> Parsed<()> {
    value.map(|value| *slot = value)
}

fn some<T>(slot: &mut Option<T>, value: Parsed<T>) -> Parsed<()> {
    value.map(|value| *slot = Some(value))
}

fn one_of(text: &str, all: &[&str]) -> Parsed<String> {
    let found = all.iter().find(|one| one.eq_ignore_ascii_case(text.trim()));
    found.map(|one| (*one).to_owned()).ok_or_else(|| format!("none of: {}", all.join(", ")))
}

fn protocol(text: &str) -> Parsed<Protocol> {
    let all = ["HTTP", "AUTO_HTTP", "HTTPS", "GRPC", "GRPCS"];
    one_of(text, &all).map(|name| match name.as_str() {
        "HTTPS" => Protocol::Https,
        "GRPC" => Protocol::Grpc,
        "GRPCS" => Protocol::Grpcs,
        _ => Protocol::Http,
    })
}

fn auth_kind(text: &str) -> Parsed<AuthKind> {
    one_of(text, &["auth-file", "auth-map"]).map(|name| if name == "auth-map" { AuthKind::Map } else { AuthKind::File })
}

fn own_reference(text: &str) -> Parsed<String> {
    match values::reference(text)? {
        (None, name) => Ok(name),
        (Some(_), _) => Err("a name of another namespace".into()),
    }
}

fn cookie_path(text: &str) -> Parsed<String> {
    values::path(text).and_then(|path| if path.contains(';') { Err("a path with `;`".into()) } else { Ok(path) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Options, Vec<Fault>) {
        let all = pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect();
        parse(&all, false)
    }

    #[test]
    fn the_table_is_sorted_and_has_no_name_twice() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn values_are_read() {
        let (options, faults) = read(&[
            ("rewrite-target", "/$2"),
            ("proxy-read-timeout", "30"),
            ("whitelist-source-range", "10.0.0.0/8, 192.168.1.1"),
            ("backend-protocol", "grpcs"),
            ("custom-http-errors", "404,503"),
        ]);
        assert_eq!(faults, []);
        assert_eq!(options.rewrite_target.as_deref(), Some("/$2"));
        assert_eq!(options.proxy.read_timeout, Some(30));
        assert_eq!(options.proxy.protocol, Protocol::Grpcs);
        assert_eq!((options.allow.len(), options.custom_http_errors), (2, vec![404, 503]));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let (_, faults) = read(&[
            ("proxy-body-size", "1m; } server {"),
            ("cors-allow-orgin", "x"),
            ("configuration-snippet", "return 204;"),
        ]);
        let [Fault::Forbidden(_), Fault::Unknown(unknown), Fault::Invalid(invalid)] = &faults[..] else {
            panic!("{faults:?}")
        };
        assert!(unknown.contains("cors-allow-origin"), "{unknown}");
        assert!(invalid.contains("proxy-body-size"), "{invalid}");
    }

    #[test]
    fn annotations_of_others_are_not_ours() {
        let all = BTreeMap::from([("cert-manager.io/issuer".to_owned(), "x".to_owned())]);
        assert_eq!(parse(&all, false), (Options::default(), vec![]));
    }
}
