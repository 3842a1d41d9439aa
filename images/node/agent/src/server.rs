//! The agent's socket: `status` is answered once, `watch` at every change, `reload` when it is done.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::fault::{Context, Fault, Result};
use crate::status::Board;
use crate::supervise::Event;

/// More clients than anybody has a use for.
const MOST_CLIENTS: usize = 64;
/// Watchers at once. Docker does not tell a process of `docker exec` that its reader has gone, so watchers may be left
/// over; the oldest makes room for a new one.
const MOST_WATCHERS: usize = 16;
/// How long a client may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(5);
/// A request is one word.
const LONGEST_REQUEST: u64 = 64;
/// Begins the answer to a `reload` that failed.
pub const FAILED: &str = "failed: ";

/// What all clients share.
struct Server {
    board: Arc<Board>,
    events: Sender<Event>,
    clients: AtomicUsize,
    watchers: Mutex<VecDeque<UnixStream>>,
}

/// Opens the socket and answers on it from now on.
pub fn start(path: &Path, board: &Arc<Board>, events: &Sender<Event>) -> Result<()> {
    let what = || format!("opening the socket {}", path.display());
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context(what),
        _ => {}
    }
    let listener = UnixListener::bind(path).context(what)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).context(what)?;
    let server = Arc::new(Server {
        board: board.clone(),
        events: events.clone(),
        clients: AtomicUsize::new(0),
        watchers: Mutex::new(VecDeque::new()),
    });
    thread::Builder::new().name("server".into()).spawn(move || accept(&listener, &server)).map(drop).context(what)
}

