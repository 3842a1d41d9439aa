//! What shall be applied to the new cluster: the file's manifests, then those of the flags.

use std::path::PathBuf;

use super::Check;
use crate::spec::Manifest;

/// The manifests, in their order. What is in them is read later.
pub(super) fn manifests(check: &mut Check<'_>) -> Vec<Manifest> {
    let mut out = Vec::new();
    for (i, text) in check.input.cluster.manifests.iter().enumerate() {
        let path = format!("manifests[{i}]");
        if matches!(text.as_str(), "" | "-") {
            check.problem(path, "name a file or a folder; standard input is for the flag `--manifest -`");
        } else {
            out.extend(existing(check, &path, check.input.base.join(text)));
        }
    }
    for text in &check.input.overrides.manifests {
        if text != "-" {
            out.extend(existing(check, "--manifest", check.input.around.current_dir.join(text)));
        } else if out.contains(&Manifest::Stdin) {
            check.problem("--manifest", "standard input can be read only once");
        } else {
            out.push(Manifest::Stdin);
        }
    }
    out
}

fn existing(check: &mut Check<'_>, path: &str, full: PathBuf) -> Option<Manifest> {
    if (check.input.around.exists)(&full) {
        return Some(Manifest::Path(full));
    }
    check.problem(path, format!("`{}` does not exist", full.display()));
    None
}
