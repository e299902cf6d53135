//! The configuration: read, checked, every error at once.
//!
//! ```text
//! load      the file, what it includes          -> Loaded | ConfigErrors
//! parts     a long file's pieces                 memory: what they said the last time
//! syntax                                        what is wrong with the form of a text
//! page      one text, places, problems
//! table     tables and values by kind           keys: the one list of keys
//! sections, exceptions, routes                  one function for each table
//! values, units, width, trust                   single values and their limits
//! doubts                                        what is allowed and hardly meant
//! foreign                                       servers as other programs write them
//! error, suggest                                what is shown to people
//! show, reference                               what is in effect, and what every key means
//! ```
//!
//! A function that reads a table reports what is wrong and goes on, so that one look at the file shows everything.
//! Nothing is half-applied: a [`Config`] only leaves this module when there was no error at all.

mod doubts;
mod error;
mod exceptions;
mod foreign;
mod include;
mod keys;
mod load;
mod memory;
mod page;
mod parts;
mod reference;
mod routes;
mod sections;
mod servers;
mod show;
mod suggest;
mod syntax;
mod table;
mod trust;
mod units;
mod values;
mod width;

pub(crate) use error::printable;
pub use error::{ConfigError, ConfigErrors, Place, Severity, Wrong};
pub use keys::{TABLES, TableKeys};
pub use load::{DEFAULT_PATH, Disk, Files, Loaded, from_text, load, load_again, load_from, read_once};
pub use memory::Memory;
pub use reference::{KeyReference, Paragraph, TEMPLATE, TableReference, reference};
pub use show::{Shown, ShownKey, show};

pub(crate) use suggest::nearest;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::cache::CacheSettings;
use crate::control::ControlSettings;
use crate::dns::Name;
use crate::listen::ListenSettings;
use crate::metrics::MetricsSettings;
use crate::policy::GuardSettings;
use crate::resolve::{LocalName, NamesSettings, NetworkSettings, Route};
use crate::telemetry::{Level, LogSettings};
use crate::upstream::{Server, UpstreamSettings};

/// All settings, checked; its default is what holds without a file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// `[server]`
    pub server: ListenSettings,
    /// `[upstream]`
    pub upstream: UpstreamSettings,
    /// `[guard]` and `[[exception]]`
    pub guard: GuardSettings,
    /// `[[route]]`
    pub routes: Vec<Route>,
    /// `[[local]]`
    pub locals: Vec<LocalName>,
    /// `[names]`
    pub names: NamesSettings,
    /// `[network]`
    pub network: NetworkSettings,
    /// `[cache]`
    pub cache: CacheSettings,
    /// `[log]`
    pub log: LogSettings,
    /// `[control]`
    pub control: ControlSettings,
    /// `[metrics]`
    pub metrics: MetricsSettings,
}

/// Reads an address to listen on as `[server] listen` would, for a command's argument.
pub fn listen_address(text: &str) -> Result<SocketAddr, Wrong> {
    values::listen(text)
}

/// Reads a server as `[upstream] servers` would, for a command's argument.
pub fn upstream_server(text: &str) -> Result<Server, Wrong> {
    servers::server(text)
}

/// Reads a log level as `[log] level` would, for a command.
pub fn log_level(text: &str) -> Result<Level, Wrong> {
    sections::level(text)
}

/// Reads a path as `[control] socket` would, for a command's argument; none is "off".
pub fn control_socket(text: &str) -> Result<Option<PathBuf>, Wrong> {
    sections::socket(text)
}

/// Reads a domain as `[[exception]] domain` would, for a command's argument.
pub fn domain_name(text: &str) -> Result<Name, Wrong> {
    values::domain(text)
}

/// Whether several owners have names in this domain: it is a public suffix, or gives names to anybody.
pub fn is_shared_domain(domain: &Name) -> bool {
    domain.as_ref().label_count() == 0 || trust::strangers_in(domain).is_some()
}

/// Reads a duration, such as `1h30m`, for a command's argument.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    units::duration(text)
}
