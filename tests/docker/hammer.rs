//! One kubeconfig, sixteen knarrs and kubectl writing it at once for half a minute: no entry is lost, and whoever reads
//! the file finds it whole.
//!
//! Fourteen of the sixteen are this test's own program, started again, which uses knarr's library as knarr does; each has
//! an entry of its own, which a cluster would have cost otherwise. Two are `knarr export kubeconfig` itself.
//!
//! kubectl works out its change from a file that it read before it took the lock, and takes away what came into the file
//! in between; then it writes over the file where it stands. So no name comes or goes here while it runs but its own, it
//! runs once at a time, and a reader who meets it in the middle of writing looks again into the same file.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use knarr::kubeconfig::{Entry, Options, Paths, Store};

use crate::Case;
use crate::processes::{Background, Run, run};
use crate::scene::{Scene, kept};
use crate::wait::seconds;

pub const CASES: &[Case] = &[("for_half_a_minute", for_half_a_minute)];

/// Tells this program, started again, which kubeconfig to write, and the name of its cluster.
const WRITER: &str = "KNARR_TEST_KUBECONFIG_WRITER";
/// The folder of the locks that knarrs have in common.
const STATE: &str = "KNARR_TEST_KUBECONFIG_STATE";

const LASTS: Duration = seconds(30);
const LIBRARIES: usize = 14;
const PROGRAMS: usize = 2;
/// How long kubectl may take to write a file of this size.
const WRITING: Duration = seconds(5);

/// The entry of a cluster that nobody made.
fn entry(cluster: &str, round: usize) -> Entry {
    let pem = |what: &str| format!("-----BEGIN {what}-----\n{cluster} {round}\n-----END {what}-----\n");
    Entry {
        cluster: cluster.to_owned(),
        create_id: round.to_string(),
        docker: String::new(),
        server: format!("https://127.0.0.1:{}", 20_000 + round % 10_000),
        ca_pem: pem("CERTIFICATE"),
        client_cert_pem: pem("CERTIFICATE"),
        client_key_pem: pem("PRIVATE KEY").into(),
    }
}

fn store(path: &Path, state: &Path) -> Store {
    let paths = Paths::choose(Some(path), None, None).expect("a path is given").expect("and wanted");
    Store::new(paths, Options { state_dir: Some(state.to_owned()), ..Options::default() })
}

/// Is one of the writers, if this program was started as one: true when it has done its work.
pub fn wrote() -> bool {
    let (Some(path), Some(state)) = (std::env::var_os(WRITER), std::env::var_os(STATE)) else { return false };
    let cluster = std::env::args().nth(1).expect("the name of a cluster");
    let (store, began) = (store(Path::new(&path), Path::new(&state)), Instant::now());
    let mut rounds = 0;
    while began.elapsed() < LASTS {
        rounds += 1;
        let outcome = store.merge(&entry(&cluster, rounds), rounds % 5 == 0, &|| false);
        outcome.unwrap_or_else(|e| panic!("round {rounds} of {cluster}: {e}"));
    }
    eprintln!("{rounds}");
    true
}

/// kubectl as a person has it: the copy that `knarr kubectl` keeps.
fn kubectl() -> PathBuf {
    let folder = kept().join("cache/knarr/kubectl");
    let list = std::fs::read_dir(&folder).expect("knarr keeps its copies there");
    let copies = list.map(|entry| entry.expect("an entry").path().join("kubectl")).filter(|path| path.is_file());
    copies.max_by_key(|path| path.metadata().and_then(|m| m.modified()).ok()).expect("a copy")
}

/// What is wrong with the content of a file in which each of `names` has to be.
fn defect(text: &str, names: &[String]) -> Option<String> {
    let value: serde_json::Value = match serde_yaml::from_str(text) {
        Ok(value) => value,
        Err(e) => return Some(format!("it cannot be parsed: {e}")),
    };
    let lost = |list: &str, name: &String| {
        let items = value[list].as_array();
        !items.into_iter().flatten().any(|item| item["name"] == name.as_str())
    };
    let missing = names.iter().find(|name| ["clusters", "contexts", "users"].iter().any(|list| lost(list, name)));
    missing.map(|name| format!("`{name}` is lost"))
}

/// Reads the file once. Returns whether kubectl was met while it wrote; any other defect is an error.
fn look(path: &Path, names: &[String]) -> Result<bool, String> {
    let mut file = File::open(path).map_err(|e| format!("it cannot be opened: {e}"))?;
    let (began, mut met) = (Instant::now(), false);
    loop {
        let mut text = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut text));
        let Some(defect) = read.map_or_else(|e| Some(e.to_string()), |_| defect(&text, names)) else { return Ok(met) };
        // knarr puts a whole file in the place of the old one: what it wrote does not change any more.
        if began.elapsed() > WRITING {
            return Err(format!("{defect}\n{text}"));
        }
        met = true;
    }
}

