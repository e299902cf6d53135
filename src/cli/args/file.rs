//! The commands about the configuration file.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::{SourceArguments, domain, duration, format};
use crate::dns::Name;
use crate::edit;
use crate::import::Format;

/// Let a domain answer with inside addresses
///
/// Writes an exception into the configuration file that the running daemon reads, and keeps its comments and its order. The
/// file is changed only if `stubborn check` would accept it, and in one step; then the daemon reads it. If there is an
/// exception for the domain already, it is widened or gets the new networks, or the new one is written beside it; if the
/// domain may have these addresses already, nothing is changed. Without a running daemon, the default file is changed.
///
/// With --last, the exception is the narrowest one for what the daemon blocked last, or the preset of the service that the
/// name belongs to; it is shown, and you are asked before it is written. For loopback, link-local and metadata addresses and
/// those of this machine, --last writes nothing: it prints the command to type.
///
/// The domain is what the answer is for, so whoever controls that name may from then on point it at these networks. Allow the
/// names of your own machines, each for its own address. A preset is for a known service whose names answer with inside
/// addresses, and has its own conditions: docs/presets.md lists them. With a preset, the domain is your own name below the
/// preset's domains.
#[derive(Debug, Args)]
#[command(
    override_usage = "stubborn allow [OPTIONS] DOMAIN
       stubborn allow [OPTIONS] --preset NAME [DOMAIN]
       stubborn allow [OPTIONS] --last [--yes]",
    after_help = "Examples:
  stubborn allow nas.example.org --exact --to 192.168.1.20
  stubborn allow corp.example --to 10.0.0.0/8 --reason \"inside names in the public zone\"
  stubborn allow demo.example.org --to 127.0.0.1 --client 127.0.0.1 --for 2h
  stubborn allow --preset plex
  stubborn allow nas.example.org --dry-run

Exit codes: 0 written, or there was nothing to do; 1 refused, as `stubborn check` would, or --last wrote nothing, or the \
daemon does not use it; 2 the file cannot be written here. What to write by hand is printed then."
)]
pub(crate) struct Allow {
    /// The domain: this name and, without --exact, every name below it
    #[arg(value_name = "DOMAIN", required_unless_present_any = ["last", "preset"])]
    pub(crate) domain: Option<String>,
    /// The preset of a known service, instead of a domain or together with one
    #[arg(long, value_name = "NAME", conflicts_with = "exact")]
    pub(crate) preset: Option<String>,
    /// Only the name itself, nothing below it
    #[arg(long)]
    pub(crate) exact: bool,
    /// A network or an address it may answer with; may be given several times [default: RFC 1918 and unique-local]
    #[arg(long, value_name = "NET")]
    pub(crate) to: Vec<String>,
    /// What the running daemon blocked last: that name, those addresses; shows it, and asks
    #[arg(long, conflicts_with_all = ["domain", "preset", "exact", "to"])]
    pub(crate) last: bool,
    /// With --last: do not ask
    #[arg(long, requires = "last", conflicts_with_all = ["domain", "preset"])]
    pub(crate) yes: bool,
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
/// Takes every exception for exactly this domain out of the configuration file that the running daemon reads, or out of the
/// files it includes; a comment right above one goes with it. Says who else lets the domain through, and how that is ended.
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
/// Reads the rebinding settings, exceptions, forwards for domains and local names of another program's configuration, and prints
/// a stubborn.toml that says the same and that `stubborn check` accepts. What could not be carried over is listed at its end, as
/// comments with the line and the reason: read these before you use the file.
///
/// stubborn asks its servers in plain DNS only. A server that was asked over an encrypted connection is not carried over and never
/// becomes a plain one: that costs privacy. A server that cannot be carried over for another reason is a lost server. The first
/// line of standard error and of the file says which was lost, and the exit code is 1 unless --accept-losses is given. The
/// configuration is printed or written all the same, so that you can mend it. Where no server is left for all names, it asks those
/// of /etc/resolv.conf; where none is left for a domain, nobody is asked for that domain.
///
/// A file of another format is refused, with the format that it looks like; so is a file without any setting.
///
/// Trust is never added: the names of a [[route]] may have inside addresses only if the other program let them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stubborn import dnsmasq /etc/dnsmasq.conf /etc/dnsmasq.d/*.conf
  stubborn import unbound /etc/unbound/unbound.conf --output stubborn.toml
  stubborn import uci /etc/config/dhcp
  stubborn import adguardhome /opt/AdGuardHome/AdGuardHome.yaml
  stubborn import pihole /etc/pihole/pihole.toml
  stubborn import blocky /etc/blocky/config.yml
  stubborn import dnscrypt-proxy /etc/dnscrypt-proxy/dnscrypt-proxy.toml
  stubborn import smartdns /etc/smartdns/smartdns.conf

Exit codes: 0 printed or written; 1 the same, but privacy or a server was lost; 2 a file cannot be read or written, or is not of \
that format.")]
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
    /// Exit with 0 even if privacy or a server was lost
    #[arg(long)]
    pub(crate) accept_losses: bool,
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

#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The configuration file [default: the one that the running daemon reads, else /etc/stubborn/stubborn.toml]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The daemon's control socket [default: that of the configuration file, else /run/stubborn/control.sock]
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// Show what would be written, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
