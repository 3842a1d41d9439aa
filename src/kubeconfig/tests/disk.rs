//! Files on disk: which, with what mode, behind which links, and what the user is told.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use super::{Scene, entry, never, store_on};
use crate::error::ErrorKind;
use crate::kubeconfig::{ContextChange, Document, Paths};

const PROD: &str = "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts:\n- name: prod\n  context: {cluster: p, user: p}\ncurrent-context: prod\n";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn flag_then_variable_then_home() {
    let choose = |flag: Option<&str>, variable: Option<&str>, home: Option<&str>| {
        Paths::choose(flag.map(Path::new), variable.map(OsStr::new), home.map(Path::new))
    };
    let list = |paths: Paths| paths.list().iter().map(|p| p.display().to_string()).collect::<Vec<_>>();
    assert_eq!(choose(Some("-"), Some("/a"), Some("/h")).unwrap(), None);
    assert_eq!(list(choose(Some("/f:x"), Some("/a"), Some("/h")).unwrap().unwrap()), ["/f:x"]);
    assert_eq!(list(choose(None, Some(":/a::/b:/a:"), Some("/h")).unwrap().unwrap()), ["/a", "/b"]);
    assert_eq!(list(choose(None, Some("::"), Some("/h")).unwrap().unwrap()), ["/h/.kube/config"]);
    assert_eq!(list(choose(None, None, Some("/h")).unwrap().unwrap().also("/x").also("/x")), ["/h/.kube/config", "/x"]);
    assert_eq!(choose(None, Some(""), Some("")).unwrap_err().kind, ErrorKind::Environment);
}

#[test]
fn entries_go_to_the_first_file_that_exists_else_to_the_last() {
    let scene = Scene::new();
    assert_eq!(scene.store(&["a", "b", "c"]).paths().target(), scene.path("c"));
    scene.write("b", "");
    std::fs::create_dir(scene.path("a")).unwrap();
    assert_eq!(scene.store(&["a", "b", "c"]).paths().target(), scene.path("b"));
}

#[test]
fn a_new_file_in_a_new_folder_is_private() {
    let scene = Scene::new();
    let path = scene.path("home/.kube/config");
    let store = store_on(&path, scene.options.clone());
    assert_eq!(store.preflight("dev").unwrap(), Vec::<String>::new());
    assert!(!scene.path("home").exists(), "a preflight writes nothing");
    let outcome = store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert_eq!(outcome.written, std::slice::from_ref(&path));
    assert_eq!(outcome.context, ContextChange::Switched { from: None });
    assert_eq!(outcome.notes, Vec::<String>::new());
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&scene.path("home"))), (0o600, 0o700, 0o700));
    let found = store.find("dev").unwrap().unwrap();
    assert_eq!((found.path, found.entry, found.is_current), (path, entry("dev", "1"), true));
}

#[test]
fn a_second_run_writes_nothing() {
    let scene = Scene::new();
    let path = scene.write("config", PROD);
    let store = scene.store(&["config"]);
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    let inode = std::fs::metadata(&path).unwrap().ino();
    let again = store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert_eq!((again.written, again.context), (Vec::<PathBuf>::new(), ContextChange::Unchanged));
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
    let gone = store.remove("other", None, &never).unwrap();
    assert_eq!((gone.written, gone.context), (Vec::<PathBuf>::new(), ContextChange::Unchanged));
    assert_eq!(scene.litter(), Vec::<String>::new());
}

#[test]
fn an_existing_file_keeps_its_mode_and_others_are_named() {
    let scene = Scene::new();
    let path = scene.write("config", PROD);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = scene.store(&["config"]).merge(&entry("dev", "1"), true, &never).unwrap();
    assert_eq!(mode(&path), 0o644);
    assert_eq!(outcome.context, ContextChange::Switched { from: Some("prod".to_owned()) });
    assert!(outcome.notes[0].contains("mode 644"), "{:?}", outcome.notes);
}

#[test]
fn links_stay_links_also_dangling_ones() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("dotfiles")).unwrap();
    symlink("dotfiles/kube", scene.path("config")).unwrap();
    symlink("config", scene.path("outer")).unwrap();
    let store = scene.store(&["outer"]);
    store.preflight("dev").unwrap();
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert!(scene.path("outer").is_symlink() && scene.path("config").is_symlink());
    assert!(std::fs::metadata(scene.path("dotfiles/kube")).unwrap().is_file());
    // The same file under two names is done once.
    let both = scene.store(&["config", "outer"]);
    let outcome = both.remove("dev", None, &never).unwrap();
    assert_eq!((outcome.written, outcome.context), (vec![scene.path("config")], ContextChange::Cleared));

    symlink("round", scene.path("round")).unwrap();
    let error = scene.store(&["round"]).preflight("dev").unwrap_err();
    assert!(error.causes[0].contains("circle"), "{error}");
}

#[test]
fn delete_looks_into_every_file_and_restores_the_context() {
    let scene = Scene::new();
    scene.write("one", "current-context: \"\"\n");
    scene.write("two", PROD);
    let store = scene.store(&["one", "missing", "two"]);
    let outcome = store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert_eq!(outcome.context, ContextChange::Switched { from: Some("prod".to_owned()) });
    scene.store(&["two"]).merge(&entry("dev", "0"), false, &never).unwrap();
    let outcome = store.remove("dev", None, &never).unwrap();
    assert_eq!(outcome.written, [scene.path("one"), scene.path("two")]);
    assert_eq!(outcome.context, ContextChange::Restored { to: "prod".to_owned() });
    assert_eq!(scene.read("two"), PROD);
    assert!(!scene.path("missing").exists());
}

