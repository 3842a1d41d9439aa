//! What the previous life of this container left behind. All pods died with it, so nothing of theirs is in use.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Removes it. Whatever cannot be removed is left: the components cope with it, only more slowly.
pub fn clear() {
    // Normally on a fresh tmpfs; on a /run that was kept, old sockets and task folders would mislead containerd.
    for folder in ["/run/containerd", "/run/netns"] {
        let _ = fs::remove_dir_all(folder);
    }
    addresses(Path::new("/var/lib/cni/networks"));
    for folder in ["device-plugins", "plugins_registry", "pod-resources"] {
        sockets(&Path::new("/var/lib/kubelet").join(folder));
    }
}

/// Frees the addresses of dead pods, but keeps the note of the last one given, so that new pods get new addresses.
fn addresses(networks: &Path) {
    for network in fs::read_dir(networks).into_iter().flatten().flatten() {
        for file in fs::read_dir(network.path()).into_iter().flatten().flatten() {
            if file.file_name().to_str().is_some_and(|name| name.parse::<IpAddr>().is_ok()) {
                let _ = fs::remove_file(file.path());
            }
        }
    }
}

/// Removes the sockets of dead plugins, which the kubelet would try to call.
fn sockets(folder: &Path) {
    for file in fs::read_dir(folder).into_iter().flatten().flatten() {
        if file.file_type().is_ok_and(|kind| kind.is_socket()) {
            let _ = fs::remove_file(file.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn only_addresses_and_sockets_go() {
        let scratch = Scratch::new();
        let network = scratch.path("pods");
        fs::create_dir_all(&network).expect("made");
        for name in ["10.244.0.7", "fd00::7", "last_reserved_ip.0", "lock"] {
            fs::write(network.join(name), "x").expect("written");
        }
        let _plugin = std::os::unix::net::UnixListener::bind(network.join("x.sock")).expect("bound");
        addresses(scratch.as_ref());
        sockets(&network);
        let mut left: Vec<_> =
            fs::read_dir(&network).expect("there").map(|entry| entry.expect("readable").file_name()).collect();
        left.sort();
        assert_eq!(left, ["last_reserved_ip.0", "lock"]);
    }
}
