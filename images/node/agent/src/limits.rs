//! A node with limits: what its kubelet is shown as the machine.
//!
//! The kubelet takes the machine's size from `MemTotal` in /proc/meminfo and from the CPUs in /sys/devices/system/cpu
//! (also where it begins at /sys/devices/system/node, whose CPUs are links there), and a container sees the host's,
//! whatever its limits. So both are written anew in the node's size; `view.rs` shows them to the kubelet.

use std::fs;
use std::path::Path;

use knarr_contract::Limits;

use crate::cgroups::Version;
use crate::fault::{Context, Fault, Result};
use crate::mounts;
use crate::status::Board;
use crate::view::{self, CPU, MEMINFO, VIEW};

const PROC_MEMINFO: &str = "/proc/meminfo";
const SYS_CPU: &str = "/sys/devices/system/cpu";
/// What the kubelet reads of a CPU: without these it does not count.
const TOPOLOGY: [&str; 2] = ["core_id", "physical_package_id"];

/// What the kubelet sees of the machine and the node may not use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Thousandths of a CPU.
    pub milli_cpus: u64,
    /// Kibibytes.
    pub memory_kib: u64,
}

/// How the node's size is told to its kubelet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Whether there is a view that the kubelet must be started with.
    pub view: bool,
    /// What it must keep from pods.
    pub reserved: Reserved,
}

/// The machine as far as limits are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machine {
    /// The numbers of the CPUs that are online.
    cpus: Vec<u32>,
    memory_kib: u64,
}

impl Machine {
    /// What a node may use of this machine, in whole CPUs: a part of one counts as one.
    fn limited(&self, limits: Limits) -> Self {
        let whole = limits.milli_cpus.map_or(usize::MAX, |milli| milli.div_ceil(1000) as usize);
        Self {
            cpus: self.cpus.iter().copied().take(whole).collect(),
            memory_kib: limits.memory_bytes.map_or(self.memory_kib, |bytes| self.memory_kib.min(bytes / 1024)),
        }
    }

    /// What is here and not allowed.
    fn beyond(&self, limits: Limits) -> Reserved {
        let cpus = self.cpus.len() as u64 * 1000;
        Reserved {
            milli_cpus: limits.milli_cpus.map_or(0, |milli| cpus.saturating_sub(milli.into())),
            memory_kib: limits.memory_bytes.map_or(0, |bytes| self.memory_kib.saturating_sub(bytes / 1024)),
        }
    }
}

/// Writes the view of a node with limits, and tries it. Where it cannot be shown, the kubelet reports the whole machine
/// but keeps from pods what the node may not use.
pub fn prepare(board: &Board, limits: Limits, cgroups: Option<Version>) -> Result<Size> {
    if limits.is_none() {
        return Ok(Size::default());
    }
    if let (Some(milli), Some(Version::One)) = (limits.milli_cpus, cgroups) {
        board.adapted(format!(
            "control groups version 1 refuse a group more CPU time than the one it is in: a pod whose CPU limit is above \
             this node's {} cannot start",
            f64::from(milli) / 1000.0
        ));
    }
    let meminfo = read(PROC_MEMINFO)?;
    let online = read(&format!("{SYS_CPU}/online"))?;
    let machine = Machine { cpus: numbers(&online), memory_kib: mem_total(&meminfo)? };
    let shown = machine.limited(limits);
    match write(limits, &shown, &meminfo).and_then(|()| tried()) {
        Ok(()) => Ok(Size { view: true, reserved: shown.beyond(limits) }),
        Err(fault) => {
            board.adapted(format!(
                "the kubelet cannot be shown the node's limits ({fault}): its capacity is the whole machine's, and what is \
                 beyond the limits is reserved"
            ));
            Ok(Size { view: false, reserved: machine.beyond(limits) })
        }
    }
}

/// Writes what is shown in place of the kernel's files, for what is limited.
fn write(limits: Limits, shown: &Machine, meminfo: &str) -> Result<()> {
    let put = |path: &str, text: &str| {
        let path = Path::new(VIEW).join(path);
        let what = || path.display().to_string();
        path.parent().map_or(Ok(()), fs::create_dir_all).context(what)?;
        fs::write(&path, text).context(what)
    };
    if limits.memory_bytes.is_some() {
        put(MEMINFO, &with_total(meminfo, shown.memory_kib))?;
    }
    if limits.milli_cpus.is_some() {
        let list = list(&shown.cpus);
        for file in ["online", "possible", "present"] {
            put(&format!("{CPU}/{file}"), &list)?;
        }
        for cpu in &shown.cpus {
            for file in TOPOLOGY {
                let path = format!("cpu{cpu}/topology/{file}");
                // Some processors do not tell; then the kubelet does without.
                if let Ok(text) = fs::read_to_string(format!("{SYS_CPU}/{path}")) {
                    put(&format!("{CPU}/{path}"), &text)?;
                }
            }
        }
    }
    Ok(())
}

