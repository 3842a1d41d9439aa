//! What installs packages and what starts services on this system.

use crate::host::Host;

/// A distribution's package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageManager {
    /// Debian, Ubuntu
    Apt,
    /// Fedora and its relatives
    Dnf,
    /// Arch
    Pacman,
    /// openSUSE
    Zypper,
    /// Alpine
    Apk,
}

/// What starts services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// systemd
    Systemd,
    /// OpenRC
    OpenRc,
    /// Nothing that could be asked: a container, a CI runner, WSL.
    None,
}

const MANAGERS: [(&str, PackageManager); 5] = [
    ("apt-get", PackageManager::Apt),
    ("dnf", PackageManager::Dnf),
    ("pacman", PackageManager::Pacman),
    ("zypper", PackageManager::Zypper),
    ("apk", PackageManager::Apk),
];

impl PackageManager {
    /// The one of this system.
    pub fn detect(host: &Host) -> Option<Self> {
        MANAGERS.into_iter().find(|(program, _)| has_program(host, program)).map(|(_, manager)| manager)
    }
}

impl Init {
    /// The one that runs here.
    pub fn detect(host: &Host) -> Self {
        if host.probe().exists("/run/systemd/system") {
            Self::Systemd
        } else if host.probe().exists("/run/openrc/softlevel") {
            Self::OpenRc
        } else {
            Self::None
        }
    }
}

/// Whether a program is where systems keep theirs.
pub(super) fn has_program(host: &Host, name: &str) -> bool {
    ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/bin", "/sbin", "/snap/bin"]
        .iter()
        .any(|folder| host.probe().exists(&format!("{folder}/{name}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::probe::FakeProbe;

    #[test]
    fn systems_are_told_apart() {
        let debian = Host::new(FakeProbe::default().file("/usr/bin/apt-get", "").file("/run/systemd/system/x", ""));
        assert_eq!(
            (PackageManager::detect(&debian), Init::detect(&debian)),
            (Some(PackageManager::Apt), Init::Systemd)
        );
        let alpine = Host::new(FakeProbe::default().file("/sbin/apk", "").file("/run/openrc/softlevel", ""));
        assert_eq!((PackageManager::detect(&alpine), Init::detect(&alpine)), (Some(PackageManager::Apk), Init::OpenRc));
        let bare = Host::new(FakeProbe::default());
        assert_eq!((PackageManager::detect(&bare), Init::detect(&bare)), (None, Init::None));
    }
}
