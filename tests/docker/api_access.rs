//! Who may ask what: strangers see whether the API server lives and nothing else, and kubelet does not talk to them.

use std::net::SocketAddr;

use crate::cluster::text;
use crate::scene::Scene;
use crate::{Case, http, shared};

pub const CASES: &[Case] = &[("strangers_see_health_only", strangers_see_health_only)];

fn strangers_see_health_only(scene: &Scene) {
    let shared = shared::cluster(scene);
    let cluster = &shared.cluster;
    let view = |path: &str| {
        let jsonpath = format!("jsonpath={{{path}}}");
        cluster.kubectl(&["config", "view", "--raw", "-o", &jsonpath]).ok().out()
    };
    let server = view(".clusters[0].cluster.server");
    let api: SocketAddr = server.trim_start_matches("https://").parse().expect("an address");
    assert!(api.ip().is_loopback(), "the API is published on {api}");
    let ca = {
        use base64::Engine;
        let text = view(".clusters[0].cluster.certificate-authority-data");
        base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
    };
    for path in ["/livez", "/readyz", "/healthz"] {
        assert_eq!(http::get_tls(api, path, &ca).expect("an answer"), (200, "ok".into()), "{path}");
    }
    for path in ["/", "/api", "/apis", "/version", "/metrics", "/api/v1/namespaces/default/secrets", "/openapi/v2"] {
        let (status, body) = http::get_tls(api, path, &ca).expect("an answer");
        assert_eq!(status, 401, "{path}: {body}");
    }
    let nodes = cluster.get(&["nodes"]);
    for node in nodes["items"].as_array().expect("a list") {
        let address = text(node, "/status/addresses/0/address");
        let kubelet = format!("{address}:10250").parse().expect("an address");
        for path in ["/pods", "/metrics", "/healthz", "/runningpods/"] {
            let (status, body) = http::get_tls(kubelet, path, &ca).expect("an answer");
            assert_eq!(status, 401, "kubelet {address}{path}: {body}");
        }
        for closed in [10255, 10249, 10248, 2381] {
            let address = format!("{address}:{closed}").parse().expect("an address");
            assert!(http::get(address, "/metrics").is_err(), "{address} answers strangers");
        }
    }
}
