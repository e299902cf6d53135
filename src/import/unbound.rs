//! unbound.conf: `clause:` and below it `attribute: value`, several to a line if need be.

use std::sync::Arc;

use ipnet::IpNet;

use super::draft::{Draft, Setting, What, with_port};
use super::tables::{BLOCKING, Fate, RECORDS, SERVICE, UNBOUND, decide};
use crate::dns::Name;
use crate::policy::{SPECIAL_RANGES, Treatment, special_domain};

/// Clauses that are left with everything in them.
const CLAUSES: &[(&str, Fate)] = &[
    ("remote-control", Fate::Left(SERVICE)),
    ("auth-zone", Fate::Left("stubborn is no authoritative server")),
    ("view", Fate::Left("settings are the same for all clients, but the `clients` of an [[exception]]")),
    ("rpz", Fate::Left(BLOCKING)),
    ("python", Fate::Left("there are no modules")),
    ("dynlib", Fate::Left("there are no modules")),
    ("cachedb", Fate::Left("the cache is in memory")),
    ("dnstap", Fate::Left(SERVICE)),
    ("dnscrypt", Fate::Left("plain DNS is served only")),
    ("ipset", Fate::Left("addresses in answers are not put into sets of the firewall")),
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
    ("port", |reader, _, from, values| reader.port = first(values).map(|port| (from.clone(), port))),
    ("access-control", access_control),
    ("private-address", private_address),
    ("private-domain", |_, draft, from, values| each(values, |domain| draft.exception(from, domain))),
    ("local-data", Reader::local_data),
    ("local-zone", Reader::local_zone),
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
            draft.needless(from, "a stale answer is given where no server answers: `serve-stale` in [cache]")
        }
        false => draft.text(from, "cache", "serve-stale", "0"),
    }),
    ("prefetch", |_, draft, from, values| draft.key(from, "cache", "prefetch", is_yes(values).to_string())),
    ("dns64-prefix", |_, draft, from, values| {
        each(values, |prefix| draft.list(from, "guard", "nat64", prefix))
    }),
    ("ip-address", |reader, _, from, values| {
        reader.listen.extend(first(values).map(|value| (from.clone(), value)))
    }),
];

/// What is only known when all was read.
#[derive(Default)]
struct Reader {
    clause: String,
    port: Option<(Setting, String)>,
    listen: Vec<(Setting, String)>,
    zone: Option<Zone>,
    /// Names with their addresses, and the zones in which every name has the zone's own.
    data: Vec<(Setting, String, String)>,
    redirected: Vec<String>,
    is_guarded: bool,
    has_clients: bool,
}

/// A forward or stub zone.
struct Zone {
    from: Setting,
    name: Option<String>,
    servers: Vec<(Setting, String)>,
    is_tls: bool,
}

/// An attribute with its values; a clause has none.
struct Attribute {
    from: Setting,
    name: String,
    values: Vec<String>,
}

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) {
    let mut reader = Reader::default();
    for (file, text) in texts {
        for (index, line) in text.lines().enumerate() {
            for attribute in attributes(&Setting::new(file, index + 1, line.trim()), line) {
                reader.attribute(draft, &attribute);
            }
        }
    }
    reader.finish(draft);
}

/// The attributes of a line. A value that continues on the next line is not one of those that are carried over.
fn attributes(from: &Setting, line: &str) -> Vec<Attribute> {
    let mut attributes: Vec<Attribute> = Vec::new();
    for (word, is_quoted) in words(line) {
        let name = word.strip_suffix(':').filter(|name| {
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
            !is_quoted && !name.is_empty() && name.chars().all(is_name)
        });
        match (name, attributes.last_mut()) {
            (Some(name), _) => {
                attributes.push(Attribute { from: from.clone(), name: name.to_owned(), values: Vec::new() });
            }
            (None, Some(attribute)) => attribute.values.push(word),
            (None, None) => attributes.push(Attribute { from: from.clone(), name: word, values: Vec::new() }),
        }
    }
    attributes
}

