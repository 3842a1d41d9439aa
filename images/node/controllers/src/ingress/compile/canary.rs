//! Canaries: Ingresses that take a part of the requests of another one with the same host and path.

use super::paths::kind;
use super::{Compiler, Item};
use crate::ingress::annotations::values;
use crate::ingress::backends;
use crate::ingress::model::{CanaryRoute, Kind, Location};

impl Compiler<'_> {
    pub(super) fn canary(&mut self, item: &Item) {
        let owner = &item.owner;
        if owner.closed {
            return;
        }
        for rule in item.spec.rules.iter().flatten() {
            let Ok(host) = rule.host.as_deref().filter(|host| !host.is_empty()).map(values::host).transpose() else {
                continue;
            };
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let text = path.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
                let shown = format!("the path `{text}` of {}", host.as_deref().unwrap_or("any host"));
                let Some(route) = self.main_route(host.as_ref(), &path.path_type, text, item) else {
                    let why = format!("{shown} has no Ingress of which this canary could take a part");
                    self.problem(&owner.name, "CanaryAlone", why);
                    continue;
                };
                let Some(service) = &path.backend.service else { continue };
                let backend = backends::look_up(self.world, &owner.name.namespace, service);
                let backend = self.use_backend(&owner.name, backend);
                let options = &owner.options.canary;
                let canary = CanaryRoute {
                    backend,
                    weight: options.weight.unwrap_or(0),
                    total: options.total.unwrap_or(100),
                    header: options.header.clone(),
                    value: options.header_value.clone(),
                    pattern: options.header_pattern.clone().filter(|_| options.header_value.is_none()),
                    cookie: options.cookie.clone(),
                };
                match self.out.table.routes.get_mut(&route) {
                    Some(route) if route.canary.is_none() => route.canary = Some(canary),
                    _ => self.problem(&owner.name, "DuplicateCanary", format!("{shown} has an older canary already")),
                }
            }
        }
    }

    /// The route of the location with the same host and path, however that one compares.
    fn main_route(&self, host: Option<&String>, path_type: &str, path: &str, item: &Item) -> Option<String> {
        let locations = &self.servers.get(&host.cloned())?.locations;
        let own = kind(path_type, path, &item.owner.options);
        let kinds = if own == Kind::Exact { vec![own] } else { vec![own, Kind::Prefix, Kind::Text, Kind::Regex] };
        kinds.into_iter().find_map(|kind| {
            let key = Location::key(kind, path);
            let found = locations.iter().find(|l| l.kind == kind && Location::key(l.kind, &l.path) == key);
            found.map(|location| location.route.clone())
        })
    }
}
