//! The hosts that a URI may lead a client to.
//!
//! Clients differ in how they read a URI: browsers read `http:localhost`, `http:\\localhost` and `http:///localhost` as
//! `http://localhost` (WHATWG URL §4.4), others follow RFC 3986. Every reading counts.

use std::borrow::Cow;

/// Schemes whose URIs do not name a host to connect to.
const WITHOUT_HOST: [&[u8]; 12] = [
    b"about",
    b"blob",
    b"cid",
    b"data",
    b"geo",
    b"javascript",
    b"mailto",
    b"mid",
    b"news",
    b"sms",
    b"tel",
    b"urn",
];

/// Schemes whose URIs have a host after any number of slashes of either kind, or none (WHATWG URL §3.1, "special scheme").
const SPECIAL: [&[u8]; 5] = [b"ftp", b"http", b"https", b"ws", b"wss"];

/// Schemes whose URIs have a host, perhaps of one label, right after the colon (RFC 3261 §19.1, RFC 7064, RFC 7065).
const HOST_FIRST: [&[u8]; 6] = [b"sip", b"sips", b"stun", b"stuns", b"turn", b"turns"];

/// `krb5srv:flags:transport:residual`: the residual is a host or a URI (draft-mccallum-kitten-krb-service-discovery).
const KERBEROS: &[u8] = b"krb5srv";

/// The characters that end an authority, in the shortest reading.
const ENDS: &[u8] = b"/\\?#";

/// Calls `found` with every host that a client may read in `target`, percent-decoded. Octets that are not text cannot be a host.
pub(super) fn each_host(target: &[u8], mut found: impl FnMut(&str)) {
    let target = without_blanks(target);
    let mut last = Vec::new();
    let mut host = |authority: &[u8]| {
        let decoded = percent_decoded(host_of(authority));
        let text = std::str::from_utf8(&decoded).ok();
        // Most readings are equal.
        if let Some(text) = text.filter(|text| !text.is_empty() && text.as_bytes() != last) {
            found(text);
            last = decoded.into_owned();
        }
    };
    if let Some(at) = target.windows(3).position(|octets| octets == b"://") {
        host(until(target.get(at + 3..).unwrap_or_default(), b"/?#"));
    }
    let Some((scheme, rest)) = split_scheme(&target) else {
        // A single slash starts a path (RFC 3986 §4.2).
        return host(until(target.strip_prefix(b"//").unwrap_or(&target), ENDS));
    };
    let is_in = |list: &[&[u8]]| list.iter().any(|listed| listed.eq_ignore_ascii_case(scheme));
    if is_in(&SPECIAL) {
        host(until(without_slashes(rest), ENDS));
    } else if is_in(&[KERBEROS]) {
        let residual = rest.splitn(3, |octet| *octet == b':').nth(2).unwrap_or_default();
        if split_scheme(residual).is_none_or(|(_, rest)| !rest.starts_with(b"//")) {
            host(until(residual, ENDS));
        }
    } else if !is_in(&WITHOUT_HOST) && !rest.starts_with(b"//") {
        // `sip:user@host`, `turn:host`, and `host:port`, whose host looks like a scheme.
        let head = until(rest, b"/\\?#;");
        let is_port = !head.is_empty() && head.iter().all(u8::is_ascii_digit);
        if is_port || is_in(&HOST_FIRST) || looks_like_host(head) {
            host(if is_port { scheme } else { head });
        }
    }
}

/// A part of a URI of an unknown scheme may be anything. It may be a host if it has a user, a dot, or the best-known name.
fn looks_like_host(head: &[u8]) -> bool {
    head.iter().any(|octet| b"@.[".contains(octet)) || until(head, b":").eq_ignore_ascii_case(b"localhost")
}

/// Readers drop tabs and line breaks anywhere, and blanks at both ends (WHATWG URL §4.4).
fn without_blanks(target: &[u8]) -> Cow<'_, [u8]> {
    let is_dropped = |octet: &u8| matches!(octet, b'\t' | b'\n' | b'\r');
    let start = target.iter().position(|octet| *octet > b' ').unwrap_or(target.len());
    let target = target.get(start..).unwrap_or_default();
    if target.iter().any(is_dropped) {
        return Cow::Owned(target.iter().copied().filter(|octet| !is_dropped(octet)).collect());
    }
    Cow::Borrowed(target)
}

/// The scheme and what follows its colon (RFC 3986 §3.1).
fn split_scheme(target: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = target.iter().position(|octet| *octet == b':')?;
    let (scheme, rest) = target.split_at_checked(colon)?;
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet));
    is_scheme.then_some((scheme, rest.get(1..).unwrap_or_default()))
}

