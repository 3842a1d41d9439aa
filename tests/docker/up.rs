//! `knarr up`: one command to an application that answers, and nothing to do the second time.

use std::net::SocketAddr;

use crate::cluster::text;
use crate::scene::Scene;
use crate::wait::seconds;
use crate::{Case, docker, http};

pub const CASES: &[Case] = &[("twice", twice)];

fn twice(scene: &Scene) {
    let cluster = scene.cluster("up");
    let first = scene.knarr(&["up", "--name", &cluster.name, "--ttl", "2h"]).ok();
    let url = first.out().trim().to_owned();
    let address: SocketAddr = url.trim_start_matches("http://").parse().unwrap_or_else(|_| panic!("{first}"));
    let (status, body) = http::get(address, "/").expect("the sample answers");
    assert_eq!(status, 200, "{body}");
    let pods = cluster.get(&["pods", "-n", "hello"]);
    let mut pods = pods["items"].as_array().expect("a list").iter().map(|p| text(p, "/metadata/name"));
    assert!(pods.any(|pod| body.contains(&format!("pod:       {pod}"))), "{body}");
    assert_eq!(cluster.get(&["nodes"])["items"].as_array().map(Vec::len), Some(3));

    let state = || {
        let ids: Vec<String> = cluster
            .objects()
            .iter()
            .filter_map(|object| object.strip_prefix("container "))
            .map(|name| text(&docker::inspect(name), "/Id").to_owned())
            .collect();
        let deployment = cluster.get(&["deployment", "hello", "-n", "hello"]);
        let version = text(&deployment, "/metadata/resourceVersion").to_owned();
        (cluster.objects(), ids, version, scene.kubeconfig_text())
    };
    let before = state();
    let second = scene.knarr(&["up", "--name", &cluster.name]).ok();
    assert_eq!(second.out().trim(), url);
    assert!(second.took < seconds(10), "the second time took {:?}", second.took);
    eprintln!("up took {:?}, and {:?} the second time", first.took, second.took);
    assert_eq!(state(), before);
    let json = scene.knarr(&["up", "--name", &cluster.name, "-o", "json"]).ok().json();
    assert_eq!(json["url"], url.as_str());
    let status = scene.knarr(&["status", &cluster.name, "-o", "json"]).ok().json();
    assert!(status["expires"].is_string(), "{status:#}");
    scene.knarr(&["up", "--name", &cluster.name, "--ttl", "3h"]).ok().says("its end stays as it is");
    cluster.delete();
}
