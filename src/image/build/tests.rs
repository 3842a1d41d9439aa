//! Builds in a Docker in memory: what is called, and that nothing is left whatever goes wrong.

use std::sync::{Arc, LazyLock};

use futures::executor::block_on;
use tokio_util::sync::CancellationToken;

use super::workshop::PREFIX;
use super::*;
use crate::engine::archive::Tree;
use crate::engine::fake::{FakeEngine, How, When};
use crate::engine::{EngineErrorKind, ExecOutcome, ExecSpec, op};
use crate::image::INPUTS_LABEL;
use crate::image::platform::Arch;
use crate::image::sources::Sources;
use crate::image::versions::pinned;
use crate::report::plain::Recorder;

fn recipe() -> &'static Recipe {
    static RECIPE: LazyLock<Recipe> = LazyLock::new(|| {
        let recipe = Recipe::new(pinned(), None, Arch::Amd64, Arch::Amd64).unwrap();
        // The sources themselves would only be carried about here, two hundred times.
        Recipe { sources: Sources::none(), ..recipe }
    });
    &RECIPE
}

/// A Docker with a registry that has Debian, and containers in which every script succeeds.
fn docker() -> FakeEngine {
    let engine = FakeEngine::new();
    engine.offer_image("debian:trixie-slim", &Labels::new());
    let inside = engine.clone();
    engine.on_exec(move |container, exec| run(&inside, container, exec));
    engine
}

fn run(engine: &FakeEngine, container: &str, exec: &ExecSpec) -> ExecOutcome {
    let script = exec.argv.last().map_or("", String::as_str);
    let put = |path: &str| {
        let mut tree = Tree::new(0);
        tree.file(path.trim_start_matches('/'), 0o755, b"x".to_vec()).unwrap();
        // A container that the test has taken away meanwhile needs no files.
        let (engine, name, tar) = (engine.clone(), container.to_owned(), tree.build().unwrap());
        // On a thread of its own: this one is the runtime's, which must not be blocked for itself.
        let _ = std::thread::spawn(move || block_on(engine.put_archive(&name, "/", tar))).join();
    };
    if script.contains("apt-get install") {
        put("/usr/bin/x");
    }
    if let Some(folder) = script.strip_prefix("mkdir -p ").and_then(|rest| rest.split_whitespace().next()) {
        put(&format!("{folder}/x"));
    }
    let measured = script.split_whitespace().filter(|word| script.starts_with("du ") && word.starts_with("/out/"));
    let stdout: Vec<String> = measured.map(|folder| format!("1000\t{folder}\n")).collect();
    ExecOutcome { stdout: stdout.concat().into_bytes(), ..ExecOutcome::default() }
}

async fn build_in(engine: &FakeEngine, cancel: &CancellationToken) -> Result<Built> {
    let steps = Steps::new(Arc::new(Recorder::default()));
    build(engine, &steps, cancel, recipe(), &Surroundings::default()).await
}

fn containers(engine: &FakeEngine) -> Vec<String> {
    engine.left().into_iter().filter(|left| left.starts_with("container ")).collect()
}

/// The calls without the names that differ from run to run.
fn anonymous(engine: &FakeEngine) -> String {
    let recipe = recipe();
    let mut text = engine.changes();
    for (name, plain) in [
        (&recipe.node_packages.tag, "PACKAGES"),
        (&recipe.builder_packages.tag, "BUILDER"),
        (&recipe.components.tag, "COMPONENTS"),
    ] {
        text = text.replace(name, plain);
    }
    let run = text.split(PREFIX).nth(1).and_then(|rest| rest.split('-').next()).unwrap_or_default().to_owned();
    text.replace(&run, "RUN")
}

#[tokio::test]
async fn a_build_from_nothing() {
    let engine = docker();
    let built = build_in(&engine, &CancellationToken::new()).await.unwrap();
    assert!(!built.up_to_date && built.image.labels[INPUTS_LABEL] == recipe().inputs());
    assert_eq!(sizes(&built.image.labels)["kubernetes"], 1000);
    assert_eq!(containers(&engine), Vec::<String>::new());
    insta::assert_snapshot!(anonymous(&engine));
}

#[tokio::test]
async fn a_second_build_changes_nothing() {
    let engine = docker();
    build_in(&engine, &CancellationToken::new()).await.unwrap();
    let before = engine.changes();
    assert!(build_in(&engine, &CancellationToken::new()).await.unwrap().up_to_date);
    assert_eq!(engine.changes(), before);
}

#[tokio::test]
async fn an_image_that_lost_its_name_goes() {
    let engine = docker();
    let labels = Labels::from([(BUILD_LABEL.to_owned(), "done".to_owned())]);
    engine.offer_image(&recipe().reference, &labels);
    engine.pull_image(&recipe().reference, None, &|_| ()).await.unwrap();
    let old = engine.find_image(&recipe().reference).await.unwrap().unwrap();
    let new = build_in(&engine, &CancellationToken::new()).await.unwrap().image;
    assert_ne!(new.id, old.id);
    let left = engine.list_images(BUILD_LABEL).await.unwrap();
    assert!(left.iter().all(|image| image.id != old.id && !image.tags.is_empty()), "{left:?}");
}

#[tokio::test]
async fn whatever_fails_no_container_is_left() {
    let calls = {
        let engine = docker();
        build_in(&engine, &CancellationToken::new()).await.unwrap();
        engine.calls()
    };
    // Without a registry this machine would bootstrap Debian, which is no matter for a unit test.
    for number in calls.iter().filter(|call| call.operation != op::PULL_IMAGE).map(|call| call.number) {
        let engine = docker();
        engine.inject(When::Call(number), How::Refuse(EngineErrorKind::Other));
        let call = || engine.calls()[number - 1].to_string();
        // Some failures are none: a registry that does not answer, for example.
        let result = build_in(&engine, &CancellationToken::new()).await;
        let removal = engine.calls()[number - 1].operation == op::REMOVE_CONTAINER;
        let said = result.err().and_then(|e| e.state).unwrap_or_default();
        let left = containers(&engine);
        assert!(left.is_empty() || removal || said.contains("are left"), "{}: {left:?}", call());
    }
}

#[tokio::test]
async fn an_interrupt_at_any_time_leaves_no_container() {
    let calls = {
        let engine = docker();
        build_in(&engine, &CancellationToken::new()).await.unwrap();
        engine.calls().len()
    };
    for number in 1..=calls {
        let (engine, cancel) = (docker(), CancellationToken::new());
        let token = cancel.clone();
        engine.on_call(move |call| {
            if call.number == number {
                token.cancel();
            }
        });
        match build_in(&engine, &cancel).await {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind, ErrorKind::Interrupted, "{error}"),
        }
        assert_eq!(containers(&engine), Vec::<String>::new(), "{}", engine.calls()[number - 1]);
    }
}
