//! One location: what is checked, changed and passed on.

use super::{cors, line, slug};
use crate::ingress::annotations::{Options, Protocol};
use crate::ingress::model::{Kind, Location, Owner};
use crate::ingress::quote::quote;

/// How many clients a limit's zone remembers: a megabyte is some sixteen thousand.
const ZONE: &str = "1m";

/// The zones that count what clients of an Ingress ask.
pub(super) fn zones(out: &mut String, owner: &Owner) {
    let (slug, limits) = (slug(&owner.name), &owner.options.limits);
    for (kind, unit, rate) in [("rps", "r/s", limits.rps), ("rpm", "r/m", limits.rpm)] {
        if let Some(rate) = rate {
            line(out, 1, format!("limit_req_zone $binary_remote_addr zone={slug}_{kind}:{ZONE} rate={rate}{unit};"));
        }
    }
    if limits.connections.is_some() {
        line(out, 1, format!("limit_conn_zone $binary_remote_addr zone={slug}_connections:{ZONE};"));
    }
}

pub(super) fn render(out: &mut String, location: &Location, matcher: &str, folder: &str) {
    let (owner, options) = (&*location.owner, &location.owner.options);
    line(out, 2, format!("location {matcher} {{"));
    line(out, 3, format!("set $knarr_ingress {};", quote(&owner.name.to_string())));
    if owner.closed {
        line(out, 3, "return 503;");
        line(out, 2, "}");
        return;
    }
    redirects(out, location);
    access(out, owner, folder);
    cors::render(out, owner);
    if let Some(key) = &location.errors {
        line(out, 3, "proxy_intercept_errors on;");
        line(out, 3, "grpc_intercept_errors on;");
        for code in &options.custom_http_errors {
            line(out, 3, format!("error_page {code} = {};", quote(&error_name(key, *code))));
        }
    }
    rewrite(out, location);
    if let Some(snippet) = &options.snippet {
        line(out, 0, snippet);
    }
    pass(out, location);
    line(out, 2, "}");
}

fn redirects(out: &mut String, location: &Location) {
    let options = &location.owner.options;
    if options.force_ssl_redirect || location.tls && options.ssl_redirect.unwrap_or(true) {
        line(out, 3, "if ($scheme = http) {");
        line(out, 4, "return 308 https://$host$request_uri;");
        line(out, 3, "}");
    }
    // Groups of a path that is an expression are known from choosing the location.
    if let Some(target) = &options.permanent_redirect {
        let code = options.permanent_redirect_code.unwrap_or(301);
        line(out, 3, format!("return {code} {};", quote(target)));
    } else if let Some(target) = &options.temporal_redirect {
        line(out, 3, format!("return 302 {};", quote(target)));
    }
}

fn access(out: &mut String, owner: &Owner, folder: &str) {
    let options = &owner.options;
    for network in &options.deny {
        line(out, 3, format!("deny {network};"));
    }
    for network in &options.allow {
        line(out, 3, format!("allow {network};"));
    }
    if !options.allow.is_empty() {
        line(out, 3, "deny all;");
    }
    if let Some(file) = &owner.passwords {
        let realm = options.auth.realm.as_deref().unwrap_or("Authentication Required");
        line(out, 3, format!("auth_basic {};", quote(realm)));
        line(out, 3, format!("auth_basic_user_file {};", quote(&format!("{folder}/{file}"))));
        line(out, 3, "proxy_set_header Authorization \"\";");
    }
    let (slug, limits) = (slug(&owner.name), &options.limits);
    for (kind, rate) in [("rps", limits.rps), ("rpm", limits.rpm)] {
        if let Some(rate) = rate {
            let burst = u64::from(rate) * u64::from(limits.burst.unwrap_or(5));
            line(out, 3, format!("limit_req zone={slug}_{kind} burst={burst} nodelay;"));
        }
    }
    if let Some(most) = limits.connections {
        line(out, 3, format!("limit_conn {slug}_connections {most};"));
    }
}

fn rewrite(out: &mut String, location: &Location) {
    if let Some(target) = &location.owner.options.rewrite_target {
        let expression = match location.kind {
            Kind::Regex => format!("(?i)^{}", location.path),
            _ => "^".to_owned(),
        };
        line(out, 3, format!("rewrite {} {} break;", quote(&expression), quote(target)));
    }
}

