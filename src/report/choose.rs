//! Which reporter a run gets, from what was asked for and where stderr leads.

use std::io::Write;
use std::sync::Arc;
use std::time::SystemTime;

use super::Reporter;
use super::plain::{Format, Plain};
use super::terminal::Terminal;

/// What decides about the reporter; gathered once from arguments, environment and streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-q`: warnings only.
    pub quiet: bool,
    /// `-v`: details too, with timestamps.
    pub verbose: bool,
    /// `-o json`: every event is a JSON line.
    pub json: bool,
    /// Whether stderr leads to a terminal.
    pub stderr_is_terminal: bool,
    /// Whether the terminal cannot move its cursor (`TERM=dumb` or unset).
    pub dumb: bool,
    /// Whether this is a CI job, whose log may call itself a terminal and is read as a file.
    pub ci: bool,
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
}

impl Options {
    /// Whether lines may move: a person watches, on a terminal that can.
    fn draws(self) -> bool {
        self.stderr_is_terminal && !self.dumb && !self.ci && !self.quiet && !self.json
    }

    /// Whether colour helps and is wanted.
    pub fn colors(self) -> bool {
        self.stderr_is_terminal && !self.dumb && !self.no_color && !self.json
    }
}

/// The reporter for these options. `stderr` takes plain and JSON lines; moving lines go to the terminal itself.
pub fn choose(options: Options, stderr: Box<dyn Write + Send>) -> Arc<dyn Reporter> {
    if options.draws() {
        return Arc::new(Terminal::stderr(options.colors(), options.verbose));
    }
    let format = if options.json { Format::Json } else { Format::Text { colors: options.colors() } };
    Arc::new(Plain::new(stderr, format, SystemTime::now).quiet(options.quiet).verbose(options.verbose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_move_only_before_a_person() {
        let person = Options { stderr_is_terminal: true, ..Options::default() };
        assert!(person.draws() && person.colors());
        assert!(Options { no_color: true, ..person }.draws());
        assert!(!Options { no_color: true, ..person }.colors());
        for still in [
            Options::default(),
            Options { dumb: true, ..person },
            Options { ci: true, ..person },
            Options { quiet: true, ..person },
            Options { json: true, ..person },
        ] {
            assert!(!still.draws(), "{still:?}");
        }
    }
}
