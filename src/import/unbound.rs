//! unbound.conf: `clause:` and below it `attribute: value`, several to a line if need be.

mod clients;
mod forward;
mod words;
mod zones;

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::Loss;
use super::draft::{Draft, Later, Setting};
use super::spelling::{self, with_port};
use super::tables::{BLOCKING, Fate, OFF, SERVICE, UNBOUND, decide, fate, off};
use crate::policy::{SPECIAL_RANGES, Treatment};
use clients::access_control;
use forward::{Forward, split_port};
use words::{Attribute, attributes, wanted};
use zones::Zones;

/// Clauses that are left with everything in them.
const CLAUSES: &[(&str, Fate)] = &[
    ("remote-control", Fate::Left(SERVICE)),
    ("auth-zone", Fate::Left("stubborn is not an authoritative server")),
    ("view", Fate::Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("rpz", Fate::Left(BLOCKING)),
    ("python", Fate::Left("there are no modules")),
    ("dynlib", Fate::Left("there are no modules")),
    ("cachedb", Fate::Left("the cache is in memory")),
    ("dnstap", Fate::Left(SERVICE)),
    ("dnscrypt", Fate::Left("stubborn serves plain DNS only")),
    ("ipset", Fate::Left("addresses in answers are not added to firewall sets")),
];

type Take = fn(&mut Reader, &mut Draft, &Setting, &[String]);

/// The attributes of `server:` whose value matters.
const TAKEN: &[(&str, Take)] = &[
    ("interface", |reader, _, from, values| {
        reader.listen.extend(first(values).map(|value| (from.clone(), value)))
    }),
    ("interface-automatic", |reader, _, from, values| {
        if is_yes(values) {
            let any = ["0.0.0.0", "::0"].map(|any| (from.clone(), any.to_owned()));
            reader.listen.extend(any);
        }
    }),
    ("port", |reader, draft, from, values| {
        draft.part();
        if let Some((before, _)) = reader.port.replace((from.clone(), text(values).to_owned())) {
            draft.needless(&before, "a later line says otherwise");
        }
    }),
    ("access-control", access_control),
    ("private-address", private_address),
    ("private-domain", |_, draft, from, values| each(values, |domain| draft.exception(from, domain))),
    ("local-data", |reader, _, from, values| reader.zones.data(from, &values.join(" "))),
    ("local-data-ptr", |_, draft, from, values| {
        let record = values.join(" ");
        let words: Vec<&str> = record.split_whitespace().collect();
        let address = words.first().and_then(|address| address.parse().ok());
        let name = spelling::name(words.last().copied().unwrap_or_default());
        draft.later(from, Later::Pointer { name, address });
    }),
    ("local-zone", |reader, _, from, values| {
        reader.zones.zone(from, text(values), values.get(1).map_or("", String::as_str));
    }),
    ("tls-upstream", |reader, draft, _, values| {
        draft.part();
        reader.is_tls |= is_yes(values);
    }),
    ("ssl-upstream", |reader, draft, _, values| {
        draft.part();
        reader.is_tls |= is_yes(values);
    }),
    ("log-queries", log_queries),
    ("log-replies", log_queries),
    ("num-threads", |_, draft, from, values| draft.number(from, "server", "workers", text(values))),
    ("incoming-num-tcp", |_, draft, from, values| {
        draft.number(from, "server", "tcp-connections", text(values))
    }),
    ("tcp-idle-timeout", |_, draft, from, values| {
        each(values, |value| draft.text(from, "server", "tcp-idle-timeout", &format!("{value}ms")));
    }),
    ("rrset-cache-size", |_, draft, from, values| {
        each(values, |value| draft.text(from, "cache", "size", &size(value)))
    }),
    ("cache-max-ttl", |_, draft, from, values| seconds(draft, from, "max-ttl", values)),
    ("cache-max-negative-ttl", |_, draft, from, values| seconds(draft, from, "negative-max-ttl", values)),
    ("serve-expired-ttl", |_, draft, from, values| seconds(draft, from, "serve-stale", values)),
    ("serve-expired", |_, draft, from, values| match is_yes(values) {
        true => {
            draft.needless(from, "stale answers are given if no server answers: `serve-stale` in [cache]")
        }
        false => draft.text(from, "cache", "serve-stale", "0"),
    }),
    ("prefetch", |_, draft, from, values| draft.key(from, "cache", "prefetch", is_yes(values).to_string())),
    ("dns64-prefix", |_, draft, from, values| {
        each(values, |prefix| draft.list(from, "guard", "nat64", prefix))
    }),
    ("tls-port", encrypted_port),
    ("ssl-port", encrypted_port),
    ("tls-additional-port", encrypted_port),
    ("https-port", encrypted_port),
    ("quic-port", encrypted_port),
    ("ip-address", |reader, _, from, values| {
        reader.listen.extend(first(values).map(|value| (from.clone(), value)))
    }),
];

/// What is only known when all was read.
#[derive(Default)]
struct Reader {
    clause: String,
    /// The first setting that is one of Unbound.
    first: Option<Setting>,
    /// The ports on which clients are served encrypted DNS.
    encrypted: HashSet<String>,
    port: Option<(Setting, String)>,
    listen: Vec<(Setting, String)>,
    /// Forward and stub zones.
    forwards: Vec<Forward>,
    zones: Zones,
    /// Whether every server is asked over TLS.
    is_tls: bool,
    is_guarded: bool,
    /// The first line that says who may ask.
    clients: Option<Setting>,
    allowed: Vec<(Setting, IpNet)>,
    denied: Vec<(Setting, IpNet)>,
}

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) {
    let encrypted = ENCRYPTED_PORTS.iter().map(|port| (*port).to_owned()).collect();
    let mut reader = Reader { encrypted, ..Reader::default() };
    for (file, text) in texts {
        // A file that others include may have only attributes of `server:`.
        reader.clause.clear();
        for attribute in attributes(file, text) {
            reader.attribute(draft, &attribute);
        }
    }
    reader.finish(draft);
}

