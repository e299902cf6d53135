//! Names that no server is asked for: an exception for one changes nothing, since exceptions are about what servers answer.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;

use super::cover::any_network_covers;
use super::editor::route_table;
use super::request::list;
use crate::config::Config;
use crate::policy::{
    Exception, NotPublic, RouteTrust, SpecialDomainName, default_networks, is_idle, special_domain,
};

/// The network's own names, where this machine is in one that has any.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Its search domains, and what their names may answer.
    pub home: Vec<RouteTrust>,
    /// One of its servers, as a configuration writes it.
    pub server: Option<Arc<str>>,
}

/// Why an exception was not written, and what to write in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesNothing {
    /// Its domain.
    pub domain: String,
    /// Why no server is asked.
    pub why: String,
    /// Tables of the file that give the domain an answer, each with what it does.
    pub instead: Vec<(String, String)>,
}

impl fmt::Display for ChangesNothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, why, instead } = self;
        write!(f, "refused, nothing was changed: an exception for {domain} changes nothing, because {why}")?;
        instead.iter().try_for_each(|(what, table)| write!(f, "\n\n{what}\n\n{}", table.trim_end()))
    }
}

/// Why `wanted` would change nothing, if it would.
pub(super) fn changes_nothing(
    config: &Config,
    network: &Network,
    wanted: &Exception,
) -> Option<ChangesNothing> {
    let asked = config.routes.iter().filter(|route| !route.servers.is_empty());
    let asked = asked.map(|route| &route.trust.domain).chain(network.home.iter().map(|trust| &trust.domain));
    if !is_idle(wanted, asked) {
        return None;
    }
    let name = wanted.domain.as_ref();
    let special = special_domain(name);
    let why = match special {
        Some(special) if special.is_loopback() => format!("{} always is this machine", special.name),
        Some(special) => {
            format!(
                "{} is not public ({}): no server is asked for its names",
                special.name, special.reference
            )
        }
        None => "such a name is not public: no server is asked for it".to_owned(),
    };
    let instead = if special.is_some_and(SpecialDomainName::is_loopback) {
        Vec::new()
    } else {
        local(wanted).into_iter().chain([route(network, wanted)]).collect()
    };
    Some(ChangesNothing { domain: wanted.domain.to_string(), why, instead })
}

/// The local name with the addresses that were asked for; `None` where these are networks.
fn local(wanted: &Exception) -> Option<(String, String)> {
    let is_one = |net: &&IpNet| net.prefix_len() == net.max_prefix_len();
    let addresses: Vec<String> =
        wanted.networks.iter().take_while(is_one).map(|net| net.addr().to_string()).collect();
    let table = format!("[[local]]\nname = \"{}\"\naddresses = {}\n", wanted.domain, list(&addresses));
    (addresses.len() == wanted.networks.len()).then(|| ("To answer it here:".to_owned(), table))
}

/// The route to the network's server, or to one to be filled in.
fn route(network: &Network, wanted: &Exception) -> (String, String) {
    let refused = NotPublic::of(wanted.domain.as_ref(), None);
    let domain =
        refused.map_or_else(|| wanted.domain.clone(), |refused| refused.domain_of(wanted.domain.as_ref()));
    let (what, server) = match &network.server {
        Some(server) => ("To ask the network's server for it:", &**server),
        None => ("To ask a server that knows it, with that server's address:", "192.168.1.1"),
    };
    let mut table = route_table(&domain, &[server.to_owned()]);
    let implied = default_networks();
    if !wanted.networks.iter().all(|wanted| any_network_covers(&implied, wanted)) {
        let networks: Vec<String> = wanted.networks.iter().map(ToString::to_string).collect();
        table.push_str(&format!("networks = {}\n", list(&networks)));
    }
    (what.to_owned(), table)
}
