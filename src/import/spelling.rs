//! Converts names, networks and servers from the spelling of other programs to that of stubborn's configuration. Importers accept
//! every spelling that their program accepts. Anything else stays unchanged, and the configuration's reader refuses it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

use crate::config::{domain_name, is_shared_domain};
use crate::dns::Name;
use crate::policy::special_domain;

/// Which names a domain in a list stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Names {
    /// Every name.
    All,
    /// Names without a dot.
    Dotless,
    /// The domain and everything below it.
    Of(String),
    /// Everything below the domain, but not the domain itself.
    Below(String),
}

impl Names {
    /// What an item of dnsmasq's or AdGuard Home's `/a/b/` stands for.
    pub(super) fn of(text: &str) -> Self {
        match text.trim() {
            "" => Self::Dotless,
            // dnsmasq removes leading dots. If nothing is left, it means every name.
            text if text == "#" || text == "*" || text.bytes().all(|octet| octet == b'.') => Self::All,
            text => match text.strip_prefix("*.") {
                Some(below) => Self::Below(name(below)),
                None => Self::Of(name(text)),
            },
        }
    }
}

/// A domain in the form to compare and write: without quotes and dots at its ends, in lower case.
pub(super) fn name(text: &str) -> String {
    let bare = text.trim().trim_matches(['"', '\'']).trim();
    let bare = bare.trim_start_matches('.');
    // An escaped dot belongs to the last label.
    let bare = if bare.ends_with("\\.") { bare } else { bare.trim_end_matches('.') };
    match bare {
        "" if text.contains('.') => ".".to_owned(),
        bare => domain_name(bare).map_or_else(|_| bare.to_owned(), |name| name.to_string()),
    }
}

/// A network without host bits; an address stays an address.
pub(super) fn network(text: &str) -> String {
    let text = text.trim().trim_matches(['"', '\'']);
    match text.parse::<IpNet>() {
        Ok(network) => network.trunc().to_string(),
        Err(_) => address(text),
    }
}

/// Reads a network, or an address as a network of one address.
pub(super) fn parsed_network(text: &str) -> Option<IpNet> {
    let text = network(text);
    text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()
}

/// The rest of a network without other networks: for each of these, the network is halved down to its length.
pub(super) fn without(network: IpNet, others: &[IpNet]) -> Vec<IpNet> {
    let inside: Vec<IpNet> = others.iter().copied().filter(|other| network.contains(other)).collect();
    if inside.is_empty() {
        return vec![network];
    }
    if inside.contains(&network) {
        return Vec::new();
    }
    let halves = network.subnets(network.prefix_len() + 1).map(Iterator::collect::<Vec<_>>);
    halves.unwrap_or_default().into_iter().flat_map(|half| without(half, &inside)).collect()
}

/// An address as Rust reads it; Unbound writes `::0` for `::`.
fn address(text: &str) -> String {
    text.parse::<IpAddr>().map_or_else(|_| text.to_owned(), |address| address.to_string())
}

/// An address with a port, as a configuration has it; anything else stays unchanged.
pub(super) fn with_port(address: &str, port: Option<&str>) -> String {
    match (address.parse::<IpAddr>(), port.map(str::parse::<u16>)) {
        (Ok(ip), None) => ip.to_string(),
        (Ok(ip), Some(Ok(53))) => ip.to_string(),
        (Ok(ip), Some(Ok(port))) => SocketAddr::new(ip, port).to_string(),
        (_, None) => address.to_owned(),
        (_, Some(_)) => format!("{address}:{}", port.unwrap_or_default()),
    }
}

/// `9.9.9.9:53` and `[2620:fe::fe]:53` as a configuration has them; anything else stays unchanged.
pub(super) fn host_port(text: &str) -> String {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') => (host, Some(port)),
            _ => (text, None),
        },
    };
    if host.parse::<IpAddr>().is_ok() { with_port(host, port) } else { text.to_owned() }
}

/// The schemes of encrypted servers, in lower case, and what they mean.
const ENCRYPTED: [(&str, &str); 10] = [
    ("tls", "DNS over TLS"),
    ("tcp-tls", "DNS over TLS"),
    ("dot", "DNS over TLS"),
    ("https", "DNS over HTTPS"),
    ("doh", "DNS over HTTPS"),
    ("h3", "DNS over HTTPS"),
    ("http3", "DNS over HTTPS"),
    ("quic", "DNS over QUIC"),
    ("doq", "DNS over QUIC"),
    ("sdns", "encrypted DNS, written as a stamp"),
];

