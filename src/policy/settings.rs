//! What a guard is told: values a person may write, with the place they were written at.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use crate::dns::Name;

/// Where a range, an exception or a route comes from; shown wherever it decides something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Shipped with the program.
    BuiltIn,
    /// A line of a configuration file.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line, from 1.
        line: u32,
    },
    /// A hosts file of the system.
    HostsFile,
    /// The name of this host.
    HostName,
    /// An argument of the command.
    CommandLine,
    /// The network's search domains, from this file and line of the system.
    Search(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::HostsFile => f.write_str("hosts file"),
            Self::HostName => f.write_str("this host's name"),
            Self::CommandLine => f.write_str("command line"),
            Self::Search(place) => write!(f, "search domain of {place}"),
        }
    }
}

/// Whether hits are removed or only reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Hits are removed.
    #[default]
    Enforce,
    /// Everything passes, everything is reported.
    Monitor,
}

/// Which column of the range table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// What breaks nothing that is in honest use.
    #[default]
    Standard,
    /// Also what is hardly ever honest: unallocated IPv6, 6to4, Teredo, mapped addresses.
    Strict,
}

/// What a client gets when a hit leaves nothing of the asked type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBlock {
    /// NOERROR without an answer, with our own SOA (RFC 2308 §2.2).
    #[default]
    Nodata,
    /// NXDOMAIN: the name's other types die with it (RFC 8020).
    Nxdomain,
    /// REFUSED: most stub resolvers then ask the next server.
    Refused,
}

/// The `[guard]` table and the exceptions, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct GuardSettings {
    /// `mode`
    pub mode: Mode,
    /// `profile`
    pub profile: Profile,
    /// `on-block`
    pub on_block: OnBlock,
    /// `block-ttl`: how long a client may keep a block reply.
    pub block_ttl: Duration,
    /// `block`: ranges beyond the table.
    pub block: Vec<(IpNet, Origin)>,
    /// `unblock`: networks taken out of the table (names already resolved to networks).
    pub unblock: Vec<(IpNet, Origin)>,
    /// `own-addresses`: the host's own interface addresses are blocked too.
    pub own_addresses: bool,
    /// `nat64`: prefixes (RFC 6052: /32, /40, /48, /56, /64, /96) whose embedded IPv4 is judged.
    pub nat64: Vec<Ipv6Net>,
    /// `[[exception]]`, presets expanded.
    pub exceptions: Vec<Exception>,
    /// The arguments that a command needs to find this configuration, with a space in front; not from a file.
    pub arguments: Option<Arc<str>>,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            profile: Profile::Standard,
            on_block: OnBlock::Nodata,
            block_ttl: Duration::from_secs(10),
            block: Vec::new(),
            unblock: Vec::new(),
            own_addresses: true,
            nat64: Vec::new(),
            exceptions: Vec::new(),
            arguments: None,
        }
    }
}

/// What an exception does to a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ExceptionMode {
    /// The address passes, silently.
    #[default]
    Allow,
    /// The address passes and is reported.
    Monitor,
}

/// A condition on the name itself, beyond its domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Shape {
    /// Any name of the domain.
    #[default]
    Any,
    /// The answer must equal an address spelled in the name (`192-168-1-20.….plex.direct`).
    AddressInName,
    /// Only names with a reversed address or a domain in front (RFC 5782 §2.1), and never 127.0.0.1.
    Dnsbl,
}

/// Leave for one domain to answer with inside addresses.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Exception {
    /// The domain the QNAME must be or lie below.
    pub domain: Name,
    /// Only the domain itself.
    pub exact: bool,
    /// The addresses it may answer with.
    pub networks: Vec<IpNet>,
    /// A condition on the name.
    pub shape: Shape,
    /// The clients it holds for; empty: all.
    pub clients: Vec<IpNet>,
    /// Unix seconds from which on it no longer holds.
    pub until: Option<i64>,
    /// Silent or reported.
    pub mode: ExceptionMode,
    /// Why it is there, in the operator's words.
    pub reason: Option<String>,
    /// The preset it came from.
    pub preset: Option<&'static str>,
    /// Where it was written.
    pub origin: Origin,
}

/// What the route a QNAME selected may answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTrust {
    /// The route's domain.
    pub domain: Name,
    /// The inside addresses its names may have.
    pub networks: Vec<IpNet>,
    /// Where the route was written.
    pub origin: Origin,
}
