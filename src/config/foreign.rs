//! How other programs write servers: recognised, so that the error can say what to write here.

use std::net::{IpAddr, SocketAddr};

use super::error::{Wrong, quoted};

/// The schemes of encrypted DNS in other programs' files, in front of `:` or `://`.
const ENCRYPTED: &[&str] = &[
    "tls", "https", "quic", "h3", "dot", "doh", "doq", "doh3", "sdns", "tcp-tls", "http", "https3",
    "dnscrypt",
];
/// The same for plain DNS.
const PLAIN: &[&str] = &["udp", "tcp", "dns", "tcp+udp", "udp+tcp", "do53"];
/// Words that stand before a server in other files.
const WORDS: &[&str] = &["nameserver", "server", "forward-addr:", "forward-addr"];
/// Ports of encrypted DNS, and what speaks there.
const PORTS: &[(u16, &str)] = &[
    (853, "DNS over TLS"),
    (443, "DNS over HTTPS"),
    (8443, "DNS over HTTPS"),
    (784, "DNS over QUIC"),
    (8853, "DNS over QUIC"),
];
/// Ports that are written at the end of an IPv6 address by mistake.
const USUAL_PORTS: &[u16] = &[53, 443, 853, 1053, 5053, 5300, 5335, 5353, 8443, 8853];

const ENCRYPTED_HELP: &str = "this version asks in plain DNS only; encrypted servers are planned";

/// What is wrong with a server that is written as another program has it.
pub(super) fn server(text: &str) -> Option<Wrong> {
    scheme(text).or_else(|| of_domain(text)).or_else(|| with_name(text)).or_else(|| several(text))
}

fn scheme(text: &str) -> Option<Wrong> {
    let (scheme, rest) = text.split_once(':')?;
    let (slashes, rest) = match rest.strip_prefix("//") {
        Some(rest) => ("//", rest),
        None => ("", rest),
    };
    let lower = scheme.to_ascii_lowercase();
    let is_one_of = |schemes: &[&str]| schemes.contains(&lower.as_str());
    let is_word = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && !rest.starts_with(':');
    if is_one_of(ENCRYPTED) {
        let message = format!("{}: {lower}:{slashes} is not supported by this version", quoted(text));
        Some(Wrong::new(message).help(ENCRYPTED_HELP))
    } else if is_one_of(PLAIN) {
        let rest = rest.trim_end_matches('/');
        Some(
            Wrong::new(format!("{} needs no {lower}:{slashes}", quoted(text)))
                .help(format!("write {}: plain DNS uses UDP, and TCP if UDP is not enough", quoted(rest))),
        )
    } else if !slashes.is_empty() && is_word {
        Some(
            Wrong::new(format!("{}: {} is not a known scheme", quoted(text), quoted(scheme)))
                .help("write an address, such as \"9.9.9.9\" or \"127.0.0.1:5300\""),
        )
    } else {
        None
    }
}

/// `/corp.example/10.0.0.53` of dnsmasq and `[/corp.example/]10.0.0.53` of AdGuard Home.
fn of_domain(text: &str) -> Option<Wrong> {
    let domains = text.strip_prefix("[/").or_else(|| text.strip_prefix('/'))?;
    let (domains, server) = domains.rsplit_once('/')?;
    let server = server.trim_start_matches(']');
    let first = domains.split('/').next().unwrap_or_default();
    let help = format!(
        "a domain with its own server is a [[route]]: domain = {}, servers = [{}]",
        quoted(first),
        quoted(server)
    );
    Some(Wrong::new(format!("{} is a server for one domain", quoted(text))).help(help))
}

/// `9.9.9.9@853#dns.quad9.net` of Unbound, `9.9.9.9:853#dns.quad9.net` of systemd-resolved; `9.9.9.9@eth0` of dnsmasq.
fn with_name(text: &str) -> Option<Wrong> {
    let (address, name) = match text.split_once('#') {
        Some((address, name)) if name.parse::<u16>().is_err() => (address, Some(name)),
        Some(_) => return None,
        None => (text, None),
    };
    let (address, port) = split_port(address)?;
    let encrypted = |why: String| Some(Wrong::new(format!("{}: {why}", quoted(text))).help(ENCRYPTED_HELP));
    match (name, port) {
        (Some(name), _) => encrypted(format!(
            "the name {} is for an encrypted server, which is not supported by this version",
            quoted(name)
        )),
        (None, Some(port)) => match port.parse::<u16>() {
            Ok(port) => encrypted(format!(
                "port {port} is for {}, which is not supported by this version",
                speaks(port)?
            )),
            Err(_) if port.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Some(Wrong::new(format!("{} is not an address", quoted(text))).help(format!(
                    "write \"{address}\": the system chooses the interface or the source address"
                )))
            }
            Err(_) => None,
        },
        (None, None) => None,
    }
}

/// The address, and what is behind `@`, or behind the port's colon.
fn split_port(text: &str) -> Option<(IpAddr, Option<&str>)> {
    if let Some((address, port)) = text.split_once('@') {
        return Some((address.parse().ok()?, Some(port)));
    }
    let address = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    Some((address.ok()?, None))
}

/// Several servers in one text, or one with white space or a word of another file's before it.
fn several(text: &str) -> Option<Wrong> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '=');
    if !text.contains(is_between) {
        return None;
    }
    let parts = text.split(is_between).filter(|part| !part.is_empty() && !WORDS.contains(part));
    let parts: Vec<String> = parts.map(quoted).collect();
    let wrong = Wrong::new(format!("{} is not one address", quoted(text)));
    match parts.as_slice() {
        [] => None,
        [one] => Some(wrong.help(format!("write {one}"))),
        several => Some(wrong.help(format!("write each server by itself: [{}]", several.join(", ")))),
    }
}

