//! The network's own names: its search domains that are not public, as routes to its servers.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::config::Config;
use crate::dns::Name;
use crate::policy::{
    Exception, Origin, Profile, RouteTrust, SPECIAL_RANGES, SpecialDomainName, Treatment, default_networks,
    is_idle, may_be_home, special_domain,
};
use crate::resolve::Route;
use crate::upstream::{Endpoint, SystemServers};

/// The most search domains that are followed. A network may announce any number of them.
const MOST: usize = 32;

/// The routes for the search domains of the network, to those of its servers that are inside: to a server on the Internet, a
/// name that is not public says nothing but who asks for what. The operator's routes go first.
pub(super) fn home_routes(system: &SystemServers, servers: &[Endpoint], config: &Config) -> Vec<Route> {
    if !config.network.home_names || servers.is_empty() {
        return Vec::new();
    }
    let file = system.found_in.display();
    let origin = Origin::Search(match system.search_line {
        0 => file.to_string().into(),
        line => format!("{file}:{line}").into(),
    });
    let mut routes: Vec<Route> = Vec::new();
    for domain in system.search.iter().filter(|domain| may_be_home(domain.as_ref())) {
        let is_known = |route: &Route| route.trust.domain == *domain;
        let is_written = |route: &Route| domain.as_ref().is_within(route.trust.domain.as_ref());
        if routes.len() < MOST && !routes.iter().any(is_known) && !config.routes.iter().any(is_written) {
            let networks = default_networks();
            let trust = RouteTrust { domain: domain.clone(), networks, origin: origin.clone() };
            routes.push(Route { servers: servers.to_vec(), trust, of_strangers: false });
        }
    }
    routes
}

/// The network's servers that are inside: no public address is theirs, or it is one of this machine's own network.
pub(super) fn home_servers(system: &SystemServers, own: &[IpAddr]) -> Vec<Endpoint> {
    let is_inside = |server: &&Endpoint| {
        let address = server.address().ip().to_canonical();
        !is_public(address) || is_on_link(address, own)
    };
    system.endpoints.iter().filter(is_inside).copied().collect()
}

/// Whether the table lets a public name have this address.
fn is_public(address: IpAddr) -> bool {
    let around = SPECIAL_RANGES.iter().filter_map(|range| Some((range, range.net.parse::<IpNet>().ok()?)));
    let narrowest = around.filter(|(_, net)| net.contains(&address)).max_by_key(|(_, net)| net.prefix_len());
    narrowest.is_none_or(|(range, _)| range.treatment(Profile::Standard) != Treatment::Block)
}

/// Whether the address is of one of this machine's IPv6 networks, which are /64 (RFC 4291 §2.5.4): a router is often announced by
/// its public address.
fn is_on_link(address: IpAddr, own: &[IpAddr]) -> bool {
    let prefix = |address: &Ipv6Addr| u128::from(*address) >> 64;
    let IpAddr::V6(address) = address else { return false };
    own.iter().any(|own| matches!(own, IpAddr::V6(own) if prefix(own) == prefix(&address)))
}

