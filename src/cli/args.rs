//! The arguments, as one definition that help texts are made of.

mod daemon;
mod doctor;
mod file;
mod machine;
mod name;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Wrong, control_socket, listen_address, log_level, upstream_server};
use crate::daemon::{Options, Source};
use crate::dns::{Name, RecordType};
use crate::import::Format;
use crate::telemetry::Level;
use crate::upstream::Server;

pub(crate) use daemon::{Blocked, Cache, CacheCommand, DaemonArguments, Flush, LogLevel, Reload, Status};
pub(crate) use doctor::Doctor;
pub(crate) use file::{Allow, ConfigCommand, Disallow, EditArguments, Import, Show};
pub(crate) use machine::{Restore, Setup};
use name::name;

/// A forwarding DNS resolver that refuses to be rebound
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about = "A forwarding DNS resolver that refuses to be rebound: it removes from the answers of public names \
                  every address that leads inside, so that no web page can reach what listens on this machine or in \
                  this network by pointing its own name there.",
    after_help = "Exit codes: 0 fine; 1 the answer is no (errors in the file, something got through); 2 usage or environment, \
                  or standard output cannot be written. A reader that ends early, such as `head`, changes nothing. docs/json.md \
                  describes the output of --json."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Check(Check),
    Explain(Explain),
    Audit(Audit),
    Status(Status),
    Blocked(Blocked),
    Cache(Cache),
    LogLevel(LogLevel),
    Reload(Reload),
    Allow(Allow),
    Disallow(Disallow),
    Doctor(Doctor),
    Setup(Setup),
    Restore(Restore),
    Import(Import),
    /// Print the shipped configuration file, or what is in effect
    #[command(subcommand)]
    Config(ConfigCommand),
    Completions(Completions),
    Man(ManPage),
}

/// Run the daemon in the foreground
///
/// Without --config it reads /etc/stubborn/stubborn.toml where that exists; without any file it listens on port 53 of the
/// loopback addresses and asks the servers of resolv.conf.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  stubborn run --listen 127.0.0.1:5335\n  stubborn run --config my.toml --upstream 9.9.9.9\n  stubborn run --user nobody --pid-file /run/stubborn.pid"
)]
pub(crate) struct Run {
    #[command(flatten)]
    source: SourceArguments,
    /// Write the bound addresses to this file once the daemon answers, one `udp ADDRESS:PORT` or `tcp ADDRESS:PORT` a line
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Write the number of the process to this file once the ports are bound, and remove it at the end. The file of a stubborn
    /// that still runs is refused, one that a dead stubborn left is replaced
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Become this user once the ports are bound, for good: files that a reload or the ready file needs have to be this user's
    #[arg(long, value_name = "NAME[:GROUP]")]
    user: Option<String>,
}

/// Check the configuration, by the same code as start and reload
///
/// Prints every error with its file, line and column, and what would be right.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn check
  stubborn check --config my.toml --json

