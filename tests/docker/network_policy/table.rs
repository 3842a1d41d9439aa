//! The table: policies, and who may reach whom under them.
//!
//! Each scene has a Pod of its own, `subject`, in namespace `np-main` on the first worker; `SUBJECT` in its policies is
//! a selector of that Pod. Around it are, the same for all scenes (namespace, labels, node):
//!
//! | Pod | | | |
//! |---|---|---|---|
//! | red | np-main | app=red | first worker |
//! | blue | np-main | app=blue, tier=back | second worker |
//! | server | np-main | app=server | second worker |
//! | green | np-other | app=green | first worker |
//! | grey | np-other | app=red | second worker |
//! | shut | np-shut, with a policy that selects all its Pods | app=shut | control plane |
//!
//! All serve HTTP on 8080 (named `http`), 8081 and 9000; subject and server answer DNS on UDP 5300.

/// Policies and what follows from them.
pub struct Scene {
    /// Its name, also that of its Pod.
    pub name: &'static str,
    /// The `spec` of each policy, as flow YAML.
    pub policies: &'static [&'static str],
    /// Who may reach whom.
    pub cases: &'static [Case],
}

/// One connection: from a Pod, to a Pod (`service/…`, `node1/…` for its Service, or its NodePort on a node), how.
pub struct Case {
    /// Who asks.
    pub from: &'static str,
    /// Who is asked.
    pub to: &'static str,
    /// Protocol and port.
    pub how: &'static str,
    /// Whether there is to be an answer.
    pub open: bool,
}

const fn yes(from: &'static str, to: &'static str, how: &'static str) -> Case {
    Case { from, to, how, open: true }
}

const fn no(from: &'static str, to: &'static str, how: &'static str) -> Case {
    Case { from, to, how, open: false }
}

const S: &str = "subject";
const WEB: &str = "tcp 8080";
const ALT: &str = "tcp 8081";
const FAR: &str = "tcp 9000";
const UDP: &str = "udp 5300";

/// What holds for every Pod of namespace `np-shut`.
pub const SHUT: &str = "{podSelector: {}, policyTypes: [Ingress, Egress]}";

