//! Docker restarts and stops a node: it comes back by itself with everything it had, and it ends in order.

use std::time::Instant;

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::docker::{docker, inspect};
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("restarted_and_stopped", restarted_and_stopped)];

fn restarted_and_stopped(scene: &Scene) {
    let cluster = scene.cluster("restart");
    cluster.create(&[]);
    cluster.kubectl(&["create", "configmap", "kept", "--from-literal=key=value"]).ok();
    cluster.kubectl(&["create", "deployment", "web", "--image=knarr.dev/hello:v1", "--replicas=2"]).ok();
    let pods = names(&cluster);
    let kubeconfig = scene.kubeconfig_text();
    let node = cluster.control_plane();
    let address = |node: &str| inspect(node)["NetworkSettings"]["Networks"].clone();
    let before = address(&node)[format!("knarr-{}", cluster.name)]["IPAddress"].clone();

    docker(&["restart", &node]).ok();
    comes_back(scene, &cluster, &pods);
    assert_eq!(address(&node)[format!("knarr-{}", cluster.name)]["IPAddress"], before);
    // As after a crash of the machine: nobody was asked, and Docker starts it again.
    docker(&["kill", &node]).ok();
    docker(&["start", &node]).ok();
    comes_back(scene, &cluster, &pods);
    assert_eq!(scene.kubeconfig_text(), kubeconfig);
    let get = scene.knarr(&["get", "kubeconfig", "--name", &cluster.name]).ok().out();
    let server = get.lines().find(|l| l.contains("server: ")).expect("a server").trim();
    assert!(kubeconfig.expect("a file").contains(server), "the API's port is another one: {server}");

    stopped(scene, &cluster);
}

fn names(cluster: &Cluster) -> Vec<String> {
    cluster.pods_ready("app=web", 2).iter().map(|pod| text(pod, "/metadata/name").to_owned()).collect()
}

fn comes_back(scene: &Scene, cluster: &Cluster, pods: &[String]) {
    let begun = Instant::now();
    until("the cluster is well again", seconds(120), || {
        let run = scene.knarr(&["status", &cluster.name]);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
    eprintln!("well again after {:?}", begun.elapsed());
    let value = cluster.kubectl(&["get", "configmap", "kept", "-o", "jsonpath={.data.key}"]).ok();
    assert_eq!(value.out(), "value");
    // Status may still be the one from before; what counts is that the pods answer again.
    until("the pods serve again", seconds(60), || {
        let service = "/api/v1/namespaces/default/pods";
        for pod in pods {
            let run = cluster.kubectl(&["get", "--raw", &format!("{service}/{pod}:8080/proxy/")]);
            if run.status != 0 || !run.out().contains(pod.as_str()) {
                return Err(run.to_string());
            }
        }
        Ok(())
    });
    assert_eq!(names(cluster), pods);
    // The DNS pod too, and names through it.
    until("names resolve", seconds(30), || {
        let probe = [
            "knarr-node",
            "probe",
            "dns",
            "--netns-of-any-pod",
            "--server",
            "10.96.0.10",
            "--name",
            "kubernetes.default.svc.cluster.local",
            "--timeout",
            "2",
        ];
        let run = cluster.exec(&cluster.control_plane(), &probe);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
}

fn stopped(scene: &Scene, cluster: &Cluster) {
    let node = cluster.control_plane();
    let run = docker(&["stop", "--time", "30", &node]).ok();
    eprintln!("stopped in {:?}", run.took);
    let state = inspect(&node)["State"].clone();
    assert_eq!(state["ExitCode"], 0, "it was not asked, but ended: {state}");
    // Five seconds are the promise; the rest is for a busy machine.
    assert!(run.took < seconds(8), "it took {:?}", run.took);
    let status = scene.knarr(&["status", &cluster.name]).exits(5);
    assert!(status.out().contains("exited") && status.stderr.contains("is stopped"), "{status}");
    let json = scene.knarr(&["status", &cluster.name, "-o", "json"]).exits(5).json();
    assert_eq!(json["healthy"], false);
    scene.knarr(&["logs", "--name", &cluster.name]).ok();
    scene.knarr(&["export", "logs", "logs", "--name", &cluster.name]).ok();
    assert!(scene.path("logs").join(&node).join("knarr-node.log").is_file());
    let kubectl = cluster.kubectl(&["get", "nodes"]);
    assert!(kubectl.status != 0 && kubectl.stderr.contains("knarr start"), "no way out is shown\n{kubectl}");
    cluster.delete();
}
