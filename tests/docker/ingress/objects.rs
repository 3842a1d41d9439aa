//! What is applied: Ingresses, their backends and Secrets.

use std::fmt::Write as _;

/// The image of all backends.
pub const HELLO: &str = "knarr.dev/hello:v1";

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

/// An Ingress for the root of a host with its name.
fn own(name: &str, annotations: &[(&str, &str)]) -> String {
    ingress(name, annotations, None, &[(&format!("{name}.example"), "/", P, "a")])
}

/// An Ingress with nothing special.
pub fn simple(name: &str) -> String {
    ingress(name, &[], None, &[(&format!("{name}.example"), "/", P, "a")])
}

/// An Ingress whose name every machine resolves to itself.
pub fn local() -> String {
    ingress("local", &[], None, &[("local.localhost", "/", P, "a")])
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
    parameters.distinguished_name.push(rcgen::DnType::CommonName, "authority of the test");
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
    [paths(), rewrites(), redirects(), requests(), guards(), shares(), bad()].concat()
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

fn redirects() -> String {
    let mut text = ingress("tls", &[], Some("tls"), &[("tls.example", "/", P, "a")]);
    text += &ingress("tls2", &[("ssl-redirect", "false")], Some("tls2"), &[("tls2.example", "/", P, "b")]);
    text += &ingress("wild-tls", &[], Some("wild-tls"), &[("*.wild-tls.example", "/", P, "a")]);
    text += &own("forced", &[("force-ssl-redirect", "true")]);
    text += &own("permanent", &[("permanent-redirect", "https://new.example$request_uri")]);
    text += &own("code", &[("permanent-redirect", "https://new.example/"), ("permanent-redirect-code", "308")]);
    text += &own("temporal", &[("temporal-redirect", "https://soon.example/x")]);
    text += &own("app-root", &[("app-root", "/start")]);
    text
}

fn requests() -> String {
    let mut text = own("body", &[("proxy-body-size", "8m")]);
    text += &own("slow", &[("proxy-read-timeout", "1")]);
    text += &ingress("secure", &[("backend-protocol", "HTTPS")], None, &[("secure.example", "/", P, "kubernetes:443")]);
    text += &ingress("grpc", &[("backend-protocol", "GRPC")], None, &[("grpc.example", "/", P, "a")]);
    text += &own("cors", &[("enable-cors", "true")]);
    text += &own(
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
    text += &own("vhost", &[("upstream-vhost", "inner.example")]);
    text += &own("alias", &[("server-alias", "other-name.example, *.alias.example")]);
    text += &own("snippet", &[("configuration-snippet", "add_header X-Snippet \"was; here\";")]);
    text += &own("errors", &[("custom-http-errors", "503,418"), ("default-backend", "errors")]);
    text += &ingress("instead", &[("default-backend", "errors")], None, &[("instead.example", "/", P, "empty")]);
    text += &ingress("empty", &[], None, &[("empty.example", "/", P, "empty")]);
    text
}

fn guards() -> String {
    let mut text = own("auth", &[("auth-type", "basic"), ("auth-secret", "file"), ("auth-realm", "staff; only }")]);
    text += &own("auth-map", &[("auth-type", "basic"), ("auth-secret", "map"), ("auth-secret-type", "auth-map")]);
    text += &own("inside", &[("whitelist-source-range", "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16")]);
    text += &own("outside", &[("whitelist-source-range", "203.0.113.0/24")]);
    text += &own("denied", &[("denylist-source-range", "0.0.0.0/0")]);
    text += &own("rps", &[("limit-rps", "1"), ("limit-burst-multiplier", "1")]);
    text += &own("connections", &[("limit-connections", "1")]);
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
    let mut text = ingress("broken-regex", &[("use-regex", "true")], None, &[("regex.example", "/x(", I, "a")]);
    text += &own("broken-snippet", &[("configuration-snippet", "no_such_directive on;")]);
    text += &own("invalid", &[("proxy-body-size", "1m; } server { listen 9999")]);
    text += &own("unknown", &[("does-not-exist", "true")]);
    text += &ingress("missing-service", &[], None, &[("missing-service.example", "/", P, "nobody")]);
    text += &ingress("missing-port", &[], None, &[("missing-port.example", "/", P, "a:81")]);
    text += &own("auth-missing", &[("auth-type", "basic"), ("auth-secret", "nowhere")]);
    text += &ingress("tls-missing", &[], Some("nowhere"), &[("tls-missing.example", "/", P, "a")]);
    text += &ingress("lonely-canary", &[("canary", "true")], None, &[("lonely.example", "/", P, "a")]);
    text
}
