//! The table: what is asked, what must come back, and which Event each bad Ingress has.

/// One request and its answer.
pub struct Row {
    pub name: &'static str,
    /// curl's arguments; `@NAME` is a file of the scene.
    pub ask: Vec<&'static str>,
    pub status: u16,
    /// What must be in the answer, and what must not; letter case does not count.
    pub has: &'static [&'static str],
    pub lacks: &'static [&'static str],
}

/// Which Ingress has which Event.
pub const EVENTS: &[(&str, &str)] = &[
    ("broken-regex", "ConfigurationRejected"),
    ("broken-snippet", "ConfigurationRejected"),
    ("invalid", "InvalidAnnotation"),
    ("unknown", "UnknownAnnotation"),
    ("missing-service", "ServiceNotFound"),
    ("missing-port", "PortNotFound"),
    ("auth-missing", "SecretNotFound"),
    ("tls-missing", "SecretNotFound"),
    ("younger", "DuplicatePath"),
    ("lonely-canary", "CanaryAlone"),
];

const A: &[&str] = &["pod:       a\n"];
const B: &[&str] = &["pod:       b\n"];
const NONE: &[&str] = &[];

/// Every row.
pub fn rows() -> Vec<Row> {
    ROWS.iter()
        .map(|(name, ask, status, has, lacks)| Row { name, ask: ask.split(' ').collect(), status: *status, has, lacks })
        .collect()
}

type Raw = (&'static str, &'static str, u16, &'static [&'static str], &'static [&'static str]);

