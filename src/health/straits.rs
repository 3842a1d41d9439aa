//! What ails a node beneath its components: its disk, its memory, the data of its etcd. Asked when one of them is not
//! well, in the node itself, for its logs lie on the same disk.

use knarr_contract::{LOG_DIR, NodeStatus};

use super::etcd;
use crate::engine::{Engine, ExecSpec};

/// Below this the disk is full: etcd takes its next piece of log in one, and that is as large.
const FULL: u64 = 64 << 20;
const MIB: u64 = 1 << 20;
/// How much of etcd's log is looked at: a few of its lives.
const ETCD_LOG: &str = "200000";
/// The disk, and how many of the node's own processes the kernel has ended for want of memory: on version 1 of control
/// groups, then on version 2. Pods are counted elsewhere.
const LOOK: &str = "df --block-size=1 --output=avail,size /var | tail -n 1
cat /sys/fs/cgroup/memory/memory.oom_control /sys/fs/cgroup/knarr/memory.events 2>/dev/null || :";

/// What was found in a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Straits {
    /// Free and whole bytes of its disk, if it is full.
    pub full_disk: Option<(u64, u64)>,
    /// How many of its own processes the kernel has ended for want of memory since it started.
    pub memory_kills: u64,
    /// What is wrong with the data of its etcd.
    pub etcd: Option<String>,
}

impl Straits {
    /// What of it is a problem now, in words.
    pub fn problems(&self, node: &str) -> Vec<String> {
        let disk = self.full_disk.map(|(free, size)| {
            format!("the disk of `{node}` is full: {} of {} MiB at /var are free", free / MIB, size / MIB)
        });
        let etcd = self.etcd.as_ref().map(|why| format!("the data of etcd on `{node}` is damaged: {why}"));
        disk.into_iter().chain(etcd).collect()
    }
}

/// Looks into a node of which a component is not well, or has ended.
pub async fn look<E: Engine>(engine: &E, node: &str, agent: &NodeStatus) -> Straits {
    if agent.components.iter().all(|c| c.ready && c.last_exit.is_none()) {
        return Straits::default();
    }
    let beneath = ExecSpec::new(["sh", "-c", LOOK]);
    let told = engine.exec(node, &beneath).await.map(|told| told.stdout).unwrap_or_default();
    let fails = agent.components.iter().any(|c| c.name == "etcd" && !c.ready);
    let etcd = if fails { etcd::damage(&etcd_log(engine, node).await) } else { None };
    Straits { etcd, ..of_text(&String::from_utf8_lossy(&told)) }
}

/// The end of etcd's log on a node; empty when it cannot be had.
pub async fn etcd_log<E: Engine>(engine: &E, node: &str) -> String {
    let file = format!("{LOG_DIR}/etcd.log");
    let tail = ExecSpec::new(["tail", "-c", ETCD_LOG, file.as_str()]);
    let told = engine.exec(node, &tail).await.map(|told| told.stdout).unwrap_or_default();
    String::from_utf8_lossy(&told).into_owned()
}

fn of_text(text: &str) -> Straits {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let numbers: Option<Vec<u64>> =
        text.lines().next().and_then(|line| words(line).iter().map(|word| word.parse().ok()).collect());
    let full_disk = match numbers.as_deref() {
        Some([free, size]) if *free < FULL => Some((*free, *size)),
        _ => None,
    };
    let kills = text.lines().filter_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
    Straits { full_disk, memory_kills: kills.sum(), etcd: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let one = "  1048576 481296384\noom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        let found = of_text(one);
        assert_eq!(found, Straits { full_disk: Some((1_048_576, 481_296_384)), memory_kills: 2, ..Straits::default() });
        assert_eq!(found.problems("dev-worker"), ["the disk of `dev-worker` is full: 1 of 459 MiB at /var are free"]);
        let two = "39000000000 270000000000\nlow 0\nhigh 0\nmax 7\noom 1\noom_kill 1\noom_group_kill 0\n";
        assert_eq!(of_text(two), Straits { memory_kills: 1, ..Straits::default() });
        assert_eq!(of_text(""), Straits::default());
    }
}
