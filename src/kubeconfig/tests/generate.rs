//! Random kubeconfigs as people and tools write them.

use proptest::prelude::*;

/// A kubeconfig, and whether its bytes must survive a merge and a removal.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) text: String,
    pub(super) keeps_bytes: bool,
}

/// What one item of a list looks like.
fn item() -> impl Strategy<Value = fn(&str, &str) -> String> {
    let styles: Vec<fn(&str, &str) -> String> = vec![
        |kind, name| format!("- {kind}:\n    server: https://{name}:6443\n  name: {name}\n"),
        |kind, name| format!("- name: {name}\n  {kind}:\n    server: \"https://{name}\"\n    future: [1, {{a: b}}]\n"),
        |kind, name| format!("- {{name: {name}, {kind}: {{server: 'https://{name}'}}}}\n"),
        |kind, name| {
            format!(
                "-   name: {name}   # mine\n    {kind}: {{}}\n    extra:\n      deep: |\n        a\n\n        # no comment\n"
            )
        },
        |kind, name| format!("-\n  {kind}: {{token: x}}\n\n  # inside\n  name: \"{name}\"\n"),
        |kind, name| {
            format!(
                "- name: {name}\n  {kind}:\n    exec:\n      args:\n      - get-token\n      - --name\n      - clusters:\n      command: ./bin/tool\n      env: null\n"
            )
        },
        |kind, name| {
            format!(
                "- name: {name}\n  {kind}:\n    certificate-authority: ../ca.crt\n    extensions:\n    - name: other\n      extension: {{a: 1}}\n"
            )
        },
    ];
    proptest::sample::select(styles)
}

/// A list with its key.
fn list(key: &'static str, kind: &'static str) -> impl Strategy<Value = Sample> {
    let names = proptest::sample::subsequence(vec!["alpha", "beta", "no", "prod", "zeta"], 0..=5).prop_shuffle();
    let items = names.prop_flat_map(|names| {
        let count = names.len();
        (Just(names), proptest::collection::vec(item(), count), 0..3_usize, any::<bool>())
    });
    let filled = items.prop_map(move |(names, styles, indent, comments)| {
        if names.is_empty() {
            return Sample { text: format!("{key}: [] # none yet\n"), keeps_bytes: true };
        }
        let mut text = format!("{key}:{}\n", if comments { " # mine" } else { "" });
        for (name, style) in names.iter().zip(styles) {
            // The name `no` is quoted so that every YAML reader sees a text.
            let name = if *name == "no" { "\"no\"" } else { name };
            let item = style(kind, name).replace("\"\"no\"\"", "\"no\"").replace("https://\"no\"", "https://no");
            for line in item.lines() {
                let pad = if line.is_empty() { 0 } else { indent };
                text.extend([" ".repeat(pad).as_str(), line, "\n"]);
            }
            if comments {
                text += "# between\n\n";
            }
        }
        Sample { text, keeps_bytes: true }
    });
    let odd =
        proptest::sample::select(vec!["", "KEY: null\n", "KEY:\n", "KEY: ~\n", "KEY: [ ]\n", "KEY: [{name: x}]\n"])
            .prop_map(move |t| Sample { text: t.replace("KEY", key), keeps_bytes: false });
    prop_oneof![6 => filled, 1 => odd]
}

/// `current-context` in its forms.
fn current() -> impl Strategy<Value = Sample> {
    let kept = vec![
        "current-context: prod\n",
        "current-context: \"prod\"  # mine\n",
        "current-context: ''\n",
        "current-context: \"\"\n",
        "current-context:   beta # x\n",
        "current-context: 'prod'\n",
    ];
    let odd = vec!["", "current-context:\n", "current-context: gone\n", "current-context: >-\n  prod\n"];
    prop_oneof![
        4 => proptest::sample::select(kept).prop_map(|t| Sample { text: t.to_owned(), keeps_bytes: true }),
        1 => proptest::sample::select(odd).prop_map(|t| Sample { text: t.to_owned(), keeps_bytes: false }),
    ]
}

/// A whole file: sections in any order, other keys and comments between them, CRLF, a byte order mark, no last newline.
pub(super) fn kubeconfig() -> impl Strategy<Value = Sample> {
    let others = proptest::sample::subsequence(
        vec![
            "preferences: {}\n",
            "# a comment\n",
            "\n",
            "x-tool:\n  a: [b, c]\n",
            "text: |\n  clusters:\n  - name: fake\n",
        ],
        0..=5,
    );
    let sections = (list("clusters", "cluster"), list("contexts", "context"), list("users", "user"), current());
    let shape =
        (proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), proptest::bool::weighted(0.2), any::<bool>());
    (sections, others, shape)
        .prop_flat_map(|((a, b, c, d), others, shape)| {
            let keeps_bytes = [&a, &b, &c, &d].iter().all(|s| s.keeps_bytes);
            let mut parts = vec!["apiVersion: v1\n".to_owned(), "kind: Config\n".to_owned()];
            parts.extend([a, b, c, d].map(|s| s.text));
            parts.extend(others.into_iter().map(str::to_owned));
            (Just(parts).prop_shuffle(), Just(shape), Just(keeps_bytes))
        })
        .prop_map(|(parts, (windows, mark, cut, start), keeps_bytes)| {
            let mut text = parts.concat();
            // A block scalar at the end would mean something else without its last line end.
            if cut && !text.ends_with("fake\n") && !text.ends_with("no comment\n") {
                text.pop();
            }
            if start {
                text.insert_str(0, "---\n");
            }
            if windows {
                text = text.replace('\n', "\r\n");
            }
            if mark {
                text.insert(0, '\u{feff}');
            }
            Sample { text, keeps_bytes }
        })
}

/// Lines that look like a kubeconfig in no sensible order; most are not even YAML.
pub(super) fn soup() -> impl Strategy<Value = String> {
    let lines = vec![
        "clusters:",
        "clusters: []",
        "contexts:",
        "contexts: null",
        "users:",
        "users: &u",
        "- name: knarr-dev",
        "- name: a",
        "-",
        "  - name: b",
        "  cluster: {}",
        "  user:",
        "    x: |",
        "    # deep",
        "# flat",
        "",
        "...",
        "---",
        "current-context: a",
        "current-context: \"a\\\"",
        "current-context: 'x",
        "  text'",
        "? clusters",
        ": []",
        "kind: Config",
        "  extensions: [{name: knarr, extension: {cluster: dev, createId: \"1\"}}]",
        "\"users\": []",
        "{",
        "}",
        "users: [",
        "]",
        "- &x",
        "- *x",
        "<<: {users: []}",
        "\tusers:",
        "ä: ö",
        "- context: {extensions: [{name: knarr, extension: {cluster: dev}}]}",
    ];
    proptest::collection::vec(proptest::sample::select(lines), 0..12).prop_map(|l| l.join("\n"))
}
