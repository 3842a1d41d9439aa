//! Wire types and flags become a [`ClusterSpec`], or every problem there is. Pure: the host is asked through a closure.

mod addons;
mod args;
mod labels;
mod limits;
mod manifests;
mod mounts;
mod networking;
mod nodes;
mod ports;
mod registries;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use self::nodes::Draft;
use super::problems::Problems;
use super::v1alpha1::Cluster;
use super::{Overrides, Surroundings, defaults};
use crate::spec::ClusterSpec;
use crate::spec::values::{self, ClusterName, ImageRef};

pub(super) use self::labels::parse_pairs;

/// How the keys are called in the file that was read, and where values stand that were moved by a conversion.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    /// The key of a node's published ports.
    pub ports: &'static str,
    /// The key of a port's address on the host.
    pub host_address: &'static str,
    /// The path of the way kube-proxy works.
    pub proxy_mode: &'static str,
    /// The role of a node that names none, where the format has such a rule.
    pub role: Option<&'static str>,
    /// From a path in our format to the path in the file.
    pub origins: BTreeMap<String, String>,
}

impl Dialect {
    /// Our own format.
    pub fn own() -> Self {
        Self {
            ports: "ports",
            host_address: "hostAddress",
            proxy_mode: "networking.proxyMode",
            role: None,
            origins: BTreeMap::new(),
        }
    }
}

/// What is to be validated.
pub(super) struct Input<'a> {
    /// The config, converted into our format if need be.
    pub cluster: &'a Cluster,
    /// What flags say.
    pub overrides: &'a Overrides,
    /// What the machine and the program say.
    pub around: &'a Surroundings<'a>,
    /// How things are called in the file.
    pub dialect: &'a Dialect,
    /// Where relative paths start.
    pub base: PathBuf,
}

/// What every rule gets: where to put what it finds.
struct Check<'a> {
    input: &'a Input<'a>,
    problems: Problems,
    warnings: Vec<String>,
}

impl Check<'_> {
    /// The path as the user's file has it.
    fn path(&self, ours: String) -> String {
        self.input.dialect.origins.get(&ours).cloned().unwrap_or(ours)
    }

    fn problem(&mut self, ours: impl Into<String>, message: impl std::fmt::Display) {
        let path = self.path(ours.into());
        self.problems.add(path, message);
    }

    fn warn(&mut self, ours: impl Into<String>, message: impl std::fmt::Display) {
        let path = self.path(ours.into());
        self.warnings.push(format!("{path}: {message}"));
    }
}

/// The spec and warnings about it, or all problems.
pub(super) fn validate(input: &Input<'_>) -> Result<(ClusterSpec, Vec<String>), Problems> {
    let mut check = Check { input, problems: Problems::default(), warnings: Vec::new() };
    let name = cluster_name(&mut check);
    let image = image(&mut check);
    let drafts = nodes::drafts(&mut check);
    let networking = networking::networking(&mut check, drafts.len());
    ports::conflicts(&mut check, &drafts, networking.as_ref());
    let feature_gates = args::feature_gates(&mut check);
    let runtime_config = args::runtime_config(&mut check);
    let extra_args = args::extra_args(&mut check);
    let addons = addons::chosen(&mut check);
    let registries = registries::registries(&mut check);
    let manifests = manifests::manifests(&mut check);
    let ttl = ttl(&mut check);
    let Check { mut problems, warnings, .. } = check;
    if let (Some(name), Some(image), Some(networking), true) = (name, image, networking, problems.is_empty()) {
        let nodes = drafts_into_nodes(&name, drafts, &mut problems);
        if problems.is_empty() {
            let audit = input.cluster.audit;
            let spec = ClusterSpec {
                name,
                image,
                nodes,
                networking,
                feature_gates,
                runtime_config,
                extra_args,
                audit,
                addons,
                registries,
                manifests,
                ttl,
            };
            return Ok((spec, warnings));
        }
    }
    Err(problems)
}

fn drafts_into_nodes(name: &ClusterName, drafts: Vec<Draft>, problems: &mut Problems) -> Vec<crate::spec::NodeSpec> {
    let names = nodes::names(name, drafts.iter().map(|draft| draft.role));
    drafts
        .into_iter()
        .zip(names)
        .filter_map(|(draft, name)| Some(draft.named(problems.take("name", name.parse())?)))
        .collect()
}

fn cluster_name(check: &mut Check<'_>) -> Option<ClusterName> {
    let (path, text) = match (&check.input.overrides.name, &check.input.cluster.name) {
        (Some(flag), _) => ("--name", flag.as_str()),
        (None, Some(key)) => ("name", key.as_str()),
        (None, None) => match check.input.around.default_name {
            Some(variable) => (defaults::CLUSTER_VARIABLE, variable),
            None => ("name", defaults::NAME),
        },
    };
    check.problems.take(path, ClusterName::parse(text))
}

fn image(check: &mut Check<'_>) -> Option<ImageRef> {
    let (path, text) = match (&check.input.overrides.image, &check.input.cluster.image) {
        (Some(flag), _) => ("--image", flag.as_str()),
        (None, Some(key)) => ("image", key.as_str()),
        (None, None) => ("image", check.input.around.default_image),
    };
    check.problems.take(path, ImageRef::parse(text))
}

fn ttl(check: &mut Check<'_>) -> Option<Duration> {
    let flag = check.input.overrides.ttl;
    flag.or_else(|| check.problems.take("ttl", values::parse_ttl(check.input.cluster.ttl.as_ref()?)))
}

/// The path of an entry of a map; keys with unusual characters stand in quotes.
fn entry(map: &str, key: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !key.is_empty() && key.chars().all(usual) { format!("{map}.{key}") } else { format!("{map}[{key:?}]") }
}
