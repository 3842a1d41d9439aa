//! Node images that are here, or that a registry has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, EngineErrorKind, ImageInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::report::Steps;

/// How long a registry may take to send its first bytes. Where there is none, nobody wants to wait for it.
const ANSWER: Duration = Duration::from_secs(8);

/// The image if it is here, else if a registry has it; `None` when neither.
///
/// # Errors
/// When Docker fails, the disk is full, or the user interrupts. A registry that does not answer is no error.
pub async fn find_or_pull<E: Engine>(
    engine: &E,
    steps: &Steps,
    cancel: &CancellationToken,
    reference: &str,
) -> Result<Option<ImageInfo>> {
    if let Some(image) = engine.find_image(reference).await? {
        return Ok(Some(image));
    }
    if !can_be_pulled(reference) || !pull(engine, steps, cancel, reference, None).await? {
        return Ok(None);
    }
    Ok(engine.find_image(reference).await?)
}

/// The error for an image that is neither here nor in a registry.
pub fn missing(reference: &str) -> Error {
    let error = Error::new(ErrorKind::ImageMissing, format!("the node image `{reference}` is not here"))
        .cause("no registry that answers has it")
        .state("nothing was created");
    let pinned = super::versions::default_reference();
    match reference.strip_prefix(super::versions::pinned().image.as_str()).and_then(|tag| tag.strip_prefix(":v")) {
        Some(_) if reference == pinned => error.hint("build it with `knarr image build`"),
        Some(version) => error.hint(format!("build it with `knarr image build --kubernetes {version}`")),
        None => {
            error.hint("see which node images are here with `knarr image ls`, or build one with `knarr image build`")
        }
    }
}

/// Pulls an image; false when no registry has it or none answers.
pub(super) async fn pull<E: Engine>(
    engine: &E,
    steps: &Steps,
    cancel: &CancellationToken,
    reference: &str,
    platform: Option<&str>,
) -> Result<bool> {
    let step = steps.start(format!("looking for `{reference}` in its registry"));
    let answered = AtomicBool::new(false);
    let progress = |line: &str| {
        answered.store(true, Ordering::Relaxed);
        step.progress(line);
    };
    let silence = async {
        loop {
            tokio::time::sleep(ANSWER).await;
            if !answered.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    let result = tokio::select! {
        result = engine.pull_image(reference, platform, &progress) => Some(result),
        () = silence => None,
        () = cancel.cancelled() => {
            return Err(Error::new(ErrorKind::Interrupted, format!("stopped pulling `{reference}`")));
        }
    };
    let Some(result) = result else {
        step.done(format!("no registry answers for `{reference}`"));
        return Ok(false);
    };
    match result {
        Ok(()) => {
            step.done(format!("pulled `{reference}`"));
            Ok(true)
        }
        Err(e) if matches!(e.kind, EngineErrorKind::DiskFull | EngineErrorKind::Unreachable) => Err(e.into()),
        Err(e) => {
            steps.detail(e.to_string());
            let what = if e.kind == EngineErrorKind::NotFound { "has" } else { "answers for" };
            step.done(format!("no registry {what} `{reference}`"));
            Ok(false)
        }
    }
}

/// Whether the name can be one in a registry: ids are not.
fn can_be_pulled(reference: &str) -> bool {
    let is_id = reference.len() >= 12 && reference.bytes().all(|b| b.is_ascii_hexdigit());
    !is_id && !reference.starts_with("sha256:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_not_pulled() {
        assert!(!can_be_pulled("sha256:1f2e") && !can_be_pulled("0123456789ab"));
        assert!(can_be_pulled("knarr.dev/node:v1.36.4") && can_be_pulled("node@sha256:1f2e"));
    }

    #[test]
    fn a_missing_image_is_built_by_its_own_command() {
        assert_eq!(missing(&crate::image::versions::default_reference()).hints, ["build it with `knarr image build`"]);
        assert!(missing("knarr.dev/node:v1.36.1").hints[0].contains("--kubernetes 1.36.1`"));
        assert!(missing("corp/node:1").hints[0].contains("image ls"));
    }
}
