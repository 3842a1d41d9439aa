//! An Ingress without its rules: what its annotations ask for, and whether that can be given.

use k8s_openapi::api::networking::v1::Ingress;
use kube::ResourceExt;

use super::Compiler;
use crate::ingress::annotations::{self, Fault, Options};
use crate::ingress::model::{Owner, hash};
use crate::ingress::secrets;
use crate::ingress::world::Name;

impl Compiler<'_> {
    pub(super) fn owner(&mut self, ingress: &Ingress) -> Owner {
        let name = Name::of(ingress);
        let (options, faults) = annotations::parse(ingress.annotations(), self.settings.allow_snippets);
        let mut closed = false;
        for fault in faults {
            let (reason, why) = match fault {
                Fault::Unknown(why) => ("UnknownAnnotation", why),
                Fault::Invalid(why) => ("InvalidAnnotation", why),
                Fault::Forbidden(why) => ("ForbiddenAnnotation", why),
            };
            if reason == "UnknownAnnotation" {
                self.problem(&name, reason, why);
            } else {
                closed = true;
                self.problem(&name, reason, format!("{why}. Until that changes its paths answer 503"));
            }
        }
        let passwords = if options.auth.basic || options.auth.secret.is_some() {
            let found = self.passwords(&name, &options);
            if let Err((reason, why)) = &found {
                closed = true;
                self.problem(&name, reason, format!("{why}. Nobody is let in: its paths answer 503"));
            }
            found.ok()
        } else {
            None
        };
        Owner { name, options, closed, passwords }
    }

    /// The file with the passwords that the Ingress asks for. Without it nobody may come in.
    fn passwords(&mut self, ingress: &Name, options: &Options) -> Result<String, (&'static str, String)> {
        let invalid = |why: &str| ("InvalidAnnotation", why.to_owned());
        let Some((namespace, name)) = &options.auth.secret else {
            return Err(invalid("there is `auth-type` but no `auth-secret`"));
        };
        if !options.auth.basic {
            return Err(invalid("there is `auth-secret` but no `auth-type: basic`"));
        }
        if namespace.as_ref().is_some_and(|namespace| *namespace != ingress.namespace) {
            return Err(invalid("its `auth-secret` lies in another namespace, which is not allowed"));
        }
        let secret = Name::new(&ingress.namespace, name);
        let found = self.secret(&secret)?;
        let bytes = secrets::passwords(&found, options.auth.kind)
            .map_err(|why| ("SecretInvalid", format!("the Secret `{secret}` cannot be used: {why}")))?;
        let file = format!("auth/{}", hash(&bytes));
        self.out.files.insert(file.clone(), bytes);
        Ok(file)
    }

    /// A Secret, or what to say when there is none.
    pub(super) fn secret(
        &mut self,
        name: &Name,
    ) -> Result<std::sync::Arc<k8s_openapi::api::core::v1::Secret>, (&'static str, String)> {
        self.out.secrets.insert(name.clone());
        let found = self.world.secrets.get(name).cloned().flatten();
        found.ok_or_else(|| {
            let Name { namespace, name } = name;
            ("SecretNotFound", format!("there is no Secret `{name}` in the namespace `{namespace}`"))
        })
    }
}
