//! The arguments, as one definition that help texts are made of.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Wrong, control_socket, listen_address, log_level, upstream_server};
use crate::daemon::{Options, Source};
use crate::dns::{Name, RecordType};
use crate::edit;
use crate::import::Format;
use crate::telemetry::Level;
use crate::upstream::Server;

/// A forwarding DNS resolver that refuses to be rebound
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    long_about = "A forwarding DNS resolver that refuses to be rebound: it removes from the answers of public names \
                  every address that leads inside, so that no web page can reach what listens on this machine or in \
                  this network by pointing its own name there.",
    after_help = "Exit codes: 0 fine; 1 the answer is no (errors in the file, something got through); 2 usage or environment."
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
    /// Write the number of the process to this file once the ports are bound, and remove it at the end; a stale one is replaced
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
/// With --answer, as if an upstream had answered with these addresses: nothing is asked. Without, the upstream is asked.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  stubborn explain example.com\n  stubborn explain nas.example.com A --answer 192.168.1.20"
)]
pub(crate) struct Explain {
    /// The name
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

/// Show how the running daemon is
///
/// What it serves, whom it asks and how they answer, what it blocked, and what is wrong with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  stubborn status\n  stubborn status --json\n\nExit codes: 0 all is well; 1 something is wrong, such as a configuration that was refused or \
                        upstreams that do not answer; 2 no daemon answers. So it serves as a health check."
)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Show what the running daemon blocked
///
/// The last 1024 blocks, the newest at the end. The same block within a minute is shown once, with how often it was.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  stubborn blocked --since 1h\n  stubborn blocked --follow")]
pub(crate) struct Blocked {
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Go on showing each block as it happens
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only those of so long ago until now, such as 10m, 1h or 1d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    /// Also the names that the upstream blocks by answering 0.0.0.0
    #[arg(long)]
    pub(crate) all: bool,
    /// Print JSON, an object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the running daemon keeps of answers
#[derive(Debug, Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    Flush(Flush),
}

/// Forget answers, so that they are asked for anew
///
/// All of them; or those of one name and of every name below it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  stubborn cache flush\n  stubborn cache flush example.com")]
pub(crate) struct Flush {
    /// The name
    #[arg(value_parser = name)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Let a domain answer with inside addresses
///
/// Writes an exception into the configuration file, and keeps its comments and its order. The file is changed only if it
/// is fine then, by the code of `stubborn check`, and in one step; a running daemon takes it by itself. Where an exception
/// for the domain is there already, it is widened or gets the new networks, or the new one is written beside it; where the
/// domain may already, nothing is changed.
///
/// The domain is what the answer is for, so whoever controls that name may from then on point it at these networks. Allow the
/// names of your own machines, each for its own address.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn allow nas.example.org --exact --to 192.168.1.20
  stubborn allow corp.example --to 10.0.0.0/8 --reason \"inside names in the public zone\"
  stubborn allow demo.example.org --to 127.0.0.1 --client 127.0.0.1 --for 2h
  stubborn allow nas.example.org --dry-run

Exit codes: 0 written, or there was nothing to do; 1 refused, as `stubborn check` would; 2 the file cannot be written here.
What to write by hand is printed then.")]
pub(crate) struct Allow {
    /// The domain: this name and, without --exact, every name below it
    #[arg(value_name = "DOMAIN", required_unless_present = "last")]
    pub(crate) domain: Option<String>,
    /// Only the name itself, nothing below it
    #[arg(long)]
    pub(crate) exact: bool,
    /// A network or an address it may answer with; may be given several times [default: RFC 1918 and unique-local]
    #[arg(long, value_name = "NET")]
    pub(crate) to: Vec<String>,
    /// What the running daemon blocked last: that name, those addresses; shows it, and asks
    #[arg(long, conflicts_with_all = ["domain", "exact", "to"])]
    pub(crate) last: bool,
    /// With --last: do not ask
    #[arg(long, conflicts_with = "domain")]
    pub(crate) yes: bool,
    /// With --last: the daemon's control socket [default: that of /etc/stubborn/stubborn.toml, else
    /// /run/stubborn/control.sock]
    #[arg(long, value_name = "PATH", conflicts_with = "domain")]
    pub(crate) socket: Option<PathBuf>,
    /// A network or an address of clients it holds for; may be given several times [default: all clients]
    #[arg(long, value_name = "NET")]
    pub(crate) client: Vec<String>,
    /// How long it holds, such as 1h or 2d [default: for good]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration, conflicts_with = "until")]
    pub(crate) span: Option<Duration>,
    /// When it ends, such as 2037-01-31T00:00:00Z
    #[arg(long, value_name = "MOMENT", value_parser = edit::moment)]
    pub(crate) until: Option<String>,
    /// Why it is there; shown wherever it decides something
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) file: EditArguments,
}

