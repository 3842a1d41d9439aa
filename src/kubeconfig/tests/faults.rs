//! Locks that stay, writes that break off, processes that are killed.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use super::{Scene, entry, never, store_on};
use crate::error::ErrorKind;
use crate::fs::{self, Owner, Replaced};
use crate::kubeconfig::Options;

const BEFORE: &str = "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: \"\"\n";
/// Tells the test binary, started again, which file to merge into.
const CHILD: &str = "KNARR_TEST_KUBECONFIG_CHILD";
/// And which state folder to use, if any.
const CHILD_STATE: &str = "KNARR_TEST_KUBECONFIG_STATE";

fn age(path: &Path, seconds: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
}

#[test]
fn a_held_lock_is_named_with_its_age_and_never_broken_silently() {
    let scene = Scene::new();
    scene.write("config", BEFORE);
    let lock = scene.write("config.lock", "");
    age(&lock, 20);
    let store = scene.store(&["config"]);
    let error = store.merge(&entry("dev", "1"), true, &never).unwrap_err();
    let text = error.to_string().replace(&scene.folder.path().display().to_string(), "");
    assert_eq!(error.kind, ErrorKind::Environment);
    insta::with_settings!({filters => vec![(r"since \d+s", "since [age]")]}, {
        insta::assert_snapshot!(text, @r"
        error: kubeconfig `/config` is locked
          caused by: `/config.lock` is there since [age], made by kubectl or another program
        hint: run the command again when the other program is done
        ");
    });
    assert_eq!(scene.read("config"), BEFORE);
    assert!(lock.exists());
    let breaking = store_on(&scene.path("config"), Options { break_lock: true, ..scene.options.clone() });
    assert!(breaking.merge(&entry("dev", "1"), true, &never).is_err(), "younger than a minute");
    age(&lock, 90);
    assert!(store.preflight("dev").unwrap()[0].contains("--break-lock"));
    assert!(store.merge(&entry("dev", "1"), true, &never).unwrap_err().hints[0].contains("--break-lock"));
    let outcome = breaking.merge(&entry("dev", "1"), true, &never).unwrap();
    assert!(outcome.notes[0].contains("broke the lock"), "{:?}", outcome.notes);
    assert!(!lock.exists());
}

#[test]
fn the_lock_of_the_link_counts_and_so_does_that_of_its_target() {
    let scene = Scene::new();
    scene.write("real", BEFORE);
    std::os::unix::fs::symlink("real", scene.path("config")).unwrap();
    for name in ["config.lock", "real.lock"] {
        let lock = scene.write(name, "");
        assert!(scene.store(&["config"]).merge(&entry("dev", "1"), true, &never).is_err(), "{name}");
        std::fs::remove_file(lock).unwrap();
    }
    assert!(scene.store(&["config"]).merge(&entry("dev", "1"), true, &never).is_ok());
}

#[test]
fn waiting_ends_when_the_lock_goes_or_the_user_has_enough() {
    let scene = Scene::new();
    scene.write("config", BEFORE);
    let lock = scene.write("config.lock", "");
    let patient =
        store_on(&scene.path("config"), Options { lock_wait: Duration::from_secs(60), ..scene.options.clone() });
    let start = Instant::now();
    let enough = || start.elapsed() > Duration::from_millis(100);
    assert_eq!(patient.merge(&entry("dev", "1"), true, &enough).unwrap_err().kind, ErrorKind::Interrupted);
    assert!(start.elapsed() < Duration::from_secs(20));
    let unlock = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        std::fs::remove_file(lock).unwrap();
    });
    patient.merge(&entry("dev", "1"), true, &never).unwrap();
    unlock.join().unwrap();
    assert_eq!(scene.litter(), Vec::<String>::new());
}

#[test]
fn a_write_that_breaks_off_changes_nothing() {
    let scene = Scene::new();
    let path = scene.write("config", BEFORE);
    let half = |file: &mut std::fs::File| {
        std::io::Write::write_all(file, b"apiVersion: v")?;
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    };
    let error = fs::replace(&path, None, half, || Ok(true)).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Environment);
    assert!(error.message.contains("config"), "{error}");
    let late = fs::replace(&path, None, |_| Ok(()), || Ok(false)).unwrap();
    assert_eq!(late, Replaced::Overtaken);
    assert!(fs::replace(&path, None, |_| Ok(()), || Err(crate::error::Error::failed("no"))).is_err());
    assert_eq!(scene.read("config"), BEFORE);
    assert_eq!(scene.litter(), Vec::<String>::new());
}

#[test]
fn a_killed_writer_loses_nothing_and_its_temporary_file_is_swept() {
    let scene = Scene::new();
    // More than the child below may write.
    let before = format!("{BEFORE}# {}\n", "x".repeat(200_000));
    scene.write("config", &before);
    let status = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -f 64; exec \"$0\" --exact kubeconfig::tests::faults::child"])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, scene.path("config"))
        .output()
        .unwrap()
        .status;
    assert!(status.signal().is_some(), "the child was to be killed by the file size limit: {status}");
    assert_eq!(scene.read("config"), before);
    assert_eq!(scene.litter().len(), 2, "a lock and a temporary file: {:?}", scene.litter());
    age(&scene.path("config.lock"), 61);
    let store = store_on(&scene.path("config"), Options { break_lock: true, ..scene.options.clone() });
    store.remove("dev", None, &never).unwrap();
    assert_eq!(scene.litter(), Vec::<String>::new());
    store.merge(&entry("dev", "1"), true, &never).unwrap();
}

