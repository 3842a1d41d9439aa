//! Component logs: one pipe per component for all its lives, written to files that are rotated by size.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::fault::{Context, Result};

const LIMIT: u64 = 10 * 1024 * 1024;
/// The current file and the two before it.
const OLD_FILES: u32 = 2;

/// The writing end of a component's log.
#[derive(Debug)]
pub struct Log {
    end: File,
    drained: Receiver<()>,
}

impl Log {
    /// Opens `<folder>/<name>.log` and the pipe that leads there.
    pub fn open(folder: &Path, name: &str) -> Result<Self> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context(|| "making a pipe")?;
        let rotating = Rotating::open(folder.join(format!("{name}.log")), LIMIT);
        let (done, drained) = channel();
        thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn(move || {
                drain(File::from(reader), rotating);
                let _ = done.send(());
            })
            .context(|| "starting a thread")?;
        Ok(Self { end: File::from(writer), drained })
    }

    /// Where a component's outputs go.
    pub const fn end(&self) -> &File {
        &self.end
    }

    /// Adds a line of the agent's own, after everything that the component has written.
    pub fn note(&mut self, text: &str) {
        // One write of a short line is never torn apart by the component's own lines.
        let _ = self.end.write_all(format!("{} knarr-node: {text}\n", utc(SystemTime::now())).as_bytes());
    }

    /// Waits until everything is in the file; all processes that hold the pipe must be gone.
    pub fn close(self, patience: Duration) {
        let Self { end, drained } = self;
        drop(end);
        let _ = drained.recv_timeout(patience);
    }
}

/// Copies the pipe to the files until nobody can write to it any more.
fn drain(mut reader: File, mut files: Rotating) {
    let mut block = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut block) {
            Ok(0) => return,
            Ok(count) => files.write(&block[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// A file that makes room for a new one when it is full.
struct Rotating {
    path: PathBuf,
    limit: u64,
    file: Option<File>,
    size: u64,
}

impl Rotating {
    fn open(path: PathBuf, limit: u64) -> Self {
        let mut rotating = Self { path, limit, file: None, size: 0 };
        rotating.reopen();
        rotating
    }

    fn reopen(&mut self) {
        self.file = OpenOptions::new().create(true).append(true).open(&self.path).ok();
        self.size = self.file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |meta| meta.len());
    }

    /// Writes what it can. A full disk must not stop a component, so what cannot be written is lost.
    fn write(&mut self, mut block: &[u8]) {
        if self.file.is_none() {
            self.reopen();
        }
        if self.size + block.len() as u64 > self.limit {
            // The line that is being written is finished in the old file.
            let cut = if self.size == 0 { 0 } else { block.iter().position(|b| *b == b'\n').map_or(0, |at| at + 1) };
            self.append(&block[..cut]);
            block = &block[cut..];
            self.rotate();
        }
        self.append(block);
    }

    fn append(&mut self, block: &[u8]) {
        if let Some(file) = &mut self.file {
            match file.write_all(block) {
                Ok(()) => self.size += block.len() as u64,
                Err(_) => self.file = None,
            }
        }
    }

    fn rotate(&mut self) {
        if self.size == 0 {
            return;
        }
        for number in (1..OLD_FILES).rev() {
            let _ = fs::rename(numbered(&self.path, number), numbered(&self.path, number + 1));
        }
        let _ = fs::rename(&self.path, numbered(&self.path, 1));
        self.reopen();
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The time as `2026-11-23T20:06:00.123Z`.
fn utc(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (mut days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let day = days + 1;
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn dates_are_right() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_798_761_599, "2026-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn three_files_are_kept_and_lines_stay_whole() {
        let scratch = Scratch::new();
        let path = scratch.path("x.log");
        let mut files = Rotating::open(path.clone(), 40);
        for number in 0..100 {
            files.write(format!("line {number:03}\nhalf").as_bytes());
            files.write(b" line\n");
        }
        let read = |path: &Path| fs::read_to_string(path).expect("there");
        let (newest, before, oldest) = (read(&path), read(&numbered(&path, 1)), read(&numbered(&path, 2)));
        assert!(!numbered(&path, 3).exists());
        let all = format!("{oldest}{before}{newest}");
        assert!(all.ends_with("line 099\nhalf line\n"));
        for line in all.lines() {
            assert!(line == "half line" || line.len() == 8, "{line:?}");
        }
    }

    #[test]
    fn a_reopened_log_goes_on_where_it_was() {
        let scratch = Scratch::new();
        for _ in 0..2 {
            Rotating::open(scratch.path("x.log"), 40).write(b"0123456789\n");
        }
        assert_eq!(fs::metadata(scratch.path("x.log")).expect("there").len(), 22);
    }

    #[test]
    fn nothing_is_lost_at_the_end() {
        let scratch = Scratch::new();
        let mut log = Log::open(scratch.as_ref(), "x").expect("opened");
        let mut writer = log.end().try_clone().expect("cloned");
        let chatter = thread::spawn(move || {
            for number in 0..50_000 {
                writeln!(writer, "{number}").expect("written");
            }
        });
        chatter.join().expect("no panic");
        log.note("the end");
        log.close(Duration::from_secs(10));
        let text = fs::read_to_string(scratch.path("x.log")).expect("there");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 50_001);
        assert_eq!(lines[49_999], "49999");
        assert!(lines[50_000].ends_with("knarr-node: the end"));
    }
}
