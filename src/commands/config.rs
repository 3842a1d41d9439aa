//! Prints what helps in writing a config file.

use super::Session;
use crate::cli::args::Config;
use crate::config;
use crate::engine::Engine;
use crate::error::{Error, ErrorKind, Result};
use crate::yaml;

/// Runs `knarr config …`.
pub fn run(session: &Session<impl Engine>, what: &Config) -> Result<()> {
    match what {
        Config::Schema => session.print_json(&config::schema()),
        Config::Init if session.json() => {
            let broken = |e| Error::new(ErrorKind::Bug, "the example of a config does not parse").cause(e);
            session.print_json(&yaml::parse_value(config::init()).map_err(broken)?)
        }
        Config::Init => session.print(config::init()),
    }
}