#[rustfmt::skip]
const ROWS: &[Raw] = &[
    // Hosts and paths.
    ("an exact path", "http://exact.example/foo", 200, A, NONE),
    ("an exact path has no tail", "http://exact.example/foo/", 404, NONE, A),
    ("an exact path is no prefix", "http://exact.example/foobar", 404, NONE, A),
    ("a prefix itself", "http://prefix.example/foo", 200, A, NONE),
    ("a prefix with a slash", "http://prefix.example/foo/", 200, A, NONE),
    ("below a prefix", "http://prefix.example/foo/bar?x=1", 200, &["pod:       a\n", "GET prefix.example/foo/bar?x=1"], NONE),
    ("a prefix ends with its segment", "http://prefix.example/foobar", 404, NONE, A),
    ("the longest prefix wins", "http://prefix.example/foo/long/x", 200, B, NONE),
    ("implementation specific is a prefix of the text", "http://text.example/textual", 200, A, NONE),
    ("implementation specific and nothing else", "http://text.example/tex", 404, NONE, A),
    ("the root", "http://roots.example/", 200, A, NONE),
    ("beside the root, by the port's name", "http://roots.example/api/x", 200, B, NONE),
    ("exact wins over prefix", "http://roots.example/both", 200, B, NONE),
    ("and only for itself", "http://roots.example/both/x", 200, A, NONE),
    ("a wildcard", "http://any.wild.example/", 200, A, NONE),
    ("a wildcard is one label", "http://two.any.wild.example/", 404, NONE, A),
    ("a name wins over a wildcard", "http://own.wild.example/", 200, B, NONE),
    ("names have no case", "http://PREFIX.Example/foo", 200, A, NONE),
    ("an unknown host", "http://nobody.example/", 404, NONE, A),
    ("a rule for any host", "http://nobody.example/anyhost", 200, A, NONE),
    ("the default backend of an Ingress", "http://fallback.example/elsewhere", 200, B, NONE),
    ("and its own path", "http://fallback.example/own", 200, A, NONE),
    ("the class as an annotation", "http://old-class.example/", 200, A, NONE),
    ("another class", "http://foreign.example/", 404, NONE, A),
    ("the older one keeps its path", "http://prefix.example/foo", 200, A, B),
    // Rewriting.
    ("all to the root", "http://rewrite.example/app/x", 200, &["GET rewrite.example/\n"], NONE),
    ("the second group", "http://groups.example/api/users/7?q=1", 200, &["\"path\":\"/echo/users/7\"", "\"query\":\"q=1\"", "\"pod\":\"a\""], NONE),
    ("the other path of the host", "http://groups.example/admin/x", 200, &["\"path\":\"/echo/x\"", "\"pod\":\"b\""], NONE),
    ("an empty group", "http://groups.example/api", 200, &["\"path\":\"/echo/\""], NONE),
    ("groups end with a segment", "http://groups.example/apis", 404, NONE, NONE),
    ("the first group", "http://group.example/x/y/z", 200, &["\"path\":\"/echo/y/z\""], NONE),
    ("an expression", "http://regex.example/v12/x", 200, A, NONE),
    ("an expression that does not match", "http://regex.example/vx/x", 404, NONE, A),
    ("a prefix beside an expression", "http://regex.example/plain/x", 200, B, NONE),
    ("keeps its segments", "http://regex.example/plainer", 404, NONE, NONE),
    ("the longest wins over the expression", "http://regex.example/v1/but/this/is/longer", 200, B, NONE),
    // TLS and redirects.
    ("a certificate by name", "https://tls.example/", 200, A, NONE),
    ("another by another name", "https://tls2.example/", 200, B, NONE),
    ("a certificate for a wildcard", "https://x.wild-tls.example/", 200, A, NONE),
    ("the self-signed one otherwise", "-k https://prefix.example/foo", 200, A, NONE),
    ("an unknown name over TLS", "-k https://nobody.example/", 404, NONE, A),
    ("HTTP/2", "--http2 https://tls.example/", 200, &["HTTP/2 200"], NONE),
    ("to HTTPS where there is a certificate", "http://tls.example/x?y=1", 308, &["Location: https://tls.example/x?y=1"], A),
    ("unless told otherwise", "http://tls2.example/", 200, B, NONE),
    ("to HTTPS by force", "http://forced.example/x", 308, &["Location: https://forced.example/x"], A),
    ("elsewhere for good", "http://permanent.example/x?y=1", 301, &["Location: https://new.example/x?y=1"], A),
    ("with another code", "http://code.example/", 308, &["Location: https://new.example/"], A),
    ("elsewhere for now", "http://temporal.example/", 302, &["Location: https://soon.example/x"], A),
    ("the root of the application", "http://app-root.example/", 302, &["Location: /start"], A),
    ("and what is there", "http://app-root.example/start", 200, A, NONE),
    // How requests arrive.
    ("who asked", "http://roots.example/echo -H X-Forwarded-For:1.2.3.4", 200, &["\"X-Original-Forwarded-For\":[\"1.2.3.4\"]", "\"X-Real-Ip\":[\"1", "\"X-Forwarded-Proto\":[\"http\"]", "\"X-Forwarded-Host\":[\"roots.example\"]", "\"X-Forwarded-Port\":[\"80\"]"], &["\"X-Forwarded-For\":[\"1.2.3.4\"]"]),
    ("who asked over TLS", "https://tls.example/echo", 200, &["\"X-Forwarded-Proto\":[\"https\"]", "\"X-Forwarded-Port\":[\"443\"]"], NONE),
    ("the request's number", "http://roots.example/echo -H X-Request-ID:abc", 200, &["\"X-Request-Id\":[\"abc\"]"], NONE),
    ("a body", "http://roots.example/echo -d hello", 200, &["\"method\":\"POST\"", "\"body\":\"hello\""], NONE),
    ("encoded characters stay", "http://roots.example/a%20b%2Fc", 200, &["/a%20b%2Fc"], NONE),
    ("a body too large", "http://roots.example/echo -H Expect: --data-binary @LARGE", 413, NONE, NONE),
    ("a larger one is allowed", "http://body.example/ -H Expect: --data-binary @LARGE", 200, A, NONE),
    ("an answer too late", "http://slow.example/echo?delay=3s", 504, NONE, NONE),
    ("in time", "http://slow.example/echo", 200, &["\"pod\":\"a\""], NONE),
    ("a backend with TLS", "http://secure.example/livez", 200, &["ok"], NONE),
    ("gRPC", "--http2-prior-knowledge http://grpc.example/echo -H Content-Type:application/grpc -H TE:trailers --data-binary @GRPC", 200, &["grpc-status: 0"], NONE),
    ("gRPC over TLS", "-k --http2 https://grpc.example/echo -H Content-Type:application/grpc -H TE:trailers --data-binary @GRPC", 200, &["grpc-status: 0", "HTTP/2 200"], NONE),
    ("another host for the backend", "http://vhost.example/echo", 200, &["\"host\":\"inner.example\""], NONE),
    ("an alias", "http://other-name.example/", 200, A, NONE),
    ("an alias with a wildcard", "http://x.alias.example/", 200, A, NONE),
    ("configuration as it is", "http://snippet.example/", 200, &["X-Snippet: was; here"], NONE),
    // Cross-origin.
    ("any origin", "http://cors.example/ -H Origin:https://x.example", 200, &["Access-Control-Allow-Origin: *", "Access-Control-Allow-Credentials: true"], NONE),
    ("asking first", "http://cors.example/ -X OPTIONS -H Origin:https://x.example", 204, &["Access-Control-Allow-Methods: GET, PUT", "Access-Control-Max-Age: 1728000"], A),
    ("a named origin", "http://origins.example/ -H Origin:https://one.example", 200, &["Access-Control-Allow-Origin: https://one.example", "Access-Control-Expose-Headers: X-Seen"], &["Allow-Credentials"]),
    ("an origin below a name", "http://origins.example/ -X OPTIONS -H Origin:https://a.two.example", 204, &["Access-Control-Allow-Origin: https://a.two.example", "Access-Control-Allow-Methods: GET, PUT\r\n", "Access-Control-Max-Age: 600"], NONE),
    ("another origin", "http://origins.example/ -H Origin:https://one.example.evil", 200, A, &["Access-Control-"]),
    // Who may come in.
    ("no password", "http://auth.example/", 401, &["WWW-Authenticate: Basic realm=\"staff; only }\""], A),
    ("the password", "http://auth.example/echo -u me:secret", 200, &["\"pod\":\"a\""], &["Authorization"]),
    ("a wrong password", "http://auth.example/ -u me:wrong", 401, NONE, A),
    ("passwords as a map", "http://auth-map.example/ -u me:secret", 200, A, NONE),
    ("passwords that are not there", "http://auth-missing.example/ -u me:secret", 503, NONE, A),
    ("from inside", "http://inside.example/", 200, A, NONE),
    ("from outside", "http://outside.example/", 403, NONE, A),
    ("denied", "http://denied.example/", 403, NONE, A),
    // Canaries.
    ("no header", "http://by-header.example/", 200, A, NONE),
    ("the header says always", "http://by-header.example/ -H X-Canary:always", 200, B, NONE),
    ("the header says never", "http://by-header.example/ -H X-Canary:never", 200, A, NONE),
    ("the header's value", "http://by-value.example/ -H X-Canary:blue", 200, B, NONE),
    ("another value", "http://by-value.example/ -H X-Canary:green", 200, A, NONE),
    ("the cookie says always", "http://by-cookie.example/ -b try=always", 200, B, NONE),
    ("the cookie says never", "http://by-cookie.example/ -b try=never", 200, A, NONE),
    ("the whole weight", "http://all.example/", 200, B, NONE),
    ("no weight", "http://zero.example/", 200, A, B),
    ("a cookie to stay", "http://sticky.example/", 200, &["Set-Cookie: stay=", "Max-Age=600", "SameSite=Lax", "HttpOnly", "Path=/"], NONE),
    // Errors.
    ("a custom error, with the status that its backend gives", "http://errors.example/echo?status=503", 503, &["\"pod\":\"errors\"", "\"X-Code\":[\"503\"]", "\"X-Original-Uri\":[\"/echo?status=503\"]", "\"X-Ingress-Name\":[\"errors\"]", "\"X-Service-Name\":[\"a\"]"], NONE),
    ("an error that is not custom", "http://errors.example/echo?status=500", 500, &["\"pod\":\"a\""], NONE),
    ("a default backend where there is no pod", "http://instead.example/", 200, &["pod:       errors\n"], NONE),
    ("no pod", "http://empty.example/", 503, NONE, NONE),
    ("no Service", "http://missing-service.example/", 503, NONE, NONE),
    ("no such port", "http://missing-port.example/", 503, NONE, NONE),
    ("an impossible annotation", "http://invalid.example/", 503, NONE, A),
    ("an unknown annotation", "http://unknown.example/", 200, A, NONE),
    ("a certificate that is not there", "-k https://tls-missing.example/", 200, A, NONE),
    ("a canary of nobody", "http://lonely.example/", 404, NONE, A),
];
