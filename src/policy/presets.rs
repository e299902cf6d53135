//! Exceptions shipped as data: names that are known to answer with inside addresses, and for which addresses.
//!
//! A preset does nothing until a configuration names it; only [`built_in_exceptions`] always hold. Each row says
//! where its claim can be read. Names that belong to a private person and point at loopback are one preset each:
//! their owner can change them on any day, so nobody should get them as part of a bundle.

use std::fmt;
use std::net::IpAddr;
use std::sync::LazyLock;

use ipnet::IpNet;

use super::exceptions::{Reading, spelled_addresses};
use super::ranges::built_in_ranges;
use super::{Exception, ExceptionMode, Origin, Shape, Subject};
use crate::dns::{Name, NameRef};

/// How much of its domains a preset opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them; a `domain` may narrow it to a name below one of them.
    Whole,
    /// Strangers have names there too: a `domain` of one's own must be given.
    OwnName,
    /// A list that a `domain` replaces.
    List,
}

/// An exception known by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// What a configuration calls it.
    pub name: &'static str,
    /// The domains whose names may answer so.
    pub domains: &'static [&'static str],
    /// Only the domains themselves, nothing below them.
    pub exact: bool,
    /// A condition on the name.
    pub shape: Shape,
    /// The addresses that may be answered.
    pub networks: &'static [&'static str],
    /// Whether a configuration may or must choose the domain.
    pub scope: Scope,
    /// Where this can be read: a public page or an RFC.
    pub source: &'static str,
    /// What it is for, in a few words.
    pub note: &'static str,
}

const RFC1918: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
const HOME: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];
const SPELLED: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "127.0.0.0/8"];
const LOCALHOST: &[&str] = &["127.0.0.1/32"];
const LOCALHOST_BOTH: &[&str] = &["127.0.0.1/32", "::1/128"];
const WILDCARD_LIST: &str = "https://gist.github.com/tinogomes/c425aa2a56d289f16a1f4fcb8a65ea65";

/// A name of a stranger's that points at this machine.
const fn loopback(name: &'static str, domains: &'static [&'static str], source: &'static str) -> Preset {
    Preset {
        name,
        domains,
        exact: false,
        shape: Shape::Any,
        networks: LOCALHOST_BOTH,
        scope: Scope::Whole,
        source,
        note: "a stranger's domain that points at this machine",
    }
}

/// A service that answers with the address spelled in the name.
const fn spelled(
    name: &'static str,
    domains: &'static [&'static str],
    networks: &'static [&'static str],
    source: &'static str,
    note: &'static str,
) -> Preset {
    Preset {
        name,
        domains,
        exact: false,
        shape: Shape::AddressInName,
        networks,
        scope: Scope::Whole,
        source,
        note,
    }
}

/// Names by which a router answers for itself, and for the machines behind it, in a domain that is public. Whoever owns the
/// domain outside could answer them too, so they are of use only where the router is asked.
const fn router(
    name: &'static str,
    domains: &'static [&'static str],
    source: &'static str,
    note: &'static str,
) -> Preset {
    Preset {
        name,
        domains,
        exact: false,
        shape: Shape::Any,
        networks: HOME,
        scope: Scope::Whole,
        source,
        note,
    }
}

/// The service that answers names that spell an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Service<'a> {
    /// It reads the labels before this domain.
    pub(super) domain: NameRef<'a>,
    /// The label before the domain is a server's hash: 32 hexadecimal digits, like an IPv6 address.
    pub(super) has_hash: bool,
}

impl<'a> Service<'a> {
    /// The service that answers names in `domain`. A known service reads the whole name, even if an exception covers only
    /// a part of its names.
    pub(super) fn of(domain: NameRef<'a>) -> Self {
        /// `192-168-1-20.625d406a00ac415b978ddb368c0d1289.plex.direct`
        const WITH_HASH: &str = "plex.direct";
        static KNOWN: LazyLock<Vec<(Name, bool)>> = LazyLock::new(|| {
            let spelled = PRESETS.iter().filter(|preset| preset.shape == Shape::AddressInName);
            let domains = spelled.flat_map(|preset| preset.domains);
            domains.filter_map(|text| Some((Name::from_text(text).ok()?, *text == WITH_HASH))).collect()
        });
        let known = KNOWN.iter().find(|(service, _)| domain.is_within(service.as_ref()));
        match known {
            Some((service, has_hash)) => Self { domain: service.as_ref(), has_hash: *has_hash },
            None => Self { domain, has_hash: false },
        }
    }
}

