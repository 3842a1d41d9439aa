//! `images/versions.yaml`: every pinned version of the node image and how each component is built, embedded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::yaml;

const TEXT: &str = include_str!("../../images/versions.yaml");

/// The table of what a node image is made of.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Versions {
    /// The contract between knarr and the agent in the image.
    pub contract: u32,
    /// The image's name without its tag.
    pub image: String,
    /// What comes from Debian.
    pub debian: Debian,
    /// What all Go programs share.
    pub go: Go,
    /// What is built, in this order.
    pub components: Vec<Component>,
}

/// What comes from Debian.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debian {
    /// The release, `trixie`.
    pub suite: String,
    /// The packages of the builder.
    pub builder: Vec<String>,
    /// The packages that the builder needs beside those to build for another processor, by its name.
    pub cross: BTreeMap<String, Vec<String>>,
    /// The packages of a node.
    pub node: Vec<String>,
}

/// What all Go programs share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Go {
    /// The toolchain, `go1.26.11`.
    pub toolchain: String,
    /// Build tags.
    pub tags: Vec<String>,
}

/// One thing that is built.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is built.
    #[serde(flatten)]
    pub how: How,
    /// The layer of a pod image that it goes into beside others; without one, and without images, it goes to the node.
    pub layer: Option<String>,
    /// The images for pods that it becomes.
    #[serde(default)]
    pub pod_images: Vec<PodImage>,
}

impl Component {
    /// The layer of pod images that its files go into; none for what belongs to the node itself.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref().or((!self.pod_images.is_empty()).then_some(self.name.as_str()))
    }

    /// Whether it is the program that every node starts.
    pub fn is_agent(&self) -> bool {
        matches!(self.how, How::Cargo(_)) && self.layer().is_none()
    }
}

/// How a component is built.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// By Go, in the module `images/node/go`.
    Go(GoBuild),
    /// By the C compiler.
    C(CBuild),
    /// Debian's static busybox is taken as it is.
    Busybox(Busybox),
    /// Files are taken out of Debian packages.
    Debian(DebianFiles),
    /// By cargo, in a workspace of the agent or of the controllers.
    Cargo(CargoBuild),
}

/// Go programs of one module.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoBuild {
    /// The module whose version is the component's; none for our own.
    pub module: Option<String>,
    /// Linker flags.
    #[serde(default)]
    pub ldflags: Vec<String>,
    /// The programs.
    pub binaries: Vec<Binary>,
}

/// One Go program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binary {
    /// The package, `./cmd/kube` for our own.
    pub package: String,
    /// Where it is installed.
    pub install: String,
    /// Further names.
    #[serde(default)]
    pub links: Vec<String>,
    /// Further build tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A C program of one file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CBuild {
    /// The file in `images/node/pause`.
    pub source: String,
    /// Where it is installed.
    pub install: String,
}

/// Debian's busybox.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Busybox {
    /// Where it is installed.
    pub install: String,
}

/// Some files of Debian packages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebianFiles {
    /// The packages; all that they depend on is looked through too.
    pub packages: Vec<String>,
    /// The files and folders to keep. The libraries that they need come along by themselves.
    pub keep: Vec<String>,
}

/// Rust programs of one package.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CargoBuild {
    /// The package.
    pub package: String,
    /// The programs.
    pub binaries: Vec<RustBinary>,
}

/// One Rust program.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RustBinary {
    /// Its name in the package.
    pub name: String,
    /// Where it is installed.
    pub install: String,
    /// The layer it goes into, if not its component's.
    pub layer: Option<String>,
}

/// An image that every node has preloaded.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PodImage {
    /// Its name.
    pub reference: String,
    /// The layer that it is made of, if not its component's; several images may share one.
    #[serde(skip_serializing)]
    pub layer: Option<String>,
    /// The program it starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// What the program gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// User and group; root when empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The program's environment, `KEY=value` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
}

static VERSIONS: LazyLock<Versions> =
    LazyLock::new(|| yaml::parse(TEXT).expect("a test reads the embedded table, so it parses"));

/// The embedded table.
pub fn pinned() -> &'static Versions {
    &VERSIONS
}

/// The Kubernetes version of the default image, `1.36.4`.
pub fn kubernetes() -> &'static str {
    let found = pinned().components.iter().find(|c| c.name == KUBERNETES);
    &found.expect("a test looks for it in the embedded table").version
}

