//! Asks all questions of the table at once, and says which answers are not the expected ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;

use super::pods::AROUND;
use super::table::{Case, SCENES};
use crate::cluster::{Cluster, text};
use crate::http;

/// A Pod's name in the table is its name in the cluster, but for `subject`.
fn pod<'s>(named: &'s str, scene: &'s str) -> &'s str {
    if named == "subject" { scene } else { named }
}

/// Where everything is.
pub struct Addresses {
    pods: BTreeMap<String, String>,
    services: BTreeMap<String, (String, u64)>,
    nodes: Vec<String>,
    /// The host, as nodes see it.
    pub host: String,
}

impl Addresses {
    /// Looks everything up.
    pub fn of(cluster: &Cluster, nodes: &[String]) -> Self {
        let named = |object: &serde_json::Value| text(object, "/metadata/name").to_owned();
        let list = cluster.get(&["pods", "-A", "-l", "table=np"]);
        let pods = list["items"].as_array().expect("a list").iter();
        let list = cluster.get(&["services", "-n", "np-main"]);
        let services = list["items"].as_array().expect("a list").iter();
        let port = |s: &serde_json::Value| s["spec"]["ports"][0]["nodePort"].as_u64().expect("a port");
        let networks = |node: &String| crate::docker::inspect(node)["NetworkSettings"]["Networks"].clone();
        let address = |node| text(&networks(node)[format!("knarr-{}", cluster.name)], "/IPAddress").to_owned();
        Self {
            pods: pods.map(|pod| (named(pod), text(pod, "/status/podIP").to_owned())).collect(),
            services: services.map(|s| (named(s), (text(s, "/spec/clusterIP").to_owned(), port(s)))).collect(),
            nodes: nodes.iter().map(address).collect(),
            host: text(&networks(&nodes[0])[format!("knarr-{}", cluster.name)], "/Gateway").to_owned(),
        }
    }

    /// A Pod's.
    pub fn pod(&self, name: &str) -> &str {
        &self.pods[name]
    }

    /// Address and port of what a case asks for.
    fn target(&self, scene: &str, case: &Case) -> (String, u64) {
        let port = case.how.split(' ').nth(1).map_or(0, |port| port.parse().expect("a port"));
        match case.to.split_once('/') {
            Some(("service", to)) => (self.services[pod(to, scene)].0.clone(), port),
            Some((node, to)) => {
                let node: usize = node.trim_start_matches("node").parse().expect("a node's number");
                (self.nodes[node].clone(), self.services[pod(to, scene)].1)
            }
            None if case.to == "names" => (String::new(), 0),
            None => (self.pods[pod(case.to, scene)].clone(), port),
        }
    }
}

/// What a shell does to ask; it says nothing and ends well if there was an answer.
fn command(how: &str, (address, port): &(String, u64)) -> String {
    match how.split(' ').next().expect("a word") {
        "tcp" => format!("timeout 4 wget -T 3 -qO- http://{address}:{port}/"),
        "udp" => format!("timeout 4 nslookup -type=a probe.test {address}:{port}"),
        "dns" => "timeout 4 nslookup -type=a kubernetes.default.svc.cluster.local".to_owned(),
        "ping" => format!("timeout 4 ping -c 1 -W 3 {address}"),
        other => panic!("how? {other}"),
    }
}

/// All cases whose answer is not `expected`, asked once.
pub fn differing(cluster: &Cluster, addresses: &Addresses, expected: impl Fn(&Case) -> bool) -> Vec<String> {
    let mut scripts: BTreeMap<&str, String> = BTreeMap::new();
    let all: Vec<(&str, &Case)> = SCENES.iter().flat_map(|s| s.cases.iter().map(|case| (s.name, case))).collect();
    for (number, (scene, case)) in all.iter().enumerate().filter(|(_, (_, case))| case.from != "host") {
        let script = scripts.entry(pod(case.from, scene)).or_default();
        let ask = command(case.how, &addresses.target(scene, case));
        let _ = writeln!(script, "({ask} >/dev/null 2>&1 && echo open {number}) &");
    }
    let mut open: BTreeSet<usize> = BTreeSet::new();
    std::thread::scope(|scope| {
        let asking = scripts.iter().map(|(from, script)| scope.spawn(move || ask(cluster, from, script)));
        let hosts =
            all.iter().enumerate().filter(|(_, (_, case))| case.from == "host").map(|(number, (scene, case))| {
                scope.spawn(move || {
                    let (address, port) = addresses.target(scene, case);
                    let address: SocketAddr = format!("{address}:{port}").parse().expect("an address");
                    http::get(address, "/").is_ok().then_some(number).into_iter().collect()
                })
            });
        let threads: Vec<std::thread::ScopedJoinHandle<Vec<usize>>> = asking.chain(hosts).collect();
        open = threads.into_iter().flat_map(|thread| thread.join().expect("asking does not panic")).collect();
    });
    let wrong = all.iter().enumerate().filter(|(number, (_, case))| open.contains(number) != expected(case));
    wrong
        .map(|(number, (scene, case))| {
            let is = if open.contains(&number) { "open" } else { "shut" };
            format!("{scene}: {} -> {} {} is {is}", case.from, case.to, case.how)
        })
        .collect()
}

fn ask(cluster: &Cluster, from: &str, script: &str) -> Vec<usize> {
    let namespace = AROUND.iter().find(|(name, ..)| *name == from).map_or("np-main", |(_, namespace, ..)| namespace);
    let script = format!("{script}wait");
    let run = cluster.kubectl(&["exec", "-n", namespace, from, "-c", "web", "--", "sh", "-c", &script]).ok();
    run.out().lines().filter_map(|line| line.strip_prefix("open ")?.parse().ok()).collect()
}