/// What to offer the operator if a name of a preset was answered with an inside address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// The preset, which lets the name answer so; with the name, if others have names in the same domain.
    Preset(&'static Preset, Option<String>),
    /// Nothing: by the preset, the name does not answer so.
    Nothing(&'static Preset),
}

impl Offer {
    /// The offer for `question`, which was answered with `address`; `None` if no preset is for that.
    pub fn of(question: NameRef<'_>, address: IpAddr) -> Option<Self> {
        let ranges = built_in_ranges();
        let (preset, domain) = preset_of(question)?;
        let exception = preset.exception(domain, Origin::BuiltIn);
        let range = ranges.find(address)?;
        let reading = Reading::new(&exception, question, ranges);
        if !reading.is_some_and(|reading| reading.covers(address, range)) {
            // The name spells this address, so nobody bent the answer: the preset may leave the network out.
            let is_it = |spelled| spelled == address;
            let says_so = preset.shape == Shape::AddressInName
                && spelled_addresses(question, exception.domain.as_ref(), is_it).contains(&address);
            return (!says_so).then_some(Self::Nothing(preset));
        }
        match preset.is_shared() {
            true => question.as_word().map(|own| Self::Preset(preset, Some(own))),
            false => Some(Self::Preset(preset, None)),
        }
    }
}

impl fmt::Display for Offer {
    /// The command, or why there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Preset(preset, None) => write!(f, "stubborn allow --preset {}", preset.name),
            Self::Preset(preset, Some(own)) => write!(f, "stubborn allow --preset {} {own}", preset.name),
            Self::Nothing(Preset { shape: Shape::AddressInName, .. }) => {
                f.write_str("nothing: the answer is not the address in the name")
            }
            Self::Nothing(Preset { shape: Shape::Dnsbl, .. }) => {
                f.write_str("nothing: a block list does not answer this (RFC 5782)")
            }
            Self::Nothing(preset) => {
                write!(f, "nothing: names of the preset \"{}\" do not answer this", preset.name)
            }
        }
    }
}

impl Subject {
    /// [`Verdict::allow_line`] without the arguments. A preset for the name comes first: it lets through what such names
    /// answer, and nothing else.
    pub(super) fn allow_line(&self, question: NameRef<'_>) -> String {
        match self {
            // An exception names the IPv4 address, never the IPv6 one that it is mapped to.
            Self::Address { reaches, range, .. } if reaches.to_canonical() != *reaches => {
                format!("unblock = [\"{}\"] in [guard]", range.name)
            }
            Self::Address { reaches, address, .. } => {
                if let Some(offer) = Offer::of(question, *reaches) {
                    return offer.to_string();
                }
                let Some(name) = question.as_word() else {
                    return "an [[exception]] written by hand: the name has characters unfit for a command"
                        .into();
                };
                let mut command = format!("stubborn allow {name} --exact --to {reaches}");
                // Where the outer address is blocked too, both have to be named; one more network does no harm.
                if address != reaches && address.to_canonical() == *address {
                    command.push_str(&format!(" --to {address}"));
                }
                command
            }
            Self::Port(_) => "profile = \"standard\" in [guard]".to_owned(),
            Self::NotPublic(refused) => refused.way_out(question),
            Self::Alias { .. } => "a [[local]] name with the address it shall have".to_owned(),
        }
    }
}

/// The preset for `question`, and the preset's domain that holds it.
fn preset_of(question: NameRef<'_>) -> Option<(&'static Preset, Name)> {
    static DOMAINS: LazyLock<Vec<(Name, &'static Preset)>> = LazyLock::new(|| {
        let rows = PRESETS.iter().flat_map(|preset| preset.domains.iter().map(move |text| (text, preset)));
        rows.filter_map(|(text, preset)| Some((Name::from_text(text).ok()?, preset))).collect()
    });
    let is_for = |(domain, _): &&(Name, _)| question.is_within(domain.as_ref());
    DOMAINS.iter().find(is_for).map(|(domain, preset)| (*preset, domain.clone()))
}

