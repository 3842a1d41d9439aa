//! Laid out, being written.
