//! knarr makes real, unmodified, upstream Kubernetes clusters out of Docker containers.

pub mod cli;
pub mod commands;
pub mod config;
pub mod doctor;
pub mod engine;
pub mod error;
pub mod execute;
pub mod fs;
pub mod health;
pub mod host;
pub mod kubeconfig;
pub mod manifests;
pub mod node;
pub mod pki;
pub mod plan;
pub mod report;
pub mod signal;
pub mod spec;
pub mod yaml;
