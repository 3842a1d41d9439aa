//! NetworkPolicies with real Pods: the whole table of who may reach whom, connections that are there when policies
//! change, Pods that begin under a policy, and nodes that restart.

mod pods;
mod probe;
mod table;

use crate::cluster::{Cluster, condition, text};
use crate::docker::docker;
use crate::scene::Scene;
use crate::wait::{seconds, until};
use crate::{Case, shared};

pub const CASES: &[Case] = &[
    ("who_may_reach_whom", who_may_reach_whom),
    ("a_change_cuts_and_opens_what_is_established", a_change_cuts_and_opens_what_is_established),
    ("a_pod_is_isolated_before_it_starts", a_pod_is_isolated_before_it_starts),
    ("rules_outlive_all_but_the_addon", rules_outlive_all_but_the_addon),
];

const TABLE: [&str; 5] = ["nft", "list", "table", "inet", "knarr-policy"];

/// UNTIL THE ADDONS ARE THERE: applies the addon as `knarr create` will, and waits for it.
fn addon(scene: &Scene, cluster: &Cluster, nodes: usize) {
    let there = cluster.exec(&cluster.control_plane(), &["ctr", "-n", "k8s.io", "images", "ls", "-q"]).ok();
    if !there.out().contains("knarr.dev/policy:v1") {
        scene.knarr(&["load", "docker-image", "knarr.dev/policy:v1", "--name", &cluster.name]).ok();
    }
    cluster.apply(include_str!("../../manifests/addons/network-policy.yaml"));
    enforcing(cluster, nodes);
}

fn enforcing(cluster: &Cluster, nodes: usize) {
    until("every node enforces", seconds(60), || {
        let set = cluster.get(&["daemonset", "-n", "kube-system", "knarr-network-policy"]);
        let ready = set["status"]["numberReady"].as_u64().unwrap_or(0);
        if ready == nodes as u64 { Ok(()) } else { Err(format!("{ready} of {nodes}")) }
    });
}

fn who_may_reach_whom(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    addon(scene, cluster, 3);
    cluster.apply(&pods::manifest(&shared.nodes));
    let wait = ["wait", "pods", "-A", "-l", "table=np", "--for=condition=Ready", "--timeout=170s"];
    cluster.kubectl(&wait).ok();
    let addresses = probe::Addresses::of(cluster, &shared.nodes);
    let until_as = |what: &str, expected: &dyn Fn(&table::Case) -> bool| {
        until(what, seconds(120), || {
            let wrong = probe::differing(cluster, &addresses, expected);
            if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
        });
    };

    // Without policies everything is open, or the table would prove nothing; and there is not even a table of rules.
    until_as("everything is open without policies", &|_| true);
    for node in &shared.nodes {
        cluster.exec(node, &TABLE).exits(1).says("No such file");
    }
    let policies = pods::policies(addresses.pod("blue"), &addresses.host);
    cluster.apply(&policies);
    until_as("the policies hold", &|case| case.open);
    let cases: usize = table::SCENES.iter().map(|scene| scene.cases.len()).sum();
    eprintln!("{cases} cases of {} scenes are as expected", table::SCENES.len());
    assert!(cases >= 40, "only {cases}");
    cluster.exec(&shared.nodes[1], &TABLE).ok().says("ct protocol sctp ct reply proto-src 8080-8090");

    // The kubelets' probes of all these Pods went on all the time.
    for pod in cluster.get(&["pods", "-A", "-l", "table=np"])["items"].as_array().expect("a list") {
        assert_eq!(condition(pod, "Ready"), "True", "{}", text(pod, "/metadata/name"));
    }

    cluster.kubectl_reading(&["delete", "-f", "-"], policies.as_bytes()).ok();
    until_as("everything is open again", &|_| true);
    cluster.kubectl(&["delete", "namespace", "np-main", "np-other", "np-shut", "--wait=false"]).ok();
}

