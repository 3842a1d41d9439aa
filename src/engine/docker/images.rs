//! Images: find, list, pull, remove, name, import, commit.

use std::collections::HashMap;

use bollard::models::{ContainerConfig, CreateImageInfo};
use bollard::query_parameters::{
    CommitContainerOptions, CreateImageOptions, ListImagesOptions, RemoveImageOptions, TagImageOptions,
};
use futures::StreamExt;

use super::DockerEngine;
use super::convert::{image_from_inspect, image_from_summary, label_filter};
use super::errors::translate;
use super::streams::pieces;
use crate::engine::{ByteStream, CommitSpec, EngineError, EngineErrorKind, EngineResult, ImageInfo, op};

/// Splits `name:tag`; a name without a tag means `latest`, as everywhere in Docker.
///
/// For pulls the tag may also be a digest: Docker takes both in the same place.
fn split(reference: &str) -> (String, String) {
    if let Some((name, digest)) = reference.split_once('@') {
        return (name.to_owned(), digest.to_owned());
    }
    match reference.rsplit_once(':') {
        // A colon before the last slash belongs to a port.
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (reference.to_owned(), "latest".to_owned()),
    }
}

pub(super) async fn find(engine: &DockerEngine, reference: &str) -> EngineResult<Option<ImageInfo>> {
    match engine.client.inspect_image(reference).await {
        Ok(image) => Ok(Some(image_from_inspect(image))),
        Err(e) => absent(translate(op::FIND_IMAGE, reference, &e)),
    }
}

pub(super) async fn list(engine: &DockerEngine, label: &str) -> EngineResult<Vec<ImageInfo>> {
    let options = ListImagesOptions { filters: Some(label_filter(label)), ..ListImagesOptions::default() };
    let images = engine.client.list_images(Some(options)).await.map_err(|e| translate(op::LIST_IMAGES, label, &e))?;
    Ok(images.into_iter().map(image_from_summary).collect())
}

pub(super) async fn pull(
    engine: &DockerEngine,
    reference: &str,
    platform: Option<&str>,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> EngineResult<()> {
    let (name, tag) = split(reference);
    let options = CreateImageOptions {
        from_image: Some(name),
        tag: Some(tag),
        platform: platform.unwrap_or_default().to_owned(),
        ..CreateImageOptions::default()
    };
    let mut stream = engine.patient.create_image(Some(options), None, None);
    let mut layers = Layers::default();
    while let Some(message) = stream.next().await {
        let message = message.map_err(|e| {
            let mut error = translate(op::PULL_IMAGE, reference, &e);
            // Registries that hide what they do not have answer like this, in the middle of the stream or before it.
            if ["manifest unknown", "not found"].iter().any(|words| error.detail.contains(words)) {
                error.kind = EngineErrorKind::NotFound;
            }
            error
        })?;
        if let Some(line) = layers.hear(&message) {
            progress(&line);
        }
    }
    Ok(())
}

/// Adds up what Docker tells about each layer.
#[derive(Default)]
struct Layers {
    sizes: HashMap<String, (u64, u64)>,
    last: String,
}

impl Layers {
    /// A line about all layers together, when there is something new to say.
    fn hear(&mut self, message: &CreateImageInfo) -> Option<String> {
        const MEGA: u64 = 1_000_000;
        let detail = message.progress_detail.as_ref()?;
        if message.status.as_deref() != Some("Downloading") {
            return None;
        }
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        self.sizes.insert(message.id.clone()?, (number(detail.current), number(detail.total)));
        let sum = self.sizes.values().fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        let line = format!("{} of {} MB", sum.0 / MEGA, sum.1.max(sum.0).div_ceil(MEGA));
        (line != self.last).then(|| {
            self.last.clone_from(&line);
            line
        })
    }
}

pub(super) async fn remove(engine: &DockerEngine, reference: &str, force: bool) -> EngineResult<()> {
    let options = RemoveImageOptions { force, ..RemoveImageOptions::default() };
    match engine.patient.remove_image(reference, Some(options), None).await {
        Ok(_) => Ok(()),
        Err(e) => absent(translate(op::REMOVE_IMAGE, reference, &e)).map(|_: Option<()>| ()),
    }
}

pub(super) async fn tag(engine: &DockerEngine, source: &str, target: &str) -> EngineResult<()> {
    let (repo, tag) = split(target);
    let options = TagImageOptions { repo: Some(repo), tag: Some(tag) };
    engine.client.tag_image(source, Some(options)).await.map_err(|e| translate(op::TAG_IMAGE, source, &e))
}

pub(super) async fn import(
    engine: &DockerEngine,
    reference: &str,
    platform: Option<&str>,
    tar: ByteStream,
) -> EngineResult<String> {
    let (repo, tag) = split(reference);
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repo),
        tag: Some(tag),
        platform: platform.unwrap_or_default().to_owned(),
        ..CreateImageOptions::default()
    };
    let mut stream = engine.patient.create_image(Some(options), Some(bollard::body_try_stream(pieces(tar))), None);
    let mut id = None;
    while let Some(message) = stream.next().await {
        let message = message.map_err(|e| translate(op::IMPORT_IMAGE, reference, &e))?;
        // The last status is the image's id.
        id = message.status.filter(|status| status.starts_with("sha256:")).or(id);
    }
    id.ok_or_else(|| {
        EngineError::new(op::IMPORT_IMAGE, reference, EngineErrorKind::Other, "Docker did not say which image it made")
    })
}

pub(super) async fn commit(engine: &DockerEngine, commit: &CommitSpec) -> EngineResult<String> {
    let (repo, tag) = split(&commit.reference);
    let options = CommitContainerOptions {
        container: Some(commit.container.clone()),
        repo: Some(repo),
        tag: Some(tag),
        pause: true,
        ..CommitContainerOptions::default()
    };
    let config = ContainerConfig {
        entrypoint: Some(commit.entrypoint.clone()),
        env: Some(commit.env.clone()),
        labels: Some(commit.labels.clone().into_iter().collect()),
        stop_signal: commit.stop_signal.clone(),
        ..ContainerConfig::default()
    };
    let made = engine.patient.commit_container(options, config).await;
    Ok(made.map_err(|e| translate(op::COMMIT, &commit.container, &e))?.id)
}

/// «Not found» as an answer, everything else as the error it is.
pub(super) fn absent<T>(error: EngineError) -> EngineResult<Option<T>> {
    if error.kind == EngineErrorKind::NotFound { Ok(None) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn references_split_at_the_right_colon() {
        for (reference, name, tag) in [
            ("knarr/node:v1", "knarr/node", "v1"),
            ("knarr/node", "knarr/node", "latest"),
            ("localhost:5000/node", "localhost:5000/node", "latest"),
            ("localhost:5000/node:v1", "localhost:5000/node", "v1"),
            ("node@sha256:ab", "node", "sha256:ab"),
        ] {
            assert_eq!(split(reference), (name.to_owned(), tag.to_owned()));
        }
    }

    #[test]
    fn pull_lines_are_sums_and_come_once() {
        let mut layers = Layers::default();
        let mut hear = |id: &str, current| {
            layers.hear(&CreateImageInfo {
                id: Some(id.to_owned()),
                status: Some("Downloading".to_owned()),
                progress_detail: Some(ProgressDetail { current: Some(current), total: Some(3_000_000) }),
                ..CreateImageInfo::default()
            })
        };
        assert_eq!(hear("a", 1_000_000).as_deref(), Some("1 of 3 MB"));
        assert_eq!(hear("a", 1_000_100), None);
        assert_eq!(hear("b", 2_000_000).as_deref(), Some("3 of 6 MB"));
    }
}
