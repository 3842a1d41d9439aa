//! Lists, removes and ensures node images.

use serde_json::{Value, json};

use super::{Session, table};
use crate::cli::args::Image;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::image::CONTRACT_LABEL;

/// Runs `knarr image …`.
pub async fn run(session: &Session<impl Engine>, what: Image) -> Result<()> {
    match what {
        Image::Build { .. } => Err(Error::new(ErrorKind::Bug, "not built yet")),
        Image::List => list(session).await,
        Image::Remove { images, force } => remove(session, &images, force).await,
    }
}

async fn list(session: &Session<impl Engine>) -> Result<()> {
    let engine = session.engine().await?;
    let images = engine.list_images(CONTRACT_LABEL).await?;
    if session.json() {
        let list: Vec<Value> = images
            .iter()
            .map(|i| json!({"id": i.id, "names": i.tags, "size": i.size, "created": i.created, "labels": i.labels}))
            .collect();
        return session.print_json(&list);
    }
    if images.iter().all(|i| i.tags.is_empty()) {
        session.note("no node image is here; build one with `knarr image build`");
        return Ok(());
    }
    let mut rows = vec![["IMAGE", "KUBERNETES", "SIZE"].map(String::from).to_vec()];
    for image in &images {
        for tag in &image.tags {
            let kubernetes = image.labels.get("dev.knarr.image.kubernetes").cloned().unwrap_or_default();
            rows.push(vec![tag.clone(), kubernetes, format!("{} MB", image.size / 1_000_000)]);
        }
    }
    session.print(&table(&rows))
}

async fn remove(session: &Session<impl Engine>, images: &[String], force: bool) -> Result<()> {
    let engine = session.engine().await?;
    for image in images {
        match engine.find_image(image).await? {
            Some(found) if !found.labels.contains_key(CONTRACT_LABEL) => {
                return Err(Error::new(ErrorKind::Usage, format!("`{image}` is not a node image"))
                    .state("it was not removed")
                    .hint(format!("remove it with `docker rmi {image}`")));
            }
            Some(_) => {
                engine.remove_image(image, force).await?;
                session.note(format!("removed `{image}`"));
            }
            None => session.note(format!("there is no image `{image}`, nothing to remove")),
        }
    }
    if session.json() { session.print_json(&json!({"removed": images})) } else { Ok(()) }
}

/// Makes sure that the node image is here.
pub async fn ensure<E: Engine>(_: &Session<E>, engine: &E, reference: &str) -> Result<()> {
    if engine.find_image(reference).await?.is_some() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::ImageMissing, format!("the node image `{reference}` is not here"))
        .hint("build it with `knarr image build`"))
}
