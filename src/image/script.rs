//! What is run in the builder for each component: shell scripts that leave their results below `$STAGE`.

use std::fmt::Write;

use super::platform::Arch;
use super::sources::FOLDER;
use super::versions::{CargoBuild, Component, DebianFiles, GoBuild, How, Versions};

/// Where a node keeps what is preloaded.
pub const PRELOADED: &str = "/usr/lib/knarr/images";

/// Keeps documentation and recommended packages out.
const SLIM: &str = r#"cat > /etc/dpkg/dpkg.cfg.d/knarr <<'X'
path-exclude /usr/share/doc/*
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
X
echo 'APT::Install-Recommends "false";' > /etc/apt/apt.conf.d/knarr
"#;

/// Removes what only installing needs.
const SWEEP: &str = "\
rm -rf /usr/share/doc /usr/share/man /usr/share/info /usr/share/lintian /usr/share/locale /usr/share/bash-completion
rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* /var/lib/dpkg/*-old /tmp/*
";

const INSTALL: &str = "apt-get update\nDEBIAN_FRONTEND=noninteractive apt-get install -y";

/// Installs the packages of a node.
pub fn node_packages(table: &Versions) -> String {
    format!("{SLIM}{INSTALL} {}\n{SWEEP}", table.debian.node.join(" "))
}

/// Installs the packages of the builder; `foreign` is the processor to build for, if it is not the builder's own.
pub fn builder_packages(table: &Versions, foreign: Option<Arch>) -> String {
    let mut packages = table.debian.builder.clone();
    let mut architecture = String::new();
    if let Some(arch) = foreign {
        packages.extend(table.debian.cross.get(arch.name()).into_iter().flatten().cloned());
        architecture = format!("dpkg --add-architecture {}\n", arch.name());
    }
    format!("{SLIM}{architecture}{INSTALL} {}\n", packages.join(" "))
}

/// Replaces `{version}`, `{major}` and `{minor}`.
pub fn fill(text: &str, version: &str) -> String {
    let mut parts = version.split('.');
    let mut next = || parts.next().unwrap_or_default();
    text.replace("{version}", version).replace("{major}", next()).replace("{minor}", next())
}

/// Where files go below the stage: to the layer of a pod image, else to the node.
fn root(layer: Option<&str>) -> String {
    layer.map_or_else(|| "$STAGE".to_owned(), |layer| format!("$STAGE{PRELOADED}/layers/{layer}"))
}

/// Builds a component.
pub fn build(component: &Component, table: &Versions, arch: Arch, foreign: bool) -> String {
    let root = root(component.layer());
    match &component.how {
        How::Go(go) => go_programs(go, &component.version, &root, table),
        How::C(c) => {
            let compiler = if foreign { format!("{}-linux-gnu-gcc", arch.machine()) } else { "gcc".to_owned() };
            let to = format!("{root}{}", c.install);
            format!(
                "mkdir -p \"$(dirname \"{to}\")\"\n\
                 {compiler} -static -Os -s -Wall -Wextra -Werror -o \"{to}\" {FOLDER}/pause/{}\n",
                c.source
            )
        }
        How::Busybox(busybox) => busybox_root(&busybox.install, &root, arch, foreign),
        How::Debian(files) => debian_files(files, &root, arch),
        How::Cargo(cargo) => rust_programs(cargo, component.layer(), arch),
    }
}

fn go_programs(go: &GoBuild, version: &str, root: &str, table: &Versions) -> String {
    let flags: Vec<String> = go.ldflags.iter().map(|flag| fill(flag, version)).collect();
    let flags = format!("-s -w {}", flags.join(" "));
    let mut script = format!("cd {FOLDER}/go\n");
    for binary in &go.binaries {
        let tags: Vec<&str> = table.go.tags.iter().chain(&binary.tags).map(String::as_str).collect();
        let to = format!("{root}{}", binary.install);
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(
            script,
            "nice -n 5 go build -v -trimpath -tags {} -ldflags '{flags}' -o \"{to}\" {}",
            tags.join(","),
            binary.package
        );
        let name = binary.install.rsplit('/').next().unwrap_or_default();
        for link in &binary.links {
            let _ = writeln!(script, "ln -sf {name} \"{root}{link}\"");
        }
    }
    script
}

fn busybox_root(install: &str, root: &str, arch: Arch, foreign: bool) -> String {
    let from = if foreign {
        // Debian's busybox of both processors has the same applets: it is one source package.
        format!(
            "cd \"$(mktemp -d)\"\napt-get download busybox-static:{}\ndpkg-deb -x ./*.deb .\ncp usr/bin/busybox",
            arch.name()
        )
    } else {
        "cp /bin/busybox".to_owned()
    };
    format!(
        "R=\"{root}\"\n\
         mkdir -p \"$R/bin\" \"$R/etc\" \"$R/tmp\" \"$R/root\" \"$R/var/tmp\" \"$R/dev\" \"$R/proc\" \"$R/sys\"\n\
         chmod 1777 \"$R/tmp\" \"$R/var/tmp\"\n\
         {from} \"$R{install}\"\n\
         for a in $(busybox --list); do [ \"$a\" = busybox ] || ln -sf busybox \"$R/bin/$a\"; done\n\
         echo root:x:0:0:root:/root:/bin/sh > \"$R/etc/passwd\"\n\
         echo nobody:x:65534:65534:nobody:/:/bin/false >> \"$R/etc/passwd\"\n\
         echo root:x:0: > \"$R/etc/group\"\n\
         echo nogroup:x:65534: >> \"$R/etc/group\"\n"
    )
}

/// Unpacks packages and all that they depend on, as if nothing were installed, and keeps some files with their libraries.
fn debian_files(files: &DebianFiles, root: &str, arch: Arch) -> String {
    let keep: Vec<String> = files.keep.iter().map(|path| path.replace("{machine}", arch.machine())).collect();
    format!(
        r#"A={arch} L=usr/lib/{machine}-linux-gnu R="{root}"
D=$(mktemp -d)
cd "$D"
mkdir partial all
chown _apt . partial
: > status
apt-get update
apt-get install -y --download-only -o APT::Architecture=$A -o APT::Architectures=$A -o Dir::State::status="$D/status" -o Dir::Cache::archives="$D/" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= {packages}
for deb in ./*.deb; do dpkg-deb -x "$deb" all; done
mkdir -p "$R"
mkdir -m 1777 "$R/tmp"
cd all
cp -rL --parents --preserve=mode {keep} "$R"
dynamic() {{ find "$R" -type f -exec readelf --wide "$1" {{}} + 2>/dev/null | sed -n "s/.*$2\(.*\)]$/\1/p" | sort -u; }}
more=yes
while [ -n "$more" ]; do
  more=
  for library in $(dynamic --dynamic 'Shared library: \['); do
    [ -e "$R/$L/$library" ] || {{ install -D -m 0755 "$L/$library" "$R/$L/$library"; more=yes; }}
  done
done
for loader in $(dynamic --program-headers 'program interpreter: '); do
  mkdir -p "$R${{loader%/*}}"
  ln -s "/$L/${{loader##*/}}" "$R$loader"