/// All presets.
pub const PRESETS: &[Preset] = &[
    spelled(
        "plex",
        &["plex.direct"],
        HOME,
        "https://support.plex.tv/articles/206225077-how-to-use-secure-server-connections/",
        "a Plex media server in the house",
    ),
    spelled(
        "synology",
        &["direct.quickconnect.to", "direct.quickconnect.cn"],
        RFC1918,
        "https://publicsuffix.org/list/public_suffix_list.dat",
        "a Synology NAS reached through QuickConnect",
    ),
    spelled(
        "homey",
        &["homey.homeylocal.com"],
        RFC1918,
        "https://www.npmjs.com/package/homey-api",
        "a Homey hub in the house",
    ),
    Preset {
        name: "wd-mycloud",
        domains: &["remotewd.com"],
        exact: false,
        shape: Shape::Any,
        networks: RFC1918,
        scope: Scope::OwnName,
        source: "https://publicsuffix.org/list/public_suffix_list.dat",
        note: "a WD My Cloud NAS, by its own full name",
    },
    Preset {
        name: "unifi",
        domains: &["id.ui.direct"],
        exact: false,
        shape: Shape::Any,
        networks: RFC1918,
        scope: Scope::Whole,
        source: "https://developer.ui.com/",
        note: "a UniFi console in the house; a domain narrows it to one's own",
    },
    Preset {
        name: "hexos",
        domains: &["local.hexos.com"],
        exact: false,
        shape: Shape::Any,
        networks: RFC1918,
        scope: Scope::Whole,
        source: "https://docs.hexos.com/troubleshooting/network-ports.html",
        note: "a HexOS server in the house; a domain narrows it to one's own",
    },
    router(
        "fritz-box",
        &["fritz.box"],
        "https://heise.de/-9610149",
        "a FRITZ!Box and the names that it gives; strangers had registered this domain in 2024, so ask the FRITZ!Box for it",
    ),
    router(
        "asus-router",
        &["router.asus.com", "repeater.asus.com"],
        "https://github.com/AdguardTeam/AdGuardHome/issues/1446",
        "the pages of an ASUS router or repeater",
    ),
    router(
        "netgear-router",
        &["routerlogin.net", "routerlogin.com"],
        "https://www.manualowl.com/m/Netgear/WNDR4700/Manual/437597?page=19",
        "the pages of a NETGEAR router",
    ),
    router(
        "netgear-orbi",
        &["orbilogin.com"],
        "https://manualshive.com/en/manual/netgear/cbr40/1671911?page=61",
        "the pages of a NETGEAR Orbi",
    ),
    router(
        "tplink-router",
        &["tplinkwifi.net"],
        "https://github.com/nextdns/nextdns/issues/942",
        "the pages of a TP-Link router",
    ),
    router(
        "tplink-repeater",
        &["tplinkrepeater.net"],
        "https://www.manualowl.com/m/TP-Link/Archer-Air-E5/Manual/723759?page=22",
        "the pages of a TP-Link repeater",
    ),
    spelled("nip-io", &["nip.io"], SPELLED, "https://nip.io/", "development names that spell an address"),
    spelled(
        "sslip-io",
        &["sslip.io"],
        SPELLED,
        "https://sslip.io/",
        "development names that spell an address",
    ),
    spelled(
        "traefik-me",
        &["traefik.me"],
        SPELLED,
        "https://traefik.me/",
        "development names that spell an address",
    ),
    Preset {
        name: "ddev",
        domains: &["ddev.site"],
        exact: false,
        shape: Shape::Any,
        networks: LOCALHOST,
        scope: Scope::Whole,
        source: "https://ddev.readthedocs.io/en/stable/users/usage/troubleshooting/#dns-rebinding-prohibited",
        note: "DDEV projects on this machine",
    },
    Preset {
        name: "lando",
        domains: &["lndo.site"],
        exact: false,
        shape: Shape::Any,
        networks: LOCALHOST,
        scope: Scope::Whole,
        source: "https://docs.lando.dev/help/dns-rebind.html",
        note: "Lando projects on this machine",
    },
    Preset {
        name: "dnsbl",
        domains: &[
            "zen.spamhaus.org",
            "dbl.spamhaus.org",
            "bl.spamcop.net",
            "b.barracudacentral.org",
            "psbl.surriel.com",
            "dnsbl.dronebl.org",
            "list.dnswl.org",
            "multi.uribl.com",
            "multi.surbl.org",
        ],
        exact: false,
        shape: Shape::Dnsbl,
        networks: &["127.0.0.0/8"],
        scope: Scope::List,
        source: "RFC 5782 §2.1",
        note: "block lists asked by a mail server; a domain names other zones",
    },
    loopback("localtest-me", &["localtest.me"], WILDCARD_LIST),
    loopback("lvh-me", &["lvh.me"], WILDCARD_LIST),
    loopback("vcap-me", &["vcap.me"], WILDCARD_LIST),
    loopback("lacolhost-com", &["lacolhost.com"], WILDCARD_LIST),
    loopback("localhost-tv", &["localhost.tv"], WILDCARD_LIST),
    loopback("127-0-0-1-org-uk", &["127-0-0-1.org.uk"], WILDCARD_LIST),
    loopback("localhst-co-uk", &["localhst.co.uk"], WILDCARD_LIST),
    loopback("fuf-me", &["fuf.me"], WILDCARD_LIST),
    loopback("42foo-com", &["42foo.com"], WILDCARD_LIST),
    loopback("colasloth-com", &["colasloth.com"], "https://colasloth.github.io/"),
    loopback("fbi-com", &["fbi.com"], WILDCARD_LIST),
    loopback("yoogle-com", &["yoogle.com"], WILDCARD_LIST),
    loopback("local-gd", &["local.gd"], "https://local.gd/"),
    loopback("lcl-host", &["lcl.host"], "https://lcl.host/"),
];

