//! What lies between a living cluster and what a config says of it. Pure: what is the same is not mentioned, so that
//! a cluster which was made from a config differs from it in nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::fixed;
use super::layout::{API_PORT, Layout, NodeLayout};
use super::ports::OpenPort;
use super::{NewNode, settle};
use crate::addons::Chosen;
use crate::kubernetes::{Marks, objects};
use crate::spec::ports::HostPort;
use crate::spec::registries::Registries;
use crate::spec::values::{PortMapping, Protocol, Taint};
use crate::spec::{ClusterSpec, NodeSpec, Role};

/// Both sides.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    /// Where everything of the cluster stands.
    pub layout: &'a Layout,
    /// Its Node objects.
    pub nodes: &'a [Value],
    /// The addons that are on, with the settings that are.
    pub addons: &'a Chosen,
    /// What the config says.
    pub wanted: &'a ClusterSpec,
    /// The node image of configs that name none.
    pub default_image: &'a str,
}

/// Whether something comes, goes or becomes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Sign {
    /// It comes.
    Add,
    /// It becomes another.
    Change,
    /// It goes.
    Remove,
}

/// One thing in which both sides differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What becomes of it.
    pub sign: Sign,
    /// What it is: `node`, `label`, `taint`, `port`, `registry`, `addon`.
    pub what: &'static str,
    /// The node, the registry or the addon.
    pub of: String,
    /// Which, and how.
    pub detail: String,
}

impl Line {
    /// The cells of its row in a table.
    pub fn cells(&self) -> Vec<String> {
        let sign = match self.sign {
            Sign::Add => "+",
            Sign::Change => "~",
            Sign::Remove => "-",
        };
        [sign, self.what, &self.of, &self.detail].map(str::to_owned).to_vec()
    }
}

/// Labels and taints that a node shall be remembered with, and the way of its Node object there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The node.
    pub node: String,
    /// All labels that the config gives it.
    pub labels: BTreeMap<String, String>,
    /// All taints that the config gives it.
    pub taints: Vec<Taint>,
    /// What becomes of its Node object.
    pub marks: Marks,
}

/// All that lies between both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the order in which people read it.
    pub lines: Vec<Line>,
    /// What no living cluster can become, each with the reason.
    pub refused: Vec<String>,
    /// Nodes that come.
    pub added: Vec<NewNode>,
    /// Nodes that go.
    pub removed: Vec<String>,
    /// Nodes whose labels or taints change.
    pub marked: Vec<Marked>,
    /// Ports of the host to close.
    pub closed: Vec<HostPort>,
    /// Ports of the host to open, each with the node that it leads to; where the config leaves the host's open, any will do.
    pub opened: Vec<(String, PortMapping)>,
    /// How all registries are to be reached, if anything of that changes.
    pub registries: Option<Registries>,
    /// Addons to switch on, or on again with other settings.
    pub addons_on: Chosen,
    /// Addons to switch off.
    pub addons_off: Vec<&'static str>,
}

impl Difference {
    /// Compares. Of labels and taints, those that neither the config nor the cluster's memory has are somebody else's and
    /// stay, as with `kubectl apply`.
    pub fn between(sides: &Sides<'_>) -> Self {
        let mut all = Self { refused: fixed::of_cluster(sides), ..Self::default() };
        let has_workers = sides.wanted.workers().next().is_some();
        for role in [Role::ControlPlane, Role::Worker] {
            let pairs = pair(sides.layout, sides.wanted, role);
            for (there, wanted) in &pairs.both {
                let mut wanted = NodeSpec::clone(wanted);
                settle(&mut wanted, has_workers);
                all.refused.extend(fixed::of_node(&there.spec, &wanted));
                all.mark(there, &wanted, sides.nodes);
                all.lead(sides.layout, there, &wanted.ports);
            }
            for wanted in pairs.added {
                all.say(Sign::Add, "node", wanted.name.as_str(), role.as_str().to_owned());
                all.added.push(NewNode::Described(Box::new(wanted.clone())));
            }
            for there in pairs.removed {
                let name = there.spec.name.as_str();
                all.say(Sign::Remove, "node", name, role.as_str().to_owned());
                // Before the node goes: a port leads somewhere.
                for port in opened_to(sides.layout, name) {
                    all.close(name, &port);
                }
                all.removed.push(name.to_owned());
            }
        }
        all.reach(&sides.layout.spec.registries, &sides.wanted.registries);
        all.switch(sides.addons, &sides.wanted.addons);
        all
    }

