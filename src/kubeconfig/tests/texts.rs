//! Concrete files: what comes out of them to the letter, and what is refused.

use super::{entry, merged, parse, removed, text};
use crate::kubeconfig::{Document, Obstacle, render};

/// A kubeconfig as kubectl writes it, with things that knarr knows nothing of.
const MINE: &str = r#"apiVersion: v1
clusters:
- cluster:
    certificate-authority: ../pki/ca.crt
    server: https://prod.example.com
    x-future: [1, 2]   # kept
  name: prod

# my contexts
contexts:
- context: {cluster: prod, user: ana}
  name: prod
current-context: "prod" # careful
kind: Config
preferences: {}
users:
- name: ana
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      interactiveMode: Never
"#;

#[test]
fn a_new_file() {
    insta::assert_snapshot!(render(&entry("dev", "id-1")), @r"
    apiVersion: v1
    clusters:
    - cluster:
        certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K
        extensions:
        - extension:
            cluster: dev
            createId: id-1
          name: knarr
        server: https://127.0.0.1:20003
      name: knarr-dev
    contexts:
    - context:
        cluster: knarr-dev
        extensions:
        - extension:
            cluster: dev
            createId: id-1
          name: knarr
        user: knarr-dev
      name: knarr-dev
    current-context: knarr-dev
    kind: Config
    users:
    - user:
        client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K
        client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIFBSSVZBVEUgS0VZLS0tLS0K
        extensions:
        - extension:
            cluster: dev
            createId: id-1
          name: knarr
      name: knarr-dev
    ");
}

#[test]
fn a_file_with_everything() {
    let after = text(&merged(&parse(MINE), &entry("dev", "id-1")));
    let ours: Vec<&str> = after.lines().filter(|line| !MINE.lines().any(|old| old == *line)).collect();
    insta::assert_snapshot!(ours.join("\n"), @r#"
        certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K
        extensions:
        - extension:
            cluster: dev
            createId: id-1
          name: knarr
        server: https://127.0.0.1:20003
      name: knarr-dev
    - context:
        cluster: knarr-dev
        extensions:
        - extension:
            cluster: dev
            createId: id-1
            previous:
            - prod
          name: knarr
        user: knarr-dev
      name: knarr-dev
    current-context: "knarr-dev" # careful
    - user:
        client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K
        client-key-data: LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCmRldiBpZC0xCi0tLS0tRU5EIFBSSVZBVEUgS0VZLS0tLS0K
        extensions:
        - extension:
            cluster: dev
            createId: id-1
          name: knarr
      name: knarr-dev
    "#);
    assert!(after.contains("x-future: [1, 2]   # kept\n  name: prod\n- cluster:\n"), "{after}");
    assert!(after.contains("  name: knarr-dev\n\n# my contexts\ncontexts:\n"), "{after}");
    assert_eq!(text(&removed(&parse(&after), "dev")), MINE);
}

#[test]
fn what_people_added_to_our_items_is_kept() {
    let first = text(&merged(&parse(MINE), &entry("dev", "1")));
    let edited = first
        .replace("    cluster: knarr-dev\n", "    cluster: knarr-dev\n    namespace: web\n")
        .replace("    server: https://127.0.0.1", "    insecure-skip-tls-verify: true\n    server: https://127.0.0.1");
    assert_ne!(edited, first);
    let after = text(&merged(&parse(&edited), &entry("dev", "2")));
    assert!(after.contains("namespace: web"), "{after}");
    assert!(!after.contains("insecure-skip-tls-verify"), "{after}");
    assert_eq!(text(&removed(&parse(&after), "dev")), MINE);
}

#[test]
fn ends_of_lines_and_the_byte_order_mark_stay() {
    let windows = format!("\u{feff}{}", MINE.replace('\n', "\r\n"));
    let after = text(&merged(&parse(&windows), &entry("dev", "1")));
    assert!(after.starts_with('\u{feff}'));
    assert_eq!(after.matches('\n').count(), after.matches("\r\n").count());
    assert_eq!(text(&removed(&parse(&after), "dev")), windows);
}

#[test]
fn a_file_of_flow_style_is_laid_out_anew_and_says_so() {
    let flow = "clusters: [{name: a, cluster: {server: 'https://a'}}]\ncontexts: []\nusers: []\n";
    let changed = parse(flow).merge(&entry("dev", "1"), true).unwrap().unwrap();
    assert!(changed.rewritten);
    assert!(!parse(MINE).merge(&entry("dev", "1"), true).unwrap().unwrap().rewritten);
}

#[test]
fn json_stays_json() {
    let after =
        text(&merged(&parse(r#"{"kind": "Config", "users": [{"name": "no", "user": {}}]}"#), &entry("dev", "1")));
    let value: serde_json::Value = serde_json::from_str(&after).unwrap();
    assert_eq!(value["users"][0]["name"], "no");
    assert_eq!(value["users"][1]["name"], "knarr-dev");
}

#[test]
fn an_item_of_our_name_without_our_mark_is_not_ours() {
    for list in ["clusters", "contexts", "users"] {
        let kind = list.trim_end_matches('s');
        let foreign = format!(
            "{list}:\n- name: knarr-dev\n  {kind}: {{extensions: [{{name: minikube, extension: {{cluster: dev}}}}]}}\n"
        );
        let document = parse(&foreign);
        assert_eq!(document.merge(&entry("dev", "1"), true).err(), Some(Obstacle::Foreign(list)));
        assert!(document.remove("dev", None, Some("")).unwrap().is_none());
        let other = foreign.replace("minikube", "knarr").replace("cluster: dev", "cluster: else");
        assert_eq!(parse(&other).check("dev"), Err(Obstacle::Foreign(list)));
    }
}

#[test]
fn removal_can_be_restricted_to_one_run() {
    let document = merged(&parse(MINE), &entry("dev", "1"));
    assert!(document.remove("dev", Some("2"), None).unwrap().is_none());
    assert!(document.remove("dev", Some("1"), None).unwrap().is_some());
}

#[test]
fn two_of_a_name_are_refused_but_ours_are_still_removed() {
    let twice = MINE.replace("users:\n", "users:\n- name: ana\n  user: {}\n");
    assert_eq!(parse(&twice).check("dev"), Err(Obstacle::Duplicate("users")));
    let ours = text(&merged(&parse(MINE), &entry("dev", "1"))).replace("users:\n", "users:\n- name: ana\n  user: {}\n");
    assert_eq!(text(&removed(&parse(&ours), "dev")), twice);
}

#[test]
fn surplus_items_of_ours_go() {
    let once = text(&merged(&parse(MINE), &entry("dev", "1")));
    let (head, tail) = once.split_once("users:\n").unwrap();
    let item = &tail[tail.find("- name: knarr-dev").or(tail.find("- user:")).unwrap()..];
    let twice = format!("{head}users:\n{tail}{item}");
    assert_eq!(text(&merged(&parse(&twice), &entry("dev", "1"))), once);
}

#[test]
fn earlier_contexts_are_remembered_through_generations() {
    let three = ["a", "b", "c"].iter().fold(parse(MINE), |d, c| merged(&d, &entry(c, "1")));
    assert_eq!(three.previous_contexts("c"), ["knarr-b", "knarr-a", "prod"]);
    let one = removed(&removed(&three, "a"), "b");
    assert_eq!(removed(&one, "c").current_context(), Some("prod"));
}

#[test]
fn refused_with_the_line_and_without_the_content() {
    let big = "#".repeat(1 << 20) + "\n";
    let refused: Vec<String> = [
        "clusters:\n- name: SECRET\n  cluster: {server: [}\n",
        "users:\n\t- name: SECRET\n",
        "users: []\nSECRET: 1\nSECRET: 2\n",
        "users:\n- user: {token: SECRET, token: SECRET}\n",
        "- SECRET\n",
        "SECRET",
        "kind: SECRET\n",
        "apiVersion: SECRET\n",
        "current-context: [SECRET]\n",
        "clusters: {}\n",
        "users: SECRET\n",
        "contexts:\n- SECRET\n",
        "kind: Config\n---\nkind: SECRET\n",
        "a: \"\\uD800SECRET\"\n",
        &big,
    ]
    .iter()
    .map(|text| Document::parse(text.as_bytes()).err().unwrap().to_string())
    .chain([Document::parse(b"a: 1\nb: \xff\n").err().unwrap().to_string()])
    .collect();
    assert!(!refused.iter().any(|r| r.contains("SECRET")));
    insta::assert_snapshot!(refused.join("\n"), @r"
    line 3: not valid YAML (or a key twice, or more than one document)
    line 2: not valid YAML (or a key twice, or more than one document)
    line 3: not valid YAML (or a key twice, or more than one document)
    line 2: not valid YAML (or a key twice, or more than one document)
    its top level is not a mapping
    its top level is not a mapping
    it is not of `apiVersion: v1` and `kind: Config`
    it is not of `apiVersion: v1` and `kind: Config`
    `current-context` is not text
    `clusters` is not a list
    `users` is not a list
    `contexts` holds something other than mappings
    not valid YAML (or a key twice, or more than one document)
    line 1: not valid YAML (or a key twice, or more than one document)
    it is larger than 1 MiB
    line 2: not UTF-8 text
    ");
}

#[test]
fn empty_in_many_ways() {
    for empty in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "null\n",
        "{}\n",
        "\u{feff}",
        "clusters: null\nusers:\n",
        "preferences: {}",
    ] {
        let after = merged(&parse(empty), &entry("dev", "1"));
        assert_eq!(after.entry("dev"), Some(entry("dev", "1")), "{empty:?}");
        let value = crate::yaml::parse_value(&text(&after)).unwrap();
        assert!(value["apiVersion"] == "v1" && value["kind"] == "Config", "{empty:?}");
        assert_eq!(removed(&after, "dev").clusters(), Vec::<String>::new());
    }
}

#[test]
fn aliases_and_merge_keys_keep_their_meaning() {
    let aliased = "contexts:\n- name: a\n  context: &x {cluster: c, user: u}\n- name: b\n  context: *x\n- name: d\n  context:\n    <<: *x\n    namespace: n\n";
    let after = text(&merged(&parse(aliased), &entry("dev", "1")));
    assert!(after.starts_with(aliased), "{after}");
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", entry("dev", "1"));
    assert!(!shown.contains("BEGIN"), "{shown}");
}
