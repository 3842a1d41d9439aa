//! A build of the node image as data: everything that would be run, decided before any call to Docker but the first.

use std::fmt;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::platform::Arch;
use super::script;
use super::sources::{self, Sources};
use super::versions::{Component, How, KUBERNETES, PodImage, Versions};
use super::{CONTRACT_LABEL, INPUTS_LABEL, KUBERNETES_LABEL, VERSIONS_LABEL};
use crate::engine::Labels;
use crate::error::{Error, ErrorKind, Result};

/// How much of a hash names an image or a folder.
const SHORT: usize = 12;

/// What to build.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The new image's name.
    pub reference: String,
    /// The Kubernetes version.
    pub kubernetes: String,
    /// The processor of the image.
    pub arch: Arch,
    /// Whether the builder's processor is another one.
    pub foreign: bool,
    /// The sources.
    pub sources: Sources,
    /// Debian's release.
    pub suite: String,
    /// The environment of everything that is run in the builder.
    pub env: Vec<(String, String)>,
    /// A node's Debian packages.
    pub node_packages: Layer,
    /// The builder's Debian packages.
    pub builder_packages: Layer,
    /// The components but the agent, and last what preloads images.
    pub jobs: Vec<Job>,
    /// The image with all of them.
    pub components: Layer,
    /// The agent, which changes most often and is a layer of its own.
    pub agent: Job,
    /// The labels of the image.
    pub labels: Labels,
}

/// An image on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name: what it was made from, hashed.
    pub tag: String,
    /// What is run in it.
    pub script: String,
}

/// Something to be built in the builder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The component.
    pub name: String,
    /// Its version; empty for what is no component.
    pub version: String,
    /// The folder of its results: its name and everything that went into it, hashed.
    pub folder: String,
    /// What is run.
    pub script: String,
}

impl Recipe {
    /// The recipe for an image of `kubernetes` (the pinned version unless told) for `arch`, built on `builder`.
    ///
    /// # Errors
    /// When that version cannot be built.
    pub fn new(table: &Versions, kubernetes: Option<&str>, arch: Arch, builder: Arch) -> Result<Self> {
        let pinned = &find(table, KUBERNETES)?.version;
        let kubernetes = check_version(kubernetes.unwrap_or(pinned), pinned)?;
        let pinned = kubernetes == *pinned;
        let mut table = table.clone();
        for component in table.components.iter_mut().filter(|c| c.name == KUBERNETES) {
            component.version.clone_from(&kubernetes);
        }
        let sources = Sources::new(&kubernetes);
        Self::of(&table, &kubernetes, pinned, sources, (arch, builder))
    }

    fn of(
        table: &Versions,
        kubernetes: &str,
        pinned: bool,
        sources: Sources,
        (arch, builder): (Arch, Arch),
    ) -> Result<Self> {
        let foreign = arch != builder;
        let suite = table.debian.suite.clone();
        let node_packages = layer("packages", script::node_packages(table), &[&suite, arch.name()]);
        let builder_script = script::builder_packages(table, foreign.then_some(arch));
        let builder_packages = layer("builder", builder_script, &[&suite, builder.name()]);
        let env = environment(table, foreign.then_some(arch), pinned);
        let basis = format!("{env:?} {}", builder_packages.tag);

        let (agents, others): (Vec<&Component>, Vec<&Component>) = table.components.iter().partition(|c| c.is_agent());
        let job = |c: &&Component| Job::new(c, script::build(c, table, arch, foreign), &sources, &basis);
        let mut jobs: Vec<Job> = others.iter().map(job).collect();
        jobs.push(preload(table, &jobs, arch, &sources, &basis));
        let [agent] = agents
            .iter()
            .map(job)
            .collect::<Vec<_>>()
            .try_into()
            .map_err(|_| Error::new(ErrorKind::Bug, "the table of versions must have one agent"))?;
        let folders: Vec<&str> = jobs.iter().map(|j| j.folder.as_str()).collect();
        let components = layer("components", String::new(), &[&node_packages.tag, &folders.join(" ")]);

        let suffix = if foreign { format!("-{}", arch.name()) } else { String::new() };
        let reference = format!("{}:v{kubernetes}{suffix}", table.image);
        let mut labels = labels(table, kubernetes);
        let inputs = digest(&[&format!("{labels:?}"), &reference, &components.tag, &agent.folder]);
        labels.insert(INPUTS_LABEL.to_owned(), inputs);
        Ok(Self {
            reference,
            kubernetes: kubernetes.to_owned(),
            arch,
            foreign,
            sources,
            suite,
            env,
            node_packages,
            builder_packages,
            jobs,
            components,
            agent,
            labels,
        })
    }

    /// The components in the order of the table, without what only preloads.
    pub fn built(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().chain([&self.agent]).filter(|job| !job.version.is_empty())
    }

    /// Everything that goes into the image, as one hash.
    pub fn inputs(&self) -> &str {
        self.labels.get(INPUTS_LABEL).map_or("", String::as_str)
    }
}

