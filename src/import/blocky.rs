//! blocky's config.yml.

mod zone;

use std::net::IpAddr;
use std::sync::Arc;

use super::ImportError;
use super::draft::{Draft, Later, Setting};
use super::spelling::{self, Names, host_port, with_port};
use super::tables::{BLOCKING, DNSSEC, Fate, LOG, NOT_NEEDED, OFF, RECORDS, SERVICE, decide, off};
use super::tree::{Node, setting};
use super::yaml;
use Fate::{Left, Needless, Served};

const UNGUARDED: &str = "There was no protection against rebinding; here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";

/// A list of blocky's, with its context.
struct Place<'a> {
    file: &'a Arc<str>,
    top: &'a Node,
}

type Take = fn(&Place<'_>, &mut Draft, &Setting, &str, &Node);

/// Settings whose value matters, by their path; `*` matches the rest.
const TAKEN: &[(&str, Take)] = &[
    ("upstreams.groups.*", servers),
    ("upstreams.timeout", |_, draft, from, _, node| timeout(draft, from, node)),
    ("upstreamTimeout", |_, draft, from, _, node| timeout(draft, from, node)),
    ("upstream.*", servers),
    ("customDNS.mapping.*", local),
    ("customDNS.zone", zone),
    ("conditional.mapping.*", conditional),
    ("ports.dns", ports),
    ("port", ports),
    ("hostsFile.filePath", hosts),
    ("hostsFile.sources", hosts),
    ("caching.maxTime", |_, draft, from, _, node| longest(draft, from, "max-ttl", node)),
    ("caching.cacheTimeNegative", |_, draft, from, _, node| longest(draft, from, "negative-max-ttl", node)),
    ("caching.prefetching", |_, draft, from, _, node| {
        draft.key(from, "cache", "prefetch", node.is_on().to_string());
    }),
    ("queryLog.type", |_, draft, from, _, node| match node.text() {
        None | Some("" | "none") => draft.needless(from, OFF),
        Some(_) => draft.text(from, "log", "queries", "with-names"),
    }),
    ("log.level", |_, draft, from, _, node| {
        draft.text(from, "log", "level", &node.text().unwrap_or_default().to_ascii_lowercase());
    }),
    ("logLevel", |_, draft, from, _, node| {
        draft.text(from, "log", "level", &node.text().unwrap_or_default().to_ascii_lowercase());
    }),
    ("log.format", |_, draft, from, _, node| {
        draft.text(from, "log", "format", node.text().unwrap_or_default());
    }),
];

/// Settings whose value does not matter.
const OTHERS: &[(&str, Fate)] = &[
    ("upstreams.*", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("customDNS.customTTL", Left("all local names have the same TTL")),
    ("customDNS.filterUnmappedTypes", Needless("it is part of the names, as their `types`")),
    ("customDNS.rewrite*", Left("names are not rewritten: write the names themselves as [[local]] names")),
    ("conditional.rewrite*", Left("names are not rewritten: write a [[route]] for the names themselves")),
    ("conditional.fallbackUpstream", Left("the servers of a [[route]] are the only ones for its domain")),
    ("hostsFile.*", Left("hosts files are read as they are, and again when they change")),
    ("hostsFile", Left("hosts files are read as they are, and again when they change")),
    ("caching.minTime", Left("TTLs are cut, never stretched")),
    ("caching.maxItemsCount", Left("the cache is measured in octets: `size` in [cache] is 16MiB by default")),
    ("caching.*", Needless(NOT_NEEDED)),
    ("ports.tls", Served),
    ("ports.https", Served),
    ("tlsPort", Served),
    ("httpsPort", Served),
    ("ports.*", Left("stubborn serves plain DNS only")),
    ("*Port", Left("stubborn serves plain DNS only")),
    ("filtering.*", Left("records of a type are not filtered")),
    ("fqdnOnly*", Needless("names without a dot are not asked outside")),
    ("specialUseDomains*", Needless("always so: special names are not asked outside")),
    ("bootstrapDns*", Needless("servers are written as addresses, which need no lookup")),
    ("ede*", Needless("a removed answer always says why")),
    ("ecs*", Left("servers are told nothing about the client")),
    ("dnssec*", Left(DNSSEC)),
    ("log.*", Left(SERVICE)),
    ("logTimestamp", Left(SERVICE)),
    ("connectIPVersion", Needless("the family is that of the server's address")),
    ("startVerifyUpstream", Needless(NOT_NEEDED)),
    ("minTlsServeVersion", Left("stubborn serves plain DNS only")),
];

/// Tables that are left as a whole, because some hold passwords.
const TABLES: &[(&str, Fate)] = &[
    ("blocking", Left(BLOCKING)),
    ("redis", Left(SERVICE)),
    ("prometheus", Left("`listen` in [metrics] serves metrics")),
    ("clientLookup", Left("clients are known only by address")),
    ("queryLog", Left(LOG)),
    ("certFile", Left("stubborn serves plain DNS only")),
    ("keyFile", Left("stubborn serves plain DNS only")),
];

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) -> Result<(), ImportError> {
    for (file, text) in texts {
        let Some(top) = yaml::parse(file, text)? else { continue };
        let place = Place { file, top: &top };
        for (key, node) in top.entries() {
            place.table(key, node, draft);
        }
        if top.entries().is_empty() {
            draft.unknown(&Setting::new(file, top.line, "no keys and values"));
        }
    }
    if draft.filter.is_none() {
        draft.remarks.push(UNGUARDED);
    }
    Ok(())
}

impl Place<'_> {
    fn table(&self, key: &str, node: &Node, draft: &mut Draft) {
        if key.to_ascii_lowercase().contains("rebind") {
            return self.rebinding(key, node, draft);
        }
        if key == "queryLog"
            && let Some(kind) = node.get("type")
        {
            self.one("queryLog.type", kind, draft);
        }
        if decide(TABLES, key, &setting(self.file, key, node), draft) {
            return;
        }
        if node.entries().is_empty() {
            return self.one(key, node, draft);
        }
        for (path, leaf) in node.leaves() {
            self.one(&format!("{key}.{path}"), leaf, draft);
        }
    }

    fn one(&self, path: &str, node: &Node, draft: &mut Draft) {
        let from = setting(self.file, path, node);
        let taken = TAKEN.iter().find_map(|(known, take)| match known.strip_suffix('*') {
            Some(start) => path.strip_prefix(start).map(|rest| (rest, take)),
            None => (*known == path).then_some(("", take)),
        });
        match taken {
            Some((rest, take)) => take(self, draft, &from, rest, node),
            None if node.text() == Some("false") => off(OTHERS, path, &from, draft),
            None if node.is_nothing() => draft.needless(&from, OFF),
            None if decide(OTHERS, path, &from, draft) => {}
            None => draft.unknown(&from),
        }
    }

    /// A filter with the domains it lets through.
    fn rebinding(&self, key: &str, node: &Node, draft: &mut Draft) {
        let is_on =
            node.is_on() || ["enable", "enabled"].iter().any(|on| node.get(on).is_some_and(Node::is_on));
        let from = setting(self.file, key, node);
        if !is_on {
            return draft.needless(&from, "it was off there; here it is on");
        }
        draft.filter = Some("allowed domain");
        draft.needless(&from, "always so");
        for (path, list) in node.leaves() {
            let path = format!("{key}.{path}");
            let is_domains = path.to_ascii_lowercase().contains("domain");
            for (line, text) in list.texts() {
                let from = Setting::new(self.file, line, &format!("{path}: {text}"));
                match is_domains {
                    true => draft.exception(&from, text.trim_start_matches("*.")),
                    false if path.ends_with(".enable") || path.ends_with(".enabled") => {}
                    false => draft.leave(&from, "write the networks into an [[exception]]"),
                }
            }
        }
    }
}