/// The words of a line, and whether each was in quotes.
fn words(line: &str) -> Vec<(String, bool)> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(start) = rest.chars().next() {
        match start {
            '#' => break,
            '"' | '\'' => {
                let inner = rest.get(1..).unwrap_or_default();
                let (word, after) = inner.split_once(start).unwrap_or((inner, ""));
                words.push((word.to_owned(), true));
                rest = after.trim_start();
            }
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
                // `name:"value"` without a blank between.
                let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                words.push((word.to_owned(), false));
                rest = after.trim_start();
            }
        }
    }
    words
}

impl Reader {
    fn attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        let is_clause = values.is_empty() && !matches!(name.as_str(), "include" | "include-toplevel");
        if is_clause && (matches!(name.as_str(), "server" | "forward-zone" | "stub-zone") || is_left(name)) {
            self.flush(draft);
            self.clause.clone_from(name);
            if name.ends_with("-zone") && !is_left(name) {
                self.zone = Some(Zone { from: from.clone(), name: None, servers: Vec::new(), is_tls: false });
            }
            return;
        }
        match (name.as_str(), self.clause.as_str()) {
            ("include" | "include-toplevel", _) => {
                draft.leave(
                    from,
                    "other files are not followed: name them all after `stubborn import unbound`",
                );
            }
            (_, clause) if decide(CLAUSES, clause, from, draft) => {}
            (_, "forward-zone" | "stub-zone") => self.zone_attribute(draft, attribute),
            (_, "server") => self.server_attribute(draft, attribute),
            _ => draft.unknown(from),
        }
    }

    fn server_attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        self.is_guarded |= name == "private-address";
        self.has_clients |= name == "access-control";
        if let Some((_, take)) = TAKEN.iter().find(|(known, _)| known == name) {
            take(self, draft, from, values);
        } else if !decide(UNBOUND, name, from, draft) {
            draft.unknown(from);
        }
    }

    fn zone_attribute(&mut self, draft: &mut Draft, attribute: &Attribute) {
        let Attribute { from, name, values } = attribute;
        let Some(zone) = &mut self.zone else { return draft.unknown(from) };
        match name.as_str() {
            "name" => zone.name = first(values),
            "forward-addr" | "stub-addr" => {
                zone.servers.extend(first(values).map(|value| (from.clone(), value)))
            }
            "forward-tls-upstream" | "forward-ssl-upstream" | "stub-tls-upstream" | "stub-ssl-upstream" => {
                zone.is_tls = is_yes(values);
                draft.needless(from, "it stands with each server");
            }
            "forward-host" | "stub-host" => draft.leave(from, "a server is written as an address"),
            "forward-first" | "stub-first" => {
                draft.leave(from, "zones are not resolved here: the servers are the only ones")
            }
            "forward-no-cache" | "stub-no-cache" => draft.leave(from, "there is one cache for all"),
            "forward-tcp-upstream" | "stub-tcp-upstream" => {
                draft.needless(from, "UDP is asked first, and TCP where that does not do");
            }
            "stub-prime" => draft.needless(from, "zones are not resolved here"),
            _ => draft.unknown(from),
        }
    }

    /// Writes a zone that ends.
    fn flush(&mut self, draft: &mut Draft) {
        let Some(zone) = self.zone.take() else { return };
        let Some(name) = &zone.name else {
            return draft.leave(&zone.from, "a zone without a name");
        };
        for (from, server) in &zone.servers {
            let server = endpoint(server, zone.is_tls);
            match (name.as_str(), self.clause.as_str()) {
                (".", "stub-zone") => {
                    draft.leave(from, "names are asked of resolvers, not of the root's own servers")
                }
                (".", _) => draft.list(from, "upstream", "servers", server),
                (name, _) => draft.route(from, name, server),
            }
        }
    }

    /// `"nas.lan. 3600 IN A 192.168.1.10"`
    fn local_data(&mut self, draft: &mut Draft, from: &Setting, values: &[String]) {
        let record = values.join(" ");
        let words: Vec<&str> = record.split_whitespace().collect();
        let is_address = |word: &str| word.eq_ignore_ascii_case("A") || word.eq_ignore_ascii_case("AAAA");
        match (words.first(), words.iter().skip(1).position(|word| is_address(word)), words.last()) {
            (Some(name), Some(_), Some(address)) if words.len() >= 3 => {
                self.data.push((from.clone(), (*name).to_owned(), (*address).to_owned()));
            }
            _ => draft.leave(from, RECORDS),
        }
    }

    fn local_zone(&mut self, draft: &mut Draft, from: &Setting, values: &[String]) {
        let (zone, kind) =
            (values.first().map_or("", String::as_str), values.get(1).map_or("", String::as_str));
        let is_special = Name::from_text(zone).is_ok_and(|name| special_domain(name.as_ref()).is_some());
        match kind {
            "redirect" => {
                self.redirected.push(zone.to_owned());
                draft.needless(from, "its names are [[local]] names below the zone's");
            }
            "transparent" | "typetransparent" | "nodefault" => {
                draft.needless(
                    from,
                    "what is not a [[local]] name is asked of its [[route]], or of the default servers",
                );
            }
            _ if is_special => draft.needless(from, "always so: names in it are not asked outside"),
            _ => draft.leave(from, BLOCKING),
        }
    }

    fn finish(mut self, draft: &mut Draft) {
        self.flush(draft);
        if !self.is_guarded {
            draft.remarks.push(UNGUARDED);
        }
        let port = self.port.as_ref().map(|(_, port)| port.as_str());
        for (from, address) in &self.listen {
            let (address, own) = split_port(address);
            // Unbound writes `::0` for `::`.
            let address = if address == "::0" { "::" } else { address };
            draft.list(from, "server", "listen", with_port(address, own.or(port)));
        }
        if let Some((from, port)) = &self.port {
            if self.listen.is_empty() {
                for own in ["127.0.0.1", "::1"] {
                    draft.list(from, "server", "listen", with_port(own, Some(port)));
                }
            } else {
                draft.needless(from, "it stands with the addresses of `listen`");
            }
        }
        for (from, name, address) in &self.data {
            draft.local(from, name, address);
            if self.redirected.iter().any(|zone| same_name(zone, name)) {
                draft.local(from, &format!("*.{name}"), address);
            }
        }
    }
}

