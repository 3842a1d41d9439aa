//! Docker in memory, for tests of everything above it: it answers like Docker, writes down what it is asked, and goes
//! wrong on demand.
//!
//! Every call yields to the runtime before and after it is carried out, so that calls that run at once interleave.
//! What was put into containers stays there to be looked at; programs in containers are a closure of the test.

mod container;
mod flock;
mod journal;
mod serve;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

pub use self::journal::{Call, How, Outcome, When};
use self::world::{BEGIN, World};
use super::archive::{Content, Item};
use super::{ContainerSpec, EngineInfo, ExecOutcome, ExecSpec, Labels, NetworkSpec, Stats};

type Hook = Arc<dyn Fn(&Call) + Send + Sync>;
type Program = Arc<dyn Fn(&str, &ExecSpec) -> ExecOutcome + Send + Sync>;

/// A Docker that exists in memory only.
#[derive(Clone)]
pub struct FakeEngine {
    shared: Arc<Mutex<Shared>>,
    /// Rings whenever a container may have ended.
    ended: Arc<Notify>,
}

struct Shared {
    info: EngineInfo,
    world: World,
    journal: Vec<Call>,
    faults: Vec<(When, How)>,
    hook: Option<Hook>,
    program: Program,
}

impl Default for FakeEngine {
    fn default() -> Self {
        let shared = Shared {
            info: sample_info(),
            world: World::default(),
            journal: Vec::new(),
            faults: Vec::new(),
            hook: None,
            program: Arc::new(|_, _| ExecOutcome::default()),
        };
        Self { shared: Arc::new(Mutex::new(shared)), ended: Arc::new(Notify::new()) }
    }
}

/// A usual Linux machine.
fn sample_info() -> EngineInfo {
    EngineInfo {
        id: "0ce5a0e5-fa4e-4d0c-8e12-000000000001".to_owned(),
        address: "fake://".to_owned(),
        version: "28.2.2".to_owned(),
        api_version: "1.50".to_owned(),
        os: "linux".to_owned(),
        arch: "amd64".to_owned(),
        operating_system: "Debian GNU/Linux 13 (trixie)".to_owned(),
        kernel: "6.12.1-amd64".to_owned(),
        cgroup_version: 2,
        storage_driver: "overlay2".to_owned(),
        security_options: vec!["apparmor".to_owned(), "seccomp".to_owned(), "cgroupns".to_owned()],
        root_dir: "/var/lib/docker".to_owned(),
        cpus: 4,
        memory: 16 << 30,
        clock: Some(BEGIN),
        http_proxy: None,
        https_proxy: None,
        no_proxy: None,
    }
}

impl FakeEngine {
    /// An empty Docker on a usual Linux machine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Changes what the engine says about itself.
    pub fn set_info(&self, change: impl FnOnce(&mut EngineInfo)) {
        change(&mut self.lock().info);
    }

    /// Puts an image there; returns its id.
    pub fn add_image(&self, reference: &str, labels: &Labels) -> String {
        let world = &mut self.lock().world;
        let image = world.new_image(reference, labels.clone(), 300_000_000);
        world.add_image(image)
    }

    /// Puts an image into the registry, from where it can be pulled.
    pub fn offer_image(&self, reference: &str, labels: &Labels) {
        let world = &mut self.lock().world;
        let image = world.new_image(reference, labels.clone(), 300_000_000);
        world.offered.push(image);
    }

    /// Puts a network of somebody else there, whatever the others are.
    pub fn add_network(&self, spec: &NetworkSpec) {
        let world = &mut self.lock().world;
        let id = world.next_id();
        let created = world.now();
        world.networks.insert(spec.name.clone(), world::Network { id, spec: spec.clone(), created });
    }

    /// Lets so many seconds pass: what is made from now on is younger by them.
    pub fn let_time_pass(&self, seconds: i64) {
        self.lock().world.passed += seconds;
    }

    /// Lets a process of the host hold a port.
    pub fn take_port(&self, address: IpAddr, port: u16) {
        self.lock().world.taken_ports.insert((address, port));
    }

    /// Lets a call go wrong. The first fault that means a call counts.
    pub fn inject(&self, when: When, how: How) {
        self.lock().faults.push((when, how));
    }

    /// Lets calls succeed from now on.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Hears of every call before it is carried out.
    pub fn on_call(&self, hook: impl Fn(&Call) + Send + Sync + 'static) {
        self.lock().hook = Some(Arc::new(hook));
    }

    /// Is every program in every container: hears the container's name and what shall run.
    pub fn on_exec(&self, program: impl Fn(&str, &ExecSpec) -> ExecOutcome + Send + Sync + 'static) {
        self.lock().program = Arc::new(program);
    }

    /// Lets a container end by itself; false if there is none of this name.
    pub fn end_container(&self, name: &str, exit_code: i64, oom_killed: bool) -> bool {
        let known = self.lock().world.containers.get_mut(name).map(|container| {
            container.end(exit_code);
            container.oom_killed = oom_killed;
        });
        self.ended.notify_waiters();
        known.is_some()
    }

    /// Lets a container print; false if there is none of this name.
    pub fn print(&self, name: &str, line: &str) -> bool {
        self.lock().world.containers.get_mut(name).map(|c| c.log.push(line.to_owned())).is_some()
    }

    /// Says what a container uses; false if there is none of this name.
    pub fn set_stats(&self, name: &str, stats: Stats) -> bool {
        self.lock().world.containers.get_mut(name).map(|c| c.stats = stats).is_some()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().journal.clone()
    }

    /// Every call so far, a line each.
    pub fn transcript(&self) -> String {
        lines(self.lock().journal.iter())
    }

    /// Every call so far that may have changed something, a line each.
    pub fn changes(&self) -> String {
        lines(self.lock().journal.iter().filter(|call| call.changes()))
    }

    /// Everything that is there except images: `container dev`, `network dev`, `volume dev-var`.
    pub fn left(&self) -> Vec<String> {
        let world = &self.lock().world;
        let containers = world.containers.keys().map(|name| format!("container {name}"));
        let networks = world.networks.keys().map(|name| format!("network {name}"));
        let volumes = world.volumes.keys().map(|name| format!("volume {name}"));
        containers.chain(networks).chain(volumes).collect()
    }

    /// How a container was asked for.
    pub fn spec(&self, name: &str) -> Option<ContainerSpec> {
        self.lock().world.containers.get(name).map(|c| c.spec.clone())
    }

    /// What was put into a container, by absolute path.
    pub fn files(&self, name: &str) -> BTreeMap<String, Item> {
        self.lock().world.files(name)
    }

    /// The bytes of a file that was put into a container.
    pub fn file(&self, name: &str, path: &str) -> Option<Vec<u8>> {
        match self.lock().world.files(name).remove(path)?.content {
            Content::File(bytes) => Some(bytes.to_vec()),
            Content::Folder | Content::Link(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // A test that panicked while it held the lock has said so already.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines<'a>(calls: impl Iterator<Item = &'a Call>) -> String {
    calls.map(Call::to_string).collect::<Vec<_>>().join("\n")
}
