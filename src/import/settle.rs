//! What is only known after everything was read: the trust in routes, settings that others make needless, the targets of
//! aliases, and names that nobody is asked for any more.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::draft::{Draft, Item, Later, Setting, Trust, What};
use super::spelling::{is_inside, is_not_public, is_plain, is_reverse, is_wide};
use crate::config::domain_name;
use crate::dns::Name;
use crate::policy::{PRESETS, special_domain};

const NETWORKS: &str = "An [[exception]] lets private addresses pass (RFC 1918 and unique-local). If a name has to answer with others, such\n\
     # as 127.0.0.1, write them into its `networks`.";
const HOW_TO: &str =
    "no inside addresses. If its names have some, write their networks here: [\"10.0.0.0/8\"].";
const NO_SERVER: &str = "this file does not name the servers that were asked for its names, and nobody is asked for them here: write a [[route]] for the \
     domain with the server that knows them";
/// How many aliases may follow each other.
const LONGEST_CHAIN: usize = 8;
/// Domains of inside networks, which no outside resolver knows.
const INSIDE_DOMAINS: [&str; 8] =
    ["lan", "local", "home", "home.arpa", "internal", "intranet", "private", "localdomain"];

/// The domains of routes, and the domains that are never asked outside.
#[derive(Default)]
struct Zones {
    /// Their servers; empty if nobody is asked.
    servers: HashMap<Name, Vec<String>>,
}

impl Zones {
    fn of(items: &[Item]) -> Self {
        let mut zones = Self::default();
        for item in items {
            let (domain, server) = match &item.what {
                What::Route { domain, server } => (domain, Some(server)),
                What::Kept { domain } => (domain, None),
                _ => continue,
            };
            if let Ok(name) = domain_name(domain) {
                zones.servers.entry(name).or_default().extend(server.cloned());
            }
        }
        zones
    }

    /// The narrowest domain that holds `name`.
    fn around(&self, name: &Name) -> Option<(&Name, &[String])> {
        let mut ancestors = name.as_ref().ancestors();
        ancestors
            .find_map(|ancestor| self.servers.get_key_value(ancestor.as_wire()))
            .map(|(name, servers)| (name, servers.as_slice()))
    }

    /// The narrowest domain above `name`.
    fn above(&self, name: &Name) -> Option<&Name> {
        let mut ancestors = name.as_ref().ancestors().skip(1);
        ancestors.find_map(|ancestor| self.servers.get_key_value(ancestor.as_wire())).map(|(name, _)| name)
    }
}

/// Makes the decisions that were put off.
pub(super) fn settle(draft: &mut Draft) {
    trusted(draft);
    kept_before_asked(draft);
    to_default(draft);
    exceptions(draft);
    kept_anyway(draft);
    aliases(draft);
    whole_in_kept(draft);
    pointers(draft);
    unasked(draft);
    if draft.items.iter().any(|item| matches!(item.what, What::Exception { .. })) {
        draft.remarks.push(NETWORKS);
    }
}

/// Rules that let a name pass are exceptions if there was a filter against rebinding; else they are about blocked names.
fn trusted(draft: &mut Draft) {
    let is_filtered = draft.filter.is_some();
    for (from, later) in std::mem::take(&mut draft.later) {
        match later {
            Later::Trusted { domain } if is_filtered => draft.exception(&from, &domain),
            Later::Trusted { .. } => draft.left.push(from.left(super::tables::BLOCKING)),
            other => draft.later.push((from, other)),
        }
    }
}

/// A domain that is never asked outside is not asked, even if it has servers too.
fn kept_before_asked(draft: &mut Draft) {
    let kept: HashSet<String> = draft.items.iter().filter_map(|item| kept(item).cloned()).collect();
    let why = "another line says that nobody is asked for the domain's names, and takes precedence";
    take(draft, |item| match &item.what {
        What::Route { domain, .. } if kept.contains(domain) => Some((why.to_owned(), false)),
        _ => None,
    });
}

fn kept(item: &Item) -> Option<&String> {
    match &item.what {
        What::Kept { domain } => Some(domain),
        _ => None,
    }
}

/// Domains for which the default servers are asked. They are written if another route, or nobody, would be asked otherwise.
fn to_default(draft: &mut Draft) {
    let zones = Zones::of(&draft.items);
    for (from, later) in std::mem::take(&mut draft.later) {
        let Later::ToDefault { domain } = &later else {
            draft.later.push((from, later));
            continue;
        };
        let Some(name) = domain_name(domain).ok().filter(|_| is_plain(domain)) else {
            draft.left.push(from.left("its domain is not valid"));
            continue;
        };
        let is_asked = zones.above(&name).is_none() && !is_not_public(&name) && !is_reverse(domain);
        if zones.servers.contains_key(&name) {
            draft.needless.push(from.left("the domain has its own [[route]]"));
        } else if is_asked {
            draft.needless.push(from.left("the default servers are asked anyway"));
        } else {
            route_to_default(draft, &from, domain);
        }
    }
}

