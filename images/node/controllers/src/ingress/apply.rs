//! From a world to a running nginx: tests what is new, leaves out what nginx refuses, keeps the last good one.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use kube::ResourceExt;

use super::compile::{Compiled, compile};
use super::files::Folder;
use super::model::{Problem, Table, hash};
use super::nginx::{self, Nginx};
use super::render;
use super::sift::sift;
use super::world::{Name, Settings, World};

/// What runs, and what is known about it.
pub struct Applier {
    settings: Settings,
    folder: Folder,
    /// Empty until the first configuration.
    pub nginx: Option<Nginx>,
    generation: u64,
    body: String,
    table: Table,
    told: String,
    /// Ingresses that nginx refuses: what they were then, and what it said.
    refused: BTreeMap<Name, (String, String)>,
}

impl Applier {
    /// Nothing runs yet.
    pub fn new(settings: Settings, folder: Folder) -> Self {
        Self {
            settings,
            folder,
            nginx: None,
            generation: 0,
            body: String::new(),
            table: Table::default(),
            told: String::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Compiles a world without touching anything.
    pub fn compile(&mut self, world: &World) -> Compiled {
        let now: BTreeMap<Name, String> =
            world.ours(&self.settings).iter().map(|i| (Name::of(i.as_ref()), print(i))).collect();
        self.refused.retain(|name, (print, _)| now.get(name) == Some(print));
        let mut compiled = compile(world, &self.settings, &self.refused.keys().cloned().collect());
        compiled.problems.extend(self.refused.iter().map(|(name, (_, why))| Problem {
            ingress: name.clone(),
            reason: "ConfigurationRejected",
            message: format!("nginx refuses what this Ingress asks for, so it is not served: {why}"),
        }));
        compiled
    }

    /// Makes a world be served; returns what that is.
    pub async fn apply(&mut self, world: &World) -> io::Result<Compiled> {
        let mut compiled = self.compile(world);
        let mut body = render::body(&compiled.model, &self.settings.folder);
        if body == self.body {
            // Only endpoints have changed, if anything.
            self.tell(&compiled.table).await?;
            self.table = compiled.table.clone();
            return Ok(compiled);
        }
        if self.refusal(&compiled).await?.is_some() {
            self.sift(world, &compiled).await?;
            compiled = self.compile(world);
            body = render::body(&compiled.model, &self.settings.folder);
        }
        if body != self.body {
            self.load(&body, &compiled).await?;
        }
        self.body = body;
        self.table = compiled.table.clone();
        Ok(compiled)
    }

    async fn load(&mut self, body: &str, compiled: &Compiled) -> io::Result<()> {
        self.folder.write_missing(&compiled.files)?;
        let generation = self.generation + 1;
        let config = format!("{}{body}", render::head(&self.settings.folder, generation));
        // The running configuration needs what it had; the next one needs what is new.
        let both = compiled.table.and(&self.table);
        if let Some(nginx) = &self.nginx {
            let text = serde_json::to_string(&both)?;
            nginx.tell(&text).await?;
            nginx.reload(&config, generation).await?;
            self.told = text;
        } else {
            self.nginx = Some(Nginx::start(&self.folder, &config, generation).await?);
            self.tell(&both).await?;
        }
        self.generation = generation;
        self.folder.remove_others(&compiled.files)?;
        tracing::info!("configuration {generation}: {} Ingresses", compiled.served.len());
        Ok(())
    }

    async fn tell(&mut self, table: &Table) -> io::Result<()> {
        let text = serde_json::to_string(table)?;
        if let (Some(nginx), true) = (&self.nginx, text != self.told) {
            nginx.tell(&text).await?;
            self.told = text;
        }
        Ok(())
    }

    /// What nginx says against it.
    async fn refusal(&self, compiled: &Compiled) -> io::Result<Option<String>> {
        self.folder.write_missing(&compiled.files)?;
        let body = render::body(&compiled.model, &self.settings.folder);
        let config = format!("{}{body}", render::head(&self.settings.folder, self.generation + 1));
        Ok(nginx::test(&self.folder, &config).await?.err())
    }

    /// Finds those that nginx refuses.
    async fn sift(&mut self, world: &World, compiled: &Compiled) -> io::Result<()> {
        let known: BTreeSet<Name> = self.refused.keys().cloned().collect();
        let without = |more: &BTreeSet<Name>| {
            let all = known.union(more).cloned().collect();
            compile(world, &self.settings, &all)
        };
        // When it refuses even nothing, no Ingress is to blame: what runs keeps running.
        if let Some(why) = self.refusal(&without(&compiled.served)).await? {
            return Err(io::Error::other(format!("nginx refuses every configuration: {why}")));
        }
        let ours = world.ours(&self.settings);
        let candidates: Vec<Name> =
            ours.iter().map(|i| Name::of(i.as_ref())).filter(|name| compiled.served.contains(name)).collect();
        let bad = sift(&candidates, async |more: &BTreeSet<Name>| self.refusal(&without(more)).await).await?;
        for (name, why) in bad {
            if let Some(ingress) = ours.iter().find(|i| Name::of(i.as_ref()) == name) {
                self.refused.insert(name, (print(ingress), why));
            }
        }
        Ok(())
    }
}

/// What an Ingress was: as long as that stays, so does what nginx says of it.
fn print(ingress: &k8s_openapi::api::networking::v1::Ingress) -> String {
    let text = serde_json::to_string(&(ingress.uid(), ingress.annotations(), &ingress.spec)).unwrap_or_default();
    hash(text.as_bytes())
}
