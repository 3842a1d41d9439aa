//! `knarr why` on a real cluster: every broken sample is applied, and its cause is found as its comment says.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::cluster::Cluster;
use crate::docker::docker;
use crate::images;
use crate::processes::{Run, run, together};
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, shared};

pub const CASES: &[Case] =
    &[("every_broken_sample", every_broken_sample), ("what_docker_and_addons_know", what_docker_and_addons_know)];

/// A sample, the rule that explains it, a few words of the sentence, and whether the first command mends it.
type Expected = (&'static str, &'static str, &'static str, bool);

const EXPECTED: &[Expected] = &[
    ("app-error", "application-exits", "exit code 1", false),
    ("claim-missing", "missing-claim", "`data`, which does not exist", false),
    ("claim-no-provisioner", "claim-no-provisioner", "`disk.csi.example.com`", false),
    ("claim-no-volume", "claim-no-volume", "No PersistentVolume fits", false),
    ("claim-unknown-class", "claim-class", "`fast-ssd`, which does not exist", false),
    ("claim-waits", "claim-waits", "waits for the first Pod", false),
    ("command-not-found", "application-exits", "exit code 127", false),
    ("evicted", "evicted", "wrote more than it may", false),
    ("finalizer", "stuck-terminating", "`example.com/keep`", true),
    ("host-port", "host-port", "port 18080", false),
    ("hpa-no-requests", "autoscaler-requests", "requests none", false),
    ("hpa-no-target", "autoscaler-target", "`webapp`, which does not exist", false),
    ("ingress-class", "ingress-class", "`ngnix`, which does not exist", false),
    ("ingress-port", "ingress-port", "port 8080 of the Service `web`", false),
    ("ingress-service", "ingress-service", "there is `web`", false),
    ("ingress-tls", "ingress-secret", "`shop-tls`", false),
    ("init-container", "application-exits", "init container `migrate`", false),
    ("invalid-image", "invalid-image-name", "not a name that an image can have", false),
    ("job", "application-exits", "exit code 2", false),
    ("limit-range", "limit-range", "small-containers", false),
    ("liveness", "liveness-probe", "kills it and starts it again", false),
    ("missing-configmap", "missing-configuration", "there is `web-config`", false),
    ("missing-key", "missing-key", "there is `password`", false),
    ("missing-secret-volume", "missing-configuration", "`web-tls`", false),
    ("namespace-terminating", "namespace-terminating", "finalizers", false),
    ("network-policy", "network-policy", "NetworkPolicy deny-all", false),
    ("no-network", "registry-unreachable", "registry `registry.invalid`", false),
    ("no-such-program", "program-not-found", "`/app/start-worker`", false),
    ("node-affinity", "node-selector", "mars-north-1", false),
    ("node-selector", "node-selector", "disk=nvme", false),
    ("not-loaded", "image-not-loaded", "never loaded into the cluster", true),
    ("out-of-memory", "out-of-memory", "limit of 32Mi", false),
    ("pod-affinity", "pod-affinity", "beside another Pod", false),
    ("pod-security", "pod-security", "level `restricted`", false),
    ("private-registry", "private-registry", "wants a user and a password", false),
    ("pull-never", "image-never-pulled", "imagePullPolicy: Never", false),
    ("pull-policy", "image-pull-policy", "imagePullPolicy: Always", false),
    ("quota", "quota-exceeded", "quota `small`", false),
    ("quota-needs-limits", "quota-needs-resources", "limits.memory", true),
    ("readiness", "readiness-probe", "readiness probe", false),
    ("registry-refuses", "registry-unreachable", "nobody listens", false),
    ("registry-tls", "registry-certificate", "do not trust the certificate", false),
    ("rollout", "readiness-probe", "readiness probe", false),
    ("security-context", "runs-as-root", "must not run as root", false),
    ("segmentation-fault", "application-exits", "SIGSEGV", false),
    ("service-account", "missing-service-account", "`web-reader`", false),
    ("service-not-ready", "readiness-probe", "readiness probe", false),
    ("service-selector", "service-selector", "nearest is deployment/web", true),
    ("startup", "startup-probe", "startup probe", false),
    ("statefulset", "readiness-probe", "readiness probe", false),
    ("taint", "taints", "does not tolerate", false),
    ("target-port", "target-port", "nobody there listens on 80", true),
    ("target-port-name", "target-port", "named `web`", true),
    ("too-large", "too-large", "more than any node has", true),
    ("wrong-architecture", "wrong-architecture", "another processor", false),
    ("wrong-platform", "image-wrong-platform", "not made for the nodes' processor", false),
    ("wrong-tag", "wrong-image", "the nodes have `knarr.dev/hello", true),
];

/// How many samples are asked about at once.
const LANES: usize = 4;

/// Samples of what is broken only while an addon is off.
const WITHOUT_ADDONS: &[(&str, &str, &str)] = &[
    ("hpa-no-metrics", "autoscaler-metrics", "metrics-server"),
    ("load-balancer", "load-balancer-pending", "load-balancer"),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/samples/broken")
}

fn read(sample: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{sample}.yaml"))).expect("the sample is there")
}

/// Asks as the sample's comment says.
fn ask(scene: &Scene, cluster: &str, text: &str) -> Run {
    let words = text.lines().find_map(|line| line.split_once("knarr why ")).expect("the comment asks").1;
    let words: Vec<&str> = words.split_whitespace().collect();
    scene.knarr(&[&["why", "--name", cluster, "-o", "json"], &words[..]].concat())
}

/// Waits until the answer is this rule; returns the finding.
fn explained(scene: &Scene, cluster: &str, sample: &str, text: &str, rule: &str) -> Value {
    until(&format!("{sample} is explained by {rule}"), seconds(180), || {
        let run = ask(scene, cluster, text);
        let answer: Value = serde_json::from_slice(&run.stdout).map_err(|_| run.to_string())?;
        let found = answer["findings"].as_array().and_then(|all| all.iter().find(|f| f["rule"] == rule));
        found.cloned().filter(|_| run.status == 5).ok_or_else(|| run.to_string())
    })
}

fn check(sample: &str, finding: &Value, words: &str) {
    let sentence = finding["sentence"].as_str().unwrap_or_default();
    assert!(sentence.contains(words), "{sample}: {sentence}");
    let lines = |field: &str| finding[field].as_array().map(Vec::len).unwrap_or_default();
    assert!((1..=10).contains(&lines("evidence")) && lines("commands") > 0, "{sample}: {finding:#}");
    for command in finding["commands"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        assert!(command.starts_with("knarr ") || command.starts_with("docker "), "{sample}: {command}");
    }
}

/// Runs a command that was suggested, in a shell, as a person would.
fn obey(scene: &Scene, finding: &Value) {
    let command = finding["commands"][0].as_str().expect("a command");
    let script = command.replacen("knarr ", &format!("{} ", env!("CARGO_BIN_EXE_knarr")), 1);
    run(&mut scene.program("sh", &["-c", &script]), b"").ok();
}

/// Waits until nothing is said of a sample any more.
fn mended(scene: &Scene, cluster: &str, sample: &str, text: &str) {
    until(&format!("{sample} is mended"), seconds(120), || {
        let run = ask(scene, cluster, text);
        // What had only a finalizer to live for is gone.
        if matches!(run.status, 0 | 7) { Ok(()) } else { Err(run.to_string()) }
    });
}

fn every_broken_sample(scene: &Scene) {
    let shared = shared::cluster(scene);
    let (cluster, name) = (&shared.cluster, shared.cluster.name.clone());
    let image = images::make(scene, "not-loaded");
    let texts: Vec<String> =
        EXPECTED.iter().map(|(sample, ..)| read(sample).replace("knarr.dev/my-app:v1", &image.name)).collect();
    for text in &texts {
        cluster.kubectl_reading(&["apply", "--server-side", "-f", "-"], text.as_bytes()).ok();
    }
    cluster.kubectl(&["delete", "pod", "web", "-n", "broken-finalizer", "--wait=false"]).ok();
    cluster.kubectl(&["delete", "namespace", "broken-namespace-terminating", "--wait=false"]).ok();
    // One question is mostly waiting for answers: several at once, each about a namespace of its own.
    let next = AtomicUsize::new(0);
    let lane = || {
        while let Some(((sample, rule, words, mends), text)) =
            EXPECTED.iter().zip(&texts).nth(next.fetch_add(1, Ordering::Relaxed))
        {
            let finding = explained(scene, &name, sample, text, rule);
            check(sample, &finding, words);
            if *mends {
                obey(scene, &finding);
                mended(scene, &name, sample, text);
            }
        }
    };
    together((0..LANES).map(|_| Box::new(lane) as Box<dyn FnOnce() + Send + '_>).collect());
    let all = scene.knarr(&["why", "-A", "--name", &name]).exits(5);
    assert!(
        all.out().contains("deployment/shop in broken-app-error (2 Pods: "),
        "Pods of one cause are one finding: {all}"
    );
    let kept = "{\"metadata\":{\"finalizers\":null}}";
    cluster
        .kubectl(&["patch", "configmap", "kept", "-n", "broken-namespace-terminating", "--type=merge", "-p", kept])
        .ok();
    for text in &texts {
        cluster.kubectl_reading(&["delete", "--wait=false", "--ignore-not-found", "-f", "-"], text.as_bytes()).ok();
    }
    until("the samples are gone", seconds(180), || {
        let left = cluster.get(&["namespaces"]);
        let left = left["items"].as_array().into_iter().flatten();
        let left: Vec<&str> =
            left.filter_map(|n| n["metadata"]["name"].as_str()).filter(|n| n.starts_with("broken-")).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(", ")) }
    });
}

fn what_docker_and_addons_know(scene: &Scene) {
    let cluster = scene.cluster("why");
    cluster.create(&["--workers", "1"]);
    scene.knarr(&["why", "-A", "--name", &cluster.name]).ok();
    scene.knarr(&["addons", "disable", "metrics-server", "load-balancer", "--force", "--name", &cluster.name]).ok();
    for (sample, rule, words) in WITHOUT_ADDONS {
        let text = read(sample);
        cluster.apply(&text);
        check(sample, &explained(scene, &cluster.name, sample, &text, rule), words);
    }
    stopped(scene, &cluster);
    pressed(scene, &cluster);
    docker(&["stop", &cluster.control_plane()]).ok();
    let run = scene.knarr(&["why", "-A", "--name", &cluster.name]).exits(5);
    assert!(run.stderr.contains(&format!("knarr start {}", cluster.name)), "{run}");
    cluster.delete();
}

/// What a kubelet may find too little of, and the words for it.
const PRESSURES: [(&str, &str); 3] =
    [("nodefs.available", "disk"), ("memory.available", "memory"), ("pid.available", "process numbers")];

/// A Pod that only this node may have.
fn guest(node: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: guest}}, spec: {{nodeName: {node}, \
         containers: [{{name: guest, image: knarr.dev/hello:v1}}]}}}}"
    )
}

