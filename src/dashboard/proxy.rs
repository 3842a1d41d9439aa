//! Hands requests of the pages through to the API server: reading everything but Secrets' values, and a few changes.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Dashboard;
use crate::kubernetes::RawRequest;

const PREFIX: &str = "/kubernetes";
/// No change that the pages make is larger.
const LARGEST: usize = 1 << 16;

/// Whether the pages may ask this. Secrets are left out: a screen is shared more easily than a kubeconfig.
fn allowed(method: &Method, path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').collect();
    // A name that climbs or hides a slash never comes from our pages.
    if path.contains('%') || segments.contains(&"..") || segments.contains(&"secrets") {
        return false;
    }
    let streams = ["exec", "attach", "portforward", "proxy"];
    let known_root = matches!(segments.get(1), Some(&("api" | "apis" | "version" | "readyz")));
    known_root
        && !segments.iter().any(|s| streams.contains(s))
        && matches!(*method, Method::GET | Method::PATCH | Method::DELETE)
}

/// One request to the API server.
pub async fn hand_through(State(dashboard): State<Arc<Dashboard>>, request: Request) -> Response {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().to_owned();
    if !allowed(request.method(), &path) {
        return (StatusCode::FORBIDDEN, "the dashboard does not do this; use `knarr kubectl`\n").into_response();
    }
    let query = request.uri().query().map(|q| format!("?{q}")).unwrap_or_default();
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let method = request.method().clone();
    let Ok(body) = to_bytes(request.into_body(), LARGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let asked = RawRequest { method, path: format!("{path}{query}"), content_type, body: body.to_vec() };
    match dashboard.kubernetes.forward(asked).await {
        Ok(answer) => {
            let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
            let headers: [(HeaderName, String); 3] = [
                (header::CONTENT_TYPE, answer.content_type),
                (header::CACHE_CONTROL, "no-store".to_owned()),
                // What a Pod wrote into its log must never be taken for a page.
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            ];
            (status, headers, Body::from_stream(answer.body)).into_response()
        }
        Err(e) => (StatusCode::BAD_GATEWAY, e.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_everything_but_secrets_and_changes_little() {
        for (method, path) in [
            (Method::GET, "/api/v1/pods"),
            (Method::GET, "/apis/apps/v1/namespaces/default/deployments/a"),
            (Method::GET, "/api/v1/namespaces/default/pods/a/log"),
            (Method::DELETE, "/api/v1/namespaces/default/pods/a"),
            (Method::PATCH, "/apis/apps/v1/namespaces/default/deployments/a/scale"),
        ] {
            assert!(allowed(&method, path), "{method} {path}");
        }
        for (method, path) in [
            (Method::GET, "/api/v1/secrets"),
            (Method::GET, "/api/v1/namespaces/default/secrets/a"),
            (Method::GET, "/api/v1/namespaces/default/pods/a/exec"),
            (Method::GET, "/api/v1/nodes/a/proxy/logs"),
            (Method::GET, "/api/v1/%73ecrets"),
            (Method::GET, "/api/v1/x/../secrets"),
            (Method::GET, "/debug/pprof"),
            (Method::POST, "/api/v1/namespaces"),
            (Method::PUT, "/api/v1/namespaces/a"),
        ] {
            assert!(!allowed(&method, path), "{method} {path}");
        }
    }
}
