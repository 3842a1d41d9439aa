//! The one integration binary: everything that needs neither Docker nor a cluster.
#![expect(clippy::disallowed_methods, reason = "tests look at the files of the repository as they are")]

mod apply;
mod certificates;
mod config;
mod crash;
mod create;
mod delete;
mod env;
mod errors;
mod etcd;
mod faults;
mod gc;
mod help;
mod interrupt;
mod lifecycle;
mod lifecycle_faults;
mod limits;
mod manifests;
mod naming;
mod output;
mod ports;
mod race;
mod shape;
mod start;
mod status;
mod taken;
mod urls;
mod why;

/// Every file of this folder is one of the modules above: a forgotten one would silently test nothing.
#[test]
fn no_file_is_forgotten() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    let main = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let module = path.extension().is_some_and(|extension| extension == "rs") || path.join("mod.rs").is_file();
        if module && name != "main" {
            assert!(main.contains(&format!("\nmod {name};\n")), "add `mod {name};` to tests/it/main.rs");
        }
    }
}
