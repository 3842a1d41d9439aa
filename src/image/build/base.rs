//! Debian, the ground of the image: from a registry when one answers, else bootstrapped on this machine.

use std::time::Duration;

use super::workshop::Workshop;
use crate::doctor::{self, Fix, Outcome, PackageManager, RealShell};
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::host::Host;
use crate::image::find;
use crate::image::platform::Arch;
use crate::process;
use crate::report::Steps;

/// Bootstraps into a folder of its own and writes it to stdout as a tar. The folder goes whatever happens.
const BOOTSTRAP: &str = r#"set -eu
PATH="$PATH:/usr/sbin:/sbin"
dir=$(mktemp -d)
clean() { umount -R "$dir/proc" "$dir/sys" 2>/dev/null || true; rm -rf --one-file-system "$dir"; }
trap clean EXIT
trap 'kill "$child" 2>/dev/null; wait; exit 143' INT TERM
debootstrap --variant=minbase --arch="$2" "$1" "$dir" >&2 &
child=$!
wait "$child"
tar -C "$dir" -c . &
child=$!
wait "$child"
"#;

/// How long `sudo` may take to say whether it works without a password.
const SUDO: Duration = Duration::from_secs(5);

/// Makes sure that Debian's base is here for `arch`; returns the image's name.
pub async fn ensure<E: Engine>(
    work: &Workshop<'_, E>,
    cancel: &tokio_util::sync::CancellationToken,
    suite: &str,
    arch: Arch,
    may_install: bool,
) -> Result<String> {
    let own = format!("knarr.dev/node-base:{suite}-{}", arch.name());
    let official = format!("debian:{suite}-slim");
    for name in [&own, &official] {
        if work.engine().find_image(name).await?.is_some_and(|image| image.arch == arch.name()) {
            return Ok(name.clone());
        }
    }
    let platform = arch.platform();
    if find::pull(work.engine(), work.steps(), cancel, &official, Some(&platform)).await? {
        // Under a name of our own: the same tag may be pulled for another processor tomorrow.
        work.engine().tag_image(&official, &own).await?;
        return Ok(own);
    }
    bootstrap(work, suite, arch, &own, may_install).await?;
    Ok(own)
}

/// Makes sure that debootstrap is installed; installs it where the user allowed repairs.
async fn ensure_tool(steps: &Steps, suite: &str, may_install: bool) -> Result<()> {
    if process::exists("debootstrap") {
        return Ok(());
    }
    let error = Error::new(ErrorKind::Environment, format!("cannot get Debian {suite} for the node image"))
        .cause("no container registry answers, and `debootstrap` is not installed");
    let Some(manager) = PackageManager::detect(&Host::real()) else {
        return Err(error.hint(format!("let Docker reach a registry that has `debian:{suite}-slim`")));
    };
    let fix = Fix::InstallDebootstrap(manager);
    let hint = format!("install it with `{}`, or let `knarr image build --fix` do it", fix.shown());
    if !may_install {
        return Err(error.hint(hint));
    }
    let applied = doctor::apply(&[fix], &RealShell, steps).await;
    match applied.into_iter().next().map(|applied| applied.outcome) {
        Some(Outcome::Done) => Ok(()),
        Some(Outcome::Failed { last_lines }) => Err(error.evidence(last_lines).hint(hint)),
        _ => Err(error.cause("it needs root, and sudo asks for a password").hint(hint)),
    }
}

async fn bootstrap<E: Engine>(
    work: &Workshop<'_, E>,
    suite: &str,
    arch: Arch,
    name: &str,
    may_install: bool,
) -> Result<()> {
    ensure_tool(work.steps(), suite, may_install).await?;
    let mut argv: Vec<String> = Vec::new();
    if !rustix::process::geteuid().is_root() {
        let sudo = ["sudo", "-n", "true"].map(String::from);
        if !matches!(tokio::time::timeout(SUDO, process::succeeds(&sudo)).await, Ok(true)) {
            return Err(Error::new(ErrorKind::Environment, format!("cannot bootstrap Debian {suite}"))
                .cause("no container registry answers, and `debootstrap` needs root")
                .hint("try again with `sudo knarr image build`"));
        }
        argv.extend(["sudo", "-n", "--preserve-env=http_proxy,https_proxy,no_proxy"].map(String::from));
    }
    argv.extend(["sh", "-c", BOOTSTRAP, "bootstrap", suite, arch.name()].map(String::from));
    let step = work.steps().start(format!("bootstrapping Debian {suite}, because no registry answers"));
    let (heard, mut said) = tokio::sync::mpsc::unbounded_channel::<String>();
    let tar = process::produce(&argv, heard)?;
    let import = async { Ok(work.engine().import_image(name, Some(&arch.platform()), tar).await?) };
    let mut last = Vec::new();
    let listen = async {
        while let Some(line) = said.recv().await {
            step.progress(line.trim_start_matches("I: "));
            work.steps().detail(&line);
            last.push(line);
        }
    };
    let (imported, ()) = futures::future::join(work.unless_interrupted(import), listen).await;
    match imported {
        Ok(_) => {}
        Err(e) if e.kind == ErrorKind::Interrupted => return Err(e),
        Err(e) => return Err(e.context(format!("cannot bootstrap Debian {suite}")).evidence(last)),
    }
    step.done(format!("bootstrapped Debian {suite}"));
    Ok(())
}
