//! From objects to what is served: a pure function.

mod canary;
mod hosts;
mod owner;
mod paths;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::networking::v1::{Ingress, IngressSpec};

use super::annotations::Options;
use super::backends::Backend;
use super::model::{Kind, Location, Model, Owner, Problem, Route, Server, Table};
use super::world::{Name, Settings, World};

/// Everything that follows from the objects.
#[derive(Clone, Debug, Default)]
pub struct Compiled {
    /// The configuration.
    pub model: Model,
    /// What the balancer is told.
    pub table: Table,
    /// Certificates and passwords, by file name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What is wrong, by Ingress.
    pub problems: BTreeSet<Problem>,
    /// Ingresses that are served.
    pub served: BTreeSet<Name>,
    /// Secrets that were looked at; those that the world does not know must be fetched.
    pub secrets: BTreeSet<Name>,
}

/// One Ingress on its way.
struct Item {
    owner: Arc<Owner>,
    spec: IngressSpec,
}

struct Compiler<'w> {
    world: &'w World,
    settings: &'w Settings,
    out: Compiled,
    /// By host; the default server has none.
    servers: BTreeMap<Option<String>, Server>,
    /// Who has a path: by host and key.
    taken: BTreeMap<(Option<String>, String), Name>,
}

/// Compiles all Ingresses but those that nginx is known to refuse.
pub fn compile(world: &World, settings: &Settings, refused: &BTreeSet<Name>) -> Compiled {
    let mut compiler = Compiler {
        world,
        settings,
        out: Compiled::default(),
        servers: BTreeMap::from([(None, Server::default())]),
        taken: BTreeMap::new(),
    };
    let ours = world.ours(settings);
    let ours = ours.iter().filter(|ingress| !refused.contains(&Name::of(ingress.as_ref())));
    let (canaries, items): (Vec<Item>, Vec<Item>) =
        ours.map(|ingress| compiler.read(ingress)).partition(|item| item.owner.options.canary.enabled);
    for item in &items {
        compiler.paths(item);
    }
    compiler.fallbacks(&items);
    for item in &canaries {
        compiler.canary(item);
    }
    compiler.hosts(&items);
    compiler.finish()
}

impl Compiler<'_> {
    /// What an Ingress is without its rules.
    fn read(&mut self, ingress: &Ingress) -> Item {
        let owner = Arc::new(self.owner(ingress));
        self.out.served.insert(owner.name.clone());
        Item { owner, spec: ingress.spec.clone().unwrap_or_default() }
    }

    fn problem(&mut self, ingress: &Name, reason: &'static str, message: impl Into<String>) {
        self.out.problems.insert(Problem { ingress: ingress.clone(), reason, message: message.into() });
    }

    /// Takes a backend into the table; says what is wrong with it.
    fn use_backend(&mut self, ingress: &Name, backend: Backend) -> String {
        if let Some((reason, why)) = backend.problem {
            self.problem(ingress, reason, why);
        }
        self.out.table.backends.insert(backend.key.clone(), backend.peers);
        backend.key
    }

    /// Takes a location into its server, and its route into the table.
    fn add(&mut self, host: Option<&str>, location: Location, route: Route) {
        self.out.table.routes.insert(location.route.clone(), route);
        let server = self.servers.entry(host.map(str::to_owned)).or_default();
        server.host = host.map(str::to_owned);
        server.locations.push(location);
    }

    /// The Service of the annotation `default-backend`.
    fn own_default(&mut self, name: &Name, options: &Options) -> Option<String> {
        let service = options.default_backend.as_ref()?;
        let backend = super::backends::first_port(self.world, &name.namespace, service);
        Some(self.use_backend(name, backend))
    }

    fn finish(mut self) -> Compiled {
        for server in self.servers.values_mut() {
            // Where expressions decide, nginx takes the first that matches; the longest one comes first.
            server.locations.sort_by(|a, b| {
                (a.kind != Kind::Exact, b.path.len(), &a.path, a.kind).cmp(&(
                    b.kind != Kind::Exact,
                    a.path.len(),
                    &b.path,
                    b.kind,
                ))
            });
        }
        self.out.model.servers = self.servers.into_values().collect();
        self.out
    }
}
