//! What `--fix` may do, as data: a list of commands that a person could type as well.

use super::system::{Init, PackageManager};

/// Where a dockerd that we start without a service manager writes.
const DOCKERD_LOG: &str = "/var/log/knarr-dockerd.log";
/// Which limits last over a restart.
const SYSCTL_FILE: &str = "/etc/sysctl.d/99-knarr.conf";
/// Which modules are loaded at the next start.
const MODULES_FILE: &str = "/etc/modules-load.d/knarr.conf";

/// A repair that takes nothing away from anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fix {
    /// Installs Docker Engine from the distribution, then starts it.
    InstallDocker(PackageManager, Init),
    /// Installs debootstrap, from which the node image is built where no container registry answers.
    InstallDebootstrap(PackageManager),
    /// Starts the Docker daemon.
    StartDocker(Init),
    /// Loads a kernel module, now and at every start.
    LoadModule(&'static str),
    /// Raises the limits of inotify, now and at every start.
    RaiseInotify {
        /// `fs.inotify.max_user_instances`
        instances: u64,
        /// `fs.inotify.max_user_watches`
        watches: u64,
    },
}

/// A program with its arguments, to be run as root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShellCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Whether the next command is of no use when this one fails.
    pub required: bool,
}

impl Fix {
    /// What is being done: `starting Docker`.
    pub fn title(&self) -> String {
        match self {
            Self::InstallDocker(..) => "installing Docker Engine".into(),
            Self::InstallDebootstrap(_) => "installing debootstrap".into(),
            Self::StartDocker(_) => "starting Docker".into(),
            Self::LoadModule(module) => format!("loading the kernel module {module}"),
            Self::RaiseInotify { .. } => "raising the inotify limits".into(),
        }
    }

    /// What was done: `started Docker`.
    pub fn done(&self) -> String {
        match self {
            Self::InstallDocker(..) => "installed Docker Engine".into(),
            Self::InstallDebootstrap(_) => "installed debootstrap".into(),
            Self::StartDocker(_) => "started Docker".into(),
            Self::LoadModule(module) => format!("loaded the kernel module {module}"),
            Self::RaiseInotify { .. } => "raised the inotify limits".into(),
        }
    }

    /// Whether Docker should answer afterwards.
    pub fn starts_docker(&self) -> bool {
        matches!(self, Self::InstallDocker(..) | Self::StartDocker(_))
    }

    /// The commands, in order.
    pub fn commands(&self) -> Vec<ShellCommand> {
        match self {
            Self::InstallDocker(manager, init) => {
                let mut commands = install(*manager, &docker_packages(*manager));
                commands.push(start(*init, true));
                commands
            }
            Self::InstallDebootstrap(manager) => install(*manager, &debootstrap_packages(*manager)),
            Self::StartDocker(init) => vec![start(*init, false)],
            Self::LoadModule(module) => vec![
                ShellCommand::new(&["modprobe", module]),
                script(&format!(
                    "mkdir -p /etc/modules-load.d && {{ grep -qsx {module} {MODULES_FILE} || echo {module} >> {MODULES_FILE}; }}"
                )),
            ],
            // Not by the sysctl program: small systems do not have it.
            Self::RaiseInotify { instances, watches } => vec![
                script(&format!(
                    "echo {instances} > /proc/sys/fs/inotify/max_user_instances && echo {watches} > /proc/sys/fs/inotify/max_user_watches"
                )),
                script(&format!(
                    "mkdir -p /etc/sysctl.d && printf 'fs.inotify.max_user_instances = {instances}\\nfs.inotify.max_user_watches = {watches}\\n' > {SYSCTL_FILE}"
                )),
            ],
        }
    }

    /// What a user without root's rights would type for the same effect now.
    pub fn shown(&self) -> String {
        match self {
            Self::InstallDocker(manager, init) => {
                let install = install(*manager, &docker_packages(*manager));
                let install = install.into_iter().map(|command| format!("sudo {}", command.shown()));
                let start = match init {
                    Init::None => Self::StartDocker(Init::None).shown(),
                    init => format!("sudo {}", start(*init, true).shown()),
                };
                install.chain([start]).collect::<Vec<_>>().join(" && ")
            }
            Self::InstallDebootstrap(manager) => {
                let install = install(*manager, &debootstrap_packages(*manager));
                install.iter().map(|command| format!("sudo {}", command.shown())).collect::<Vec<_>>().join(" && ")
            }
            Self::StartDocker(Init::None) => format!("sudo sh -c 'dockerd >> {DOCKERD_LOG} 2>&1 &'"),
            Self::StartDocker(init) => format!("sudo {}", start(*init, false).shown()),
            Self::LoadModule(module) => format!("sudo modprobe {module}"),
            Self::RaiseInotify { instances, watches } => format!(
                "sudo sysctl -w fs.inotify.max_user_instances={instances} fs.inotify.max_user_watches={watches}"
            ),
        }
    }
}

impl ShellCommand {
    fn new(argv: &[&str]) -> Self {
        Self { argv: argv.iter().map(|&word| word.to_owned()).collect(), required: true }
    }

    fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    /// The command as it would be typed.
    pub fn shown(&self) -> String {
        let words: Vec<String> = self.argv.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }
}

fn script(text: &str) -> ShellCommand {
    ShellCommand::new(&["sh", "-c", text])
}

/// Only what Docker needs.
fn docker_packages(manager: PackageManager) -> Vec<&'static str> {
    match manager {
        PackageManager::Apt => vec!["docker.io", "iptables"],
        PackageManager::Dnf => vec!["moby-engine", "iptables"],
        PackageManager::Pacman | PackageManager::Zypper => vec!["docker"],
        PackageManager::Apk => vec!["docker", "iptables"],
    }
}

/// On relatives of Debian the keys of Debian's archive are a package of their own.
fn debootstrap_packages(manager: PackageManager) -> Vec<&'static str> {
    match manager {
        PackageManager::Apt => vec!["debootstrap", "debian-archive-keyring"],
        _ => vec!["debootstrap"],
    }
}

/// Package managers' own commands, without questions.
fn install(manager: PackageManager, packages: &[&str]) -> Vec<ShellCommand> {
    let with = |words: &[&str]| ShellCommand::new(&[words, packages].concat());
    match manager {
        // An update that fails for one of many sources must not stop the install, which may need none of it.
        PackageManager::Apt => vec![
            ShellCommand::new(&["apt-get", "update"]).optional(),
            with(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "--no-install-recommends"]),
        ],
        PackageManager::Dnf => vec![with(&["dnf", "install", "-y"])],
        PackageManager::Pacman => vec![with(&["pacman", "-Sy", "--noconfirm", "--needed"])],
        PackageManager::Zypper => vec![with(&["zypper", "--non-interactive", "install"])],
        PackageManager::Apk => vec![with(&["apk", "add"])],
    }
}

/// Starts the daemon; `always` also at the next start of the machine, which is what installing it means.
fn start(init: Init, always: bool) -> ShellCommand {
    match (init, always) {
        (Init::Systemd, true) => ShellCommand::new(&["systemctl", "enable", "--now", "docker"]),
        (Init::Systemd, false) => ShellCommand::new(&["systemctl", "start", "docker"]),
        (Init::OpenRc, true) => script("rc-update add docker default && rc-service docker start"),
        (Init::OpenRc, false) => ShellCommand::new(&["rc-service", "docker", "start"]),
        // A daemon that cannot run here is gone within the second, and its log says why.
        (Init::None, _) => script(&format!(
            "setsid dockerd < /dev/null >> {DOCKERD_LOG} 2>&1 & sleep 1; kill -0 $! 2> /dev/null || {{ tail -n 5 {DOCKERD_LOG}; exit 1; }}"
        )),
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@+".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_can_be_typed() {
        let all = [
            Fix::InstallDocker(PackageManager::Apt, Init::Systemd),
            Fix::InstallDebootstrap(PackageManager::Apt),
            Fix::StartDocker(Init::None),
            Fix::LoadModule("br_netfilter"),
            Fix::RaiseInotify { instances: 8192, watches: 1_048_576 },
        ];
        let line = |fix: &Fix| {
            format!(
                "{}\n  {}",
                fix.shown(),
                fix.commands().iter().map(ShellCommand::shown).collect::<Vec<_>>().join("\n  ")
            )
        };
        let shown: Vec<String> = all.iter().map(line).collect();
        insta::assert_snapshot!(shown.join("\n"), @r"
        sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io iptables && sudo systemctl enable --now docker
          apt-get update
          env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends docker.io iptables
          systemctl enable --now docker
        sudo apt-get update && sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap debian-archive-keyring
          apt-get update
          env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends debootstrap debian-archive-keyring
        sudo sh -c 'dockerd >> /var/log/knarr-dockerd.log 2>&1 &'
          sh -c 'setsid dockerd < /dev/null >> /var/log/knarr-dockerd.log 2>&1 & sleep 1; kill -0 $! 2> /dev/null || { tail -n 5 /var/log/knarr-dockerd.log; exit 1; }'
        sudo modprobe br_netfilter
          modprobe br_netfilter
          sh -c 'mkdir -p /etc/modules-load.d && { grep -qsx br_netfilter /etc/modules-load.d/knarr.conf || echo br_netfilter >> /etc/modules-load.d/knarr.conf; }'
        sudo sysctl -w fs.inotify.max_user_instances=8192 fs.inotify.max_user_watches=1048576
          sh -c 'echo 8192 > /proc/sys/fs/inotify/max_user_instances && echo 1048576 > /proc/sys/fs/inotify/max_user_watches'
          sh -c 'mkdir -p /etc/sysctl.d && printf '\''fs.inotify.max_user_instances = 8192\nfs.inotify.max_user_watches = 1048576\n'\'' > /etc/sysctl.d/99-knarr.conf'
        ");
    }

    #[test]
    fn shells_read_words_back_as_they_were() {
        assert_eq!(quoted("plain-1.2"), "plain-1.2");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
