//! What the controller knows of the cluster at one moment.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::ResourceExt;

/// The name of an object with its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

impl Name {
    /// From both parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Of an object that has a namespace.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an Ingress may ask of the controller beyond its annotations.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `IngressClass` objects with this controller are ours.
    pub controller: String,
    /// And so are Ingresses with this name in the annotation of old times.
    pub class: String,
    /// Whether `configuration-snippet` is allowed.
    pub allow_snippets: bool,
    /// Where configuration, certificates and sockets lie.
    pub folder: String,
}

/// The objects.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// All Ingresses, ours or not.
    pub ingresses: Vec<Arc<Ingress>>,
    /// All classes.
    pub classes: Vec<Arc<IngressClass>>,
    /// All Services.
    pub services: BTreeMap<Name, Arc<Service>>,
    /// The slices of each Service.
    pub slices: BTreeMap<Name, Vec<Arc<EndpointSlice>>>,
    /// The Secrets that were asked for; none where there is no such Secret.
    pub secrets: BTreeMap<Name, Option<Arc<Secret>>>,
}

impl World {
    /// Our Ingresses, the oldest first: of two that want the same, the older one wins.
    pub fn ours(&self, settings: &Settings) -> Vec<Arc<Ingress>> {
        let mut ours: Vec<_> = self.ingresses.iter().filter(|i| self.is_ours(i, settings)).cloned().collect();
        ours.sort_by_key(|i| (i.creation_timestamp().map(|t| t.0), Name::of(i.as_ref())));
        ours
    }

    fn is_ours(&self, ingress: &Ingress, settings: &Settings) -> bool {
        let ours = |class: &&Arc<IngressClass>| {
            class.spec.as_ref().and_then(|spec| spec.controller.as_deref()) == Some(&settings.controller)
        };
        let named = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
        let annotated = ingress.annotations().get("kubernetes.io/ingress.class");
        let mut classes = self.classes.iter().filter(ours);
        match (named, annotated) {
            (Some(name), _) => classes.any(|class| class.name_any() == name),
            (None, Some(name)) => *name == settings.class,
            // Made before there was a default class: the API server gives it none later.
            (None, None) => classes.any(|class| {
                class.annotations().get("ingressclass.kubernetes.io/is-default-class").is_some_and(|v| v == "true")
            }),
        }
    }
}
