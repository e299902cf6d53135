//! OpenWrt's /etc/config/dhcp: sections of options, most of which are dnsmasq's by other names.

use std::net::IpAddr;
use std::sync::Arc;

use super::dnsmasq::Reader;
use super::draft::{Draft, Later, Setting};
use super::spelling;
use super::tables::{DHCP, DNSMASQ, OFF, off};
use crate::config::Files;

/// Options of `config dnsmasq` that have another name at dnsmasq, and no dash in it.
const NAMES: &[(&str, &str)] = &[
    ("rebind_domain", "rebind-domain-ok"),
    ("rebind_localhost", "rebind-localhost-ok"),
    ("rebind_protection", "stop-dns-rebind"),
    ("server", "server"),
    ("rev_server", "rev-server"),
    ("address", "address"),
    ("local", "local"),
    ("domain", "domain"),
    ("port", "port"),
    ("listen_address", "listen-address"),
    ("interface", "interface"),
    ("notinterface", "except-interface"),
    ("noresolv", "no-resolv"),
    ("resolvfile", "resolv-file"),
    ("serversfile", "servers-file"),
    ("addnhosts", "addn-hosts"),
    ("nohosts", "no-hosts"),
    ("cachesize", "cache-size"),
    ("maxcachettl", "max-cache-ttl"),
    ("mincachettl", "min-cache-ttl"),
    ("max_ttl", "max-ttl"),
    ("nonegcache", "no-negcache"),
    ("boguspriv", "bogus-priv"),
    ("domainneeded", "domain-needed"),
    ("filterwin2k", "filterwin2k"),
    ("filter_a", "filter-A"),
    ("filter_aaaa", "filter-AAAA"),
    ("localise_queries", "localise-queries"),
    ("expandhosts", "expand-hosts"),
    ("strictorder", "strict-order"),
    ("allservers", "all-servers"),
    ("nonwildcard", "bind-dynamic"),
    ("localservice", "local-service"),
    ("ednspacket_max", "edns-packet-max"),
    ("dnsforwardmax", "dns-forward-max"),
    ("queryport", "query-port"),
    ("minport", "min-port"),
    ("maxport", "max-port"),
    ("bogusnxdomain", "bogus-nxdomain"),
    ("ipset", "ipset"),
    ("nftset", "nftset"),
    ("cname", "cname"),
    ("logqueries", "log-queries"),
    ("logfacility", "log-facility"),
    ("logdhcp", "log-dhcp"),
    ("quietdhcp", "quiet-dhcp"),
    ("dnssec", "dnssec"),
    ("dnsseccheckunsigned", "dnssec-check-unsigned"),
    ("proxydnssec", "proxy-dnssec"),
    ("addmac", "add-mac"),
    ("addsubnet", "add-subnet"),
    ("stripmac", "strip-mac"),
    ("stripsubnet", "strip-subnet"),
    ("confdir", "conf-dir"),
    ("localuse", "test"),
    ("leasefile", "dhcp-leasefile"),
    ("authoritative", "dhcp-authoritative"),
    ("readethers", "read-ethers"),
    ("sequential_ip", "dhcp-sequential-ip"),
    ("dhcphostsfile", "dhcp-hostsfile"),
    ("dhcpleasemax", "dhcp-lease-max"),
    ("dhcpscript", "dhcp-script"),
    ("enable_tftp", "enable-tftp"),
    ("tftp_root", "tftp-root"),
    ("dhcp_boot", "dhcp-boot"),
];

/// Options with several values, in one option or in many.
const LISTS: &[&str] = &[
    "rebind_domain",
    "server",
    "rev_server",
    "address",
    "local",
    "listen_address",
    "interface",
    "addnhosts",
    "cname",
];

/// Options that are on or off; off is how stubborn is without them.
const SWITCHES: &[&str] = &[
    "rebind_localhost",
    "noresolv",
    "nohosts",
    "nonegcache",
    "filterwin2k",
    "filter_a",
    "filter_aaaa",
    "localise_queries",
    "expandhosts",
    "allservers",
    "logqueries",
    "dnssec",
    "readethers",
    "authoritative",
    "enable_tftp",
    "boguspriv",
    "domainneeded",
    "strictorder",
    "nonwildcard",
    "localservice",
];

/// A section: `config TYPE 'name'` and its options.
struct Section {
    from: Setting,
    kind: String,
    options: Vec<(Setting, String, String)>,
}

