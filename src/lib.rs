//! knarr makes real, unmodified, upstream Kubernetes clusters out of Docker containers.
//!
//! One road through the program, each way once:
//!
//! ```text
//! cli/args → cli/settings → config → spec → plan → execute → health → report
//!  typed      environment    read     what   how     do        is it    say
//!  text                      check    it is                    well?    it
//! ```
//!
//! Data flows down this list. `spec`, `plan`, `pki` and `node` are pure: no I/O, no clock, no environment. Each outside
//! world has one door: `engine` (Docker; only `engine/docker` names bollard), `kubernetes` (the API server; only
//! `kubernetes/client` names kube), `fs` (files), `host` (this machine), `terminal`, `process`. Logic never prints:
//! it emits `report::Event`s, and `commands` print results on stdout. Docker's labels are the only memory.

pub mod addons;
pub mod cli;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod dashboard;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod execute;
pub mod fs;
pub mod gc;
pub mod health;
pub mod host;
pub mod image;
pub mod kubeconfig;
pub mod kubernetes;
pub mod manifests;
pub mod node;
pub mod pki;
pub mod plan;
pub mod process;
pub mod report;
pub mod samples;
pub mod signal;
pub mod spec;
pub mod terminal;
pub mod urls;
pub mod why;
pub mod yaml;
