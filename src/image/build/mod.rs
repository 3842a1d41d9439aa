//! Carries a recipe out: base, packages, components one after the other, two layers of files, the image.
//!
//! Results are folders and images named by the hash of what went into them, so a build takes up whatever an earlier
//! one finished, also one that failed or was interrupted.

mod base;
mod failure;
mod layers;
mod prune;
mod surroundings;
#[cfg(test)]
mod tests;
mod workshop;

use std::collections::BTreeSet;
use std::fmt::Write;

use tokio_util::sync::CancellationToken;

pub use self::layers::from_label as sizes;
use self::surroundings::CA_FILE;
pub use self::surroundings::Surroundings;
use self::workshop::{Failed, Workshop};
use super::BUILD_LABEL;
use super::recipe::{Job, Layer, Recipe};
use crate::engine::archive::Tree;
use crate::engine::{CommitSpec, Engine, ImageInfo, Labels, MountSource, MountSpec};
use crate::error::{Error, ErrorKind, Result};
use crate::report::{Step, Steps};

/// Where the builder keeps what it has built.
const OUT: &str = "/out";

/// The builder's caches: volume and place.
const CACHES: [(&str, &str); 5] = [
    ("knarr-build-gomod", "/go/pkg/mod"),
    ("knarr-build-gocache", "/root/.cache/go-build"),
    ("knarr-build-cargo", "/root/.cargo"),
    ("knarr-build-target", "/target"),
    ("knarr-build-out", OUT),
];

/// A finished build.
pub struct Built {
    /// The image.
    pub image: ImageInfo,
    /// Whether it was there already.
    pub up_to_date: bool,
}

/// Builds the image of a recipe, unless it is here.
///
/// # Errors
/// When a part cannot be built or the user interrupts. No container of the build is left either way.
pub async fn build<E: Engine>(
    engine: &E,
    steps: &Steps,
    cancel: &CancellationToken,
    recipe: &Recipe,
    surroundings: &Surroundings,
) -> Result<Built> {
    if let Some(image) = engine.find_image(&recipe.reference).await?
        && image.labels.get(super::INPUTS_LABEL).is_some_and(|inputs| inputs == recipe.inputs())
    {
        return Ok(Built { image, up_to_date: true });
    }
    let work = Workshop::new(engine, steps, cancel, surroundings.host_network);
    let carried = Carrying { work: &work, cancel, recipe, surroundings };
    let result = carried.out().await;
    let left = match work.close_all().await {
        Ok(()) => None,
        Err(trouble) => Some(format!(
            "containers of the build are left ({}): see them with `docker ps -a --filter label={BUILD_LABEL}={}`",
            trouble.message, work.run
        )),
    };
    match (result, left) {
        (Ok(()), None) => {}
        (Ok(()), Some(left)) => steps.warn(left),
        (Err(e), None) => {
            return Err(
                e.also("the containers of the build were removed; what was finished is kept for the next build")
            );
        }
        (Err(e), Some(left)) => return Err(e.also(&left)),
    }
    let image = engine.find_image(&recipe.reference).await?;
    let image = image.ok_or_else(|| Error::failed(format!("`{}` was built and is gone", recipe.reference)))?;
    prune::prune(engine, steps, recipe).await;
    Ok(Built { image, up_to_date: false })
}

struct Carrying<'a, E> {
    work: &'a Workshop<'a, E>,
    cancel: &'a CancellationToken,
    recipe: &'a Recipe,
    surroundings: &'a Surroundings,
}

