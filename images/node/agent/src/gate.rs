//! Gates: conditions that are watched until they hold. Nothing is logged meanwhile; the status says what is waited for.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use knarr_contract::Gate;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use crate::http::{self, Request};

/// Between two tries, in milliseconds; from the beginning again after a sign that something has just changed.
const PAUSES: [u64; 9] = [1, 2, 4, 8, 20, 30, 45, 70, 100];
/// A request costs the server more than a connection to a socket, so it is made less often.
const FIRST_PAUSE_OF_REQUESTS: usize = 4;

/// Tells watchers that nobody waits for them any more.
pub type Cancel = Arc<AtomicBool>;

/// The gate in words.
pub fn in_words(gate: &Gate) -> String {
    match gate {
        Gate::UnixSocket { path } => format!("the socket {path}"),
        Gate::Http { url, .. } => format!("an answer from {url}"),
    }
}

/// Watches until the gate is open; false means that it was cancelled.
pub fn wait(gate: &Gate, cancel: &Cancel) -> bool {
    let mut watch = FolderWatch::new(gate);
    let mut step = if matches!(gate, Gate::Http { .. }) { FIRST_PAUSE_OF_REQUESTS } else { 0 };
    loop {
        if cancel.load(Ordering::Relaxed) {
            return false;
        }
        if is_open(gate) {
            return true;
        }
        // A socket is visible a moment before its owner listens, so a sign is followed by several tries.
        let sign = watch.sleep(Duration::from_millis(PAUSES[step]));
        step = if sign { 0 } else { (step + 1).min(PAUSES.len() - 1) };
    }
}

fn is_open(gate: &Gate) -> bool {
    match gate {
        Gate::UnixSocket { path } => UnixStream::connect(path).is_ok(),
        Gate::Http { url, ca, cert, key } => {
            let request = Request { url, ca: ca.as_deref(), cert: cert.as_deref(), key: key.as_deref() };
            http::status(&request) == Ok(200)
        }
    }
}

/// Sleeps, but wakes early when an awaited socket appears, or the folder that it will appear in.
struct FolderWatch<'a> {
    folder: Option<&'a Path>,
    /// None also when the host is out of inotify instances: then sleeping has to do.
    inotify: Option<Inotify>,
    watched: Option<&'a Path>,
}

impl<'a> FolderWatch<'a> {
    fn new(gate: &'a Gate) -> Self {
        let folder = match gate {
            Gate::UnixSocket { path } => Path::new(path).parent(),
            Gate::Http { .. } => None,
        };
        let inotify = folder.and_then(|_| Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok());
        Self { folder, inotify, watched: None }
    }

    /// Tells whether there was a sign.
    fn sleep(&mut self, pause: Duration) -> bool {
        let Some(inotify) = &self.inotify else {
            thread::sleep(pause);
            return false;
        };
        // As long as the folder is missing, its own coming is awaited. To watch what is watched already does no harm.
        let nearest = self.folder.and_then(|folder| folder.ancestors().find(|path| path.is_dir()));
        let appearing = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        if nearest.is_some_and(|path| inotify.add_watch(path, appearing).is_ok()) && nearest != self.watched {
            self.watched = nearest;
            // What appeared just before is found by trying once more.
            return true;
        }
        let timeout = PollTimeout::try_from(pause).unwrap_or(PollTimeout::ZERO);
        let mut wanted = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        let sign = poll(&mut wanted, timeout).is_ok_and(|count| count > 0);
        if sign {
            let _ = inotify.read_events();
        }
        sign
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::time::Instant;

    use super::*;
    use crate::scratch::Scratch;

    fn http(url: String) -> Gate {
        Gate::Http { url, ca: None, cert: None, key: None }
    }

    #[test]
    fn a_socket_that_appears_opens_its_gate() {
        let scratch = Scratch::new();
        let path = scratch.path("late/x.sock");
        let gate = Gate::UnixSocket { path: path.display().to_string() };
        let waiter = thread::spawn(move || wait(&gate, &Cancel::default()));
        thread::sleep(Duration::from_millis(150));
        fs::create_dir(scratch.path("late")).expect("made");
        thread::sleep(Duration::from_millis(150));
        assert!(!waiter.is_finished());
        let _listener = UnixListener::bind(&path).expect("bound");
        let begun = Instant::now();
        assert!(waiter.join().expect("no panic"));
        assert!(begun.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_dead_socket_file_keeps_it_shut_and_cancelling_ends_the_wait() {
        let scratch = Scratch::new();
        let path = scratch.path("x.sock");
        drop(UnixListener::bind(&path).expect("bound"));
        let (gate, cancel) = (Gate::UnixSocket { path: path.display().to_string() }, Cancel::default());
        let waiter = {
            let cancel = cancel.clone();
            thread::spawn(move || wait(&gate, &cancel))
        };
        thread::sleep(Duration::from_millis(100));
        assert!(!waiter.is_finished());
        cancel.store(true, Ordering::Relaxed);
        assert!(!waiter.join().expect("no panic"));
    }

    #[test]
    fn only_status_200_opens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let gate = http(format!("http://{}/readyz", listener.local_addr().expect("an address")));
        let server = thread::spawn(move || {
            for status in ["500 Bad", "302 Found\r\nLocation: /elsewhere", "200 OK"] {
                let (mut stream, _) = listener.accept().expect("a client");
                let _ = stream.read(&mut [0; 1024]);
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("written");
            }
        });
        assert!(wait(&gate, &Cancel::default()));
        server.join().expect("three tries");
    }
}
