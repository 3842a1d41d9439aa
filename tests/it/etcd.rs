//! An etcd in memory: it keeps who its members are, as far as `etcdctl member` tells and changes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use knarr::engine::fake::FakeEngine;
use knarr::engine::{ExecOutcome, ExecSpec};
use knarr_contract::{NODE_FILE, NodeFile};
use serde_json::json;

use crate::env::printed;

/// What etcd says while its members have not been connected for five seconds.
const UNSETTLED: &str = "Error: etcdserver: unhealthy cluster";
/// What it says of a learner that still copies.
const BEHIND: &str = "Error: etcdserver: can only promote a learner member which is in sync with leader";

/// The members of each cluster.
#[derive(Clone, Default)]
pub struct Etcd(Arc<Mutex<BTreeMap<String, Members>>>);

#[derive(Default)]
struct Members {
    all: Vec<Member>,
    /// How many members there ever were: each has an id of its own.
    born: u64,
    /// Whether it has refused a change once.
    refused: bool,
}

#[derive(Clone)]
struct Member {
    id: u64,
    name: String,
    learner: bool,
    /// Whether it was behind when it was asked to vote.
    asked: bool,
}

impl Etcd {
    /// `a voter` and `a learner`, in the order in which they came.
    pub fn members(&self, cluster: &str) -> Vec<String> {
        let clusters = self.0.lock().expect("no program panics");
        let shown = |m: &Member| format!("{} {}", m.name, if m.learner { "learner" } else { "voter" });
        clusters.get(cluster).map(|members| members.all.iter().map(shown).collect()).unwrap_or_default()
    }

    /// Runs `etcdctl` on a node.
    pub fn etcdctl(&self, engine: &FakeEngine, node: &str, exec: &ExecSpec) -> ExecOutcome {
        let bytes = engine.file(node, NODE_FILE).expect("a node has its file");
        let file: NodeFile = serde_json::from_slice(&bytes).expect("knarr writes what agents read");
        let mut clusters = self.0.lock().expect("no program panics");
        let members = clusters.entry(file.cluster.clone()).or_insert_with(|| Members::of(&file));
        let words: Vec<&str> = exec.argv.iter().skip_while(|word| *word != "member").map(String::as_str).collect();
        let voters = || members.all.iter().filter(|member| !member.learner);
        let there = voters().filter(|member| engine.spec(&member.name).is_some()).count();
        if there * 2 <= voters().count() {
            return refused("Error: context deadline exceeded");
        }
        match words[..] {
            ["member", "list", ..] => printed(members.list()),
            ["member", verb @ ("add" | "remove"), what, ..] => {
                if !std::mem::replace(&mut members.refused, true) {
                    return refused(UNSETTLED);
                }
                if verb == "add" {
                    members.add(what, true);
                } else {
                    let id = u64::from_str_radix(what, 16).expect("an id is hexadecimal");
                    members.all.retain(|member| member.id != id);
                }
                printed("")
            }
            ["member", "promote", id] => {
                let id = u64::from_str_radix(id, 16).expect("an id is hexadecimal");
                match members.all.iter_mut().find(|member| member.id == id) {
                    None => refused("Error: etcdserver: member not found"),
                    Some(member) if member.asked => {
                        member.learner = false;
                        printed("")
                    }
                    Some(member) => {
                        member.asked = true;
                        refused(BEHIND)
                    }
                }
            }
            ref other => panic!("the fake etcd does not know {other:?}"),
        }
    }
}

impl Members {
    /// Those that the first one was started with.
    fn of(file: &NodeFile) -> Self {
        let etcd = file.components.iter().find(|c| c.name == "etcd").expect("a control plane has one");
        let all = etcd.argv.iter().find_map(|word| word.strip_prefix("--initial-cluster=")).expect("it names them");
        let mut members = Self::default();
        for member in all.split(',') {
            members.add(member.split_once('=').expect("a name and a URL").0, false);
        }
        members
    }

    fn add(&mut self, name: &str, learner: bool) {
        self.born += 1;
        assert!(self.all.iter().all(|member| member.name != name), "`{name}` is a member already");
        self.all.push(Member { id: 0xbf90_71f4_639c_0000 + self.born, name: name.to_owned(), learner, asked: false });
    }

    fn list(&self) -> String {
        let shown = |m: &Member| {
            // One that has not started yet has no name.
            let name = if m.learner { "" } else { m.name.as_str() };
            json!({
                "ID": m.id, "name": name, "isLearner": m.learner, "peerURLs": [format!("https://{}:2380", m.name)],
            })
        };
        json!({"members": self.all.iter().map(shown).collect::<Vec<_>>()}).to_string()
    }
}

fn refused(why: &str) -> ExecOutcome {
    ExecOutcome { status: 1, stderr: format!("{why}\n").into_bytes(), ..ExecOutcome::default() }
}
