//! What the real kubectl thinks of our files. Needs `kubectl` on the PATH; says so loudly when there is none.

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::generate::kubeconfig;
use super::{Scene, entry, never};

/// Random files looked at; each costs three runs of kubectl.
const SAMPLES: usize = 24;

/// Runs kubectl with this KUBECONFIG. `None` if it refuses.
fn kubectl(kubeconfig: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("kubectl").args(arguments).env("KUBECONFIG", kubeconfig).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

fn is_absent() -> bool {
    let absent = Command::new("kubectl").args(["version", "--client"]).output().is_err();
    if absent {
        use std::io::Write as _;
        // Past the test harness, which keeps the output of tests that pass to itself.
        let _ =
            writeln!(std::io::stderr(), "WARNING: no kubectl on the PATH: its view of our kubeconfigs was NOT tested");
    }
    absent
}

/// The view of kubectl, with missing and empty lists made equal.
fn view(path: &Path) -> Option<Value> {
    let text = kubectl(path.to_str().unwrap(), &["config", "view", "--raw", "-o", "json"])?;
    let mut value: Value = serde_json::from_str(&text).unwrap();
    for list in ["clusters", "contexts", "users"] {
        if value[list].is_null() {
            value[list] = json!([]);
        }
    }
    Some(value)
}

/// Takes the item of our name out of a view.
fn take(view: &mut Value, list: &str) -> Value {
    let items = view[list].as_array_mut().unwrap();
    let at = items.iter().position(|i| i["name"] == "knarr-dev").expect("our item is there");
    items.remove(at)
}

fn compare(scene: &Scene, text: &str) -> bool {
    let path = scene.write("config", text);
    let Some(before) = view(&path) else { return false };
    let store = scene.store(&["config"]);
    let ours = entry("dev", "id-1");
    store.merge(&ours, true, &never).unwrap();
    let mut after = view(&path).unwrap_or_else(|| panic!("kubectl refuses what we made of\n{text}"));
    assert_eq!(after["current-context"], "knarr-dev");
    after["current-context"] = before["current-context"].clone();
    let cluster = take(&mut after, "clusters")["cluster"].take();
    let context = take(&mut after, "contexts")["context"].take();
    let user = take(&mut after, "users")["user"].take();
    assert_eq!(after, before, "{text}");
    assert_eq!(cluster["server"], ours.server);
    assert_eq!(cluster["certificate-authority-data"], STANDARD.encode(&ours.ca_pem));
    assert_eq!(cluster["extensions"][0], json!({"name": "knarr", "extension": {"cluster": "dev", "createId": "id-1"}}));
    assert_eq!((&context["cluster"], &context["user"]), (&json!("knarr-dev"), &json!("knarr-dev")));
    assert_eq!(user["client-certificate-data"], STANDARD.encode(&ours.client_cert_pem));
    assert_eq!(user["client-key-data"], STANDARD.encode(ours.client_key_pem.as_bytes()));
    store.remove("dev", None, &never).unwrap();
    let mut back = view(&path).unwrap();
    let exists = before["contexts"].as_array().unwrap().iter().any(|c| c["name"] == before["current-context"]);
    if !exists {
        assert_eq!(back["current-context"], "");
        back["current-context"] = before["current-context"].clone();
    }
    assert_eq!(back, before, "{text}");
    true
}

#[test]
fn kubectl_sees_ours_and_everything_else_as_before() {
    if is_absent() {
        return;
    }
    let scene = Scene::new();
    for text in [
        "",
        "# c\n",
        "clusters: null\n",
        "\u{feff}kind: Config\r\ncurrent-context: \"\"\r\n",
        "{\"kind\": \"Config\"}",
        "contexts:\n- name: a\n  context: &x {cluster: c, user: u}\n- name: b\n  context: *x\n",
    ] {
        assert!(compare(&scene, text), "{text:?}");
    }
    let mut runner = TestRunner::default();
    let accepted =
        (0..SAMPLES).filter(|_| compare(&scene, &kubeconfig().new_tree(&mut runner).unwrap().current().text));
    assert!(accepted.count() > SAMPLES / 2, "most samples are to be files that kubectl accepts");
}

#[test]
fn our_mark_survives_kubectl() {
    if is_absent() {
        return;
    }
    let scene = Scene::new();
    let path = scene.write("config", "");
    let store = scene.store(&["config"]);
    store.merge(&entry("old", "1"), true, &never).unwrap();
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    let config = |arguments: &[&str]| kubectl(path.to_str().unwrap(), arguments).unwrap();
    config(&["config", "set-context", "knarr-dev", "--namespace=web"]);
    config(&["config", "set-cluster", "knarr-dev", "--tls-server-name=x"]);
    config(&["config", "set-credentials", "other", "--token=x"]);
    assert!(store.merge(&entry("dev", "1"), true, &never).unwrap().written.is_empty(), "kubectl writes as we do");
    store.merge(&entry("dev", "2"), true, &never).unwrap();
    assert_eq!(view(&path).unwrap()["contexts"][0]["context"]["namespace"], "web");
    let outcome = store.remove("dev", None, &never).unwrap();
    assert_eq!(outcome.context, crate::kubeconfig::ContextChange::Restored { to: "knarr-old".to_owned() });
    store.remove("old", None, &never).unwrap();
    let view = view(&path).unwrap();
    assert_eq!(
        (&view["clusters"], &view["contexts"], &view["users"][0]["name"]),
        (&json!([]), &json!([]), &json!("other"))
    );
}

#[test]
fn kubectl_chooses_the_same_file() {
    if is_absent() {
        return;
    }
    let all = ["a", "b", "c"];
    for present in 0..8_u8 {
        for list in [":A:B:C", "C:A", "B::B:A", "A"] {
            let scene = Scene::new();
            for (bit, name) in all.iter().enumerate().filter(|(bit, _)| present & (1 << bit) != 0) {
                scene.write(name, if bit == 1 { "" } else { "kind: Config\napiVersion: v1\n" });
            }
            let at = |name: &str| scene.path(&name.to_lowercase()).display().to_string();
            let variable =
                list.split(':').map(|n| if n.is_empty() { String::new() } else { at(n) }).collect::<Vec<_>>();
            let names: Vec<String> = list.split(':').filter(|n| !n.is_empty()).map(str::to_lowercase).collect();
            let ours = scene.store(&names.iter().map(String::as_str).collect::<Vec<_>>()).paths().target().to_owned();
            kubectl(&variable.join(":"), &["config", "set-credentials", "probe", "--token=x"]).unwrap();
            assert!(std::fs::read_to_string(&ours).is_ok_and(|t| t.contains("probe")), "{list} with {present:03b}");
        }
    }
}