/// A node is short of one thing after the other: nothing is used up, the kubelet is told to want nearly all of it.
fn pressed(scene: &Scene, cluster: &Cluster<'_>) {
    const FILE: &str = "/etc/kubernetes/kubelet.conf.d/90-pressure.conf";
    let worker = format!("{}-worker", cluster.name);
    cluster.apply(&guest(&worker));
    until("the guest runs", seconds(60), || {
        let run = cluster.kubectl(&["get", "pod", "guest", "-o", "jsonpath={.status.phase}"]);
        if run.out() == "Running" { Ok(()) } else { Err(run.to_string()) }
    });
    let ask = format!("knarr why node/{worker}");
    for (signal, what) in PRESSURES {
        let limits = serde_json::json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "evictionHard": {signal: "99.999%"},
            "evictionPressureTransitionPeriod": "1s",
        });
        cluster.exec(&worker, &["sh", "-c", &format!("echo '{limits}' >{FILE}")]).ok();
        kill_kubelet(cluster, &worker);
        until(&format!("pressure on {what} is told"), seconds(120), || {
            let finding = explained(scene, &cluster.name, &worker, &ask, "node-pressure");
            let sentence = finding["sentence"].as_str().unwrap_or_default();
            if sentence.contains(&format!("short of {what}")) { Ok(()) } else { Err(finding.to_string()) }
        });
    }
    let evicted = explained(scene, &cluster.name, "guest", "knarr why pod/guest -n default", "evicted");
    check("guest", &evicted, &format!("`{worker}` ran short of"));
    cluster.exec(&worker, &["rm", FILE]).ok();
    kill_kubelet(cluster, &worker);
    until("nothing is said of the node any more", seconds(120), || {
        let run = scene.knarr(&["why", &format!("node/{worker}"), "--name", &cluster.name]);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
}

/// The kubelet starts anew, with what its files say now.
fn kill_kubelet(cluster: &Cluster<'_>, node: &str) {
    let status = cluster.exec(node, &["knarr-node", "status", "-o", "json"]).ok().json();
    let all = status["components"].as_array().into_iter().flatten();
    let pid = all.filter(|c| c["name"] == "kubelet").find_map(|c| c["pid"].as_u64()).expect("a kubelet runs");
    cluster.exec(node, &["sh", "-c", &format!("kill {pid}")]).ok();
}

/// A node's container that is stopped or frozen is told at once, and as the one cause of what it carried.
fn stopped(scene: &Scene, cluster: &Cluster<'_>) {
    let worker = format!("{}-worker", cluster.name);
    let node = format!("node/{worker}");
    for (does, undoes, state) in [("pause", "unpause", "paused"), ("stop", "start", "exited")] {
        docker(&[does, &worker]).ok();
        let run = scene.knarr(&["why", &node, "--name", &cluster.name]).exits(5);
        assert!(run.out().contains(&format!("Docker says: {state}")), "{run}");
        assert!(run.out().contains(&format!("knarr {undoes} {}", cluster.name)), "{run}");
        if does == "stop" {
            until("the Pods' cause is the node", seconds(120), || {
                let run = scene.knarr(&[
                    "why",
                    "deploy/web",
                    "-n",
                    "broken-load-balancer",
                    "--name",
                    &cluster.name,
                    "-o",
                    "json",
                ]);
                let answer: Value = serde_json::from_slice(&run.stdout).map_err(|_| run.to_string())?;
                let rules: Vec<&Value> =
                    answer["findings"].as_array().into_iter().flatten().map(|f| &f["rule"]).collect();
                if rules == ["node-container"] { Ok(()) } else { Err(run.to_string()) }
            });
        }
        scene.knarr(&[undoes, &cluster.name]).ok();
    }
    until("the node is back", seconds(120), || {
        let run = scene.knarr(&["why", &node, "--name", &cluster.name]);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
}
