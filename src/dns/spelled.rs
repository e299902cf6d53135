//! Addresses spelled in names, as the services read them that answer such names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::NameRef;

/// How sure a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// One plain way to write the address: every service that reads it at all reads it so.
    Plain,
    /// Some services may read it so: dots and dashes mixed, leading zeros.
    Odd,
}

/// Calls `found` with every address that some service may read in `name`, before `service` or running into it. `has_hash`: the
/// label before the service's domain may have 32 hexadecimal digits, and is not an address then.
///
/// The forms, each with any words around it: four numbers with dots or dashes between them; eight or 32 hexadecimal digits; an
/// IPv6 address with dashes instead of colons. sslip.io, which also answers for nip.io, reads the first of each of these. The older
/// server of nip.io and traefik.me takes the last four parts, whatever separates them.
///
/// Returns `false` for a name that services may read in unknown ways:
///
/// * It is not a host name. sslip.io delegates every name that contains `_acme-challenge.` to the owner of the address in the name,
///   who can then answer anything. Services may misread a dot or an odd octet within a label.
/// * The text of the service's domain is in it twice. The server of traefik.me takes the first place for the end: it reads
///   `1-2-3-4xtraefik.me.10-0-0-1.traefik.me` as 1.2.3.4.
pub fn each_spelled_address(
    name: NameRef<'_>,
    service: NameRef<'_>,
    has_hash: bool,
    mut found: impl FnMut(IpAddr, Spelling),
) -> bool {
    let labels: Vec<&[u8]> = name.labels().collect();
    let mut own = labels.len().saturating_sub(service.label_count());
    let is_hash = |label: &&[u8]| hex(label, 32).is_some();
    if has_hash && own.checked_sub(1).and_then(|last| labels.get(last)).is_some_and(is_hash) {
        own -= 1;
    }
    let own_labels = labels.get(..own).unwrap_or_default();
    let is_host = |label: &&[u8]| label.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !own_labels.iter().all(is_host) || stands_twice(service, name) {
        return false;
    }
    each_address(&labels, own_labels, &mut found);
    true
}

fn stands_twice(service: NameRef<'_>, name: NameRef<'_>) -> bool {
    let text = |name: NameRef<'_>| name.labels().collect::<Vec<_>>().join(&b'.').to_ascii_lowercase();
    let (service, name) = (text(service), text(name));
    name.windows(service.len().max(1)).filter(|window| **window == *service).count() > 1
}

fn each_address(labels: &[&[u8]], own_labels: &[&[u8]], found: &mut impl FnMut(IpAddr, Spelling)) {
    let own_parts: usize = own_labels.iter().map(|label| parts_of(label).count()).sum();
    let parts: Vec<(bool, &[u8])> = labels
        .iter()
        .flat_map(|label| parts_of(label).enumerate().map(|(index, part)| (index > 0, part)))
        .collect();
    let fours = || parts.windows(4).take(own_parts).enumerate();
    let plain: Vec<usize> = fours().filter(|(_, four)| is_plain(four)).map(|(start, _)| start).collect();
    for (start, four) in fours() {
        // A server that does not take the last four parts reads `192-168-1-10` in `node-1.192-168-1-10`, not `1.192-168-1`.
        let is_part = plain.iter().any(|other| *other != start && other.abs_diff(start) < 4);
        if is_part && is_mixed(four) && start + 4 != own_parts {
            continue;
        }
        each_v4(four, |v4, spelling| found(v4.into(), spelling));
    }
    let hex_v4 = |part| u32::try_from(hex(part, 8)?).ok();
    for v4 in parts.iter().take(own_parts).filter_map(|(_, part)| hex_v4(part)) {
        found(Ipv4Addr::from(v4).into(), Spelling::Plain);
    }
    for label in own_labels {
        if let Some(v6) = hex(label, 32) {
            found(Ipv6Addr::from(v6).into(), Spelling::Plain);
        }
        let parts: Vec<&[u8]> = parts_of(label).collect();
        for start in 0..parts.len() {
            // Eight groups at most, and one empty part for a `::` at an end.
            for end in start + 3..=parts.len().min(start + 9) {
                if let Some(v6) = parts.get(start..end).and_then(dashed_v6) {
                    found(v6.into(), Spelling::Plain);
                }
            }
        }
    }
}

