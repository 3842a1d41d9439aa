//! Config files: every fixture is a case. Valid ones show the spec, invalid ones their whole message.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use knarr::config::{self, Loaded, Overrides, Source, Surroundings};
use knarr::error::{Error, ErrorKind};
use knarr::yaml::{self, Value};
use proptest::prelude::*;

/// Where the tests pretend to be; paths that contain `missing` do not exist.
const HERE: &str = "/home/ana/work";

fn load(source: &Source, overrides: &Overrides) -> Result<Loaded, Error> {
    let exists = |path: &Path| path.is_absolute() && !path.to_string_lossy().contains("missing");
    config::load(source, overrides, &around(&exists))
}

fn around(exists: &dyn Fn(&Path) -> bool) -> Surroundings<'_> {
    let (default_image, current_dir) = ("knarr.dev/node:v1.36.4", Path::new(HERE));
    Surroundings { verb: "create", default_name: None, default_image, current_dir, exists }
}

fn file(text: &str) -> Source {
    Source::File("dev.yaml".into(), text.into())
}

fn refusal(source: &Source, overrides: &Overrides) -> Error {
    load(source, overrides).expect_err("it must be refused")
}

/// All fixtures of a folder: name and text.
fn fixtures(kind: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config").join(kind);
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("it is text"))
        })
        .collect();
    all.sort();
    all
}

/// Compares each fixture's result with its snapshot, and refuses snapshots without a fixture.
fn check(kind: &str, at_least: usize, show: impl Fn(&Source) -> String) {
    let fixtures = fixtures(kind);
    assert!(fixtures.len() >= at_least, "only {} fixtures are left", fixtures.len());
    let folder = format!("{}/tests/it/snapshots/config_{kind}", env!("CARGO_MANIFEST_DIR"));
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (name, text) in &fixtures {
        settings.set_input_file(format!("tests/fixtures/config/{kind}/{name}.yaml"));
        let shown = show(&Source::File(format!("{name}.yaml").into(), text.clone()));
        settings.bind(|| insta::assert_snapshot!(name.as_str(), shown));
    }
    let names: BTreeSet<String> = fixtures.into_iter().map(|(name, _)| name).collect();
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        assert!(names.contains(&name), "the snapshot {} has no fixture", path.display());
    }
}

#[test]
fn valid_files_become_specs() {
    check("valid", 15, |source| {
        let Loaded { spec, warnings } = load(source, &Overrides::default()).unwrap_or_else(|e| panic!("{e}"));
        let warnings = warnings.iter().map(|warning| format!("warning: {warning}"));
        warnings.chain([format!("{spec:#?}")]).collect::<Vec<_>>().join("\n")
    });
}

/// Whatever a file says, what is written of it says the same.
#[test]
fn what_is_written_says_the_same() {
    for (name, text) in fixtures("valid") {
        let spec = load(&file(&text), &Overrides::default()).unwrap_or_else(|e| panic!("{name}: {e}")).spec;
        let written = config::write(&spec, "knarr.dev/node:v1.36.4").expect("it can be written");
        let again = load(&file(&written), &Overrides::default()).unwrap_or_else(|e| panic!("{name}: {e}\n{written}"));
        assert_eq!(again.spec, spec, "{name}\n{written}");
    }
}

#[test]
fn invalid_files_say_everything_that_is_wrong() {
    check("invalid", 40, |source| {
        let error = refusal(source, &Overrides::default());
        assert_eq!(error.kind, ErrorKind::Config);
        error.to_string()
    });
}

#[test]
fn nothing_means_one_control_plane() {
    let Loaded { spec, warnings } = load(&Source::None, &Overrides::default()).expect("defaults are fine");
    assert!(warnings.is_empty());
    assert_eq!(spec.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["knarr-control-plane"]);
    let empty = load(&file("apiVersion: knarr.dev/v1alpha1\nkind: Cluster\n"), &Overrides::default());
    assert_eq!(empty.expect("an empty config is fine").spec, spec);
}

#[test]
fn flags_win_over_the_file() {
    let flags = Overrides {
        name: Some("other".into()),
        image: Some("example.com/node:1".into()),
        control_planes: Some(1),
        workers: Some(2),
        nodes: None,
        cpus: Some("2".into()),
        memory: None,
        api_port: Some(7443),
        addons: vec!["ingress".into()],
        no_addons: vec!["storage".into()],
        manifests: Vec::new(),
        ttl: Some(std::time::Duration::from_secs(7200)),
    };
    let text =
        "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nttl: 1m\nname: dev\nimage: a\nnetworking: {apiServerPort: 1}\n";
    let spec = load(&file(text), &flags).expect("fine").spec;
    assert_eq!((spec.name.as_str(), spec.image.as_str()), ("other", "example.com/node:1"));
    assert_eq!((spec.networking.api_port, spec.ttl), (Some(7443), flags.ttl));
    let names: Vec<_> = spec.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["other-control-plane", "other-worker", "other-worker2"]);
    assert!(spec.nodes.iter().all(|node| node.limits.milli_cpus == Some(2000) && node.limits.memory_bytes.is_none()));

    let text = format!("{text}nodes: [{{role: control-plane, image: b}}, {{role: worker, count: 2}}]\n");
    let Loaded { spec, warnings } = load(&file(&text), &flags).expect("flags that agree with the file are fine");
    assert_eq!(spec.nodes.len(), 3);
    assert_eq!(spec.nodes[0].image, None);
    assert_eq!(warnings, ["nodes[0].image: `--image example.com/node:1` is used instead of `b`"]);
}