done
cd /
rm -rf "$D"
"#,
        arch = arch.name(),
        machine = arch.machine(),
        packages = files.packages.join(" "),
        keep = keep.iter().map(|path| path.trim_start_matches('/')).collect::<Vec<_>>().join(" "),
    )
}

fn rust_programs(cargo: &CargoBuild, layer: Option<&str>, arch: Arch) -> String {
    let target = format!("{}-unknown-linux-gnu", arch.machine());
    let mut script = format!(
        "cd {FOLDER}/rust/{package}\n\
         RUSTFLAGS='-C target-feature=+crt-static' nice -n 5 cargo build --release -p {package} --target {target}\n",
        package = cargo.package,
    );
    for binary in &cargo.binaries {
        let root = root(binary.layer.as_deref().or(layer));
        let (name, install) = (&binary.name, &binary.install);
        let _ = writeln!(script, "install -D /target/{target}/release/{name} \"{root}{install}\"");
    }
    script
}

/// Writes containerd's store for the preloaded images, whose layers lie ready below `$LAYERS`.
pub fn preload(arch: Arch) -> String {
    format!(
        "cd {FOLDER}/go\n\
         GOARCH= nice -n 5 go build -v -trimpath -o /tmp/seed ./cmd/seed\n\
         /tmp/seed -root \"$STAGE{PRELOADED}/root\" -layers \"$LAYERS\" -at {PRELOADED}/layers -arch {} <<'X'\n",
        arch.name()
    )
}
