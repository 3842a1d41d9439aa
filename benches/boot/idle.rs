//! What one node costs while nobody uses it: memory of every process, and processor time over some minutes.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::measure::{Bench, Outcome};

/// One line per process: name, resident KiB, anonymous KiB. What ends in the meantime is passed over; the shell that
/// measures is small, and left out by its name.
const MEMORY: &str = r#"
for p in /proc/[0-9]*; do
  name=$(tr '\0' ' ' < $p/cmdline 2>/dev/null | cut -d' ' -f1) || continue
  [ -n "$name" ] || continue
  awk -v name="${name##*/}" '/^Rss:/ {r = $2} /^Anonymous:/ {a = $2} END {if (r) print name, r, a}' $p/smaps_rollup 2>/dev/null
done"#;

/// Nanoseconds of processor time that the node's control group has used, in whichever version the host has.
const PROCESSOR: &str = r#"
if [ -r /sys/fs/cgroup/cpu.stat ]; then awk '/^usage_usec/ {print $2 * 1000}' /sys/fs/cgroup/cpu.stat
else cat /sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu,cpuacct/cpuacct.usage 2>/dev/null | head -n 1; fi"#;

/// What was found.
pub struct Idle {
    processes: Vec<(String, u64, u64)>,
    seconds: f64,
    processor_seconds: f64,
}

/// Creates a cluster of one node, lets it settle, and watches it.
pub fn measure(bench: &Bench, settle: u64, watch: u64) -> Outcome<Idle> {
    bench.create(&["--nodes", "1"])?;
    eprintln!("letting the cluster settle for {settle} s, then watching it for {watch} s");
    std::thread::sleep(Duration::from_secs(settle));
    let (before, begun) = (processor(bench)?, Instant::now());
    std::thread::sleep(Duration::from_secs(watch));
    let (after, seconds) = (processor(bench)?, begun.elapsed().as_secs_f64());
    let processes = memory(&bench.in_node(MEMORY)?);
    bench.delete()?;
    Ok(Idle { processes, seconds, processor_seconds: (after - before) / 1e9 })
}

fn processor(bench: &Bench) -> Outcome<f64> {
    let text = bench.in_node(PROCESSOR)?;
    text.trim().parse().map_err(|_| format!("no processor time in `{text}`"))
}

fn memory(text: &str) -> Vec<(String, u64, u64)> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    });
    let measuring = ["sh", "tr", "cut", "awk", "done"];
    let mut all: Vec<(String, u64, u64)> = lines.filter(|(name, ..)| !measuring.contains(&name.as_str())).collect();
    all.sort_by_key(|(_, resident, _)| std::cmp::Reverse(*resident));
    all
}

impl Idle {
    /// Resident and anonymous KiB of every process of this name.
    pub fn of(&self, name: &str) -> (u64, u64) {
        let ours = self.processes.iter().filter(|(known, ..)| known == name);
        ours.fold((0, 0), |(r, a), (_, resident, anonymous)| (r + resident, a + anonymous))
    }

    /// The names of all processes, each once, the largest process first.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, ..) in &self.processes {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// How much of one core the node used.
    pub fn cores(&self) -> f64 {
        self.processor_seconds / self.seconds
    }

    /// Resident and anonymous KiB of all processes.
    pub fn sums(&self) -> (u64, u64) {
        self.processes.iter().fold((0, 0), |(r, a), (_, resident, anonymous)| (r + resident, a + anonymous))
    }

    /// The figures; memory in KiB.
    pub fn to_json(&self) -> Value {
        let (resident, anonymous) = self.sums();
        let processes = self.processes.iter().map(|(name, r, a)| json!({"name": name, "rssKiB": r, "anonymousKiB": a}));
        json!({
            "rssKiB": resident,
            "anonymousKiB": anonymous,
            "watchedSeconds": self.seconds,
            "cpuSeconds": self.processor_seconds,
            "cpuCores": self.cores(),
            "processes": processes.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resident, anonymous) = self.sums();
        writeln!(f, "one idle node, memory in MiB\n")?;
        writeln!(f, "{:28}  {:>8}  {:>9}", "", "resident", "anonymous")?;
        for (name, r, a) in &self.processes {
            writeln!(f, "{name:28}  {:8}  {:9}", r / 1024, a / 1024)?;
        }
        writeln!(f, "{:28}  {:8}  {:9}", "sum", resident / 1024, anonymous / 1024)?;
        let percent = 100.0 * self.cores();
        writeln!(f, "\nprocessor: {:.2} s in {:.0} s, {percent:.1} % of one core", self.processor_seconds, self.seconds)
    }
}
