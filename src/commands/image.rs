//! Builds, lists, removes and ensures node images.

use std::time::Instant;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Session, table};
use crate::cli::args::Image;
use crate::engine::{Engine, EngineErrorKind, ImageInfo};
use crate::error::{Error, ErrorKind, Result};
use crate::image::build::{self, Built, Surroundings};
use crate::image::platform::Arch;
use crate::image::recipe::Recipe;
use crate::image::versions;
use crate::image::{self, CONTRACT_LABEL, KUBERNETES_LABEL, PLATFORM_LABEL, VERSIONS_LABEL};
use crate::report::human;

/// Runs `knarr image …`.
pub async fn run(session: &Session<impl Engine>, what: Image) -> Result<()> {
    match what {
        Image::Build { kubernetes, platform, fix } => {
            build(session, kubernetes.as_deref(), platform.as_deref(), fix).await
        }
        Image::List => list(session).await,
        Image::Remove { images, force } => remove(session, &images, force).await,
    }
}

async fn build(
    session: &Session<impl Engine>,
    kubernetes: Option<&str>,
    platform: Option<&str>,
    may_install: bool,
) -> Result<()> {
    let began = Instant::now();
    let arch = platform.map(Arch::of_platform).transpose()?;
    // Wrong versions are refused before any call to Docker; which processor it has does not matter for that.
    Recipe::new(versions::pinned(), kubernetes, Arch::Amd64, Arch::Amd64)?;
    let engine = session.engine().await?;
    let (built, recipe) = make(session, &*engine, kubernetes, arch, may_install).await?;
    show(session, &built, &recipe, began)
}

/// Builds an image; for the Docker host's own processor unless told.
async fn make<E: Engine>(
    session: &Session<impl Engine>,
    engine: &E,
    kubernetes: Option<&str>,
    arch: Option<Arch>,
    may_install: bool,
) -> Result<(Built, Recipe)> {
    let own = Arch::of_docker(&engine.info().await?.arch)?;
    let recipe = Recipe::new(versions::pinned(), kubernetes, arch.unwrap_or(own), own)?;
    if recipe.kubernetes != versions::kubernetes() {
        session.warn(format!(
            "Kubernetes {} is not the pinned version: the sums of its modules are taken as they come",
            recipe.kubernetes
        ));
    }
    let surroundings =
        Surroundings { may_install, ..Surroundings::of(&session.environment.all, &(session.outside.host)()) };
    let built =
        build::build(engine, &session.steps(), session.outside.interrupt.token(), &recipe, &surroundings).await?;
    Ok((built, recipe))
}

fn show(session: &Session<impl Engine>, built: &Built, recipe: &Recipe, began: Instant) -> Result<()> {
    let image = &built.image;
    let parts = parts(image);
    if session.json() {
        return session.print_json(&json!({
            "image": recipe.reference,
            "id": image.id,
            "kubernetes": recipe.kubernetes,
            "platform": recipe.arch.platform(),
            "size": image.size,
            "upToDate": built.up_to_date,
            "seconds": began.elapsed().as_secs_f64(),
            "components": parts.iter().map(|(name, version, size)| json!({
                "name": name, "version": version, "size": size,
            })).collect::<Vec<_>>(),
        }));
    }
    let mut rows = vec![["COMPONENT", "VERSION", "SIZE"].map(String::from).to_vec()];
    for (name, version, size) in parts {
        rows.push(vec![name, version, size.map(megabytes).unwrap_or_default()]);
    }
    session.print(&table(&rows))?;
    let state = if built.up_to_date { "is up to date" } else { "is built" };
    session.note(format!(
        "`{name}` {state}: {} unpacked, in {}; compressed: `docker save {name} | gzip | wc -c`",
        megabytes(image.size),
        human(began.elapsed()),
        name = recipe.reference,
    ));
    Ok(())
}

/// Component, version and size of everything in an image, in the order of its labels.
fn parts(image: &ImageInfo) -> Vec<(String, String, Option<u64>)> {
    let text = image.labels.get(VERSIONS_LABEL).map_or("{}", String::as_str);
    let versions: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let mut sizes = build::sizes(&image.labels);
    let mut parts: Vec<_> =
        versions::pinned().components.iter().filter_map(|c| versions.get_key_value(&c.name)).collect();
    parts.extend(versions.iter().filter(|(name, _)| versions::pinned().components.iter().all(|c| c.name != **name)));
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|(name, version)| (name.clone(), version.as_str().unwrap_or_default().to_owned(), sizes.remove(name)))
        .collect();
    // What is no component: Debian's packages, the store of preloaded images.
    parts.extend(sizes.into_iter().map(|(name, size)| (name, String::new(), Some(size))));
    parts
}

fn megabytes(bytes: u64) -> String {
    if bytes < 10_000_000 {
        format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
    } else {
        format!("{} MB", bytes / 1_000_000)
    }
}

