//! The sources of the node image, carried inside `knarr`: an image can be built where only Docker is.

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use super::versions;
use crate::engine::archive::Tree;
use crate::error::Result;

/// Go's list of modules.
pub const GO_MOD: &str = include_str!("../../images/node/go/go.mod");
const GO_SUM: &str = include_str!("../../images/node/go/go.sum");
static GO_COMMANDS: Dir = include_dir!("$CARGO_MANIFEST_DIR/images/node/go/cmd");
static PAUSE: Dir = include_dir!("$CARGO_MANIFEST_DIR/images/node/pause");
static AGENT: Dir = include_dir!("$CARGO_MANIFEST_DIR/images/node/agent/src");
static CONTROLLERS: Dir = include_dir!("$CARGO_MANIFEST_DIR/images/node/controllers/src");
static CONTRACT: Dir = include_dir!("$CARGO_MANIFEST_DIR/images/node/contract/src");
const AGENT_MANIFEST: &str = include_str!("../../images/node/agent/Cargo.toml");
const CONTRACT_MANIFEST: &str = include_str!("../../images/node/contract/Cargo.toml");
const CONTROLLERS_MANIFEST: &str = include_str!("../../images/node/controllers/Cargo.toml");
const WORKSPACE: &str = include_str!("../../Cargo.toml");
const CARGO_LOCK: &str = include_str!("../../Cargo.lock");

/// The endings of source files, and of what programs carry inside.
const SOURCES: [&str; 8] = ["go", "rs", "c", "h", "lua", "conf", "html", "css"];

/// Where the sources lie in the builder.
pub const FOLDER: &str = "/knarr/src";

/// A file of the sources: its path below [`FOLDER`] and its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// `go/cmd/kube/main.go`
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// The sources for one version of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    files: Vec<File>,
}

impl Sources {
    /// All sources; with another Kubernetes version than the pinned one, `go.mod` is bent to it and `go.sum` lacks it.
    pub fn new(kubernetes: &str) -> Self {
        let mut files = vec![text("go/go.mod", go_mod(kubernetes)), text("go/go.sum", GO_SUM.to_owned())];
        collect(&GO_COMMANDS, "go/cmd", &mut files);
        collect(&PAUSE, "pause", &mut files);
        for workspace in WORKSPACES {
            workspace.add_to(&mut files);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// A hash of every file whose path begins with one of `paths`.
    pub fn hash(&self, paths: &[String]) -> String {
        let mut hash = Sha256::new();
        for file in self.files.iter().filter(|f| paths.iter().any(|p| f.path.starts_with(p.as_str()))) {
            for part in [file.path.as_bytes(), &file.content] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part);
            }
        }
        hex(&hash.finalize())
    }

    /// No sources at all.
    #[cfg(test)]
    pub fn none() -> Self {
        Self { files: Vec::new() }
    }

    /// The sources with one file changed.
    #[cfg(test)]
    pub fn with_changed(mut self, path: &str) -> Self {
        let file = self.files.iter_mut().find(|f| f.path == path).expect("a source of that path");
        file.content.push(b'\n');
        self
    }

