//! How much of the machine nodes may use, and how little is too little for what they run.

use std::collections::BTreeSet;

use super::Check;
use super::nodes::Draft;
use crate::config::v1alpha1;
use crate::spec::limits::{kept_memory, parse_cpus, parse_memory, show_cpus, show_memory};
use crate::spec::{Limits, Role};

/// The least that a node of this role boots and lives with: thousandths of a CPU, bytes of memory.
const fn least(role: Role) -> (u32, u64) {
    match role {
        Role::ControlPlane => (500, 1 << 30),
        Role::Worker => (100, 512 << 20),
    }
}

/// What the file says of one node, whose role may have been refused.
pub(super) fn of_node(check: &mut Check<'_>, path: &str, role: Option<Role>, node: &v1alpha1::Node) -> Limits {
    let (cpus, memory) = (format!("{path}.cpus"), format!("{path}.memory"));
    let limits = Limits {
        milli_cpus: node.cpus.as_ref().and_then(|text| check.problems.take(&cpus, parse_cpus(&text.0))),
        memory_bytes: node.memory.as_ref().and_then(|text| check.problems.take(&memory, parse_memory(&text.0))),
    };
    if let Some(role) = role {
        enough(check, role, limits, &cpus, &memory);
    }
    limits
}

/// The flags are for all nodes and win over the file.
pub(super) fn from_flags(check: &mut Check<'_>, drafts: &mut [Draft]) {
    let flags = check.input.overrides;
    let limits = Limits {
        milli_cpus: flags.cpus.as_deref().and_then(|text| check.problems.take("--cpus", parse_cpus(text))),
        memory_bytes: flags.memory.as_deref().and_then(|text| check.problems.take("--memory", parse_memory(text))),
    };
    for role in drafts.iter().map(|draft| draft.role).collect::<BTreeSet<_>>() {
        enough(check, role, limits, "--cpus", "--memory");
    }
    let mut warned = BTreeSet::new();
    for draft in drafts {
        // Nodes of one entry of the file are alike.
        let first = warned.insert(draft.path.clone());
        if let Some(flag) = limits.milli_cpus {
            if let Some(own) = draft.limits.milli_cpus.filter(|own| first && *own != flag) {
                let message = format!("`--cpus {}` is used instead of {}", show_cpus(flag), show_cpus(own));
                check.warn(format!("{}.cpus", draft.path), message);
            }
            draft.limits.milli_cpus = Some(flag);
        }
        if let Some(flag) = limits.memory_bytes {
            if let Some(own) = draft.limits.memory_bytes.filter(|own| first && *own != flag) {
                let message = format!("`--memory {}` is used instead of {}", show_memory(flag), show_memory(own));
                check.warn(format!("{}.memory", draft.path), message);
            }
            draft.limits.memory_bytes = Some(flag);
        }
    }
}

fn enough(check: &mut Check<'_>, role: Role, limits: Limits, cpus: &str, memory: &str) {
    let (milli_cpus, memory_bytes) = least(role);
    let kept = show_memory(kept_memory(role));
    let role = role.as_str().replace('-', " ");
    if let Some(asked) = limits.milli_cpus.filter(|asked| *asked < milli_cpus) {
        let (asked, least) = (show_cpus(asked), show_cpus(milli_cpus));
        check.problem(cpus, format!("{asked} is too little for a {role} to get ready in time; use at least {least}"));
    }
    if let Some(asked) = limits.memory_bytes.filter(|asked| *asked < memory_bytes) {
        let (asked, least) = (show_memory(asked), show_memory(memory_bytes));
        let message =
            format!("{asked} is too little for a {role}, which keeps {kept} for its components; use at least {least}");
        check.problem(memory, message);
    }
}
