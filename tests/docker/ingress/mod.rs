//! Ingresses on a real cluster, asked from the host by a real HTTP client.

mod clients;
mod features;
mod objects;
mod steady;
mod table;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use crate::Case;
use crate::cluster::{Cluster, text};
use crate::docker::docker;
use crate::scene::Scene;
use crate::wait::{seconds, until};

pub const CASES: &[Case] = &[("everything", everything)];

/// Port 80 is published, wherever there is room.
const CONFIG: &str = "
apiVersion: knarr.dev/v1alpha1
kind: Cluster
nodes: [{role: control-plane, ports: [{containerPort: 80}]}]
";

/// One cluster for all: the table, what must hold over time, and once more after a restart.
fn everything(scene: &Scene) {
    let cluster = scene.cluster("ingress");
    let config = scene.write("config.yaml", CONFIG);
    cluster.create(&["--config", &config.to_string_lossy()]);
    let enable = ["addons", "enable", "ingress", "--set", "allowSnippets=true", "--name", &cluster.name];
    scene.knarr(&enable).ok();
    let site = Site::prepare(scene, &cluster);
    site.check_table();
    features::check(&site);
    what_is_printed_works(&site);
    bad_ones_are_told(&cluster);
    steady::nothing_is_lost(&site);
    docker(&["restart", &cluster.control_plane()]).ok();
    until("it serves after a restart", seconds(120), || {
        let answer = site.ask(&["http://prefix.example/foo"]);
        if answer.status == 200 { Ok(()) } else { Err(answer.text) }
    });
    for (app, count) in [("a", 1), ("b", 1), ("errors", 1), ("many", 3)] {
        cluster.pods_ready(&format!("app={app}"), count);
    }
    site.check_table();
    cluster.delete();
}

/// A cluster with all Ingresses of the table.
struct Site<'s> {
    scene: &'s Scene,
    cluster: &'s Cluster<'s>,
    address: IpAddr,
    authority: String,
}

/// What curl got: the status, and headers and body as they came.
struct Answer {
    status: u16,
    text: String,
}

impl<'s> Site<'s> {
    fn prepare(scene: &'s Scene, cluster: &'s Cluster<'s>) -> Self {
        let (secrets, authority) = objects::secrets();
        let authority = scene.write("authority.pem", authority).to_string_lossy().into_owned();
        cluster.apply(&objects::backends());
        cluster.apply(&secrets);
        cluster.apply(&objects::ingresses());
        // Of two that want the same path the older one wins.
        cluster.apply(&objects::younger());
        for (app, count) in [("a", 1), ("b", 1), ("errors", 1), ("many", 3)] {
            cluster.pods_ready(&format!("app={app}"), count);
        }
        let address = until("an Ingress has an address", seconds(60), || {
            let ingress = cluster.get(&["ingress", "prefix"]);
            let address = ingress.pointer("/status/loadBalancer/ingress/0/ip").and_then(|ip| ip.as_str());
            address.and_then(|ip| ip.parse().ok()).ok_or_else(|| ingress.to_string())
        });
        let site = Self { scene, cluster, address, authority };
        until("everything is served", seconds(30), || {
            let late = site.ask(&["http://younger.example/"]);
            if late.status == 200 { Ok(()) } else { Err(late.text) }
        });
        site
    }

    /// Asks with curl; names of hosts lead to the Ingress address without any change of this machine.
    fn ask(&self, arguments: &[&str]) -> Answer {
        self.ask_at(self.address, arguments)
    }

    fn ask_at(&self, address: IpAddr, arguments: &[&str]) -> Answer {
        let connect = format!("::{address}:");
        let fixed = ["-sS", "-i", "--noproxy", "*", "--max-time", "10", "--connect-to", &connect];
        let mut command = self.scene.program("curl", &[&fixed, arguments].concat());
        let run = crate::processes::run(&mut command, b"");
        let text = format!("{}{}", run.out(), run.stderr);
        let status = text.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        Answer { status, text }
    }

    fn http(&self) -> SocketAddr {
        (self.address, 80).into()
    }

    /// Runs every row; all that fail are shown.
    fn check_table(&self) {
        let rows = table::rows();
        // A gRPC message of two bytes, and a body larger than what is allowed unless told.
        self.scene.write("GRPC", b"\0\0\0\0\x02hi");
        self.scene.write("LARGE", vec![b'x'; 2 << 20]);
        assert!(rows.len() >= 40, "only {} rows", rows.len());
        let mut failed = Vec::new();
        for row in &rows {
            let mut arguments = row.ask.clone();
            arguments.extend(["--cacert", &self.authority]);
            let answer = self.ask(&arguments);
            let lower = answer.text.to_lowercase();
            let missing = row.has.iter().find(|part| !lower.contains(&part.to_lowercase()));
            let found = row.lacks.iter().find(|part| lower.contains(&part.to_lowercase()));
            if answer.status != row.status || missing.is_some() || found.is_some() {
                failed.push(format!(
                    "{}: wanted {}, missing {missing:?}, found {found:?}\n{}",
                    row.name, row.status, answer.text
                ));
            }
        }
        eprintln!("{} of {} rows hold", rows.len() - failed.len(), rows.len());
        assert!(failed.is_empty(), "{}", failed.join("\n----\n"));
    }
}

/// What `knarr get urls` says can be typed as it is: a curl line for the Ingress address, and a URL of `*.localhost`
/// through the published port, both without any change of this machine.
fn what_is_printed_works(site: &Site) {
    site.cluster.apply(&objects::local());
    let entry = until("the Ingress has its lines", seconds(20), || {
        let list = site.scene.knarr(&["get", "urls", "--name", &site.cluster.name, "-o", "json"]).ok().json();
        let entry = list.as_array().and_then(|all| all.iter().find(|e| e["kind"] == "Ingress" && e["name"] == "local"));
        entry.filter(|e| e["curl"][0].is_string()).cloned().ok_or_else(|| list.to_string())
    });
    let (line, url) = (text(&entry, "/curl/0").to_owned(), text(&entry, "/urls/0").to_owned());
    assert!(line.contains(&site.address.to_string()), "{entry}");
    assert!(url.starts_with("http://local.localhost:"), "{entry}");
    for typed in [line, format!("curl {url}")] {
        until(&typed, seconds(15), || {
            let run = crate::processes::run(site.scene.program("sh", &["-c", &typed]).env("no_proxy", "*"), b"");
            if run.out().contains("pod:       a\n") { Ok(()) } else { Err(run.to_string()) }
        });
    }
}

/// Each bad Ingress has its Event, and only a Warning makes people look.
fn bad_ones_are_told(cluster: &Cluster) {
    until("every bad Ingress has its Event", seconds(20), || {
        let events = cluster.get(&["events.v1.events.k8s.io"]);
        let told: BTreeSet<(&str, &str)> = events["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|event| event["type"] == "Warning" && event["regarding"]["kind"] == "Ingress")
            .map(|event| (text(event, "/regarding/name"), text(event, "/reason")))
            .collect();
        let missing: Vec<_> = table::EVENTS.iter().filter(|event| !told.contains(*event)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("missing {missing:?}, told {told:?}")) }
    });
}
