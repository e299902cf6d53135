//! `[[route]]` and `[[local]]`: names with servers of their own, and names answered here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, SocketAddr};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::error::{Wrong, quoted};
use super::memory::Said;
use super::table::Table;
use super::{exceptions, sections, servers, trust, values};
use crate::dns::Name;
use crate::policy::{self, Origin, RouteTrust};
use crate::resolve::{LocalName, Route, Types};
use crate::upstream::Endpoint;

/// A route known by name.
pub(super) struct RoutePreset {
    pub(super) name: &'static str,
    domain: &'static str,
    servers: &'static [&'static str],
    networks: &'static [&'static str],
}

/// <https://tailscale.com/kb/1081/magicdns>: a tailnet's names are answered by 100.100.100.100, with addresses
/// of 100.64.0.0/10 and fd7a:115c:a1e0::/48.
const PRESETS: &[RoutePreset] = &[RoutePreset {
    name: "tailscale",
    domain: "ts.net",
    servers: &["100.100.100.100"],
    networks: &["100.64.0.0/10", "fd7a:115c:a1e0::/48"],
}];

/// The values of `types`.
pub(super) const TYPES: &[(&str, Types)] = &[("addresses", Types::Addresses), ("all", Types::All)];

/// The route preset of that name.
pub(super) fn preset(name: &str) -> Option<&'static RoutePreset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Where each route and each local name was first written.
#[derive(Default)]
pub(super) struct Seen {
    routes: HashMap<Name, Origin, RandomState>,
    locals: HashMap<(Name, bool), Origin, RandomState>,
}

impl Seen {
    /// Notes what was read another time; false if something of it was written before.
    pub(super) fn add(&mut self, said: &Said) -> bool {
        let routes = said.routes.iter().map(|route| (route.trust.domain.clone(), route.trust.origin.clone()));
        let mut new = true;
        for (domain, origin) in routes {
            new &= self.routes.insert(domain, origin).is_none();
        }
        for local in &said.locals {
            let key = (local.name.clone(), local.wildcard);
            new &= self.locals.insert(key, local.origin.clone()).is_none();
        }
        new
    }
}

/// Whether a route's domain is a preset's domain or below it.
pub(super) fn is_preset_domain(domain: &Name) -> bool {
    PRESETS.iter().any(|preset| preset.covers(domain))
}

impl RoutePreset {
    fn covers(&self, domain: &Name) -> bool {
        Name::from_text(self.domain).is_ok_and(|own| domain.as_ref().is_within(own.as_ref()))
    }

    fn servers(&self) -> Vec<Endpoint> {
        self.servers.iter().filter_map(|text| servers::route_server(text).ok()).collect()
    }

    fn networks(&self) -> Vec<IpNet> {
        self.networks.iter().filter_map(|text| text.parse().ok()).collect()
    }
}

/// Reads one `[[route]]`.
pub(super) fn route(table: &Table<'_>, listen: &[SocketAddr], seen: &mut Seen) -> Option<Route> {
    let preset = table.get("preset").and_then(|value| value.text(known_preset));
    let has_preset = table.get("preset").is_some();
    let domain = table.text("domain", route_domain);
    let servers = table.list_or_none("servers", |text| {
        let server = servers::route_server(text)?;
        sections::refuse_loop(server, listen)?;
        Ok(server)
    });
    table.doubt("servers", servers::doubt);
    let written = table.list_or_none("networks", values::network);
    if let Some(networks) = &written {
        let networks: Vec<IpNet> = networks.iter().map(|(network, _)| *network).collect();
        exceptions::doubt_networks(table, &networks);
    }
    for key in ["domain", "servers"] {
        if !has_preset && table.get(key).is_none() {
            table.missing(key, "a route says which domain goes to which servers");
        }
    }
    let key = if table.get("domain").is_some() { "domain" } else { "preset" };
    let domain = match (domain, preset) {
        (Some(domain), _) => domain,
        (None, Some(preset)) if key == "preset" => Name::from_text(preset.domain).ok()?,
        (None, _) => return None,
    };
    refuse_second(table, key, &domain, &mut seen.routes)?;
    let servers: Vec<Endpoint> = match (servers, preset) {
        (Some(servers), _) => servers.into_iter().map(|(server, _)| server).collect(),
        (None, Some(preset)) => preset.servers(),
        (None, None) => return None,
    };
    if servers.is_empty() && !table.get("servers").is_some_and(|value| value.is_empty_list()) {
        // Servers are written, and each was reported as wrong.
        return None;
    }
    let (networks, none_implied) = match (written, preset) {
        (Some(_), _) if servers.is_empty() => {
            refuse_networks(table);
            return None;
        }
        (None, _) if servers.is_empty() => (Vec::new(), None),
        (Some(networks), _) => (networks.into_iter().map(|(network, _)| network).collect(), None),
        (None, Some(preset)) if preset.covers(&domain) => (preset.networks(), None),
        (None, _) => match trust::implied(&domain, &servers) {
            Ok(networks) => (networks, None),
            Err(why) => (Vec::new(), Some(why)),
        },
    };
    let of_strangers = trust::is_of_strangers(&domain);
    let trust = RouteTrust { domain, networks, origin: table.origin() };
    let route = Route { servers, trust, of_strangers };
    if let Some(value) = table.get(key) {
        trust::warn_of_route(&value, &route, none_implied.as_deref());
    }
    Some(route)
}

