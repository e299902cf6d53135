//! The values of dnsmasq's settings: domains with servers or addresses, records.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Reader, note};
use crate::import::draft::{Draft, Later, Setting, What};
use crate::import::spelling::{self, Names, reverse_zones, with_port};
use crate::import::tables::{BLOCKING, DNSBL};

/// What the domains of `/a/b/rest` stand for, and the rest. No domains if there is no slash in front.
fn domains(value: &str) -> (Vec<Names>, &str) {
    let Some(inner) = value.strip_prefix('/') else { return (Vec::new(), value) };
    // The slashes of a scheme and of what follows it belong to the server.
    let end = inner.find("://").unwrap_or(inner.len());
    let end = inner.get(..end).and_then(|domains| domains.rfind('/'));
    let (domains, rest) = match end.and_then(|end| inner.split_at_checked(end)) {
        Some((domains, rest)) => (domains, rest.strip_prefix('/').unwrap_or(rest)),
        None => (inner, ""),
    };
    if domains.is_empty() {
        return (vec![Names::Dotless], rest.trim());
    }
    // An empty domain between others stands for nothing.
    let named = domains.split('/').filter(|domain| !domain.trim().is_empty());
    (named.map(Names::of).collect(), rest.trim())
}

pub(super) const LATER: &str = "a later line says otherwise";
const EVERY_NAME: &str =
    "it is for every name: to let every name have inside addresses, set mode = \"monitor\" in [guard]";
const BELOW_ONLY: &str =
    "also carried over for the domain itself: a domain always includes itself and everything below";

pub(super) fn rebind_domain(reader: &mut Reader, draft: &mut Draft, from: &Setting, value: &str) {
    let mut named: Vec<Names> =
        value.split('/').filter(|domain| !domain.trim().is_empty()).map(Names::of).collect();
    if named.is_empty() {
        named.push(Names::Dotless);
    }
    for names in named {
        match names {
            Names::Dotless => {
                note(&mut reader.dotless, draft, from);
            }
            Names::All => draft.leave(from, EVERY_NAME),
            Names::Of(domain) => draft.exception(from, &domain),
            Names::Below(domain) => {
                draft.exception(from, &domain);
                draft.leave(from, BELOW_ONLY);
            }
        }
    }
}

pub(super) fn localhost_ok(draft: &mut Draft, from: &Setting) {
    // It is meant for block lists. All of it would let every web page reach this machine.
    draft.carry(from, What::Preset { name: DNSBL });
    draft.leave(
        from,
        "only for block lists of mail servers: every other name that answers with 127.0.0.0/8 needs its own [[exception]]",
    );
}

/// `server=` and `local=`: a server for all names, or for some. Without an address, nobody is asked.
pub(super) fn server(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, server) = domains(value);
    if domains.is_empty() && server.is_empty() {
        return draft.leave(from, "it does not name a server");
    }
    let domains = if domains.is_empty() { vec![Names::All] } else { domains };
    let (address, source) = endpoint(server);
    for names in domains {
        match (names, server) {
            (Names::All, "" | "#") => {
                draft.leave(from, "stubborn cannot be told to ask nobody for any name")
            }
            (Names::All, _) => draft.list(from, "upstream", "servers", address.clone()),
            (Names::Dotless, "" | "#") => draft.needless(from, "names without a dot are not asked outside"),
            (Names::Dotless, _) => draft.lose(
                from,
                format!(
                    "nobody is asked for names without a dot: write a [[route]] for each that it knows, such as domain = \"nas\" and \
                     servers = [\"{address}\"]"
                ),
            ),
            (Names::Of(domain) | Names::Below(domain), "") => draft.keep(from, &domain),
            (Names::Of(domain) | Names::Below(domain), "#") => {
                draft.later(from, Later::ToDefault { domain });
            }
            (Names::Below(domain), _) => {
                draft.route(from, &domain, address.clone());
                draft.leave(from, BELOW_ONLY);
            }
            (Names::Of(domain), _) => draft.route(from, &domain, address.clone()),
        }
    }
    source_is_lost(draft, from, source);
}

/// Reads `1.2.3.4#5353@eth0` as an address with its port, and the source of the queries.
fn endpoint(text: &str) -> (String, Option<&str>) {
    let (address, source) =
        text.split_once('@').map_or((text, None), |(server, source)| (server, Some(source)));
    let (address, port) =
        address.split_once('#').map_or((address, None), |(address, port)| (address, Some(port)));
    (with_port(address.trim(), port.map(str::trim)), source)
}

fn source_is_lost(draft: &mut Draft, from: &Setting, source: Option<&str>) {
    if let Some(source) = source {
        draft.leave(
            from,
            format!(
                "the server is carried over, but not that it is asked from {source}: the machine's routing table chooses the address and \
                 the interface, so see that it sends the server's address there"
            ),
        );
    }
}