fn parts_of(label: &[u8]) -> impl Iterator<Item = &[u8]> {
    label.split(|&byte| byte == b'-')
}

/// The parts between dots and dashes. Each comes with a flag: whether a dash is before it.
fn is_mixed(four: &[(bool, &[u8])]) -> bool {
    four.iter().skip(2).zip(four.iter().skip(1)).any(|((a, _), (b, _))| a != b)
}

fn is_plain(four: &[(bool, &[u8])]) -> bool {
    let mut is_plain = false;
    each_v4(four, |_, spelling| is_plain |= spelling == Spelling::Plain);
    is_plain
}

/// The addresses that four parts may be.
fn each_v4(four: &[(bool, &[u8])], mut found: impl FnMut(Ipv4Addr, Spelling)) {
    let parts = || four.iter().map(|(_, part)| *part);
    let has_zeros = parts().any(|part| part.len() > 1 && part.first() == Some(&b'0'));
    let spelling = if is_mixed(four) || has_zeros { Spelling::Odd } else { Spelling::Plain };
    if let Some(v4) = v4_from_parts(parts()) {
        found(v4, spelling);
    }
    // Readers like inet_aton take a number with a leading zero for an octal one.
    if has_zeros && let Some(v4) = v4_with_octal_parts(parts()) {
        found(v4, Spelling::Odd);
    }
}

/// Four decimal numbers of up to three digits as an address.
fn v4_from_parts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Ipv4Addr> {
    v4_of(parts, |_| 10)
}

fn v4_with_octal_parts<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Option<Ipv4Addr> {
    v4_of(parts, |part| if part.first() == Some(&b'0') { 8 } else { 10 })
}

fn v4_of<'a>(parts: impl Iterator<Item = &'a [u8]>, radix: impl Fn(&[u8]) -> u32) -> Option<Ipv4Addr> {
    let mut octets = Vec::with_capacity(4);
    for part in parts {
        let digits = part.len() <= 3 && part.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(part).ok().filter(|_| digits)?;
        octets.push(u8::from_str_radix(text, radix(part)).ok()?);
    }
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

/// `c0a80114`: exactly this many hexadecimal digits.
fn hex(part: &[u8], digits: usize) -> Option<u128> {
    let text = std::str::from_utf8(part).ok().filter(|text| text.len() == digits)?;
    if !part.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

/// `fd00--1`: the address with dashes for colons.
fn dashed_v6(parts: &[&[u8]]) -> Option<Ipv6Addr> {
    std::str::from_utf8(&parts.join(&b':')).ok()?.parse().ok()
}

/// Whether a reversed IPv4 or IPv6 address, or a domain, precedes the zone of a block list (RFC 5782 §2.1, §2.4, §3).
pub fn is_dnsbl_shaped(name: NameRef<'_>, zone: NameRef<'_>) -> bool {
    let before = name.label_count().saturating_sub(zone.label_count());
    let labels: Vec<&[u8]> = name.labels().take(before).collect();
    let reversed_v4 = labels.len() == 4 && v4_from_parts(labels.iter().copied()).is_some();
    let is_nibble = |label: &&[u8]| matches!(label, [digit] if digit.is_ascii_hexdigit());
    let reversed_v6 = labels.len() == 32 && labels.iter().all(is_nibble);
    let is_domain = labels.len() >= 2
        && labels.last().is_some_and(|tld| {
            tld.len() >= 2 && tld.iter().all(|&byte| byte.is_ascii_alphabetic() || byte == b'-')
        });
    reversed_v4 || reversed_v6 || is_domain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::Name;

    #[test]
    fn dnsbl_questions_begin_with_a_reversed_address_or_a_domain() {
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
            let zone = Name::from_text("bl.example").unwrap();
            let question = Name::from_text(&format!("{front}bl.example")).unwrap();
            assert_eq!(is_dnsbl_shaped(question.as_ref(), zone.as_ref()), shaped, "{front}");
        }
    }
}