impl Reader {
    fn attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        let is_clause = values.is_empty() && !matches!(name.as_str(), "include" | "include-toplevel");
        if is_clause && (matches!(name.as_str(), "server" | "forward-zone" | "stub-zone") || is_left(name)) {
            self.clause.clone_from(name);
            let whole = || Setting::of(&from.place.file, from.place.line, name, "no forward-zone for \".\"");
            self.first.get_or_insert_with(whole);
            draft.part();
            if name.ends_with("-zone") && !is_left(name) {
                self.forwards.push(Forward {
                    from: from.clone(),
                    is_stub: name == "stub-zone",
                    name: None,
                    servers: Vec::new(),
                    hosts: Vec::new(),
                    is_tls: false,
                });
            }
            return;
        }
        match (name.as_str(), self.clause.as_str()) {
            ("include" | "include-toplevel", _) => {
                draft.leave(from, "other files are not read: list them all after `stubborn import unbound`");
            }
            (_, clause) if decide(CLAUSES, clause, from, draft) => {}
            (_, "forward-zone" | "stub-zone") => self.zone_attribute(draft, attribute),
            (_, "server") => self.server_attribute(draft, attribute),
            (name, "") if is_of_server(name) => self.server_attribute(draft, attribute),
            _ => draft.unknown(from),
        }
    }

    fn server_attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        self.is_guarded |= name == "private-address";
        if name == "access-control" {
            self.clients.get_or_insert_with(|| from.clone());
        }
        if let Some((_, take)) = TAKEN.iter().find(|(known, _)| known == name) {
            if is_whole(attribute, draft) {
                take(self, draft, from, values);
            }
        } else if values.len() == 1
            && text(values).eq_ignore_ascii_case("no")
            && fate(UNBOUND, name).is_some()
        {
            off(UNBOUND, name, from, draft);
        } else if !decide(UNBOUND, name, from, draft) {
            draft.unknown(from);
        }
    }

    fn zone_attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        if !is_whole(attribute, draft) {
            return;
        }
        let Some(zone) = self.forwards.last_mut() else { return draft.unknown(from) };
        match name.as_str() {
            "name" => {
                draft.part();
                zone.name = first(values).map(|name| spelling::name(&name));
            }
            "forward-addr" | "stub-addr" => {
                draft.part();
                zone.servers.extend(first(values).map(|value| (from.clone(), value)));
            }
            "forward-host" | "stub-host" => {
                draft.part();
                zone.hosts.extend(first(values).map(|value| (from.clone(), value)));
            }
            "forward-tls-upstream" | "forward-ssl-upstream" | "stub-tls-upstream" | "stub-ssl-upstream" => {
                zone.is_tls = is_yes(values);
                match zone.is_tls {
                    // It is carried over or lost together with each server.
                    true => draft.part(),
                    false => draft.needless(from, OFF),
                }
            }
            "forward-first" | "stub-first" => {
                draft.leave(from, "zones are not resolved here: the servers are the only ones")
            }
            "forward-no-cache" | "stub-no-cache" => draft.leave(from, "there is one cache for all"),
            "forward-tcp-upstream" | "stub-tcp-upstream" => {
                draft.needless(from, "UDP is asked first, and TCP if UDP is not enough");
            }
            "stub-prime" => draft.needless(from, "zones are not resolved here"),
            _ => draft.unknown(from),
        }
    }

    fn finish(mut self, draft: &mut Draft) {
        if self.is_guarded {
            draft.filter = Some("private-domain");
        } else {
            draft.remarks.push(UNGUARDED);
        }
        for forward in &self.forwards {
            forward.write(self.is_tls, draft);
        }
        let is_forwarded = |forward: &Forward| forward.is_root() && !forward.is_stub && !forward.is_empty();
        if let Some(first) = self.first.as_ref().filter(|_| !self.forwards.iter().any(is_forwarded)) {
            draft.lost(first, Loss::Privacy, RECURSES);
            draft.orphan(first);
        }
        self.clients(draft);
        std::mem::take(&mut self.zones).write(draft);
        let port = self.port.as_ref().map(|(_, port)| port.as_str());
        for (from, address) in &self.listen {
            let (address, own) = split_port(address);
            if own.or(port).is_some_and(|port| self.encrypted.contains(port)) {
                draft.lose_service(from);
                continue;
            }
            draft.list(from, "server", "listen", with_port(address, own.or(port)));
        }
        if let Some((from, port)) = &self.port {
            if self.listen.is_empty() {
                for own in ["127.0.0.1", "::1"] {
                    draft.list(from, "server", "listen", with_port(own, Some(port)));
                }
            } else {
                draft.needless(from, "it is part of the addresses in `listen`");
            }
        }
    }
}

