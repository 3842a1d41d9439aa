//! Events as lines for CI logs, pipes and programs; also the recorder that tests read.
//!
//! A line is written when a step ends. So that the log of a long step tells its story too, a heartbeat repeats its
//! newest word at a bounded rate, whether or not events arrive.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use owo_colors::{OwoColorize, Style};
use serde_json::{Value, json};

use super::{Event, Reporter, human};

/// How often a running step may speak.
const EVERY: Duration = Duration::from_secs(10);

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text {
        /// Whether words are coloured; nothing depends on it.
        colors: bool,
    },
    /// For programs: one JSON object per line.
    Json,
}

/// Where the time of a line comes from.
pub type Clock = fn() -> SystemTime;

/// Writes events as lines.
pub struct Plain {
    inner: Arc<Mutex<Lines>>,
    quiet: bool,
    verbose: bool,
}

struct Lines {
    out: Box<dyn Write + Send>,
    format: Format,
    clock: Clock,
    running: BTreeMap<u32, Running>,
    heart_beats: bool,
}

/// A step that goes on.
struct Running {
    title: String,
    detail: String,
    began: Instant,
    spoke: Instant,
}

impl Plain {
    /// Lines on `out`.
    pub fn new(out: Box<dyn Write + Send>, format: Format, clock: Clock) -> Self {
        let lines = Lines { out, format, clock, running: BTreeMap::new(), heart_beats: false };
        Self { inner: Arc::new(Mutex::new(lines)), quiet: false, verbose: false }
    }

    /// Leaves only warnings.
    pub fn quiet(mut self, quiet: bool) -> Self {
        self.quiet = quiet;
        self
    }

    /// Adds details.
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.verbose = verbose;
        self
    }

    fn shows(&self, event: &Event) -> bool {
        match event {
            Event::Warning(_) => true,
            Event::Detail(_) => self.verbose && !self.quiet,
            _ => !self.quiet,
        }
    }
}

impl Reporter for Plain {
    fn event(&self, event: Event) {
        if !self.shows(&event) {
            return;
        }
        let mut lines = lock(&self.inner);
        if lines.format == Format::Json {
            let line = json_line(&event, (lines.clock)());
            lines.write(&line);
            return;
        }
        lines.text(event);
        if !lines.running.is_empty() && !lines.heart_beats {
            lines.heart_beats = true;
            drop(lines);
            start_heart(&self.inner);
        }
    }

    fn finish(&self) {
        lock(&self.inner).running.clear();
    }
}