Exit codes: 0 fine; 1 there are errors.")]
pub(crate) struct Check {
    /// The configuration file [default: /etc/stubborn/stubborn.toml where it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show each step of the decision on a name
///
/// With --answer, as if an upstream had answered with these addresses: nothing is asked. Without, the upstream is asked; if it
/// fails, each of its servers is asked by itself.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  stubborn explain example.com
  stubborn explain https://example.com:8443/login
  stubborn explain nas.example.com A --answer 192.168.1.20

Exit codes: 0 explained, whatever was found; 1 the configuration has errors; 2 it cannot be explained here.")]
pub(crate) struct Explain {
    /// The name; of a URL, the name in it
    #[arg(value_parser = name)]
    pub(crate) name: Name,
    /// The record type [default: A, or AAAA where the answers are IPv6 addresses]
    #[arg(value_name = "TYPE", value_parser = record_type)]
    pub(crate) rtype: Option<RecordType>,
    /// An address the upstream shall have answered with; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) answer: Vec<IpAddr>,
    /// The client that asks
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(crate) client: IpAddr,
    /// The configuration file [default: /etc/stubborn/stubborn.toml where it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Ask this server instead of the configured ones; may be given several times
    #[arg(long, value_name = "SERVER", value_parser = server)]
    pub(crate) upstream: Vec<Server>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Play the catalogue of rebinding attacks at the configured guard
///
/// Starts an attacker in an upstream's place and the guard before it, both inside this process, and asks over UDP and TCP,
/// each question twice, so that the first answer and the cached one are seen. No network is needed and nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn audit
  stubborn audit --config my.toml --json

Exit codes: 0 nothing got through; 1 something did; 2 the audit could not be played.")]
pub(crate) struct Audit {
    /// The configuration file [default: /etc/stubborn/stubborn.toml where it exists]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn completions bash | sudo tee /usr/share/bash-completion/completions/stubborn
  stubborn completions zsh > ~/.zfunc/_stubborn
  stubborn completions fish > ~/.config/fish/completions/stubborn.fish")]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Print a man page
///
/// Without arguments that of the program; with a command that of the command; `stubborn.toml` is the page of the
/// configuration file. They are made of the same definitions as the help texts and the shipped file.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn man allow | man -l -
  stubborn man stubborn.toml | man -l -
  stubborn man --directory man

Exit codes: 0 printed or written; 1 the page does not exist; 2 it cannot be written.")]
pub(crate) struct ManPage {
    /// A command, or `stubborn.toml`
    #[arg(value_name = "COMMAND")]
    pub(crate) page: Vec<String>,
    /// Write all pages to files in this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "page")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SourceArguments {
    /// The configuration file [default: /etc/stubborn/stubborn.toml where it exists]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here instead of where the file says; may be given several times
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
    listen: Vec<SocketAddr>,
    /// Ask this server instead of those of the file; may be given several times
    #[arg(long, value_name = "SERVER", value_parser = server)]
    upstream: Vec<Server>,
    /// Have the control socket here instead of where the file says; "off" for none
    #[arg(long, value_name = "PATH", value_parser = socket)]
    socket: Option<Socket>,
}

impl Run {
    pub(crate) fn parts(self) -> (Source, Options) {
        let Self { source, ready_file, pid_file, user } = self;
        (source.into(), Options { ready_file, pid_file, user })
    }
}

/// `None` is "off".
type Socket = Option<PathBuf>;

impl From<SourceArguments> for Source {
    fn from(arguments: SourceArguments) -> Self {
        let SourceArguments { config, listen, upstream, socket } = arguments;
        Self { config, listen, upstream, socket, ..Self::default() }
    }
}

/// The formats by their names, which completions and help texts list.
fn format() -> impl clap::builder::TypedValueParser<Value = Format> {
    use clap::builder::{PossibleValuesParser, TypedValueParser};
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| {
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or("no format that is known")
    })
}

fn domain(text: &str) -> Result<Name, String> {
    config::domain_name(text).map_err(|wrong| told(&wrong))
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text).map_err(|wrong| told(&wrong))
}

fn record_type(text: &str) -> Result<RecordType, String> {
    RecordType::from_text(text)
        .ok_or_else(|| "not a record type; try A, AAAA, HTTPS, TXT or TYPE65".to_owned())
}

fn address(text: &str) -> Result<SocketAddr, String> {
    listen_address(text).map_err(|wrong| told(&wrong))
}

fn server(text: &str) -> Result<Server, String> {
    upstream_server(text).map_err(|wrong| told(&wrong))
}

fn socket(text: &str) -> Result<Socket, String> {
    control_socket(text).map_err(|wrong| told(&wrong))
}

fn level(text: &str) -> Result<Level, String> {
    log_level(text).map_err(|wrong| told(&wrong))
}

fn told(wrong: &Wrong) -> String {
    match &wrong.help {
        Some(help) => format!("{}; {help}", wrong.message),
        None => wrong.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The help is wrapped where it is shown, so a line break within a paragraph leaves a short line behind.
    #[test]
    fn the_exit_codes_are_one_paragraph_in_each_help() {
        let mut commands = vec![Arguments::command()];
        while let Some(command) = commands.pop() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let codes = help.split_once("Exit codes:").map(|(_, codes)| codes.to_owned()).unwrap_or_default();
            assert!(!codes.contains('\n'), "{}: {codes}", command.get_name());
            commands.extend(command.get_subcommands().cloned());
        }
    }

    /// The commands with `--json`, by their words.
    fn with_json(command: &clap::Command, words: &str, found: &mut Vec<String>) {
        let words = format!("{words} {}", command.get_name());
        if command.get_arguments().any(|argument| argument.get_long() == Some("json")) {
            found.push(words.trim().to_owned());
        }
        command.get_subcommands().for_each(|command| with_json(command, &words, found));
    }

    #[test]
    fn each_command_with_json_is_on_the_page_of_its_output() {
        let mut found = Vec::new();
        with_json(&Arguments::command(), "", &mut found);
        let page = include_str!("../../docs/json.md");
        let titles = page.lines().filter_map(|line| line.strip_prefix("## `"));
        let mut titles: Vec<&str> = titles.map(|title| title.trim_end_matches('`')).collect();
        found.sort();
        titles.sort_unstable();
        assert_eq!(found, titles);
    }
}