/// Exceptions that always hold: operating systems ask these names to learn where they are.
const BUILT_IN: &[Preset] = &[
    Preset {
        name: "windows-ncsi",
        domains: &["dns.msftncsi.com"],
        exact: true,
        shape: Shape::Any,
        networks: &["131.107.255.255/32", "fd3e:4f5a:5b81::1/128"],
        scope: Scope::Whole,
        source: "https://learn.microsoft.com/en-us/windows-server/networking/ncsi/ncsi-overview",
        note: "by this answer Windows tells whether it is online",
    },
    Preset {
        name: "nat64-discovery",
        domains: &["ipv4only.arpa"],
        exact: true,
        shape: Shape::Any,
        networks: &["192.0.0.170/31"],
        scope: Scope::Whole,
        source: "RFC 7050 §2.2, RFC 8880",
        note: "by this answer a host learns its network's NAT64 prefix",
    },
];

/// RFC 1918 and unique-local: what an exception or a route may answer unless it says otherwise.
pub fn default_networks() -> Vec<IpNet> {
    HOME.iter().filter_map(|net| net.parse().ok()).collect()
}

/// The preset of that name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// The exceptions that hold without being written anywhere.
pub fn built_in_exceptions() -> Vec<Exception> {
    BUILT_IN.iter().flat_map(|preset| preset.exceptions(&Origin::BuiltIn)).collect()
}

impl Preset {
    /// Whether strangers have names in its domains, for their own machines.
    fn is_shared(&self) -> bool {
        let inside = |net: &IpNet| !net.addr().is_loopback();
        self.scope == Scope::OwnName || self.shape == Shape::Any && self.networks().iter().any(inside)
    }

    /// Whether it lets less through than an exception that says nothing but the domain.
    pub fn is_narrow(&self) -> bool {
        self.exact || self.shape != Shape::Any || self.networks() != default_networks()
    }

    /// Its networks.
    pub fn networks(&self) -> Vec<IpNet> {
        self.networks.iter().filter_map(|net| net.parse().ok()).collect()
    }

    /// One exception for each of its domains, as if written at `origin`.
    pub fn exceptions(&'static self, origin: &Origin) -> Vec<Exception> {
        let domains = self.domains.iter().filter_map(|domain| Name::from_text(domain).ok());
        domains.map(|domain| self.exception(domain, origin.clone())).collect()
    }

