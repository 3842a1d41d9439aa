//! A view of the machine in the node's size, which only the kubelet sees.
//!
//! Files below [`VIEW`] are laid over the kernel's in a mount namespace of the kubelet's own. Everybody else in the node,
//! and every pod, goes on seeing the kernel's: their figures change all the time, and those of the view do not. The
//! kubelet's volumes reach containerd as before, because all other mounts are shared between the two namespaces.

use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::fault::{Context, Result};

/// The folder of the files to be shown.
pub const VIEW: &str = "/run/knarr/machine";
/// The size of memory.
pub const MEMINFO: &str = "meminfo";
/// The CPUs.
pub const CPU: &str = "cpu";

/// What is shown, where, and the file system that it is laid over.
const LAID: [(&str, &str, &str); 2] = [(MEMINFO, "/proc/meminfo", "/proc"), (CPU, "/sys/devices/system/cpu", "/sys")];

/// Lets this thread, and what it starts, see what there is of the view.
pub fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS).context(|| "making a mount namespace")?;
    for (name, target, system) in LAID {
        let source = Path::new(VIEW).join(name);
        if !source.exists() {
            continue;
        }
        // Or else the rest of the node would see it too.
        mount(None::<&str>, system, None::<&str>, MsFlags::MS_PRIVATE, None::<&str>)
            .context(|| format!("parting {system} from the rest of the node"))?;
        mount(Some(&source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .context(|| format!("mounting over {target}"))?;
    }
    Ok(())
}