/// Adds a route to the servers for all names. False if the file names none.
fn route_to_default(draft: &mut Draft, from: &Setting, domain: &str) -> bool {
    let servers: Vec<String> =
        draft.servers().map(|(_, server)| server.clone()).filter(|server| server != "system").collect();
    if servers.is_empty() {
        draft.left.push(from.left(NO_SERVER));
        return false;
    }
    let mut is_new = false;
    for server in servers {
        let what = What::Route { domain: domain.to_owned(), server };
        if draft.seen.insert(what.clone()) {
            is_new = true;
            draft.items.push(Item { from: from.clone(), what });
        }
    }
    if !is_new {
        draft.needless.push(from.left("an earlier line says the same"));
    }
    true
}

/// Domains that may have inside addresses. A route gets them as its networks; a domain that nobody would be asked for becomes a
/// route.
fn exceptions(draft: &mut Draft) {
    let given = given(&draft.items);
    let by_name: HashMap<Name, Setting> = given.iter().rev().cloned().collect();
    let mut zones = Zones::of(&draft.items);
    for (name, from) in &given {
        let is_routed = zones.around(name).is_some();
        if !is_routed && is_not_public(name) {
            let domain = name.to_string();
            if !route_to_default(draft, from, &domain) {
                // Nobody is asked for its names: an exception would have no effect.
                zones.servers.insert(name.clone(), Vec::new());
            }
        }
    }
    let unasked = zones;
    let zones = Zones::of(&draft.items);
    let routes = zones.servers.iter().filter(|(_, servers)| !servers.is_empty());
    draft.trust =
        routes.map(|(name, servers)| (name.to_string(), trust(draft, &by_name, name, servers))).collect();
    let is_open =
        |name: &Name| !matches!(draft.trust.get(&name.to_string()), Some(Trust::Withheld(_)) | None);
    let open: HashSet<Name> = zones.servers.keys().filter(|name| is_open(name)).cloned().collect();
    take(draft, |item| {
        let What::Exception { domain } = &item.what else { return None };
        let name = domain_name(domain).ok().filter(|name| !is_wide(name))?;
        match zones.around(&name) {
            // The route's networks already say so.
            Some((zone, _)) if *zone == name && open.contains(zone) => Some((String::new(), true)),
            Some((zone, _)) if open.contains(zone) => {
                Some(("the names of its [[route]] may have inside addresses".to_owned(), true))
            }
            Some((_, [])) => Some(("nobody is asked for its names".to_owned(), true)),
            Some(_) => None,
            // It was already left, because there is no server.
            None if unasked.around(&name).is_some() => Some((String::new(), true)),
            None => None,
        }
    });
}

/// The domains that may have inside addresses, with the settings that say so.
fn given(items: &[Item]) -> Vec<(Name, Setting)> {
    let domains = |item: &Item| match &item.what {
        What::Exception { domain } => vec![domain.clone()],
        What::Preset { name } => {
            let preset = PRESETS.iter().find(|preset| preset.name == *name && preset.domains.len() == 1);
            preset.iter().flat_map(|preset| preset.domains).map(|domain| (*domain).to_owned()).collect()
        }
        _ => Vec::new(),
    };
    let named = |item: &Item| {
        let names = domains(item).into_iter().filter_map(|domain| domain_name(&domain).ok());
        names.map(|name| (name, item.from.clone())).collect::<Vec<_>>()
    };
    items.iter().flat_map(named).collect()
}

/// A route gets inside addresses only if the other program allowed them.
fn trust(draft: &Draft, given: &HashMap<Name, Setting>, name: &Name, servers: &[String]) -> Trust {
    if is_wide(name) {
        return Trust::Withheld(
            "Strangers have names in this domain: no inside addresses. If one owner's names have some, write a [[route]] for that owner's domain."
                .to_owned(),
        );
    }
    if is_reverse(&name.to_string()) {
        return Trust::Withheld(String::new());
    }
    // A setting that lets everybody's names pass does not mean trust in one of them: it means that there was no filter.
    let by = name.as_ref().ancestors().find_map(|ancestor| given.get_key_value(ancestor.as_wire()));
    let filter = draft.filter.filter(|_| by.is_none());
    match (by.filter(|(given, _)| !is_wide(given)), filter) {
        (Some((_, from)), _) => Trust::Given(from.place.clone()),
        (None, Some(setting)) => Trust::Withheld(format!("No {setting} named this domain: {HOW_TO}")),
        (None, None) if servers.iter().all(|server| is_inside(server)) => Trust::Unfiltered,
        (None, None) => Trust::Withheld(format!("Not every server is inside: {HOW_TO}")),
    }
}

/// Special domains are never asked outside anyway.
fn kept_anyway(draft: &mut Draft) {
    let zones = Zones::of(&draft.items);
    let is_kept_anyway = |domain: &String| {
        let is_special = |name: &Name| special_domain(name.as_ref()).is_some() && zones.above(name).is_none();
        domain_name(domain).is_ok_and(|name| is_special(&name))
    };
    let why = "always so: its names are not asked outside";
    take(draft, |item| kept(item).filter(|domain| is_kept_anyway(domain)).map(|_| (why.to_owned(), true)));
}

