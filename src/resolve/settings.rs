//! Routes, local names, and which special names are answered here.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use crate::dns::Name;
use crate::policy::{Origin, RouteTrust};
use crate::upstream::Endpoint;

/// A `[[route]]`: a domain with servers of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// The only servers that are asked for its names. If there are none, its names are answered here only.
    pub servers: Vec<Endpoint>,
    /// Its domain, and the inside addresses its names may have.
    pub trust: RouteTrust,
    /// Strangers have names in its domain.
    pub of_strangers: bool,
}

impl Route {
    /// Its names belong to one owner and may have inside addresses. So they may also be aliases of names inside.
    pub fn is_trusted(&self) -> bool {
        !self.of_strangers && !self.trust.networks.is_empty()
    }
}

/// Which types of a local name below a public domain are answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Types {
    /// The types that say where the name is: A, AAAA, HTTPS, SVCB. All others come from outside.
    #[default]
    Addresses,
    /// All types.
    All,
}

/// A `[[local]]` name, answered here.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalName {
    /// The name; of `*.test`, `test`.
    pub name: Name,
    /// Written with `*.`: everything below `name`, and not `name` itself.
    pub wildcard: bool,
    /// What it answers with.
    pub addresses: Arc<[IpAddr]>,
    /// The types that are answered here.
    pub types: Types,
    /// Where it was written.
    pub origin: Origin,
}

/// A name of a hosts file, and what it answers with.
pub type HostName = (Name, Arc<[IpAddr]>);

/// The `[names]` table, checked: names answered here that a configuration may give back to the upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamesSettings {
    /// `hosts-files`: files in the form of hosts(5) whose names are answered here.
    pub hosts_files: Vec<PathBuf>,
    /// `firefox-canary`: NXDOMAIN for `use-application-dns.net`, which keeps Firefox from its own DoH by default.
    pub firefox_canary: bool,
    /// `private-relay`: NXDOMAIN for the names by which Apple's Private Relay is found.
    pub private_relay: bool,
    /// `designated-resolver`: NODATA for `resolver.arpa` (RFC 9462 §4), so that no client is led past us.
    pub designated_resolver: bool,
}

/// The `[network]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// `home-names`: the network's servers are asked for the names of its own search domains.
    pub home_names: bool,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { home_names: true }
    }
}

impl Default for NamesSettings {
    fn default() -> Self {
        Self {
            hosts_files: vec![PathBuf::from("/etc/hosts")],
            firefox_canary: true,
            private_relay: true,
            designated_resolver: true,
        }
    }
}