pub(super) fn read(texts: &[(Arc<str>, &str)], files: &dyn Files, draft: &mut Draft) {
    let mut reader = Reader::default();
    let sections: Vec<Section> = texts.iter().flat_map(|(file, text)| sections(file, text, draft)).collect();
    // The suffix that single names get is needed for all of them.
    let of_dnsmasq = sections.iter().filter(|section| section.kind == "dnsmasq");
    let suffix = of_dnsmasq.flat_map(|section| &section.options).find(|(_, name, _)| name == "domain");
    let suffix = suffix.map(|(_, _, value)| value.clone());
    for section in &sections {
        match section.kind.as_str() {
            "dnsmasq" => dnsmasq(section, &mut reader, draft),
            "domain" | "hostrecord" => host(section, suffix.as_deref(), draft),
            "host" if section.options.iter().any(|(_, name, value)| name == "dns" && value == "1") => {
                host(section, suffix.as_deref(), draft);
            }
            "cname" => alias(section, draft),
            "mxhost" | "srvhost" | "dnsrr" | "txtrecord" | "ptrrecord" | "caarecord" | "naptrrecord" => {
                draft.leave(&section.from, super::tables::RECORDS)
            }
            "ipset" => draft.leave(&section.from, "addresses in answers are not added to firewall sets"),
            "host" | "dhcp" | "odhcpd" | "relay" | "tag" | "match" | "vendorclass" | "userclass" | "mac"
            | "boot" | "circuitid" | "remoteid" | "subscrid" | "dhcp_option" | "classifier" => {
                draft.leave(&section.from, DHCP)
            }
            _ => draft.unknown(&section.from),
        }
    }
    if sections.iter().any(|section| section.kind == "dnsmasq") {
        reader.finish(files, draft);
    }
}

fn sections(file: &Arc<str>, text: &str, draft: &mut Draft) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = words(line);
        let from = Setting::new(file, index + 1, line.trim());
        let word = |at: usize| words.get(at).cloned().unwrap_or_default();
        match (word(0).as_str(), sections.last_mut()) {
            ("", _) => {}
            ("config", _) => sections.push(Section { from, kind: word(1), options: Vec::new() }),
            ("option" | "list", Some(section)) => section.options.push((from, word(1), word(2))),
            ("package", _) => {}
            _ => draft.unknown(&from),
        }
    }
    sections
}

/// The words of a line, quoted or not; a `#` ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(start) = rest.chars().next().filter(|start| *start != '#') {
        let (word, after) = match start {
            '\'' | '"' => {
                let inner = rest.get(1..).unwrap_or_default();
                inner.split_once(start).unwrap_or((inner, ""))
            }
            _ => rest.split_once(char::is_whitespace).unwrap_or((rest, "")),
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

fn dnsmasq(section: &Section, reader: &mut Reader, draft: &mut Draft) {
    draft.part();
    // A router serves its network unless it is told which addresses.
    reader.everywhere.get_or_insert_with(|| section.from.clone());
    // OpenWrt's init script filters by default.
    let is_off = |value: &str| matches!(value, "0" | "off" | "no" | "false" | "disabled");
    let filter = section.options.iter().rfind(|(_, name, _)| name == "rebind_protection");
    reader.exception = Some("rebind_domain");
    reader.is_guarded |= filter.is_none_or(|(_, _, value)| !is_off(value));
    for (from, name, value) in &section.options {
        let is_off = is_off(value);
        let known = NAMES.iter().find(|(known, _)| known == name).map(|(_, name)| *name);
        match known {
            _ if name == "rebind_protection" && is_off => {
                draft.needless(from, "it was off there; here it is on")
            }
            _ if is_off && SWITCHES.contains(&name.as_str()) => {
                off(DNSMASQ, known.unwrap_or(name), from, draft);
            }
            Some(_) if value.trim().is_empty() => draft.needless(from, OFF),
            Some(known) if LISTS.contains(&name.as_str()) => {
                value.split_whitespace().for_each(|word| reader.setting(draft, from, known, word));
            }
            Some(known) => reader.setting(draft, from, known, value),
            None => draft.unknown(from),
        }
    }
}

/// Names with their addresses. dnsmasq adds its suffix to a single label.
fn host(section: &Section, suffix: Option<&str>, draft: &mut Draft) {
    let values = |wanted: &'static str| {
        section.options.iter().filter(move |(_, name, _)| name == wanted).flat_map(|(from, _, value)| {
            value.split([',', ' ', '\t']).filter(|word| !word.is_empty()).map(move |word| (from, word))
        })
    };
    let addresses: Vec<&str> = values("ip").map(|(_, address)| address).collect();
    if values("name").next().is_none() || addresses.is_empty() {
        return draft.leave(&section.from, "it has no name or no address");
    }
    if addresses.iter().any(|address| address.parse::<IpAddr>().is_err()) {
        return draft.leave(&section.from, "one of its addresses is not valid");
    }
    draft.part();
    for (from, name) in values("name") {
        let suffix = suffix.filter(|suffix| !suffix.is_empty() && !name.contains('.'));
        for address in &addresses {
            draft.local(from, name, address);
            if let Some(suffix) = suffix {
                draft.local(from, &format!("{name}.{suffix}"), address);
            }
        }
    }
}

/// `config cname` with `cname`, its name, and `target`.
fn alias(section: &Section, draft: &mut Draft) {
    let option = |wanted: &str| section.options.iter().rfind(|(_, name, _)| name == wanted);
    match (option("cname"), option("target")) {
        (Some((from, _, name)), Some((_, _, target))) => {
            let (name, target) = (spelling::name(name), spelling::name(target));
            draft.later(from, Later::Alias { name, target });
        }
        _ => draft.leave(&section.from, "it has no alias or no target"),
    }
}