fn without_slashes(octets: &[u8]) -> &[u8] {
    let start = octets.iter().position(|octet| !b"/\\".contains(octet)).unwrap_or(octets.len());
    octets.get(start..).unwrap_or_default()
}

fn until<'a>(octets: &'a [u8], ends: &[u8]) -> &'a [u8] {
    octets.split(|octet| ends.contains(octet)).next().unwrap_or_default()
}

/// The host of an authority: between the user and the port (RFC 3986 §3.2).
fn host_of(authority: &[u8]) -> &[u8] {
    let host = authority.rsplit(|octet| *octet == b'@').next().unwrap_or_default();
    match host.strip_prefix(b"[") {
        Some(literal) if literal.contains(&b']') => until(literal, b"]"),
        Some(_) => &[],
        None => until(host, b":").trim_ascii(),
    }
}

fn percent_decoded(host: &[u8]) -> Cow<'_, [u8]> {
    if !host.contains(&b'%') {
        return Cow::Borrowed(host);
    }
    let digit = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let mut decoded = Vec::with_capacity(host.len());
    let mut at = 0;
    while let Some(octet) = host.get(at) {
        let pair = (digit(host.get(at + 1)), digit(host.get(at + 2)));
        match (octet, pair) {
            (b'%', (Some(high), Some(low))) => {
                decoded.extend(u8::try_from(high << 4 | low));
                at += 3;
            }
            _ => {
                decoded.push(*octet);
                at += 1;
            }
        }
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_that_a_client_may_read_in_a_uri_is_found() {
        for (uri, expected) in [
            (&b"http://localhost:11434/api"[..], &["localhost"][..]),
            (b"http://user@[::1]:80/", &["::1"]),
            (b"https://127.0.0.1?x", &["127.0.0.1"]),
            (b"http://[::1]/\xff", &["::1"]),
            (b"http://\xff@localhost", &["localhost"]),
            (b"http:localhost/", &["localhost"]),
            (b"HTTP:/localhost/", &["localhost"]),
            (b"http:///localhost/", &["localhost"]),
            (b"http:\\\\localhost\\x", &["localhost"]),
            (b"http:/\\localhost", &["localhost"]),
            (b"http://public.example\\@localhost/", &["localhost", "public.example"]),
            (b" \thttp:\n//local\thost/", &["localhost"]),
            (b"http://%6cocalhost/", &["localhost"]),
            (b"http://127%2e0.0.1/", &["127.0.0.1"]),
            (b"http://%zz/", &["%zz"]),
            (b"wss:localhost", &["localhost"]),
            (b"file://nas.local/x", &["nas.local"]),
            (b"file:///etc/x", &[]),
            (b"/path/x", &[]),
            (b"krb5srv:m:tcp:ipa1.example.com.", &["ipa1.example.com."]),
            (b"krb5srv::udp:nas.local", &["nas.local"]),
            (b"krb5srv:m:kkdcp:https://ipa1.example.com/KdcProxy", &["ipa1.example.com"]),
            (b"did:web:abc", &[]),
            (b"bitcoin:175tWpb8K1S7NmH4Zx6rewF9WQrcZv245W", &[]),
            (b"turn:nas", &["nas"]),
            (b"x:localhost:80", &["localhost"]),
            (b"sip:x@127.0.0.1", &["127.0.0.1"]),
            (b"sips:x@[::1]:5061;transport=tls", &["::1"]),
            (b"turn:nas.local:3478?transport=udp", &["nas.local"]),
            (b"sip:127.0.0.1", &["127.0.0.1"]),
            (b"blob:http://localhost/x", &["localhost"]),
            (b"redis://localhost", &["localhost"]),
            (b"//localhost/x", &["localhost"]),
            (b"localhost/x", &["localhost"]),
            (b"localhost:11434/x", &["localhost"]),
            (b"public.example:443", &["public.example"]),
            (b"127.0.0.1:80", &["127.0.0.1"]),
            (b"http://[::1", &[]),
            (b"http://\xff/", &[]),
            (b"mailto:a@b", &[]),
            (b"tel:+1.201.555", &[]),
            (b"urn:isbn:1", &[]),
            (b"", &[]),
        ] {
            let mut hosts = Vec::new();
            each_host(uri, |host| hosts.push(host.to_owned()));
            assert_eq!(hosts, expected, "{}", uri.escape_ascii());
        }
    }
}
