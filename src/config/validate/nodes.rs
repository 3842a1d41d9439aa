//! Nodes: roles, counts, names and what each of them wears.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, labels, limits, mounts, ports};
use crate::config::suggest::unknown;
use crate::config::{Overrides, defaults, v1alpha1};
use crate::spec::values::{ClusterName, ImageRef, NodeName, PortMapping, Taint};
use crate::spec::{Limits, Mount, NodeSpec, Role};

/// The most control planes of a cluster: every one more makes each write slower.
pub const MAX_CONTROL_PLANES: usize = 9;
/// The most workers of a cluster.
const MAX_WORKERS: usize = 50;

/// A node without its name yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    /// Where it stands in the file.
    pub path: String,
    pub role: Role,
    image: Option<ImageRef>,
    labels: BTreeMap<String, String>,
    taints: Option<Vec<Taint>>,
    pub limits: Limits,
    mounts: Vec<Mount>,
    /// Its ports; `None` where one was refused, so that the numbers of the others stay right.
    pub ports: Vec<Option<PortMapping>>,
}

impl Draft {
    fn plain(path: &str, role: Role) -> Self {
        let (labels, limits, mounts, ports) = (BTreeMap::new(), Limits::default(), Vec::new(), Vec::new());
        Self { path: path.into(), role, image: None, labels, taints: None, limits, mounts, ports }
    }

    pub fn named(self, name: NodeName) -> NodeSpec {
        let Self { role, image, labels, taints, limits, mounts, ports, .. } = self;
        NodeSpec { name, role, image, labels, taints, limits, mounts, ports: ports.into_iter().flatten().collect() }
    }
}

/// All nodes, control planes first.
pub(super) fn drafts(check: &mut Check<'_>) -> Vec<Draft> {
    let listed = &check.input.cluster.nodes;
    let mut drafts = if listed.is_empty() {
        from_counts(check)
    } else {
        listed.iter().enumerate().flat_map(|(i, node)| from_node(check, i, node)).collect()
    };
    counts(check, &drafts);
    limits::from_flags(check, &mut drafts);
    drafts.sort_by_key(|draft| draft.role);
    drafts
}

/// The names of nodes with these roles: `dev-control-plane`, `dev-worker`, `dev-worker2`, …
pub(super) fn names(cluster: &ClusterName, roles: impl Iterator<Item = Role>) -> Vec<String> {
    let mut seen: BTreeMap<Role, u32> = BTreeMap::new();
    roles
        .map(|role| {
            let number = seen.entry(role).and_modify(|n| *n += 1).or_insert(1);
            if *number == 1 { format!("{cluster}-{role}") } else { format!("{cluster}-{role}{number}") }
        })
        .collect()
}

/// How many control planes and workers flags and defaults ask for.
fn wanted(overrides: &Overrides) -> (u32, u32) {
    let control_planes = overrides.control_planes.unwrap_or(defaults::CONTROL_PLANES);
    let of_all = overrides.nodes.map(|all| all.saturating_sub(control_planes));
    (control_planes, overrides.workers.or(of_all).unwrap_or(defaults::WORKERS))
}

/// The flag that the number of workers came from.
fn workers_flag(overrides: &Overrides) -> &'static str {
    if overrides.nodes.is_some() { "--nodes" } else { "--workers" }
}

fn from_counts(check: &Check<'_>) -> Vec<Draft> {
    let overrides = check.input.overrides;
    let (control_planes, workers) = wanted(overrides);
    // One more than allowed is enough to be refused.
    let many = |role, flag, count: u32| vec![Draft::plain(flag, role); (count as usize).min(MAX_WORKERS + 1)];
    let mut drafts = many(Role::ControlPlane, "--control-planes", control_planes);
    drafts.extend(many(Role::Worker, workers_flag(overrides), workers));
    drafts
}

fn from_node(check: &mut Check<'_>, index: usize, node: &v1alpha1::Node) -> Vec<Draft> {
    let path = format!("nodes[{index}]");
    let role = role(check, &path, node.role.as_deref());
    let image = image(check, &path, node.image.as_deref());
    let labels = labels::labels(check, &path, &node.labels);
    let taints = node.taints.as_ref().map(|taints| labels::taints(check, &path, taints));
    let limits = limits::of_node(check, &path, role, node);
    let mounts = mounts::mounts(check, &path, &node.extra_mounts);
    let ports = ports::ports(check, &path, &node.ports);
    let count = match node.count.map(|count| (count, usize::try_from(count))) {
        None => 1,
        Some((_, Ok(count @ 1..=MAX_WORKERS))) => count,
        Some((count, _)) => {
            let message = format!("{count} is not a number of nodes; use 1 to {MAX_WORKERS}");
            check.problem(format!("{path}.count"), message);
            1
        }
    };
    role.map_or_else(Vec::new, |role| vec![Draft { path, role, image, labels, taints, limits, mounts, ports }; count])
}