/// A poisoned lock means that a writer panicked half-way through a line; the next line is still worth writing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets running steps speak now and then, until the reporter is gone. If no thread can be had, the log is only terser.
fn start_heart(lines: &Arc<Mutex<Lines>>) {
    let lines = Arc::downgrade(lines);
    let beat = move || {
        while let Some(lines) = lines.upgrade() {
            lock(&lines).beat(Instant::now());
            drop(lines);
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    let _detached = std::thread::Builder::new().name("progress".into()).spawn(beat);
}

impl Lines {
    /// Writes one whole line at once. A closed pipe must not stop the work, so errors have no effect.
    fn write(&mut self, line: &str) {
        let _closed = self.out.write_all(format!("{line}\n").as_bytes()).and_then(|()| self.out.flush());
    }

    fn text(&mut self, event: Event) {
        match event {
            Event::StepStarted { id, title } => {
                let now = Instant::now();
                self.running.insert(id, Running { title, detail: String::new(), began: now, spoke: now });
            }
            Event::StepProgress { id, detail } => {
                if let Some(step) = self.running.get_mut(&id) {
                    step.detail = detail;
                }
            }
            Event::StepDone { id, title, took } => {
                self.running.remove(&id);
                self.write(&format!("{title} ({})", human(took)));
            }
            Event::StepFailed { id, title } => {
                let after = self.running.remove(&id).map(|step| format!(" ({})", human(step.began.elapsed())));
                let heading = self.paint("failed:", Style::new().red());
                self.write(&format!("{heading} {title}{}", after.unwrap_or_default()));
            }
            Event::Note(text) => self.write(&text),
            Event::Warning(text) => {
                let heading = self.paint("warning:", Style::new().yellow());
                self.write(&format!("{heading} {text}"));
            }
            Event::Detail(text) => {
                let time = humantime::format_rfc3339_millis((self.clock)());
                self.write(&format!("{time} {text}"));
            }
        }
    }

    /// Lets every step speak that has been silent for long enough.
    fn beat(&mut self, now: Instant) {
        let mut said = Vec::new();
        for step in self.running.values_mut().filter(|step| now.duration_since(step.spoke) >= EVERY) {
            step.spoke = now;
            let after = human(now.duration_since(step.began));
            said.push(match step.detail.as_str() {
                "" => format!("still {} ({after})", step.title),
                detail => format!("still {}: {detail} ({after})", step.title),
            });
        }
        for line in said {
            self.write(&line);
        }
    }

    fn paint(&self, word: &str, style: Style) -> String {
        if self.format == (Format::Text { colors: true }) { word.style(style).to_string() } else { word.into() }
    }
}

/// An event as programs read it.
fn json_line(event: &Event, now: SystemTime) -> String {
    let (name, mut fields): (&str, Value) = match event {
        Event::StepStarted { id, title } => ("stepStarted", json!({ "id": id, "title": title })),
        Event::StepProgress { id, detail } => ("stepProgress", json!({ "id": id, "detail": detail })),
        Event::StepDone { id, title, took } => {
            ("stepDone", json!({ "id": id, "title": title, "seconds": took.as_secs_f64() }))
        }
        Event::StepFailed { id, title } => ("stepFailed", json!({ "id": id, "title": title })),
        Event::Note(text) => ("note", json!({ "text": text })),
        Event::Warning(text) => ("warning", json!({ "text": text })),
        Event::Detail(text) => ("detail", json!({ "text": text })),
    };
    fields["event"] = name.into();
    fields["time"] = humantime::format_rfc3339_millis(now).to_string().into();
    fields.to_string()
}

/// Keeps every event; for tests and for callers that look at what happened.
#[derive(Debug, Default)]
pub struct Recorder(Mutex<Vec<Event>>);

impl Recorder {
    /// What was reported so far.
    pub fn events(&self) -> Vec<Event> {
        lock(&self.0).clone()
    }

    /// The warnings so far.
    pub fn warnings(&self) -> Vec<String> {
        let text = |event| if let Event::Warning(text) = event { Some(text) } else { None };
        self.events().into_iter().filter_map(text).collect()
    }
}

impl Reporter for Recorder {
    fn event(&self, event: Event) {
        lock(&self.0).push(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer whose content can be read afterwards.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Page {
        fn text(&self) -> String {
            String::from_utf8(lock(&self.0).clone()).expect("reporters write UTF-8")
        }
    }

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn noon() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_435_200_250)
    }

    fn story(reporter: &dyn Reporter) {
        reporter.event(Event::StepStarted { id: 1, title: "starting 3 nodes".into() });
        reporter.event(Event::Detail("created dev-worker".into()));
        reporter.event(Event::StepProgress { id: 1, detail: "2 of 3".into() });
        reporter.event(Event::Warning("memory is short".into()));
        reporter.event(Event::StepDone { id: 1, title: "started 3 nodes".into(), took: Duration::from_millis(410) });
        reporter.event(Event::Note("the API listens on 127.0.0.1:6443".into()));
    }

    fn told(format: Format, quiet: bool, verbose: bool) -> String {
        let page = Page::default();
        story(&Plain::new(Box::new(page.clone()), format, noon).quiet(quiet).verbose(verbose));
        page.text()
    }

    #[test]
    fn plain_lines() {
        insta::assert_snapshot!(told(Format::Text { colors: false }, false, false), @r"
        warning: memory is short
        started 3 nodes (0.41s)
        the API listens on 127.0.0.1:6443
        ");
    }

    #[test]
    fn verbose_adds_details_with_their_time() {
        insta::assert_snapshot!(told(Format::Text { colors: false }, false, true), @r"
        2026-11-23T12:00:00.250Z created dev-worker
        warning: memory is short
        started 3 nodes (0.41s)
        the API listens on 127.0.0.1:6443
        ");
    }

    #[test]
    fn quiet_leaves_warnings() {
        assert_eq!(told(Format::Text { colors: false }, true, true), "warning: memory is short\n");
    }

    #[test]
    fn colour_is_only_an_addition() {
        let colored = told(Format::Text { colors: true }, true, false);
        assert_eq!(colored, "\u{1b}[33mwarning:\u{1b}[0m memory is short\n");
    }

    #[test]
    fn json_lines() {
        insta::assert_snapshot!(told(Format::Json, false, true), @r#"
        {"event":"stepStarted","id":1,"time":"2026-11-23T12:00:00.250Z","title":"starting 3 nodes"}
        {"event":"detail","text":"created dev-worker","time":"2026-11-23T12:00:00.250Z"}
        {"detail":"2 of 3","event":"stepProgress","id":1,"time":"2026-11-23T12:00:00.250Z"}
        {"event":"warning","text":"memory is short","time":"2026-11-23T12:00:00.250Z"}
        {"event":"stepDone","id":1,"seconds":0.41,"time":"2026-11-23T12:00:00.250Z","title":"started 3 nodes"}
        {"event":"note","text":"the API listens on 127.0.0.1:6443","time":"2026-11-23T12:00:00.250Z"}
        "#);
    }

    #[test]
    fn a_failed_step_says_so() {
        let page = Page::default();
        let plain = Plain::new(Box::new(page.clone()), Format::Text { colors: false }, noon);
        plain.event(Event::StepFailed { id: 7, title: "pulling the node image".into() });
        assert_eq!(page.text(), "failed: pulling the node image\n");
    }

    #[test]
    fn a_long_step_speaks_at_a_bounded_rate() {
        let page = Page::default();
        let plain = Plain::new(Box::new(page.clone()), Format::Text { colors: false }, noon);
        let began = Instant::now();
        plain.event(Event::StepStarted { id: 1, title: "building the image".into() });
        plain.event(Event::StepStarted { id: 2, title: "waiting".into() });
        plain.event(Event::StepProgress { id: 1, detail: "etcd, 3 of 14".into() });
        lock(&plain.inner).running.values_mut().for_each(|step| (step.began, step.spoke) = (began, began));
        for second in [1, 9, 10, 11, 19, 20, 75] {
            lock(&plain.inner).beat(began + Duration::from_secs(second));
        }
        insta::assert_snapshot!(page.text(), @r"
        still building the image: etcd, 3 of 14 (10.0s)
        still waiting (10.0s)
        still building the image: etcd, 3 of 14 (20.0s)
        still waiting (20.0s)
        still building the image: etcd, 3 of 14 (1m15s)
        still waiting (1m15s)
        ");
    }

    #[test]
    fn a_closed_pipe_stops_nothing() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        story(&Plain::new(Box::new(Closed), Format::Json, noon));
    }
}
