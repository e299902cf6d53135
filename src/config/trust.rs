//! The inside addresses that a `[[route]]` without `networks` may answer with, and domains in which strangers have names.
//!
//! A route opens the guard. The operator asks for that with `networks`; or it follows if all servers are inside and the domain
//! has one owner. A server on the Internet is not trusted only because a route sends names to it. Below `com` or `duckdns.org`,
//! an inside server passes on what strangers say.

use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use super::error::{Wrong, quoted};
use super::routes;
use super::table::Value;
use super::width::{is_above_suffixes, public_suffix, shared};
use crate::dns::{self, Name};
use crate::policy;
use crate::resolve::{LocalName, Route};
use crate::upstream::Endpoint;

/// The ranges of the guard's table whose addresses are those of inside servers.
const INSIDE: [&str; 5] = ["private-use", "unique-local", "loopback", "link-local", "shared-address-space"];

/// The networks of a route that does not list any, or why it has none.
pub(super) fn implied(domain: &Name, servers: &[Endpoint]) -> Result<Vec<IpNet>, String> {
    if let Some(why) = strangers_in(domain) {
        return Err(why);
    }
    if let Some(network) = dns::reversed_net(domain.as_ref()).filter(|network| !is_inside_network(network)) {
        return Err(format!("{network} is not inside"));
    }
    match servers.iter().find(|server| !is_inside(server.address().ip())) {
        Some(server) => Err(format!("{server} is not an inside address")),
        None => Ok(policy::default_networks()),
    }
}

fn is_inside(address: IpAddr) -> bool {
    is_inside_network(&IpNet::from(address.to_canonical()))
}

fn is_inside_network(network: &IpNet) -> bool {
    static NETWORKS: LazyLock<Vec<IpNet>> =
        LazyLock::new(|| INSIDE.iter().filter_map(|name| policy::range_named(name)).flatten().collect());
    NETWORKS.iter().any(|inside| inside.contains(network))
}

/// Why strangers have names below `domain`, if they do.
pub(super) fn strangers_in(domain: &Name) -> Option<String> {
    // home.arpa is a public suffix, but each network has its own.
    if policy::special_domain(domain.as_ref()).is_some() {
        return None;
    }
    let shown = || quoted(&domain.to_string());
    if public_suffix(domain).is_some() {
        return Some(format!("{} is a public suffix: strangers have names below it", shown()));
    }
    if is_above_suffixes(domain) {
        return Some(format!("{} has public suffixes below it: strangers have names there", shown()));
    }
    shared(domain).map(|owner| format!("anybody can have a name for any address below {}", quoted(&owner)))
}

/// Whether strangers have names in the route's domain. The domain of a preset is known to be safe with the preset's servers.
pub(super) fn is_of_strangers(domain: &Name) -> bool {
    !routes::is_preset_domain(domain) && strangers_in(domain).is_some()
}

/// Warns of a route that covers other owners' names, and of one whose inside answers are all removed.
pub(super) fn warn_of_route(value: &Value<'_>, route: &Route, none_implied: Option<&str>) {
    let Route { servers, trust, of_strangers } = route;
    let networks: Vec<String> = trust.networks.iter().map(ToString::to_string).collect();
    let why = of_strangers.then(|| strangers_in(&trust.domain)).flatten();
    let owner = "name the domain of one owner, such as \"corp.example\"";
    let wrong = match (why, none_implied) {
        (Some(why), _) if servers.is_empty() => {
            Wrong::new(format!("{why}; this route asks no server for any of them"))
                .help("name the domain of one owner, unless all of them are meant")
        }
        (Some(why), _) if !networks.is_empty() => {
            let may = networks.join(", ");
            Wrong::new(format!("{why}; this route sends them all to its servers, and they may answer with {may}"))
                .help(format!("{owner}, or write networks = []"))
        }
        (Some(why), _) => {
            Wrong::new(format!("{why}; this route sends them all to its servers")).help(owner)
        }
        (None, Some(why)) => {
            Wrong::new(format!("its names may not have inside addresses: it does not list networks, and {why}"))
                .help("list the networks that its names are in, such as networks = [\"10.0.0.0/8\"], or write networks = [] for none")
        }
        (None, None) => return,
    };
    value.warn(wrong);
}

/// Warns of a wildcard that covers strangers' names.
pub(super) fn warn_of_local(value: &Value<'_>, local: &LocalName) {
    if let Some(why) = strangers_in(&local.name).filter(|_| local.wildcard) {
        let addresses: Vec<String> = local.addresses.iter().map(ToString::to_string).collect();
        let message = format!("{why}; this wildcard answers them all with {}", addresses.join(", "));
        value.warn(Wrong::new(message).help("name the domain of one owner, such as \"*.dev.example.org\""));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_without_networks_is_trusted_only_if_its_servers_are_inside_and_its_domain_has_one_owner() {
        for (domain, servers, trusted) in [
            ("corp.example", &["10.0.0.53"][..], true),
            ("corp.example", &["172.16.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1"], true),
            ("corp.example", &["[::1]", "[fd00::53]", "[fe80::1%2]:53"], true),
            ("corp.example", &["9.9.9.9"], false),
            ("corp.example", &["10.0.0.53", "9.9.9.9"], false),
            ("corp.example", &["[2620:fe::fe]"], false),
            ("corp.example", &["172.32.0.1"], false),
            ("corp.example", &["100.128.0.1"], false),
            ("home.arpa", &["192.168.1.1"], true),
            ("lan", &["192.168.1.1"], true),
            ("consul", &["127.0.0.1:8600"], true),
            ("168.192.in-addr.arpa", &["192.168.1.1"], true),
            ("me.duckdns.org", &["192.168.1.1"], true),
            ("privatelink.blob.core.windows.net", &["10.0.0.53"], true),
            ("com", &["10.0.0.53"], false),
            ("COM", &["10.0.0.53"], false),
            ("co.uk", &["10.0.0.53"], false),
            ("ck", &["10.0.0.53"], false),
            ("box", &["192.168.178.1"], false),
            ("fritz.box", &["192.168.178.1"], true),
            ("duckdns.org", &["10.0.0.53"], false),
            ("github.io", &["10.0.0.53"], false),
            ("compute.amazonaws.com", &["10.0.0.53"], false),
            ("amazonaws.com", &["10.0.0.53"], false),
            ("us-west-2.amazonaws.com", &["10.0.0.53"], false),
            ("US-West-2.AmazonAWS.com", &["10.0.0.53"], false),
            ("fastly.net", &["10.0.0.53"], false),
            ("prod.fastly.net", &["10.0.0.53"], false),
            ("azure.net", &["10.0.0.53"], false),
            ("eu-central-1.rds.amazonaws.com", &["10.0.0.53"], false),
            ("corp.fastly.net", &["10.0.0.53"], true),
            ("nip.io", &["10.0.0.53"], false),
            ("10.0.0.1.nip.io", &["10.0.0.53"], false),
            ("公司.cn", &["10.0.0.53"], false),
        ] {
            let name = Name::from_text(domain).unwrap();
            let servers: Vec<Endpoint> =
                servers.iter().map(|text| super::super::servers::route_server(text).unwrap()).collect();
            let networks = implied(&name, &servers);
            assert_eq!(networks.is_ok(), trusted, "{domain} {servers:?}: {networks:?}");
        }
    }

    #[test]
    fn the_ranges_of_inside_servers_are_those_of_the_table() {
        for name in INSIDE {
            assert!(policy::range_named(name).is_some(), "{name}");
        }
    }
}
