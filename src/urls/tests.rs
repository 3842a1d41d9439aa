//! What a person is told about Services and Ingresses, on machines of several kinds.

use serde_json::{Value, json};

use super::*;

fn view(direct: bool) -> View {
    View {
        direct,
        nodes: vec!["10.89.0.2".parse().expect("an address"), "10.89.0.3".parse().expect("an address")],
        ..View::default()
    }
}

fn service(kind: &str, ports: &Value) -> Value {
    let mut service = json!({
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"type": kind, "ports": ports},
    });
    if kind == "LoadBalancer" {
        service["status"] = json!({"loadBalancer": {"ingress": [{"ip": "10.89.0.200"}]}});
    }
    service
}

fn ports() -> Value {
    json!([
        {"name": "http", "port": 80, "nodePort": 30080},
        {"port": 443, "nodePort": 30443},
        {"name": "postgres", "port": 5432, "nodePort": 30432},
        {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053},
    ])
}

fn lines(view: &View, service: &Value) -> Vec<String> {
    of_service(view, service).expect("it has addresses").lines()
}

#[test]
fn a_load_balancer_is_reached_at_its_own_address() {
    let shown = lines(&view(true), &service("LoadBalancer", &ports()));
    let expected = ["http://10.89.0.200", "https://10.89.0.200", "tcp://10.89.0.200:5432", "udp://10.89.0.200:53"];
    assert_eq!(shown, expected);
    assert!(of_service(&view(true), &service("ClusterIP", &ports())).is_none());
}

#[test]
fn a_node_port_is_reached_at_a_node_and_where_it_is_published() {
    let mut view = view(true);
    view.published = vec![
        ("TCP".into(), 30080, "127.0.0.1:8000".parse().expect("an address")),
        ("UDP".into(), 30080, "127.0.0.1:8001".parse().expect("an address")),
    ];
    let one = json!([{"name": "http", "port": 80, "nodePort": 30080}]);
    assert_eq!(lines(&view, &service("NodePort", &one)), ["http://10.89.0.2:30080", "http://127.0.0.1:8000"]);
    view.direct = false;
    assert_eq!(lines(&view, &service("NodePort", &one)), ["http://127.0.0.1:8000"]);
    assert_eq!(lines(&view, &service("LoadBalancer", &one)), ["http://127.0.0.1:8000"]);
}

#[test]
fn where_nothing_is_reachable_the_tunnel_is_named() {
    let shown = lines(&view(false), &service("LoadBalancer", &ports()));
    assert_eq!(shown, ["(not reachable from here; run `knarr tunnel shop/web`)"]);
    let udp = service("LoadBalancer", &json!([{"port": 53, "protocol": "UDP"}]));
    assert_eq!(lines(&view(false), &udp), ["(not reachable from here, and a tunnel carries TCP only)"]);
    let mut waiting = service("LoadBalancer", &ports());
    waiting["status"] = json!({"loadBalancer": {}});
    let shown = lines(&view(true), &waiting);
    assert_eq!(shown, ["(no address yet; see `knarr kubectl describe service -n shop web`)"]);
}

fn ingress() -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "front"},
        "spec": {
            "tls": [{"hosts": ["*.secure.example.com"], "secretName": "s"}],
            "rules": [
                {"host": "shop.example.com", "http": {"paths": [{"path": "/api(/|$)(.*)"}, {"path": "/admin"}]}},
                {"host": "a.secure.example.com", "http": {"paths": [{"path": "/"}]}},
                {"host": "*.localhost", "http": {"paths": [{"path": "/x"}]}},
                {"http": {"paths": [{"path": "/"}]}},
            ],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "10.89.0.201"}]}},
    })
}

#[test]
fn every_host_and_path_of_an_ingress_is_ready_to_be_typed() {
    let entry = of_ingress(&view(true), &ingress());
    assert_eq!(
        entry.lines(),
        [
            "http://10.89.0.201/",
            "curl -H 'Host: shop.example.com' http://10.89.0.201/api",
            "curl -H 'Host: shop.example.com' http://10.89.0.201/admin",
            "curl -k --resolve a.secure.example.com:443:10.89.0.201 https://a.secure.example.com/",
            "curl -H 'Host: www.localhost' http://10.89.0.201/x",
        ]
    );
}

#[test]
fn an_ingress_goes_through_what_is_published_or_tunnelled() {
    let mut view = view(false);
    assert_eq!(
        of_ingress(&view, &ingress()).lines(),
        ["(not reachable from here; `knarr tunnel` opens a way and prints it)"]
    );
    view.published = vec![("TCP".into(), 80, "127.0.0.1:8080".parse().expect("an address"))];
    view.tunnels = vec![Tunnelled {
        namespace: "ingress".into(),
        service: "controller".into(),
        port: 443,
        addresses: vec!["10.89.0.201".parse().expect("an address")],
        local: "127.0.0.1:8443".parse().expect("an address"),
    }];
    assert_eq!(
        of_ingress(&view, &ingress()).lines(),
        [
            "http://www.localhost:8080/x",
            "http://127.0.0.1:8080/",
            "curl -H 'Host: shop.example.com' http://127.0.0.1:8080/api",
            "curl -H 'Host: shop.example.com' http://127.0.0.1:8080/admin",
            "curl -k --resolve a.secure.example.com:8443:127.0.0.1 https://a.secure.example.com:8443/",
        ]
    );
}

#[test]
fn an_ingress_without_an_address_says_so() {
    let mut waiting = ingress();
    waiting["status"] = json!({});
    let note = of_ingress(&view(true), &waiting).note.expect("a note");
    assert_eq!(note, "no address yet; see `knarr kubectl describe ingress -n shop front`");
}
