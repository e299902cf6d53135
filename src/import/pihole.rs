//! pihole.toml of Pi-hole 6: most of its settings are those of dnsmasq with other names.

use std::sync::Arc;

use super::ImportError;
use super::dnsmasq::Reader;
use super::draft::{Draft, Setting};
use super::spelling;
use super::tables::{BLOCKING, DHCP, DNSMASQ, DNSSEC, Fate, NOT_NEEDED, OFF, SERVICE, decide, off};
use super::toml_tree;
use super::tree::{Node, setting};
use crate::config::Files;
use Fate::{Left, Needless};

/// Settings of dnsmasq: a text is the value, and a list has several values.
const VALUES: &[(&str, &str)] = &[
    ("dns.upstreams", "server"),
    ("dns.cnameRecords", "cname"),
    ("dns.hostRecord", "host-record"),
    ("dns.interface", "interface"),
    ("dns.port", "port"),
    ("dns.domain", "domain"),
    ("dns.domain.name", "domain"),
    ("dns.cache.size", "cache-size"),
];

/// Settings of dnsmasq that are on or off.
const SWITCHES: &[(&str, &str)] = &[
    ("dns.domainNeeded", "domain-needed"),
    ("dns.expandHosts", "expand-hosts"),
    ("dns.bogusPriv", "bogus-priv"),
    ("dns.dnssec", "dnssec"),
    ("dns.queryLogging", "log-queries"),
    ("dns.localise", "localise-queries"),
];

/// Special names, which stubborn also answers itself by default.
const SPECIAL: &[(&str, &str)] = &[
    ("dns.specialDomains.mozillaCanary", "firefox-canary"),
    ("dns.specialDomains.iCloudPrivateRelay", "private-relay"),
    ("dns.specialDomains.designatedResolver", "designated-resolver"),
];

/// The other settings of `dns` and `misc`.
const OTHERS: &[(&str, Fate)] = &[
    ("dns.listeningMode", Left("`allow-clients` in [server] says who may ask: private networks by default")),
    ("dns.blocking.*", Left(BLOCKING)),
    ("dns.block*", Left(BLOCKING)),
    ("dns.CNAMEdeepInspect", Left(BLOCKING)),
    ("dns.replyWhenBusy", Left(BLOCKING)),
    ("dns.reply.*", Left("write the names of this machine as [[local]] names")),
    ("dns.piholePTR", Left("write the names of this machine as [[local]] names")),
    ("dns.EDNS0ECS", Needless("clients are known only by address")),
    ("dns.showDNSSEC", Left(DNSSEC)),
    ("dns.ignoreLocalhost", Left("the log has one line for each query")),
    ("dns.analyzeOnlyAandAAAA", Left("the log has one line for each query")),
    ("dns.cache.*", Needless("stale answers are given if no server answers: `serve-stale` in [cache]")),
    ("dns.rateLimit.*", Left("the rate of queries is not limited")),
    (
        "misc.etc_dnsmasq_d",
        Left("other files are not read: import /etc/dnsmasq.d as well, with `stubborn import dnsmasq`"),
    ),
    ("misc.*", Left(SERVICE)),
];

/// The other tables, which are left as a whole.
const TABLES: &[(&str, Fate)] = &[
    ("dhcp", Left(DHCP)),
    ("ntp", Left(SERVICE)),
    ("resolver", Left("clients are known only by address")),
    ("database", Left(NOT_NEEDED)),
    ("webserver", Left("there is no web page")),
    ("files", Left(SERVICE)),
    ("debug", Left(SERVICE)),
];

pub(super) fn read(
    texts: &[(Arc<str>, &str)],
    files: &dyn Files,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    // Its dnsmasq asks no other servers.
    let mut reader = Reader::default();
    reader.is_alone = true;
    for (file, text) in texts {
        let top = toml_tree::parse(file, text)?;
        for (key, node) in top.entries() {
            let from = setting(file, key, node);
            match key.as_str() {
                "dns" => dns(file, node, &mut reader, draft),
                "misc" => misc(file, node, &mut reader, draft),
                _ if decide(TABLES, key, &from, draft) => {}
                _ => draft.unknown(&from),
            }
        }
    }
    reader.finish(files, draft);
    Ok(())
}

