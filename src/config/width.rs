//! How much of the world an exception may open: domains that strangers share, and networks that are not inside.

use std::sync::LazyLock;

use psl::Type;

use super::error::{Wrong, quoted};
use crate::dns::{self, Name};
use crate::policy::PRESETS;

/// Services whose names answer with the address that they spell. Nobody owns a name there. Their source is public: the presets
/// link to it.
const SPELLED: &[&str] = &["nip.io", "sslip.io", "traefik.me"];

/// Domains below which anybody can have a name for any address, at any depth, and names change hands.
const ANYBODY: &[&str] = &[
    // They answer with the address in the name, or used to. How they read it is not published, or is looser than what an
    // exception can check.
    "xip.io",
    "xip.name",
    "local-ip.co",
    "local-ip.sh",
    "local-ip.medicmobile.org",
    "my.local-ip.co",
    "localip.cc",
    "backname.io",
    "ip6.name",
    "getip.dev",
    "nip.direct",
    // Gives anybody a name for any address.
    "ipq.co",
    // Made for rebinding: each answer has another address.
    "1u.ms",
    "rbndr.us",
    "rebind.network",
    "rebind.it",
    "rebindtest.com",
    "lock.cmpxchg8b.com",
    // Log requests from attacked machines: interactsh, Burp Collaborator and similar. Names are short-lived, and some answer
    // with an address that the attacker chooses.
    "interact.sh",
    "oast.fun",
    "oast.live",
    "oast.me",
    "oast.online",
    "oast.pro",
    "oast.site",
    "burpcollaborator.net",
    "oastify.com",
    "bxss.me",
    "canarytokens.com",
    "canarytokens.net",
    "canarytokens.org",
    "ceye.io",
    "dgrh3.cn",
    "dnsbin.zhack.ca",
    "dnshook.site",
    "dnslog.cn",
    "dnslog.link",
    "dnslog.store",
    "eyes.sh",
    "pingb.in",
    "requestbin.net",
    "requestrepo.com",
    "webhook.site",
    "xss.ht",
];

/// Domains that give each customer a name, like a public suffix: each name directly below has one owner. `*` is one label of
/// the provider, such as a region. What the public suffix list has, and what is above that, is left out.
const GIVEN: &[&str] = &[
    // Dynamic DNS and free names.
    "changeip.com",
    "dynamic-dns.net",
    "dynu.com",
    "no-ip.com",
    "ydns.eu",
    "dns.army",
    "dns.navy",
    "v6.rocks",
    "selfhost.de",
    "selfhost.eu",
    // The most used domains of afraid.org.
    "chickenkiller.com",
    "crabdance.com",
    "ignorelist.com",
    "jumpingcrab.com",
    "mooo.com",
    "strangled.net",
    "twilightparadox.com",
    "us.to",
    // Tunnels to somebody's machine.
    "bore.digital",
    "bore.pub",
    "cfargotunnel.com",
    "devtunnels.ms",
    "*.devtunnels.ms",
    "expose.dev",
    "lhr.life",
    "lhr.rocks",
    "lhrtunnel.link",
    "loca.lt",
    "localhost.run",
    "localtunnel.me",
    "loclx.io",
    "packetriot.net",
    "pagekite.me",
    "pinggy.io",
    "pinggy.link",
    "*.pinggy.link",
    "pktriot.net",
    "playit.gg",
    "portmap.host",
    "portmap.io",
    "serveo.net",
    "serveousercontent.com",
    "sharedwithexpose.com",
    "tunnelmole.com",
    "tunnelto.dev",
    "zrok.io",
    "share.zrok.io",
    // Development environments in a browser.
    "app.github.dev",
    "beeceptor.com",
    "codesandbox.io",
    "github.dev",
    "gitpod.io",
    "*.gitpod.io",
    "glitch.me",
    "stackblitz.io",
    "webcontainer.io",
    // Clouds.
    "*.amazonaws.com",
    "*.rds.amazonaws.com",
    "api.aws",
    "azure.com",
    "cloudapp.azure.com",
    "*.cloudapp.azure.com",
    "azure.net",
    "vault.azure.net",
    "azurecontainerapps.io",
    "*.azurecontainerapps.io",
    "*.core.windows.net",
    "database.windows.net",
    "googleusercontent.com",
    "bc.googleusercontent.com",
    "vultrusercontent.com",
    "contaboserver.net",
    "your-server.de",
    "clients.your-server.de",
    "vps.ovh.net",
    "oraclevcn.com",
    "aliyuncs.com",
    "myqcloud.com",
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
    // The owner of a label answers for all names below it, whatever address a name spells.
    let gives_names = |help: String| {
        Err(Wrong::new(format!(
            "{} gives names to everybody: strangers could point theirs at your network",
            shown()
        ))
        .help(help))
    };
    match public_suffix(domain) {
        Some(Type::Icann) => {
            return Err(Wrong::new(format!("{} is a public suffix: many owners have names below it", shown()))
                .help("name the domain of one owner, such as \"nas.example.org\"; for a network's own names write a [[route]]"));
        }
        _ if narrowing.exact => return Ok(()),
        Some(Type::Private) => return gives_names(own_name(domain)),
        None if is_given(domain) || is_above_suffixes(domain) => return gives_names(own_name(domain)),
        None => {}
    }
    let any_address = |service: &str| {
        Wrong::new(format!("anybody can have a name for any address below {}", quoted(service)))
    };
    if let Some(service) = spelled(domain)
        && !narrowing.address_in_name
    {
        let preset =
            preset_for(domain).map(|preset| format!("write preset = {} instead, or ", quoted(preset)));
        return Err(any_address(service)
            .help(format!("{}set exact = true with one full name", preset.unwrap_or_default())));
    }
    match anybody(domain) {
        Some(service) => Err(any_address(service).help("set exact = true with one full name")),
        None => Ok(()),
    }
}

