//! URLs of Ingresses, and what to type where a name leads nowhere because no DNS knows it.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use super::{Entry, View, addresses, url};

/// An Ingress's hosts and paths.
pub fn of_ingress(view: &View, ingress: &Value) -> Entry {
    let mut entry = Entry::new("Ingress", ingress);
    let own = addresses(ingress);
    let doors = [door(view, &own, 80), door(view, &own, 443)];
    for (host, path) in places(ingress) {
        let secure = encrypted(ingress, host);
        // A host with a certificate is asked for by TLS; the others, and those of one without, are not.
        let (scheme, doors) = if secure { ("https", &doors[1]) } else { ("http", &doors[0]) };
        for at in doors {
            write(&mut entry, scheme, host, *at, &path);
        }
    }
    if entry.urls.is_empty() && entry.curl.is_empty() {
        let (namespace, name) = (&entry.namespace, &entry.name);
        entry.note = Some(if own.is_empty() {
            format!("no address yet; see `knarr kubectl describe ingress -n {namespace} {name}`")
        } else {
            "not reachable from here; `knarr tunnel` opens a way and prints it".into()
        });
    }
    entry
}

/// Where the Ingresses' controller answers, seen from here.
fn door(view: &View, own: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let tunnelled = view.tunnels.iter().filter(|t| t.port == port && t.addresses.iter().any(|a| own.contains(a)));
    let mut doors: Vec<SocketAddr> = tunnelled.map(|t| t.local).collect();
    if view.direct {
        doors.extend(own.iter().map(|address| SocketAddr::new(*address, port)));
    }
    doors.extend(view.published("TCP", port));
    doors
}

fn write(entry: &mut Entry, scheme: &str, host: Option<&str>, at: SocketAddr, path: &str) {
    let Some(host) = host else {
        entry.urls.push(format!("{}{path}", url(scheme, at.ip(), at.port())));
        return;
    };
    // Any name that a wildcard stands for will do.
    let host = host.replacen('*', "www", 1);
    let usual = matches!((scheme, at.port()), ("http", 80) | ("https", 443));
    let port = if usual { String::new() } else { format!(":{}", at.port()) };
    if at.ip().is_loopback() && host.ends_with(".localhost") {
        entry.urls.push(format!("{scheme}://{host}{port}{path}"));
    } else if scheme == "https" {
        // The certificate is chosen by the name in the URL; most are signed by nobody whom curl knows.
        let ip = at.ip();
        entry.curl.push(format!("curl -k --resolve {host}:{}:{ip} https://{host}{port}{path}", at.port()));
    } else {
        entry.curl.push(format!("curl -H 'Host: {host}' {}{path}", url("http", at.ip(), at.port())));
    }
}

/// Hosts and paths of all rules; the default backend alone is every path of every host.
fn places(ingress: &Value) -> Vec<(Option<&str>, String)> {
    let rules: Vec<&Value> = ingress["spec"]["rules"].as_array().into_iter().flatten().collect();
    if rules.is_empty() {
        return vec![(None, "/".into())];
    }
    let of_rule = |rule: &Value| -> Vec<String> {
        let paths = rule["http"]["paths"].as_array();
        let mut all: Vec<String> = paths.into_iter().flatten().map(|path| plain(path["path"].as_str())).collect();
        if all.is_empty() {
            all.push("/".into());
        }
        all
    };
    rules
        .into_iter()
        .flat_map(|rule| of_rule(rule).into_iter().map(move |path| (rule["host"].as_str(), path)))
        .collect()
}

/// A path without what only an expression understands: `/api(/|$)(.*)` is asked for as `/api`.
fn plain(path: Option<&str>) -> String {
    let path = path.unwrap_or("/");
    let end = path.find(['(', '[', '{', '$', '^', '*', '?', '|', '\\', '+']).unwrap_or(path.len());
    let cut = path[..end].trim_end_matches('.');
    if cut.is_empty() { "/".into() } else { cut.into() }
}

/// Whether a host has a certificate.
fn encrypted(ingress: &Value, host: Option<&str>) -> bool {
    let covers = |name: &Value| {
        let Some(name) = name.as_str() else { return false };
        host == Some(name)
            || name.strip_prefix('*').is_some_and(|rest| {
                host.and_then(|host| host.strip_suffix(rest)).is_some_and(|label| !label.contains('.'))
            })
    };
    let all = ingress["spec"]["tls"].as_array();
    all.into_iter().flatten().any(|tls| match tls["hosts"].as_array() {
        Some(hosts) => hosts.iter().any(covers),
        None => true,
    })
}
