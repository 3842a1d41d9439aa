//! nginx as a child process: tested, started, told, reloaded, ended.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::files::Folder;

const CONFIG: &str = "nginx.conf";
const CANDIDATE: &str = "candidate.conf";
/// How long clients that keep connections are given to come back on new ones before a reload closes the old ones: at
/// least so long that answers which promised to keep their connection are out, at most so long that idle clients do
/// not hold up everyone.
const HANDOVER: (Duration, Duration) = (Duration::from_millis(150), Duration::from_millis(600));
/// How long a new configuration may take until it is served.
const RELOAD: Duration = Duration::from_secs(15);
/// How long the rest of the cluster may take to learn that this pod ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// And how long clients with kept connections are waited for.
const DRAIN: Duration = Duration::from_secs(25);
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// What nginx says about itself.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Which configuration answers.
    pub generation: u64,
    /// Connections without a request.
    pub waiting: u64,
    /// All connections, the asking one too.
    pub active: u64,
}

/// A running nginx.
pub struct Nginx {
    folder: Folder,
    child: Child,
}

/// Whether nginx takes a configuration; if not, what it says.
pub async fn test(folder: &Folder, config: &str) -> io::Result<Result<(), String>> {
    folder.write(CANDIDATE, config.as_bytes())?;
    let path = folder.path(CANDIDATE);
    let output = Command::new("nginx").args(["-t", "-q", "-c"]).arg(&path).stdin(Stdio::null()).output().await?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Ok(Err(reason(&text, &path.to_string_lossy())))
}

/// The first complaint without times and places that mean nothing outside.
fn reason(text: &str, path: &str) -> String {
    let line = text.lines().find(|line| line.contains("[emerg]")).unwrap_or_else(|| text.trim());
    let said = line.rsplit_once("[emerg] ").map_or(line, |(_, said)| said);
    // Messages from a running start carry `pid#tid: ` first.
    let said = said.split_once(": ").filter(|(head, _)| head.contains('#')).map_or(said, |(_, said)| said);
    said.split(&format!(" in {path}")).next().unwrap_or(said).to_owned()
}

impl Nginx {
    /// Starts it with a tested configuration and waits until it answers.
    pub async fn start(folder: &Folder, config: &str, generation: u64) -> io::Result<Self> {
        folder.write(CONFIG, config.as_bytes())?;
        folder.remove_socket()?;
        let child =
            Command::new("nginx").arg("-c").arg(folder.path(CONFIG)).stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        let nginx = Self { folder: folder.clone(), child };
        nginx.serves(generation).await?;
        Ok(nginx)
    }

    /// Makes it read a tested configuration. Requests that run are finished by the old workers; clients that keep
    /// connections are asked to connect anew first, so that none of them sends into one that just closes.
    pub async fn reload(&self, config: &str, generation: u64) -> io::Result<()> {
        self.folder.write(CONFIG, config.as_bytes())?;
        let now = self.ask("/state", "").await?;
        if now.active > 1 {
            self.ask("/drain", &now.generation.to_string()).await?;
            self.nobody_waits(HANDOVER).await?;
        }
        self.signal(Signal::HUP)?;
        self.serves(generation).await
    }

    /// Tells the balancer who answers.
    pub async fn tell(&self, table: &str) -> io::Result<()> {
        self.ask("/table", table).await.map(drop)
    }

    /// Takes no more clients, waits for those that are there, and ends.
    pub async fn quit(mut self) -> io::Result<ExitStatus> {
        self.ask("/drain", "all").await?;
        self.nobody_waits((FAREWELL, DRAIN)).await?;
        self.signal(Signal::QUIT)?;
        self.child.wait().await
    }

    /// Returns when it ended by itself.
    pub async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Ok(kill_process(id.ok_or_else(|| io::Error::other("nginx has ended"))?, signal)?)
    }

    /// Returns when nobody has kept a connection for the shorter time, or after the longer one.
    async fn nobody_waits(&self, (least, most): (Duration, Duration)) -> io::Result<()> {
        let end = Instant::now() + most;
        let mut quiet = Instant::now();
        while Instant::now() < end && quiet.elapsed() < least {
            sleep(ASK_AGAIN).await;
            if self.ask("/state", "").await?.waiting > 0 {
                quiet = Instant::now();
            }
        }
        Ok(())
    }

    async fn serves(&self, generation: u64) -> io::Result<()> {
        let asked = async {
            while !self.ask("/state", "").await.is_ok_and(|state| state.generation == generation) {
                sleep(ASK_AGAIN).await;
            }
        };
        let late = || io::Error::other("nginx does not serve the new configuration; its log says why");
        timeout(RELOAD, asked).await.map_err(|_| late())
    }

    /// One request over its control socket.
    async fn ask(&self, path: &str, body: &str) -> io::Result<State> {
        let mut stream = UnixStream::connect(self.folder.path("control.sock")).await?;
        let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (status, said) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let mut numbers = said.split_whitespace().map(str::parse);
        match (status.contains(" 200 "), numbers.next(), numbers.next(), numbers.next()) {
            (true, Some(Ok(generation)), Some(Ok(waiting)), Some(Ok(active))) => {
                Ok(State { generation, waiting, active })
            }
            _ => Err(io::Error::other(format!("nginx answered {path} with: {}", answer.trim()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn complaints_lose_their_place() {
        let text = "nginx: [warn] x\nnginx: [emerg] pcre2_compile() failed: missing ) in \"^/x(\" in /run/a/c.conf:7\n";
        assert_eq!(reason(text, "/run/a/c.conf"), "pcre2_compile() failed: missing ) in \"^/x(\"");
        let late = "2026/01/02 03:04:05 [emerg] 7#7: unknown directive \"x\" in /run/a/c.conf:7\n";
        assert_eq!(reason(late, "/run/a/c.conf"), "unknown directive \"x\"");
        assert_eq!(reason("odd\n", "/c"), "odd");
    }
}
