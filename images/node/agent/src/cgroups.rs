//! Control groups: writable, with a `/kubelet` group for the pods, on version 1, on the hybrid layout and on version 2.

use std::fs;
use std::path::Path;

use knarr_contract::KUBELET_CGROUP;
use nix::mount::{MntFlags, umount2};

use crate::fault::{Context, Result};
use crate::mounts::{self, Mount};
use crate::status::Board;

const ROOT: &str = "/sys/fs/cgroup";
/// On version 2 only leaves may hold processes, so PID 1 and the components live in this one.
const LEAF: &str = "knarr";

/// Which layout the host has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy per controller, also beside a version 2 hierarchy without controllers.
    One,
    /// One hierarchy.
    Two,
}

/// Prepares the control groups.
pub fn prepare(board: &Board) -> Option<Version> {
    let mounts = mounts::list();
    if let Some(root) = mounts.iter().find(|m| m.point == ROOT && m.kind == "cgroup2") {
        if let Err(fault) = version_two(board, root) {
            board.adapted(format!("control groups are not ready ({fault}): pods may not start"));
        }
        return Some(Version::Two);
    }
    let below = format!("{ROOT}/");
    let hierarchies: Vec<&Mount> =
        mounts.iter().filter(|m| m.kind == "cgroup" && m.point.starts_with(&below)).collect();
    if hierarchies.is_empty() {
        board.adapted("no control groups are mounted: pods cannot start");
        return None;
    }
    for hierarchy in hierarchies {
        let controller = hierarchy.point.trim_start_matches(&below);
        // Older container runtimes refuse a host with this controller because they do not know it, and pods never use it.
        if controller == "misc" && umount2(hierarchy.point.as_str(), MntFlags::MNT_DETACH).is_ok() {
            continue;
        }
        if let Err(fault) = version_one(hierarchy) {
            board.adapted(format!("control group {controller} is not ready ({fault}): pods may not start"));
        }
    }
    Some(Version::One)
}

fn version_one(hierarchy: &Mount) -> Result<()> {
    mounts::make_writable(hierarchy)?;
    let root = Path::new(&hierarchy.point);
    let group = root.join(KUBELET_CGROUP.trim_start_matches('/'));
    fs::create_dir_all(&group).context(|| group.display().to_string())?;
    // A new cpuset group is empty, and no process can live in it until it is told its processors and memory nodes.
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let Ok(all) = fs::read_to_string(root.join(file)) else { continue };
        let own = group.join(file);
        if fs::read_to_string(&own).is_ok_and(|value| value.trim().is_empty()) {
            fs::write(&own, all.trim()).context(|| own.display().to_string())?;
        }
    }
    Ok(())
}

fn version_two(board: &Board, mount: &Mount) -> Result<()> {
    mounts::make_writable(mount)?;
    let root = Path::new(ROOT);
    let leaf = root.join(LEAF);
    fs::create_dir_all(&leaf).context(|| leaf.display().to_string())?;
    // Besides PID 1 there may be processes of an early `docker exec`; one that has just ended is no failure.
    let procs = fs::read_to_string(root.join("cgroup.procs")).context(|| "listing the processes of the container")?;
    for pid in procs.lines().filter(|pid| *pid != "0") {
        let moved = fs::write(leaf.join("cgroup.procs"), pid);
        if pid == "1" {
            moved.context(|| "moving PID 1 to a leaf group")?;
        }
    }
    let group = root.join(KUBELET_CGROUP.trim_start_matches('/'));
    fs::create_dir_all(&group).context(|| group.display().to_string())?;
    let offered = fs::read_to_string(root.join("cgroup.controllers")).context(|| "listing the controllers")?;
    let offered: Vec<&str> = offered.split_whitespace().collect();
    for controller in &offered {
        for parent in [root, &group] {
            if let Err(error) = fs::write(parent.join("cgroup.subtree_control"), format!("+{controller}")) {
                board.adapted(format!("control group {controller} cannot be enabled for pods ({error})"));
                break;
            }
        }
    }
    for needed in ["cpu", "memory", "pids"].into_iter().filter(|needed| !offered.contains(needed)) {
        board
            .adapted(format!("the host does not delegate the control group {needed}: the kubelet may refuse to start"));
    }
    Ok(())
}