fn own_name(domain: &Name) -> String {
    let own = format!("write your own full name below {}", quoted(&domain.to_string()));
    match preset_for(domain) {
        Some(preset) => format!("{own}, or preset = {}", quoted(preset)),
        None => own,
    }
}

/// The preset for names in this domain.
fn preset_for(domain: &Name) -> Option<&'static str> {
    let is_for = |text: &&str| Name::from_text(text).is_ok_and(|own| domain.as_ref().is_within(own.as_ref()));
    PRESETS.iter().find(|preset| preset.domains.iter().any(is_for)).map(|preset| preset.name)
}

/// The kind of public suffix the domain is, if it is one.
pub(super) fn public_suffix(domain: &Name) -> Option<Type> {
    let labels: Vec<&[u8]> = domain.as_ref().labels().collect();
    let found = dns::public_suffix(&mut labels.into_iter().rev());
    // The wire form has one length octet more than the text, and the root's zero.
    let length = domain.as_wire().len().saturating_sub(2);
    found.typ.filter(|_| found.len == length)
}

/// Whether the domain has public suffixes below it. Then it has many owners' names below it, although it is not one itself.
pub(super) fn is_above_suffixes(domain: &Name) -> bool {
    let labels: Vec<&[u8]> = domain.as_ref().labels().collect();
    dns::has_suffixes_below(&mut labels.into_iter().rev())
}