    /// Whether both sides are the same.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.marked.is_empty()
    }

    fn say(&mut self, sign: Sign, what: &'static str, of: &str, detail: String) {
        self.lines.push(Line { sign, what, of: of.to_owned(), detail });
    }

    fn mark(&mut self, there: &NodeLayout, wanted: &NodeSpec, nodes: &[Value]) {
        let name = there.spec.name.as_str();
        let last = &there.spec;
        let (last_taints, wanted_taints) =
            (last.taints.clone().unwrap_or_default(), wanted.taints.clone().unwrap_or_default());
        // A Node that is not there yet is going to say what the layout says.
        let node = nodes.iter().find(|node| node["metadata"]["name"] == name);
        let label = |key: &str| match node {
            Some(node) => node["metadata"]["labels"][key].as_str().map(str::to_owned),
            None => last.labels.get(key).cloned(),
        };
        let taints = node.map_or_else(|| last_taints.clone(), objects::taints);
        let mut marks = Marks::default();
        for (key, value) in &wanted.labels {
            match label(key) {
                Some(has) if has == *value => continue,
                Some(has) => self.say(Sign::Change, "label", name, format!("{key}={value} (is {has})")),
                None => self.say(Sign::Add, "label", name, format!("{key}={value}")),
            }
            marks.labels.insert(key.clone(), Some(value.clone()));
        }
        for key in last.labels.keys().filter(|key| !wanted.labels.contains_key(*key)) {
            if let Some(has) = label(key) {
                self.say(Sign::Remove, "label", name, format!("{key}={has}"));
                marks.labels.insert(key.clone(), None);
            }
        }
        for taint in wanted_taints.iter().filter(|taint| !taints.contains(taint)) {
            self.say(Sign::Add, "taint", name, taint.to_string());
            marks.taints.push(taint.clone());
        }
        for taint in last_taints.iter().filter(|taint| taints.contains(taint) && !wanted_taints.contains(taint)) {
            self.say(Sign::Remove, "taint", name, taint.to_string());
            marks.untaint.push(taint.clone());
        }
        if !marks.is_empty() || last.labels != wanted.labels || last_taints != wanted_taints {
            let (node, labels) = (name.to_owned(), wanted.labels.clone());
            self.marked.push(Marked { node, labels, taints: wanted_taints, marks });
        }
    }

    fn lead(&mut self, layout: &Layout, there: &NodeLayout, wanted: &[PortMapping]) {
        let name = there.spec.name.as_str();
        let mut open: Vec<OpenPort> = layout.open_ports().into_iter().filter(|port| port.node == name).collect();
        // The API's is another key's.
        open.retain(|port| port.node_port != API_PORT);
        let mut wanted: Vec<&PortMapping> = wanted.iter().collect();
        // One that leaves the host's port open takes what the others leave.
        wanted.sort_by_key(|port| port.host_port.is_none());
        for port in wanted {
            let same = |open: &OpenPort| {
                (open.host_address, open.node_port, open.protocol)
                    == (port.host_address, port.container_port, port.protocol)
                    && port.host_port.is_none_or(|number| number == open.host_port)
            };
            if let Some(known) = open.iter().position(same) {
                open.remove(known);
            } else if port.protocol == Protocol::Sctp {
                self.refused
                    .push(format!("node {name}, port {port}: only tcp and udp can be passed on to a node that runs"));
            } else {
                self.say(Sign::Add, "port", name, port.to_string());
                self.opened.push((name.to_owned(), port.clone()));
            }
        }
        for port in open {
            if port.fixed {
                self.refused.push(format!(
                    "node {name}, ports: the config lacks {}, which the node was made with: Docker cannot take a port from a container",
                    shown(&port)
                ));
            } else {
                self.close(name, &port);
            }
        }
    }

    fn close(&mut self, node: &str, port: &OpenPort) {
        self.say(Sign::Remove, "port", node, shown(port));
        self.closed.push(HostPort { port: port.host_port, protocol: port.protocol });
    }

    fn reach(&mut self, has: &Registries, wanted: &Registries) {
        for (host, registry) in wanted {
            match has.get(host) {
                Some(old) if old == registry => {}
                Some(old) => self.say(Sign::Change, "registry", host.as_str(), format!("{registry} (is {old})")),
                None => self.say(Sign::Add, "registry", host.as_str(), registry.to_string()),
            }
        }
        for (host, old) in has.iter().filter(|(host, _)| !wanted.contains_key(*host)) {
            self.say(Sign::Remove, "registry", host.as_str(), old.to_string());
        }
        self.registries = (has != wanted).then(|| wanted.clone());
    }

    fn switch(&mut self, on: &Chosen, wanted: &Chosen) {
        for (name, settings) in wanted {
            let set: BTreeSet<&str> = settings.iter().filter(|(_, on)| **on).map(|(name, _)| *name).collect();
            let sign = match on.get(name) {
                Some(has) if has.iter().filter(|(_, on)| **on).map(|(name, _)| *name).eq(set.iter().copied()) => {
                    continue;
                }
                Some(_) => Sign::Change,
                None => Sign::Add,
            };
            let settings_on: Vec<String> = set.iter().map(|name| format!("{name}=true")).collect();
            self.say(sign, "addon", name, settings_on.join(" "));
            self.addons_on.insert(name, settings.clone());
        }
        for name in on.keys().filter(|name| !wanted.contains_key(*name)) {
            self.say(Sign::Remove, "addon", name, String::new());
            self.addons_off.push(name);
        }
    }
}

