//! Whom containerd asked for an image: the registry that the name says, or a mirror of it.

use std::fmt;

use super::image::{registry, split};
use crate::image::reference::full_name;

/// Whom containerd's words are about.
pub struct Asked<'a> {
    /// The registry that the image's name says.
    pub registry: &'a str,
    /// The URL of the mirror that was asked instead, without what containerd adds to it.
    pub mirror: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Reads it from the words.
    pub fn new(image: &'a str, message: &'a str) -> Self {
        Self { registry: registry(image), mirror: mirror(image, message) }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, mirror } = self;
        match mirror {
            Some(mirror) => write!(f, "mirror `{mirror}` of the registry `{registry}`"),
            None => write!(f, "registry `{registry}`"),
        }
    }
}

/// The mirror whose URL the words quote: containerd tells mirrors, and them alone, for which registry it asks.
fn mirror<'m>(image: &str, message: &'m str) -> Option<&'m str> {
    let (before, _) = message.split_once("?ns=")?;
    let url = &before[before.rfind(['"', ' '])? + 1..];
    let full = full_name(image);
    let (_, path) = split(&full).0.split_once('/')?;
    let root = &url[..url.rfind(&format!("/{path}/"))?];
    Some(root.strip_suffix("/v2").unwrap_or(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_told_by_the_namespace_that_it_is_asked_for() {
        for (image, message, expected) in [
            (
                "localhost:5001/team/one:1",
                "failed to do request: Head \"http://rvreg:5000/v2/team/one/manifests/1?ns=%5BREDACTED%5D\": dial tcp",
                Some("http://rvreg:5000"),
            ),
            (
                "a.invalid/team/one@sha256:1",
                "unexpected status from HEAD request to http://10.0.0.1:80/hub/v2/team/one/manifests/1?ns=a.invalid: 401",
                Some("http://10.0.0.1:80/hub"),
            ),
            ("busybox", "Get \"https://h/v2/hub/library/busybox/blobs/1?ns=docker.io\"", Some("https://h/v2/hub")),
            ("busybox", "Get \"https://auth.docker.io/token?scope=%5BREDACTED%5D\": dial tcp", None),
            ("r.invalid/a:v1", "Head \"https://r.invalid/v2/a/manifests/v1\": dial tcp", None),
        ] {
            assert_eq!(Asked::new(image, message).mirror, expected, "{message}");
        }
        assert_eq!(Asked { registry: "a.io", mirror: None }.to_string(), "registry `a.io`");
        let asked = Asked { registry: "a.io", mirror: Some("http://b") };
        assert_eq!(asked.to_string(), "mirror `http://b` of the registry `a.io`");
    }
}
