//! The commands about the machine that stubborn runs on.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::{address, name};
use crate::dns::Name;

/// Point this machine at stubborn
///
/// Finds out who decides here which server is asked (resolv.conf, systemd-resolved, NetworkManager, resolvconf, openresolv,
/// dhclient) and tells each; where dnsmasq or Pi-hole has port 53, stubborn becomes its upstream. Nothing is switched before
/// stubborn has answered and has a server for the next start of the machine. Every original is kept, and all is put back at
/// once if questions do not reach stubborn afterwards, or at Ctrl-C. Whatever interrupts it, the next `setup` or `restore` puts
/// things right.
///
/// If this network has a public search domain, such as corp.example.com, a [[route]] to the network's servers is proposed for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn setup --dry-run
  sudo stubborn setup
  sudo stubborn setup --listen 127.0.0.2:53

Exit codes: 0 set up, or it was already; 1 the configuration has errors; 2 not set up: the message says what was changed, if \
anything was.")]
pub(crate) struct Setup {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Where stubborn is to listen; is written into its configuration if it does not [default: where it does, else 127.0.0.1:53,
    /// or 127.0.0.1:5335 beside dnsmasq or Pi-hole]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// The name that is asked for to see that there are answers
    #[arg(long, value_name = "NAME", value_parser = name, default_value = "example.com")]
    pub(crate) name: Name,
    /// The configuration file [default: /etc/stubborn/stubborn.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Write the routes that are proposed for public search domains of this network, without asking
    #[arg(long)]
    pub(crate) yes: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Put back what `setup` changed
///
/// Every file gets its content, mode and owner again, every link its target, and what was not there goes. What somebody else
/// has changed since is left as it is, and said. A program that fails, such as the restart of a service, is run again by the
/// next `restore`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn restore --dry-run
  sudo stubborn restore

Exit codes: 0 everything is as it was, or there was nothing to do; 1 something was left, since somebody else has changed it, or a program failed; \
2 it cannot be put back.")]
pub(crate) struct Restore {
    /// Show what would be put back, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Put back also what somebody else has changed since, as it was before the first setup, and give up on programs that fail
    #[arg(long)]
    pub(crate) force: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
