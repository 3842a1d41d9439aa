//! Prints what helps in writing a config file, and the file that a living cluster is like.

use super::Session;
use super::reshape::find;
use crate::addons::state;
use crate::cli::args::{Config, OneCluster};
use crate::cluster;
use crate::config;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::image::versions;
use crate::node::default_taints;
use crate::plan::layout::{API_PORT, Layout};
use crate::spec::values::PortMapping;
use crate::spec::{ClusterSpec, NodeSpec};
use crate::yaml::{self, YamlError};

/// Runs `knarr config …`.
pub fn run(session: &Session<impl Engine>, what: &Config) -> Result<()> {
    match what {
        Config::Schema => session.print_json(&config::schema()),
        Config::Init if session.json() => {
            let broken = |e| Error::new(ErrorKind::Bug, "the example of a config does not parse").cause(e);
            session.print_json(&yaml::parse_value(config::init()).map_err(broken)?)
        }
        Config::Init => session.print(config::init()),
    }
}

/// Runs `knarr get config`.
pub async fn of_cluster(session: &Session<impl Engine>, one: &OneCluster) -> Result<()> {
    let found = find(session, &session.cluster(one.name.as_deref())?).await?;
    let access = cluster::access(&*found.engine, &found.cluster).await?;
    let on = state::look(&*session.outside.kubernetes.connect(&access)?).await?;
    let on = on.into_iter().filter(|found| found.state != state::State::Off);
    let addons = on.map(|found| (found.addon.name, found.settings)).collect();
    let spec = ClusterSpec { addons, ..as_it_is(&found.recalled.layout) };
    let text = config::write(&spec, &versions::default_reference())?;
    if !session.json() {
        return session.print(&text);
    }
    let broken = |e: YamlError| Error::new(ErrorKind::Bug, "the rendered config does not parse").cause(e);
    session.print_json(&yaml::parse_value(&text).map_err(broken)?)
}

/// What was asked for, with the ports that are open by now; taints that are the default are not said.
fn as_it_is(layout: &Layout) -> ClusterSpec {
    let open = layout.open_ports();
    let has_workers = layout.spec.workers().next().is_some();
    let node = |node: &NodeSpec| {
        let ports = open.iter().filter(|port| port.node == node.name.as_str() && port.node_port != API_PORT);
        let ports = ports.map(|port| PortMapping {
            host_address: port.host_address,
            host_port: Some(port.host_port),
            container_port: port.node_port,
            protocol: port.protocol,
        });
        let usual = default_taints(node.role, has_workers);
        let taints = node.taints.clone().filter(|taints| *taints != usual);
        NodeSpec { ports: ports.collect(), taints, ..node.clone() }
    };
    ClusterSpec { nodes: layout.nodes.iter().map(|there| node(&there.spec)).collect(), ..layout.spec.clone() }
}
