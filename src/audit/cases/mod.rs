//! The catalogue: what an attacker's name server answers, and what may be left of it.
//!
//! A case is data: the questions a client asks, the replies an upstream gives, what nobody may read afterwards and
//! what must have come through. Every case asks below a name of its own, so none meets another's cache entry.

mod addresses;
mod aliases;
mod asked;
mod care;
mod case;
mod exceptions;
mod framing;
mod hints;
mod kept;
mod locals;
mod malformed;
mod routes;
mod shapes;
mod time;

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};
use serde::Serialize;

use crate::audit::wire::code;
use crate::policy::{OnBlock, Profile};

pub use asked::{Action, Asked};
pub use case::{Ask, Case, Expect, Kept, Script, Step};
pub use exceptions::FIXTURE;

/// The zone everything without a reason to be elsewhere is asked in. It is forwarded like any public name.
pub const ZONE: &str = "rebind-audit.example";

/// A public address whose owner does not mind standing in a test; what an honest record holds.
pub const PUBLIC4: &str = "1.1.1.1";
/// The same in IPv6.
pub const PUBLIC6: &str = "2606:4700:4700::1111";

/// A part of the catalogue, a line of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Inside addresses in every spelling, both sides of every range.
    Addresses,
    /// The host's own addresses.
    OwnAddresses,
    /// Records where a filter does not look and a client does.
    Shapes,
    /// Messages that do not parse.
    Malformed,
    /// SVCB and HTTPS.
    Hints,
    /// CNAME, DNAME, SRV and TargetName that lead inside.
    Aliases,
    /// Names that never leave the machine.
    LocalNames,
    /// Exceptions reached by somebody else.
    Exceptions,
    /// What the routes of the configuration let through.
    Routes,
    /// Flips, floods and lifetimes.
    Time,
    /// Harm a filter could do.
    Care,
    /// What is honest and comes through.
    Kept,
}

impl Group {
    /// All groups in the order of the report.
    pub const ALL: [Self; 12] = [
        Self::Addresses,
        Self::OwnAddresses,
        Self::Shapes,
        Self::Malformed,
        Self::Hints,
        Self::Aliases,
        Self::LocalNames,
        Self::Exceptions,
        Self::Routes,
        Self::Time,
        Self::Care,
        Self::Kept,
    ];
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Addresses => "inside addresses, every spelling",
            Self::OwnAddresses => "this host's own addresses",
            Self::Shapes => "shapes of messages",
            Self::Malformed => "malformed messages",
            Self::Hints => "SVCB and HTTPS hints",
            Self::Aliases => "aliases that lead inside",
            Self::LocalNames => "names that stay here",
            Self::Exceptions => "exceptions",
            Self::Routes => "routes of the configuration",
            Self::Time => "flips and lifetimes",
            Self::Care => "harm done by filtering",
            Self::Kept => "honest answers kept",
        })
    }
}

/// What a catalogue is made for.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The profile of the guard.
    pub profile: Profile,
    /// What it answers on a hit.
    pub on_block: OnBlock,
    /// The longest TTL a block reply may have, in seconds.
    pub block_ttl: u32,
    /// The host's own addresses, where the guard is to know them.
    pub host: Vec<IpAddr>,
    /// The host's own name, if it is only hidden as the target of an alias.
    pub host_name: Option<String>,
    /// The NAT64 prefixes the guard was told.
    pub nat64: Vec<Ipv6Net>,
    /// Whether the guard was given the exceptions and names of [`FIXTURE`].
    pub fixture: bool,
    /// The guard's routes, each with servers that play the catalogue.
    pub routes: Vec<RouteSetup>,
}

/// A route of the guard.
#[derive(Debug, Clone)]
pub struct RouteSetup {
    /// Its domain, in presentation form.
    pub domain: String,
    /// Where it was written.
    pub origin: String,
    /// The inside addresses its names may have.
    pub networks: Vec<IpNet>,
    /// The inside addresses that exceptions let its names have, perhaps with conditions.
    pub exempt: Vec<IpNet>,
    /// Whether strangers have names in its domain.
    pub of_strangers: bool,
    /// Whether it has no servers.
    pub here_only: bool,
    /// A name of another route, or a local name, that its names may not be aliases of.
    pub elsewhere: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            profile: Profile::Standard,
            on_block: OnBlock::Nodata,
            block_ttl: 60,
            host: Vec::new(),
            host_name: None,
            nat64: Vec::new(),
            fixture: false,
            routes: Vec::new(),
        }
    }
}

/// Every case for a guard set up like this.
pub fn catalogue(setup: &Setup) -> Vec<Case> {
    let parts = [
        addresses::cases(setup),
        shapes::cases(),
        framing::cases(),
        malformed::cases(),
        hints::cases(setup),
        aliases::cases(setup),
        locals::cases(),
        if setup.fixture { [locals::own_names(), exceptions::cases()].concat() } else { Vec::new() },
        routes::cases(setup),
        time::cases(),
        care::cases(),
        kept::cases(),
    ];
    let mut cases: Vec<Case> = parts.into_iter().flatten().collect();
    for (number, case) in cases.iter_mut().enumerate() {
        case.slug = format!("{}-{number}", case.id.to_ascii_lowercase());
        case.on_block = setup.on_block;
        case.block_ttl = setup.block_ttl;
        let fill = |text: &mut String| *text = text.replace("{slug}", &case.slug);
        case.steps.iter_mut().for_each(|step| fill(&mut step.ask.name));
        case.scripts.iter_mut().for_each(|(name, _)| fill(name));
        case.forbidden_names.iter_mut().for_each(fill);
    }
    cases
}

/// The address written `text`.
pub(crate) fn ip(text: &str) -> IpAddr {
    let address = text.parse();
    debug_assert!(address.is_ok(), "{text} is not an address");
    address.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
}

/// The type of the record an address is asked for with.
pub(crate) fn address_type(address: IpAddr) -> u16 {
    if address.is_ipv4() { code::A } else { code::AAAA }
}