/// The ports that were opened while the cluster lived, and lead to this node.
fn opened_to(layout: &Layout, node: &str) -> Vec<OpenPort> {
    layout.open_ports().into_iter().filter(|port| !port.fixed && port.node == node).collect()
}

fn shown(port: &OpenPort) -> String {
    let OpenPort { host_address, host_port, node_port, protocol, .. } = port;
    let (host_address, host_port, protocol) = (*host_address, Some(*host_port), *protocol);
    PortMapping { host_address, host_port, container_port: *node_port, protocol }.to_string()
}

/// Which node of the cluster is which of the config.
struct Pairs<'a> {
    both: Vec<(&'a NodeLayout, &'a NodeSpec)>,
    added: Vec<&'a NodeSpec>,
    removed: Vec<&'a NodeLayout>,
}

/// By name first: a config's nodes are numbered, and so are the cluster's. Those whose number the other side has not, for
/// nodes came and went, are taken in order, so that no node goes only to come back under another name.
fn pair<'a>(layout: &'a Layout, wanted: &'a ClusterSpec, role: Role) -> Pairs<'a> {
    let wanted: Vec<&NodeSpec> = wanted.nodes.iter().filter(|node| node.role == role).collect();
    let there: Vec<&NodeLayout> = layout.nodes.iter().filter(|node| node.spec.role == role).collect();
    let twin = |name: &str| there.iter().copied().find(|node| node.spec.name.as_str() == name);
    let is_wanted = |node: &&NodeLayout| wanted.iter().any(|wanted| wanted.name == node.spec.name);
    let mut others = there.iter().copied().filter(|node| !is_wanted(node));
    let (mut both, mut added) = (Vec::new(), Vec::new());
    for wanted in &wanted {
        match twin(wanted.name.as_str()).or_else(|| others.next()) {
            Some(node) => both.push((node, *wanted)),
            None => added.push(*wanted),
        }
    }
    Pairs { both, added, removed: others.collect() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::node::fixture::layout;
    use crate::spec::registries::{Mirror, Registry, RegistryHost};

    /// The difference of a cluster from what `change` makes of its own config.
    fn after(layout: &Layout, nodes: &[Value], change: impl FnOnce(&mut ClusterSpec)) -> Difference {
        let mut wanted = layout.spec.clone();
        change(&mut wanted);
        let on = layout.spec.addons.clone();
        Difference::between(&Sides { layout, nodes, addons: &on, wanted: &wanted, default_image: "knarr.dev/node:1" })
    }

    fn lines(difference: &Difference) -> Vec<String> {
        difference.lines.iter().map(|line| line.cells().join(" ").trim_end().to_owned()).collect()
    }

    fn node(name: &str, labels: &Value, taints: &Value) -> Value {
        json!({"kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {"taints": taints}})
    }

    #[test]
    fn a_cluster_is_what_it_was_made_from() {
        for (planes, workers) in [(1, 0), (1, 2), (3, 2)] {
            let difference = after(&layout(planes, workers), &[], |_| {});
            assert!(difference.is_empty() && difference.refused.is_empty(), "{difference:?}");
        }
    }

    #[test]
    fn nodes_come_and_go_by_number() {
        let three = layout(1, 3);
        let fewer = after(&three, &[], |wanted| wanted.nodes.truncate(2));
        assert_eq!(lines(&fewer), ["- node dev-worker2 worker", "- node dev-worker3 worker"]);
        assert_eq!(fewer.removed, ["dev-worker2", "dev-worker3"]);
        let more = after(&layout(1, 1), &[], |wanted| wanted.nodes = three.spec.nodes.clone());
        assert_eq!(lines(&more), ["+ node dev-worker2 worker", "+ node dev-worker3 worker"]);
    }

    #[test]
    fn a_node_with_another_number_stays() {
        let there = layout(1, 3).without(&["dev-worker2".into()]);
        let two = layout(1, 2).spec;
        let difference = after(&there, &[], |wanted| wanted.nodes = two.nodes);
        assert!(difference.is_empty(), "{difference:?}");
        let four = layout(1, 4).spec;
        let grown = after(&there, &[], |wanted| wanted.nodes = four.nodes);
        assert_eq!(lines(&grown), ["+ node dev-worker2 worker", "+ node dev-worker4 worker"]);
    }

    #[test]
    fn what_others_put_on_a_node_stays() {
        let mut there = layout(1, 1);
        there.nodes[1].spec.labels = BTreeMap::from([("old".into(), "1".into()), ("kept".into(), "1".into())]);
        there.spec.nodes[1] = there.nodes[1].spec.clone();
        let dedicated = Taint { key: "dedicated".into(), value: "db".into(), effect: "NoSchedule".into() };
        let by_hand = json!({"old": "1", "kept": "2", "mine": "1"});
        let live = node("dev-worker", &by_hand, &json!([{"key": "mine", "effect": "NoExecute"}]));
        let difference = after(&there, &[live], |wanted| {
            wanted.nodes[1].labels = BTreeMap::from([("kept".into(), "1".into()), ("new".into(), "1".into())]);
            wanted.nodes[1].taints = Some(vec![dedicated.clone()]);
        });
        assert_eq!(
            lines(&difference),
            [
                "~ label dev-worker kept=1 (is 2)",
                "+ label dev-worker new=1",
                "- label dev-worker old=1",
                "+ taint dev-worker dedicated=db:NoSchedule",
            ]
        );
        let [marked] = &difference.marked[..] else { panic!("one node: {difference:?}") };
        let mine = Taint { key: "mine".into(), value: String::new(), effect: "NoExecute".into() };
        assert_eq!(marked.marks.taints_after(std::slice::from_ref(&mine)), [mine, dedicated]);
        assert_eq!(marked.marks.labels["old"], None);
    }

    proptest! {
        /// Whichever nodes came and went, one application is enough, and no more nodes change than must.
        #[test]
        fn what_was_applied_differs_in_nothing(
            made in 1u8..5,
            gone in proptest::collection::vec(2u8..6, 0..4),
            wanted in proptest::collection::vec("[ab]", 0..6),
        ) {
            let gone: Vec<String> = gone.iter().map(|n| format!("dev-worker{n}")).collect();
            let there = layout(1, made).without(&gone);
            let mut goal = layout(1, u8::try_from(wanted.len()).expect("few")).spec;
            for (node, label) in goal.nodes.iter_mut().skip(1).zip(&wanted) {
                node.labels = BTreeMap::from([("label".to_owned(), label.clone())]);
            }
            let difference = after(&there, &[], |spec| spec.nodes.clone_from(&goal.nodes));
            let (before, after_all) = (there.nodes.len() - 1, wanted.len());
            prop_assert_eq!(difference.added.len(), after_all.saturating_sub(before));
            prop_assert_eq!(difference.removed.len(), before.saturating_sub(after_all));
            let grown = there.with(&difference.added, &[]).expect("room");
            let done = grown.marked(&difference.marked).without(&difference.removed);
            let again = after(&done, &[], |spec| spec.nodes.clone_from(&goal.nodes));
            prop_assert!(again.is_empty(), "{:?}", again);
        }
    }

    #[test]
    fn a_change_that_was_cut_off_is_found_again() {
        let there = layout(1, 1);
        let new = BTreeMap::from([("new".to_owned(), "1".to_owned())]);
        let live = node("dev-worker", &json!({"new": "1"}), &json!([]));
        let difference = after(&there, &[live], |wanted| wanted.nodes[1].labels = new);
        assert!(difference.lines.is_empty(), "the Node has it");
        assert!(!difference.is_empty(), "the cluster does not remember it yet");
    }

    #[test]
    fn registries() {
        let registry =
            |mirror: &str, skip_verify| Registry { mirrors: vec![Mirror::parse(mirror).expect("a URL")], skip_verify };
        let host = |text: &str| RegistryHost::parse(text).expect("a host");
        let mut there = layout(1, 0);
        there.spec.registries = Registries::from([
            (host("docker.io"), registry("http://a:5000", false)),
            (host("team.example.com"), registry("http://a:5000", true)),
        ]);
        let wanted = Registries::from([
            (host("docker.io"), registry("http://b:5000", false)),
            (host("*"), registry("https://c", true)),
        ]);
        let difference = after(&there, &[], |spec| spec.registries.clone_from(&wanted));
        assert_eq!(
            lines(&difference),
            [
                "+ registry * https://c, any certificate",
                "~ registry docker.io http://b:5000 (is http://a:5000)",
                "- registry team.example.com http://a:5000, any certificate",
            ]
        );
        assert!(after(&there.reaching(&wanted), &[], |_| {}).is_empty(), "once is enough");
    }

    #[test]
    fn addons() {
        let there = layout(1, 0);
        let on = Chosen::from([("storage", BTreeMap::new()), ("ingress", BTreeMap::new())]);
        let mut wanted = there.spec.clone();
        wanted.addons =
            Chosen::from([("ingress", BTreeMap::from([("allowSnippets", true)])), ("metrics-server", BTreeMap::new())]);
        let sides = Sides { layout: &there, nodes: &[], addons: &on, wanted: &wanted, default_image: "" };
        let difference = Difference::between(&sides);
        assert_eq!(
            lines(&difference),
            ["~ addon ingress allowSnippets=true", "+ addon metrics-server", "- addon storage"]
        );
    }

    #[test]
    fn what_cannot_change() {
        let difference = after(&layout(1, 1), &[], |wanted| {
            wanted.networking.pod_subnet = "10.9.0.0/16".parse().expect("a subnet");
            wanted.audit = !wanted.audit;
            wanted.nodes[1].limits.milli_cpus = Some(1500);
        });
        insta::assert_snapshot!(difference.refused.join("\n"), @r"
        networking.podSubnet: the config says `10.9.0.0/16`, the cluster has `10.244.0.0/16`: every pod has an address of it
        audit: the config says `true`, the cluster has `false`: the components take it when their nodes are made
        node dev-worker, cpus: the config says `1.5`, the cluster has nothing: a kubelet learns the size of its node when that starts
        ");
    }
}
