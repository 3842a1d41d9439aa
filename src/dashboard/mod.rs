//! The dashboard: a few static pages, and the cluster's API handed through to them on the loopback.
//!
//! The pages speak the Kubernetes API themselves, so there is no second model of it here. What protects the cluster from
//! other users and other web pages of this machine is in `guard.rs`, what may be asked of it in `proxy.rs`.

mod guard;
mod proxy;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use include_dir::{Dir, include_dir};
use serde_json::json;

pub use self::guard::Secret;
use crate::kubernetes::Kubernetes;

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/src/dashboard/web");

/// Nothing but our own pages may run in them, and no other page may embed them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// What every request sees.
struct Dashboard {
    cluster: String,
    kubernetes: Arc<dyn Kubernetes>,
}

/// The web server of one cluster's dashboard.
pub fn router(cluster: &str, secret: Secret, kubernetes: Arc<dyn Kubernetes>) -> Router {
    let dashboard = Arc::new(Dashboard { cluster: cluster.to_owned(), kubernetes });
    Router::new()
        .route("/cluster", get(about))
        .route("/kubernetes/{*path}", any(proxy::hand_through))
        .route("/", get(|| async { page("index.html") }))
        .route("/{file}", get(|Path(file): Path<String>| async move { page(&file) }))
        .with_state(dashboard)
        .layer(middleware::from_fn_with_state(Arc::new(secret), guard::admit))
}

/// Which cluster this is.
async fn about(State(dashboard): State<Arc<Dashboard>>) -> Json<serde_json::Value> {
    Json(json!({"name": dashboard.cluster, "knarr": env!("CARGO_PKG_VERSION")}))
}

fn page(file: &str) -> Response {
    let Some(found) = PAGES.get_file(file) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match file.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "image/svg+xml",
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, found.contents()).into_response()
}

#[cfg(test)]
mod tests;
