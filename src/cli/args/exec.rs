//! What a person may type behind `knarr exec`.

use clap::Args;

/// Flags of `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// The node's name
    pub node: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}
