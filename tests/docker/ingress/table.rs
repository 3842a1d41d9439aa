//! The table: what is applied, what is asked, and what must come back.

use std::fmt::Write as _;

/// The image of all backends.
pub const HELLO: &str = "knarr.dev/hello:ingress-dev";

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

/// Host, path, path type, Service.
type Rule<'r> = (&'r str, &'r str, &'r str, &'r str);

const P: &str = "Prefix";
const E: &str = "Exact";
const I: &str = "ImplementationSpecific";

fn ingress(name: &str, annotations: &[(&str, &str)], tls: Option<&str>, rules: &[Rule<'_>]) -> String {
    let mut text =
        format!("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: {name}\n  annotations:\n");
    for (key, value) in annotations {
        let _ = writeln!(text, "    nginx.ingress.kubernetes.io/{key}: {value:?}");
    }
    let _ = writeln!(text, "spec:\n  ingressClassName: nginx");
    if let Some(secret) = tls {
        let _ = writeln!(text, "  tls: [{{hosts: [{:?}], secretName: {secret}}}]", rules[0].0);
    }
    let _ = writeln!(text, "  rules:");
    for (host, path, kind, service) in rules {
        let host = if host.is_empty() { String::new() } else { format!("host: {host:?}, ") };
        let (service, port) = service.split_once(':').unwrap_or((service, "80"));
        let port = if port.parse::<u16>().is_ok() { format!("number: {port}") } else { format!("name: {port}") };
        let backend = format!("{{service: {{name: {service}, port: {{{port}}}}}}}");
        let _ =
            writeln!(text, "  - {{{host}http: {{paths: [{{path: {path:?}, pathType: {kind}, backend: {backend}}}]}}}}");
    }
    text
}

/// An Ingress with nothing special.
pub fn simple(name: &str) -> String {
    ingress(name, &[], None, &[(&format!("{name}.example"), "/", P, "a")])
}

/// Wants a path that an older one has, and has one of its own.
pub fn younger() -> String {
    ingress("younger", &[], None, &[("prefix.example", "/foo", P, "b"), ("younger.example", "/", P, "a")])
}

/// Deployments and Services: `a` and `b` say so, `many` says which of three, `errors` is for errors, `empty` has no pod.
pub fn backends() -> String {
    let mut text = String::new();
    for (app, count) in [("a", 1), ("b", 1), ("errors", 1), ("many", 3)] {
        let name =
            if app == "many" { "valueFrom: {fieldRef: {fieldPath: metadata.name}}" } else { &format!("value: {app}") };
        let _ = writeln!(
            text,
            "---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {app}}}
spec:
  replicas: {count}
  selector: {{matchLabels: {{app: {app}}}}}
  template:
    metadata: {{labels: {{app: {app}}}}}
    spec:
      tolerations: [{{operator: Exists}}]
      containers:
      - name: hello
        image: {HELLO}
        imagePullPolicy: Never
        env: [{{name: POD_NAME, {name}}}]
        readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}"
        );
    }
    for app in ["a", "b", "errors", "many", "empty"] {
        let _ = writeln!(
            text,
            "---
apiVersion: v1
kind: Service
metadata: {{name: {app}}}
spec: {{selector: {{app: {app}}}, ports: [{{name: web, port: 80, targetPort: 8080}}]}}"
        );
    }
    text
}

/// Secrets with certificates of one authority and with passwords; and the authority's certificate.
pub fn secrets() -> (String, String) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.self_signed(&key).expect("a certificate").pem();
    let issuer = rcgen::Issuer::new(parameters, key);
    let mut text = String::new();
    for host in ["tls.example", "tls2.example", "*.wild-tls.example"] {
        let key = rcgen::KeyPair::generate().expect("a key");
        let parameters = rcgen::CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        let certificate = parameters.signed_by(&key, &issuer).expect("a certificate");
        let name = host.split('.').find(|part| *part != "*").expect("a name");
        let indent = |pem: String| pem.trim_end().replace('\n', "\n    ");
        let _ = writeln!(
            text,
            "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {{name: {name}}}\nstringData:\n  tls.crt: |\n    {}\n  tls.key: |\n    {}",
            indent(certificate.pem()),
            indent(key.serialize_pem())
        );
    }
    text.push_str(
        "---\napiVersion: v1\nkind: Secret\nmetadata: {name: file}\nstringData: {auth: 'me:{PLAIN}secret'}\n",
    );
    text.push_str("---\napiVersion: v1\nkind: Secret\nmetadata: {name: map}\nstringData: {me: '{PLAIN}secret'}\n");
    (text, authority)
}