/// A namespace with a Pod `server` on the second node, and its address.
fn with_server(cluster: &Cluster, namespace: &str, node: &str) -> String {
    let namespaces = pods::NAMESPACES.replace("np-main", namespace);
    let own = namespaces.split("---").find(|text| text.contains(&format!("name: {namespace},"))).expect("one");
    cluster.apply(own);
    cluster.apply(&pods::pod("server", namespace, "app: server", node, false));
    ready(cluster, namespace, "server")
}

fn ready(cluster: &Cluster, namespace: &str, pod: &str) -> String {
    cluster.kubectl(&["wait", "-n", namespace, "pod", pod, "--for=condition=Ready", "--timeout=60s"]).ok();
    text(&cluster.get(&["pod", "-n", namespace, pod]), "/status/podIP").to_owned()
}

fn a_change_cuts_and_opens_what_is_established(scene: &Scene) {
    const NAMESPACE: &str = "np-cut";
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    addon(scene, cluster, 3);
    let server = with_server(cluster, NAMESPACE, &shared.nodes[2]);
    cluster.apply(&pods::pod("client", NAMESPACE, "app: client", &shared.nodes[1], false));
    ready(cluster, NAMESPACE, "client");
    let run = |pod: &str, script: &str| {
        cluster.kubectl(&["exec", "-n", NAMESPACE, pod, "-c", "web", "--", "sh", "-c", script]).ok().out()
    };
    // Numbers go there and come back over one connection.
    run("server", "setsid nc -ll -p 7000 -e cat >/dev/null 2>&1 &");
    let talk = format!(
        "(i=0; while :; do echo $i; i=$((i+1)); usleep 100000; done) | nc {server} 7000 > /tmp/back 2>/dev/null"
    );
    run("client", &format!("setsid sh -c '{talk}' >/dev/null 2>&1 &"));
    let back = || run("client", "wc -l < /tmp/back").trim().parse::<u64>().expect("a number");
    let grows = |what: &str| {
        let before = back();
        until(what, seconds(60), || if back() > before { Ok(()) } else { Err(format!("still {before}")) });
    };
    let stands = |what: &str| {
        until(what, seconds(30), || {
            let before = back();
            let after = run("client", "sleep 2; wc -l < /tmp/back").trim().parse::<u64>().expect("a number");
            if after == before { Ok(()) } else { Err(format!("{before} became {after}")) }
        });
    };
    grows("the connection works");
    let process = run("client", "pidof nc");
    for (name, spec) in [
        ("at-the-server", "{podSelector: {matchLabels: {app: server}}, policyTypes: [Ingress]}"),
        ("at-the-client", "{podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}"),
    ] {
        cluster.apply(&pods::policy(NAMESPACE, name, spec));
        stands("the connection is cut");
        cluster.kubectl(&["delete", "-n", NAMESPACE, "networkpolicy", name]).ok();
        grows("the connection goes on");
    }
    assert_eq!(run("client", "pidof nc"), process, "it is the same connection all the time");
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).ok();
}

fn a_pod_is_isolated_before_it_starts(scene: &Scene) {
    const NAMESPACE: &str = "np-young";
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    addon(scene, cluster, 3);
    let server = with_server(cluster, NAMESPACE, &shared.nodes[2]);
    let spec = "{podSelector: {matchLabels: {app: young}}, policyTypes: [Egress]}";
    cluster.apply(&pods::policy(NAMESPACE, "young", spec));
    // The policy is in force, which a Pod that lives shows.
    cluster.apply(&pods::pod("elder", NAMESPACE, "app: young", &shared.nodes[1], false));
    ready(cluster, NAMESPACE, "elder");
    let ask = format!("wget -T 1 -qO- http://{server}:8080/");
    until("the policy holds", seconds(30), || {
        let run = cluster.kubectl(&["exec", "-n", NAMESPACE, "elder", "-c", "web", "--", "sh", "-c", &ask]);
        if run.status == 0 { Err(run.out()) } else { Ok(()) }
    });
    let tries = format!("for i in $(seq 8); do {ask} && echo reached after $i; done; echo tried");
    for (name, labels, reached) in [("free", "app: free", true), ("young", "app: young", false)] {
        let pod = pods::pod(name, NAMESPACE, labels, &shared.nodes[1], false);
        let script = format!("{tries}; mkdir /tmp/www");
        cluster.apply(&pod.replace("mkdir /tmp/www", &script));
        let log = until("all tries are over", seconds(60), || {
            let log = cluster.kubectl(&["logs", "-n", NAMESPACE, name, "-c", "web"]).out();
            if log.contains("tried") { Ok(log) } else { Err(log) }
        });
        assert_eq!(log.contains("reached"), reached, "{name}: {log}");
    }
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"]).ok();
}