/// All of them.
pub const SCENES: &[Scene] = &[
    Scene {
        name: "deny-ingress",
        policies: &["{podSelector: SUBJECT, policyTypes: [Ingress]}"],
        cases: &[
            no("red", S, WEB),
            no("blue", S, WEB),
            no("green", S, WEB),
            no("red", S, UDP),
            no("red", S, "ping"),
            no("red", "service/subject", WEB),
            no("blue", "node1/subject", WEB),
            no("host", "node1/subject", WEB),
            no("host", "node2/subject", WEB),
            yes(S, S, WEB),
            yes(S, "service/subject", WEB),
            yes(S, "server", WEB),
        ],
    },
    Scene {
        name: "allow-all",
        policies: &["{podSelector: SUBJECT, policyTypes: [Ingress]}", "{podSelector: SUBJECT, ingress: [{}]}"],
        cases: &[yes("red", S, WEB), yes("grey", S, FAR), yes("blue", S, UDP), yes("red", S, "ping")],
    },
    Scene {
        name: "empty-lists",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [], ports: []}]}"],
        cases: &[yes("red", S, FAR), yes("green", S, UDP)],
    },
    Scene {
        name: "pods",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{podSelector: {matchLabels: {app: red}}}]}]}"],
        cases: &[
            yes("red", S, WEB),
            yes("red", S, UDP),
            yes("red", "service/subject", WEB),
            no("blue", S, WEB),
            no("blue", "service/subject", WEB),
            no("grey", S, WEB),
        ],
    },
    Scene {
        name: "same-namespace",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{podSelector: {}}]}]}"],
        cases: &[yes("red", S, WEB), yes("blue", S, WEB), no("green", S, WEB), no("grey", S, WEB)],
    },
    Scene {
        name: "namespaces",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{namespaceSelector: {matchLabels: {team: other}}}]}]}"],
        cases: &[yes("green", S, WEB), yes("grey", S, WEB), no("red", S, WEB)],
    },
    Scene {
        name: "all-namespaces",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{namespaceSelector: {}}]}]}"],
        cases: &[yes("green", S, WEB), yes("red", S, WEB), no("host", "node1/subject", WEB)],
    },
    Scene {
        name: "both-together",
        policies: &[
            "{podSelector: SUBJECT, ingress: [{from: [{namespaceSelector: {matchLabels: {team: other}}, podSelector: {matchLabels: {app: red}}}]}]}",
        ],
        cases: &[yes("grey", S, WEB), no("green", S, WEB), no("red", S, WEB)],
    },
    Scene {
        name: "either",
        policies: &[
            "{podSelector: SUBJECT, ingress: [{from: [{namespaceSelector: {matchLabels: {team: other}}}, {podSelector: {matchLabels: {app: red}}}]}]}",
        ],
        cases: &[yes("grey", S, WEB), yes("green", S, WEB), yes("red", S, WEB), no("blue", S, WEB)],
    },
    Scene {
        name: "expressions",
        policies: &[
            "{podSelector: SUBJECT, ingress: [{from: [{namespaceSelector: {matchExpressions: [{key: team, operator: Exists}]}, podSelector: {matchExpressions: [{key: app, operator: In, values: [red, blue]}, {key: tier, operator: NotIn, values: [back]}]}}]}]}",
        ],
        cases: &[yes("red", S, WEB), yes("grey", S, WEB), no("blue", S, WEB), no("green", S, WEB)],
    },
    Scene {
        name: "block",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: [BLUE/32]}}]}]}"],
        cases: &[yes("red", S, WEB), yes("grey", S, WEB), no("blue", S, WEB), no("host", "node1/subject", WEB)],
    },
    Scene {
        name: "client",
        policies: &["{podSelector: SUBJECT, ingress: [{from: [{ipBlock: {cidr: HOST/32}}]}]}"],
        cases: &[yes("host", "node1/subject", WEB), no("red", S, WEB), no("red", "node1/subject", WEB)],
    },
    Scene {
        name: "named-port",
        policies: &["{podSelector: SUBJECT, ingress: [{ports: [{port: http}]}]}"],
        cases: &[
            yes("red", S, WEB),
            yes("blue", "service/subject", WEB),
            yes("blue", "node1/subject", WEB),
            no("red", S, ALT),
            no("red", S, "ping"),
        ],
    },
    Scene {
        name: "port-range",
        policies: &["{podSelector: SUBJECT, ingress: [{ports: [{port: 8080, endPort: 8081}]}]}"],
        cases: &[yes("blue", S, WEB), yes("blue", S, ALT), no("blue", S, FAR)],
    },
    Scene {
        name: "only-udp",
        policies: &["{podSelector: SUBJECT, ingress: [{ports: [{protocol: UDP, port: 5300}]}]}"],
        cases: &[yes("red", S, UDP), yes("blue", S, UDP), no("red", S, WEB)],
    },
    Scene {
        name: "only-tcp",
        policies: &["{podSelector: SUBJECT, ingress: [{ports: [{protocol: TCP}]}]}"],
        cases: &[yes("red", S, WEB), yes("red", S, FAR), no("red", S, UDP)],
    },
    Scene {
        name: "only-sctp",
        policies: &["{podSelector: SUBJECT, ingress: [{ports: [{protocol: SCTP, port: 8080, endPort: 8090}]}]}"],
        cases: &[no("red", S, WEB), no("red", S, UDP)],
    },
    Scene {
        name: "union",
        policies: &[
            "{podSelector: SUBJECT, ingress: [{from: [{podSelector: {matchLabels: {app: red}}}]}]}",
            "{podSelector: SUBJECT, ingress: [{ports: [{port: 8081}]}]}",
        ],
        cases: &[yes("red", S, FAR), yes("blue", S, ALT), no("blue", S, FAR)],
    },
    Scene {
        name: "deny-egress",
        policies: &["{podSelector: SUBJECT, policyTypes: [Egress]}"],
        cases: &[
            no(S, "server", WEB),
            no(S, "red", WEB),
            no(S, "service/server", WEB),
            no(S, "server", UDP),
            no(S, "names", "dns"),
            yes(S, S, WEB),
            yes("red", S, WEB),
            yes("blue", S, UDP),
        ],
    },
    Scene {
        name: "to-pods",
        policies: &[
            "{podSelector: SUBJECT, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: server}}}], ports: [{port: http}]}]}",
        ],
        cases: &[
            yes(S, "server", WEB),
            yes(S, "service/server", WEB),
            no(S, "server", ALT),
            no(S, "blue", WEB),
            no(S, "names", "dns"),
        ],
    },
    Scene {
        name: "to-namespaces",
        policies: &[
            "{podSelector: SUBJECT, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {team: other}}}]}, {to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}], ports: [{port: 53, protocol: UDP}]}]}",
        ],
        cases: &[yes(S, "green", WEB), yes(S, "grey", FAR), no(S, "server", WEB), yes(S, "names", "dns")],
    },
    Scene {
        name: "to-block",
        policies: &[
            "{podSelector: SUBJECT, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.244.0.0/16, except: [BLUE/32]}}]}]}",
        ],
        cases: &[yes(S, "server", WEB), yes(S, "red", WEB), no(S, "blue", WEB)],
    },
    Scene {
        name: "types-by-default",
        policies: &["{podSelector: SUBJECT, egress: [{to: [{podSelector: {matchLabels: {app: server}}}]}]}"],
        cases: &[no("red", S, WEB), yes(S, "server", WEB), no(S, "blue", WEB)],
    },
    Scene {
        name: "types-say-egress",
        policies: &["{podSelector: SUBJECT, policyTypes: [Egress], ingress: [], egress: [{}]}"],
        cases: &[yes("red", S, WEB), yes("green", S, WEB), yes(S, "server", WEB)],
    },
    Scene {
        name: "both-ends",
        policies: &["{podSelector: SUBJECT, policyTypes: [Egress], egress: [{}]}"],
        cases: &[
            no(S, "shut", WEB),
            yes(S, "server", WEB),
            no("shut", S, WEB),
            no("shut", "names", "dns"),
            yes("shut", "shut", WEB),
        ],
    },
];