fn refuse_networks(table: &Table<'_>) {
    if let Some(value) = table.get("networks") {
        value.wrong(
            Wrong::new("without servers, nothing can answer with these networks")
                .help("leave out networks, or list the domain's servers"),
        );
    }
}

fn known_preset(text: &str) -> Result<&'static RoutePreset, Wrong> {
    if policy::preset(text).is_some() {
        return Err(Wrong::new(format!("{} is a preset of [[exception]]", quoted(text)))
            .help("its names are asked like all others: move it to an [[exception]]"));
    }
    let names = PRESETS.iter().map(|preset| preset.name);
    preset(text).ok_or_else(|| values::unknown_word(text, "preset of a route", names))
}

fn route_domain(text: &str) -> Result<Name, Wrong> {
    if text == "." {
        return Err(Wrong::new("a route for the root would be a route for every name")
            .help("the default servers are those of [upstream]"));
    }
    let name = values::domain(text)?;
    refuse_localhost(&name)?;
    Ok(name)
}

/// Reads one `[[local]]`.
pub(super) fn local(table: &Table<'_>, seen: &mut Seen) -> Option<LocalName> {
    let name = table.text("name", local_name);
    let types = table.text("types", values::choice("set of types", TYPES)).unwrap_or_default();
    let addresses = table.list("addresses", "write the addresses the name is answered with", address);
    if table.get("name").is_none() {
        table.missing("name", "write the name to answer, such as \"printer.lan\" or \"*.test\"");
    }
    if table.get("addresses").is_none() {
        table.missing("addresses", "write the addresses the name is answered with");
    }
    let (name, wildcard) = name?;
    let key = (name.clone(), wildcard);
    refuse_second(table, "name", &key, &mut seen.locals)?;
    let addresses = addresses?.into_iter().map(|(address, _)| address).collect();
    let local = LocalName { name, wildcard, addresses, types, origin: table.origin() };
    if let Some(value) = table.get("name") {
        trust::warn_of_local(&value, &local);
    }
    Some(local)
}

fn local_name(text: &str) -> Result<(Name, bool), Wrong> {
    let (bare, wildcard) = match text.strip_prefix("*.") {
        Some(bare) => (bare, true),
        None => (text, false),
    };
    if text == "*" || text == "." || bare.contains('*') {
        return Err(Wrong::new(format!("{} is not a local name", quoted(text)))
            .help("write a name, such as \"printer.lan\", or one leading \"*.\" for all names below, such as \"*.test\""));
    }
    let name = values::domain(bare)?;
    if name.as_ref().label_count() == 0 {
        return Err(
            Wrong::new("every name there is cannot be local").help("write a domain, such as \"*.test\"")
        );
    }
    refuse_localhost(&name)?;
    Ok((name, wildcard))
}

fn refuse_localhost(name: &Name) -> Result<(), Wrong> {
    if name.as_ref().last_label() != Some(b"localhost".as_slice()) {
        return Ok(());
    }
    // RFC 6761 §6.3: "Users may assume that […] name resolution […] will return the IP loopback address".
    Err(Wrong::new(format!("{} always is this machine", quoted(&name.to_string())))
        .help("localhost and everything below it is answered with 127.0.0.1 and ::1"))
}

fn address(text: &str) -> Result<IpAddr, Wrong> {
    text.parse::<IpAddr>().map_err(|_| {
        Wrong::new(format!("{} is not an address", quoted(text)))
            .help("write an address without a port, such as \"192.168.1.10\" or \"fd00::10\"")
    })
}

/// Notes that `name` is written here, unless it was written before.
fn refuse_second<K: Clone + Eq + std::hash::Hash>(
    table: &Table<'_>,
    key: &'static str,
    name: &K,
    seen: &mut HashMap<K, Origin, RandomState>,
) -> Option<()> {
    match seen.entry(name.clone()) {
        Entry::Vacant(place) => {
            place.insert(table.origin());
            Some(())
        }
        Entry::Occupied(first) => {
            if let Some(value) = table.get(key) {
                let text = value.as_text().map(quoted).unwrap_or_default();
                let help = format!("it stands at {} already; one of the two has to go", first.get());
                value.wrong(Wrong::new(format!("{text} is written twice")).help(help));
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_parse_whole() {
        for preset in PRESETS {
            assert!(route_domain(preset.domain).is_ok(), "{}", preset.name);
            assert!(preset.servers.iter().all(|text| servers::route_server(text).is_ok()), "{}", preset.name);
            assert!(preset.networks.iter().all(|text| values::network(text).is_ok()), "{}", preset.name);
        }
    }

    #[test]
    fn local_names() {
        for (text, expected) in [
            ("printer.lan", Some(("printer.lan", false))),
            ("*.test", Some(("test", true))),
            ("nas", Some(("nas", false))),
            ("*", None),
            ("*.", None),
            ("*.*.test", None),
            ("a.*.test", None),
            ("localhost", None),
            ("*.localhost", None),
            ("x.localhost", None),
            (".", None),
            ("", None),
        ] {
            let read = local_name(text).ok();
            let read = read.map(|(name, wildcard)| (name.to_string(), wildcard));
            assert_eq!(read, expected.map(|(name, wildcard)| (name.to_owned(), wildcard)), "{text}");
        }
    }
}
