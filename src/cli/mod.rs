//! The commands. What they print is for people on a terminal; `--json` is for programs.

mod args;
mod audit;
mod blocked;
mod change;
mod check;
mod config;
mod doctor;
mod explain;
mod home;
mod import;
mod last;
mod man;
mod operate;
mod setup;
mod setup_domains;
mod show;
mod status;
mod target;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use serde::Serialize;

use args::{Arguments, Cache, CacheCommand, Command};
use show::{visible_json, visible_lines};

/// Fine.
pub(crate) const FINE: u8 = 0;
/// The answer is no: errors in the file, something got through.
pub(crate) const NO: u8 = 1;
/// Usage or environment.
pub(crate) const TROUBLE: u8 = 2;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return ExitCode::from(usage(&error)),
    };
    let code = match arguments.command {
        Command::Run(arguments) => run(arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Audit(arguments) => audit::audit(&arguments),
        Command::Status(arguments) => status::status(&arguments),
        Command::Blocked(arguments) => blocked::blocked(&arguments),
        Command::Cache(Cache { command: CacheCommand::Flush(arguments) }) => operate::flush(&arguments),
        Command::LogLevel(arguments) => operate::log_level(&arguments),
        Command::Reload(arguments) => operate::reload(&arguments),
        Command::Allow(arguments) => change::allow(&arguments),
        Command::Disallow(arguments) => change::disallow(&arguments),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Setup(arguments) => setup::setup(&arguments),
        Command::Restore(arguments) => setup::restore(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::Config(command) => config::config(command),
        Command::Completions(arguments) => man::completions(&arguments),
        Command::Man(arguments) => man::man(&arguments),
    };
    ExitCode::from(code)
}

/// Prints what is wrong with the arguments. They may be pasted, so they are escaped. Help was asked for, and is coloured.
fn usage(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => error.exit(),
        _ => complain(error.render().to_string().trim_end()),
    }
    TROUBLE
}

fn run(arguments: args::Run) -> u8 {
    let (source, options) = arguments.parts();
    match crate::daemon::run(source, &options) {
        Ok(()) => FINE,
        Err(error) => {
            let code = match &error {
                crate::daemon::RunError::Build(crate::daemon::BuildError::Config(_)) => NO,
                _ => TROUBLE,
            };
            complain(&error.to_string());
            code
        }
    }
}

/// Writes lines to standard output. A reader that has gone away is not an error. Nothing in the lines can control the
/// terminal.
pub(crate) fn say(text: &str) {
    say_as_is(&visible_lines(text));
}

/// Writes text in which everything from outside is already escaped: coloured text, and files.
pub(crate) fn say_as_is(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes JSON to standard output.
pub(crate) fn say_json(value: &impl Serialize) {
    say_as_is(&visible_json(&serde_json::to_string(value).unwrap_or_default()));
}

/// Writes JSON on several lines.
pub(crate) fn say_pretty_json(value: &impl Serialize) {
    say_as_is(&visible_json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Writes to standard error that something is going on.
pub(crate) fn progress(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", visible_lines(text));
}

/// Writes an error to standard error.
pub(crate) fn complain(text: &str) {
    let prefix = if text.starts_with("error") || text.starts_with("warning") { "" } else { "error: " };
    progress(&format!("{prefix}{text}"));
}
