//! Events on a terminal: a moving line for every running step, and lines that stay. The only file that names indicatif.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use owo_colors::{OwoColorize, Style};

use super::{Event, Reporter, human};

/// How often spinners turn: often enough to look alive, seldom enough to cost nothing.
const TURN: Duration = Duration::from_millis(100);
/// Cells left free at the right, so that an echoed `^C` does not break the line.
const MARGIN: usize = 3;

type Width = fn() -> u16;

/// Draws on a terminal.
pub struct Terminal {
    bars: MultiProgress,
    running: Mutex<BTreeMap<u32, Line>>,
    width: Width,
    colors: bool,
    verbose: bool,
}

/// The moving line of a step.
struct Line {
    bar: ProgressBar,
    title: String,
    text: Arc<Mutex<String>>,
}

impl Terminal {
    /// Draws on the terminal behind stderr.
    pub fn stderr(colors: bool, verbose: bool) -> Self {
        Self::new(ProgressDrawTarget::stderr(), stderr_width, colors, verbose)
    }

    fn new(target: ProgressDrawTarget, width: Width, colors: bool, verbose: bool) -> Self {
        let bars = MultiProgress::with_draw_target(target);
        Self { bars, running: Mutex::default(), width, colors, verbose }
    }

    /// Prints a line that stays, above the moving ones.
    fn keep(&self, line: &str) {
        let _closed = self.bars.println(line);
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.colors { text.style(style).to_string() } else { text.into() }
    }

    fn start(&self, id: u32, title: String) {
        let text = Arc::new(Mutex::new(title.clone()));
        let bar = self.bars.add(ProgressBar::no_length().with_style(style(Arc::clone(&text), self.width)));
        bar.enable_steady_tick(TURN);
        bar.tick();
        if let Some(old) = lock(&self.running).insert(id, Line { bar, title, text }) {
            old.bar.finish_and_clear();
        }
    }

    fn progress(&self, id: u32, detail: &str) {
        if let Some(line) = lock(&self.running).get(&id) {
            *lock(&line.text) = format!("{}: {detail}", line.title);
            line.bar.tick();
        }
    }

    /// Takes a step's moving line away; how long it moved, if it did.
    fn end(&self, id: u32) -> Option<Duration> {
        let line = lock(&self.running).remove(&id)?;
        let took = line.bar.elapsed();
        line.bar.finish_and_clear();
        self.bars.remove(&line.bar);
        Some(took)
    }
}

impl Reporter for Terminal {
    fn event(&self, event: Event) {
        match event {
            Event::StepStarted { id, title } => self.start(id, title),
            Event::StepProgress { id, detail } => self.progress(id, &detail),
            Event::StepDone { id, title, took } => {
                self.end(id);
                let took = self.paint(&format!("({})", human(took)), Style::new().dimmed());
                self.keep(&format!(" {} {title} {took}", self.paint("✓", Style::new().green())));
            }
            Event::StepFailed { id, title } => {
                let took = self.end(id).map(|took| self.paint(&format!(" ({})", human(took)), Style::new().dimmed()));
                let took = took.unwrap_or_default();
                self.keep(&format!(" {} {title}{took}", self.paint("✗", Style::new().red())));
            }
            Event::Note(text) => self.keep(&format!(" {} {text}", self.paint("•", Style::new().cyan()))),
            Event::Warning(text) => {
                self.keep(&format!("{} {text}", self.paint("warning:", Style::new().yellow())));
            }
            Event::Detail(text) => {
                if self.verbose {
                    let time = humantime::format_rfc3339_millis(SystemTime::now());
                    self.keep(&self.paint(&format!("{time} {text}"), Style::new().dimmed()));
                }
            }
        }
    }

    fn finish(&self) {
        for line in std::mem::take(&mut *lock(&self.running)).into_values() {
            line.bar.finish_and_clear();
        }
        let _closed = self.bars.clear();
    }