fn speaks(port: u16) -> Option<&'static str> {
    PORTS.iter().find(|(known, _)| *known == port).map(|(_, what)| *what)
}

/// What is hardly meant about the server at this address, which is asked in plain DNS.
pub(super) fn doubt(text: &str, address: SocketAddr) -> Option<Wrong> {
    let port = address.port();
    let encrypted = speaks(port).map(|what| {
        Wrong::new(format!("{} is asked in plain DNS, and port {port} is for {what}", quoted(text)))
            .help(format!("write {}; {ENCRYPTED_HELP}", quoted(&without_port(address))))
    });
    encrypted.or_else(|| swallowed_port(text))
}

fn without_port(address: SocketAddr) -> String {
    address.ip().to_string()
}

/// A port at the end of an IPv6 address without brackets is a part of the address.
pub(super) fn swallowed_port(text: &str) -> Option<Wrong> {
    let (address, port) = text.rsplit_once(':')?;
    let whole = text.parse::<IpAddr>().ok()?;
    let meant = (
        address.parse::<IpAddr>().ok()?,
        port.parse::<u16>().ok().filter(|port| USUAL_PORTS.contains(port))?,
    );
    let message = format!("the \":{port}\" at the end is a part of the address, and the port is 53");
    Some(Wrong::new(format!("{}: {message}", quoted(text))).help(format!(
        "write \"{}\" if it is the port, and \"[{whole}]:53\" if it is not",
        SocketAddr::from(meant)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_as_another_program_has_it_is_told_how_it_is_written_here() {
        for (text, expected) in [
            ("9.9.9.9@853#dns.quad9.net", "the name \"dns.quad9.net\" is for an encrypted server"),
            ("9.9.9.9:853#dns.quad9.net", "the name \"dns.quad9.net\" is for an encrypted server"),
            ("9.9.9.9#dns.quad9.net", "the name \"dns.quad9.net\" is for an encrypted server"),
            ("2620:fe::fe@853#dns.quad9.net", "the name \"dns.quad9.net\" is for an encrypted server"),
            ("[2620:fe::fe]:853#dns.quad9.net", "the name \"dns.quad9.net\" is for an encrypted server"),
            ("9.9.9.9@853", "port 853 is for DNS over TLS"),
            ("9.9.9.9@eth0", "write \"9.9.9.9\""),
            ("tcp-tls:dns.quad9.net:853", "tcp-tls: is not supported"),
            ("TLS://9.9.9.9", "tls:// is not supported"),
            ("sdns://AQMAAAA", "sdns:// is not supported"),
            ("https://dns.quad9.net/dns-query", "https:// is not supported"),
            ("udp://9.9.9.9", "write \"9.9.9.9\""),
            ("tcp+udp:9.9.9.9", "write \"9.9.9.9\""),
            ("udp:9.9.9.9:53", "write \"9.9.9.9:53\""),
            ("ftp://x", "\"ftp\" is not a known scheme"),
            ("/corp.example/10.0.0.53", "domain = \"corp.example\", servers = [\"10.0.0.53\"]"),
            ("[/corp.example/lan/]10.0.0.53", "domain = \"corp.example\", servers = [\"10.0.0.53\"]"),
            ("9.9.9.9, 1.1.1.1", "[\"9.9.9.9\", \"1.1.1.1\"]"),
            ("9.9.9.9 1.1.1.1", "[\"9.9.9.9\", \"1.1.1.1\"]"),
            (" 9.9.9.9", "write \"9.9.9.9\""),
            ("nameserver 9.9.9.9", "write \"9.9.9.9\""),
            ("server=9.9.9.9", "write \"9.9.9.9\""),
        ] {
            let said = server(text).map(|wrong| wrong.to_string()).unwrap_or_default();
            assert!(said.contains(expected), "{text}: {said}");
        }
        for text in [
            "9.9.9.9",
            "9.9.9.9:53",
            "[2620:fe::fe]:53",
            "2620:fe::fe",
            "::1",
            "dns.quad9.net",
            "9.9.9.9#53",
            "fe80::1%eth0",
            "system",
        ] {
            assert_eq!(server(text), None, "{text}");
        }
    }

    #[test]
    fn ports_of_encrypted_servers_and_swallowed_ports_are_doubted() {
        for (text, address, expected) in [
            ("9.9.9.9", "9.9.9.9:53", None),
            ("127.0.0.1:5353", "127.0.0.1:5353", None),
            ("9.9.9.9:853", "9.9.9.9:853", Some("port 853 is for DNS over TLS")),
            ("[2620:fe::fe]:443", "[2620:fe::fe]:443", Some("write \"2620:fe::fe\"")),
            ("9.9.9.9:8853", "9.9.9.9:8853", Some("DNS over QUIC")),
            ("2620:fe::fe:53", "[2620:fe::fe:53]:53", Some("write \"[2620:fe::fe]:53\" if it is the port")),
            ("fd00::53", "[fd00::53]:53", None),
            ("[2620:fe::fe:53]:53", "[2620:fe::fe:53]:53", None),
            ("2620:fe::fe:9", "[2620:fe::fe:9]:53", None),
        ] {
            let said = doubt(text, address.parse().unwrap()).map(|wrong| wrong.to_string());
            match expected {
                None => assert_eq!(said, None, "{text}"),
                Some(part) => {
                    assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{text}: {said:?}")
                }
            }
        }
    }
}
