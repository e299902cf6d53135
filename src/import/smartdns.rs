//! smartdns.conf: one `name value` a line, with options that begin with a dash.

mod line;
mod pattern;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Loss;
use super::draft::{Draft, Later, Setting};
use super::spelling::{self, encrypted, host_port};
use super::tables::{
    BLOCKING, DNSSEC, Fate, HIDDEN, INTERFACES, LOG, NOT_NEEDED, OFF, RECORDS, SERVICE, decide,
};
use Fate::{Left, Needless, Served};
use line::Line;
use pattern::{Pattern, Unfit, domain};

const UNGUARDED: &str = "There was no protection against rebinding (blacklist-ip, ignore-ip); here it is on. To see first what it would\n\
     # remove, set mode = \"monitor\" in [guard].";

/// What is only known after all lines were read.
#[derive(Default)]
struct Reader {
    /// Servers by their group. Those for all names are in the group without a name.
    groups: HashMap<String, Vec<String>>,
    /// Servers that are for the domains of a group only, and whether they are encrypted.
    grouped: Vec<(Setting, Vec<String>, bool)>,
    /// Domains with the group of their servers.
    routes: Vec<(Setting, String, String)>,
    /// The group that the lines are in: its servers are not for all names.
    group: Option<String>,
    /// Groups whose servers are for every name.
    everywhere: Vec<(Setting, String)>,
}