fn pass(out: &mut String, location: &Location) {
    let options = &location.owner.options;
    let (module, target) = match options.proxy.protocol {
        Protocol::Http => ("proxy", "http://knarr_http$knarr_fresh"),
        Protocol::Https => ("proxy", "https://knarr_https$knarr_fresh"),
        Protocol::Grpc => ("grpc", "grpc://knarr_http_fresh"),
        Protocol::Grpcs => ("grpc", "grpcs://knarr_https_fresh"),
    };
    proxy(out, options, module);
    headers(out, options, module);
    line(out, 3, format!("access_by_lua_block {{ knarr.choose({}) }}", lua(&location.route)));
    line(out, 3, format!("{module}_pass {target};"));
}

fn proxy(out: &mut String, options: &Options, module: &str) {
    if let Some(size) = &options.proxy.body_size {
        line(out, 3, format!("client_max_body_size {size};"));
    }
    let timeouts = [
        ("connect", options.proxy.connect_timeout),
        ("read", options.proxy.read_timeout),
        ("send", options.proxy.send_timeout),
    ];
    for (name, seconds) in timeouts {
        if let Some(seconds) = seconds {
            line(out, 3, format!("{module}_{name}_timeout {seconds}s;"));
        }
    }
}

/// The headers that users of ingress-nginx expect.
fn headers(out: &mut String, options: &Options, module: &str) {
    let host = options.proxy.vhost.as_deref().map_or_else(|| "$knarr_host".to_owned(), quote);
    let all = [
        ("Host", host.as_str()),
        ("X-Request-ID", "$knarr_request"),
        ("X-Real-IP", "$remote_addr"),
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Host", "$knarr_host"),
        ("X-Forwarded-Port", "$knarr_port"),
        ("X-Forwarded-Proto", "$scheme"),
        ("X-Forwarded-Scheme", "$scheme"),
        ("X-Scheme", "$scheme"),
        ("X-Original-Forwarded-For", "$http_x_forwarded_for"),
        ("Proxy", "\"\""),
    ];
    for (name, value) in all {
        line(out, 3, format!("{module}_set_header {name} {value};"));
    }
    if module == "proxy" {
        line(out, 3, "proxy_set_header Upgrade $http_upgrade;");
        line(out, 3, "proxy_set_header Connection $knarr_connection;");
    }
}

/// The name of the location that answers for one status.
fn error_name(key: &str, code: u32) -> String {
    format!("@{}_{code}", super::super::model::hash(key.as_bytes()))
}

/// The locations that answer for custom errors.
pub(super) fn errors(out: &mut String, location: &Location) {
    let Some(key) = location.errors.as_ref().filter(|_| !location.owner.closed) else { return };
    let owner = &location.owner;
    for code in &owner.options.custom_http_errors {
        line(out, 2, format!("location {} {{", quote(&error_name(key, *code))));
        line(out, 3, "internal;");
        line(out, 3, "proxy_intercept_errors off;");
        line(out, 3, "proxy_method GET;");
        line(out, 3, "proxy_pass_request_body off;");
        line(out, 3, "proxy_set_header Content-Length \"\";");
        line(out, 3, "proxy_set_header Connection \"\";");
        line(out, 3, "proxy_set_header Host $knarr_host;");
        line(out, 3, "proxy_set_header X-Request-ID $knarr_request;");
        line(out, 3, format!("proxy_set_header X-Code {code};"));
        line(out, 3, "proxy_set_header X-Format $http_accept;");
        line(out, 3, "proxy_set_header X-Original-URI $request_uri;");
        let (service, port) = &location.backend;
        for (name, value) in [
            ("X-Namespace", &owner.name.namespace),
            ("X-Ingress-Name", &owner.name.name),
            ("X-Service-Name", service),
            ("X-Service-Port", port),
        ] {
            line(out, 3, format!("proxy_set_header {name} {};", quote(value)));
        }
        line(out, 3, format!("access_by_lua_block {{ knarr.choose({}) }}", lua(key)));
        line(out, 3, "proxy_pass http://knarr_http;");
        line(out, 2, "}");
    }
}

/// A text inside Lua. Keys are made of names and hexadecimal digits; anything else would be a bug, and is left out.
fn lua(key: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || "-._/#!".contains(*c);
    format!("\"{}\"", key.chars().filter(fine).collect::<String>())
}
