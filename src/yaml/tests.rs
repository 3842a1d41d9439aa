//! Strictness, positions, and that what we write reads the same everywhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Outer {
    #[serde(default)]
    nodes: Vec<Inner>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Inner {
    #[serde(default)]
    count: u8,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

fn refusal(text: &str) -> String {
    parse::<Outer>(text).expect_err("must be refused").to_string()
}

#[test]
fn errors_have_position_path_and_reason() {
    let cases = [
        "nodes:\n- count: many\n",
        "nodes:\n- count: 1\n  rolle: x\n",
        "nodes:\n- count: 1\n  count: 2\n",
        "nodes:\n- labels: {a: b, \"a\": c}\n",
        "nodes:\n\t- count: 1\n",
        "nodes: [1\n",
        "nodes: *none\n",
        "nodes: !odd []\n",
        "? [a, b]\n: c\n",
        "nodes: []\n---\nnodes: []\n",
        "- a\n",
    ];
    let got = cases.map(refusal).join("\n");
    insta::assert_snapshot!(got, @r#"
    line 2 column 10: nodes[0].count: invalid type: string "many", expected u8
    line 3 column 3: nodes[0]: unknown field `rolle`, expected `count` or `labels`
    line 3 column 3: nodes[0]: the key `count` is there twice
    line 2 column 18: nodes[0].labels: the key `a` is there twice
    line 2 column 1: YAML is indented with spaces; this is a tab
    line 2 column 1: did not find expected ',' or ']', while parsing a flow sequence at line 1 column 8
    line 1 column 8: unknown anchor
    line 1 column 8: nodes: tags (`!name`) are not supported; quote the text if it starts with `!`
    line 1 column 3: invalid type: sequence, expected a key that is text
    there is more than one document (`---`) where one is expected
    line 1 column 1: invalid type: sequence, expected struct Outer
    "#);
}

#[test]
fn empty_text_is_what_the_type_makes_of_it() {
    assert!(parse::<Outer>("# only a comment\n").expect("every field has a default").nodes.is_empty());
    assert_eq!(parse::<u8>("").expect_err("no number").to_string(), "the document is empty");
    assert!(parse_value("").expect("fine").is_null());
}

#[test]
fn limits_hold() {
    assert!(refusal(&format!("# {}", "x".repeat(MAX_BYTES))).contains("more than the 1048576 allowed"));
    assert!(parse_value(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    assert!(parse_value(&deep).expect_err("deep").message.contains("deeper than 64"));
    let mut bomb = String::from("a: &a [x,x,x,x,x,x,x,x,x]\n");
    for (was, is) in "abcdefgh".chars().zip("bcdefghi".chars()) {
        writeln!(bomb, "{is}: &{is} [{}]", vec![format!("*{was}"); 9].join(",")).expect("a String takes all");
    }
    assert!(parse_value(&bomb).expect_err("bomb").message.contains("aliases add more than"));
    let wide = format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), vec!["*a"; 5000].join(","));
    assert!(parse_value(&wide).expect_err("wide").message.contains("aliases add more than"));
    let long = "- 1\n".repeat(30_000);
    assert!(parse_value(&long).is_ok(), "a long text without aliases is no bomb");
}

#[test]
fn marks_line_ends_and_merge_keys_are_fine() {
    let outer: Outer = parse("\u{feff}nodes:\r\n- count: 3\r\n  labels:\r\n    a: b\r\n").expect("fine");
    assert_eq!((outer.nodes[0].count, outer.nodes[0].labels["a"].as_str()), (3, "b"));
    let merged = parse_value("base: &b {x: 1}\nmine:\n  <<: *b\n  y: 2\n").expect("fine");
    assert_eq!(merged["mine"], parse_value("{y: 2, x: 1}").expect("fine"));
}

#[test]
fn documents_keep_number_and_line() {
    let text = "# head\n---\nkind: A\n---\n\n---\n# note\nkind: B\n...\n---\n{\"kind\": \"C\"}\n";
    let got: Vec<_> =
        documents(text).expect("fine").into_iter().map(|d| (d.index, d.line, d.value["kind"].clone())).collect();
    assert_eq!(got.len(), 3);
    assert_eq!(got[0].1, 3);
    assert_eq!(got[1].1, 8);
    assert_eq!(got[2].1, 11);
    assert_eq!(got[2].2, Value::from("C"));
    assert!(documents("").expect("fine").is_empty());
    let wrong = documents("a: 1\n---\nb: 1\nb: 2\n").expect_err("twice");
    assert_eq!((wrong.line, wrong.column), (4, 1));
}

#[test]
fn zeros_make_octal_numbers_in_manifests_only() {
    let text = "a: 0444\nb: [0755,-010, +07]\nc: {\"0444\":0644}\nd: '0444'\ne: \"0444\"\nf: |-\n  0444\ng: 0o444\n\
                h: 089\ni: 0\nj: &j 0400\nk: *j\nl: 0.5\nm: !!str 0444\n";
    let read = documents(text).expect("fine").remove(0).value;
    let expected = serde_json::json!({
        "a": 292, "b": [493, -8, 7], "c": {"0444": 420}, "d": "0444", "e": "0444", "f": "0444", "g": 292,
        "h": "089", "i": 0, "j": 256, "k": 256, "l": 0.5, "m": "0444",
    });
    assert_eq!(serde_json::to_value(read).expect("keys are text"), expected);
    assert_eq!(documents("\u{feff}0444").expect("fine")[0].value, Value::from(292));
    assert_eq!(parse_value("0444").expect("fine"), Value::from("0444"));
}

#[test]
fn known_traps_are_quoted() {
    let traps = [
        "no",
        "on",
        "Yes",
        "y",
        "N",
        "off",
        "12:30:45",
        "0o7",
        "017",
        "1_000",
        ".5",
        "~",
        "null",
        "NULL",
        "2026-11-23",
        "2026-1-2T03:04:05Z",
        "0x1F",
        "1e5",
        "+1",
        "-.inf",
        ".NaN",
        "",
        "=",
        "<<",
        "1.",
        "0b11",
        "1:2",
        "+inf",
        "08",
        "- a",
        "#x",
        "a: b",
        "a #b",
        "key:",
        " lead",
        "trail ",
        "*x",
        "&x",
        "!x",
        "%x",
        "@x",
        "`x",
        "---",
        "|",
        ">",
        "{}",
        "[]",
        "?",
        "a\nb\n",
        "\u{85}",
        "é\u{2028}",
    ];
    for trap in traps {
        let out = render(&trap);
        assert!(out.starts_with('"'), "{trap:?} came out as {out}");
        assert_eq!(parse_value(&out).expect("reads"), Value::from(trap));
    }
    for fine in [
        "dev",
        "10.0.0.0/8",
        "v1.36.4",
        "https://127.0.0.1:6443",
        "LS0tLS1CRUdJTg==",
        "kind-dev",
        "a_b",
        "2026-11",
        "yesterday",
    ] {
        assert_eq!(render(&fine), format!("{fine}\n"));
    }
}

#[test]
fn layout_is_the_usual_one() {
    let value = parse_value("{a: {b: [1, {c: d, e: [x]}, [y, []]], f: {}}, g: null, h: 1.0e+30}").expect("fine");
    insta::assert_snapshot!(render(&value), @r#"
    a:
      b:
      - 1
      - c: d
        e:
        - x
      - - "y"
        - []
      f: {}
    g: null
    h: 1.0e+30
    "#);
}

/// What a YAML 1.1 reader takes a plain scalar for, after the tables at yaml.org/type: true if it is not text.
fn resolved_by_yaml_1_1(s: &str) -> bool {
    let b = s.as_bytes();
    let words = ["y", "n", "yes", "no", "true", "false", "on", "off", "null"];
    let cased = |w: &str| s == w || s == w.to_uppercase() || s == format!("{}{}", w[..1].to_uppercase(), &w[1..]);
    if s.is_empty() || s == "~" || s == "=" || s == "<<" || words.iter().any(|w| cased(w)) {
        return true;
    }
    let body = if matches!(b[0], b'+' | b'-') { &b[1..] } else { b };
    let only = |part: &[u8], set: &str| !part.is_empty() && part.iter().all(|c| set.as_bytes().contains(c));
    let int = body.strip_prefix(b"0b").is_some_and(|r| only(r, "01_"))
        || body.strip_prefix(b"0x").is_some_and(|r| only(r, "0123456789abcdefABCDEF_"))
        || (only(body, "0123456789_") && body[0] != b'_');
    let float = [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].iter().any(|w| w.as_bytes() == body)
        || (only(body, "0123456789_.eE+-")
            && body.contains(&b'.')
            && String::from_utf8_lossy(body).replace('_', "").parse::<f64>().is_ok());
    let sixty = body.contains(&b':') && only(body, "0123456789_:.") && body[0].is_ascii_digit();
    let date = b.len() >= 8 && only(&b[..4], "0123456789") && b[4] == b'-' && only(b, "0123456789-:.TtZz +\t");
    int || float || sixty || date
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[-+~=<.0-9_:xobeEyYnNtTfF]{0,8}".prop_map(Value::from),
        "[ -~\\n\\t]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Sequence),
            prop::collection::btree_map("[ -~]{0,6}", inner, 0..5)
                .prop_map(|m| Value::Mapping(m.into_iter().map(|(k, v)| (Value::from(k), v)).collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_rendered_reads_back_the_same(value in anything()) {
        let out = render(&value);
        prop_assert_eq!(parse_value_unmerged(&out), value, "{}", out);
    }

    #[test]
    fn no_plain_scalar_is_misread(text in "[-+~=<.0-9_:xobeEyYnNtTzZ]{0,10}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?") {
        let out = render(&text);
        if !out.starts_with('"') {
            prop_assert!(!resolved_by_yaml_1_1(&text), "{} is not text to YAML 1.1", text);
        }
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = parse_value(&text);
        let _ = documents(&text);
    }
}

/// As written: a key `<<` that stands in quotes is a key.
fn parse_value_unmerged(text: &str) -> Value {
    guarded(serde_yaml::Deserializer::from_str(text), text).expect("what we write can be read")
}