/// Lets kubectl add a name of its own; false if somebody else had the lock.
fn added(kubectl: &Path, path: &Path, name: &str) -> bool {
    let words: [&[&str]; 3] = [
        &["set-cluster", name, "--server=https://example.com"],
        &["set-credentials", name, "--token=t"],
        &["set-context", name, "--cluster=c", "--user=u"],
    ];
    words.iter().all(|words| {
        // It does not wait for a lock, and a person would try again; so does this, as long as there is time.
        let once = || run(Command::new(kubectl).arg("config").args(*words).env("KUBECONFIG", path), b"");
        let mut tries = std::iter::repeat_with(once).take(200);
        tries.any(|run| {
            assert!(run.status == 0 || run.stderr.contains(".lock: file exists"), "{run}");
            run.status == 0
        })
    })
}

fn for_half_a_minute(scene: &Scene) {
    let cluster = scene.cluster("hammer");
    cluster.create(&[]);
    cluster.kubectl(&["version", "--client"]).ok();
    let (kubectl, path, state) = (kubectl(), scene.kubeconfig(), kept().join("cache/knarr"));
    let clusters: Vec<String> = (0..LIBRARIES).map(|n| format!("w{n}")).collect();
    for cluster in &clusters {
        store(&path, &state).merge(&entry(cluster, 0), false, &|| false).expect("it is written");
    }
    let mut names: Vec<String> = clusters.iter().map(|cluster| format!("knarr-{cluster}")).collect();
    names.push(format!("knarr-{}", cluster.name));
    let (done, looks, met) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let this = std::env::current_exe().expect("this program");
    let began = Instant::now();
    let (rounds, exports, ours) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let torn = look(&path, &names).unwrap_or_else(|why| panic!("a reader found this: {why}"));
                looks.fetch_add(1, Ordering::Relaxed);
                met.fetch_add(usize::from(torn), Ordering::Relaxed);
            }
        });
        let libraries: Vec<Background> = clusters
            .iter()
            .map(|name| {
                let mut writer = Command::new(&this);
                Background::start(writer.arg(name).env(WRITER, &path).env(STATE, &state))
            })
            .collect();
        let programs: Vec<_> = (0..PROGRAMS).map(|_| scope.spawn(|| exported(scene, &cluster.name, began))).collect();
        let people = scope.spawn(|| {
            let mut ours: Vec<String> = Vec::new();
            while began.elapsed() < LASTS {
                let name = format!("person-{}", ours.len());
                if !added(&kubectl, &path, &name) {
                    break;
                }
                ours.push(name);
                look(&path, &ours).unwrap_or_else(|why| panic!("of what kubectl wrote: {why}"));
            }
            ours
        });
        // Everybody ends before anything is judged, and then the reader does.
        let libraries: Vec<Run> = libraries.into_iter().map(Background::end).collect();
        let programs: Vec<_> = programs.into_iter().map(ScopedJoinHandle::join).collect();
        let people = people.join();
        done.store(true, Ordering::Relaxed);
        reader.join().expect("it finds the file whole");
        let rounds = libraries.into_iter().map(|writer| writer.ok().stderr.trim().parse::<usize>().expect("a number"));
        let rounds: usize = rounds.sum();
        let exports: usize = programs.into_iter().map(|program| program.expect("it ends well")).sum();
        let ours = people.expect("kubectl's names stay");
        (rounds, exports, ours)
    });
    eprintln!(
        "{rounds} writes by the library, {exports} by `knarr export`, {} names by kubectl; {} looks, {} of them while \
         kubectl wrote",
        ours.len(),
        looks.load(Ordering::Relaxed),
        met.load(Ordering::Relaxed)
    );
    assert!(rounds > 100 && exports > 2 && !ours.is_empty(), "hardly anything was written");
    names.extend(ours);
    assert!(!look(&path, &names).expect("all that anybody wrote is there"));
    let list = std::fs::read_dir(scene.folder()).expect("a folder");
    let mut files: Vec<_> = list.map(|entry| entry.expect("an entry").file_name()).collect();
    files.sort();
    assert_eq!(files, ["home", "kubeconfig"], "neither a lock nor half a file");
    cluster.delete();
}

/// Lets `knarr export kubeconfig` write one entry in two ways in turn; returns how often.
fn exported(scene: &Scene, cluster: &str, began: Instant) -> usize {
    let mut times = 0;
    while began.elapsed() < LASTS {
        let words = ["export", "kubeconfig", "--name", cluster, "--switch-context=false", "--internal"];
        scene.knarr(&words[..words.len() - times % 2]).ok();
        times += 1;
    }
    times
}