impl Job {
    fn new(component: &Component, script: String, sources: &Sources, basis: &str) -> Self {
        let sources = sources.hash(&needed(component));
        let hash = digest(&[&script, &sources, basis]);
        Self {
            folder: format!("{}-{hash}", component.name),
            name: component.name.clone(),
            version: component.version.clone(),
            script,
        }
    }
}

/// The sources that a component is built from.
fn needed(component: &Component) -> Vec<String> {
    match &component.how {
        How::Go(go) => {
            let own = go.binaries.iter().filter_map(|b| b.package.strip_prefix("./"));
            let own = own.map(|package| format!("go/{package}/"));
            ["go/go.mod", "go/go.sum"].map(String::from).into_iter().chain(own).collect()
        }
        How::C(c) => vec![format!("pause/{}", c.source)],
        How::Busybox(_) | How::Debian(_) => Vec::new(),
        How::Cargo(cargo) => vec![format!("rust/{}/", cargo.package)],
    }
}

fn preload(table: &Versions, jobs: &[Job], arch: Arch, sources: &Sources, basis: &str) -> Job {
    let described = |c: &Component, image: &PodImage| {
        let mut object = json!(image);
        object["reference"] = script::fill(&image.reference, &c.version).into();
        object["layer"] = image.layer.as_deref().unwrap_or(&c.name).into();
        object
    };
    let images: Vec<_> = table.components.iter().flat_map(|c| c.pod_images.iter().map(|i| described(c, i))).collect();
    let script = format!("{}{:#}\nX\n", script::preload(arch), json!(images));
    let folders: Vec<&str> = jobs.iter().map(|j| j.folder.as_str()).collect();
    let paths = ["go/go.mod", "go/go.sum", "go/cmd/seed/"].map(String::from);
    let hash = digest(&[&script, &sources.hash(&paths), &folders.join(" "), basis]);
    Job { name: "preloaded images".to_owned(), version: String::new(), folder: format!("preload-{hash}"), script }
}

/// The builder's environment. `GOARCH` is only set where it differs, so that plain builds share their cache.
fn environment(table: &Versions, foreign: Option<Arch>, pinned: bool) -> Vec<(String, String)> {
    // Sums of a version that is not pinned are looked up and written down during the build.
    let go_flags = if pinned { "-buildvcs=false" } else { "-buildvcs=false -mod=mod" };
    let mut env = vec![
        ("GOMODCACHE", "/go/pkg/mod".to_owned()),
        ("GOTOOLCHAIN", table.go.toolchain.clone()),
        ("CGO_ENABLED", "0".to_owned()),
        ("GOFLAGS", go_flags.to_owned()),
        ("CARGO_TARGET_DIR", "/target".to_owned()),
    ];
    let linker = foreign.map(|arch| format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_LINKER", arch.machine().to_uppercase()));
    if let (Some(arch), Some(linker)) = (foreign, &linker) {
        env.push(("GOARCH", arch.name().to_owned()));
        env.push((linker, format!("{}-linux-gnu-gcc", arch.machine())));
    }
    env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn labels(table: &Versions, kubernetes: &str) -> Labels {
    let versions: serde_json::Map<_, _> =
        table.components.iter().map(|c| (c.name.clone(), c.version.clone().into())).collect();
    Labels::from([
        (CONTRACT_LABEL.to_owned(), table.contract.to_string()),
        (KUBERNETES_LABEL.to_owned(), kubernetes.to_owned()),
        (VERSIONS_LABEL.to_owned(), serde_json::Value::Object(versions).to_string()),
    ])
}

fn find<'a>(table: &'a Versions, name: &str) -> Result<&'a Component> {
    let found = table.components.iter().find(|c| c.name == name);
    found.ok_or_else(|| Error::new(ErrorKind::Bug, format!("the table of versions has no `{name}`")))
}

/// Accepts other patches of the pinned minor version only: the sources are written against its interfaces.
fn check_version(wanted: &str, pinned: &str) -> Result<String> {
    let version = wanted.strip_prefix('v').unwrap_or(wanted);
    let (line, _) = pinned.rsplit_once('.').unwrap_or((pinned, ""));
    let patch = version.strip_prefix(line).and_then(|rest| rest.strip_prefix('.'));
    let is_number = |p: &str| !p.is_empty() && p.len() < 4 && p.bytes().all(|b| b.is_ascii_digit());
    if patch.is_some_and(|p| is_number(p) && (p == "0" || !p.starts_with('0'))) {
        return Ok(version.to_owned());
    }
    Err(Error::new(ErrorKind::Usage, format!("cannot build Kubernetes `{wanted}`"))
        .cause(format!("this knarr builds {line}.x, such as {pinned}"))
        .state("nothing was built")
        .hint(format!("build the pinned version with `knarr image build`, or name a patch: `--kubernetes {pinned}`")))
}