/// The component that names the image.
pub const KUBERNETES: &str = "kubernetes";

/// The default node image's name.
pub fn default_reference() -> String {
    format!("{}:v{}", pinned().image, kubernetes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_table_parses() {
        assert!(kubernetes().starts_with("1.36."));
        assert_eq!(default_reference(), format!("knarr.dev/node:v{}", kubernetes()));
        assert_eq!(pinned().contract, knarr_contract::CONTRACT);
    }

    #[test]
    fn the_table_says_what_go_mod_says() {
        let go_mod = crate::image::sources::GO_MOD;
        for component in &pinned().components {
            let How::Go(GoBuild { module: Some(module), .. }) = &component.how else { continue };
            let line = format!("\t{module} v{}", component.version);
            let found = go_mod.lines().any(|l| l == line || l == format!("{line} // indirect"));
            assert!(found, "`{line}` is not in go.mod");
        }
        // One set: every replaced module of Kubernetes has Kubernetes' own patch number.
        let patch = format!(" v0{}", kubernetes().trim_start_matches('1'));
        let replaced: Vec<&str> = go_mod.lines().filter(|l| l.contains(" => k8s.io/")).collect();
        assert!(replaced.len() > 20 && replaced.iter().all(|l| l.ends_with(&patch)), "{replaced:?}");
    }

    #[test]
    fn every_component_has_its_own_name_and_place() {
        let mut names: Vec<&str> = pinned().components.iter().map(|c| c.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), pinned().components.len());
    }

    static MANIFESTS: include_dir::Dir = include_dir::include_dir!("$CARGO_MANIFEST_DIR/manifests");

    /// Every `knarr.dev/name:tag` in a text.
    fn named_in(text: &str) -> impl Iterator<Item = &str> {
        text.match_indices("knarr.dev/").filter_map(|(at, _)| {
            let is_part = |c: char| c.is_ascii_alphanumeric() || "./-:".contains(c);
            let word = text[at..].split(|c| !is_part(c)).next().unwrap_or_default();
            word.split_once(':').is_some_and(|(_, tag)| !tag.is_empty()).then_some(word)
        })
    }

    #[test]
    fn whatever_a_cluster_is_given_to_run_is_preloaded() {
        let table = pinned().components.iter();
        let preloaded: Vec<String> = table
            .flat_map(|c| c.pod_images.iter().map(|image| crate::image::script::fill(&image.reference, &c.version)))
            .collect();
        let mut texts = vec![("paths.rs".to_owned(), include_str!("../node/paths.rs"))];
        let mut folders = vec![&MANIFESTS];
        while let Some(folder) = folders.pop() {
            // Broken samples name wrong images: that is what is wrong with them.
            folders.extend(folder.dirs().filter(|d| !d.path().ends_with("broken")));
            texts.extend(folder.files().map(|f| (f.path().display().to_string(), f.contents_utf8().unwrap())));
        }
        assert!(texts.len() > 3 && named_in(texts[0].1).count() > 1, "the test looks in the wrong place");
        for (file, text) in &texts {
            for image in named_in(text) {
                assert!(
                    preloaded.iter().any(|p| p == image),
                    "{file} names `{image}`, the node image has {preloaded:?}"
                );
            }
        }
    }

    #[test]
    fn every_image_has_a_layer_and_every_layer_an_image() {
        let components = &pinned().components;
        let mut filled: Vec<&str> = components.iter().filter(|c| !c.is_agent()).flat_map(layers_filled).collect();
        let own = |c: &'static Component| c.pod_images.iter().map(|i| i.layer.as_deref().unwrap_or(&c.name));
        let mut used: Vec<&str> = components.iter().flat_map(own).collect();
        for layers in [&mut filled, &mut used] {
            layers.sort_unstable();
            layers.dedup();
        }
        assert_eq!(filled, used);
        assert_eq!(components.iter().filter(|c| c.is_agent()).count(), 1);
    }

    fn layers_filled(component: &Component) -> Vec<&str> {
        match &component.how {
            How::Cargo(cargo) => {
                cargo.binaries.iter().filter_map(|b| b.layer.as_deref().or(component.layer())).collect()
            }
            _ => component.layer().into_iter().collect(),
        }
    }
}
