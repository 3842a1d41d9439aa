//! `registries:` in the config: nodes pull through a real registry as the README shows, and as other files say that change it
//! live.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::docker::{Foreign, docker, inspect};
use crate::images;
use crate::processes::run;
use crate::scene::{Scene, kept, prefix};
use crate::wait::{seconds, until};

/// The cases of this file.
pub const CASES: &[Case] = &[("from_mirror_to_mirror", from_mirror_to_mirror)];

/// Debian's build of the registry that most people run, unpacked beside the tests: installed, it would be a service.
const PACKAGE: &str = "docker-registry";
const PORT: u16 = 5000;
const README: &str = include_str!("../../README.md");

/// The registry's program; none where it cannot be had.
fn program() -> Option<PathBuf> {
    let folder = kept().join(PACKAGE);
    let program = folder.join("usr/bin/docker-registry");
    if program.is_file() {
        return Some(program);
    }
    let download = tempfile::Builder::new().prefix("knarr-test-").tempdir().expect("a temporary folder");
    let script = "apt-get download \"$1\" && dpkg-deb --extract ./*.deb \"$2\"";
    let mut command = Command::new("sh");
    command.args(["-euc", script, "sh", PACKAGE]).arg(&folder).current_dir(download.path());
    let unpacked = run(&mut command, b"");
    if unpacked.status != 0 {
        eprintln!("SKIPPED registries: the Debian package {PACKAGE} cannot be had here\n{unpacked}");
        return None;
    }
    Some(program)
}

/// A registry on a port of this machine to which Docker pushes, and then on the cluster's network.
struct Registry {
    container: Foreign,
    /// Where the nodes find it.
    inside: String,
    /// Where this machine's Docker finds it.
    outside: String,
}

impl Registry {
    fn start(scene: &Scene, cluster: &Cluster<'_>, program: &std::path::Path) -> Self {
        let container = Foreign::new("container", format!("{}-registry", prefix()));
        let config = scene.write(
            "registry.yml",
            format!("version: 0.1\nstorage: {{filesystem: {{rootdirectory: /registry}}}}\nhttp: {{addr: ':{PORT}'}}\n"),
        );
        let image = inspect(&cluster.control_plane());
        let (network, port) = (format!("knarr-{}", cluster.name), format!("127.0.0.1::{PORT}"));
        let run = ["container", "create", "--name", &container.name, "--publish", &port];
        let serves = ["--entrypoint", "/docker-registry", text(&image, "/Config/Image"), "serve", "/registry.yml"];
        docker(&[&run[..], &serves].concat()).ok();
        // Not by mounts: Docker may see other folders than this program.
        for file in [program, &config] {
            docker(&["cp", &file.to_string_lossy(), &format!("{}:/", container.name)]).ok();
        }
        docker(&["start", &container.name]).ok();
        assert!(README.contains("`docker network connect knarr-dev registry`"), "what it says is done here");
        docker(&["network", "connect", &network, &container.name]).ok();
        let found = inspect(&container.name);
        let address = text(&found, &format!("/NetworkSettings/Networks/{network}/IPAddress")).to_owned();
        let published = text(&found, &format!("/NetworkSettings/Ports/{PORT}~1tcp/0/HostPort")).to_owned();
        let by_name = cluster.exec(&cluster.control_plane(), &["getent", "hosts", &container.name]).ok();
        assert!(by_name.out().starts_with(&address), "nodes find it by its name\n{by_name}");
        // Where a proxy is set, nodes ask the proxy for names, which knows none of Docker's.
        let proxied =
            ["HTTP_PROXY", "http_proxy"].iter().any(|name| std::env::var_os(name).is_some_and(|p| !p.is_empty()));
        let host = if proxied { &address } else { &container.name };
        let inside = format!("http://{host}:{PORT}");
        Self { container, inside, outside: format!("127.0.0.1:{published}") }
    }

    fn push(&self, image: &str, name: &str) {
        let pushed = Foreign::new("image", format!("{}/{name}", self.outside));
        docker(&["tag", image, &pushed.name]).ok();
        until("the registry takes an image", seconds(30), || {
            let run = docker(&["push", "--quiet", &pushed.name]);
            if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
        });
    }

    fn log(&self) -> String {
        let run = docker(&["logs", &self.container.name]).ok();
        run.out() + &run.stderr
    }
}

/// The README's block of YAML, which this file applies.
pub fn shown() -> &'static str {
    let (_, shown) = README.split_once("```yaml\n").expect("a config");
    shown.split_once("\n```").expect("its end").0
}