/// A warning for each exception that changes nothing, because no server is asked for the names it is for.
pub(super) fn without_effect(config: &Config, home: &[Route]) -> Vec<String> {
    let asked = config.routes.iter().chain(home).filter(|route| !route.servers.is_empty());
    let asked: Vec<&Name> = asked.map(|route| &route.trust.domain).collect();
    let changes_nothing = |exception: &&Exception| is_idle(exception, asked.iter().copied());
    let warning = |exception: &Exception| {
        let Exception { domain, origin, .. } = exception;
        match special_domain(domain.as_ref()).is_some_and(SpecialDomainName::is_loopback) {
            true => format!("{origin}: this exception changes nothing: {domain} always is this machine"),
            false => format!(
                "{origin}: this exception changes nothing: {domain} is not public, so no server is asked for it; write a \
                 [[route]] with the domain's own servers, or a [[local]] name with its address"
            ),
        }
    };
    config.guard.exceptions.iter().filter(changes_nothing).map(warning).collect()
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Disk, from_text};

    fn system(servers: &[&str], search: &[&str]) -> SystemServers {
        SystemServers {
            endpoints: servers.iter().map(|text| Endpoint::Do53(text.parse().unwrap())).collect(),
            search: search.iter().map(|text| Name::from_text(text).unwrap()).collect(),
            search_line: 3,
            found_in: PathBuf::from("/etc/resolv.conf"),
            skipped: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn config(text: &str) -> Config {
        from_text(Path::new("a.toml"), text, &Disk, 0).unwrap().config
    }

    fn domains(system: &SystemServers, text: &str) -> String {
        let routes = home_routes(system, &home_servers(system, &[]), &config(text));
        let domains: Vec<String> = routes.iter().map(|route| route.trust.domain.to_string()).collect();
        domains.join(" ")
    }

    #[test]
    fn the_search_domains_that_are_not_public_become_routes_unless_a_written_one_is_for_them() {
        let here_only = "[[route]]\ndomain = \"home\"\nservers = []\n";
        let wider = "[[route]]\ndomain = \"internal\"\nservers = [\"10.0.0.1\"]\n";
        let narrower = "[[route]]\ndomain = \"vpn.corp.internal\"\nservers = [\"10.0.0.1\"]\n";
        for (search, text, expected) in [
            (&["home", "corp.example.com", "Lan", "home"][..], "", "home lan"),
            (&["corp.internal", "internal"], "", "corp.internal internal"),
            (&["home", "lan"], here_only, "lan"),
            (&["corp.internal", "internal", "lan"], wider, "lan"),
            (&["corp.internal"], narrower, "corp.internal"),
            (&["home"], "[network]\nhome-names = false\n", ""),
            (&["test", "localhost", ".", "fritz.box", "docker.internal", "10"], "", ""),
        ] {
            assert_eq!(domains(&system(&["192.168.1.1:53"], search), text), expected, "{search:?} {text}");
        }
        let many: Vec<String> = (0..1_000).map(|number| format!("n{number}.lan")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(domains(&system(&["192.168.1.1:53"], &many), "").split(' ').count(), MOST);
    }

    #[test]
    fn the_network_s_servers_are_those_that_are_inside() {
        let own: Vec<IpAddr> = ["2003:1:2:3::5", "203.0.113.5"].map(|text| text.parse().unwrap()).into();
        for (servers, expected) in [
            (&["192.168.1.1:53", "8.8.8.8:53"][..], "192.168.1.1"),
            (
                &["127.0.0.53:53", "100.64.0.1:53", "169.254.169.254:53"],
                "127.0.0.53 100.64.0.1 169.254.169.254",
            ),
            (&["[fd00::1]:53", "[fe80::1%2]:53", "[::1]:53"], "fd00::1 fe80::1 ::1"),
            (&["[2003:1:2:3::1]:53", "[2003:1:2:4::1]:53"], "2003:1:2:3::1"),
            (&["[::ffff:10.0.0.1]:53", "[::ffff:8.8.8.8]:53"], "::ffff:10.0.0.1"),
            (&["9.9.9.9:53", "192.0.2.1:53", "[2620:fe::fe]:53"], "192.0.2.1"),
        ] {
            let found = home_servers(&system(servers, &["home"]), &own);
            let found: Vec<String> = found.iter().map(|server| server.address().ip().to_string()).collect();
            assert_eq!(found.join(" "), expected, "{servers:?}");
        }
    }

    #[test]
    fn an_exception_for_names_that_no_server_is_asked_for_gets_a_warning() {
        let system = system(&["192.168.1.1:53"], &["home"]);
        let home = home_routes(&system, &system.endpoints, &config(""));
        let route = "[[route]]\ndomain = \"vpn.internal\"\nservers = [\"10.0.0.1\"]\n";
        let wider = "[[route]]\ndomain = \"vpn.corp.internal\"\nservers = [\"10.0.0.1\"]\n";
        let here_only = "[[route]]\ndomain = \"lan\"\nservers = []\n";
        for (domain, more, warned) in [
            ("nas.home", "", false),
            ("nas.lan", "", true),
            ("nas.lan", here_only, true),
            ("x.localhost", "", true),
            ("x.vpn.internal", route, false),
            ("corp.internal", wider, false),
            ("x.internal", route, true),
            ("x.test", "", true),
            ("nas.example.org", "", false),
            ("speedport.ip", "", false),
        ] {
            let text = format!("[[exception]]\ndomain = \"{domain}\"\nnetworks = [\"127.0.0.1\"]\n{more}");
            let warnings = without_effect(&config(&text), &home);
            assert_eq!(warnings.len(), usize::from(warned), "{text}: {warnings:?}");
            assert!(warnings.iter().all(|warning| warning.starts_with("a.toml:1: ")), "{warnings:?}");
        }
    }
}
