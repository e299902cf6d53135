//! The domains that are not part of the public DNS, as data. A row is all it takes to keep one more inside.

use crate::dns::{Name, NameRef};

/// How a special name is answered when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// The loopback addresses (RFC 6761 §6.3).
    Loopback,
    /// NXDOMAIN, unless a route or a local name says otherwise.
    NotPublic,
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

const COLLISION: &str = "ICANN: name collision, never to be delegated";

/// The table.
pub const SPECIAL_DOMAINS: &[SpecialDomain] = &[
    SpecialDomain { domain: "localhost", answer: SpecialUse::Loopback, reference: "RFC 6761 §6.3" },
    not_public("localdomain", "RFC 6762 §G"),
    not_public("localdomain6", "the hosts file of many systems"),
    not_public("local", "RFC 6762"),
    not_public("internal", "ICANN resolution 2024.07.29.06"),
    not_public("home.arpa", "RFC 8375"),
    not_public("lan", "RFC 6762 §G"),
    not_public("intranet", "RFC 6762 §G"),
    not_public("private", "RFC 6762 §G"),
    not_public("home", COLLISION),
    not_public("corp", COLLISION),
    not_public("mail", COLLISION),
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