fn dns(file: &Arc<str>, dns: &Node, reader: &mut Reader, draft: &mut Draft) {
    draft.part();
    reader.everywhere.get_or_insert_with(|| Setting::new(file, dns.line, "[dns]"));
    let domain = dns.get("domain");
    let domain = domain.and_then(|domain| domain.get("name").unwrap_or(domain).text()).unwrap_or_default();
    let expands = dns.get("expandHosts").is_some_and(Node::is_on);
    for (path, node) in dns.leaves() {
        let path = format!("dns.{path}");
        let from = setting(file, &path, node);
        let known = |table: &[(&'static str, &'static str)]| {
            table.iter().find(|(known, _)| *known == path).map(|(_, name)| *name)
        };
        if let Some(key) = known(SPECIAL) {
            draft.key(&from, "names", key, node.is_on().to_string());
        } else if let Some(name) = known(SWITCHES) {
            match node.is_on() {
                true => reader.setting(draft, &from, name, ""),
                false => off(DNSMASQ, name, &from, draft),
            }
        } else if path == "dns.hosts" {
            let suffix = Some(domain).filter(|domain| expands && !domain.is_empty());
            each(file, &path, node, draft, |from, text, draft| hosts_line(from, text, suffix, draft));
        } else if path == "dns.revServers" {
            each(file, &path, node, draft, |from, text, draft| rev_server(from, text, reader, draft));
        } else if path == "dns.domain.local" {
            match node.is_on() {
                true => draft.keep(&from, domain),
                false => draft.needless(&from, OFF),
            }
        } else if node.is_nothing() || (path == "dns.listeningMode" && node.text() == Some("LOCAL")) {
            draft.needless(&from, "the same as here");
        } else if let Some(name) = known(VALUES) {
            each(file, &path, node, draft, |from, text, draft| reader.setting(draft, from, name, text));
        } else if !decide(OTHERS, &path, &from, draft) {
            draft.unknown(&from);
        }
    }
}

/// `misc.dnsmasq_lines` are lines of a dnsmasq.conf.
fn misc(file: &Arc<str>, misc: &Node, reader: &mut Reader, draft: &mut Draft) {
    for (path, node) in misc.leaves() {
        let path = format!("misc.{path}");
        let from = setting(file, &path, node);
        if node.is_nothing() {
            draft.needless(&from, OFF);
        } else if path == "misc.dnsmasq_lines" {
            each(file, &path, node, draft, |from, text, draft| reader.line(draft, from, text));
        } else if !decide(OTHERS, &path, &from, draft) {
            draft.unknown(&from);
        }
    }
}

/// Takes each text of a list, or the only text.
fn each(
    file: &Arc<str>,
    path: &str,
    node: &Node,
    draft: &mut Draft,
    mut take: impl FnMut(&Setting, &str, &mut Draft),
) {
    draft.part();
    for (line, text) in node.texts() {
        take(&Setting::new(file, line, &format!("{path}: {text}")), text.trim(), draft);
    }
}

/// `192.168.1.10 nas tv.lan`
fn hosts_line(from: &Setting, text: &str, suffix: Option<&str>, draft: &mut Draft) {
    let mut words = text.split('#').next().unwrap_or_default().split_whitespace();
    let address = words.next().unwrap_or_default();
    let names: Vec<&str> = words.collect();
    if names.is_empty() {
        return draft.leave(from, "it has no name or no address");
    }
    for name in names {
        draft.local(from, name, address);
        if let Some(suffix) = suffix.filter(|_| !name.contains('.')) {
            draft.local(from, &format!("{}.{suffix}", spelling::name(name)), address);
        }
    }
}

/// `true,192.168.0.0/24,192.168.0.1#53,lan`: reverse names of a network, and a domain, with their server.
fn rev_server(from: &Setting, text: &str, reader: &mut Reader, draft: &mut Draft) {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [switch, network, server, rest @ ..] = parts.as_slice() else {
        return draft.leave(from, "it does not name a server");
    };
    if *switch != "true" {
        return draft.leave(from, "it was switched off");
    }
    reader.setting(draft, from, "rev-server", &format!("{network},{server}"));
    match rest {
        [] | [""] => {}
        [domain] => reader.setting(draft, from, "server", &format!("/{domain}/{server}")),
        [..] => draft.leave(from, "it has more parts than expected"),
    }
}
