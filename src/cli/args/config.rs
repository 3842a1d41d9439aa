//! What a person may type behind `knarr config`.

use clap::Subcommand;

/// Verbs of `config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Print the JSON Schema of config files
    Schema,
    /// Print a commented config file
    Init,
}
