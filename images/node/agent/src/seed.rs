//! The preloaded images: at the first boot the small seed in the image is copied to `/var/lib/containerd`.
//!
//! The marker is written last, after everything is on disk. As long as it is missing, the next boot begins again, so a
//! boot that was cut short at any moment leaves nothing half done behind.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use crate::fault::{Context, Result};
use crate::say;

const STORE: &str = "/var/lib/containerd";
const MARKER: &str = "/var/lib/knarr/seeded";
const BLOCK: usize = 64 * 1024;

/// Copies the seed if that has not been completed before.
pub fn prepare() -> Result<()> {
    seed(Path::new(knarr_contract::IMAGE_SEED), Path::new(STORE), Path::new(MARKER))
}

fn seed(from: &Path, to: &Path, marker: &Path) -> Result<()> {
    if marker.exists() || !from.is_dir() {
        return Ok(());
    }
    let copied = clear(to)
        .and_then(|()| copy_tree(from, to))
        .context(|| format!("copying the preloaded images from {} to {}", from.display(), to.display()))?;
    // Waiting for the disk would hold up the boot; a crash before the marker only means that the copy is made again.
    let marker = marker.to_owned();
    let settle = move || match settle(&copied, &marker) {
        Ok(()) => {}
        Err(error) => say::note(&format!("the preloaded images will be copied again at the next start: {error}")),
    };
    std::thread::Builder::new().name("seed".into()).spawn(settle).map(drop).context(|| "starting a thread")
}

/// Empties a folder (which may be a mount point and so cannot be removed itself).
fn clear(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies everything below `from`, and returns the files and folders that were made.
fn copy_tree(from: &Path, to: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut made = vec![];
    let mut left = vec![(from.to_owned(), to.to_owned())];
    while let Some((source, target)) = left.pop() {
        let meta = fs::symlink_metadata(&source)?;
        if meta.is_symlink() {
            symlink(fs::read_link(&source)?, &target)?;
        } else if meta.is_dir() {
            match fs::create_dir(&target) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            for entry in fs::read_dir(&source)? {
                let name = entry?.file_name();
                left.push((source.join(&name), target.join(&name)));
            }
        } else if meta.is_file() {
            copy_file(&source, &target)?;
        } else {
            // Sockets and pipes of a running containerd are of no use here.
            continue;
        }
        lchown(&target, Some(meta.uid()), Some(meta.gid()))?;
        if !meta.is_symlink() {
            fs::set_permissions(&target, fs::Permissions::from_mode(meta.mode() & 0o7777))?;
            made.push(target);
        }
    }
    Ok(made)
}

/// Copies one file; blocks of zeros become holes.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create(to)?);
    let mut block = vec![0; BLOCK];
    let mut length = 0;
    loop {
        let count = match source.read(&mut block) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        length += count as u64;
        if block[..count].iter().all(|byte| *byte == 0) {
            target.seek(SeekFrom::Start(length))?;
        } else {
            target.write_all(&block[..count])?;
        }
    }
    target.set_len(length)
}

/// Waits until the copy is on disk, then says so.
fn settle(copied: &[PathBuf], marker: &Path) -> std::io::Result<()> {
    for path in copied {
        match File::open(path) {
            Ok(file) => file.sync_all()?,
            // containerd may have removed or renamed it already.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(folder) = marker.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(marker)?;
    file.write_all(b"The preloaded images were copied here completely.\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scratch::Scratch;

    fn sample(scratch: &Scratch) -> PathBuf {
        let from = scratch.path("seed");
        fs::create_dir_all(from.join("snapshots/1")).expect("made");
        fs::set_permissions(from.join("snapshots"), fs::Permissions::from_mode(0o700)).expect("set");
        symlink("/usr/lib/layers/1", from.join("snapshots/1/fs")).expect("linked");
        let mut db = vec![7; 100];
        db.resize(BLOCK * 3, 0);
        db.push(9);
        db.resize(BLOCK * 5, 0);
        fs::write(from.join("meta.db"), db).expect("written");
        from
    }

    fn wait_for(path: &Path) {
        for _ in 0..500 {
            if path.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{} did not come", path.display());
    }

    #[test]
    fn links_modes_and_holes_are_kept() {
        let scratch = Scratch::new();
        let (from, to, marker) = (sample(&scratch), scratch.path("store"), scratch.path("state/seeded"));
        seed(&from, &to, &marker).expect("copied");
        assert_eq!(fs::read_link(to.join("snapshots/1/fs")).expect("a link"), Path::new("/usr/lib/layers/1"));
        assert_eq!(fs::metadata(to.join("snapshots")).expect("there").mode() & 0o777, 0o700);
        assert_eq!(fs::read(to.join("meta.db")).expect("there"), fs::read(from.join("meta.db")).expect("there"));
        wait_for(&marker);
    }

    #[test]
    fn a_half_copy_is_made_again_and_a_whole_one_is_kept() {
        let scratch = Scratch::new();
        let (from, to, marker) = (sample(&scratch), scratch.path("store"), scratch.path("seeded"));
        fs::create_dir_all(to.join("half/done")).expect("made");
        seed(&from, &to, &marker).expect("copied");
        assert!(!to.join("half").exists() && to.join("meta.db").exists());
        wait_for(&marker);
        fs::write(to.join("own"), "x").expect("written");
        seed(&from, &to, &marker).expect("kept");
        assert!(to.join("own").exists());
    }

    #[test]
    fn no_seed_is_no_failure() {
        let scratch = Scratch::new();
        let marker = scratch.path("seeded");
        seed(&scratch.path("none"), &scratch.path("store"), &marker).expect("nothing to do");
        assert!(!marker.exists());
    }
}