type Take = fn(&mut Reader, &mut Draft, &Setting, &Line<'_>);

/// The settings whose value matters.
const TAKEN: &[(&str, Take)] = &[
    ("bind", |_, draft, from, line| bind(draft, from, line)),
    ("bind-tcp", |_, draft, from, line| bind(draft, from, line)),
    ("server", |reader, draft, from, line| reader.server(draft, from, line, "")),
    ("server-udp", |reader, draft, from, line| reader.server(draft, from, line, "")),
    ("server-tcp", |reader, draft, from, line| reader.server(draft, from, line, "")),
    ("server-tls", |reader, draft, from, line| reader.server(draft, from, line, "tls://")),
    ("server-https", |reader, draft, from, line| reader.server(draft, from, line, "https://")),
    ("server-h3", |reader, draft, from, line| reader.server(draft, from, line, "h3://")),
    ("server-http3", |reader, draft, from, line| reader.server(draft, from, line, "h3://")),
    ("server-quic", |reader, draft, from, line| reader.server(draft, from, line, "quic://")),
    ("group-begin", |reader, draft, from, line| {
        reader.group = Some(line.first().to_owned());
        draft.leave(from, "settings are the same for all clients, except the `clients` of an [[exception]]");
    }),
    ("group-end", |reader, draft, _, _| {
        reader.group = None;
        draft.part();
    }),
    ("nameserver", |reader, draft, from, line| {
        let (domain, group) = domain(line.first());
        // With an address, it is a line of resolv.conf.
        match group.parse::<IpAddr>() {
            Ok(_) => draft.unknown(from),
            Err(_) => reader.nameserver(draft, from, domain, group),
        }
    }),
    ("address", |_, draft, from, line| {
        let (domain, address_list) = domain(line.first());
        address(draft, from, domain, address_list);
    }),
    ("cname", |_, draft, from, line| {
        let (domain, target) = domain(line.first());
        cname(draft, from, domain, target);
    }),
    ("domain-rules", |reader, draft, from, line| reader.domain_rules(draft, from, line)),
    ("domain-rule", |reader, draft, from, line| reader.domain_rules(draft, from, line)),
    ("hosts-file", |_, draft, from, line| draft.list(from, "names", "hosts-files", line.first())),
    ("cache-size", |_, draft, from, line| match line.first() {
        "0" => draft.text(from, "cache", "size", "0"),
        _ => draft.leave(from, "the cache is measured in octets: `size` in [cache] is 16MiB by default"),
    }),
    ("prefetch-domain", |_, draft, from, line| {
        draft.key(from, "cache", "prefetch", line.is_yes().to_string());
    }),
    ("serve-expired", |_, draft, from, line| match line.is_yes() {
        true => {
            draft.needless(from, "stale answers are given if no server answers: `serve-stale` in [cache]")
        }
        false => draft.text(from, "cache", "serve-stale", "0"),
    }),
    ("rr-ttl-max", |_, draft, from, line| draft.seconds(from, "cache", "max-ttl", line.first())),
    ("audit-enable", |_, draft, from, line| match line.is_yes() {
        true => draft.text(from, "log", "queries", "with-names"),
        false => draft.needless(from, OFF),
    }),
    ("blacklist-ip", |_, draft, from, line| without(draft, from, line)),
    ("ignore-ip", |_, draft, from, line| without(draft, from, line)),
    ("bogus-nxdomain", |_, draft, from, line| without(draft, from, line)),
    ("dns64", |_, draft, from, line| draft.list(from, "guard", "nat64", spelling::network(line.first()))),
];

/// The settings whose value does not matter.
const OTHERS: &[(&str, Fate)] = &[
    ("bind-tls", Served),
    ("bind-https", Served),
    ("bind-quic", Served),
    ("bind-h3", Served),
    ("bind-*", Left("stubborn serves plain DNS only")),
    ("tcp-idle-time", Needless(NOT_NEEDED)),
    ("server-name", Needless("stubborn does not tell its name")),
    ("speed-check-mode", Left("addresses are not tested: records stay in the server's order")),
    ("response-mode", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("dualstack-ip-*", Left("records of a type are not filtered")),
    ("force-*", Left("records of a type are not filtered")),
    ("max-reply-ip-num", Left("records stay as the server gives them")),
    ("edns-client-subnet", Left("servers are told nothing about the client")),
    ("cache-*", Needless(NOT_NEEDED)),
    ("serve-expired-*", Left("stale answers are given if no server answers: `serve-stale` in [cache]")),
    ("rr-ttl*", Left("TTLs are cut, never stretched")),
    ("local-ttl", Left("all local names have the same TTL")),
    ("domain-set", Left("sets of domains are not read: write a [[route]] or a [[local]] name for each")),
    ("ip-set", Left("write the networks into `block` in [guard]")),
    ("ip-rules", Left("addresses in answers are removed or kept, never replaced")),
    ("ip-alias", Left("addresses in answers are removed or kept, never replaced")),
    ("whitelist-ip", Left("write an [[exception]] for each domain that may answer with inside addresses")),
    ("ipset*", Left("addresses in answers are not added to firewall sets")),
    ("nftset*", Left("addresses in answers are not added to firewall sets")),
    ("*-record", Left(RECORDS)),
    ("ddns-domain", Left(RECORDS)),
    ("local-domain", Left("names are not completed here; write the full names as [[local]] names")),
    (
        "expand-ptr-from-address",
        Needless("addresses of [[local]] names get their reverse names automatically"),
    ),
    ("dnsmasq-lease-file", Left("names from DHCP are not read: write [[local]] names")),
    ("mdns-lookup", Left("mDNS stays with the system")),
    ("resolv-file", Left("servers of the system are those of /etc/resolv.conf; write others into `servers`")),
    ("resolv-hostname", Left("write the names of this machine as [[local]] names")),
    ("conf-file", Left("other files are not read: list them all after `stubborn import smartdns`")),
    ("client-rules", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("acl-enable", Left("`allow-clients` says who may ask")),
    ("group-*", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("proxy-server", Left("servers are asked directly")),
    ("ca-*", Left("servers are asked only in plain DNS")),
    ("log-*", Left(SERVICE)),
    ("audit-*", Left(LOG)),
    ("user", Left(SERVICE)),
    ("plugin*", Left("there are no modules")),
    ("data-dir", Left(SERVICE)),
    ("restart-on-crash", Left(SERVICE)),
    ("socket-buff-size", Needless(NOT_NEEDED)),
    ("dnssec*", Left(DNSSEC)),
    ("odhcpd-lease-file", Left("names from DHCP are not read: write [[local]] names")),
];

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) {
    let mut reader = Reader::default();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let from = Setting::new(file, index + 1, line);
            let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            if let Some((_, take)) = TAKEN.iter().find(|(known, _)| *known == name) {
                take(&mut reader, draft, &from, &Line::of(rest));
            } else if !decide(OTHERS, name, &from, draft) {
                draft.unknown(&from);
            }
        }
    }
    reader.finish(draft);
}

impl Reader {
    /// A server: for its groups, and for all names unless an option says otherwise.
    fn server(&mut self, draft: &mut Draft, from: &Setting, line: &Line<'_>, scheme: &str) {
        let mut server = endpoint(line.first(), scheme);
        let host = line.options.iter().find(|(option, _)| matches!(*option, "host-name" | "tls-host-verify"));
        if let (true, Some((_, Some(host)))) = (server.starts_with("tls://"), host) {
            server = format!("{server}#{host}");
        }
        if server.is_empty() {
            return draft.leave(from, "it does not name a server");
        }
        draft.part();
        let has = |wanted: &[&str]| line.options.iter().any(|(option, _)| wanted.contains(option));
        // Such a server only looks up the names of other servers, unless it has a group besides.
        let is_bootstrap = has(&["bootstrap-dns", "b"]);
        let is_for_all = !is_bootstrap && self.group.is_none() && !has(&["exclude-default-group", "e"]);
        let is_hidden = has(&["proxy", "p"]);
        let mut groups: Vec<String> = self.group.iter().cloned().collect();
        for group in &groups {
            let own = self.groups.entry(group.clone()).or_default();
            own.extend(Some(server.clone()).filter(|_| !is_hidden));
        }
        for (option, value) in &line.options {
            match (*option, value) {
                ("group" | "g", Some(group)) => {
                    let own = self.groups.entry((*group).to_owned()).or_default();
                    // A group may be left without a server: then its domains are not asked elsewhere.
                    own.extend(Some(server.clone()).filter(|_| !is_hidden));
                    groups.push((*group).to_owned());
                }
                (
                    "exclude-default-group" | "e" | "b" | "bootstrap-dns" | "host-name" | "tls-host-verify",
                    _,
                ) => {}
                _ if is_hidden || encrypted(&server).is_some() => {}
                (option, _) => draft.leave(from, format!("the server is carried over, but not -{option}")),
            }
        }
        match (is_hidden, is_for_all) {
            (true, is_for_all) => {
                draft.lost(from, Loss::Privacy, HIDDEN);
                if is_for_all {
                    draft.orphan(from);
                }
            }
            (false, true) => draft.list(from, "upstream", "servers", server),
            (false, false) if is_bootstrap && groups.is_empty() => {
                draft.needless(from, "servers are written as addresses, which need no lookup");
            }
            (false, false) => self.grouped.push((from.clone(), groups, encrypted(&server).is_some())),
        }
    }

    /// `/lan/group`; the group `-` is the one for all names.
    fn nameserver(&mut self, draft: &mut Draft, from: &Setting, domain: &str, group: &str) {
        let pattern = match Pattern::of(domain) {
            _ if group.is_empty() => return draft.leave(from, "it does not name a group"),
            Ok(pattern) => pattern,
            Err(Unfit::Every) if group == "-" => {
                return draft.needless(from, "the servers for all names are asked anyway");
            }
            Err(Unfit::Every) => {
                draft.part();
                return self.everywhere.push((from.clone(), group.to_owned()));
            }
            Err(Unfit::Set) => return draft.leave(from, SETS),
        };
        if group == "-" {
            return draft.later(from, Later::ToDefault { domain: pattern.domain });
        }
        draft.part();
        if !pattern.is_whole() {
            draft.leave(from, "carried over for the domain and everything below");
        }
        self.routes.push((from.clone(), pattern.domain, group.to_owned()));
    }

    /// `/lan/ -nameserver group -address 192.168.1.1`
    fn domain_rules(&mut self, draft: &mut Draft, from: &Setting, line: &Line<'_>) {
        let (domain, _) = domain(line.first());
        draft.part();
        for (option, value) in &line.options {
            match (*option, value) {
                ("nameserver" | "n", Some(group)) => self.nameserver(draft, from, domain, group),
                ("address" | "a", Some(list)) => address(draft, from, domain, list),
                ("cname", Some(target)) => cname(draft, from, domain, target),
                (option, _) => draft.leave(from, format!("-{option} has no meaning here")),
            }
        }
    }

    fn finish(self, draft: &mut Draft) {
        let has_server = draft.servers().any(|(_, server)| encrypted(server).is_none());
        for (from, group) in &self.everywhere {
            match self.groups.get(group) {
                Some(_) if has_server => {
                    draft.lose(from, "it is for every name: write the servers of its group into [upstream]")
                }
                Some(servers) => {
                    servers.iter().for_each(|server| draft.list(from, "upstream", "servers", server.clone()));
                }
                None => draft.leave(from, NO_GROUP),
            }
        }
        for (from, domain, group) in &self.routes {
            match self.groups.get(group) {
                Some(servers) if servers.is_empty() => {
                    draft.orphans.push((from.clone(), Some(domain.clone())));
                }
                Some(servers) => {
                    servers.iter().for_each(|server| draft.route(from, domain, server.clone()));
                }
                None => draft.leave(from, NO_GROUP),
            }
        }
        let routed = self.routes.iter().map(|(_, _, group)| group);
        let used: HashSet<&String> = routed.chain(self.everywhere.iter().map(|(_, group)| group)).collect();
        for (from, groups, is_encrypted) in &self.grouped {
            match groups.iter().any(|group| used.contains(group)) {
                true => draft.needless(from, "it goes with each domain of its group"),
                false if *is_encrypted => draft.lose_privacy(from, "no domain is sent to its group"),
                false => draft.lose(from, "no domain is sent to its group"),
            }
        }
        if draft.filter.is_none() {
            draft.remarks.push(UNGUARDED);
        }
    }
}

const SETS: &str = "sets of domains are not read: write a [[route]] or a [[local]] name for each";
const NO_GROUP: &str = "its group has no server";
const EVERY_NAME: &str = "a [[local]] name cannot cover every name";

/// `/nas.lan/192.168.1.10,fd00::10`; `#` is for what is blocked, `-` for what is not.
fn address(draft: &mut Draft, from: &Setting, domain: &str, list: &str) {
    if list.starts_with('#') || list.is_empty() {
        return draft.leave(from, BLOCKING);
    }
    if list.starts_with('-') {
        return draft.needless(from, "its names are asked like all others");
    }
    let pattern = match Pattern::of(domain) {
        Ok(pattern) => pattern,
        Err(Unfit::Every) => return draft.leave(from, EVERY_NAME),
        Err(Unfit::Set) => return draft.leave(from, SETS),
    };
    for address in list.split(',').map(str::trim) {
        pattern.names().for_each(|name| draft.local(from, &name, address));
    }
}

fn cname(draft: &mut Draft, from: &Setting, domain: &str, target: &str) {
    match Pattern::of(domain) {
        _ if target.is_empty() => draft.leave(from, "it has no alias or no target"),
        Err(Unfit::Every) => draft.leave(from, EVERY_NAME),
        Err(Unfit::Set) => draft.leave(from, SETS),
        Ok(pattern) => {
            let target = spelling::name(target);
            pattern.names().for_each(|name| {
                draft.later(from, Later::Alias { name, target: target.clone() });
            });
        }
    }
}

/// `[::]:53@eth0 -no-cache`
fn bind(draft: &mut Draft, from: &Setting, line: &Line<'_>) {
    let (text, interface) = line
        .first()
        .split_once('@')
        .map_or((line.first(), None), |(text, interface)| (text, Some(interface)));
    let text = text.strip_prefix('*').unwrap_or(text);
    match text.strip_prefix(':').map(str::parse::<u16>) {
        Some(Ok(port)) => draft.list(from, "server", "listen", format!("0.0.0.0:{port}")),
        _ => draft.list(from, "server", "listen", text),
    }
    if text.starts_with("[::]") {
        // It serves both families.
        draft.list(from, "server", "listen", text.replace("[::]", "0.0.0.0"));
    }
    if interface.is_some() {
        draft.leave(from, INTERFACES);
    }
    for (option, _) in &line.options {
        draft.leave(
            from,
            format!("the address is carried over, but not -{option}: all clients are served alike"),
        );
    }
}

/// Addresses that no answer may have. If they are inside, this is a filter against rebinding.
fn without(draft: &mut Draft, from: &Setting, line: &Line<'_>) {
    let network = spelling::network(line.first());
    let parsed = network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
    match parsed {
        Ok(network) if spelling::is_inside(&network.addr().to_string()) => {
            draft.filter = Some("whitelist-ip");
            draft.needless(from, "always so");
        }
        Ok(_) => draft.list(from, "guard", "block", network),
        Err(_) => draft.leave(from, "write the networks into `block` in [guard]"),
    }
}

/// `tls://9.9.9.9:853`, `9.9.9.9:53`, `[2620:fe::fe]:53`
fn endpoint(text: &str, scheme: &str) -> String {
    let bare = ["udp://", "tcp://"].iter().find_map(|plain| text.strip_prefix(plain)).unwrap_or(text);
    if !scheme.is_empty() && !bare.is_empty() {
        return if bare.contains("://") { bare.to_owned() } else { format!("{scheme}{bare}") };
    }
    host_port(bare)
}
