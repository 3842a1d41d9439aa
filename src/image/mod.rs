//! The node image: which one, whether it fits, what an archive of images holds.

pub mod archive;
pub mod versions;

use crate::engine::ImageInfo;
use crate::error::{Error, ErrorKind, Result};

/// Carried by every node image: the version of the contract with its agent.
pub const CONTRACT_LABEL: &str = "dev.knarr.image.contract";

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
