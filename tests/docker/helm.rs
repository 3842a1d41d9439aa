//! The real Helm, for tests only: built once from the module of the node image's programs, and a chart's whole life.

use std::path::Path;
use std::process::Command;

use knarr::host::{Env, Host};
use knarr::image::build::Surroundings;
use knarr::image::platform::Arch;
use knarr::image::recipe::Recipe;
use knarr::image::versions::pinned;

use crate::cluster::{Cluster, text};
use crate::docker::{Foreign, docker};
use crate::processes::{self, Run};
use crate::scene::{Scene, kept, prefix};
use crate::wait::{seconds, until};
use crate::{Case, shared};

pub const CASES: &[Case] = &[("is_the_real_one", is_the_real_one), ("a_charts_life", a_charts_life)];

const GO_MOD: &str = include_str!("../../images/node/go/go.mod");
const MODULE: &str = "helm.sh/helm/v3";

/// Helm's version as go.mod pins it, `v3.21.4`.
fn version() -> &'static str {
    let line = GO_MOD.lines().find(|line| line.trim().starts_with(&format!("{MODULE} ")));
    line.and_then(|line| line.split_whitespace().nth(1)).expect("go.mod names Helm")
}

/// Helm's program; the first run that asks builds it, and the folder of this build keeps it.
///
/// Use it as `scene.program(&helm::program(), &["list"])`, after `knarr export kubeconfig`.
pub fn program() -> String {
    let kept = kept().join(format!("helm-{}", version()));
    if !kept.is_file() {
        build(&kept);
    }
    kept.to_string_lossy().into_owned()
}

/// Builds it in the builder of the node image, in whose caches almost all of its packages lie compiled.
fn build(to: &Path) {
    eprintln!("building Helm {}, once; minutes if the caches of the node image's build are gone", version());
    let arch = docker(&["version", "--format", "{{.Server.Arch}}"]).ok();
    let arch = Arch::of_docker(arch.out().trim()).expect("a processor that knarr knows");
    let recipe = Recipe::new(pinned(), None, arch, arch).expect("the pinned version can be built");
    let image = &recipe.builder_packages.tag;
    let there = docker(&["image", "inspect", image]).status == 0;
    assert!(there, "Helm is built in {image}, which is not here: remove the node image, then `knarr image build`");

    let env: Env = std::env::vars().collect();
    let surroundings = Surroundings::of(&env, &Host::real());
    let settings: Vec<String> = recipe.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let script = format!(
        "cd /src && timeout 3600 nice -n 5 go build -trimpath -tags {tags} \
         -ldflags '-s -w -X {MODULE}/internal/version.version={version}' -o /helm {MODULE}/cmd/helm",
        tags = pinned().go.tags.join(","),
        version = version(),
    );
    let container = Foreign::new("container", format!("{}-helm", prefix()));
    let mut create = vec!["container", "create", "--name", &container.name];
    create.extend([
        "--volume",
        "knarr-build-gomod:/go/pkg/mod",
        "--volume",
        "knarr-build-gocache:/root/.cache/go-build",
    ]);
    create.extend(surroundings.host_network.then_some("--network=host"));
    create.extend(settings.iter().chain(&surroundings.env).flat_map(|setting| ["--env", setting]));
    create.extend([image, "sh", "-euc", &script]);
    docker(&create).ok();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/images/node/go");
    // Through Docker, not by a mount: Docker may see other folders than this program.
    docker(&["cp", sources, &format!("{}:/src", container.name)]).ok();
    if let Some(pem) = &surroundings.ca_pem {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.crt"), pem).expect("a temporary file is written");
        docker(&["cp", &folder.path().to_string_lossy(), &format!("{}:/knarr", container.name)]).ok();
    }
    // Not through `run`, which ends what takes longer than any other command may.
    let built = Command::new("docker").args(["start", "--attach", &container.name]).status().expect("docker is here");
    assert!(built.success(), "Helm was not built ({built}); what its compiler said is above");
    let unproved = to.with_extension("new");
    docker(&["cp", &format!("{}:/helm", container.name), &unproved.to_string_lossy()]).ok();
    let proof = processes::run(Command::new(&unproved).args(["version", "--short"]), b"").ok();
    assert_eq!(proof.out().trim(), version());
    std::fs::rename(&unproved, to).expect("both are in one folder");
}

/// Helm with the kubeconfig of a scene and a namespace.
struct Helm<'s> {
    scene: &'s Scene,
    cluster: &'s Cluster<'s>,
    namespace: &'static str,
}

impl Helm<'_> {
    fn run(&self, arguments: &[&str]) -> Run {
        processes::run(
            &mut self.scene.program(&program(), &[&["--namespace", self.namespace], arguments].concat()),
            b"",
        )
    }

    /// Installs or upgrades from the chart, and returns when all is ready.
    fn chart(&self, verb: &str, settings: &[&str]) {
        let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/docker/fixtures/chart");
        self.run(&[&[verb, RELEASE, chart, "--wait", "--timeout", "90s"], settings].concat()).ok();
    }

    /// How many pods serve, and what they say of their version through the Service.
    fn serves(&self) -> (u64, String) {
        let deployment = self.cluster.get(&["deployment", RELEASE, "-n", self.namespace]);
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or_default();
        let path = format!("/api/v1/namespaces/{}/services/{RELEASE}:http/proxy/version", self.namespace);
        (ready, self.cluster.kubectl(&["get", "--raw", &path]).ok().out().trim().to_owned())
    }

    /// Waits until that many pods of that version serve, and nothing else.
    fn comes_to(&self, pods: u64, version: &str) {
        let wanted = (pods, version.to_owned());
        until(&format!("{pods} pods of {version}"), seconds(60), || {
            let found = self.serves();
            if found == wanted { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }
}

const RELEASE: &str = "shop";

fn is_the_real_one(scene: &Scene) {
    let run = processes::run(&mut scene.program(&program(), &["version", "--template", "{{.Version}}"]), b"").ok();
    assert_eq!(run.out(), version());
}

fn a_charts_life(scene: &Scene) {
    let shared = shared::cluster(scene);
    scene.knarr(&["export", "kubeconfig", "--name", &shared.cluster.name]).ok();
    let helm = Helm { scene, cluster: &shared.cluster, namespace: "helm-life" };

    helm.chart("install", &["--create-namespace"]);
    helm.comes_to(1, "v1");
    helm.chart("upgrade", &["--set", "replicaCount=3"]);
    helm.comes_to(3, "v1");
    helm.chart("upgrade", &["--reuse-values", "--set", "image.tag=v2"]);
    helm.comes_to(3, "v2");
    helm.run(&["rollback", RELEASE, "2", "--wait", "--timeout", "90s"]).ok();
    helm.comes_to(3, "v1");
    let history = helm.run(&["history", RELEASE, "-o", "json"]).ok().json();
    let states: Vec<&str> = history.as_array().expect("a list").iter().map(|r| text(r, "/status")).collect();
    assert_eq!(states, ["superseded", "superseded", "superseded", "deployed"], "{history}");
    helm.run(&["uninstall", RELEASE, "--wait", "--timeout", "90s"]).ok();
    assert_eq!(helm.run(&["list", "--all", "-o", "json"]).ok().json(), serde_json::json!([]));
    let left = shared.cluster.get(&["deployments,services,secrets", "-n", helm.namespace]);
    assert_eq!(left["items"], serde_json::json!([]), "{left:#}");

    shared.cluster.kubectl(&["delete", "namespace", helm.namespace]).ok();
}