const UNGUARDED: &str = "There was no protection against rebinding (private-address); here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";

fn is_left(clause: &str) -> bool {
    CLAUSES.iter().any(|(known, _)| *known == clause)
}

fn same_name(a: &str, b: &str) -> bool {
    matches!((Name::from_text(a), Name::from_text(b)), (Ok(a), Ok(b)) if a == b)
}

/// `10.0.0.1@5353`
fn split_port(text: &str) -> (&str, Option<&str>) {
    text.split_once('@').map_or((text, None), |(address, port)| (address, Some(port)))
}

/// `9.9.9.9@853#dns.quad9.net`
fn endpoint(text: &str, is_tls: bool) -> String {
    let (address, name) = text.split_once('#').map_or((text, None), |(address, name)| (address, Some(name)));
    let (address, port) = split_port(address);
    if !is_tls {
        return with_port(address, port);
    }
    let server = match port {
        None | Some("853") => address.to_owned(),
        Some(_) => with_port(address, port),
    };
    format!("tls://{server}{}", name.map(|name| format!("#{name}")).unwrap_or_default())
}

fn access_control(_: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    let (network, action) =
        (values.first().map_or("", String::as_str), values.get(1).map_or("", String::as_str));
    match (network, action) {
        (network, "allow" | "allow_snoop" | "allow_setrd") => {
            // This machine always may, unless it is told otherwise.
            let own = What::InList { table: "server", key: "allow-clients", value: "loopback".to_owned() };
            draft.imply(from, own);
            draft.list(from, "server", "allow-clients", network);
        }
        ("0.0.0.0/0" | "::0/0" | "::/0", _) => draft.needless(from, "always so: others get REFUSED"),
        _ => draft.leave(
            from,
            "who is not in `allow-clients` gets REFUSED; parts of a network cannot be taken out",
        ),
    }
}

fn private_address(_: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    each(values, |value| {
        let network = value.parse::<IpNet>().map(|network| network.trunc());
        match network {
            Ok(network) if is_blocked(network) => draft.needless(from, "always so"),
            Ok(network) => draft.list(from, "guard", "block", network.to_string()),
            Err(_) => draft.list(from, "guard", "block", value),
        }
    });
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
    values.first().is_some_and(|value| value == "yes")
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
