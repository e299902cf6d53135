//! A name as people have it at hand: by itself, or in a URL that they paste.

use std::net::IpAddr;

use crate::dns::Name;

/// Reads a name, or the host of a URL.
pub(super) fn name(text: &str) -> Result<Name, String> {
    let host = match text.split_once("://").or_else(|| text.strip_prefix("//").map(|rest| ("", rest))) {
        Some((_, rest)) => decoded(host_of(authority(rest)))?,
        None => without_scheme(text)?.to_owned(),
    };
    Name::from_text(&host).map_err(|error| error.to_string())
}

/// What stands before the path, the query and the fragment. Browsers take a backslash for a slash.
fn authority(rest: &str) -> &str {
    rest.split(['/', '\\', '?', '#']).next().unwrap_or_default()
}

/// Without user and port.
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit('@').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((before, port)) if is_port(port) && !before.contains(':') => before,
        // After the bracket of an IPv6 address.
        Some((before, port)) if is_port(port) && before.ends_with(']') => before,
        _ => host,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The octets that the URL has in hexadecimal (RFC 3986 §2.1).
fn decoded(host: &str) -> Result<String, String> {
    const NOT_A_NAME: &str = "there is no name in this URL; write the name alone, such as example.com";
    let mut octets = Vec::new();
    let mut rest = host.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, octet) {
            (b'%', Some(octet)) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    let host = String::from_utf8(octets).map_err(|_| NOT_A_NAME)?;
    refuse_address(&host)?;
    let is_odd = |c: char| matches!(c, '\\' | '/' | ':' | '@' | '[' | ']' | '?' | '#' | '%');
    if host.is_empty() || host.contains(is_odd) { Err(NOT_A_NAME.to_owned()) } else { Ok(host) }
}

/// A name may have a slash, as those of RFC 2317 do; so only what hardly is a name is cut.
fn without_scheme(text: &str) -> Result<&str, String> {
    if text.contains(':') {
        refuse_address(text)?;
    }
    if text.contains('\\') {
        return Ok(text);
    }
    let path = text.find(['/', '?', '#']).filter(|at| {
        let host = text.get(..*at).unwrap_or_default();
        host.contains('.') && !text.trim_end_matches('.').to_ascii_lowercase().ends_with(".arpa")
    });
    Ok(host_of(text.get(..path.unwrap_or(text.len())).unwrap_or_default()))
}

fn refuse_address(host: &str) -> Result<(), String> {
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => {
            Err(format!("{address} is an address: no name is looked up for it, so nothing is blocked"))
        }
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_whatever_is_pasted() {
        for (text, expected) in [
            ("example.com", "example.com"),
            ("example.com.", "example.com"),
            ("https://example.com", "example.com"),
            ("HTTPS://Example.COM:8443/a/b?c=d:1#e", "example.com"),
            ("https://user:pass@example.com:443/", "example.com"),
            ("http://example.com?next=http://other.example/", "example.com"),
            ("http://example.com\\@other.example/", "example.com"),
            ("//example.com/x", "example.com"),
            ("wss://a.example:/", "a.example"),
            ("https://b%C3%BCcher.example/", "xn--bcher-kva.example"),
            ("https://bücher.example/", "xn--bcher-kva.example"),
            ("https://%65xample.com/", "example.com"),
            ("example.com:443", "example.com"),
            ("example.com/index.html", "example.com"),
            ("example.com:8080/x:1", "example.com"),
            ("localhost:3000", "localhost"),
            ("user@example.com", "example.com"),
            ("mailto:user@example.com", "example.com"),
            ("_443._tcp.example.com", "_443._tcp.example.com"),
            ("192.168.1.1", "192.168.1.1"),
            // Names with characters of URLs (RFC 2317).
            ("0/25.2.0.192.in-addr.arpa", r"0\04725.2.0.192.in-addr.arpa"),
            ("10.0/25.2.0.192.in-addr.arpa.", r"10.0\04725.2.0.192.in-addr.arpa"),
            (r"a\047b.example", r"a\047b.example"),
            (r"a\:80", r"a\05880"),
        ] {
            assert_eq!(name(text).unwrap().to_string(), expected, "{text}");
        }
        for (text, why) in [
            ("http://192.168.1.1:8080/", "192.168.1.1 is an address"),
            ("https://[fd00::1]:443/", "fd00::1 is an address"),
            ("https://[fd00::1]/", "fd00::1 is an address"),
            ("::1", "::1 is an address"),
            ("[::1]", "::1 is an address"),
            ("file:///etc/passwd", "there is no name in this URL"),
            ("https://", "there is no name in this URL"),
            ("https://a%2Fb.example/", "there is no name in this URL"),
            ("https://a%FF.example/", "there is no name in this URL"),
            ("https://a b.example/", "white space"),
            ("https://a..example/", "an empty label"),
        ] {
            let error = name(text).unwrap_err();
            assert!(error.starts_with(why), "{text}: {error}");
        }
    }
}