async fn list(session: &Session<impl Engine>) -> Result<()> {
    let engine = session.engine().await?;
    let mut images = engine.list_images(CONTRACT_LABEL).await?;
    images.sort_by_key(|image| std::cmp::Reverse(image.created));
    if session.json() {
        let list: Vec<Value> = images
            .iter()
            .map(|i| {
                json!({
                    "id": i.id,
                    "names": i.tags,
                    "kubernetes": i.labels.get(KUBERNETES_LABEL),
                    "platform": i.labels.get(PLATFORM_LABEL),
                    "size": i.size,
                    "created": i.created,
                    "labels": i.labels,
                })
            })
            .collect();
        return session.print_json(&list);
    }
    if images.iter().all(|i| i.tags.is_empty()) {
        session.note("no node image is here; build one with `knarr image build`");
        return Ok(());
    }
    session.print(&table(&rows(&images, OffsetDateTime::now_utc().unix_timestamp())))
}

/// A row per name; images that lost their name to a newer build are only mentioned in JSON.
fn rows(images: &[ImageInfo], now: i64) -> Vec<Vec<String>> {
    let mut rows = vec![["IMAGE", "KUBERNETES", "PLATFORM", "SIZE", "AGE"].map(String::from).to_vec()];
    for image in images {
        let label = |key| image.labels.get(key).cloned().unwrap_or_default();
        for tag in &image.tags {
            rows.push(vec![
                tag.clone(),
                label(KUBERNETES_LABEL),
                label(PLATFORM_LABEL),
                megabytes(image.size),
                age(now - image.created),
            ]);
        }
    }
    rows
}

/// Seconds as kubectl writes ages.
fn age(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{}s", seconds.max(0)),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

async fn remove(session: &Session<impl Engine>, images: &[String], force: bool) -> Result<()> {
    let engine = session.engine().await?;
    let mut removed = Vec::new();
    for image in images {
        match engine.find_image(image).await? {
            Some(found) if !found.labels.contains_key(CONTRACT_LABEL) => {
                return Err(Error::new(ErrorKind::Usage, format!("`{image}` is not a node image"))
                    .state("it was not removed")
                    .hint(format!("remove it with `docker rmi {image}`")));
            }
            Some(_) => {
                engine.remove_image(image, force).await.map_err(|e| match e.kind {
                    EngineErrorKind::Conflict => Error::from(e).hint(
                        "see which clusters use it with `knarr get clusters`, or use `--force` if none of them runs",
                    ),
                    _ => e.into(),
                })?;
                removed.push(image);
                session.note(format!("removed `{image}`"));
            }
            None => session.note(format!("there is no image `{image}`, nothing to remove")),
        }
    }
    if session.json() { session.print_json(&json!({"removed": removed})) } else { Ok(()) }
}

/// Makes sure that the node image is here: found, else pulled, else built where it is the one that this knarr
/// builds. With `may_install` missing tools of the build are installed.
pub async fn ensure<E: Engine>(session: &Session<E>, engine: &E, reference: &str, may_install: bool) -> Result<()> {
    let steps = session.steps();
    if image::find_or_pull(engine, &steps, session.outside.interrupt.token(), reference).await?.is_some() {
        return Ok(());
    }
    if reference != versions::default_reference() {
        return Err(image::missing(reference));
    }
    session.note("the node image is not here yet: it is built from source, once, in about ten minutes on 2 cores");
    make(session, engine, None, None, may_install).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Labels;

    fn image() -> ImageInfo {
        let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        ImageInfo {
            id: "sha256:1".to_owned(),
            tags: vec!["knarr.dev/node:v1.36.4".to_owned()],
            labels: Labels::from([
                label(KUBERNETES_LABEL, "1.36.4"),
                label(PLATFORM_LABEL, "linux/amd64"),
                label(VERSIONS_LABEL, r#"{"etcd":"3.6.16","kubernetes":"1.36.4","odd":"9"}"#),
                label(image::SIZES_LABEL, r#"{"etcd":27000000,"kubernetes":139200000,"debian trixie":1550000}"#),
            ]),
            size: 504_000_000,
            arch: "amd64".to_owned(),
            created: 1000,
        }
    }

    #[test]
    fn a_list_reads_well() {
        insta::assert_snapshot!(table(&rows(&[image()], 4600)), @r"
        IMAGE                   KUBERNETES  PLATFORM     SIZE    AGE
        knarr.dev/node:v1.36.4  1.36.4      linux/amd64  504 MB  60m
        ");
    }

    #[test]
    fn parts_come_in_the_order_of_the_table() {
        let of = |name: &str, version: &str, size| (name.to_owned(), version.to_owned(), size);
        assert_eq!(
            parts(&image()),
            [
                of("kubernetes", "1.36.4", Some(139_200_000)),
                of("etcd", "3.6.16", Some(27_000_000)),
                of("odd", "9", None),
                of("debian trixie", "", Some(1_550_000)),
            ]
        );
    }

    #[test]
    fn ages_and_sizes_are_short() {
        assert_eq!([-3, 119, 120, 7199, 90_000, 200_000].map(age), ["0s", "119s", "2m", "119m", "25h", "2d"]);
        assert_eq!([1_550_000, 504_000_000].map(megabytes), ["1.5 MB", "504 MB"]);
    }
}
