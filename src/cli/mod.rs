//! The commands. What they print is for people on a terminal; `--json` is for programs (docs/json.md).

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
mod output;
mod setup;
mod setup_domains;
mod show;
mod status;
mod target;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use serde_json::Map;

use args::{Arguments, Cache, CacheCommand, Command};
use output::{complain, complain_with, progress, say, say_as_is, say_json, say_pretty_json};
use show::Paint;

/// Fine.
pub(crate) const FINE: u8 = 0;
/// The answer is no: errors in the file, something got through.
pub(crate) const NO: u8 = 1;
/// Usage or environment.
pub(crate) const TROUBLE: u8 = 2;

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    crate::daemon::survive_full_files();
    let words: Vec<OsString> = std::env::args_os().collect();
    output::begin(words.iter().take_while(|word| *word != "--").any(|word| word == "--json"));
    let code = match Arguments::try_parse_from(&words) {
        Ok(arguments) => carry_out(arguments.command),
        Err(error) => usage(&error),
    };
    ExitCode::from(output::finish(code))
}

fn carry_out(command: Command) -> u8 {
    match command {
        Command::Run(arguments) => run(arguments),
        Command::Check(arguments) => {
            target::warn_of_another(arguments.config.as_deref());
            check::check(&arguments)
        }
        Command::Explain(arguments) => {
            target::warn_of_another(arguments.config.as_deref());
            explain::explain(&arguments)
        }
        Command::Audit(arguments) => {
            target::warn_of_another(arguments.config.as_deref());
            audit::audit(&arguments)
        }
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
    }
}

/// Prints the help that was asked for, or what is wrong with the arguments. They may be pasted, so errors are escaped.
fn usage(error: &clap::Error) -> u8 {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let text = if Paint::stdout().is_on() { text.ansi().to_string() } else { text.to_string() };
            say_as_is(text.trim_end());
            FINE
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            progress(text.to_string().trim_end());
            TROUBLE
        }
        _ => {
            complain_of_usage(text.to_string().trim_end());
            TROUBLE
        }
    }
}

/// The text has paragraphs: what is wrong, tips, and the usage, which is for people.
fn complain_of_usage(text: &str) {
    let paragraphs = || text.split("\n\n").flat_map(str::lines).map(str::trim);
    let hints: Vec<&str> = paragraphs().filter_map(|line| line.strip_prefix("tip: ")).collect();
    let details = Map::from_iter([("hints".to_owned(), hints.into())]);
    let wrong = text.split("\n\n").next().unwrap_or_default();
    match output::is_json() {
        true => complain_with(wrong.trim_start_matches("error: "), details),
        false => complain(text),
    }
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
