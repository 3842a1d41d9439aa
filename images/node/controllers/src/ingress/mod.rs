//! Ingresses served by nginx.
