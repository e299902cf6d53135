//! Addresses spelled in names, as the services read them that answer such names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Calls `found` with every address that somebody may read out of the labels, and whether it is spelled as one would: four
/// numbers with dots or with dashes between, eight hexadecimal digits, an IPv6 address with dashes for its colons; each
/// with any words around.
pub fn each_spelled_address(labels: &[&[u8]], mut found: impl FnMut(IpAddr, bool)) {
    let parts: Vec<(bool, &[u8])> = labels
        .iter()
        .flat_map(|label| {
            label.split(|&byte| byte == b'-').enumerate().map(|(index, part)| (index > 0, part))
        })
        .collect();
    for four in parts.windows(4) {
        let mut separators = four.iter().skip(1).map(|(dashed, _)| *dashed);
        let first = separators.next();
        if !separators.all(|dashed| Some(dashed) == first) {
            continue;
        }
        if let Some(v4) = v4_from_parts(four.iter().map(|(_, part)| *part)) {
            // No leading zero: one spelling for one number. Others may read it all the same.
            let canonical = four.iter().all(|(_, part)| part.len() == 1 || part.first() != Some(&b'0'));
            found(v4.into(), canonical);
        }
    }
    for v4 in parts.iter().filter_map(|(_, part)| hex_v4(part)) {
        found(v4.into(), true);
    }
    for label in labels {
        let parts: Vec<&[u8]> = label.split(|&byte| byte == b'-').collect();
        for start in 0..parts.len() {
            for end in start + 3..=parts.len() {
                if let Some(v6) = parts.get(start..end).and_then(dashed_v6) {
                    found(v6.into(), true);
                }
            }
        }
    }
}

/// Four decimal numbers of up to three digits as an address.
fn v4_from_parts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Ipv4Addr> {
    let mut octets = Vec::with_capacity(4);
    for part in parts {
        let digits = part.len() <= 3 && part.iter().all(u8::is_ascii_digit);
        octets.push(std::str::from_utf8(part).ok().filter(|_| digits)?.parse::<u8>().ok()?);
    }
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

/// The labels before a zone are a reversed IPv4 or IPv6 address, or a domain (RFC 5782 §2.1, §2.4, §3).
pub fn is_dnsbl_shaped(labels: &[&[u8]]) -> bool {
    let reversed_v4 = labels.len() == 4 && v4_from_parts(labels.iter().copied()).is_some();
    let is_nibble = |label: &&[u8]| matches!(label, [digit] if digit.is_ascii_hexdigit());
    let reversed_v6 = labels.len() == 32 && labels.iter().all(is_nibble);
    let is_domain = labels.len() >= 2
        && labels.last().is_some_and(|tld| {
            tld.len() >= 2 && tld.iter().all(|&byte| byte.is_ascii_alphabetic() || byte == b'-')
        });
    reversed_v4 || reversed_v6 || is_domain
}

/// `c0a80114`
fn hex_v4(part: &[u8]) -> Option<Ipv4Addr> {
    let text = std::str::from_utf8(part).ok().filter(|text| text.len() == 8)?;
    if !part.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(text, 16).ok().map(Ipv4Addr::from)
}

/// `fd00--1`: the address with dashes for colons.
fn dashed_v6(parts: &[&[u8]]) -> Option<Ipv6Addr> {
    std::str::from_utf8(&parts.join(&b':')).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dnsbl_questions_have_a_reversed_address_or_a_domain_in_front() {
        let nibbles = "1.0.".repeat(16);
        for (front, shaped) in [
            ("2.0.0.127.", true),
            ("254.1.168.192.", true),
            (nibbles.as_str(), true),
            ("evil.com.", true),
            ("www.bad.co.uk.", true),
            ("www.evil.example.", true),
            ("www.", false),
            ("", false),
            ("a.b.", false),
            ("256.0.0.127.", false),
            ("0.0.127.", false),
            ("1.2.0.0.127.", false),
        ] {
            let labels: Vec<&[u8]> = front.split_terminator('.').map(str::as_bytes).collect();
            assert_eq!(is_dnsbl_shaped(&labels), shaped, "{front}");
        }
    }
}