/// End the exceptions for a domain
///
/// Takes every exception for exactly this domain out of the configuration file, or out of the files it includes; a comment
/// right above one goes with it. Says who else lets the domain through, and how that is ended.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn disallow nas.example.org
  stubborn disallow nas.example.org --dry-run

Exit codes: 0 taken out; 1 there is none for this domain; 2 the file cannot be written here.")]
pub(crate) struct Disallow {
    /// The domain as it stands in the exception
    #[arg(value_name = "DOMAIN", value_parser = domain)]
    pub(crate) domain: Name,
    #[command(flatten)]
    pub(crate) file: EditArguments,
}

/// Make a configuration of another program's
///
/// Reads the rebinding settings, exceptions, forwards for domains and local names of a configuration of dnsmasq, Unbound,
/// OpenWrt or AdGuard Home, and prints a stubborn.toml that says the same and that `stubborn check` accepts. What could not be
/// carried over stands at its end as comments, each with its line and the reason: read these before you use it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn import dnsmasq /etc/dnsmasq.conf /etc/dnsmasq.d/*.conf
  stubborn import unbound /etc/unbound/unbound.conf --output stubborn.toml
  stubborn import uci /etc/config/dhcp
  stubborn import adguardhome /opt/AdGuardHome/AdGuardHome.yaml

Exit codes: 0 printed or written; 1 a file is not of that format; 2 a file cannot be read or written.")]
pub(crate) struct Import {
    /// Whose configuration it is; `uci` is OpenWrt's /etc/config/dhcp
    #[arg(value_name = "FORMAT", value_parser = format())]
    pub(crate) format: Format,
    /// The file, or several that are read as one; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Write to this file, which must not be there yet, instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON: the configuration as text, and what was not carried over
    #[arg(long, conflicts_with = "output")]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the shipped configuration file: every key at its default, with what it is for
    #[command(after_help = "Examples:
  stubborn config template | sudo tee /etc/stubborn/stubborn.toml")]
    Template,
    Show(Show),
}

/// Print the configuration in effect, each value with its origin
///
/// What is printed is a configuration itself and says the same as the files do, with nothing left to the defaults. Behind
/// each value stands who set it: the default, a file and its line, or the command line. Presets are shown as the exceptions
/// that they stand for.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn config show
  stubborn config show --config my.toml --json

Exit codes: 0 shown; 1 the configuration has errors, which are shown in its place.")]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) source: SourceArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Change how much the running daemon logs
///
/// Until the next start, or until the level in the file changes.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  stubborn log-level debug")]
pub(crate) struct LogLevel {
    /// error, warn, info, debug or trace; names that are asked are written from debug on
    #[arg(value_parser = level)]
    pub(crate) level: Level,
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Print the completions of a shell
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

Exit codes: 0 printed or written; 1 there is no such page; 2 it cannot be written.")]
pub(crate) struct ManPage {
    /// A command, or `stubborn.toml`
    #[arg(value_name = "COMMAND")]
    pub(crate) page: Vec<String>,
    /// Write all pages to files in this directory
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "page")]
    pub(crate) directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The configuration file [default: /etc/stubborn/stubborn.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Have the running daemon read its configuration now
///
/// It does so by itself when the file changes; this waits for the outcome and shows it. A configuration with errors changes
/// nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  stubborn reload\n\nExit codes: 0 it is in use; 1 it has errors, and the one before stays; 2 no daemon answers."
)]
pub(crate) struct Reload {
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which daemon is meant.
#[derive(Debug, Args)]
pub(crate) struct DaemonArguments {
    /// The daemon's control socket [default: that of /etc/stubborn/stubborn.toml, else /run/stubborn/control.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
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

fn name(text: &str) -> Result<Name, String> {
    Name::from_text(text).map_err(|error| error.to_string())
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