    /// The same exception for one domain.
    pub fn exception(&'static self, domain: Name, origin: Origin) -> Exception {
        Exception {
            domain,
            exact: self.exact,
            networks: self.networks(),
            shape: self.shape,
            clients: Vec::new(),
            until: None,
            mode: ExceptionMode::Allow,
            reason: None,
            preset: Some(self.name),
            origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Preset> {
        PRESETS.iter().chain(BUILT_IN)
    }

    #[test]
    fn every_row_parses_whole() {
        for preset in all() {
            assert!(!preset.domains.is_empty() && !preset.networks.is_empty(), "{}", preset.name);
            assert_eq!(preset.networks().len(), preset.networks.len(), "{}", preset.name);
            assert_eq!(preset.exceptions(&Origin::BuiltIn).len(), preset.domains.len(), "{}", preset.name);
            for network in preset.networks() {
                assert_eq!(network, network.trunc(), "{}", preset.name);
            }
        }
    }

    #[test]
    fn names_are_unique_and_kebab_case() {
        let mut seen = HashSet::new();
        for preset in all() {
            assert!(seen.insert(preset.name), "{} twice", preset.name);
            assert!(
                preset.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{}",
                preset.name
            );
        }
    }

    #[test]
    fn every_row_has_a_source_and_a_note() {
        for preset in all() {
            let source = preset.source;
            assert!(
                source.starts_with("https://") || source.starts_with("RFC "),
                "{}: {source}",
                preset.name
            );
            assert!(!preset.note.is_empty(), "{}", preset.name);
        }
    }

    #[test]
    fn loopback_needs_a_condition_on_the_name_or_is_one_address() {
        for preset in all().filter(|preset| preset.shape == Shape::Any) {
            for network in preset.networks() {
                let single = network.prefix_len() == network.max_prefix_len();
                assert!(!network.addr().is_loopback() || single, "{}", preset.name);
            }
        }
    }

    #[test]
    fn a_stranger_s_loopback_name_is_a_preset_of_its_own() {
        for preset in PRESETS.iter().filter(|preset| preset.networks == LOCALHOST_BOTH) {
            assert_eq!(preset.domains.len(), 1, "{}", preset.name);
        }
    }

    #[test]
    fn a_preset_is_offered_if_it_lets_the_answer_pass() {
        for (name, address, offered) in [
            ("2.0.0.127.zen.spamhaus.org", "127.0.0.2", Some("stubborn allow --preset dnsbl")),
            (
                "2.0.0.127.zen.spamhaus.org",
                "127.0.0.1",
                Some("nothing: a block list does not answer this (RFC 5782)"),
            ),
            (
                "www.zen.spamhaus.org",
                "127.0.0.2",
                Some("nothing: a block list does not answer this (RFC 5782)"),
            ),
            ("10-0-0-1.abc.plex.direct", "10.0.0.1", Some("stubborn allow --preset plex")),
            ("10-0-0-1.ABC.Plex.direct", "10.0.0.1", Some("stubborn allow --preset plex")),
            ("fd00--1.abc.plex.direct", "fd00::1", Some("stubborn allow --preset plex")),
            (
                "10-0-0-1.x.plex.direct",
                "127.0.0.1",
                Some("nothing: the answer is not the address in the name"),
            ),
            ("www.x.plex.direct", "10.0.0.1", Some("nothing: the answer is not the address in the name")),
            (
                "x_acme-challenge.10-0-0-1.nip.io",
                "10.0.0.1",
                Some("nothing: the answer is not the address in the name"),
            ),
            (
                "1-2-3-4.10-0-0-1.nip.io",
                "10.0.0.1",
                Some("nothing: the answer is not the address in the name"),
            ),
            ("127.0.0.1.nip.io", "127.0.0.1", Some("stubborn allow --preset nip-io")),
            // The preset leaves these networks out.
            ("127-0-0-1.abc.plex.direct", "127.0.0.1", None),
            ("100-64-0-1.abc.plex.direct", "100.64.0.1", None),
            ("app.localtest.me", "127.0.0.1", Some("stubborn allow --preset localtest-me")),
            ("lvh.me", "::1", Some("stubborn allow --preset lvh-me")),
            (
                "app.localtest.me",
                "10.0.0.1",
                Some("nothing: names of the preset \"localtest-me\" do not answer this"),
            ),
            ("shop.ddev.site", "127.0.0.1", Some("stubborn allow --preset ddev")),
            ("nas.remotewd.com", "10.0.0.1", Some("stubborn allow --preset wd-mycloud nas.remotewd.com")),
            ("abc.id.ui.direct", "10.0.0.1", Some("stubborn allow --preset unifi abc.id.ui.direct")),
            (
                "abc.id.ui.direct",
                "127.0.0.1",
                Some("nothing: names of the preset \"unifi\" do not answer this"),
            ),
            ("fritz.box", "192.168.178.1", Some("stubborn allow --preset fritz-box fritz.box")),
            ("nas.fritz.box", "fd00::2", Some("stubborn allow --preset fritz-box nas.fritz.box")),
            ("evilfritz.box", "192.168.178.1", None),
            ("fritz.box", "127.0.0.1", Some("nothing: names of the preset \"fritz-box\" do not answer this")),
            (
                "www.routerlogin.net",
                "192.168.1.1",
                Some("stubborn allow --preset netgear-router www.routerlogin.net"),
            ),
            ("router.asus.com", "192.168.50.1", Some("stubborn allow --preset asus-router router.asus.com")),
            ("www.asus.com", "192.168.50.1", None),
            ("www.example.org", "127.0.0.1", None),
            ("evilplex.direct", "10.0.0.1", None),
        ] {
            let found = Offer::of(Name::from_text(name).unwrap().as_ref(), address.parse().unwrap());
            assert_eq!(found.map(|offer| offer.to_string()).as_deref(), offered, "{name} {address}");
        }
    }

    #[test]
    fn presets_are_found_by_name() {
        assert_eq!(preset("plex").map(|p| p.domains), Some(["plex.direct"].as_slice()));
        assert_eq!(preset("Plex"), None);
        let built_in = built_in_exceptions();
        assert_eq!(built_in.len(), 2);
        assert!(built_in.iter().all(|e| e.exact && e.origin == Origin::BuiltIn));
    }
}