impl<E: Engine> Carrying<'_, E> {
    async fn out(&self) -> Result<()> {
        let (engine, recipe) = (self.work.engine(), self.recipe);
        let ready = engine.find_image(&recipe.components.tag).await?;
        let builder = self.open_builder().await?;
        let mut jobs: Vec<(&Job, String)> = Vec::new();
        let all = recipe.built().count();
        if ready.is_none() {
            for job in &recipe.jobs {
                jobs.push((job, numbered(job, jobs.len() + 1, all)));
            }
        }
        jobs.push((&recipe.agent, numbered(&recipe.agent, all, all)));
        let done = self.finished(&builder).await?;
        for (job, title) in &jobs {
            if done.contains(&job.folder) {
                self.work.steps().detail(format!("{} is built already", name_of(job)));
            } else {
                self.run_job(&builder, job, title).await?;
            }
        }
        if ready.is_none() {
            // Last, because for another processor than this machine's it needs an emulator; all programs are built by then.
            self.ensure_node_packages().await?;
            self.layer_of_components(&builder).await?;
        }
        self.layer_of_agent(&builder).await
    }

    /// The names of the folders with finished results; those of earlier recipes go after a week without use.
    async fn finished(&self, builder: &str) -> Result<BTreeSet<String>> {
        let jobs = self.recipe.jobs.iter().chain([&self.recipe.agent]);
        let ours: Vec<&str> = jobs.map(|j| j.folder.as_str()).collect();
        let script = format!(
            "cd {OUT}; for f in {}; do [ ! -d $f ] || touch $f; done; \
             find . -mindepth 1 -maxdepth 1 '(' -mtime +7 -o -name '.*' -mtime +0 ')' -exec rm -rf {{}} +; ls",
            ours.join(" ")
        );
        Ok(self.work.ask(builder, &script).await?.lines().map(String::from).collect())
    }

    /// Runs a job in a folder of this run's own, which takes its final name only when it is complete.
    async fn run_job(&self, builder: &str, job: &Job, title: &str) -> Result<()> {
        let step = self.work.steps().start(title);
        let stage = format!("{OUT}/.{}/stage", self.work.run);
        let layers = format!("{OUT}/.{}/layers", self.work.run);
        let mut before =
            format!("export STAGE={stage} LAYERS={layers}\nrm -rf $STAGE $LAYERS\nmkdir -p $STAGE $LAYERS\n");
        if job.version.is_empty() {
            // Hard links: the layers of all images in one folder without a second copy.
            for other in self.recipe.jobs.iter().filter(|j| !j.version.is_empty()) {
                let from = format!("{OUT}/{}{}", other.folder, layers::LAYERS);
                // Writing into a string cannot fail.
                let _ = writeln!(before, "[ ! -d {from} ] || cp -al {from}/. $LAYERS/");
            }
        }
        let after = format!("cd /; rm -rf $LAYERS\nmv -T $STAGE {OUT}/{0} || [ -d {OUT}/{0} ]\n", job.folder);
        let script = format!("{before}{}{after}", job.script);
        self.script(builder, &script, &name_of(job), &step).await?;
        step.done(title.replacen("building", "built", 1).replacen("writing", "wrote", 1));
        Ok(())
    }

    async fn script(&self, container: &str, script: &str, what: &str, step: &Step) -> Result<()> {
        let own = self.recipe.env.iter().map(|(key, value)| format!("{key}={value}"));
        let env: Vec<String> = own.chain(self.surroundings.env.iter().cloned()).collect();
        self.work.script(container, &env, script, step).await.map_err(|failed| match failed {
            Failed::Script(status, lines) => failure::of_script(what, status, &lines),
            Failed::Other(e) if e.kind == ErrorKind::Interrupted => e,
            Failed::Other(e) => e.context(format!("cannot build {what}")),
        })
    }

    async fn ensure_node_packages(&self) -> Result<()> {
        let (engine, recipe) = (self.work.engine(), self.recipe);
        let Layer { tag, script } = &recipe.node_packages;
        if engine.find_image(tag).await?.is_some() {
            return Ok(());
        }
        let base = base::ensure(self.work, self.cancel, &recipe.suite, recipe.arch, self.surroundings.may_install)
            .await
            .map_err(|e| if recipe.foreign && e.kind != ErrorKind::Interrupted { needs_emulator(e) } else { e })?;
        let step = self.work.steps().start("installing the node's Debian packages");
        let platform = recipe.foreign.then(|| recipe.arch.platform());
        let container = self.work.open("packages", &base, platform.clone(), Vec::new()).await?;
        self.script(&container, script, "the node's Debian packages", &step).await?;
        step.progress("packing");
        // A fresh image of one layer: what the script removed is not in it at all.
        let tar = engine.export_container(&container).await?;
        self.work.unless_interrupted(async { Ok(engine.import_image(tag, platform.as_deref(), tar).await?) }).await?;
        self.work.close(&container).await?;
        step.done("installed the node's Debian packages");
        Ok(())
    }

    async fn open_builder(&self) -> Result<String> {
        let Layer { tag, script } = &self.recipe.builder_packages;
        if self.work.engine().find_image(tag).await?.is_none() {
            self.make_builder(tag, script).await?;
        }
        let mount = |(name, target): &(&str, &str)| MountSpec {
            source: MountSource::Volume { name: (*name).to_owned(), labels: Labels::new() },
            target: (*target).to_owned(),
            read_only: false,
            propagation: String::new(),
            selinux_relabel: false,
        };
        let builder = self.work.open("builder", tag, None, CACHES.iter().map(mount).collect()).await?;
        let now = time::OffsetDateTime::now_utc().unix_timestamp();
        let mut tree = Tree::new(u64::try_from(now).unwrap_or(0));
        self.recipe.sources.add_to(&mut tree)?;
        if let Some(pem) = &self.surroundings.ca_pem {
            tree.file(CA_FILE.trim_start_matches('/'), 0o644, pem.clone())?;
        }
        self.work.engine().put_archive(&builder, "/", tree.build()?).await?;
        Ok(builder)
    }

    async fn make_builder(&self, tag: &str, script: &str) -> Result<()> {
        let builder_arch = if self.recipe.foreign {
            crate::image::platform::Arch::of_docker(&self.work.engine().info().await?.arch)?
        } else {
            self.recipe.arch
        };
        let base =
            base::ensure(self.work, self.cancel, &self.recipe.suite, builder_arch, self.surroundings.may_install)
                .await?;
        let step = self.work.steps().start("making the builder");
        let container = self.work.open("tools", &base, None, Vec::new()).await?;
        self.script(&container, script, "the builder", &step).await?;
        step.progress("packing");
        let commit = CommitSpec {
            container: container.clone(),
            reference: tag.to_owned(),
            entrypoint: Vec::new(),
            env: Vec::new(),
            labels: Labels::from([(BUILD_LABEL.to_owned(), "builder".to_owned())]),
            stop_signal: None,
        };
        self.work.engine().commit(&commit).await?;
        self.work.close(&container).await?;
        step.done("made the builder");
        Ok(())
    }
}

fn numbered(job: &Job, number: usize, all: usize) -> String {
    if job.version.is_empty() {
        format!("writing the {}", job.name)
    } else {
        format!("building {} ({number} of {all})", name_of(job))
    }
}

fn name_of(job: &Job) -> String {
    format!("{} {}", job.name, job.version).trim_end().to_owned()
}

/// Programs are cross-compiled, but Debian's own packages run their scripts on the processor they are for.
fn needs_emulator(error: Error) -> Error {
    error
        .also("every program is built and kept")
        .hint("let this machine run programs of that processor: `sudo apt-get install qemu-user-static binfmt-support`")
}