/// A table's domains as names.
type Names = LazyLock<Vec<(Name, &'static str)>>;

fn names(table: &[&'static str]) -> Vec<(Name, &'static str)> {
    table.iter().filter_map(|owner| Some((Name::from_text(owner).ok()?, *owner))).collect()
}

/// The row that is `domain` or a domain above it.
fn row_above(rows: &[(Name, &'static str)], domain: &Name) -> Option<&'static str> {
    let domain = domain.as_ref();
    rows.iter().find(|(owner, _)| domain.is_within(owner.as_ref())).map(|(_, owner)| *owner)
}

/// The domain that lets anybody have names in `domain`, if there is one.
pub(super) fn shared(domain: &Name) -> Option<String> {
    let owner = spelled(domain).or_else(|| anybody(domain)).map(str::to_owned);
    owner.or_else(|| is_given(domain).then(|| domain.to_string()))
}

fn spelled(domain: &Name) -> Option<&'static str> {
    static NAMES: Names = LazyLock::new(|| names(SPELLED));
    row_above(&NAMES, domain)
}

fn anybody(domain: &Name) -> Option<&'static str> {
    static NAMES: Names = LazyLock::new(|| names(ANYBODY));
    row_above(&NAMES, domain)
}

/// Whether the domain itself is a row of [`GIVEN`].
fn is_given(domain: &Name) -> bool {
    static NAMES: Names = LazyLock::new(|| names(GIVEN));
    NAMES.iter().any(|(owner, _)| {
        let (owner, domain) = (owner.as_ref(), domain.as_ref());
        let is_label = |(own, label): (&[u8], &[u8])| own == b"*" || own.eq_ignore_ascii_case(label);
        owner.label_count() == domain.label_count() && owner.labels().zip(domain.labels()).all(is_label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDE: Narrowing = Narrowing { exact: false, address_in_name: false };
    const EXACT: Narrowing = Narrowing { exact: true, address_in_name: false };
    const IN_NAME: Narrowing = Narrowing { exact: false, address_in_name: true };

    #[test]
    fn a_domain_of_one_owner_is_the_widest_there_is() {
        for (domain, narrowing, refused) in [
            (".", WIDE, Some("every name")),
            ("com", WIDE, Some("top-level")),
            ("com", EXACT, Some("top-level")),
            ("internal", IN_NAME, Some("top-level")),
            ("co.uk", WIDE, Some("public suffix")),
            ("co.uk", EXACT, Some("public suffix")),
            ("home.arpa", WIDE, Some("public suffix")),
            ("公司.cn", WIDE, Some("public suffix")),
            ("foo.ck", WIDE, Some("public suffix")),
            ("example.org", WIDE, None),
            ("nas.example.org", WIDE, None),
            ("duckdns.org", WIDE, Some("gives names to everybody")),
            ("DuckDNS.org", WIDE, Some("gives names to everybody")),
            ("duckdns.org", IN_NAME, Some("gives names to everybody")),
            ("duckdns.org", EXACT, None),
            ("me.duckdns.org", WIDE, None),
            ("direct.quickconnect.to", WIDE, Some("gives names to everybody")),
            ("direct.quickconnect.to", IN_NAME, Some("gives names to everybody")),
            ("quickconnect.to", IN_NAME, Some("gives names to everybody")),
            ("nas.direct.quickconnect.to", IN_NAME, None),
            ("github.io", WIDE, Some("gives names to everybody")),
            ("github.io", IN_NAME, Some("gives names to everybody")),
            ("amazonaws.com", WIDE, Some("gives names to everybody")),
            ("amazonaws.com", IN_NAME, Some("gives names to everybody")),
            ("eu-west-1.rds.amazonaws.com", WIDE, Some("gives names to everybody")),
            ("EU-west-1.RDS.amazonaws.com", WIDE, Some("gives names to everybody")),
            ("db.abc.eu-west-1.rds.amazonaws.com", WIDE, None),
            ("bucket.s3.amazonaws.com", WIDE, None),
            ("us-west-2.amazonaws.com", WIDE, Some("gives names to everybody")),
            ("new-region-1.amazonaws.com", WIDE, Some("gives names to everybody")),
            ("core.windows.net", IN_NAME, Some("gives names to everybody")),
            ("Fastly.net", WIDE, Some("gives names to everybody")),
            ("fastly.net", EXACT, None),
            ("www.fastly.net", WIDE, None),
            ("mooo.com", WIDE, Some("gives names to everybody")),
            ("me.mooo.com", WIDE, None),
            ("interact.sh", WIDE, Some("any address")),
            ("abc.oast.fun", WIDE, Some("any address")),
            ("abc.oast.fun", IN_NAME, Some("any address")),
            ("abc.oast.fun", EXACT, None),
            ("dnslog.cn", IN_NAME, Some("any address")),
            ("1u.ms", IN_NAME, Some("any address")),
            ("10-0-0-1.local-ip.co", IN_NAME, Some("any address")),
            ("nip.io", WIDE, Some("any address")),
            ("nip.io", IN_NAME, None),
            ("10.0.0.1.nip.io", WIDE, Some("any address")),
            ("10.0.0.1.nip.io", EXACT, None),
            ("app.nip.io", IN_NAME, None),
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
        let rows = || [SPELLED, ANYBODY, GIVEN].into_iter().flatten().copied();
        for domain in rows() {
            let name = Name::from_text(domain).unwrap();
            assert!(public_suffix(&name).is_none() && !is_above_suffixes(&name), "{domain}");
            assert_eq!(rows().filter(|other| *other == domain).count(), 1, "{domain}");
        }
    }

    #[test]
    fn each_domain_that_address_in_name_makes_acceptable_has_a_preset_with_a_source() {
        for domain in SPELLED {
            assert!(preset_for(&Name::from_text(domain).unwrap()).is_some(), "{domain}");
        }
    }
}
