//! Completion scripts and man pages, made from the definitions in `cli/args`.

use std::path::Path;

use clap::CommandFactory;

use super::Session;
use crate::cli::args::Cli;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::fs;

/// Runs `knarr completion`.
pub fn completion(session: &Session<impl Engine>, shell: clap_complete::Shell) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "knarr", &mut script);
    session.print_bytes(&script)
}

/// Runs `knarr man`: one page for the program and one for every command.
pub fn man(session: &Session<impl Engine>, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder, 0o755, None)?;
    let mut command = Cli::command();
    command.build();
    write_pages(&command, "knarr", folder)?;
    session.note(format!("wrote the man pages to `{}`", folder.display()));
    Ok(())
}

fn write_pages(command: &clap::Command, name: &str, folder: &Path) -> Result<()> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .title(name)
        .render(&mut page)
        .map_err(|e| Error::failed(format!("cannot render the man page `{name}.1`")).source(&e))?;
    fs::write(&folder.join(format!("{name}.1")), &page, 0o644)?;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set() && s.get_name() != "help") {
        write_pages(sub, &format!("{name}-{}", sub.get_name()), folder)?;
    }
    Ok(())
}