/// How an encrypted server is asked; `None` for a plain one.
pub(super) fn encrypted(server: &str) -> Option<&'static str> {
    let (scheme, _) = server.split_once("://")?;
    ENCRYPTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme)).map(|(_, how)| *how)
}

/// Whether a name has only the characters of host names and of service names, so that it means itself and not a pattern.
pub(super) fn is_plain(name: &str) -> bool {
    // Parts of a network have a slash in their reverse zone (RFC 2317).
    let is_own = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().all(|c| is_own(c) || (c == '/' && is_reverse(name)))
}

/// The server's address, if it is asked in plain DNS.
fn server_address(server: &str) -> Option<IpAddr> {
    let bare = server.trim_start_matches('[').trim_end_matches(']');
    let ip = server.parse::<SocketAddr>().map(|server| server.ip());
    ip.or_else(|_| bare.parse::<IpAddr>()).ok().map(|ip| ip.to_canonical())
}

/// Whether the server is this machine or in an inside network, so that no stranger answers from there.
pub(super) fn is_inside(server: &str) -> bool {
    match server_address(server) {
        Some(IpAddr::V4(v4)) => {
            let [first, second, ..] = v4.octets();
            // 100.64.0.0/10 is shared address space (RFC 6598), which tailnets use.
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (first == 100 && second & 0xc0 == 64)
        }
        Some(IpAddr::V6(v6)) => is_inside_v6(v6),
        None => false,
    }
}

fn is_inside_v6(v6: Ipv6Addr) -> bool {
    let [first, ..] = v6.segments();
    v6.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
}

/// Whether strangers have names in the domain, or can have.
pub(super) fn is_wide(name: &Name) -> bool {
    special_domain(name.as_ref()).is_none() && is_shared_domain(name)
}

/// Whether the domain is not in the public DNS: without a route, stubborn asks nobody for its names.
pub(super) fn is_not_public(name: &Name) -> bool {
    special_domain(name.as_ref()).is_some() || (name.as_ref().label_count() == 1 && !is_shared_domain(name))
}

/// Whether the domain holds reverse names, which have no addresses.
pub(super) fn is_reverse(name: &str) -> bool {
    name.ends_with("in-addr.arpa") || name.ends_with("ip6.arpa")
}

/// The address of a reverse name.
pub(super) fn reversed(text: &str) -> Option<IpAddr> {
    let text = name(text);
    if let Some(octets) = text.strip_suffix(".in-addr.arpa") {
        let octets: Vec<&str> = octets.rsplit('.').collect();
        return octets.join(".").parse().ok().map(IpAddr::V4);
    }
    let nibbles: Vec<&str> = text.strip_suffix(".ip6.arpa")?.rsplit('.').collect();
    let groups: Vec<String> = nibbles.chunks(4).map(<[&str]>::concat).collect();
    (nibbles.len() == 32).then(|| groups.join(":").parse().ok()).flatten().map(IpAddr::V6)
}

/// The reverse zones that hold exactly the names of the addresses in `network`: one zone if its length ends at a label, else one
/// for each part. `None` if there would be more than 256.
pub(super) fn reverse_zones(network: IpNet) -> Option<Vec<String>> {
    let step = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 4,
    };
    let length = network.prefix_len().div_ceil(step).max(1) * step;
    let zones = |parts: Vec<IpNet>| parts.into_iter().map(|part| reverse_zone(part, step)).collect();
    (length - network.prefix_len() <= 8).then(|| zones(subnets(network, length)))
}

fn subnets(network: IpNet, length: u8) -> Vec<IpNet> {
    network.trunc().subnets(length).map(Iterator::collect).unwrap_or_default()
}

