//! The Pods of the table, and what is asked of them.

use std::fmt::Write as _;

use super::table::SCENES;

/// Name, namespace, labels, and on which of the nodes.
pub const AROUND: &[(&str, &str, &str, usize)] = &[
    ("red", "np-main", "app: red", 1),
    ("blue", "np-main", "app: blue, tier: back", 2),
    ("server", "np-main", "app: server", 2),
    ("green", "np-other", "app: green", 1),
    ("grey", "np-other", "app: red", 2),
    ("shut", "np-shut", "app: shut", 0),
];

/// The namespaces, and what serves names on UDP.
pub const NAMESPACES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: np-main, labels: {team: main}}
---
apiVersion: v1
kind: Namespace
metadata: {name: np-other, labels: {team: other}}
---
apiVersion: v1
kind: Namespace
metadata: {name: np-shut, labels: {team: shut}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: names, namespace: np-main}
data:
  Corefile: |
    .:5300 {
        hosts {
            192.0.2.1 probe.test
        }
    }
---
";

/// A Pod that serves HTTP on three ports, and names on UDP if told.
pub fn pod(name: &str, namespace: &str, labels: &str, node: &str, names: bool) -> String {
    let mut text = format!(
        r#"
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}, table: np}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  containers:
  - name: web
    image: knarr.dev/busybox:v1.37
    imagePullPolicy: Never
    command: [sh, -c, "mkdir /tmp/www; echo here > /tmp/www/index.html; for p in 8080 8081 9000; do httpd -p $p -h /tmp/www; done; sleep 36000"]
    ports: [{{name: http, containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 2, timeoutSeconds: 2}}
"#
    );
    if names {
        text.push_str(
            r#"  - name: names
    image: knarr.dev/coredns:v1.14.7
    imagePullPolicy: Never
    args: [-conf, /config/Corefile]
    volumeMounts: [{name: config, mountPath: /config}]
  volumes: [{name: config, configMap: {name: names}}]
"#,
        );
    }
    text.push_str("---\n");
    text
}

fn service(name: &str, selector: &str, policy: &str) -> String {
    format!(
        "\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: np-main}}\n\
         spec: {{type: NodePort, externalTrafficPolicy: {policy}, selector: {{{selector}}}, ports: [{{port: 8080, targetPort: 8080}}]}}\n---\n"
    )
}

/// Everything but policies.
pub fn manifest(nodes: &[String]) -> String {
    let mut text = NAMESPACES.to_owned();
    for (name, namespace, labels, node) in AROUND {
        text.push_str(&pod(name, namespace, labels, &nodes[*node], *name == "server"));
    }
    text.push_str(&service("server", "app: server", "Cluster"));
    for scene in SCENES {
        let udp = scene.cases.iter().any(|case| case.how.starts_with("udp") && case.to == "subject");
        text.push_str(&pod(scene.name, "np-main", &format!("subject: {}", scene.name), &nodes[1], udp));
        // A client's own address is seen by Pods on the node that it came to.
        let seen = scene.cases.iter().any(|case| case.from == "host" && case.open);
        let policy = if seen { "Local" } else { "Cluster" };
        text.push_str(&service(scene.name, &format!("subject: {}", scene.name), policy));
    }
    text
}

/// The policies of all scenes, and of the namespace that is shut.
pub fn policies(blue: &str, host: &str) -> String {
    let mut text = policy("np-shut", "shut", super::table::SHUT);
    for scene in SCENES {
        let subject = format!("{{matchLabels: {{subject: {}}}}}", scene.name);
        for (number, spec) in scene.policies.iter().enumerate() {
            let spec = spec.replace("SUBJECT", &subject).replace("BLUE", blue).replace("HOST", host);
            text.push_str(&policy("np-main", &format!("{}-{number}", scene.name), &spec));
        }
    }
    text
}

/// One policy.
pub fn policy(namespace: &str, name: &str, spec: &str) -> String {
    let mut text = "\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n".to_owned();
    let _ = write!(text, "metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n---\n");
    text
}
