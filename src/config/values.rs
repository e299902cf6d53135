//! Single values: addresses, networks, servers, names, choices.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::{IpNet, Ipv6Net};

use super::error::{Wrong, quoted};
use super::suggest::{listed, nearest};
use super::units;
use crate::dns::{Name, NameError};
use crate::listen;
use crate::policy::TranslatorPlace;

/// One of a few words.
pub(super) fn choice<T: Copy>(
    what: &str,
    options: &'static [(&'static str, T)],
) -> impl Fn(&str) -> Result<T, Wrong> {
    let what = what.to_owned();
    move |text| {
        if let Some((_, value)) = options.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        Err(unknown_word(text, &what, options.iter().map(|(word, _)| *word)))
    }
}

/// "… is not a …", with the word that was meant or with all of them.
pub(super) fn unknown_word<'a>(
    text: &str,
    what: &str,
    options: impl Iterator<Item = &'a str> + Clone,
) -> Wrong {
    let few = (2..=5).contains(&options.clone().count());
    let help = match nearest(text, options.clone()) {
        Some(meant) if few => {
            format!("did you mean \"{meant}\"? There are {}", listed("and", options))
        }
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None => format!("write {}", listed("or", options)),
    };
    Wrong::new(format!("{} is not a {what}", quoted(text))).help(help)
}

/// A duration within limits, and why they are there.
pub(super) fn duration(
    range: RangeInclusive<Duration>,
    why: &'static str,
) -> impl Fn(&str) -> Result<Duration, Wrong> {
    move |text| {
        let value = units::duration(text)?;
        if range.contains(&value) {
            return Ok(value);
        }
        let (least, most) = (units::show_duration(*range.start()), units::show_duration(*range.end()));
        Err(Wrong::new(format!("{} is out of range", quoted(text)))
            .help(format!("write {least} to {most}: {why}")))
    }
}

/// A duration that ends up in a TTL, which counts whole seconds.
pub(super) fn ttl(
    range: RangeInclusive<Duration>,
    why: &'static str,
) -> impl Fn(&str) -> Result<Duration, Wrong> {
    let within = duration(range, why);
    move |text| {
        let value = within(text)?;
        if value.subsec_nanos() == 0 {
            return Ok(value);
        }
        Err(Wrong::new(format!("{} is not a whole number of seconds", quoted(text)))
            .help("TTLs count seconds"))
    }
}

/// An address to listen on: port 53 unless it says otherwise.
pub(super) fn listen(text: &str) -> Result<SocketAddr, Wrong> {
    if text.starts_with(['/', '@']) || text.starts_with("unix:") {
        return Err(Wrong::new(format!("{} is not an address and port", quoted(text))).help(
            "plain DNS is served over UDP and TCP only, not on a Unix socket: write \"127.0.0.1:53\"",
        ));
    }
    let port = text.strip_prefix("*:").or_else(|| text.strip_prefix(':'));
    if let Some(port) = port.filter(|port| port.bytes().all(|b| b.is_ascii_digit())) {
        return Err(Wrong::new(format!("{} does not say which addresses", quoted(text)))
            .help(format!("for all of them write \"0.0.0.0:{port}\" and \"[::]:{port}\"")));
    }
    match socket_address(text, "127.0.0.1:53")? {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0 => {
            let example = format!("[{}%2]:{}", v6.ip(), v6.port());
            Err(Wrong::new(format!("{} does not say on which interface", quoted(text)))
                .help(format!("write the interface as its number, which `ip link` shows: \"{example}\"")))
        }
        address => Ok(address),
    }
}

/// An address with or without port, IPv6 with or without brackets.
pub(super) fn socket_address(text: &str, example: &str) -> Result<SocketAddr, Wrong> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, 53));
    }
    let wrong = Wrong::new(format!("{} is not an address", quoted(text)));
    if let Some((address, port)) = text.split_once(['#', '@'])
        && let (Ok(ip), Ok(port)) = (address.parse::<IpAddr>(), port.parse::<u16>())
    {
        return Err(wrong.help(format!("write \"{}\"", SocketAddr::new(ip, port))));
    }
    if let Some((address, zone)) = text.split_once('%')
        && !zone.is_empty()
        && address.trim_start_matches('[').parse::<IpAddr>().is_ok()
    {
        return Err(wrong.help("write the interface as its number: \"[fe80::1%2]:53\""));
    }
    if let Some((address, port)) = text.rsplit_once(':') {
        let address = address.trim_start_matches('[').trim_end_matches(']');
        if address.parse::<IpAddr>().is_ok() {
            let port = quoted(port);
            return Err(
                Wrong::new(format!("{}: {port} is not a port", quoted(text))).help("a port is 1 to 65535")
            );
        }
    }
    if text.parse::<IpNet>().is_ok() {
        return Err(Wrong::new(format!("{} is a network, not an address", quoted(text)))
            .help(format!("write one address, such as \"{example}\"")));
    }
    if text.chars().any(|c| c.is_ascii_alphabetic()) && !text.contains("::") {
        return Err(Wrong::new(format!("{} is a name, not an address", quoted(text))).help(format!(
            "names cannot be looked up before there is a resolver: write an address, such as \"{example}\""
        )));
    }
    Err(wrong.help(format!("write an address with or without port, such as \"{example}\" or \"[::1]:53\"")))
}

