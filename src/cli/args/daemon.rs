//! The commands that speak with the running daemon.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{duration, level, name};
use crate::dns::Name;
use crate::telemetry::Level;

/// Show the state of the running daemon
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
/// The last 1024 blocks, the newest at the end. The same block within a minute is shown once, with how often it was. With
/// --follow, it is shown again when it repeats, with the new count, at most once a second.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn blocked --since 1h
  stubborn blocked --follow
  stubborn blocked --follow --since 10m

Exit codes: 0 shown, or nobody reads the output any more; 2 no daemon answers, or it stops while it is followed.")]
pub(crate) struct Blocked {
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// Show each block as it happens, from now on or, with --since, from then on
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