fn rules_outlive_all_but_the_addon(scene: &Scene) {
    const NAMESPACE: &str = "np-main";
    let cluster = scene.cluster("policy");
    cluster.create(&[]);
    addon(scene, &cluster, 1);
    let node = cluster.control_plane();
    with_server(&cluster, NAMESPACE, &node);
    cluster.apply(&pods::pod("client", NAMESPACE, "app: client", &node, false));
    ready(&cluster, NAMESPACE, "client");
    let reaches = || {
        let server = text(&cluster.get(&["pod", "-n", NAMESPACE, "server"]), "/status/podIP").to_owned();
        let ask = format!("timeout 3 wget -T 2 -qO- http://{server}:8080/");
        cluster.kubectl(&["exec", "-n", NAMESPACE, "client", "-c", "web", "--", "sh", "-c", &ask])
    };
    let open = |what: &str| {
        until(what, seconds(60), || {
            let run = reaches();
            if run.out().contains("here") { Ok(()) } else { Err(run.to_string()) }
        });
    };
    // 1 and 143 are wget's and timeout's; anything else did not even ask.
    let shut = |what: &str| {
        until(what, seconds(60), || {
            let run = reaches();
            if run.out().is_empty() && [1, 143].contains(&run.status) { Ok(()) } else { Err(run.to_string()) }
        });
    };
    open("without a policy");
    cluster.apply(&pods::policy(NAMESPACE, "deny", "{podSelector: {matchLabels: {app: server}}}"));
    shut("with a policy");

    // The process ends and another begins.
    let set = ["rollout", "restart", "-n", "kube-system", "daemonset", "knarr-network-policy"];
    cluster.kubectl(&set).ok();
    until("the process is another one", seconds(60), || {
        cluster.exec(&node, &TABLE).ok();
        let status = cluster.get(&["daemonset", "-n", "kube-system", "knarr-network-policy"])["status"].clone();
        let done =
            status["updatedNumberScheduled"] == 1 && status["numberReady"] == 1 && status["observedGeneration"] == 2;
        if done { Ok(()) } else { Err(status.to_string()) }
    });
    shut("after a restart of the process");

    docker(&["restart", &node]).ok();
    cluster.well();
    until("the rules are there again", seconds(90), || {
        let run = cluster.exec(&node, &TABLE);
        if run.status == 0 { Ok(()) } else { Err(run.to_string()) }
    });
    until("the server is probed under its new address", seconds(60), || {
        let rules = cluster.exec(&node, &TABLE).out();
        let pod = cluster.get(&["pod", "-n", NAMESPACE, "server"]);
        let guarded = condition(&pod, "Ready") == "True" && rules.contains(text(&pod, "/status/podIP"));
        if guarded { Ok(()) } else { Err(rules) }
    });
    shut("after a restart of the node");

    cluster.kubectl(&["delete", "-n", "kube-system", "daemonset", "knarr-network-policy"]).ok();
    until("the rules end with the addon", seconds(60), || {
        let run = cluster.exec(&node, &TABLE);
        if run.status == 1 { Ok(()) } else { Err(run.to_string()) }
    });
    open("without the addon");
    cluster.delete();
}