/// A network, or an address as a network of one.
pub(super) fn network(text: &str) -> Result<IpNet, Wrong> {
    let wrong = || Wrong::new(format!("{} is not a network", quoted(text)));
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ => return Err(wrong().help(network_help(text))),
    };
    if network.trunc() != network {
        let one = IpNet::from(network.addr());
        let help = format!("did you mean the network \"{}\" or the address \"{one}\"?", network.trunc());
        return Err(Wrong::new(format!("{} has host bits set", quoted(text))).help(help));
    }
    let mapped = match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => {
            v6.addr().to_ipv4_mapped().map(|v4| (v4, v6.prefix_len() - 96))
        }
        IpNet::V6(_) | IpNet::V4(_) => None,
    };
    match mapped {
        Some((v4, bits)) => Err(wrong().help(format!("write the IPv4 it stands for: \"{v4}/{bits}\""))),
        None => Ok(network),
    }
}

fn network_help(text: &str) -> String {
    if listen::group(text).is_some() {
        return "only allow-clients knows groups: write the networks, such as \"192.168.1.0/24\"".into();
    }
    if let Some((address, mask)) = text.split_once('/') {
        if let (Ok(address), Ok(mask)) = (address.parse::<Ipv4Addr>(), mask.parse::<Ipv4Addr>())
            && let Ok(network) = ipnet::Ipv4Net::with_netmask(address, mask)
        {
            return format!("write the mask as a length: \"{network}\"");
        }
        if address.parse::<IpAddr>().is_ok() {
            return "the length after the slash is 0 to 32 for IPv4, 0 to 128 for IPv6".into();
        }
    }
    "write a network, such as \"192.168.1.0/24\" or \"fd00::/8\", or one address".into()
}

/// The networks behind an entry of `allow-clients`.
pub(super) fn clients(text: &str) -> Result<Vec<IpNet>, Wrong> {
    const GROUPS: [&str; 3] = ["loopback", "private", "any"];
    if let Some(networks) = listen::group(text) {
        return Ok(networks);
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains([':', '/']) {
        return Err(unknown_word(text, "group of clients", GROUPS.into_iter()));
    }
    network(text).map(|network| vec![network])
}

/// A host as it stands in an HTTP request: a name, in lower case, or an address; without a port.
pub(super) fn host(text: &str) -> Result<String, Wrong> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(address.to_canonical().to_string());
    }
    let wrong = || Wrong::new(format!("{} is not a host name", quoted(text)));
    let plain =
        text.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_'));
    match Name::from_text(text) {
        Ok(name) if plain && !name.as_ref().labels().any(<[u8]>::is_empty) => Ok(name.to_string()),
        _ => {
            Err(wrong()
                .help("write a name or an address without port and scheme, such as \"metrics.example\""))
        }
    }
}

/// A prefix behind which a translator embeds IPv4 addresses.
pub(super) fn nat64(text: &str) -> Result<Ipv6Net, Wrong> {
    let IpNet::V6(prefix) = network(text)? else {
        return Err(
            Wrong::new(format!("{} is not an IPv6 prefix", quoted(text))).help("write \"64:ff9b::/96\"")
        );
    };
    // RFC 6052 §2.2: "The prefixes can only have one of the following lengths: 32, 40, 48, 56, 64, or 96."
    if ![32, 40, 48, 56, 64, 96].contains(&prefix.prefix_len()) {
        return Err(Wrong::new(format!("{} has a length no translator uses", quoted(text)))
            .help("RFC 6052 allows /32, /40, /48, /56, /64 and /96"));
    }
    // The same: "Bits 64 to 71 of the address are reserved […] and MUST be set to zero."
    if prefix.addr().octets().get(8).is_some_and(|&octet| octet != 0) {
        return Err(Wrong::new(format!("{} has bits set that RFC 6052 reserves", quoted(text)))
            .help("bits 64 to 71 of a translator's prefix are zero"));
    }
    if TranslatorPlace::of(prefix).is_none() {
        return Err(Wrong::new(format!("{} cannot be the prefix of a translator", quoted(text)))
            .help("it must be 64:ff9b::/96, in 64:ff9b:1::/48, in public space, or a unique-local /96"));
    }
    Ok(prefix)
}

fn is_address(text: &str) -> bool {
    // The last label of a host's name starts with a letter; that of an address, a network or a port does not.
    let last = text.rsplit('.').next().unwrap_or_default();
    (last.starts_with(|first: char| first.is_ascii_digit()) || text.contains(':'))
        && (text.parse::<IpAddr>().is_ok()
            || text.parse::<IpNet>().is_ok()
            || text.parse::<SocketAddr>().is_ok())
}