fn reverse_zone(network: IpNet, step: u8) -> String {
    let labels = usize::from(network.prefix_len() / step);
    let (digits, end): (Vec<String>, &str) = match network.addr() {
        IpAddr::V4(v4) => (v4.octets().iter().map(ToString::to_string).collect(), "in-addr.arpa"),
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            (nibbles.map(|nibble| format!("{nibble:x}")).collect(), "ip6.arpa")
        }
    };
    let own: Vec<&str> = digits.iter().take(labels).rev().map(String::as_str).collect();
    format!("{}.{end}", own.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_quotes_and_outer_dots_and_upper_case() {
        for (text, expected) in [
            (".nas.example", "nas.example"),
            ("nas.example.", "nas.example"),
            ("..NAS.Example..", "nas.example"),
            ("\"local\"", "local"),
            ("bücher.example", "xn--bcher-kva.example"),
            (".", "."),
            ("a..b", "a..b"),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
    }

    #[test]
    fn items_of_a_list_stand_for_names() {
        for (text, expected) in [
            ("", Names::Dotless),
            ("#", Names::All),
            (".", Names::All),
            ("*", Names::All),
            (".lan", Names::Of("lan".into())),
            ("*.lan", Names::Below("lan".into())),
        ] {
            assert_eq!(Names::of(text), expected, "{text}");
        }
    }

    #[test]
    fn networks_lose_the_bits_of_a_host() {
        for (text, expected) in [
            ("192.168.1.1/24", "192.168.1.0/24"),
            ("::0/0", "::/0"),
            ("fd00::1/64", "fd00::/64"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.0/33", "10.0.0.0/33"),
        ] {
            assert_eq!(network(text), expected, "{text}");
        }
    }

    #[test]
    fn reverse_names_are_read_back() {
        for (text, expected) in [
            ("40.1.168.192.in-addr.arpa", Some("192.168.1.40")),
            ("1.168.192.in-addr.arpa.", None),
            ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", Some("fd00::1")),
            ("nas.lan", None),
        ] {
            assert_eq!(reversed(text).map(|address| address.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_network_without_others_is_split_into_the_rest() {
        let networks =
            |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        for (network, others, expected) in [
            ("10.0.0.0/8", &[][..], &["10.0.0.0/8"][..]),
            ("10.0.0.0/8", &["192.168.0.0/16"], &["10.0.0.0/8"]),
            ("10.0.0.0/8", &["10.0.0.0/8"], &[]),
            ("10.0.0.0/30", &["10.0.0.1/32"], &["10.0.0.0/32", "10.0.0.2/31"]),
            ("10.0.0.0/30", &["10.0.0.1/32", "10.0.0.2/31"], &["10.0.0.0/32"]),
        ] {
            assert_eq!(without(network.parse().unwrap(), &networks(others)), networks(expected), "{network}");
        }
    }

    #[test]
    fn a_server_is_inside_by_its_address() {
        for (server, expected) in [
            ("10.0.0.53", true),
            ("10.0.0.53:5353", true),
            ("[fd00::1]:53", true),
            ("::1", true),
            ("127.0.0.1:8600", true),
            ("100.100.100.100", true),
            ("::ffff:10.0.0.1", true),
            ("100.128.0.1", false),
            ("9.9.9.9", false),
            ("2620:fe::fe", false),
            ("tls://10.0.0.1", false),
            ("dns.lan", false),
        ] {
            assert_eq!(is_inside(server), expected, "{server}");
        }
    }

    #[test]
    fn wide_domains_are_those_in_which_strangers_have_names() {
        for (domain, wide, not_public) in [
            ("com", true, false),
            ("co.uk", true, false),
            ("duckdns.org", true, false),
            ("nip.io", true, false),
            ("home.arpa", false, true),
            ("lan", false, true),
            ("consul", false, true),
            ("x.lan", false, true),
            ("corp.example", false, false),
            ("fritz.box", false, false),
        ] {
            let name = Name::from_text(domain).unwrap();
            assert_eq!((is_wide(&name), is_not_public(&name)), (wide, not_public), "{domain}");
        }
    }

    #[test]
    fn ports_other_than_53_are_written() {
        for (address, port, expected) in [
            ("9.9.9.9", None, "9.9.9.9"),
            ("9.9.9.9", Some("53"), "9.9.9.9"),
            ("9.9.9.9", Some("5353"), "9.9.9.9:5353"),
            ("::1", Some("5353"), "[::1]:5353"),
            ("dns.example", Some("853"), "dns.example:853"),
            ("9.9.9.9", Some("x"), "9.9.9.9:x"),
        ] {
            assert_eq!(with_port(address, port), expected);
        }
    }

    #[test]
    fn reverse_zones_are_split_at_labels() {
        for (network, expected) in [
            ("192.168.1.0/24", &["1.168.192.in-addr.arpa"][..]),
            ("10.0.0.0/8", &["10.in-addr.arpa"]),
            ("172.16.0.0/15", &["16.172.in-addr.arpa", "17.172.in-addr.arpa"]),
            ("fd00::/8", &["d.f.ip6.arpa"]),
            ("fe80::/10", &["8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa"]),
        ] {
            assert_eq!(reverse_zones(network.parse().unwrap()).unwrap(), expected, "{network}");
        }
        assert_eq!(reverse_zones("0.0.0.0/0".parse().unwrap()).unwrap().len(), 256);
    }
}
