//! A rolling update, and the way back, under the requests of a client on the host: none is lost.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::service::node_addresses;
use crate::cluster::Cluster;
use crate::http;
use crate::wait::{seconds, until};

const NODE_PORT: u16 = 30124;

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: from-outside, namespace: sample-deployment}
spec:
  type: NodePort
  selector: {app.kubernetes.io/name: web}
  ports: [{port: 80, targetPort: http, nodePort: 30124}]
";

pub fn no_request_is_lost(cluster: &Cluster<'_>) {
    cluster.apply(SERVICE);
    let nodes = node_addresses(cluster, NODE_PORT);
    for node in &nodes {
        until("the node port answers", seconds(30), || http::get(*node, "/version"));
    }
    let stop = AtomicBool::new(false);
    let kubectl = |arguments: &[&str]| cluster.kubectl(&[&["-n", "sample-deployment"], arguments].concat()).ok();
    std::thread::scope(|scope| {
        let clients: Vec<_> = nodes.iter().map(|node| scope.spawn(|| ask_until(&stop, *node))).collect();
        // A panic must stop the clients too, or the scope would never end.
        let _stop = Stop(&stop);
        kubectl(&["set", "image", "deployment/web", "hello=knarr.dev/hello:v2"]);
        kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
        kubectl(&["rollout", "undo", "deployment/web"]);
        kubectl(&["rollout", "status", "deployment/web", "--timeout=120s"]);
        stop.store(true, Ordering::Relaxed);
        let mut answers: BTreeMap<String, usize> = BTreeMap::new();
        for client in clients {
            for (answer, count) in client.join().expect("clients do not panic") {
                *answers.entry(answer).or_default() += count;
            }
        }
        eprintln!("rolling update: {answers:?}");
        let known: Vec<&str> = answers.keys().map(String::as_str).collect();
        assert_eq!(known, ["v1", "v2"], "every request was answered by one of the versions: {answers:?}");
    });
}

struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again, each time on a connection of its own; counts the answers by what they were.
fn ask_until(stop: &AtomicBool, node: SocketAddr) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let answer = match http::get(node, "/version") {
            Ok((200, body)) => body.trim().to_owned(),
            other => format!("{other:?}"),
        };
        *answers.entry(answer).or_default() += 1;
    }
    answers
}