#[test]
fn a_context_defined_in_another_file_is_restored_and_a_lost_one_is_not() {
    let scene = Scene::new();
    scene.write("one", "current-context: prod\n");
    let two = scene.write("two", PROD);
    let store = scene.store(&["one", "two"]);
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert_eq!(store.remove("dev", None, &never).unwrap().context, ContextChange::Restored { to: "prod".to_owned() });
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    std::fs::remove_file(two).unwrap();
    assert_eq!(store.remove("dev", None, &never).unwrap().context, ContextChange::Cleared);
}

#[test]
fn no_switch_means_no_switch() {
    let scene = Scene::new();
    scene.write("config", PROD);
    let store = scene.store(&["config"]);
    assert_eq!(store.merge(&entry("dev", "1"), false, &never).unwrap().context, ContextChange::Unchanged);
    assert!(!store.find("dev").unwrap().unwrap().is_current);
    assert_eq!(store.remove("dev", None, &never).unwrap().context, ContextChange::Unchanged);
    assert_eq!(scene.read("config"), PROD);
}

#[test]
fn preflight_refuses_what_would_fail_later() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("folder")).unwrap();
    scene.write("broken", "users:\n- name: [SECRET\n");
    scene.write("file", "");
    scene.write("foreign", "contexts:\n- name: knarr-dev\n  context: {}\n");
    scene.write("good", PROD);
    let messages: Vec<String> =
        [&["folder"][..], &["broken"], &["good", "broken"], &["file/below"], &["good", "foreign"]]
            .iter()
            .map(|names| scene.store(names).preflight("dev").unwrap_err().to_string())
            .map(|m| m.replace(&scene.folder.path().display().to_string(), ""))
            .collect();
    assert!(!messages.iter().any(|m| m.contains("SECRET")));
    insta::assert_snapshot!(messages.join("\n\n"), @r"
    error: cannot use kubeconfig `/folder`
      caused by: it is a folder

    error: cannot use kubeconfig `/broken`
      caused by: line 3: not valid YAML (or a key twice, or more than one document)
      the file was not touched
    hint: repair it, or use another one with `--kubeconfig <file>`

    error: cannot use kubeconfig `/broken`
      caused by: line 3: not valid YAML (or a key twice, or more than one document)
      the file was not touched
    hint: repair it, or use another one with `--kubeconfig <file>`

    error: cannot write kubeconfig `/file/below`
      caused by: `/file` is not a writable folder
    hint: use another file with `--kubeconfig <file>`, or none with `--kubeconfig -`

    error: kubeconfig `/foreign` already has a `knarr-dev` that knarr did not write
      caused by: it is in the list `contexts`
      the file was not touched
    hint: rename or remove it, choose another cluster name than `dev`, or use another file with `--kubeconfig <file>`
    ");
    let null = store_on(Path::new("/dev/null"), scene.options.clone());
    assert!(null.preflight("dev").unwrap_err().causes[0].contains("regular"));
    assert!(null.find("dev").unwrap().is_none());
    assert_eq!(null.remove("dev", None, &never).unwrap().written, Vec::<PathBuf>::new());
}

#[test]
fn delete_passes_over_broken_files_that_cannot_matter() {
    let scene = Scene::new();
    scene.write("broken", "users: [\n");
    scene.write("good", PROD);
    let store = scene.store(&["broken", "good"]);
    scene.store(&["good"]).merge(&entry("dev", "1"), true, &never).unwrap();
    let outcome = store.remove("dev", None, &never).unwrap();
    assert_eq!((outcome.written.len(), outcome.notes.len()), (1, 1), "{:?}", outcome.notes);
    scene.store(&["good"]).merge(&entry("dev", "1"), true, &never).unwrap();
    scene.write("broken", "users: [ knarr-dev\n");
    assert!(store.remove("dev", None, &never).is_err());
    assert_eq!(scene.read("good"), PROD, "the others are done all the same");
}

#[test]
fn a_file_with_two_names_is_written_in_place() {
    let scene = Scene::new();
    let path = scene.write("config", PROD);
    std::fs::hard_link(&path, scene.path("twin")).unwrap();
    let store = scene.store(&["config"]);
    let outcome = store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert!(outcome.notes[0].contains("in place"), "{:?}", outcome.notes);
    assert_eq!(scene.read("twin"), scene.read("config"));
    assert_eq!(scene.litter(), Vec::<String>::new());
    store.remove("dev", None, &never).unwrap();
    assert_eq!(scene.read("twin"), PROD);
    // A copy that an interrupted write left behind is worth more than the new entry.
    scene.write("config.knarr.bak", "precious");
    let error = store.merge(&entry("dev", "1"), true, &never).unwrap_err();
    assert!(error.causes[0].contains("config.knarr.bak"), "{error}");
    assert_eq!((scene.read("config"), scene.read("config.knarr.bak")), (PROD.to_owned(), "precious".to_owned()));
}

#[test]
fn a_big_file_is_fine_up_to_the_limit() {
    let scene = Scene::new();
    let users: Vec<String> = (0..4000).map(|i| format!("- name: user-{i}\n  user: {{token: {i:0>160}x}}\n")).collect();
    let text = PROD.replace("users: []\n", &format!("users:\n{}", users.concat()));
    scene.write("config", &text);
    let store = scene.store(&["config"]);
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    assert!(Document::parse(scene.read("config").as_bytes()).is_ok());
    store.remove("dev", None, &never).unwrap();
    assert_eq!(scene.read("config"), text);
    scene.write("config", &format!("{text}# {}\n", "x".repeat(1 << 20)));
    let error = store.preflight("dev").unwrap_err();
    assert!(error.causes[0].contains("1 MiB"), "{error}");
}