pub(super) fn rev_server(draft: &mut Draft, from: &Setting, value: &str) {
    let (network, server) = value.split_once(',').unwrap_or((value, ""));
    let network = network.trim();
    let network = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
    let Some(zones) = network.ok().and_then(reverse_zones) else {
        return draft.leave(from, "its network is not valid");
    };
    let (address, source) = endpoint(server.trim());
    for zone in zones {
        match address.as_str() {
            "" => draft.keep(from, &zone),
            _ => draft.route(from, &zone, address.clone()),
        }
    }
    source_is_lost(draft, from, source);
}

/// `address=/a/b/1.2.3.4`: the names and all names below. Without an address, they do not exist.
pub(super) fn address(draft: &mut Draft, from: &Setting, value: &str) {
    let (domains, address) = domains(value);
    if address == "#" {
        return draft.leave(from, BLOCKING);
    }
    if domains.is_empty() {
        return draft.leave(from, "a [[local]] name cannot cover every name");
    }
    for names in domains {
        match (names, address) {
            (Names::All, "") => draft.leave(from, "a [[route]] cannot cover every name"),
            (Names::Dotless, "") => draft.needless(from, "names without a dot are not asked outside"),
            (Names::Dotless | Names::All, _) => draft.leave(from, "a [[local]] name cannot cover every name"),
            (Names::Of(domain) | Names::Below(domain), "") => draft.keep(from, &domain),
            (Names::Of(domain), address) => {
                draft.local(from, &domain, address);
                draft.local(from, &format!("*.{domain}"), address);
            }
            (Names::Below(domain), address) => draft.local(from, &format!("*.{domain}"), address),
        }
    }
}

/// `host-record=a,b,1.2.3.4,fd00::1,3600`: names, then addresses, then a TTL.
pub(super) fn host_record(draft: &mut Draft, from: &Setting, value: &str) {
    let parts: Vec<&str> = value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let is_address = |part: &&str| part.parse::<IpAddr>().is_ok();
    let is_number = |part: &str| part.parse::<u32>().is_ok();
    let names: Vec<&str> =
        parts.iter().copied().take_while(|part| !is_address(part) && !is_number(part)).collect();
    let addresses: Vec<&str> = parts.iter().copied().filter(is_address).collect();
    if names.is_empty() || addresses.is_empty() {
        return draft.leave(from, "it has no name or no address");
    }
    for name in &names {
        for address in &addresses {
            draft.local(from, name, address);
        }
    }
    for rest in parts.iter().skip(names.len()).filter(|part| !is_address(part)) {
        draft.leave(from, ttl_is_lost(rest));
    }
}

fn ttl_is_lost(text: &str) -> String {
    match text.parse::<u32>() {
        Ok(_) => format!("carried over without the TTL {text}: all local names have the same TTL"),
        Err(_) => format!("carried over without {text:?}, which is neither an address nor a TTL"),
    }
}

/// `cname=a,b,target,60`: names that are aliases of `target`.
pub(super) fn cname(draft: &mut Draft, from: &Setting, value: &str) {
    let mut parts: Vec<&str> = value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    let ttl = parts.pop_if(|part| part.parse::<u32>().is_ok());
    let Some(target) = parts.pop().filter(|_| !parts.is_empty()) else {
        return draft.leave(from, "it has no alias or no target");
    };
    for name in parts {
        let name = match name.strip_prefix("*.") {
            Some(below) => format!("*.{}", spelling::name(below)),
            None => spelling::name(name),
        };
        draft.later(from, Later::Alias { name, target: spelling::name(target) });
    }
    if let Some(ttl) = ttl {
        draft.leave(from, ttl_is_lost(ttl));
    }
}

/// `domain=lan,192.168.1.0/24,local`
pub(super) fn domain(reader: &mut Reader, draft: &mut Draft, from: &Setting, value: &str) {
    let mut parts = value.split(',').map(str::trim);
    let domain = parts.next().unwrap_or_default();
    draft.part();
    let rest: Vec<&str> = parts.collect();
    if rest.last() == Some(&"local") {
        draft.keep(from, domain);
    }
    if domain == "#" || domain.is_empty() {
        return draft.leave(from, "the domain is that of resolv.conf: names are not completed here");
    }
    if rest.is_empty() {
        if let Some((before, _)) = reader.domain.replace((from.clone(), spelling::name(domain))) {
            draft.needless(&before, LATER);
        }
    } else {
        draft.leave(
            from,
            "a domain for some addresses only: names are not completed here; write the full names as [[local]] names",
        );
    }
}