    fn suspend(&self, print: &mut dyn FnMut()) {
        self.bars.suspend(print);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A spinner and the step's words, cut so that a line never wraps: wrapped lines cannot be erased cleanly when the
/// window changes its size.
fn style(text: Arc<Mutex<String>>, width: Width) -> ProgressStyle {
    ProgressStyle::with_template(" {spinner} {words}").expect("the template is constant").with_key(
        "words",
        move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let room = usize::from(width()).saturating_sub(MARGIN + 3);
            let _infallible = out.write_str(&fit(&lock(&text), state.elapsed(), room));
        },
    )
}

/// `words (1.2s)` in at most `room` cells; the words give way first.
fn fit(words: &str, elapsed: Duration, room: usize) -> String {
    // Details may hold foreign text; a line break in it would tear the drawing.
    let words: Vec<char> = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let after = format!(" ({})", human(elapsed));
    let mut line: String;
    if words.len() + after.len() <= room {
        line = words.iter().collect();
        line.push_str(&after);
    } else {
        line = words.iter().take(room.saturating_sub(after.len() + 1)).collect();
        let _infallible = write!(line, "…{after}");
    }
    line.chars().take(room).collect()
}

/// The columns of the terminal behind stderr.
fn stderr_width() -> u16 {
    rustix::termios::tcgetwinsize(std::io::stderr())
        .ok()
        .map(|size| size.ws_col)
        .filter(|&columns| columns > 0)
        .unwrap_or(80)
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn drawn(columns: u16, width: Width) -> (InMemoryTerm, Terminal) {
        let screen = InMemoryTerm::new(12, columns);
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        (screen, Terminal::new(target, width, false, true))
    }

    /// The screen with the parts that depend on the moment made equal.
    fn still(screen: &InMemoryTerm) -> String {
        // Drawing is limited in rate; the last state is on the screen after a turn or two.
        std::thread::sleep(TURN * 3);
        let braille = '\u{2800}'..='\u{28ff}';
        screen.contents().chars().map(|c| if braille.contains(&c) { '*' } else { c }).collect()
    }

    fn started(id: u32, title: &str) -> Event {
        Event::StepStarted { id, title: title.into() }
    }

    #[test]
    fn finished_lines_stay_above_moving_ones() {
        let (screen, terminal) = drawn(60, || 60);
        terminal.event(started(1, "pulling the node image"));
        terminal.event(started(2, "starting 3 nodes"));
        terminal.event(Event::StepProgress { id: 2, detail: "2 of 3".into() });
        terminal.event(Event::StepDone { id: 1, title: "pulled the node image".into(), took: Duration::from_secs(65) });
        terminal.event(Event::Warning("memory is short".into()));
        terminal.event(Event::Note("subnet 172.29.0.0/24".into()));
        terminal.event(Event::StepProgress { id: 2, detail: "3 of 3".into() });
        insta::with_settings!({ filters => vec![(r"\(0\.\d\ds\)", "(TIME)")] }, {
            insta::assert_snapshot!(still(&screen), @r"
             ✓ pulled the node image (1m05s)
            warning: memory is short
             • subnet 172.29.0.0/24
             * starting 3 nodes: 3 of 3 (TIME)
            ");
        });
        terminal.event(Event::StepDone { id: 2, title: "started 3 nodes".into(), took: Duration::from_millis(410) });
        insta::assert_snapshot!(still(&screen), @r"
         ✓ pulled the node image (1m05s)
        warning: memory is short
         • subnet 172.29.0.0/24
         ✓ started 3 nodes (0.41s)
        ");
    }

    #[test]
    fn an_interrupted_run_leaves_only_what_stays() {
        let (screen, terminal) = drawn(60, || 60);
        terminal.event(Event::StepDone { id: 1, title: "started 3 nodes".into(), took: Duration::from_millis(410) });
        terminal.event(started(2, "waiting for etcd"));
        terminal.event(Event::StepFailed { id: 2, title: "waiting for etcd".into() });
        terminal.event(started(3, "removing 3 nodes"));
        terminal.finish();
        insta::with_settings!({ filters => vec![(r"\(0\.\d\ds\)", "(TIME)")] }, {
            insta::assert_snapshot!(still(&screen), @r"
            ✓ started 3 nodes (TIME)
            ✗ waiting for etcd (TIME)
            ");
        });
    }

    #[test]
    fn narrow_terminals_cut_words_not_lines() {
        let (screen, terminal) = drawn(30, || 30);
        terminal.event(started(1, "waiting for the control plane"));
        terminal.event(Event::StepProgress { id: 1, detail: "etcd\nis not ok".into() });
        insta::with_settings!({ filters => vec![(r"\(0\.\d\ds\)", "(TIME)")] }, {
            insta::assert_snapshot!(still(&screen), @" * waiting for the… (TIME)");
        });
    }

    #[test]
    fn other_output_is_not_torn() {
        let (screen, terminal) = drawn(60, || 60);
        terminal.event(started(1, "starting 3 nodes"));
        let other = screen.clone();
        terminal.suspend(&mut || {
            indicatif::TermLike::write_line(&other, "from elsewhere").expect("memory takes every line");
        });
        insta::with_settings!({ filters => vec![(r"\(0\.\d\ds\)", "(TIME)")] }, {
            insta::assert_snapshot!(still(&screen), @r"
            from elsewhere
             * starting 3 nodes (TIME)
            ");
        });
    }

    #[test]
    fn words_fit_any_room() {
        let second = Duration::from_millis(1230);
        assert_eq!(fit("starting", second, 40), "starting (1.23s)");
        assert_eq!(fit("starting three nodes", second, 16), "startin… (1.23s)");
        for room in 0..40 {
            assert!(fit("starting three nodes: 2 of 3", second, room).chars().count() <= room);
        }
    }
}
