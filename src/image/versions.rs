//! `images/versions.yaml`: every pinned version of the node image, embedded.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::yaml;

const TEXT: &str = include_str!("../../images/versions.yaml");

/// The table of what a node image is made of.
#[derive(Clone, Debug, Deserialize)]
pub struct Versions {
    /// The image's name without its tag.
    pub image: String,
    /// What is built, in this order.
    pub components: Vec<Component>,
}

/// One thing that is built.
#[derive(Clone, Debug, Deserialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

static VERSIONS: LazyLock<Versions> =
    LazyLock::new(|| yaml::parse(TEXT).expect("a test reads the embedded table, so it parses"));

/// The embedded table.
pub fn pinned() -> &'static Versions {
    &VERSIONS
}

/// The Kubernetes version of the default image, `1.36.4`.
pub fn kubernetes() -> &'static str {
    let found = pinned().components.iter().find(|c| c.name == "kubernetes");
    &found.expect("a test looks for it in the embedded table").version
}

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
    }
}
