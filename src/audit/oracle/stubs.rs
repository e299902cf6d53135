//! Imitations of what client stubs take for an address.
//!
//! Each errs on the side of reading: where a stub would first ask again over TCP or drop the message for another
//! reason, the imitation goes on, and for question types the stub never asks it reads both families.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse::{Parsed, Section, pairs, u16_at};
use crate::audit::wire::{code, flag};

/// The address in RDATA of exactly the right length.
pub fn exact(rtype: u16, rdata: &[u8]) -> Option<IpAddr> {
    match rtype {
        code::A => <[u8; 4]>::try_from(rdata).ok().map(|octets| Ipv4Addr::from(octets).into()),
        code::AAAA => <[u8; 16]>::try_from(rdata).ok().map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// musl: names are skipped octet by octet, only the low octet of TYPE counts, CLASS and owner do not.
///
/// `while (p-r < rlen && *p-1U < 127) p++;` stops at a zero or at anything from 0x80 on, wherever it stands.
pub fn musl(wire: &[u8], qtype: u16) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let wanted: &[u8] = match qtype {
        code::A => &[1],
        code::AAAA => &[28],
        _ => &[1, 28],
    };
    // `if ((r[3]&15)) return 0;`
    if wire.len() < 12 || u16_at(wire, 2).unwrap_or(0) & flag::RCODE != 0 {
        return found;
    }
    let skip = |mut at: usize| {
        while wire.get(at).is_some_and(|octet| (1..=127).contains(octet)) {
            at += 1;
        }
        at + usize::from(wire.get(at).is_some_and(|octet| *octet != 0))
    };
    let mut at = 12;
    for _ in 0..u16_at(wire, 4).unwrap_or(0) {
        if at + 6 > wire.len() {
            return found;
        }
        at = skip(at) + 5;
    }
    for _ in 0..u16_at(wire, 6).unwrap_or(0) {
        at = skip(at) + 1;
        let (Some(low), Some(length)) = (wire.get(at + 1), u16_at(wire, at + 8)) else { break };
        let end = at + 10 + usize::from(length);
        let Some(rdata) = wire.get(at + 10..end) else { break };
        if wanted.contains(low) {
            // A wrong length ends the whole reading: `if (len != 4) return -1;`
            match exact(u16::from(*low), rdata) {
                Some(address) => found.push(address),
                None if wanted.len() == 1 => break,
                None => {}
            }
        }
        at = end;
    }
    found
}

/// Every address record of the answer section in either family, whoever owns it.
fn both_families(parsed: &Parsed<'_>, any_class: bool) -> Vec<IpAddr> {
    let answers = parsed.section(Section::Answer).filter(|rr| any_class || rr.class == code::IN);
    answers.filter_map(|rr| exact(rr.rtype, rr.rdata)).collect()
}

/// glibc before 2.37: class looked at, owner not, both families from either reply.
pub fn glibc(parsed: &Parsed<'_>) -> Vec<IpAddr> {
    both_families(parsed, false)
}

/// c-ares: as [`glibc`]; its check of the owner is commented out. It reads the whole message first.
pub fn c_ares(parsed: &Parsed<'_>, failed: bool) -> Vec<IpAddr> {
    if failed { Vec::new() } else { both_families(parsed, false) }
}

/// Go's own resolver: neither class nor owner, both families.
pub fn go(parsed: &Parsed<'_>) -> Vec<IpAddr> {
    both_families(parsed, true)
}

/// Chromium: owner, class and type must be right and the chain whole, in any order; RCODE 3 with results is no
/// obstacle. For HTTPS it takes the hints.
pub fn chromium(parsed: &Parsed<'_>) -> Vec<IpAddr> {
    let Some((qname, qtype, _)) = parsed.questions.first() else {
        return Vec::new();
    };
    let mut aliases: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    for rr in parsed.section(Section::Answer).filter(|rr| rr.rtype == code::CNAME && rr.class == code::IN) {
        if let Some(target) = parsed.target(rr) {
            aliases.insert(rr.owner.to_ascii_lowercase(), target.to_ascii_lowercase());
        }
    }
    let mut name = qname.to_ascii_lowercase();
    for _ in 0..=aliases.len() {
        match aliases.get(&name) {
            Some(next) => name.clone_from(next),
            None => break,
        }
    }
    let end = parsed
        .section(Section::Answer)
        .filter(|rr| rr.class == code::IN && rr.rtype == *qtype && rr.owner.to_ascii_lowercase() == name);
    end.flat_map(|rr| match rr.rtype {
        code::HTTPS | code::SVCB => hints(parsed, rr),
        _ => exact(rr.rtype, rr.rdata).into_iter().collect(),
    })
    .collect()
}

/// The addresses in the hints of an SVCB or HTTPS record, read as generously as can be: any order, duplicates, a
/// last value cut short.
pub fn hints(parsed: &Parsed<'_>, rr: &super::parse::Rr<'_>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let end = rr.at + rr.rdata.len();
    // TargetName must not be compressed (RFC 9460 §2.2), but a client may not mind.
    let Ok((_, at)) = super::parse::expand(parsed.wire, rr.at + 2) else {
        return found;
    };
    let params = parsed.wire.get(at..end).unwrap_or(&[]);
    for (key, value) in pairs(params).0 {
        found.extend(hint(key, value));
    }
    found.extend(cut_short(params));
    found
}

fn hint(key: u16, value: &[u8]) -> Vec<IpAddr> {
    match key {
        4 => value.chunks_exact(4).filter_map(|octets| exact(code::A, octets)).collect(),
        6 => value.chunks_exact(16).filter_map(|octets| exact(code::AAAA, octets)).collect(),
        _ => Vec::new(),
    }
}

/// The addresses in a last parameter whose length points past the end.
fn cut_short(params: &[u8]) -> Vec<IpAddr> {
    let (whole, complete) = pairs(params);
    if complete {
        return Vec::new();
    }
    let used: usize = whole.iter().map(|(_, value)| 4 + value.len()).sum();
    match (u16_at(params, used), params.get(used + 4..)) {
        (Some(key), Some(value)) => hint(key, value),
        _ => Vec::new(),
    }
}
