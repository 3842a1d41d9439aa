//! The configuration as text, and what nginx says of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::ingress::compile::compile;
use crate::ingress::compile::tests::{ingress, settings, world};
use crate::ingress::render::{body, head};

fn rendered(ingresses: Vec<Value>) -> String {
    body(&compile(&world(ingresses), &settings(), &BTreeSet::new()).model, "/run/knarr-ingress")
}

#[test]
fn paths_and_hosts() {
    let mut tls = ingress("tls", 3, &json!({}), &[("tls.example", "/", "Prefix", "a")]);
    tls["spec"]["tls"] = json!([{"hosts": ["tls.example"]}]);
    insta::assert_snapshot!(rendered(vec![
        ingress(
            "plain",
            0,
            &json!({}),
            &[
                ("x.example", "/foo", "Prefix", "a"),
                ("x.example", "/foo", "Exact", "b"),
                ("x.example", "/text", "ImplementationSpecific", "a"),
            ]
        ),
        ingress("wild", 1, &json!({"server-alias": "w.example"}), &[("*.wild.example", "/", "Prefix", "a")]),
        ingress(
            "regex",
            2,
            &json!({"rewrite-target": "/$2"}),
            &[
                ("r.example", "/api(/|$)(.*)", "ImplementationSpecific", "a"),
                ("r.example", "/plain.txt", "Prefix", "b"),
            ]
        ),
        tls,
    ]));
}

#[test]
fn everything_else() {
    insta::assert_snapshot!(rendered(vec![
        ingress("all", 0, &everything(), &[("x.example", "/", "Prefix", "a")]),
        ingress("closed", 1, &json!({"limit-rps": "-1"}), &[("y.example", "/", "Prefix", "a")]),
    ]));
}

fn everything() -> Value {
    json!({
        "enable-cors": "true",
        "cors-allow-origin": "https://one.example,https://*.two.example",
        "whitelist-source-range": "10.0.0.0/8",
        "denylist-source-range": "10.1.0.0/16",
        "limit-rps": "5",
        "limit-connections": "3",
        "proxy-body-size": "8m",
        "proxy-read-timeout": "30",
        "proxy-connect-timeout": "2s",
        "backend-protocol": "GRPCS",
        "upstream-vhost": "inner.example",
        "custom-http-errors": "404",
        "default-backend": "b",
        "app-root": "/start",
        "permanent-redirect": "https://new.example$request_uri",
        "force-ssl-redirect": "true",
    })
}

/// nginx itself must take all of it. Skipped loudly where there is none, or one too old for what is written.
#[test]
#[expect(clippy::print_stderr, clippy::disallowed_methods, reason = "a skipped test must be seen; it needs files")]
fn nginx_takes_it() {
    let version =
        std::process::Command::new("nginx").arg("-v").output().map(|o| String::from_utf8_lossy(&o.stderr).into_owned());
    let minor =
        version.as_deref().ok().and_then(|v| v.split("nginx/1.").nth(1)?.split('.').next()?.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < 25)
        || !std::path::Path::new("/usr/lib/nginx/modules/ngx_http_lua_module.so").exists()
    {
        eprintln!("SKIPPED nginx_takes_it: it needs nginx 1.25 or newer with its Lua module; here is {version:?}");
        return;
    }
    let path = std::env::temp_dir().join(format!("knarr-ingress-{}", std::process::id()));
    let folder =
        crate::ingress::files::Folder::prepare(&path, &crate::ingress::secrets::self_signed().unwrap()).unwrap();
    let mut settings = settings();
    settings.folder = path.to_string_lossy().into_owned();
    let kinds = [
        ("/p", "Prefix"),
        ("/e", "Exact"),
        ("/t\"; } ${x} #", "ImplementationSpecific"),
        ("/r/(.*)\"\\d", "ImplementationSpecific"),
    ];
    let mut all = vec![ingress("all", 0, &everything(), &[("x.example", "/", "Prefix", "a")])];
    for (number, (path, kind)) in kinds.iter().enumerate() {
        let annotations =
            if path.starts_with("/r") { json!({"use-regex": "true", "rewrite-target": "/$1"}) } else { json!({}) };
        all.push(ingress(
            &format!("i{number}"),
            1,
            &annotations,
            &[("*.k.example", path, kind, "a"), ("", path, kind, "b")],
        ));
    }
    let compiled = compile(&world(all), &settings, &BTreeSet::new());
    let text = format!("{}{}", head(&settings.folder, 1), body(&compiled.model, &settings.folder));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let said = runtime.block_on(crate::ingress::nginx::test(&folder, &text)).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    assert_eq!(said, Ok(()), "{text}");
}