#[test]
fn nodes_are_control_plane_and_workers() {
    let flags = |nodes, workers| Overrides { nodes: Some(nodes), workers, ..Overrides::default() };
    let spec = load(&Source::None, &flags(3, None)).expect("fine").spec;
    assert_eq!((spec.control_planes().count(), spec.workers().count()), (1, 2));
    let listed = "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnodes: [{role: control-plane}, {role: worker}]\n";
    load(&file(listed), &flags(2, None)).expect("it agrees with the file");
    let lines = [
        refusal(&Source::None, &flags(0, None)),
        refusal(&Source::None, &flags(100, None)),
        refusal(&Source::None, &flags(3, Some(2))),
        refusal(&file(listed), &flags(3, None)),
    ];
    let lines: Vec<String> = lines.into_iter().flat_map(|error| error.details).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    --nodes: 0 is too few; control planes are nodes too, and there are 1
    --nodes: 99 workers are asked for; at most 50 are possible
    --nodes: 3 nodes and `--workers 2` cannot both be asked for; use one of them
    --nodes: 3 contradicts the file, whose `nodes` has 2; change one of them
    "#);
}

#[test]
fn wrong_flags_are_told_as_such() {
    let flags = |name: &str, control_planes, workers, api_port| Overrides {
        name: Some(name.into()),
        image: None,
        control_planes: Some(control_planes),
        workers: Some(workers),
        nodes: None,
        cpus: None,
        memory: None,
        api_port: Some(api_port),
        addons: vec!["ingres".into(), "storage".into()],
        no_addons: vec!["storage".into()],
        manifests: Vec::new(),
        ttl: None,
    };
    let error = refusal(&Source::None, &flags("My_Cluster", 3, 4_000_000_000, 0));
    assert_eq!(error.kind, ErrorKind::Usage);
    insta::assert_snapshot!(error, @r#"
    error: the command line has 4 problems
      --name: `My_Cluster` is not a cluster name: use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends, for example `dev` or `pr-123`
      --workers: 4000000000 workers are asked for; at most 50 are possible
      --addon: `ingres` is not an addon (did you mean `ingress`?)
      --addon: `storage` is turned off by `--no-addon` at the same time
    hint: see what flags mean with `knarr create --help`
    "#);
    let text = "apiVersion: knarr.dev/v1alpha1\nkind: Cluster\nnodes:\n- role: control-plane\n  ports: [{containerPort: 80, hostPort: 80}]\n";
    let error = refusal(&file(text), &flags("dev", 2, 1, 80));
    insta::assert_snapshot!(error, @r#"
    error: `dev.yaml` has 5 problems
      --control-planes: 2 contradicts the file, whose `nodes` has 1; change one of them
      --workers: 1 contradicts the file, whose `nodes` has 0; change one of them
      nodes[0].ports[0].hostPort: 80/tcp at 127.0.0.1 is asked for already by --api-port (at 127.0.0.1)
      --addon: `ingres` is not an addon (did you mean `ingress`?)
      --addon: `storage` is turned off by `--no-addon` at the same time
    hint: see what would be done, without doing it, with `knarr create --config dev.yaml --dry-run`
    "#);
    let error = refusal(&Source::Stdin("nodes: [".into()), &Overrides::default());
    assert_eq!(error.kind, ErrorKind::Config);
    insta::assert_snapshot!(error, @r#"
    error: cannot read the config on standard input
      <stdin>:2:1: did not find expected node content, while parsing a flow node
    hint: see every key with an explanation with `knarr config init`
    "#);
    let error = refusal(&Source::Stdin(format!("{text}audit: maybe\n")), &Overrides::default());
    insta::assert_snapshot!(error, @r#"
    error: cannot read the config on standard input
      <stdin>:6:8: audit: expected `true` or `false`, got the text "maybe"
    hint: see every key with an explanation with `knarr config init`
    "#);
    let path = "my dir/it's.yaml".into();
    let error = refusal(&Source::File(path, text.replace("80,", "0,")), &Overrides::default());
    insta::assert_snapshot!(error, @r#"
    error: `my dir/it's.yaml` has 1 problem
      nodes[0].ports[0].containerPort: 0 is not a port; use 1 to 65535
    hint: see what would be done, without doing it, with `knarr create --config 'my dir/it'\''s.yaml' --dry-run`
    "#);
}

proptest! {
    /// Files with a piece missing, doubled or replaced are refused or fine, but never make knarr panic.
    #[test]
    fn damaged_files_do_no_harm(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        length in 0usize..30,
        instead in prop_oneof![Just(String::new()), "[-:{}\\[\\],#&*!|>'\"%@` \n\ta-z0-9.]{0,8}"],
    ) {
        let fixtures: Vec<_> = ["valid", "invalid"].into_iter().flat_map(fixtures).collect();
        let mut characters: Vec<char> = which.get(&fixtures).1.chars().collect();
        let from = at.index(characters.len() + 1);
        let to = (from + length).min(characters.len());
        characters.splice(from..to, instead.chars());
        let damaged: String = characters.into_iter().collect();
        if let Err(error) = load(&file(&damaged), &Overrides::default()) {
            prop_assert_eq!(error.kind, ErrorKind::Config);
            prop_assert!(!error.details.is_empty());
        }
    }
}

/// Lines that begin with `#` and no blank are settings to uncomment.
fn uncommented(text: &str) -> String {
    let line = |line: &str| {
        let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
        match rest.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '#']) => format!("{indent}{setting}\n"),
            _ => format!("{line}\n"),
        }
    };
    text.lines().map(line).collect()
}

#[test]
fn the_example_is_valid_and_shows_the_defaults() {
    let example = load(&file(config::init()), &Overrides::default()).expect("the example is valid");
    assert!(example.warnings.is_empty());
    let defaults = load(&Source::None, &Overrides { workers: Some(1), ..Overrides::default() }).expect("fine");
    assert_eq!(example.spec, defaults.spec, "what the example shows without `#` are the defaults");
    load(&file(&uncommented(config::init())), &Overrides::default()).expect("all of the example is valid");
}

#[tokio::test]
async fn the_example_as_json_is_the_same() {
    let run = crate::env::Env::new().knarr("config init -o json").await;
    let shown: serde_json::Value = serde_json::from_str(&run.stdout).expect("it is JSON");
    let example = yaml::parse_value(config::init()).expect("fine");
    assert_eq!(shown, serde_json::to_value(example).expect("it has only texts for keys"));
}

#[test]
fn the_example_shows_every_key_of_the_schema() {
    let shown = yaml::parse_value(&uncommented(config::init())).expect("fine");
    let schema = config::schema();
    let mut missing = Vec::new();
    compare(&schema, &schema, &shown, "", &mut missing);
    assert!(missing.is_empty(), "the example lacks {missing:?}");
}

/// Walks schema and value together; collects keys of the schema that no value has.
fn compare(root: &serde_json::Value, schema: &serde_json::Value, value: &Value, path: &str, missing: &mut Vec<String>) {
    let target =
        schema.get("$ref").or_else(|| schema.pointer("/items/$ref")).or_else(|| schema.pointer("/anyOf/0/items/$ref"));
    let schema = match target.and_then(serde_json::Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).expect("references lead somewhere"),
        None => schema,
    };
    let values: Vec<&Value> = match value {
        Value::Sequence(items) => items.iter().collect(),
        other => vec![other],
    };
    let Some(properties) = schema.get("properties").and_then(serde_json::Value::as_object) else { return };
    for value in &values {
        for key in value.as_mapping().into_iter().flatten().filter_map(|(key, _)| key.as_str()) {
            assert!(properties.contains_key(key), "the schema lacks {path}.{key}");
        }
    }
    // Taints are shown in the example's comment as an empty list, and components as two of six.
    for (key, inner) in properties.iter().filter(|_| !path.starts_with(".extraArgs") && path != ".nodes.taints") {
        let path = format!("{path}.{key}");
        match values.iter().find_map(|value| value.get(key.as_str())) {
            Some(value) => compare(root, inner, value, &path, missing),
            None => missing.push(path),
        }
    }
}

#[test]
fn the_schema_is_strict_and_says_what_each_key_is() {
    let schema = config::schema();
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["apiVersion"]["const"], "knarr.dev/v1alpha1");
    let mut types: Vec<&serde_json::Value> = schema["$defs"].as_object().expect("there are types").values().collect();
    types.push(&schema);
    for one in types {
        assert_eq!(one["additionalProperties"], false, "{one}");
        for (key, property) in one["properties"].as_object().expect("each is an object") {
            assert!(property.get("description").is_some(), "{key} lacks a description");
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&schema["$defs"]["Port"]).expect("fine"), @r#"
    {
      "additionalProperties": false,
      "description": "A port of a node published on the host.",
      "properties": {
        "containerPort": {
          "default": null,
          "description": "The node's port.",
          "format": "int64",
          "maximum": 65535,
          "minimum": 1,
          "type": [
            "integer",
            "null"
          ]
        },
        "hostAddress": {
          "default": null,
          "description": "The host's address; default 127.0.0.1.",
          "type": [
            "string",
            "null"
          ]
        },
        "hostPort": {
          "default": null,
          "description": "The host's port; default: knarr chooses a free one and keeps it.",
          "format": "int64",
          "maximum": 65535,
          "minimum": 0,
          "type": [
            "integer",
            "null"
          ]
        },
        "protocol": {
          "default": null,
          "description": "`TCP` (default), `UDP` or `SCTP`.",
          "enum": [
            "TCP",
            "UDP",
            "SCTP"
          ],
          "type": [
            "string",
            "null"
          ]
        }
      },
      "type": "object"
    }
    "#);
}
