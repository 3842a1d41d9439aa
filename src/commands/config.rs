//! Prints what helps in writing a config file.

use super::Session;
use crate::cli::args::Config;
use crate::config;
use crate::engine::Engine;
use crate::error::Result;

/// Runs `knarr config …`.
pub fn run(session: &Session<impl Engine>, what: &Config) -> Result<()> {
    match what {
        Config::Schema => session.print_json(&config::schema()),
        Config::Init => session.print(config::init()),
    }
}
