//! The rules of an Ingress: one location per host and path, the oldest wins.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend};

use super::{Compiler, Item};
use crate::ingress::annotations::{Affinity, Options, values};
use crate::ingress::backends::{self, Backend};
use crate::ingress::model::{Kind, Location, Owner, Route, Sticky};

impl Compiler<'_> {
    pub(super) fn paths(&mut self, item: &Item) {
        let name = &item.owner.name;
        for rule in item.spec.rules.iter().flatten() {
            let host = match rule.host.as_deref().filter(|host| !host.is_empty()).map(values::host).transpose() {
                Ok(host) => host,
                Err(why) => {
                    self.problem(
                        name,
                        "InvalidHost",
                        format!("`{}` is {why}", rule.host.as_deref().unwrap_or_default()),
                    );
                    continue;
                }
            };
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                self.path(item, host.as_deref(), path);
            }
        }
    }

    fn path(&mut self, item: &Item, host: Option<&str>, path: &HTTPIngressPath) {
        let (name, text) = (&item.owner.name, path.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/"));
        if let Err(why) = values::expression(text) {
            self.problem(name, "InvalidPath", format!("the path `{text}` is {why}"));
            return;
        }
        let kind = kind(&path.path_type, text, &item.owner.options);
        let key = (host.map(str::to_owned), Location::key(kind, text));
        if let Some(holder) = self.taken.get(&key) {
            let shown = host.unwrap_or("any host");
            let why = format!("the path `{text}` of {shown} belongs to the older Ingress `{holder}`");
            self.problem(name, "DuplicatePath", why);
            return;
        }
        self.taken.insert(key, name.clone());
        self.serve(item, host, kind, text, &path.backend);
    }

    /// Adds one location with its backend.
    fn serve(&mut self, item: &Item, host: Option<&str>, kind: Kind, path: &str, backend: &IngressBackend) {
        let owner = &item.owner;
        let Some(found) = self.backend(owner, backend) else { return };
        let service = found.service.clone();
        let key = self.use_backend(&owner.name, found);
        let fallback = self.own_default(&owner.name, &owner.options);
        let route = Location::route(host, kind, path, owner);
        let errors = self.errors(item, &route, fallback.as_deref());
        let sticky = sticky(&owner.options.affinity, kind, path);
        let location =
            Location { owner: owner.clone(), kind, path: path.to_owned(), route, backend: service, tls: false, errors };
        self.add(host, location, Route { backend: key, fallback, canary: None, sticky });
    }

    /// A route to the backend that answers for custom errors, when there is one.
    fn errors(&mut self, item: &Item, route: &str, fallback: Option<&str>) -> Option<String> {
        let owner = &item.owner;
        if owner.options.custom_http_errors.is_empty() {
            return None;
        }
        let backend = match (fallback, &item.spec.default_backend) {
            (Some(backend), _) => Some(backend.to_owned()),
            (None, Some(backend)) => self.backend(owner, backend).map(|backend| self.use_backend(&owner.name, backend)),
            (None, None) => None,
        };
        let Some(backend) = backend else {
            let why =
                "`custom-http-errors` has no effect without the annotation `default-backend` or a default backend";
            self.problem(&owner.name, "NoDefaultBackend", why);
            return None;
        };
        let key = format!("{route}!");
        self.out.table.routes.insert(key.clone(), Route { backend, ..Route::default() });
        Some(key)
    }

    fn backend(&mut self, owner: &Owner, backend: &IngressBackend) -> Option<Backend> {
        let Some(service) = &backend.service else {
            self.problem(&owner.name, "UnsupportedBackend", "only a Service can be a backend");
            return None;
        };
        Some(backends::look_up(self.world, &owner.name.namespace, service))
    }

    /// Default backends answer for what no path of the host matches; that of an Ingress without rules, for all hosts.
    pub(super) fn fallbacks(&mut self, items: &[Item]) {
        let with_default = |item: &&Item| item.spec.default_backend.is_some();
        let of_all = items.iter().filter(with_default).find(|item| item.spec.rules.iter().flatten().next().is_none());
        let hosts: BTreeSet<Option<String>> = self.servers.keys().cloned().collect();
        for host in hosts {
            let names = |item: &&Item| {
                item.spec
                    .rules
                    .iter()
                    .flatten()
                    .any(|rule| rule.host.as_deref().unwrap_or_default() == host.as_deref().unwrap_or_default())
            };
            let Some(item) = items.iter().filter(with_default).find(names).or(of_all) else { continue };
            let root = (host.clone(), Location::key(Kind::Prefix, "/"));
            if let Some(backend) = &item.spec.default_backend
                && !self.taken.contains_key(&root)
            {
                self.taken.insert(root, item.owner.name.clone());
                self.serve(item, host.as_deref(), Kind::Prefix, "/", backend);
            }
        }
    }
}

/// How a path is compared, given what its Ingress asks for.
pub(super) fn kind(path_type: &str, path: &str, options: &Options) -> Kind {
    let expressions = options.use_regex || options.rewrite_target.is_some();
    match path_type {
        "Exact" => Kind::Exact,
        // A plain path stays one, so that `/api` does not match `/apis`.
        "Prefix" if !expressions || !path.contains(|c| r"()[]{}*+?^$|\".contains(c)) => Kind::Prefix,
        _ if expressions => Kind::Regex,
        _ => Kind::Text,
    }
}

fn sticky(affinity: &Affinity, kind: Kind, path: &str) -> Option<Sticky> {
    if !affinity.cookie {
        return None;
    }
    let path = match (&affinity.path, kind) {
        (Some(path), _) => path,
        (None, Kind::Regex) => "/",
        (None, _) if path.contains(';') => "/",
        (None, _) => path,
    };
    let mut attributes = format!("; Path={path}; HttpOnly");
    for (name, value) in [("Domain", affinity.domain.clone()), ("Max-Age", affinity.max_age.map(|n| n.to_string()))] {
        attributes.extend(value.map(|value| format!("; {name}={value}")));
    }
    attributes.extend(affinity.same_site.as_ref().map(|value| format!("; SameSite={value}")));
    if affinity.secure {
        attributes.push_str("; Secure");
    }
    let name = affinity.name.clone().unwrap_or_else(|| "INGRESSCOOKIE".to_owned());
    Some(Sticky { name, attributes, expires: affinity.expires, moves: affinity.change_on_failure })
}