/// A local name in a domain that is never asked outside has no records elsewhere.
fn whole_in_kept(draft: &mut Draft) {
    let zones = Zones::of(&draft.items);
    if zones.servers.is_empty() {
        return;
    }
    for item in &draft.items {
        let What::Local { name, .. } = &item.what else { continue };
        let Ok(parsed) = domain_name(name.trim_start_matches("*.")) else { continue };
        if zones.around(&parsed).is_some_and(|(_, servers)| servers.is_empty()) {
            draft.whole.insert(name.clone());
        }
    }
}

/// An alias gets the addresses of its target, if the target is a local name.
fn aliases(draft: &mut Draft) {
    let mut addresses: HashMap<String, Vec<String>> = HashMap::new();
    for item in &draft.items {
        if let What::Local { name, address } = &item.what {
            addresses.entry(name.clone()).or_default().push(address.clone());
        }
    }
    let mut waiting = Vec::new();
    for (from, later) in std::mem::take(&mut draft.later) {
        match later {
            Later::Alias { name, target } => waiting.push((from, name, target)),
            other => draft.later.push((from, other)),
        }
    }
    for _ in 0..LONGEST_CHAIN {
        let (ready, rest): (Vec<_>, Vec<_>) =
            waiting.into_iter().partition(|(_, _, target)| local_addresses(&addresses, target).is_some());
        waiting = rest;
        if ready.is_empty() {
            break;
        }
        for (from, name, target) in ready {
            let own = local_addresses(&addresses, &target).unwrap_or_default();
            for address in &own {
                draft.whole(&from, &name, address);
            }
            addresses.entry(name).or_default().extend(own);
        }
    }
    for (from, _, target) in waiting {
        draft.left.push(from.left(format!(
            "an alias becomes a [[local]] name with the addresses of its target, but {target} is not a local name of this file: \
             write the addresses yourself"
        )));
    }
}

/// The addresses of a local name: its own, or those of the wildcard above it.
fn local_addresses(addresses: &HashMap<String, Vec<String>>, name: &str) -> Option<Vec<String>> {
    let above = || {
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(found) = addresses.get(&format!("*.{parent}")) {
                return Some(found.clone());
            }
            rest = parent;
        }
        None
    };
    addresses.get(name).cloned().or_else(above)
}

/// The addresses of local names get their reverse names automatically. Other reverse names are lost.
fn pointers(draft: &mut Draft) {
    let local = |item: &Item| match &item.what {
        What::Local { name, address } => Some((name.clone(), address.parse::<IpAddr>().ok()?)),
        _ => None,
    };
    let locals: HashSet<(String, IpAddr)> = draft.items.iter().filter_map(local).collect();
    for (from, later) in std::mem::take(&mut draft.later) {
        let Later::Pointer { name, address } = later else { continue };
        let is_local = address.is_some_and(|address| locals.contains(&(name.clone(), address)));
        if is_local {
            draft
                .needless
                .push(from.left("addresses of [[local]] names get their reverse names automatically"));
            continue;
        }
        draft.left.push(from.left(match address {
            Some(address) => format!(
                "only [[local]] names get reverse names: write one with name = \"{name}\" and addresses = [\"{address}\"]"
            ),
            None => "only addresses of [[local]] names get reverse names".to_owned(),
        }));
    }
}

/// Notes names that an inside server may know, but that nobody is asked for any more.
fn unasked(draft: &mut Draft) {
    let inside = draft.servers().find(|(_, server)| is_inside(server));
    let Some((from, server)) = inside.map(|(from, server)| (from.clone(), server.clone())) else { return };
    let zones = Zones::of(&draft.items);
    let is_unasked = |domain: &&str| domain_name(domain).is_ok_and(|name| zones.around(&name).is_none());
    let domains: Vec<&str> = INSIDE_DOMAINS.into_iter().filter(is_unasked).collect();
    if let Some(first) = domains.first() {
        draft.left.push(from.left(format!(
            "nobody is asked here for names in {}, for names without a dot or for reverse names of inside addresses. If this server \
             knows some, write a [[route]] for their domain, such as domain = \"{first}\" and servers = [\"{server}\"]",
            domains.join(", ")
        )));
    }
}

/// Takes out items that need nothing (true) or are left (false), with the reason. An item with an empty reason was reported
/// elsewhere.
fn take(draft: &mut Draft, why: impl Fn(&Item) -> Option<(String, bool)>) {
    let mut taken = Vec::new();
    draft.items.retain(|item| match why(item) {
        Some((why, is_needless)) => {
            taken.push((item.from.left(why), is_needless));
            false
        }
        None => true,
    });
    for (left, is_needless) in taken.into_iter().filter(|(left, _)| !left.why.is_empty()) {
        if is_needless { draft.needless.push(left) } else { draft.left.push(left) }
    }
}
