//! What belongs to a whole host: its certificate, its further names, where `/` leads.

use super::{Compiler, Item};
use crate::ingress::annotations::values;
use crate::ingress::model::hash;
use crate::ingress::secrets;
use crate::ingress::world::Name;

impl Compiler<'_> {
    pub(super) fn hosts(&mut self, items: &[Item]) {
        for item in items {
            let hosts: Vec<Option<String>> = item
                .spec
                .rules
                .iter()
                .flatten()
                .filter_map(|rule| rule.host.as_deref().filter(|h| !h.is_empty()).map(values::host).transpose().ok())
                .filter(|host| self.servers.contains_key(host))
                .collect();
            self.certificates(item, &hosts);
            for host in hosts {
                self.aliases(item, host.as_ref());
                if let Some(server) = self.servers.get_mut(&host)
                    && !item.owner.closed
                    && server.app_root.is_none()
                {
                    server.app_root.clone_from(&item.owner.options.app_root);
                }
            }
        }
    }

    fn certificates(&mut self, item: &Item, hosts: &[Option<String>]) {
        for tls in item.spec.tls.iter().flatten() {
            let named = tls.hosts.as_deref().unwrap_or_default();
            let covers = |host: &Option<String>| {
                named.is_empty() || host.as_ref().is_some_and(|host| named.iter().any(|name| covers(name, host)))
            };
            let covered: Vec<_> = hosts.iter().filter(|host| covers(host)).cloned().collect();
            let file = tls.secret_name.as_ref().and_then(|secret| self.certificate(&item.owner.name, secret));
            for host in covered {
                let Some(server) = self.servers.get_mut(&host) else { continue };
                server.certificate = server.certificate.take().or_else(|| file.clone());
                server.locations.iter_mut().for_each(|location| location.tls = true);
            }
        }
    }

    /// The file of a Secret's certificate; without one the host shows the default certificate.
    fn certificate(&mut self, ingress: &Name, secret: &str) -> Option<String> {
        let name = Name::new(&ingress.namespace, secret);
        let checked = self.secret(&name).and_then(|found| {
            secrets::certificate(&found)
                .map_err(|why| ("SecretInvalid", format!("the Secret `{name}` cannot be used: {why}")))
        });
        match checked {
            Ok(pem) => {
                let file = format!("tls/{}.pem", hash(&pem));
                self.out.files.insert(file.clone(), pem);
                Some(file)
            }
            Err((reason, why)) => {
                self.problem(ingress, reason, format!("{why}. Its hosts show the self-signed certificate"));
                None
            }
        }
    }

    fn aliases(&mut self, item: &Item, host: Option<&String>) {
        for alias in &item.owner.options.server_alias {
            let theirs = self.servers.values().any(|server| {
                server.host.as_ref() == Some(alias) || server.host.as_ref() != host && server.aliases.contains(alias)
            });
            if theirs || host.is_none() {
                let why =
                    format!("the alias `{alias}` is not used: it is another host's name, or the rule has no host");
                self.problem(&item.owner.name, "DuplicateHost", why);
            } else if let Some(server) = self.servers.get_mut(&host.cloned())
                && !server.aliases.contains(alias)
            {
                server.aliases.push(alias.clone());
            }
        }
    }
}

/// Whether a name in the TLS section is meant for a host.
fn covers(name: &str, host: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == host
        || name.strip_prefix("*.").is_some_and(|rest| host.split_once('.').is_some_and(|(_, tail)| tail == rest))
}
