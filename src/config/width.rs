//! How much of the world an exception may open: domains that strangers share, and networks that are not inside.

use std::sync::LazyLock;

use psl::Type;

use super::error::{Wrong, quoted};
use crate::dns::{self, Name};

/// Domains below which everybody can have names of their own or spell any address, and that the public
/// suffix list does not hold.
const SHARED: &[&str] = &[
    "nip.io",
    "sslip.io",
    "xip.io",
    "xip.name",
    "traefik.me",
    "local-ip.co",
    "local-ip.sh",
    "local-ip.medicmobile.org",
    "my.local-ip.co",
    "localip.cc",
    "backname.io",
    "ipq.co",
    "ip6.name",
    "getip.dev",
    "1u.ms",
    "rbndr.us",
    "rebind.network",
    "rebind.it",
    "lock.cmpxchg8b.com",
];

/// What else the exception says about the names it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Narrowing {
    /// `exact = true`
    pub(super) exact: bool,
    /// `address-in-name = true`
    pub(super) address_in_name: bool,
}

/// Refuses a domain that would open more than one owner's names.
pub(super) fn refuse_wide_domain(domain: &Name, narrowing: Narrowing) -> Result<(), Wrong> {
    let shown = || quoted(&domain.to_string());
    match domain.as_ref().label_count() {
        0 => {
            return Err(Wrong::new("the root is every name there is")
                .help("to report without blocking, set mode = \"monitor\" in [guard]"));
        }
        1 => {
            return Err(Wrong::new(format!("{} is a whole top-level domain", shown()))
                .help("name the domain of one owner, or send the names of your own network to its server with a [[route]]"));
        }
        _ => {}
    }
    let narrow = narrowing.exact || narrowing.address_in_name;
    match public_suffix(domain) {
        Some(Type::Icann) => Err(Wrong::new(format!("{} is a public suffix: many owners have names below it", shown()))
            .help("name the domain of one owner, such as \"nas.example.org\"; for a network's own names write a [[route]]")),
        Some(Type::Private) if !narrow => {
            let shown = shown();
            Err(Wrong::new(format!("{shown} gives names to everybody: strangers could point theirs at your network"))
                .help(format!("write your own full name below {shown}, or set address-in-name = true where its names spell their address")))
        }
        _ => match shared(domain) {
            Some(owner) if !narrow => {
                Err(Wrong::new(format!("below {} everybody can have a name for any address", quoted(owner)))
                    .help("set address-in-name = true, or exact = true with one full name"))
            }
            _ => Ok(()),
        },
    }
}

/// The kind of public suffix the domain is, if it is one.
pub(super) fn public_suffix(domain: &Name) -> Option<Type> {
    let labels: Vec<&[u8]> = domain.as_ref().labels().collect();
    let found = dns::public_suffix(&mut labels.into_iter().rev());
    // The wire form has one length octet more than the text, and the root's zero.
    let length = domain.as_wire().len().saturating_sub(2);
    found.typ.filter(|_| found.len == length)
}

/// The owner of names that everybody can have, if the domain is one of them.
pub(super) fn shared(domain: &Name) -> Option<&'static str> {
    static NAMES: LazyLock<Vec<(Name, &str)>> = LazyLock::new(|| {
        SHARED.iter().filter_map(|owner| Some((Name::from_text(owner).ok()?, *owner))).collect()
    });
    let domain = domain.as_ref();
    let is_owner = |(owner, _): &&(Name, _)| {
        owner.as_ref().last_label() == domain.last_label() && domain.is_within(owner.as_ref())
    };
    NAMES.iter().find(is_owner).map(|(_, owner)| *owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Narrowing = Narrowing { exact: false, address_in_name: false };
    const EXACT: Narrowing = Narrowing { exact: true, address_in_name: false };
    const SPELLED: Narrowing = Narrowing { exact: false, address_in_name: true };

    #[test]
    fn a_domain_of_one_owner_is_the_widest_there_is() {
        for (domain, narrowing, refused) in [
            (".", WIDE, Some("every name")),
            ("com", WIDE, Some("top-level")),
            ("com", EXACT, Some("top-level")),
            ("internal", SPELLED, Some("top-level")),
            ("co.uk", WIDE, Some("public suffix")),
            ("co.uk", EXACT, Some("public suffix")),
            ("home.arpa", WIDE, Some("public suffix")),
            ("公司.cn", WIDE, Some("public suffix")),
            ("foo.ck", WIDE, Some("public suffix")),
            ("example.org", WIDE, None),
            ("nas.example.org", WIDE, None),
            ("duckdns.org", WIDE, Some("gives names to everybody")),
            ("DuckDNS.org", WIDE, Some("gives names to everybody")),
            ("duckdns.org", EXACT, None),
            ("me.duckdns.org", WIDE, None),
            ("direct.quickconnect.to", WIDE, Some("gives names to everybody")),
            ("direct.quickconnect.to", SPELLED, None),
            ("github.io", WIDE, Some("gives names to everybody")),
            ("nip.io", WIDE, Some("any address")),
            ("nip.io", SPELLED, None),
            ("10.0.0.1.nip.io", WIDE, Some("any address")),
            ("10.0.0.1.nip.io", EXACT, None),
            ("notnip.io", WIDE, None),
            ("plex.direct", WIDE, None),
            ("corp.internal", WIDE, None),
        ] {
            let name = Name::from_text(domain).unwrap();
            let found = refuse_wide_domain(&name, narrowing);
            match (refused, found) {
                (None, Ok(())) => {}
                (Some(why), Err(wrong)) if wrong.message.contains(why) => {}
                (_, found) => panic!("{domain} {narrowing:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_table_parses_and_adds_to_the_public_suffix_list() {
        for domain in SHARED {
            let name = Name::from_text(domain).unwrap();
            assert_eq!(public_suffix(&name), None, "{domain}");
        }
    }
}
