//! What knarr refuses, in its whole words: nothing is changed, the reason is plain, the status says which kind it is.

use std::net::TcpListener;

use crate::docker::{Foreign, docker};
use crate::processes::{Run, run};
use crate::scene::{Scene, prefix};
use crate::{Case, shared};

pub const CASES: &[Case] = &[
    ("port_taken", port_taken),
    ("subnet_taken", subnet_taken),
    ("image_missing", image_missing),
    ("docker_not_there", docker_not_there),
    ("docker_not_allowed", docker_not_allowed),
    ("config_bad", config_bad),
    ("cluster_exists", cluster_exists),
    ("name_taken_by_others", name_taken_by_others),
];

/// The error as it is kept: what depends on this run, this machine or Docker's version is replaced.
fn said(run: &Run, replace: &[(&str, &str)]) -> String {
    assert_eq!(run.out(), "", "stdout is for results\n{run}");
    let from = run.stderr.find("error: ").unwrap_or_else(|| panic!("no error\n{run}"));
    let mut text = run.stderr[from..].replace(prefix(), "kt");
    for (from, to) in replace {
        text = text.replace(from, to);
    }
    let lines = text.trim_end().lines().map(|line| match line.split_once("container `") {
        Some((before, after)) if before.contains("caused by: cannot ") => {
            let name = after.split('`').next().unwrap_or_default();
            format!("{before}container `{name}`: (Docker's words)")
        }
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn port_taken(scene: &Scene) {
    let cluster = scene.cluster("port");
    let holder = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("an address").port().to_string();
    let run = cluster.try_create(&["--api-port", &port]).exits(4);
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    insta::assert_snapshot!(said(&run, &[(&port, "PORT")]));
}

fn subnet_taken(scene: &Scene) {
    let cluster = scene.cluster("subnet");
    let foreign = Foreign::new("network", format!("{}-foreign", prefix()));
    // Somewhere in the range for benchmarks, where nobody on this machine should be.
    let third = std::process::id() % 200 + 10;
    let (subnet, inside) = (format!("198.18.{third}.0/24"), format!("198.18.{third}.0/25"));
    docker(&["network", "create", "--subnet", &subnet, &foreign.name]).ok();
    let config = format!("apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnetworking: {{nodeSubnet: {inside}}}\n");
    let config = scene.write("subnet.yaml", config).to_string_lossy().into_owned();
    let run = cluster.try_create(&["--config", &config]).exits(4);
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    let hint =
        run.stderr.split("such as `").nth(1).and_then(|rest| rest.split('`').next()).expect("a free one").to_owned();
    insta::assert_snapshot!(said(&run, &[(&subnet, "SUBNET"), (&inside, "PART"), (&hint, "FREE")]));
}

fn image_missing(scene: &Scene) {
    let cluster = scene.cluster("image");
    let run = cluster.try_create(&["--image", "knarr.dev/node:none"]).exits(8);
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    insta::assert_snapshot!(said(&run, &[]));
}

fn docker_not_there(scene: &Scene) {
    let mut command = scene.command(&["create", "cluster", "nothing"]);
    let run = run(command.env("DOCKER_HOST", "unix:///nonexistent/docker.sock"), b"").exits(4);
    insta::assert_snapshot!(said(&run, &[]));
}

fn docker_not_allowed(scene: &Scene) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become a user who may not use Docker");
        return;
    }
    // The build folder may be closed to others; the folder for temporary files is not.
    let copy = std::env::temp_dir().join(format!("{}-knarr", prefix()));
    std::fs::copy(env!("CARGO_BIN_EXE_knarr"), &copy).expect("a copy");
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
    let binary = copy.to_string_lossy().into_owned();
    let mut command = scene.program("setpriv", &[&nobody[..], &[&binary, "create", "cluster", "nothing"]].concat());
    let elsewhere = command.current_dir("/").env("HOME", "/nonexistent");
    let run = run(elsewhere.env_remove("KUBECONFIG").env_remove("DOCKER_CONFIG"), b"");
    std::fs::remove_file(&copy).expect("it was there");
    insta::assert_snapshot!(said(&run.exits(4), &[]));
}

fn config_bad(scene: &Scene) {
    let text = "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nname: Not_A_Name\nnodes:\n- role: control-plane\n- role: captain\n\
                networking: {podSubnet: 10.96.0.0/16}\nextraArgs: {apiServer: {anonymous-auth: true}}\n";
    scene.write("bad.yaml", text);
    let run = scene.knarr(&["create", "--config", "bad.yaml"]).exits(3);
    insta::assert_snapshot!(said(&run, &[]));
}

fn cluster_exists(scene: &Scene) {
    let shared = shared::cluster(scene);
    let run = shared.cluster.try_create(&[]).exits(6);
    insta::assert_snapshot!(said(&run, &[]));
}

/// A container of somebody else has the name of a node: it is not touched, and what was made is undone.
fn name_taken_by_others(scene: &Scene) {
    let cluster = scene.cluster("taken");
    let foreign = Foreign::new("container", cluster.control_plane());
    docker(&["create", "--name", &foreign.name, "knarr.dev/node:v1.36.4"]).ok();
    let run = cluster.try_create(&[]).exits(6);
    assert_eq!(cluster.objects(), [""; 0], "{run}");
    assert_eq!(docker(&["container", "inspect", &foreign.name]).status, 0, "it is not ours to remove");
    insta::assert_snapshot!(said(&run, &[]));
}