/// `tcp+udp:9.9.9.9:53` as stubborn writes a server.
fn server(text: &str) -> String {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("tcp-tls:") {
        return format!("tls://{rest}");
    }
    if let Some(rest) = text.strip_prefix("quic:").filter(|rest| !rest.starts_with("//")) {
        return format!("quic://{rest}");
    }
    let schemes = ["tcp+udp:", "udp:", "tcp:"];
    let bare = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
    let bare = bare.trim_start_matches("//");
    host_port(bare)
}

/// The servers of a group. Those of `default` are for all clients.
fn servers(place: &Place<'_>, draft: &mut Draft, from: &Setting, group: &str, node: &Node) {
    draft.part();
    if node.texts().is_empty() {
        return draft.leave(from, "it does not name a server");
    }
    for (line, text) in node.texts() {
        let from = Setting::new(place.file, line, &format!("{group}: {text}"));
        match group {
            "default" => draft.list(&from, "upstream", "servers", server(text)),
            _ => draft.lose(&from, "it was for some clients: all clients have the same servers here"),
        }
    }
}

fn timeout(draft: &mut Draft, from: &Setting, node: &Node) {
    draft.text(from, "upstream", "timeout", node.text().unwrap_or_default());
}

fn is_whole(place: &Place<'_>) -> bool {
    let switch = place.top.get("customDNS").and_then(|custom| custom.get("filterUnmappedTypes"));
    switch.and_then(Node::text) != Some("false")
}

/// A name with all names below it. Other types are not asked outside, unless the switch is off.
fn local(place: &Place<'_>, draft: &mut Draft, from: &Setting, name: &str, node: &Node) {
    let is_whole = is_whole(place);
    let from = &Setting { kind: "customDNS.mapping".to_owned(), ..from.clone() };
    if node.texts().is_empty() {
        return draft.leave(from, "it has no address");
    }
    for value in node.texts().into_iter().flat_map(|(_, text)| text.split(',')).map(str::trim) {
        for name in [name.to_owned(), format!("*.{name}")] {
            match record(value) {
                Record::Address(address) if is_whole => draft.whole(from, &name, address),
                Record::Address(address) => draft.local(from, &name, address),
                Record::Alias(target) => {
                    draft.later(from, Later::Alias { name, target: spelling::name(target) });
                }
                Record::Other => {
                    draft.leave(from, RECORDS);
                    break;
                }
            }
        }
    }
}

