//! knarr against a real Docker: every promise that only real clusters can keep or break.
//!
//! Runs only with `KNARR_TEST_DOCKER=1`; without it each case says that it is skipped. Cases run one after the other,
//! whatever `--test-threads` says, on clusters with names of this run only (`kt-…`); nothing else on the machine is
//! touched. Cases that only look share one cluster of three nodes; the others make their own. Filter as usual:
//! `KNARR_TEST_DOCKER=1 cargo test --test docker -- kubeconfig`.

#![expect(clippy::disallowed_methods, reason = "tests read files and the environment as a person would")]
#![expect(clippy::print_stderr, reason = "a skipped case must be seen")]

mod cluster;
mod docker;
mod helm;
mod http;
mod ports;
mod processes;
mod scene;
mod shared;
mod wait;

mod addons;
mod api_access;
mod apply;
mod archives;
mod components;
mod crash;
mod crash_loop;
mod daemon;
mod dashboard;
mod faults;
mod gc;
mod hammer;
mod high_availability;
mod images;
mod ingress;
mod interrupt;
mod kubeconfig;
mod leftovers;
mod lifecycle;
mod limits;
mod load_balancer;
mod manifests;
mod metrics;
mod network;
mod network_policy;
mod one_node;
mod race;
mod readme;
mod refusals;
mod registries;
mod restart;
mod rows;
mod samples;
mod secrets;
mod storage;
mod streams;
mod up;
mod why;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::scene::Scene;

/// A name and what must not panic.
type Case = (&'static str, fn(&Scene));

/// Every case, in the order in which they run: what needs no cluster first, what looks at the shared one next.
const ALL: &[(&str, &[Case])] = &[
    ("refusals", refusals::CASES),
    ("one_node", one_node::CASES),
    ("network", network::CASES),
    ("network_policy", network_policy::CASES),
    ("samples", samples::CASES),
    ("rows", rows::CASES),
    ("streams", streams::CASES),
    ("dashboard", dashboard::CASES),
    ("secrets", secrets::CASES),
    ("api_access", api_access::CASES),
    ("metrics", metrics::CASES),
    ("storage", storage::CASES),
    ("images", images::CASES),
    ("archives", archives::CASES),
    ("why", why::CASES),
    ("helm", helm::CASES),
    ("kubeconfig", kubeconfig::CASES),
    ("hammer", hammer::CASES),
    ("leftovers", leftovers::CASES),
    ("gc", gc::CASES),
    ("race", race::CASES),
    ("interrupt", interrupt::CASES),
    ("crash", crash::CASES),
    ("ingress", ingress::CASES),
    ("components", components::CASES),
    ("crash_loop", crash_loop::CASES),
    ("restart", restart::CASES),
    ("load_balancer", load_balancer::CASES),
    ("addons", addons::CASES),
    ("manifests", manifests::CASES),
    ("limits", limits::CASES),
    ("apply", apply::CASES),
    ("registries", registries::CASES),
    ("lifecycle", lifecycle::CASES),
    ("high_availability", high_availability::CASES),
    ("ports", ports::CASES),
    ("faults", faults::CASES),
    ("daemon", daemon::CASES),
    ("readme", readme::CASES),
    ("up", up::CASES),
];

fn main() -> ExitCode {
    if hammer::wrote() {
        return ExitCode::SUCCESS;
    }
    let mut arguments = Arguments::from_args();
    // One cluster at a time is what a small machine can bear, and bounds on time mean nothing otherwise.
    arguments.test_threads = Some(1);
    let enabled = std::env::var("KNARR_TEST_DOCKER").is_ok_and(|v| v == "1");
    let trials = ALL.iter().flat_map(|(module, cases)| {
        cases.iter().map(move |(name, case)| {
            let name = format!("{module}::{name}");
            let scene = name.clone();
            Trial::test(name, move || run(&scene, *case, enabled))
        })
    });
    if enabled && !arguments.list {
        std::thread::spawn(sweep_when_interrupted);
    }
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if !enabled || arguments.list {
        return conclusion.exit_code();
    }
    let left = shared::end();
    docker::sweep_this_run();
    match left {
        None => conclusion.exit_code(),
        Some(why) => {
            eprintln!("FAILED at the end: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Ctrl-C ends the suite, and takes its clusters with it.
#[expect(clippy::exit, reason = "cases cannot be stopped in the middle")]
fn sweep_when_interrupted() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(tokio::signal::ctrl_c()).expect("signals can be heard");
    docker::sweep_this_run();
    std::process::exit(130);
}

fn run(name: &str, case: fn(&Scene), enabled: bool) -> Result<(), Failed> {
    if !enabled {
        eprintln!("SKIPPED {name}: it needs Docker; set KNARR_TEST_DOCKER=1 to run it");
        return Ok(());
    }
    let scene = Scene::new(name);
    // The panic message itself has been printed when it happened; what is left is to name the case as failed.
    catch_unwind(AssertUnwindSafe(|| case(&scene))).map_err(|_| Failed::from("it panicked; see above"))
}