/// Every Ingress of the table.
pub fn ingresses() -> String {
    let one = |name: &str, annotations: &[(&str, &str)]| {
        ingress(name, annotations, None, &[(&format!("{name}.example"), "/", P, "a")])
    };
    [paths(), rewrites(), redirects(&one), requests(&one), guards(&one), shares(), bad()].concat()
}

fn paths() -> String {
    let mut text = ingress("exact", &[], None, &[("exact.example", "/foo", E, "a")]);
    text += &ingress(
        "prefix",
        &[],
        None,
        &[
            ("prefix.example", "/foo", P, "a"),
            ("prefix.example", "/foo/long", P, "b"),
            ("prefix.example", "/ws", P, "a"),
        ],
    );
    text += &ingress("text", &[], None, &[("text.example", "/text", I, "a")]);
    text += &ingress(
        "roots",
        &[],
        None,
        &[
            ("roots.example", "/", P, "a"),
            ("roots.example", "/api", P, "b:web"),
            ("roots.example", "/both", P, "a"),
            ("roots.example", "/both", E, "b"),
        ],
    );
    text += &ingress("wild", &[], None, &[("*.wild.example", "/", P, "a"), ("own.wild.example", "/", P, "b")]);
    text += &ingress("anyhost", &[], None, &[("", "/anyhost", P, "a")]);
    text += &ingress("fallback", &[], None, &[("fallback.example", "/own", P, "a")])
        .replace("  rules:", "  defaultBackend: {service: {name: b, port: {number: 80}}}\n  rules:");
    text += &ingress("old-class", &[], None, &[("old-class.example", "/", P, "a")])
        .replace("  annotations:\n", "  annotations:\n    kubernetes.io/ingress.class: nginx\n")
        .replace("  ingressClassName: nginx\n", "");
    text += &ingress("foreign", &[], None, &[("foreign.example", "/", P, "a")])
        .replace("ingressClassName: nginx", "ingressClassName: other");
    text
}

fn rewrites() -> String {
    let mut text = ingress("rewrite", &[("rewrite-target", "/")], None, &[("rewrite.example", "/app", P, "a")]);
    text += &ingress(
        "groups",
        &[("rewrite-target", "/echo/$2")],
        None,
        &[("groups.example", "/api(/|$)(.*)", I, "a"), ("groups.example", "/admin(/|$)(.*)", I, "b")],
    );
    text += &ingress(
        "group",
        &[("rewrite-target", "/echo/$1"), ("use-regex", "true")],
        None,
        &[("group.example", "/x/(.*)", I, "a")],
    );
    text += &ingress("regex", &[("use-regex", "true")], None, &[("regex.example", "/v[0-9]+/.*", I, "a")]);
    text += &ingress(
        "beside",
        &[],
        None,
        &[("regex.example", "/plain", P, "b"), ("regex.example", "/v1/but/this/is/longer", P, "b")],
    );
    text
}

fn redirects(one: &dyn Fn(&str, &[(&str, &str)]) -> String) -> String {
    let mut text = ingress("tls", &[], Some("tls"), &[("tls.example", "/", P, "a")]);
    text += &ingress("tls2", &[("ssl-redirect", "false")], Some("tls2"), &[("tls2.example", "/", P, "b")]);
    text += &ingress("wild-tls", &[], Some("wild-tls"), &[("*.wild-tls.example", "/", P, "a")]);
    text += &one("forced", &[("force-ssl-redirect", "true")]);
    text += &one("permanent", &[("permanent-redirect", "https://new.example$request_uri")]);
    text += &one("code", &[("permanent-redirect", "https://new.example/"), ("permanent-redirect-code", "308")]);
    text += &one("temporal", &[("temporal-redirect", "https://soon.example/x")]);
    text += &one("app-root", &[("app-root", "/start")]);
    text
}

