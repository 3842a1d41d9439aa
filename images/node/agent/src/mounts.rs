//! File systems, folders and devices: what a fresh or restarted container lacks before components can run.
//! Everything here can be repeated on a container that was restarted.

use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use crate::fault::{Context, Result};
use crate::status::Board;

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is mounted.
    pub point: String,
    /// The per-mount options: `ro`, `nosuid`, …
    pub options: String,
    /// The file system's type.
    pub kind: String,
}

/// The mounts of this process.
pub fn list() -> Vec<Mount> {
    fs::read_to_string("/proc/self/mountinfo").map(|text| parse(&text)).unwrap_or_default()
}

fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    // 36 35 98:0 /root /point options [optional fields] - type source super-options
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(4);
    Some(Mount {
        point: left.next()?.to_owned(),
        options: left.next()?.to_owned(),
        kind: right.split(' ').next()?.to_owned(),
    })
}

/// Makes a mounted file system writable, keeping its other options.
pub fn make_writable(found: &Mount) -> Result<()> {
    if !found.options.split(',').any(|option| option == "ro") {
        return Ok(());
    }
    let mut flags = MsFlags::empty();
    for option in found.options.split(',') {
        flags |= match option {
            "nosuid" => MsFlags::MS_NOSUID,
            "nodev" => MsFlags::MS_NODEV,
            "noexec" => MsFlags::MS_NOEXEC,
            "relatime" => MsFlags::MS_RELATIME,
            _ => MsFlags::empty(),
        };
    }
    let remount =
        |extra| mount(None::<&str>, found.point.as_str(), None::<&str>, MsFlags::MS_REMOUNT | extra, None::<&str>);
    // The container runtime may have made the file system itself read-only, the mount of it, or both. The file system
    // may be shared with the host (cgroups), so the mount is tried alone first.
    remount(flags | MsFlags::MS_BIND)
        .and_then(|()| if is_writable(&found.point) { Ok(()) } else { remount(flags) })
        .context(|| format!("remounting {} read-write", found.point))
}

fn is_writable(point: &str) -> bool {
    nix::unistd::access(point, nix::unistd::AccessFlags::W_OK) != Err(Errno::EROFS)
}

/// Everything of this module, in order.
pub fn prepare(board: &Board) -> Result<()> {
    for wanted in list().iter().filter(|m| m.point == "/sys" || m.point.starts_with("/proc/sys")) {
        if let Err(fault) = make_writable(wanted) {
            board.adapted(format!("{} stays read-only ({fault}): kernel settings keep their values", wanted.point));
        }
    }
    // Pods' volumes with mount propagation need a shared tree; a container starts with a private one.
    if let Err(errno) = mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>) {
        board.adapted(format!("mounts cannot be shared ({errno}): volumes with mount propagation do not work"));
    }
    folders()?;
    machine_id().context(|| "writing /etc/machine-id")?;
    kmsg(board);
    Ok(())
}

/// The folders of the agent itself: all that a helper container needs.
pub fn own_folders() -> Result<()> {
    for path in ["/run/knarr", knarr_contract::LOG_DIR] {
        folder(Path::new(path), 0o755)?;
    }
    Ok(())
}

/// The folders that components expect; `/var` is an empty volume at the first start.
fn folders() -> Result<()> {
    own_folders()?;
    for (path, mode) in [
        ("/run/lock", 0o1777),
        ("/tmp", 0o1777),
        ("/var/cache", 0o755),
        ("/var/lib/cni", 0o755),
        ("/var/lib/containerd", 0o700),
        ("/var/lib/kubelet", 0o750),
        ("/var/lib/knarr", 0o755),
        ("/var/log/containers", 0o755),
        ("/var/log/pods", 0o755),
        ("/var/tmp", 0o1777),
    ] {
        folder(Path::new(path), mode)?;
    }
    // On a new volume Debian's links are missing, and without them /run's short-lived things would land on the volume.
    for (link, target) in [("/var/run", "/run"), ("/var/lock", "/run/lock")] {
        match symlink(target, link) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).context(|| link),
            _ => {}
        }
    }
    Ok(())
}

fn folder(path: &Path, mode: u32) -> Result<()> {
    if !path.is_dir() {
        fs::DirBuilder::new().recursive(true).mode(mode).create(path).context(|| path.display().to_string())?;
        // Again, because the umask has cut the mode.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A machine id of this node's own: the image has none, so that no two nodes share one.
fn machine_id() -> std::io::Result<()> {
    let path = "/etc/machine-id";
    if fs::read_to_string(path).is_ok_and(|text| text.trim().len() == 32) {
        return Ok(());
    }
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    fs::write(path, format!("{}\n", uuid.trim().replace('-', "")))
}

/// The kubelet reads the kernel's messages to report processes killed for lack of memory.
fn kmsg(board: &Board) {
    let path = "/dev/kmsg";
    if fs::symlink_metadata(path).is_err() {
        let _ = mknod(path, SFlag::S_IFCHR, Mode::from_bits_truncate(0o600), makedev(1, 11));
    }
    if !Path::new(path).is_symlink() && !readable(path) {
        let _ = fs::remove_file(path);
        let done = symlink("/dev/null", path).is_ok();
        board.adapted(if done {
            "/dev/kmsg cannot be read: it is empty here, and events about processes killed for lack of memory are missing"
        } else {
            "/dev/kmsg cannot be made: the kubelet may refuse to start"
        });
    }
}

fn readable(path: &str) -> bool {
    let flags = nix::libc::O_NONBLOCK;
    fs::OpenOptions::new().read(true).custom_flags(flags).open(path).is_ok_and(|mut file| {
        // One message may be longer than this buffer (EINVAL) or none be there (EAGAIN): both mean that reading works.
        let outcome = file.read(&mut [0_u8; 8192]);
        !outcome.is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_parsed() {
        let text = "36 35 98:0 / /sys/fs/cgroup/cpu ro,nosuid shared:9 - cgroup cgroup rw,cpu\nnonsense\n\
                    40 35 0:5 / / rw,relatime - overlay overlay rw,lowerdir=/a - b";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(
            mounts[0],
            Mount { point: "/sys/fs/cgroup/cpu".into(), options: "ro,nosuid".into(), kind: "cgroup".into() }
        );
        assert_eq!(mounts[1].kind, "overlay");
    }

    #[test]
    fn a_writable_mount_is_left_alone() {
        let mount = Mount { point: "/nowhere".into(), options: "rw,nosuid".into(), kind: "x".into() };
        assert_eq!(make_writable(&mount), Ok(()));
    }
}