fn accept(listener: &UnixListener, server: &Arc<Server>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of file descriptors, for instance: that passes.
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if server.clients.fetch_add(1, Ordering::Relaxed) < MOST_CLIENTS {
            let shared = server.clone();
            let serve = move || {
                // A client that went away or spoke nonsense is its own affair.
                let _ = shared.answer(&stream);
                shared.clients.fetch_sub(1, Ordering::Relaxed);
            };
            if thread::Builder::new().name("client".into()).spawn(serve).is_ok() {
                continue;
            }
        }
        server.clients.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Server {
    fn answer(&self, stream: &UnixStream) -> Result<()> {
        stream.set_read_timeout(Some(PATIENCE)).context(|| "timeout")?;
        stream.set_write_timeout(Some(PATIENCE)).context(|| "timeout")?;
        let mut request = String::new();
        let mut reader = BufReader::new(stream.try_clone().context(|| "socket")?.take(LONGEST_REQUEST));
        reader.read_line(&mut request).context(|| "request")?;
        match request.trim_end() {
            "status" => send(stream, &line(self.board.now().0)?),
            "watch" => {
                self.make_room(stream)?;
                push(stream, &self.board)
            }
            "reload" => send(stream, &reload(&self.events)),
            other => send(stream, &format!("{FAILED}unknown request {other:?}")),
        }
    }

    /// Ends the oldest watcher if there are too many with this one.
    fn make_room(&self, stream: &UnixStream) -> Result<()> {
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push_back(stream.try_clone().context(|| "socket")?);
        if watchers.len() > MOST_WATCHERS {
            if let Some(oldest) = watchers.pop_front() {
                // It may have gone long ago.
                let _ = oldest.shutdown(std::net::Shutdown::Both);
            }
        }
        Ok(())
    }
}

fn send(mut stream: &UnixStream, text: &str) -> Result<()> {
    stream.write_all(format!("{text}\n").as_bytes()).context(|| "answer")
}

fn line(status: impl serde::Serialize) -> Result<String> {
    serde_json::to_string(&status).context(|| "rendering the status")
}

/// Sends the status at every change until the reader goes away.
fn push(stream: &UnixStream, board: &Arc<Board>) -> Result<()> {
    let gone = Arc::new(AtomicBool::new(false));
    // The next change may be far away; the end of the reader is noticed by reading.
    let (mut reader, board_of_reader, flag) = (stream.try_clone().context(|| "socket")?, board.clone(), gone.clone());
    reader.set_read_timeout(None).context(|| "timeout")?;
    let listen = move || {
        while matches!(reader.read(&mut [0; 64]), Ok(count) if count > 0) {}
        flag.store(true, Ordering::SeqCst);
        board_of_reader.wake();
    };
    thread::Builder::new().name("client-end".into()).spawn(listen).context(|| "thread")?;
    let (mut status, mut version) = board.now();
    let outcome = loop {
        if let Err(fault) = line(status).and_then(|text| send(stream, &text)) {
            break Err(fault);
        }
        match board.next(version, || gone.load(Ordering::SeqCst)) {
            Some(next) => (status, version) = next,
            None => break Ok(()),
        }
    };
    // Ends the reading thread too, whoever noticed first.
    let _ = stream.shutdown(std::net::Shutdown::Both);
    outcome
}

fn reload(events: &Sender<Event>) -> String {
    let (asker, outcome) = channel();
    let gone = || Fault::new("the node is stopping");
    let asked = events.send(Event::Reload(Some(asker))).map_err(|_| gone());
    match asked.and_then(|()| outcome.recv().map_err(|_| gone())?) {
        Ok(text) => text,
        Err(fault) => format!("{FAILED}{fault}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;

    use knarr_contract::{NodeStatus, Phase};

    use super::*;
    use crate::scratch::Scratch;

    fn serving(scratch: &Scratch) -> (std::path::PathBuf, Arc<Board>, Receiver<Event>) {
        let (path, board, (events, inbox)) = (scratch.path("agent.sock"), Arc::new(Board::new("n")), channel());
        start(&path, &board, &events).expect("started");
        (path, board, inbox)
    }

    fn ask(path: &Path, request: &str) -> BufReader<UnixStream> {
        let mut stream = UnixStream::connect(path).expect("connected");
        stream.write_all(request.as_bytes()).expect("asked");
        BufReader::new(stream)
    }

    fn one_line(reader: &mut impl BufRead) -> String {
        let mut text = String::new();
        reader.read_line(&mut text).expect("answered");
        text
    }

    #[test]
    fn status_is_one_line_and_nonsense_is_refused() {
        let scratch = Scratch::new();
        let (path, _board, _inbox) = serving(&scratch);
        let mut reader = ask(&path, "status\n");
        let status: NodeStatus = serde_json::from_str(&one_line(&mut reader)).expect("a status");
        assert_eq!(status.phase, Phase::Preparing);
        assert_eq!(one_line(&mut reader), "");
        assert!(one_line(&mut ask(&path, "dance\n")).starts_with(FAILED));
        // Far too long: answered without reading it all.
        assert!(one_line(&mut ask(&path, &"x".repeat(64))).starts_with(FAILED));
    }

    #[test]
    fn watchers_hear_every_change_and_leave_without_one() {
        let scratch = Scratch::new();
        let (path, board, _inbox) = serving(&scratch);
        let mut reader = ask(&path, "watch\n");
        assert!(one_line(&mut reader).contains("preparing"));
        board.update(|status| status.phase = Phase::Running);
        assert!(one_line(&mut reader).contains("running"));
        drop(reader);
        // The pushing thread holds the board; it lets go without another change.
        for _ in 0..500 {
            // The server's own reference stays.
            if Arc::strong_count(&board) == 2 {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the watcher was not noticed to be gone");
    }

    #[test]
    fn old_watchers_make_room() {
        let scratch = Scratch::new();
        let (path, board, _inbox) = serving(&scratch);
        let mut watchers = vec![];
        for _ in 0..=MOST_WATCHERS {
            let mut watcher = ask(&path, "watch\n");
            assert!(one_line(&mut watcher).contains("preparing"));
            watchers.push(watcher);
        }
        assert_eq!(one_line(&mut watchers[0]), "");
        board.update(|status| status.phase = Phase::Running);
        assert!(one_line(&mut watchers[MOST_WATCHERS]).contains("running"));
    }

    #[test]
    fn reload_is_answered_by_the_supervisor() {
        let scratch = Scratch::new();
        let (path, _board, inbox) = serving(&scratch);
        let mut reader = ask(&path, "reload\n");
        let Event::Reload(Some(asker)) = inbox.recv().expect("an event") else { panic!("another event") };
        asker.send(Err(Fault::new("no"))).expect("heard");
        assert_eq!(one_line(&mut reader), format!("{FAILED}no\n"));
    }
}
