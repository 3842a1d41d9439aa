//! Many at once on one file: nobody's entry is lost and nobody ever reads half a file.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{Scene, entry, never, store_on};
use crate::kubeconfig::{Document, Options};

const THREADS: usize = 16;
const ROUNDS: usize = 4;

fn hammer(options: &Options, scene: &Scene) {
    let path = scene.write("config", "# mine\ncurrent-context: prod\ncontexts:\n- name: prod\n  context: {}\n");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !done.load(Ordering::Relaxed) {
                let bytes = std::fs::read(&path).unwrap();
                let document = Document::parse(&bytes).unwrap_or_else(|d| panic!("{d}"));
                assert!(document.has_context("prod"));
                reads += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            reads
        });
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let store = store_on(&path, options.clone());
                scope.spawn(move || {
                    let name = format!("c{thread}");
                    for round in 0..ROUNDS {
                        store.merge(&entry(&name, &round.to_string()), round % 2 == 0, &never).unwrap();
                        assert_eq!(store.find(&name).unwrap().unwrap().entry, entry(&name, &round.to_string()));
                        if thread % 2 == 0 {
                            store.remove(&name, None, &never).unwrap();
                            assert_eq!(store.find(&name).unwrap(), None);
                        }
                    }
                })
            })
            .collect();
        let results: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
        assert!(results.iter().all(Result::is_ok));
    });
    let document = Document::parse(scene.read("config").as_bytes()).unwrap();
    let mut clusters = document.clusters();
    clusters.sort_unstable();
    let mut kept: Vec<String> = (0..THREADS).filter(|t| t % 2 == 1).map(|t| format!("c{t}")).collect();
    kept.sort_unstable();
    assert_eq!(clusters, kept);
    assert!(scene.read("config").starts_with("# mine\n"));
    assert_eq!(scene.litter(), Vec::<String>::new());
}

#[test]
fn knarrs_queue() {
    let scene = Scene::new();
    // kubectl's lock alone has to be waited for only when somebody else than knarr holds it.
    hammer(&scene.options, &scene);
}

#[test]
fn without_a_state_folder_the_common_lock_is_enough() {
    let scene = Scene::new();
    hammer(&Options { state_dir: None, lock_wait: Duration::from_secs(60), ..scene.options.clone() }, &scene);
}
