//! The domains that are not part of the public DNS, as data. A row is all it takes to keep one more inside.

use std::fmt;
use std::sync::Arc;

use super::settings::{Exception, Origin};
use crate::dns::{self, Name, NameRef};

/// How a special name is answered when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// The loopback addresses (RFC 6761 §6.3).
    Loopback,
    /// NXDOMAIN, unless a route or a local name says otherwise.
    NotPublic,
    /// The same; and a network may have names of its own here, and say so by a search domain.
    Home,
}

/// A domain that is not part of the public DNS.
#[derive(Debug, Clone, Copy)]
pub struct SpecialDomain {
    /// The domain; everything below belongs to it.
    pub domain: &'static str,
    /// How it is answered.
    pub answer: SpecialUse,
    /// Where it is defined.
    pub reference: &'static str,
}

const fn not_public(domain: &'static str, reference: &'static str) -> SpecialDomain {
    SpecialDomain { domain, answer: SpecialUse::NotPublic, reference }
}

const fn home(domain: &'static str, reference: &'static str) -> SpecialDomain {
    SpecialDomain { domain, answer: SpecialUse::Home, reference }
}

const COLLISION: &str = "ICANN: name collision, never to be delegated";

/// The table. Of domains within each other, the narrower stands first.
pub const SPECIAL_DOMAINS: &[SpecialDomain] = &[
    SpecialDomain { domain: "localhost", answer: SpecialUse::Loopback, reference: "RFC 6761 §6.3" },
    home("localdomain", "RFC 6762 §G"),
    home("localdomain6", "the hosts file of many systems"),
    // RFC 6762 gives it to multicast DNS, which does not come here. Active Directory and Kubernetes have unicast names in it.
    home("local", "RFC 6762"),
    // Programs take these for the machine that their container runs on, and so are not to ask a network for them.
    not_public("docker.internal", "Docker: the machine that a container runs on"),
    not_public("containers.internal", "Podman: the machine that a container runs on"),
    // Programs ask it for keys to the cloud, in plain HTTP, and believe what it says.
    not_public("metadata.google.internal", "Google Cloud: the metadata server"),
    home("internal", "ICANN resolution 2024.07.29.06"),
    home("home.arpa", "RFC 8375"),
    home("lan", "RFC 6762 §G"),
    home("intranet", "RFC 6762 §G"),
    home("private", "RFC 6762 §G"),
    home("home", COLLISION),
    home("corp", COLLISION),
    home("mail", COLLISION),
    // Developers have names of their own in it.
    not_public("test", "RFC 6761 §6.2"),
    not_public("invalid", "RFC 6761 §6.4"),
    not_public("onion", "RFC 7686"),
    not_public("alt", "RFC 9476"),
];

/// A special domain with its name in wire form.
#[derive(Debug, PartialEq, Eq)]
pub struct SpecialDomainName {
    /// The domain.
    pub name: Name,
    /// Its last label.
    last: &'static [u8],
    /// How it is answered.
    pub answer: SpecialUse,
    /// Where it is defined.
    pub reference: &'static str,
}

impl SpecialDomainName {
    /// Whether its names mean this machine.
    pub fn is_loopback(&self) -> bool {
        self.answer == SpecialUse::Loopback
    }

    /// Whether its names are none of a zone around it: they are this machine's, or a network's search domain is wider than what the
    /// network may name.
    pub(super) fn is_kept_from(&self, zone: &Origin) -> bool {
        let is_network_s = matches!(zone, Origin::Search(_));
        self.is_loopback() || is_network_s && self.answer == SpecialUse::NotPublic
    }
}

/// A name that no server was asked for, in a domain where a network may have names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPublic {
    /// The domain.
    pub special: &'static SpecialDomainName,
    /// A server of the network as a configuration writes it, where one is known: it may know the name.
    pub server: Option<Arc<str>>,
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not public ({})", self.special.name, self.special.reference)
    }
}

impl NotPublic {
    /// The refusal of `name`; `None` if it is in no such domain.
    pub fn of(name: NameRef<'_>, server: Option<Arc<str>>) -> Option<Self> {
        let special = special_domain(name).filter(|special| special.answer == SpecialUse::Home)?;
        Some(Self { special, server })
    }

