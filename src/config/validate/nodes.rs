//! Nodes: roles, counts, names and what each of them wears.

use std::collections::BTreeMap;

use super::{Check, labels, mounts, ports};
use crate::config::suggest::unknown;
use crate::config::{defaults, v1alpha1};
use crate::spec::values::{ClusterName, ImageRef, NodeName, PortMapping, Taint};
use crate::spec::{Mount, NodeSpec, Role};

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
    mounts: Vec<Mount>,
    /// Its ports; `None` where one was refused, so that the numbers of the others stay right.
    pub ports: Vec<Option<PortMapping>>,
}

impl Draft {
    fn plain(path: &str, role: Role) -> Self {
        let (labels, mounts, ports) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { path: path.into(), role, image: None, labels, taints: None, mounts, ports }
    }

    pub fn named(self, name: NodeName) -> NodeSpec {
        let Self { role, image, labels, taints, mounts, ports, .. } = self;
        NodeSpec { name, role, image, labels, taints, mounts, ports: ports.into_iter().flatten().collect() }
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

fn from_counts(check: &Check<'_>) -> Vec<Draft> {
    let overrides = check.input.overrides;
    let many = |role, flag: Option<u32>, path, default| {
        let count = flag.unwrap_or(default) as usize;
        // One more than allowed is enough to be refused.
        vec![Draft::plain(path, role); count.min(MAX_WORKERS + 1)]
    };
    let mut drafts = many(Role::ControlPlane, overrides.control_planes, "--control-planes", defaults::CONTROL_PLANES);
    drafts.extend(many(Role::Worker, overrides.workers, "--workers", defaults::WORKERS));
    drafts
}

fn from_node(check: &mut Check<'_>, index: usize, node: &v1alpha1::Node) -> Vec<Draft> {
    let path = format!("nodes[{index}]");
    let role = role(check, &path, node.role.as_deref());
    let image = image(check, &path, node.image.as_deref());
    let labels = labels::labels(check, &path, &node.labels);
    let taints = node.taints.as_ref().map(|taints| labels::taints(check, &path, taints));
    let mounts = mounts::mounts(check, &path, &node.extra_mounts);
    let ports = ports::ports(check, &path, &node.ports);
    let most = MAX_WORKERS as i64;
    let count = match node.count {
        None => 1,
        Some(count @ 1..) if count <= most => usize::try_from(count).unwrap_or(1),
        Some(count) => {
            check.problem(format!("{path}.count"), format!("{count} is not a number of nodes; use 1 to {most}"));
            1
        }
    };
    role.map_or_else(Vec::new, |role| vec![Draft { path, role, image, labels, taints, mounts, ports }; count])
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
    let listed = !check.input.cluster.nodes.is_empty();
    // A node whose role was refused could be anything.
    let sure = drafts.iter().map(|draft| &draft.path).collect::<std::collections::BTreeSet<_>>().len()
        == check.input.cluster.nodes.len();
    let of = |role| drafts.iter().filter(|draft| draft.role == role).count();
    let (control_planes, workers) = (of(Role::ControlPlane), of(Role::Worker));
    let flags = check.input.overrides;
    if listed && sure {
        for (flag, asked, is) in
            [("--control-planes", flags.control_planes, control_planes), ("--workers", flags.workers, workers)]
        {
            if let Some(asked) = asked.filter(|asked| *asked as usize != is) {
                check
                    .problem(flag, format!("{asked} contradicts the file, whose `nodes` has {is}; change one of them"));
            }
        }
    }
    let path = |flag: &'static str| if listed { "nodes" } else { flag };
    if control_planes == 0 && (!listed || sure) {
        check.problem(path("--control-planes"), "there must be exactly 1 node with the role `control-plane`");
    }
    if control_planes > 1 {
        let asked = if listed { control_planes } else { flags.control_planes.map_or(0, |n| n as usize) };
        check.problem(
            path("--control-planes"),
            format!(
                "{asked} control planes are asked for; several control planes come with a later version, use exactly 1"
            ),
        );
    }
    if workers > MAX_WORKERS {
        let asked = if listed { workers } else { flags.workers.map_or(0, |n| n as usize) };
        check.problem(path("--workers"), format!("{asked} workers are asked for; at most {MAX_WORKERS} are possible"));
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