fn requests(one: &dyn Fn(&str, &[(&str, &str)]) -> String) -> String {
    let mut text = one("body", &[("proxy-body-size", "8m")]);
    text += &one("slow", &[("proxy-read-timeout", "1")]);
    text += &ingress("secure", &[("backend-protocol", "HTTPS")], None, &[("secure.example", "/", P, "kubernetes:443")]);
    text += &ingress("grpc", &[("backend-protocol", "GRPC")], None, &[("grpc.example", "/", P, "a")]);
    text += &one("cors", &[("enable-cors", "true")]);
    text += &one(
        "origins",
        &[
            ("enable-cors", "true"),
            ("cors-allow-origin", "https://one.example, https://*.two.example"),
            ("cors-allow-methods", "GET, PUT"),
            ("cors-allow-credentials", "false"),
            ("cors-max-age", "600"),
            ("cors-expose-headers", "X-Seen"),
        ],
    );
    text += &one("vhost", &[("upstream-vhost", "inner.example")]);
    text += &one("alias", &[("server-alias", "other-name.example, *.alias.example")]);
    text += &one("snippet", &[("configuration-snippet", "add_header X-Snippet \"was; here\";")]);
    text += &one("errors", &[("custom-http-errors", "503,418"), ("default-backend", "errors")]);
    text += &ingress("instead", &[("default-backend", "errors")], None, &[("instead.example", "/", P, "empty")]);
    text += &ingress("empty", &[], None, &[("empty.example", "/", P, "empty")]);
    text
}

fn guards(one: &dyn Fn(&str, &[(&str, &str)]) -> String) -> String {
    let mut text = one("auth", &[("auth-type", "basic"), ("auth-secret", "file"), ("auth-realm", "staff; only }")]);
    text += &one("auth-map", &[("auth-type", "basic"), ("auth-secret", "map"), ("auth-secret-type", "auth-map")]);
    text += &one("inside", &[("whitelist-source-range", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16")]);
    text += &one("outside", &[("whitelist-source-range", "203.0.113.0/24")]);
    text += &one("denied", &[("denylist-source-range", "0.0.0.0/0")]);
    text += &one("rps", &[("limit-rps", "1"), ("limit-burst-multiplier", "1")]);
    text += &one("connections", &[("limit-connections", "1")]);
    text
}

fn shares() -> String {
    let mut text = ingress("many", &[], None, &[("many.example", "/", P, "many")]);
    text += &ingress(
        "sticky",
        &[
            ("affinity", "cookie"),
            ("session-cookie-name", "stay"),
            ("session-cookie-max-age", "600"),
            ("session-cookie-samesite", "Lax"),
        ],
        None,
        &[("sticky.example", "/", P, "many")],
    );
    let canaries: [(&str, &[(&str, &str)]); 6] = [
        ("by-header", &[("canary-by-header", "X-Canary")]),
        ("by-value", &[("canary-by-header", "X-Canary"), ("canary-by-header-value", "blue")]),
        ("by-cookie", &[("canary-by-cookie", "try")]),
        ("all", &[("canary-weight", "100")]),
        ("zero", &[("canary-weight", "0")]),
        ("share", &[("canary-weight", "5"), ("canary-weight-total", "10")]),
    ];
    for (name, annotations) in canaries {
        let host = format!("{name}.example");
        text += &ingress(name, &[], None, &[(&host, "/", P, "a")]);
        let annotations = [&[("canary", "true")], annotations].concat();
        text += &ingress(&format!("{name}-canary"), &annotations, None, &[(&host, "/", P, "b")]);
    }
    text
}

fn bad() -> String {
    let one = |name: &str, annotations: &[(&str, &str)]| {
        ingress(name, annotations, None, &[(&format!("{name}.example"), "/", P, "a")])
    };
    let mut text = ingress("broken-regex", &[("use-regex", "true")], None, &[("regex.example", "/x(", I, "a")]);
    text += &one("broken-snippet", &[("configuration-snippet", "no_such_directive on;")]);
    text += &one("invalid", &[("proxy-body-size", "1m; } server { listen 9999")]);
    text += &one("unknown", &[("does-not-exist", "true")]);
    text += &ingress("missing-service", &[], None, &[("missing-service.example", "/", P, "nobody")]);
    text += &ingress("missing-port", &[], None, &[("missing-port.example", "/", P, "a:81")]);
    text += &one("auth-missing", &[("auth-type", "basic"), ("auth-secret", "nowhere")]);
    text += &ingress("tls-missing", &[], Some("nowhere"), &[("tls-missing.example", "/", P, "a")]);
    text += &ingress("lonely-canary", &[("canary", "true")], None, &[("lonely.example", "/", P, "a")]);
    text
}

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
    ("a custom error", "http://errors.example/echo?status=503", 200, &["\"pod\":\"errors\"", "\"X-Code\":[\"503\"]", "\"X-Original-Uri\":[\"/echo?status=503\"]", "\"X-Ingress-Name\":[\"errors\"]", "\"X-Service-Name\":[\"a\"]"], NONE),
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
