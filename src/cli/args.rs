//! The arguments, as one definition that help texts are made of.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Wrong, control_socket, listen_address, log_level, upstream_server};
use crate::daemon::Source;
use crate::dns::{Name, RecordType};
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
}

/// Run the daemon in the foreground
///
/// Without --config it reads /etc/stubborn/stubborn.toml where that exists; without any file it listens on port 53 of the
/// loopback addresses and asks the servers of resolv.conf.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  stubborn run --listen 127.0.0.1:5335\n  stubborn run --config my.toml --upstream 9.9.9.9"
)]
pub(crate) struct Run {
    #[command(flatten)]
    source: SourceArguments,
    /// Write the bound addresses to this file once the daemon answers, one `udp ADDRESS:PORT` or `tcp ADDRESS:PORT` a line
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
}

/// Check the configuration, by the same code as start and reload
///
/// Prints every error with its file, line and column, and what would be right.
#[derive(Debug, Args)]
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
#[command(
    after_help = "Exit codes: 0 nothing got through; 1 something did; 2 the audit could not be played."
)]
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
    after_help = "Exit codes: 0 all is well; 1 something is wrong, such as a configuration that was refused or \
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

/// Change how much the running daemon logs
///
/// Until the next start, or until the level in the file changes.
#[derive(Debug, Args)]
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

/// Have the running daemon read its configuration now
///
/// It does so by itself when the file changes; this waits for the outcome and shows it. A configuration with errors changes
/// nothing.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 it is in use; 1 it has errors, and the one before stays; 2 no daemon answers."
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

/// `None` is "off".
type Socket = Option<PathBuf>;

impl From<Run> for Source {
    fn from(arguments: Run) -> Self {
        let SourceArguments { config, listen, upstream, socket } = arguments.source;
        Self { config, listen, upstream, socket }
    }
}

fn name(text: &str) -> Result<Name, String> {
    Name::from_text(text).map_err(|error| error.to_string())
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

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text).map_err(|wrong| told(&wrong))
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