/// Records of single names. Other types are not asked outside, unless the switch is off.
fn zone(place: &Place<'_>, draft: &mut Draft, from: &Setting, _: &str, node: &Node) {
    let is_whole = is_whole(place);
    draft.part();
    for record in zone::records(node.text().unwrap_or_default()) {
        let text = format!("customDNS.zone: {}", record.text);
        let from = Setting::of(&from.place.file, from.place.line, "customDNS.zone", &text);
        let zone::Zoned { name, rtype, value, .. } = record;
        match rtype.as_str() {
            "A" | "AAAA" if value.parse::<IpAddr>().is_ok() => match is_whole {
                true => draft.whole(&from, &name, &value),
                false => draft.local(&from, &name, &value),
            },
            "CNAME" => draft.later(&from, Later::Alias { name, target: value }),
            _ => draft.leave(&from, RECORDS),
        }
    }
}

/// What a name is answered with.
enum Record<'a> {
    Address(&'a str),
    Alias(&'a str),
    Other,
}

/// `192.168.1.10`, `A(192.168.1.10)`, `CNAME(nas.lan)`
fn record(text: &str) -> Record<'_> {
    let (rtype, value) = text
        .split_once('(')
        .and_then(|(rtype, value)| Some((rtype.trim(), value.strip_suffix(')')?.trim())))
        .unwrap_or(("A", text));
    match rtype.to_ascii_uppercase().as_str() {
        "A" | "AAAA" if value.parse::<IpAddr>().is_ok() => Record::Address(value),
        "CNAME" if !value.is_empty() => Record::Alias(value),
        _ => Record::Other,
    }
}

/// A domain with its servers; `.` is for names without a dot.
fn conditional(_: &Place<'_>, draft: &mut Draft, from: &Setting, domain: &str, node: &Node) {
    let servers =
        node.text().unwrap_or_default().split(',').map(str::trim).filter(|server| !server.is_empty());
    let servers: Vec<String> = servers.map(server).collect();
    if servers.is_empty() {
        return draft.leave(from, "it does not name a server");
    }
    match Names::of(domain) {
        Names::All | Names::Dotless => draft.lose(
            from,
            "nobody is asked for names without a dot: write a [[route]] for each that the server knows, such as domain = \"nas\"",
        ),
        Names::Of(domain) | Names::Below(domain) => {
            servers.into_iter().for_each(|server| draft.route(from, &domain, server));
        }
    }
}

/// `53`, `:53`, `127.0.0.1:5353,[::1]:5353`
fn ports(place: &Place<'_>, draft: &mut Draft, _: &Setting, _: &str, node: &Node) {
    draft.part();
    for (line, text) in node.texts() {
        let from = Setting::new(place.file, line, &format!("ports.dns: {text}"));
        for one in text.split(',').map(str::trim).filter(|one| !one.is_empty()) {
            match one.strip_prefix(':').unwrap_or(one).parse::<u16>() {
                Ok(port) => {
                    for any in ["0.0.0.0", "::"] {
                        draft.list(&from, "server", "listen", with_port(any, Some(&port.to_string())));
                    }
                }
                Err(_) => draft.list(&from, "server", "listen", one),
            }
        }
    }
}

fn hosts(place: &Place<'_>, draft: &mut Draft, _: &Setting, _: &str, node: &Node) {
    draft.part();
    for (line, text) in node.texts() {
        let from = Setting::new(place.file, line, &format!("hostsFile: {text}"));
        let text = text.trim_start_matches("file://");
        match text.starts_with('/') && !text.contains('\n') {
            true => draft.list(&from, "names", "hosts-files", text),
            false => draft.leave(&from, "hosts files are those of this machine, by their whole path"),
        }
    }
}

/// The longest time in the cache; 0 means without a limit there, and less means without a cache.
fn longest(draft: &mut Draft, from: &Setting, key: &'static str, node: &Node) {
    let text = node.text().unwrap_or_default();
    if text.starts_with('-') {
        return match key {
            "max-ttl" => draft.text(from, "cache", "size", "0"),
            _ => draft.text(from, "cache", key, "0"),
        };
    }
    // A bare number counts minutes.
    match text.parse::<u64>() {
        Ok(0) => draft.needless(from, "there was no limit"),
        Ok(minutes) => draft.text(from, "cache", key, &format!("{minutes}m")),
        Err(_) => draft.text(from, "cache", key, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_written_as_ours() {
        for (text, expected) in [
            ("9.9.9.9", "9.9.9.9"),
            ("tcp+udp:9.9.9.9:53", "9.9.9.9"),
            ("udp:[2620:fe::fe]:5353", "[2620:fe::fe]:5353"),
            ("2620:fe::fe", "2620:fe::fe"),
            ("tcp-tls:dns.example:853", "tls://dns.example:853"),
            ("https://dns.example/dns-query", "https://dns.example/dns-query"),
            ("quic:dns.example", "quic://dns.example"),
            ("dns.example", "dns.example"),
        ] {
            assert_eq!(server(text), expected, "{text}");
        }
    }
}