/// Punctuation that no name of a host has, and that was not written as an escape to say that it is meant.
fn odd_character(text: &str) -> Option<char> {
    let is_odd = |c: char| c.is_ascii_punctuation() && !matches!(c, '-' | '_' | '.' | '\\');
    let mut is_escaped = false;
    text.chars().find(|&c| {
        let found = is_odd(c) && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        found
    })
}

/// A domain: its name, without any of the ways in which other programs write "and everything below".
pub(super) fn domain(text: &str) -> Result<Name, Wrong> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let plain = text.bytes().all(is_plain) && !is_address(text);
    if let Some(name) = plain.then(|| Name::from_text(text).ok()).flatten() {
        return Ok(name);
    }
    let meant = |why: &str| {
        let bare = text.trim().trim_start_matches("*.").trim_matches(['.', '/', '^', '|']);
        match Name::from_text(bare).ok().filter(|_| bare != text && !bare.contains('*')) {
            Some(name) => format!("{why}: write \"{name}\""),
            None => why.to_owned(),
        }
    };
    let wrong = || Wrong::new(format!("{} is not a domain", quoted(text)));
    if text.trim().is_empty() {
        return Err(wrong().help("write a name, such as \"nas.example.org\""));
    }
    if text.contains("://") {
        return Err(wrong().help("write the name only, without the rest of the URL"));
    }
    if text.contains('*') {
        return Err(
            wrong().help(meant("a domain stands for itself and everything below, without a wildcard"))
        );
    }
    if is_address(text) {
        return Err(wrong().help("an address goes to \"networks\", a name to \"domain\""));
    }
    if let Some((host, port)) = text.split_once(':')
        && port.bytes().all(|octet| octet.is_ascii_digit())
    {
        return Err(wrong().help(format!("a domain has no port: write {}", quoted(host))));
    }
    if let Some(odd) = odd_character(text) {
        return Err(wrong()
            .help(meant(&format!("it has `{odd}` in it (if it is meant, write \\{:03})", u32::from(odd)))));
    }
    match Name::from_text(text) {
        Ok(name) => Ok(name),
        Err(NameError::EmptyLabel) => Err(wrong().help(meant("it has an empty label"))),
        Err(NameError::Whitespace) => {
            Err(wrong().help(meant("it has white space or a control character in it")))
        }
        Err(error @ (NameError::LongLabel | NameError::BadEscape)) => {
            Err(wrong().help(format!("it has {error}")))
        }
        Err(error) => Err(wrong().help(format!("it is {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_port_and_brackets() {
        for (text, expected) in [
            ("127.0.0.1", "127.0.0.1:53"),
            ("127.0.0.1:5353", "127.0.0.1:5353"),
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("::1", "[::1]:53"),
            ("::", "[::]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
            ("[fe80::1%2]:53", "[fe80::1%2]:53"),
        ] {
            assert_eq!(listen(text).map(|address| address.to_string()), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        for (text, expected) in [
            ("10.0.0.0/8", Some("10.0.0.0/8")),
            ("10.0.0.1", Some("10.0.0.1/32")),
            ("fd00::1", Some("fd00::1/128")),
            ("0.0.0.0/0", Some("0.0.0.0/0")),
            ("::ffff:0:0/95", None),
            ("::ffff:0:0/96", None),
            ("10.0.0.1/8", None),
            ("10.0.0.0/33", None),
            ("10.0.0/8", None),
            ("", None),
        ] {
            assert_eq!(network(text).ok().map(|net| net.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn translators_prefixes_have_a_length_of_rfc_6052() {
        for (text, fine) in [
            ("64:ff9b::/96", true),
            ("64:ff9b:1::/48", true),
            ("2001:67c::/32", true),
            ("2001:67c:1200::/40", true),
            ("2001:67c:1:2::/64", true),
            ("fd00:64::/96", true),
            ("2001:67c::/33", false),
            ("2001:67c::/128", false),
            ("2001:67c:0:0:100::/96", false),
            ("2001:db8::/32", false),
            ("fd00:1::/32", false),
            ("fd00:ec2::/96", false),
            ("fe80::/96", false),
            ("::/96", false),
            ("::ffff:0:0/96", false),
            ("2002:a00:1::/96", false),
        ] {
            assert_eq!(nat64(text).is_ok(), fine, "{text}");
        }
    }

    #[test]
    fn domains_are_names_and_nothing_else() {
        for (text, expected) in [
            ("Plex.Direct", Some("plex.direct")),
            ("plex.direct.", Some("plex.direct")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("_dns.example", Some("_dns.example")),
            ("*.plex.direct", None),
            (".plex.direct", None),
            ("plex..direct", None),
            ("plex.direct/", None),
            ("plex .direct", None),
            ("10.0.0.1", None),
            ("[::1]:53", None),
            ("", None),
        ] {
            assert_eq!(domain(text).ok().map(|name| name.to_string()).as_deref(), expected, "{text}");
        }
    }
}