    /// The files for the builder. `mtime` must be now: cargo takes older sources for built ones.
    pub fn add_to(&self, tree: &mut Tree) -> Result<()> {
        for file in &self.files {
            tree.file(&format!("{}/{}", FOLDER.trim_start_matches('/'), file.path), 0o644, file.content.clone())?;
        }
        Ok(())
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(path: &str, content: String) -> File {
    File { path: path.to_owned(), content: content.into_bytes() }
}

fn collect(dir: &Dir, at: &str, files: &mut Vec<File>) {
    for file in dir.files() {
        let name = file.path().display();
        // What builds or editors left lying about is no source.
        let known = file.path().extension().is_some_and(|e| SOURCES.iter().any(|known| e == *known));
        if known && !file.path().to_string_lossy().ends_with("_test.go") {
            files.push(File { path: format!("{at}/{name}"), content: file.contents().to_vec() });
        }
    }
    for below in dir.dirs() {
        collect(below, at, files);
    }
}

/// `go.mod` with every module of Kubernetes at `kubernetes`' patch.
fn go_mod(kubernetes: &str) -> String {
    let versions = |v: &str| (format!(" v{v}"), format!(" v0{}", v.trim_start_matches('1')));
    let (ours, ours_staging) = versions(versions::kubernetes());
    let (theirs, theirs_staging) = versions(kubernetes);
    let bend = |line: &str| {
        let bent = if line.contains("k8s.io/kubernetes ") {
            line.replace(&ours, &theirs)
        } else if line.contains("k8s.io/") {
            line.replace(&ours_staging, &theirs_staging)
        } else {
            line.to_owned()
        };
        bent + "\n"
    };
    GO_MOD.lines().map(bend).collect()
}

/// Packages that are built together, apart from `knarr`, with the versions that `knarr`'s own lock names.
struct Workspace {
    /// The package with the programs, which names its folder.
    package: &'static str,
    /// Folder below `images/node`, manifest and sources of each.
    members: &'static [(&'static str, &'static str, &'static Dir<'static>)],
    /// How it is optimised.
    release: &'static str,
}

const WORKSPACES: [Workspace; 2] = [
    Workspace {
        package: "knarr-node",
        members: &[("agent", AGENT_MANIFEST, &AGENT), ("contract", CONTRACT_MANIFEST, &CONTRACT)],
        release: "strip = true\nlto = \"thin\"\n",
    },
    Workspace {
        package: "knarr-controllers",
        members: &[("controllers", CONTROLLERS_MANIFEST, &CONTROLLERS)],
        // A panic ends the whole program: half a controller is worse than one that starts again. Optimising across
        // crates would save 5 % of the size, and cost minutes instead of seconds whenever one controller changes.
        release: "strip = true\nlto = \"off\"\nopt-level = \"s\"\npanic = \"abort\"\n",
    },
];

impl Workspace {
    /// Its manifest: the members are its own, the rest is what `knarr`'s workspace shares.
    fn manifest(&self) -> String {
        let (_, shared) = WORKSPACE.split_once("members = [").unwrap_or_default();
        let shared = shared.split_once("]\n").unwrap_or_default().1;
        let shared = shared.split("[package]").next().unwrap_or_default();
        let members: Vec<String> =
            self.members.iter().map(|(folder, ..)| format!("\"images/node/{folder}\"")).collect();
        format!("[workspace]\nmembers = [{}]\n{shared}[profile.release]\n{}", members.join(", "), self.release)
    }

    fn add_to(&self, files: &mut Vec<File>) {
        let at = format!("rust/{}", self.package);
        files.push(text(&format!("{at}/Cargo.toml"), self.manifest()));
        files.push(text(&format!("{at}/Cargo.lock"), CARGO_LOCK.to_owned()));
        for (folder, manifest, sources) in self.members {
            let at = format!("{at}/images/node/{folder}");
            files.push(text(&format!("{at}/Cargo.toml"), (*manifest).to_owned()));
            collect(sources, &format!("{at}/src"), files);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sources_are_whole_and_nothing_else() {
        let sources = Sources::new(versions::kubernetes());
        let has = |path: &str| sources.files.iter().any(|f| f.path == path);
        for path in ["go/cmd/kube/main.go", "pause/pause.c", "rust/knarr-node/images/node/agent/src/main.rs"] {
            assert!(has(path), "{path}");
        }
        assert!(has("rust/knarr-node/images/node/contract/src/lib.rs") && !has("go/cmd/seed/main_test.go"));
        assert!(has("rust/knarr-controllers/images/node/controllers/src/bin/knarr-policy.rs"));
        let total: usize = sources.files.iter().map(|f| f.content.len()).sum();
        assert!(total < 2_000_000, "{total} bytes: something lies about in images/node");
    }

    #[test]
    fn the_pinned_version_leaves_go_mod_alone() {
        assert_eq!(go_mod(versions::kubernetes()), GO_MOD);
    }

    #[test]
    fn another_patch_bends_every_module_of_kubernetes() {
        let bent = go_mod("1.36.1");
        assert!(bent.contains("\tk8s.io/kubernetes v1.36.1\n") && bent.contains("=> k8s.io/api v0.36.1\n"));
        let patch = versions::kubernetes().trim_start_matches('1');
        assert!(!bent.lines().any(|l| l.contains("k8s.io/") && l.ends_with(&format!("v0{patch}"))));
        assert_eq!(bent.lines().count(), GO_MOD.lines().count());
    }

    #[test]
    fn workspaces_are_without_knarr_and_share_its_lints() {
        let [agent, controllers] = WORKSPACES.map(|workspace| workspace.manifest());
        assert!(agent.contains(r#"members = ["images/node/agent", "images/node/contract"]"#), "{agent}");
        assert!(controllers.contains(r#"members = ["images/node/controllers"]"#), "{controllers}");
        for text in [agent, controllers] {
            assert!(text.contains("resolver = ") && text.contains("[workspace.lints.clippy]"), "{text}");
            assert!(text.contains("[profile.release]\nstrip") && !text.contains("bollard"), "{text}");
        }
    }

    #[test]
    fn hashes_see_what_they_are_told_to_see() {
        let (ours, other) = (Sources::new(versions::kubernetes()), Sources::new("1.36.1"));
        assert_eq!(ours.hash(&["go/cmd".into()]), other.hash(&["go/cmd".into()]));
        assert_ne!(ours.hash(&["go/go.mod".into()]), other.hash(&["go/go.mod".into()]));
        assert_ne!(ours.hash(&["pause/".into()]), ours.hash(&["rust/".into()]));
    }
}
