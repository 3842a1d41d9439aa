//! Who may use the dashboard: whoever was given its address, and only from its own pages.
//!
//! The address carries a secret of this run, which the first visit turns into a cookie. Other users of the machine do not
//! know it. Other web pages cannot send it (`SameSite=Strict`), cannot change anything without a header that only our own
//! scripts may set, and cannot make their own name lead here (the `Host` must be ours).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The header that requests which change something carry.
pub const OWN_HEADER: &str = "x-knarr";

/// What one run of the dashboard asks of its visitors.
pub struct Secret {
    address: SocketAddr,
    token: String,
}

impl Secret {
    /// A new secret for the dashboard at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, token: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>()) }
    }

    /// The address to visit first.
    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    /// Cookies do not tell ports apart, so two dashboards need two names.
    fn cookie(&self) -> String {
        format!("knarr-{}={}", self.address.port(), self.token)
    }

    fn is_ours(&self, headers: &HeaderMap) -> bool {
        let port = self.address.port();
        let ours = [self.address.to_string(), format!("localhost:{port}")];
        headers.get(header::HOST).and_then(|h| h.to_str().ok()).is_some_and(|host| ours.iter().any(|o| o == host))
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
        cookies.flat_map(|line| line.split("; ")).any(|one| same(one, &self.cookie()))
    }
}

/// Compares in a time that does not tell where two texts differ.
fn same(left: &str, right: &str) -> bool {
    left.len() == right.len() && left.bytes().zip(right.bytes()).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// Lets a request in, or says why not.
pub async fn admit(State(secret): State<Arc<Secret>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !secret.is_ours(headers) {
        return (StatusCode::FORBIDDEN, "this is not the dashboard's own address\n").into_response();
    }
    let given = request.uri().query().and_then(|q| q.strip_prefix("token="));
    if request.uri().path() == "/" && given.is_some_and(|token| same(token, &secret.token)) {
        let cookie = format!("{}; HttpOnly; SameSite=Strict; Path=/", secret.cookie());
        return ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response();
    }
    if !secret.has_cookie(headers) {
        let words = "open the address that `knarr dashboard` printed: it carries the secret of this run\n";
        return (StatusCode::UNAUTHORIZED, words).into_response();
    }
    if request.method() != Method::GET && !headers.contains_key(OWN_HEADER) {
        return (StatusCode::FORBIDDEN, "only the dashboard's own pages may change something\n").into_response();
    }
    next.run(request).await
}
