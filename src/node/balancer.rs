//! haproxy in front of several API servers: in a container of its own for this host, and on every worker for the worker.
//!
//! It passes TLS through, so that clients' certificates reach the API servers; only its health checks speak TLS
//! themselves. A server that fails two of them, half a second apart, gets no further connection, and those that it has
//! are ended (a check may take as long as etcd takes to elect a leader, or an election would end all of them), so that clients which only listen (watches, kubelets) notice too.

use std::fmt::Write as _;

use knarr_contract::Component;

use super::components::{component, http};
use super::flags::Flags;
use super::paths::{BALANCER_CONFIG, BALANCER_HEALTH_PORT, CA, HAPROXY};
use crate::plan::layout::{API_PORT, Layout};

/// Who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serves {
    /// Whoever reaches the balancer's container. Without any capability it has nothing to drop.
    Everybody,
    /// This node alone. It becomes a user of its own, for it shares the node with everything else.
    Node,
}

/// haproxy, with a master process that goes on when the worker is replaced: reading the configuration again loses no
/// connection. The worker that was replaced ends with its last connection, or after a minute: watches never end, and it
/// no longer looks after the servers.
pub(super) fn balancer() -> Component {
    let flags = Flags::new(HAPROXY.into()).words(["-W", "-db", "-f", BALANCER_CONFIG]);
    Component {
        ready_when: Some(http(format!("http://127.0.0.1:{BALANCER_HEALTH_PORT}/"))),
        reload_signal: Some("SIGUSR2".into()),
        ..component("haproxy", flags)
    }
}

/// Its configuration.
pub(super) fn config(layout: &Layout, serves: Serves) -> String {
    let (bind, user) = match serves {
        Serves::Everybody => ("*", ""),
        Serves::Node => ("127.0.0.1", "  user haproxy\n  group haproxy\n"),
    };
    let mut text = format!(
        "global\n\
         {user}  maxconn 4096\n  hard-stop-after 60s\n  log stdout format raw local0 notice\n\
         defaults\n  mode tcp\n  log global\n  option clitcpka\n  option srvtcpka\n  option redispatch 1\n  retries 3\n\
         \x20 timeout connect 1s\n  timeout check 1200ms\n  timeout client 24h\n  timeout server 24h\n\
         # 200 while an API server is ready.\n\
         frontend health\n  bind 127.0.0.1:{BALANCER_HEALTH_PORT}\n  mode http\n  timeout client 5s\n\
         \x20 monitor-uri /\n  monitor fail if {{ nbsrv(api) lt 1 }}\n\
         frontend kubernetes\n  bind {bind}:{API_PORT}\n  default_backend api\n\
         backend api\n  balance leastconn\n  option httpchk\n  http-check send meth GET uri /readyz\n\
         \x20 http-check expect status 200\n\
         \x20 default-server check check-ssl verify required ca-file {CA} inter 500ms fall 2 rise 1 \
         on-marked-down shutdown-sessions\n"
    );
    for node in layout.control_planes() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  server {0} {1}:{API_PORT} verifyhost {0}", node.spec.name, node.address);
    }
    text
}
