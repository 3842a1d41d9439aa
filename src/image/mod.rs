//! The node image: how it is built, which one, whether it fits, what an archive of images holds.
//!
//! ```text
//! versions.yaml ─→ recipe ─→ build
//! sources ───────↗ (what)    (how)
//! ```

pub mod archive;
pub mod build;
mod find;
pub mod platform;
pub mod recipe;
pub mod reference;
mod script;
mod sources;
pub mod versions;

pub use self::find::{find_or_pull, missing};

use crate::engine::ImageInfo;
use crate::error::{Error, ErrorKind, Result};

/// Carried by every node image: the version of the contract with its agent.
pub const CONTRACT_LABEL: &str = "dev.knarr.image.contract";
/// The image's Kubernetes version.
pub const KUBERNETES_LABEL: &str = "dev.knarr.image.kubernetes";
/// The versions of the image's components, as JSON.
pub const VERSIONS_LABEL: &str = "dev.knarr.image.versions";
/// The sizes of the image's parts in bytes, as JSON.
pub const SIZES_LABEL: &str = "dev.knarr.image.sizes";
/// The image's platform, `linux/amd64`.
pub const PLATFORM_LABEL: &str = "dev.knarr.image.platform";
/// A hash of everything that went into the image.
pub const INPUTS_LABEL: &str = "dev.knarr.image.inputs";
/// Carried by the containers of a build (the run) and by images on the way (what they are).
pub const BUILD_LABEL: &str = "dev.knarr.build";

/// Refuses an image that this knarr cannot make nodes of: no node image at all, another contract, another processor.
pub fn check(image: &ImageInfo, reference: &str, arch: &str) -> Result<()> {
    let unfit = |why: String| {
        Error::new(ErrorKind::Environment, format!("image `{reference}` cannot be a node"))
            .cause(why)
            .state("nothing was created")
            .hint("build one that fits with `knarr image build`, or name another with `--image`")
    };
    match image.labels.get(CONTRACT_LABEL).map(|c| c.parse()) {
        None => return Err(unfit("it is not a node image of knarr".into())),
        Some(Ok(knarr_contract::CONTRACT)) => {}
        Some(_) => {
            let theirs = &image.labels[CONTRACT_LABEL];
            return Err(unfit(format!("it speaks contract {theirs}, this knarr speaks {}", knarr_contract::CONTRACT)));
        }
    }
    if !image.arch.is_empty() && image.arch != arch {
        return Err(unfit(format!("it is for {}, this Docker runs {arch}", image.arch)));
    }
    Ok(())
}
