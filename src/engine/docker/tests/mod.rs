//! The same engine against a real Docker. Runs only with `KNARR_TEST_DOCKER=1` and a static `busybox` in `PATH`.
//!
//! Each test makes objects with names and a label of its own and sweeps them by that label, before it asserts anything
//! that may fail for good.

#![expect(clippy::disallowed_methods, reason = "the gate is an environment variable, and mounts need files")]

mod containers;
mod hosts;

use std::future::Future;

use super::*;
use crate::engine::EngineErrorKind;
use crate::engine::archive::Tree;

/// The label of everything that these tests make.
const LABEL: &str = "knarr-engine-test";

struct Bench {
    engine: DockerEngine,
    /// Starts every name; differs from run to run.
    id: String,
}

impl Bench {
    fn labels(&self) -> Labels {
        [(LABEL.to_owned(), self.id.clone())].into()
    }

    fn label(&self) -> String {
        format!("{LABEL}={}", self.id)
    }

    fn image(&self) -> String {
        format!("{}/busybox:1", self.id)
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.id)
    }

    /// A container that sleeps until it is told to stop.
    fn spec(&self, suffix: &str) -> ContainerSpec {
        ContainerSpec {
            name: self.name(suffix),
            image: self.image(),
            entrypoint: Some(sh("trap 'exit 7' TERM; echo up; echo bad >&2; while :; do busybox sleep 0.05; done")),
            labels: self.labels(),
            ..ContainerSpec::default()
        }
    }

    async fn run(&self, spec: &ContainerSpec) {
        self.engine.create_container(spec).await.unwrap();
        self.engine.start_container(&spec.name).await.unwrap();
    }

    async fn exec(&self, container: &str, script: &str) -> (i64, String, String) {
        let outcome = self.engine.exec(container, &ExecSpec::new(sh(script))).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (outcome.status, text(outcome.stdout), text(outcome.stderr))
    }

    async fn sweep(&self) {
        for container in self.engine.list_containers(&self.label()).await.unwrap() {
            self.engine.remove_container(&container.name).await.unwrap();
        }
        for volume in self.engine.list_volumes(&self.label()).await.unwrap() {
            self.engine.remove_volume(&volume.name).await.unwrap();
        }
        for network in self.engine.list_networks().await.unwrap() {
            if network.labels == self.labels() {
                self.engine.remove_network(&network.name).await.unwrap();
            }
        }
        for image in [self.image(), self.name("committed"), self.name("tagged")] {
            self.engine.remove_image(&image, true).await.unwrap();
        }
        assert_eq!(self.engine.list_containers(&self.label()).await.unwrap(), []);
        assert_eq!(self.engine.list_volumes(&self.label()).await.unwrap(), []);
        assert_eq!(self.engine.list_images(&self.label()).await.unwrap(), []);
    }
}

fn sh(script: &str) -> Vec<String> {
    ["busybox", "sh", "-c", script].map(str::to_owned).into()
}

fn kind<T: std::fmt::Debug>(result: EngineResult<T>) -> EngineErrorKind {
    result.unwrap_err().kind
}

/// A root file system with nothing but busybox.
fn root() -> ByteStream {
    let path = std::env::var_os("PATH").unwrap();
    let busybox = std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|file| file.exists());
    let mut tree = Tree::new(0);
    tree.file("bin/busybox", 0o755, std::fs::read(busybox.expect("a static `busybox` in PATH")).unwrap()).unwrap();
    tree.folder("tmp", 0o777).unwrap();
    let pieces: Vec<EngineResult<Vec<u8>>> =
        tree.build().unwrap().chunks(50_000).map(|piece| Ok(piece.to_vec())).collect();
    Box::pin(futures::stream::iter(pieces))
}

/// Runs a test with a bench, and sweeps whatever becomes of it.
fn with_docker<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(std::sync::Arc<Bench>) -> F) {
    use std::io::Write as _;
    if std::env::var("KNARR_TEST_DOCKER").as_deref() != Ok("1") {
        // Past the capture of the test runner: a skipped test must not look like one that passed.
        let _ = writeln!(std::io::stderr(), "SKIPPED: this test needs Docker, set KNARR_TEST_DOCKER=1");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let surroundings = Surroundings { docker_host: std::env::var("DOCKER_HOST").ok(), ..Surroundings::default() };
        let engine = DockerEngine::connect(&surroundings).await.unwrap();
        let id = format!("knarr-et-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let bench = std::sync::Arc::new(Bench { engine, id });
        bench.engine.import_image(&bench.image(), None, root()).await.unwrap();
        let outcome = tokio::spawn(test(bench.clone())).await;
        bench.sweep().await;
        outcome.unwrap();
    });
}