    /// Whether somebody is likely to miss the name: programs ask by themselves for what begins with `_`, for `wpad` and for
    /// `isatap`, and RFC 6762 §3 gives names directly below `local` to multicast DNS.
    pub fn is_missed(&self, name: NameRef<'_>) -> bool {
        const PROBES: [&[u8]; 2] = [b"wpad", b"isatap"];
        let least = if self.special.last == b"local" { 2 } else { 1 };
        name.label_count() >= self.special.name.as_ref().label_count() + least
            && !name.labels().any(|label| label.starts_with(b"_"))
            && !name
                .labels()
                .next()
                .is_some_and(|first| PROBES.iter().any(|own| first.eq_ignore_ascii_case(own)))
    }

    /// What gives `name` an answer, in the words of the configuration.
    pub fn way_out(&self, name: NameRef<'_>) -> String {
        let Some(word) = name.as_word() else {
            return format!(
                "a [[route]] with domain = \"{}\" and the network's own servers",
                self.special.name
            );
        };
        let route = route_to(&self.domain_of(name), self.server.as_deref());
        format!("{route}, or a [[local]] with name = \"{word}\" and its address")
    }

    /// The domain to write a route for: that which holds the name and those beside it.
    pub fn domain_of(&self, name: NameRef<'_>) -> Name {
        let parent = name.ancestors().nth(1).filter(|parent| parent.is_within(self.special.name.as_ref()));
        parent.map_or_else(|| self.special.name.clone(), |parent| parent.fold().as_ref().to_name())
    }
}

/// The route to a server of the network, in the words of the configuration.
pub fn route_to(domain: &Name, server: Option<&str>) -> String {
    let server =
        server.map_or("the network's own servers".to_owned(), |server| format!("servers = [\"{server}\"]"));
    format!("a [[route]] with domain = \"{domain}\" and {server}")
}

/// Whether no server is asked for any name of `exception`, so that it changes nothing; `routed` are the domains that have servers of
/// their own.
pub fn is_idle<'a>(exception: &Exception, routed: impl IntoIterator<Item = &'a Name>) -> bool {
    let domain = exception.domain.as_ref();
    // Below a single label may be public names.
    let is_asked = special_domain(domain).is_none()
        && !domain.ends_in_number()
        && !(exception.exact && domain.label_count() == 1);
    let mut routed = routed.into_iter().map(Name::as_ref);
    !is_asked && !routed.any(|route| domain.is_within(route) || route.is_within(domain))
}

/// Whether a network may have names of its own in `domain`: nobody can register one there, and no RFC or program gives them
/// another meaning. `example` stands for the public names of examples (RFC 6761 §6.5).
pub fn may_be_home(domain: NameRef<'_>) -> bool {
    let is_host_name = domain.is_plain() && !domain.ends_in_number();
    let Some(last) = domain.last_label().filter(|_| is_host_name) else { return false };
    match special_domain(domain) {
        Some(special) => special.answer == SpecialUse::Home,
        None => {
            let suffix = dns::public_suffix(&mut std::iter::once(last));
            suffix.typ != Some(psl::Type::Icann) && !last.eq_ignore_ascii_case(b"example")
        }
    }
}

