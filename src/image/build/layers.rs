//! Results into layers: the components are one, the agent on top is another, because it changes most often.

use std::collections::BTreeMap;

use super::{Carrying, OUT};
use crate::engine::{CommitSpec, Engine, Labels};
use crate::error::{Error, Result};
use crate::image::{BUILD_LABEL, PLATFORM_LABEL, SIZES_LABEL};

/// Where the layers of preloaded images lie in a job's results.
pub(super) const LAYERS: &str = "/usr/lib/knarr/images/layers";

/// The program that every node starts.
const AGENT: &str = "/usr/bin/knarr-node";
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl<E: Engine> Carrying<'_, E> {
    pub(super) async fn layer_of_components(&self, builder: &str) -> Result<()> {
        let recipe = self.recipe;
        let step = self.work.steps().start("putting the components together");
        let folders: Vec<&str> = recipe.jobs.iter().map(|j| j.folder.as_str()).collect();
        let mut sizes = self
            .sizes(builder, &recipe.jobs.iter().map(|j| (j.name.as_str(), j.folder.as_str())).collect::<Vec<_>>())
            .await?;
        if let Some(packages) = self.work.engine().find_image(&recipe.node_packages.tag).await? {
            sizes.insert(format!("debian {}", recipe.suite), packages.size);
        }
        let labels = Labels::from([
            (BUILD_LABEL.to_owned(), "components".to_owned()),
            (SIZES_LABEL.to_owned(), to_label(&sizes)),
        ]);
        self.layer(builder, "components", &recipe.node_packages.tag, &recipe.components.tag, &folders, labels).await?;
        step.done("put the components together");
        Ok(())
    }

    pub(super) async fn layer_of_agent(&self, builder: &str) -> Result<()> {
        let recipe = self.recipe;
        let step = self.work.steps().start(format!("making `{}`", recipe.reference));
        let below = self.work.engine().find_image(&recipe.components.tag).await?;
        let mut sizes = below.map(|image| from_label(&image.labels)).unwrap_or_default();
        let agent = &recipe.agent;
        sizes.extend(self.sizes(builder, &[(&agent.name, &agent.folder)]).await?);
        let mut labels = recipe.labels.clone();
        labels.extend([
            // Containers of this image inherit the label; this word says that they are no builders.
            (BUILD_LABEL.to_owned(), "done".to_owned()),
            (SIZES_LABEL.to_owned(), to_label(&sizes)),
            (PLATFORM_LABEL.to_owned(), recipe.arch.platform()),
        ]);
        self.layer(builder, "agent", &recipe.components.tag, &recipe.reference, &[&agent.folder], labels).await?;
        step.done(format!("made `{}`", recipe.reference));
        Ok(())
    }

    /// Adds the content of `folders` to image `from` and names the result `to`.
    async fn layer(
        &self,
        builder: &str,
        what: &str,
        from: &str,
        to: &str,
        folders: &[&str],
        labels: Labels,
    ) -> Result<()> {
        let engine = self.work.engine();
        let whole = format!("{OUT}/.{}/{what}", self.work.run);
        let copies: Vec<String> = folders.iter().map(|f| format!("cp -al {OUT}/{f}/. {whole}/")).collect();
        self.work.ask(builder, &format!("mkdir -p {whole}/etc/knarr\n{}", copies.join("\n"))).await?;
        let entrypoint = vec![AGENT.to_owned()];
        let holder = self.work.hold(what, from, &entrypoint).await?;
        let tar = engine.get_archive(builder, &format!("{whole}/.")).await?;
        self.work.unless_interrupted(async { Ok(engine.put_stream(&holder, "/", tar).await?) }).await?;
        self.work.go_on()?;
        let commit = CommitSpec {
            container: holder.clone(),
            reference: to.to_owned(),
            entrypoint,
            env: vec![PATH.to_owned()],
            labels,
            stop_signal: Some("SIGTERM".to_owned()),
        };
        engine.commit(&commit).await?;
        self.work.close(&holder).await?;
        self.work.ask(builder, &format!("rm -rf {whole}")).await.map(|_| ())
    }

    /// How many bytes each result has.
    async fn sizes(&self, builder: &str, folders: &[(&str, &str)]) -> Result<BTreeMap<String, u64>> {
        let paths: Vec<String> = folders.iter().map(|(_, folder)| format!("{OUT}/{folder}")).collect();
        let printed = self.work.ask(builder, &format!("du -s --block-size=1 {}", paths.join(" "))).await?;
        let sizes = printed.lines().map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        let sizes: Option<Vec<u64>> = sizes.collect();
        let sizes = sizes
            .filter(|s| s.len() == folders.len())
            .ok_or_else(|| Error::failed("cannot measure what was built").evidence(printed.lines()))?;
        Ok(folders.iter().map(|(name, _)| (*name).to_owned()).zip(sizes).collect())
    }
}

fn to_label(sizes: &BTreeMap<String, u64>) -> String {
    serde_json::json!(sizes).to_string()
}

/// The sizes of an image's parts by name, as its label has them.
pub fn from_label(labels: &Labels) -> BTreeMap<String, u64> {
    labels.get(SIZES_LABEL).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_survive_their_label() {
        let sizes = BTreeMap::from([("etcd".to_owned(), 27), ("debian trixie".to_owned(), 108)]);
        let labels = Labels::from([(SIZES_LABEL.to_owned(), to_label(&sizes))]);
        assert_eq!(from_label(&labels), sizes);
        assert!(from_label(&Labels::new()).is_empty());
    }
}
