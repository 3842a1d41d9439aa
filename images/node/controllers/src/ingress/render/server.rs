//! One server: its names, its certificate, its paths.

use super::{DEFAULT_CERTIFICATE, HTTP, HTTPS, by_expression, line, location};
use crate::ingress::model::{Kind, Location, Server};
use crate::ingress::quote::{literal, quote};

pub(super) fn render(out: &mut String, server: &Server, folder: &str) {
    let default = if server.host.is_none() { " default_server" } else { "" };
    line(out, 0, "");
    line(out, 1, "server {");
    line(out, 2, format!("listen {HTTP}{default};"));
    line(out, 2, format!("listen {HTTPS} ssl{default};"));
    let names: Vec<String> = server.host.iter().chain(&server.aliases).map(|name| server_name(name)).collect();
    let names = if names.is_empty() { "_".to_owned() } else { names.join(" ") };
    line(out, 2, format!("server_name {names};"));
    let certificate = quote(&format!("{folder}/{}", server.certificate.as_deref().unwrap_or(DEFAULT_CERTIFICATE)));
    line(out, 2, format!("ssl_certificate {certificate};"));
    line(out, 2, format!("ssl_certificate_key {certificate};"));
    let exact: Vec<&str> = server.locations.iter().filter(|l| l.kind == Kind::Exact).map(|l| l.path.as_str()).collect();
    if let Some(path) = &server.app_root
        && !exact.contains(&"/")
    {
        line(out, 2, "location = / {");
        line(out, 3, format!("return 302 {};", quote(path)));
        line(out, 2, "}");
    }
    let expressions = by_expression(&server.locations);
    for location in &server.locations {
        for matcher in matchers(location, expressions, &exact) {
            location::render(out, location, &matcher, folder);
        }
        location::errors(out, location);
    }
    if !server.locations.iter().any(|l| Location::key(l.kind, &l.path) == "/") {
        line(out, 2, "location / {");
        line(out, 3, "return 404;");
        line(out, 2, "}");
    }
    line(out, 1, "}");
}

/// A name as nginx compares it. Its own wildcards cover any number of labels, those of an Ingress exactly one.
fn server_name(host: &str) -> String {
    match host.strip_prefix("*.") {
        Some(rest) => quote(&format!(r"~^[^.]+\.{}$", literal(rest))),
        None => quote(host),
    }
}

/// What stands between `location` and `{`. nginx lets any expression win over a longer plain path, so as soon as one
/// location of the server is an expression, all are, in the order of their length.
fn matchers(location: &Location, expressions: bool, exact: &[&str]) -> Vec<String> {
    let path = location.path.as_str();
    let below = Location::key(Kind::Prefix, path);
    match location.kind {
        Kind::Exact => vec![format!("= {}", quote(path))],
        Kind::Regex => vec![format!("~* {}", quote(&format!("^{path}")))],
        Kind::Prefix | Kind::Text if below == "/" => vec!["/".to_owned()],
        Kind::Prefix if expressions => {
            let path = below.trim_end_matches('/');
            vec![format!("~ {}", quote(&format!(r"^{}(?:/|\z)", literal(path))))]
        }
        Kind::Text if expressions => vec![format!("~ {}", quote(&format!("^{}", literal(path))))],
        Kind::Prefix => {
            let itself = below.trim_end_matches('/');
            let mut both = vec![quote(&below)];
            if !exact.contains(&itself) {
                both.insert(0, format!("= {}", quote(itself)));
            }
            both
        }
        Kind::Text => vec![quote(path)],
    }
}