fn from_mirror_to_mirror(scene: &Scene) {
    let Some(program) = program() else { return };
    let image = images::make(scene, "mirrored");
    let cluster = scene.cluster("mirrors");
    let apply = |registries: &str| {
        let others = "load-balancer: false, network-policy: false, metrics-server: false, storage: false";
        let nodes = "nodes:\n- role: control-plane\n  taints: []\n- role: worker\n";
        let config = format!(
            "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\naddons: {{{others}}}\n{nodes}registries: [{registries}]\n"
        );
        let file = scene.write("dev.yaml", config);
        scene.knarr(&["apply", "-f", &file.to_string_lossy(), "--name", &cluster.name, "--yes"]).ok()
    };
    apply("");
    let registry = Registry::start(scene, &cluster, &program);
    for name in ["team/one:1", "team/two:1", "team/three:1", "team/four:1"] {
        registry.push(&image.name, name);
    }
    let (lives, mirror) = (lives(&cluster), format!("mirrors: ['{}']", registry.inside));

    // Nobody has this name: without the mirror there is nothing to pull.
    fails(&cluster, "registry.invalid/team/one:1");
    apply(&format!("{{host: registry.invalid, {mirror}}}")).says("+  registry  registry.invalid");
    pulls(&cluster, "registry.invalid/team/one:1");
    fails(&cluster, "other.invalid/team/two:1");

    // The README's own, for what is pushed to this machine.
    let entry = shown().strip_prefix("registries:\n- ").expect("one entry");
    let entry = entry.lines().map(str::trim).collect::<Vec<_>>().join(", ");
    assert!(entry.contains("\"http://registry:5000\""), "the README's registry has another name now: {entry}");
    fails(&cluster, "localhost:5001/team/two:1");
    apply(&format!("{{{}}}", entry.replace("http://registry:5000", &registry.inside)));
    pulls(&cluster, "localhost:5001/team/two:1");

    apply(&format!("{{host: '*', {mirror}}}")).says("+  registry  *").says("-  registry  localhost:5001");
    pulls(&cluster, "other.invalid/team/two:1");
    pulls(&cluster, "registry.invalid/team/three:1");
    apply(&format!("{{host: '*', {mirror}}}")).says("is what the file says already");

    // What is not told any more is forgotten, also by a node that starts again.
    apply("");
    fails(&cluster, "registry.invalid/team/four:1");
    fails(&cluster, "other.invalid/team/four:1");
    assert_eq!(lives, self::lives(&cluster), "neither a node nor its containerd was started again");

    apply(&format!("{{host: registry.invalid, {mirror}}}"));
    scene.knarr(&["restart", &cluster.name]).ok();
    pulls(&cluster, "registry.invalid/team/four:1");
    let log = registry.log();
    assert!(log.contains("ns=registry.invalid") && log.contains("ns=other.invalid"), "the nodes asked it\n{log}");

    // What others have on the network does not keep the cluster, and is not harmed.
    cluster.delete();
    let left = inspect(&registry.container.name);
    let networks = left.pointer("/NetworkSettings/Networks").and_then(Value::as_object).expect("it says where it is");
    assert!(!networks.contains_key(&format!("knarr-{}", cluster.name)), "{left}");
    assert_eq!(left.pointer("/State/Running"), Some(&Value::Bool(true)), "{left}");
}

/// Runs a Pod of an image on each node; returns its manifest's name.
fn on_each_node(cluster: &Cluster<'_>, image: &str) -> String {
    let app = image.replace(['.', '/', ':'], "-");
    cluster.apply(&format!(
        "apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: {app}}}
spec:
  selector: {{matchLabels: {{app: {app}}}}}
  template:
    metadata: {{labels: {{app: {app}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: app, image: '{image}'}}]
"
    ));
    app
}

fn pulls(cluster: &Cluster<'_>, image: &str) {
    let app = on_each_node(cluster, image);
    cluster.pods_ready(&format!("app={app}"), 2);
    gone(cluster, &app);
}

fn fails(cluster: &Cluster<'_>, image: &str) {
    let app = on_each_node(cluster, image);
    until(&format!("neither node can pull {image}"), seconds(60), || {
        let pods = cluster.get(&["pods", "-l", &format!("app={app}")]);
        // A Pod that is new has no status of a container yet.
        let reason = |pod: &Value| {
            let found = pod.pointer("/status/containerStatuses/0/state/waiting/reason");
            found.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let reasons: Vec<String> = pods["items"].as_array().into_iter().flatten().map(reason).collect();
        let failed = |reason: &String| matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff");
        if reasons.len() == 2 && reasons.iter().all(failed) { Ok(()) } else { Err(pods.to_string()) }
    });
    gone(cluster, &app);
}

fn gone(cluster: &Cluster<'_>, app: &str) {
    cluster.kubectl(&["delete", "daemonset", app, "--cascade=foreground"]).ok();
}

/// When each node's container was started, and the process of its containerd.
fn lives(cluster: &Cluster<'_>) -> Vec<(String, Option<u64>)> {
    let life = |node: String| {
        let status = cluster.exec(&node, &["knarr-node", "status", "-o", "json"]).ok().json();
        let components = status["components"].as_array().into_iter().flatten();
        let containerd = components.into_iter().find(|component| component["name"] == "containerd").cloned();
        let pid = containerd.and_then(|component| component["pid"].as_u64());
        assert!(pid.is_some(), "{status}");
        (text(&inspect(&node), "/State/StartedAt").to_owned(), pid)
    };
    [cluster.control_plane(), format!("{}-worker", cluster.name)].map(life).to_vec()
}