fn role(check: &mut Check<'_>, node: &str, text: Option<&str>) -> Option<Role> {
    let roles = [Role::ControlPlane, Role::Worker];
    let path = format!("{node}.role");
    let Some(text) = text.or(check.input.dialect.role) else {
        check.problem(path, "missing; use `control-plane` or `worker`");
        return None;
    };
    let found = roles.into_iter().find(|role| role.as_str() == text);
    if found.is_none() {
        check.problem(path, unknown(text, "a role", &roles.map(Role::as_str)));
    }
    found
}

/// The node's own image; the flag `--image` wins over it.
fn image(check: &mut Check<'_>, node: &str, text: Option<&str>) -> Option<ImageRef> {
    let path = format!("{node}.image");
    let text = text?;
    if let Some(flag) = &check.input.overrides.image {
        if flag != text {
            check.warn(path, format!("`--image {flag}` is used instead of `{text}`"));
        }
        return None;
    }
    check.problems.take(&path, ImageRef::parse(text))
}

/// How many nodes of each role there may be, and whether flags and file agree about it.
fn counts(check: &mut Check<'_>, drafts: &[Draft]) {
    let of = |role| drafts.iter().filter(|draft| draft.role == role).count();
    let (control_planes, workers) = (of(Role::ControlPlane), of(Role::Worker));
    let flags = check.input.overrides;
    let file = check.input.cluster.nodes.len();
    if let (Some(nodes), Some(workers)) = (flags.nodes, flags.workers) {
        check.problem(
            "--nodes",
            format!("{nodes} nodes and `--workers {workers}` cannot both be asked for; use one of them"),
        );
    }
    if file > 0 {
        // A node whose role was refused made no draft and could be anything.
        let places: BTreeSet<&str> = drafts.iter().map(|draft| draft.path.as_str()).collect();
        if places.len() == file {
            agree(check, control_planes, workers);
            numbers(check, ("nodes", control_planes), ("nodes", workers));
        }
    } else {
        let (asked, workers) = wanted(flags);
        if let Some(nodes) = flags.nodes.filter(|nodes| *nodes < asked) {
            check
                .problem("--nodes", format!("{nodes} is too few; control planes are nodes too, and there are {asked}"));
        }
        numbers(check, ("--control-planes", asked as usize), (workers_flag(flags), workers as usize));
    }
}

/// Flags that repeat what the file says are fine, others are not.
fn agree(check: &mut Check<'_>, control_planes: usize, workers: usize) {
    let flags = check.input.overrides;
    let pairs = [
        ("--control-planes", flags.control_planes, control_planes),
        ("--workers", flags.workers, workers),
        ("--nodes", flags.nodes, control_planes + workers),
    ];
    for (flag, asked, is) in pairs {
        if let Some(asked) = asked.filter(|asked| *asked as usize != is) {
            check.problem(flag, format!("{asked} contradicts the file, whose `nodes` has {is}; change one of them"));
        }
    }
}

fn numbers(check: &mut Check<'_>, control_planes: (&str, usize), workers: (&str, usize)) {
    match control_planes {
        (path, 0) => check.problem(path, "there must be at least 1 node with the role `control-plane`"),
        (path, n) if n > MAX_CONTROL_PLANES => check.problem(
            path,
            format!("{n} control planes are asked for; at most {MAX_CONTROL_PLANES} are possible, 3 or 5 are usual"),
        ),
        (path, n) if n % 2 == 0 => {
            check.warn(path, format!("{n} control planes survive the loss of no more of them than {} do", n - 1));
        }
        _ => {}
    }
    if workers.1 > MAX_WORKERS {
        check.problem(workers.0, format!("{} workers are asked for; at most {MAX_WORKERS} are possible", workers.1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_count_per_role() {
        let cluster = ClusterName::parse("dev").expect("fine");
        let roles = [Role::ControlPlane, Role::Worker, Role::Worker];
        assert_eq!(names(&cluster, roles.into_iter()), ["dev-control-plane", "dev-worker", "dev-worker2"]);
    }
}
