//! The domains that are not part of the public DNS, as data. A row is all it takes to keep one more inside.

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
}

/// Whether a network may have names of its own in `domain`: nobody can register one there, and no RFC or program gives them
/// another meaning. `example` stands for the public names of examples (RFC 6761 §6.5).
pub fn may_be_home(domain: NameRef<'_>) -> bool {
    let Some(last) = domain.last_label().filter(|_| !domain.ends_in_number()) else { return false };
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
    fn no_row_hides_a_narrower_one() {
        for (place, special) in SPECIAL_DOMAINS.iter().enumerate() {
            let name = Name::from_text(special.domain).unwrap();
            let found = special_domain(name.as_ref()).unwrap();
            assert_eq!(found.name, name, "row {place}");
        }
    }
}
