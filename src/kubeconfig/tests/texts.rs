//! Laid.