fn layer(kind: &str, script: String, inputs: &[&str]) -> Layer {
    let hash = digest(&[&script, &inputs.join(" ")]);
    Layer { tag: format!("knarr.dev/node-{kind}:{hash}"), script }
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    sources::hex(&hash.finalize())[..SHORT].to_owned()
}

impl fmt::Display for Recipe {
    /// What would be run; names without their hashes, so that it only changes when the build does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env: Vec<String> = self.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
        writeln!(f, "{} for {}\n{}", self.reference, self.arch.platform(), env.join("\n"))?;
        for (what, layer) in [("node packages", &self.node_packages), ("builder packages", &self.builder_packages)] {
            writeln!(f, "\n# {what}\n{}", layer.script.trim_end())?;
        }
        for job in self.jobs.iter().chain([&self.agent]) {
            writeln!(f, "\n# {} {}\n{}", job.name, job.version, job.script.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::versions::pinned;

    fn recipe(kubernetes: Option<&str>, arch: Arch) -> Recipe {
        Recipe::new(pinned(), kubernetes, arch, Arch::Amd64).unwrap()
    }

    #[test]
    fn what_would_be_run() {
        insta::assert_snapshot!(recipe(None, Arch::Amd64));
    }

    #[test]
    fn what_would_be_run_for_another_processor() {
        insta::assert_snapshot!(recipe(None, Arch::Arm64));
    }

    #[test]
    fn the_same_inputs_give_the_same_names() {
        let (one, two) = (recipe(None, Arch::Amd64), recipe(None, Arch::Amd64));
        assert_eq!((one.inputs(), &one.jobs, &one.agent), (two.inputs(), &two.jobs, &two.agent));
        let folders: std::collections::BTreeSet<&str> = one.jobs.iter().map(|j| j.folder.as_str()).collect();
        assert_eq!(folders.len(), one.jobs.len());
        assert!(folders.iter().all(|f| f.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')), "{folders:?}");
    }

    #[test]
    fn only_what_a_change_touches_gets_a_new_name() {
        let pinned_version = crate::image::versions::kubernetes();
        let changed = |path: &str| {
            let sources = Sources::new(pinned_version).with_changed(path);
            Recipe::of(pinned(), pinned_version, true, sources, (Arch::Amd64, Arch::Amd64)).unwrap()
        };
        let before = recipe(None, Arch::Amd64);
        let after = changed("rust/knarr-node/images/node/agent/src/main.rs");
        assert_eq!((&before.jobs, &before.components), (&after.jobs, &after.components));
        assert!(before.agent != after.agent && before.inputs() != after.inputs());

        for (path, touched) in [
            ("go/cmd/hello/main.go", "hello"),
            ("rust/knarr-controllers/images/node/controllers/src/lib.rs", "controllers"),
        ] {
            let after = changed(path);
            let differ = before.jobs.iter().zip(&after.jobs).filter(|(a, b)| a != b).map(|(a, _)| a.name.as_str());
            assert_eq!(differ.collect::<Vec<_>>(), [touched, "preloaded images"]);
            assert_eq!(before.agent, after.agent);
        }

        let after = changed("go/go.sum");
        let same = before.jobs.iter().zip(&after.jobs).filter(|(a, b)| a == b).map(|(a, _)| a.name.as_str());
        assert_eq!(same.collect::<Vec<_>>(), ["pause", "busybox", "nftables", "nginx", "controllers"]);
    }

    #[test]
    fn other_patches_and_processors_have_names_of_their_own() {
        assert_eq!(recipe(Some("v1.36.1"), Arch::Amd64).reference, "knarr.dev/node:v1.36.1");
        let pinned_version = crate::image::versions::kubernetes();
        assert_eq!(recipe(None, Arch::Arm64).reference, format!("knarr.dev/node:v{pinned_version}-arm64"));
        let own = Recipe::new(pinned(), None, Arch::Arm64, Arch::Arm64).unwrap();
        assert_eq!(own.reference, format!("knarr.dev/node:v{pinned_version}"));
        let bends = |r: &Recipe| r.env.iter().any(|(key, value)| key == "GOFLAGS" && value.contains("-mod=mod"));
        assert!(!bends(&recipe(None, Arch::Amd64)) && bends(&recipe(Some("1.36.1"), Arch::Amd64)));
    }

    #[test]
    fn other_versions_are_refused() {
        for wrong in ["1.35.2", "1.36", "1.36.", "1.36.04", "1.36.x", "latest", "1.36.4-rc.1", "1.36.4; rm -rf /"] {
            let error = Recipe::new(pinned(), Some(wrong), Arch::Amd64, Arch::Amd64).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage, "{wrong}");
        }
        insta::assert_snapshot!(check_version("1.35.2", "1.36.4").unwrap_err(), @r"
        error: cannot build Kubernetes `1.35.2`
          caused by: this knarr builds 1.36.x, such as 1.36.4
          nothing was built
        hint: build the pinned version with `knarr image build`, or name a patch: `--kubernetes 1.36.4`
        ");
    }
}
