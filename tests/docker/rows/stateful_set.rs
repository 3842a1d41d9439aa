//! A StatefulSet: started from the first to the last, each when the one before was ready, and stopped the other way.

use std::time::Instant;

use serde_json::Value;

use crate::cluster::{Cluster, text};
use crate::wait::{seconds, until};

pub fn first_to_last_and_back(cluster: &Cluster<'_>) {
    let kubectl = |arguments: &[&str]| cluster.kubectl(&[&["-n", "sample-statefulset"], arguments].concat()).ok();
    kubectl(&["wait", "pod/db-2", "--for=delete", "--timeout=60s"]);
    kubectl(&["wait", "pod/db-1", "--for=delete", "--timeout=60s"]);
    kubectl(&["scale", "statefulset/db", "--replicas=3"]);
    kubectl(&["rollout", "status", "statefulset/db", "--timeout=120s"]);
    let pods: Vec<Value> =
        (0..3).map(|n| cluster.get(&["pod", &format!("db-{n}"), "-n", "sample-statefulset"])).collect();
    for pair in pods.windows(2) {
        // Times of one format and zone, so that their order is that of their letters.
        let (ready, created) = (ready_since(&pair[0]), text(&pair[1], "/metadata/creationTimestamp"));
        assert!(ready <= created, "{} was ready at {ready}, {created}", text(&pair[0], "/metadata/name"));
    }
    // The cluster's DNS may tell the old Pod's address for as long as it keeps answers, which is half a minute.
    until("the new db-1 has the old one's volume", seconds(60), || {
        let wget = ["exec", "client", "--", "wget", "-T", "5", "-qO-", "http://db-1.db:8080/files/data/note"];
        let note = cluster.kubectl(&[&["-n", "sample-statefulset"], &wget[..]].concat());
        if note.out().trim() == "mine" { Ok(()) } else { Err(note.to_string()) }
    });

    let begun = Instant::now();
    kubectl(&["scale", "statefulset/db", "--replicas=0"]);
    let gone: Vec<_> = std::thread::scope(|scope| {
        let waits = ["pod/db-2", "pod/db-1", "pod/db-0"].map(|pod| {
            scope.spawn(move || {
                kubectl(&["wait", pod, "--for=delete", "--timeout=90s"]);
                (begun.elapsed(), pod)
            })
        });
        waits.map(|wait| wait.join().expect("it is deleted")).to_vec()
    });
    eprintln!("statefulset: gone after {gone:?}");
    assert!(gone.is_sorted(), "the last goes first: {gone:?}");
}

fn ready_since(pod: &Value) -> &str {
    let conditions = pod["status"]["conditions"].as_array().expect("a list");
    let ready = conditions.iter().find(|c| c["type"] == "Ready").expect("it is there");
    ready["lastTransitionTime"].as_str().expect("a time")
}