/// Whether the view can be shown, tried in a thread that ends with it.
fn tried() -> Result<()> {
    if !mounts::list().iter().any(|mount| mount.point == "/" && mount.shared) {
        return Err(Fault::new("mounts are not shared, so the kubelet's volumes would be seen by nobody"));
    }
    std::thread::spawn(view::enter).join().unwrap_or_else(|_| Err(Fault::new("the attempt ended early")))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).context(|| path)
}

/// The numbers in one of the kernel's lists, such as `0-3,8`.
fn numbers(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse::<u32>().ok()?..=last.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

/// The kernel's list of these numbers.
fn list(numbers: &[u32]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("{}\n", words.join(","))
}

fn mem_total(meminfo: &str) -> Result<u64> {
    let total = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let number = total.and_then(|rest| rest.trim().trim_end_matches("kB").trim_end().parse().ok());
    number.ok_or_else(|| Fault::new(format!("{PROC_MEMINFO} does not tell the size of memory")))
}

/// The text of /proc/meminfo on a machine with this much memory and no swap, which a limit of memory takes away too.
fn with_total(meminfo: &str, total_kib: u64) -> String {
    let line = |line: &str| {
        let Some((key, value)) = line.split_once(':') else { return line.to_owned() };
        let most = match key {
            "MemTotal" | "MemFree" | "MemAvailable" => total_kib,
            "SwapTotal" | "SwapFree" | "SwapCached" => 0,
            _ => return line.to_owned(),
        };
        let value: u64 = value.trim().trim_end_matches("kB").trim_end().parse().unwrap_or(most);
        format!("{:<15} {:>8} kB", format!("{key}:"), value.min(most))
    };
    meminfo.lines().map(|each| line(each) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO_TEXT: &str = "MemTotal:       24684084 kB\nMemFree:         1048576 kB\nMemAvailable:   22493268 kB\n\
                                Buffers:           97528 kB\nSwapTotal:       4194304 kB\nSwapFree:        4194304 kB\n\
                                HugePages_Total:       0\n";

    fn machine() -> Machine {
        Machine { cpus: vec![0, 1, 4, 5], memory_kib: 8 << 20 }
    }

    #[test]
    fn meminfo_tells_the_limit_and_no_swap() {
        assert_eq!(
            with_total(MEMINFO_TEXT, 2 << 20),
            "MemTotal:        2097152 kB\nMemFree:         1048576 kB\nMemAvailable:    2097152 kB\n\
             Buffers:           97528 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n\
             HugePages_Total:       0\n"
        );
        assert_eq!(mem_total(MEMINFO_TEXT), Ok(24_684_084));
        assert!(mem_total("MemFree: 1 kB\n").is_err());
    }

    #[test]
    fn lists_of_cpus() {
        assert_eq!(numbers("0-2,8,10-11\n"), [0, 1, 2, 8, 10, 11]);
        assert_eq!(numbers("0\n"), [0]);
        assert_eq!(list(&[0, 1, 8]), "0,1,8\n");
        assert_eq!(numbers(&list(&[0, 1, 8])), [0, 1, 8]);
    }

    #[test]
    fn a_part_of_a_cpu_is_shown_whole_and_reserved() {
        let limits = Limits { milli_cpus: Some(1500), memory_bytes: None };
        let shown = machine().limited(limits);
        assert_eq!((shown.cpus.as_slice(), shown.memory_kib), ([0, 1].as_slice(), 8 << 20));
        assert_eq!(shown.beyond(limits), Reserved { milli_cpus: 500, memory_kib: 0 });
    }

    #[test]
    fn without_a_view_all_the_rest_is_reserved() {
        let limits = Limits { milli_cpus: Some(1500), memory_bytes: Some(2 << 30) };
        assert_eq!(machine().beyond(limits), Reserved { milli_cpus: 2500, memory_kib: 6 << 20 });
    }

    #[test]
    fn a_smaller_machine_is_shown_as_it_is() {
        let limits = Limits { milli_cpus: Some(8000), memory_bytes: Some(64 << 30) };
        assert_eq!((machine().limited(limits), machine().beyond(limits)), (machine(), Reserved::default()));
    }
}
