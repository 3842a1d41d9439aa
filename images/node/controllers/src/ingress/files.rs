//! The one door to files: a folder in memory with the configuration, certificates, passwords and sockets.

#![expect(clippy::disallowed_methods, reason = "files are read and written here and nowhere else")]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::render::DEFAULT_CERTIFICATE;

const BALANCER: &str = include_str!("lua/knarr.lua");

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes it, with what never changes while the program runs.
    pub fn prepare(path: &Path, default_certificate: &str) -> io::Result<Self> {
        for below in ["lua", "tls", "auth", "temp"] {
            std::fs::create_dir_all(path.join(below))?;
        }
        let folder = Self(path.to_owned());
        folder.write("lua/knarr.lua", BALANCER.as_bytes())?;
        folder.write(DEFAULT_CERTIFICATE, default_certificate.as_bytes())?;
        Ok(folder)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file that only this user may read; it appears whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(bytes)?;
        std::fs::rename(fresh, path)
    }

    /// Writes those that are not there; their names say what is in them.
    pub fn write_missing(&self, files: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        for (name, bytes) in files {
            if !self.path(name).exists() {
                self.write(name, bytes)?;
            }
        }
        Ok(())
    }

    /// Removes certificates and passwords that no running configuration names.
    pub fn remove_others(&self, kept: &BTreeMap<String, Vec<u8>>) -> io::Result<()> {
        for below in ["tls", "auth"] {
            for entry in std::fs::read_dir(self.path(below))? {
                let name = format!("{below}/{}", entry?.file_name().to_string_lossy());
                if name != DEFAULT_CERTIFICATE && !kept.contains_key(&name) {
                    std::fs::remove_file(self.path(&name))?;
                }
            }
        }
        Ok(())
    }

    /// Removes a socket that an earlier run left behind; nginx would not start on it.
    pub fn remove_socket(&self) -> io::Result<()> {
        match std::fs::remove_file(self.path("control.sock")) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
            _ => Ok(()),
        }
    }
}
