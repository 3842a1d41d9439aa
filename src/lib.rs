//! knarr.
pub mod error;
