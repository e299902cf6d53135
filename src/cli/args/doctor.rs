//! The arguments of `stubborn doctor`.

use std::path::PathBuf;

use clap::Args;

use super::DaemonArguments;

/// Find out if this machine is really protected
///
/// Looks for what leads past stubborn: other servers in resolv.conf and of single interfaces, DNS over HTTPS in the profiles and
/// policies of browsers, announced IPv6 resolvers, containers; asks who answers on port 53; and asks the servers that programs
/// and stubborn ask for a few public names that are known to lead inside. These are never among `stubborn blocked`. It changes nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  sudo stubborn doctor
  stubborn doctor --offline
  stubborn doctor --json

Without root it cannot look into the profiles of others, nor tell whose a port is.

Exit codes: 0 protection was seen to work: stubborn was asked, stopped what leads inside, and let a public name through; \
1 something is open, broken, or not known, as with --offline.")]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) daemon: DaemonArguments,
    /// The configuration file [default: /etc/stubborn/stubborn.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Ask nobody but this machine
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