/// Our own lock ended with the process, and tells that the one which kubectl knows has no owner any more.
#[test]
fn the_lock_of_a_killed_knarr_is_no_obstacle_to_the_next_one() {
    let scene = Scene::new();
    scene.write("config", &format!("{BEFORE}# {}\n", "x".repeat(200_000)));
    let dies = |state: &Path| {
        let mut command = Command::new("sh");
        command
            .args(["-c", "ulimit -c 0; ulimit -f 64; exec \"$0\" --exact kubeconfig::tests::faults::child"])
            .arg(std::env::current_exe().unwrap())
            .env(CHILD, scene.path("config"))
            .env(CHILD_STATE, state);
        assert!(command.output().unwrap().status.signal().is_some(), "the file size limit was to kill it");
        assert!(scene.path("config.lock").exists());
    };
    dies(&scene.path("state"));
    let outcome = scene.store(&["config"]).merge(&entry("dev", "1"), true, &never).unwrap();
    assert!(outcome.notes[0].contains("which is gone"), "{:?}", outcome.notes);
    scene.store(&["config"]).remove("dev", None, &never).unwrap();
    assert_eq!(scene.litter(), Vec::<String>::new());
    // Of one with another state folder nothing is known: it may be alive, in a container or on another machine.
    dies(&scene.path("elsewhere"));
    let error = scene.store(&["config"]).remove("dev", None, &never).unwrap_err();
    assert!(error.causes[0].contains("made by knarr, process "), "{error}");
    // Nor does a copy of the folder prove anything.
    std::fs::remove_dir_all(scene.path("state")).unwrap();
    std::fs::create_dir(scene.path("state")).unwrap();
    for path in fs::list(&scene.path("elsewhere")).unwrap() {
        std::fs::copy(&path, scene.path("state").join(path.file_name().unwrap())).unwrap();
    }
    assert!(scene.store(&["config"]).remove("dev", None, &never).is_err());
}

/// Runs [`child`] in a copy of this test binary that `nobody` can run too.
fn child_command(scene: &Scene) -> Command {
    let copy = scene.path("test-binary");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let mut command = Command::new(copy);
    command.args(["--exact", "kubeconfig::tests::faults::child"]).env(CHILD, scene.path("kube/config"));
    command
}

#[test]
fn a_file_in_a_folder_that_is_not_writable_is_written_in_place() {
    let scene = Scene::new();
    std::fs::create_dir(scene.path("kube")).unwrap();
    let path = scene.write("kube/config", BEFORE);
    std::fs::create_dir(scene.path("state")).unwrap();
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for (path, bits) in
        [(scene.folder.path(), 0o755), (&path, 0o666), (&scene.path("state"), 0o777), (&scene.path("kube"), 0o555)]
    {
        mode(path, bits);
    }
    let mut command = child_command(&scene);
    command.env(CHILD_STATE, scene.path("state"));
    if rustix::process::geteuid().is_root() {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(scene.read("kube/config").contains("knarr-dev"));
    let left: Vec<_> = fs::list(&scene.path("state")).unwrap();
    assert_eq!(left.len(), 2, "only the lock and its queue, no copy: {left:?}");
    // Without a place for a safety copy nothing is written.
    std::fs::write(&path, BEFORE).unwrap();
    let output = command.env_remove(CHILD_STATE).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(scene.read("kube/config"), BEFORE);
    mode(&scene.path("kube"), 0o755);
}

#[test]
fn under_sudo_new_things_belong_to_the_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scene = Scene::new();
    let owner = Owner { uid: 1234, gid: 5678 };
    let path = scene.path("home/.kube/config");
    let store = store_on(&path, Options { owner: Some(owner), ..scene.options.clone() });
    store.merge(&entry("dev", "1"), true, &never).unwrap();
    for path in [scene.path("home"), scene.path("home/.kube"), scene.path("state"), path.clone()] {
        assert_eq!(fs::facts(&path).unwrap().unwrap().owner, owner, "{}", path.display());
    }
    // A file that is there already keeps its owner, whoever that is.
    std::os::unix::fs::chown(&path, Some(42), Some(43)).unwrap();
    store.remove("dev", None, &never).unwrap();
    assert_eq!(fs::facts(&path).unwrap().unwrap().owner, Owner { uid: 42, gid: 43 });
}

/// Not a test of its own: what a test binary does that was started by another test.
#[test]
fn child() {
    if let Some(path) = std::env::var_os(CHILD) {
        let options = Options { state_dir: std::env::var_os(CHILD_STATE).map(Into::into), ..Options::default() };
        let in_place = options.state_dir.is_some();
        let outcome = store_on(Path::new(&path), options).merge(&entry("dev", "1"), true, &never).unwrap();
        assert_eq!(outcome.notes.iter().any(|n| n.contains("in place")), in_place, "{:?}", outcome.notes);
    }
}