const UNGUARDED: &str = "There was no protection against rebinding (private-address); here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";

/// Whether it has a value. Notes values that are not read.
fn is_whole(attribute: &Attribute, draft: &mut Draft) -> bool {
    let Attribute { from, name, values } = attribute;
    let most = match name.as_str() {
        "local-data" | "local-data-ptr" => usize::MAX,
        name => wanted(name),
    };
    match values.get(most..).unwrap_or_default() {
        _ if values.is_empty() => {
            draft.leave(from, "it has no value");
            false
        }
        [] => true,
        rest => {
            draft.leave(
                from,
                format!("carried over without {:?}, which does not belong there", rest.join(" ")),
            );
            true
        }
    }
}

const RECURSES: &str = "Unbound asked the servers of each domain itself, so that no resolver saw all the names: to keep that, \
     let Unbound run on another port, and write its address as `servers` in [upstream]";

/// The ports of encrypted DNS: over TLS or QUIC, over HTTPS.
const ENCRYPTED_PORTS: [&str; 2] = ["853", "443"];

/// A port on which clients are served encrypted DNS.
fn encrypted_port(reader: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    reader.encrypted.insert(text(values).to_owned());
    draft.needless(from, "it is part of the addresses in `interface`");
}

fn is_of_server(name: &str) -> bool {
    TAKEN.iter().any(|(known, _)| *known == name) || fate(UNBOUND, name).is_some()
}

fn is_left(clause: &str) -> bool {
    CLAUSES.iter().any(|(known, _)| *known == clause)
}

fn private_address(_: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    each(values, |value| {
        let network = spelling::network(value);
        match network.parse::<IpNet>().or_else(|_| network.parse::<IpAddr>().map(IpNet::from)) {
            Ok(network) if is_blocked(network) => draft.needless(from, "always so"),
            _ => draft.list(from, "guard", "block", network),
        }
    });
}

fn log_queries(_: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    match is_yes(values) {
        true => draft.text(from, "log", "queries", "with-names"),
        false => draft.needless(from, OFF),
    }
}

/// The table of ranges blocks the network, or what is embedded in it.
fn is_blocked(network: IpNet) -> bool {
    SPECIAL_RANGES.iter().any(|range| {
        let judged = matches!(range.standard, Treatment::Block | Treatment::Decode);
        judged && range.net.parse::<IpNet>().is_ok_and(|range| range.contains(&network))
    })
}

fn text(values: &[String]) -> &str {
    values.first().map_or("", String::as_str)
}

fn first(values: &[String]) -> Option<String> {
    values.first().cloned()
}

fn is_yes(values: &[String]) -> bool {
    values.first().is_some_and(|value| value.eq_ignore_ascii_case("yes"))
}

fn each(values: &[String], mut take: impl FnMut(&str)) {
    values.iter().for_each(|value| take(value));
}

fn seconds(draft: &mut Draft, from: &Setting, key: &'static str, values: &[String]) {
    draft.seconds(from, "cache", key, text(values));
}

/// `50m` as `50MiB`.
fn size(text: &str) -> String {
    let units = [('k', "KiB"), ('m', "MiB"), ('g', "GiB")];
    let lower = text.to_ascii_lowercase();
    let unit =
        units.iter().find_map(|(letter, unit)| Some(format!("{}{unit}", lower.strip_suffix(*letter)?)));
    unit.unwrap_or_else(|| format!("{text}B"))
}
