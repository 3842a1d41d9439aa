//! What earlier builds left behind: images that lost their name to a newer one, and images on the way of other recipes.

use crate::engine::{Engine, ImageInfo};
use crate::image::BUILD_LABEL;
use crate::image::recipe::Recipe;
use crate::report::Steps;

/// For how long an image on the way of another recipe is kept, in seconds: whoever goes back finds it.
const KEPT: i64 = 7 * 24 * 3600;

/// Removes them, where nothing runs from them. That some stay is no failure of the build.
pub(super) async fn prune<E: Engine>(engine: &E, steps: &Steps, recipe: &Recipe) {
    let images = match engine.list_images(BUILD_LABEL).await {
        Ok(images) => images,
        Err(e) => return steps.detail(format!("images of earlier builds stay: {e}")),
    };
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    for name in images.iter().flat_map(|image| left_over(image, recipe, now)) {
        if let Err(e) = engine.remove_image(name, false).await {
            steps.detail(format!("an image of an earlier build stays: {e}"));
        }
    }
}

/// The names to remove of an image that carries the label of builds; its id, if it has no name any more.
fn left_over<'i>(image: &'i ImageInfo, recipe: &Recipe, now: i64) -> Vec<&'i str> {
    if image.tags.is_empty() {
        return vec![&image.id];
    }
    let ours = [&recipe.components.tag, &recipe.builder_packages.tag];
    let of_a_recipe = |tag: &str| {
        let repository = |name: &str| name.rsplit_once(':').map(|(repository, _)| repository.to_owned());
        ours.iter().any(|own| repository(own) == repository(tag)) && ours.iter().all(|own| *own != tag)
    };
    let old = now - image.created > KEPT;
    image.tags.iter().map(String::as_str).filter(|tag| old && of_a_recipe(tag)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Labels;
    use crate::image::platform::Arch;
    use crate::image::versions::pinned;

    #[test]
    fn only_what_is_nameless_or_old_and_of_another_recipe_goes() {
        let recipe = Recipe::new(pinned(), None, Arch::Amd64, Arch::Amd64).unwrap();
        let gone = |tags: &[&str], age: i64| {
            let tags = tags.iter().map(|t| (*t).to_owned()).collect();
            let image = ImageInfo {
                id: "sha256:1".into(),
                tags,
                labels: Labels::new(),
                size: 1,
                arch: String::new(),
                created: 0,
            };
            left_over(&image, &recipe, age).into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(gone(&[], 1), ["sha256:1"]);
        let (other, own) = ("knarr.dev/node-components:0123", recipe.components.tag.as_str());
        assert_eq!(gone(&[other, own], KEPT + 1), [other]);
        assert_eq!(gone(&["knarr.dev/node-builder:0123"], KEPT + 1), ["knarr.dev/node-builder:0123"]);
        for kept in [other, own] {
            assert!(gone(&[kept], KEPT).is_empty(), "{kept}");
        }
        for kept in ["knarr.dev/node:v1.36.3", "example.com/built-from-a-node:1", own] {
            assert!(gone(&[kept], KEPT + 1).is_empty(), "{kept}");
        }
    }
}
