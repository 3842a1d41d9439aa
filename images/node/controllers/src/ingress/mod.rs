//! Ingresses served by nginx.
//!
//! Deciding is pure: [`compile`] makes a model out of objects, [`render`] makes nginx's configuration out of the
//! model. What changes often — endpoints, canary weights — is a table that a small Lua balancer reads from shared
//! memory, so only changes of Ingresses reload nginx, and each is tested first. See `docs/decisions/0006-ingress.md`.

pub mod annotations;
pub mod apply;
pub mod backends;
pub mod compile;
pub mod controller;
pub mod files;
pub mod model;
pub mod nginx;
pub mod quote;
pub mod render;
pub mod report;
pub mod secret_cache;
pub mod secrets;
pub mod sift;
pub mod watch;
pub mod world;