/// The special domain that holds `name`.
pub fn special_domain(name: NameRef<'_>) -> Option<&'static SpecialDomainName> {
    static NAMES: std::sync::LazyLock<Vec<SpecialDomainName>> = std::sync::LazyLock::new(|| {
        SPECIAL_DOMAINS
            .iter()
            .filter_map(|special| {
                Some(SpecialDomainName {
                    name: Name::from_text(special.domain).ok()?,
                    last: special.domain.rsplit('.').next()?.as_bytes(),
                    answer: special.answer,
                    reference: special.reference,
                })
            })
            .collect()
    });
    // The top-level domain rules out most names at once.
    let last = name.last_label()?;
    let ends_alike = |special: &&SpecialDomainName| special.last.eq_ignore_ascii_case(last);
    NAMES.iter().filter(ends_alike).find(|special| name.is_within(special.name.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_may_have_names_of_its_own_where_nobody_can_register_one() {
        for (domain, expected) in [
            ("home", true),
            ("lan", true),
            ("LAN", true),
            ("x.home", true),
            ("corp", true),
            ("corp.internal", true),
            ("internal", true),
            ("us-west-2.compute.internal", true),
            ("home.arpa", true),
            ("vpn.home.arpa", true),
            ("intranet", true),
            ("private", true),
            ("localdomain", true),
            ("local", true),
            ("contoso.local", true),
            ("default.svc.cluster.local", true),
            ("speedport.ip", true),
            ("fritz", true),
            ("homerouter.cpe", true),
            (".", false),
            ("localhost", false),
            ("x.localhost", false),
            ("test", false),
            ("dev.test", false),
            ("invalid", false),
            ("onion", false),
            ("alt", false),
            ("docker.internal", false),
            ("x.containers.internal", false),
            ("metadata.google.internal", false),
            ("google.internal", true),
            (r"a\000.home", false),
            (r"\200.lan", false),
            ("10", false),
            ("168.192", false),
            ("x.0x7f", false),
            ("com", false),
            ("corp.example.com", false),
            ("co.uk", false),
            ("fritz.box", false),
            ("router.asus.com", false),
            ("duckdns.org", false),
            ("arpa", false),
            ("168.192.in-addr.arpa", false),
            ("resolver.arpa", false),
            ("corp.example", false),
            ("example", false),
            ("xn--p1ai", false),
        ] {
            let name = Name::from_text(domain).unwrap();
            assert_eq!(may_be_home(name.as_ref()), expected, "{domain}");
        }
    }

    #[test]
    fn a_refusal_is_told_where_somebody_may_miss_the_name_with_what_gives_it_an_answer() {
        for (name, told) in [
            (
                "nas.home",
                Some(
                    "a [[route]] with domain = \"home\" and servers = [\"192.168.1.1\"], or a [[local]] with name = \"nas.home\" and its address",
                ),
            ),
            (
                "A.b.Corp.Internal",
                Some(
                    "a [[route]] with domain = \"b.corp.internal\" and servers = [\"192.168.1.1\"], or a [[local]] with name = \"a.b.corp.internal\" and its address",
                ),
            ),
            (r"a\032b.lan", Some("a [[route]] with domain = \"lan\" and the network's own servers")),
            (
                "dc.contoso.local",
                Some(
                    "a [[route]] with domain = \"contoso.local\" and servers = [\"192.168.1.1\"], or a [[local]] with name = \"dc.contoso.local\" and its address",
                ),
            ),
            ("printer.local", None),
            ("local", None),
            ("home", None),
            ("home.arpa", None),
            ("wpad.lan", None),
            ("WPAD.corp.internal", None),
            ("isatap.home", None),
            ("_ldap._tcp.dc.contoso.local", None),
            ("lb._dns-sd._udp.lan", None),
        ] {
            let asked = Name::from_text(name).unwrap();
            let refused = NotPublic::of(asked.as_ref(), Some("192.168.1.1".into())).unwrap();
            let found = refused.is_missed(asked.as_ref()).then(|| refused.way_out(asked.as_ref()));
            assert_eq!(found.as_deref(), told, "{name}");
        }
        for name in
            ["nas", "x.test", "x.localhost", "x.onion", "host.docker.internal", "www.example.com", "10.0.0.1"]
        {
            assert_eq!(NotPublic::of(Name::from_text(name).unwrap().as_ref(), None), None, "{name}");
        }
        let asked = Name::from_text("nas.home").unwrap();
        let refused = NotPublic::of(asked.as_ref(), None).unwrap();
        assert!(
            refused
                .way_out(asked.as_ref())
                .starts_with("a [[route]] with domain = \"home\" and the network's own")
        );
    }

    #[test]
    fn no_row_hides_a_narrower_one() {
        for (place, special) in SPECIAL_DOMAINS.iter().enumerate() {
            let name = Name::from_text(special.domain).unwrap();
            let found = special_domain(name.as_ref()).unwrap();
            assert_eq!(found.name, name, "row {place}");
        }
    }
}
