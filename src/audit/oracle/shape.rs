//! Whether a reply has the shape every reply of ours has: rebuilt, whole, and nothing in it that was not asked for.

use super::parse::{Parsed, Rr, Section, expand, pairs, show, strict, u16_at};
use crate::audit::wire::{Query, code, flag};

/// What is wrong with `reply` as an answer to `query`; `limit` is the largest datagram that may be sent.
///
/// Empty when nothing is. Block replies, RCODEs and TTLs are the caller's business.
pub fn faults(reply: &[u8], query: &Query, limit: Option<usize>) -> Vec<String> {
    let parsed = match strict(reply) {
        Ok(parsed) => parsed,
        Err(why) => return vec![format!("does not parse: {why}")],
    };
    let mut faults = Vec::new();
    let mut check = |holds: bool, fault: &str| {
        if !holds {
            faults.push(fault.to_owned());
        }
    };

    check(parsed.id == query.id, "another ID");
    check(parsed.flags & flag::QR != 0, "QR not set");
    check(parsed.flags & flag::OPCODE == 0, "an OPCODE other than QUERY");
    check(parsed.flags & flag::Z == 0, "the reserved bit set");
    check(parsed.flags & flag::RA != 0, "RA not set");
    check(parsed.flags & flag::RD == query.flags & flag::RD, "RD not as in the query");
    check(limit.is_none_or(|limit| reply.len() <= limit), "larger than the client takes");
    // Octet by octet: the letter case is the client's (0x20).
    let asked = [(query.qname.clone(), query.qtype, query.qclass)];
    check(parsed.questions == asked, "not the question that was asked");
    if parsed.flags & flag::TC != 0 {
        let only_opt = parsed.records.iter().all(|rr| rr.rtype == code::OPT);
        check(only_opt, "records in a truncated reply");
    }

    sections(&parsed, query, &mut faults);
    edns(&parsed, query, &mut faults);
    faults
}

fn sections(parsed: &Parsed<'_>, query: &Query, faults: &mut Vec<String>) {
    let dnssec = query.edns.is_some_and(|(_, dnssec)| dnssec);
    let chain = chain(parsed, &query.qname);
    let mut soa = 0;
    for rr in &parsed.records {
        let fits = match rr.section {
            Section::Answer => in_answer(rr, query, &chain, dnssec),
            Section::Authority => {
                soa += usize::from(rr.rtype == code::SOA);
                let proof = matches!(rr.rtype, code::NSEC | code::NSEC3 | code::RRSIG);
                rr.rtype == code::SOA || (dnssec && proof)
            }
            Section::Additional => rr.rtype == code::OPT,
        };
        if !fits {
            faults.push(format!(
                "{} TYPE{} CLASS{} does not belong into {:?}",
                show(&rr.owner),
                rr.rtype,
                rr.class,
                rr.section
            ));
        }
        if matches!(rr.rtype, code::SVCB | code::HTTPS) {
            faults.extend(svcb(rr).err().map(|why| format!("an SVCB record with {why}")));
        }
    }
    if soa > 1 {
        faults.push("more than one SOA".into());
    }
    let answered = parsed.section(Section::Answer).any(|rr| rr.rtype == query.qtype);
    if soa > 0 && answered && query.qtype != code::SOA {
        faults.push("an SOA beside an answer".into());
    }
}

fn in_answer(rr: &Rr<'_>, query: &Query, chain: &[Vec<u8>], dnssec: bool) -> bool {
    if rr.class != query.qclass {
        return false;
    }
    let owner = rr.owner.to_ascii_lowercase();
    let in_chain = chain.contains(&owner);
    match rr.rtype {
        code::RRSIG => dnssec || query.qtype == code::RRSIG,
        code::CNAME => in_chain,
        code::DNAME => dnssec && chain.iter().any(|name| super::parse::within(name, &owner)),
        code::HINFO if query.qtype == code::ANY => in_chain,
        rtype => rtype == query.qtype && chain.last() == Some(&owner),
    }
}

/// The names from the QNAME to the end of the CNAME chain, in lower case.
fn chain(parsed: &Parsed<'_>, qname: &[u8]) -> Vec<Vec<u8>> {
    let mut chain = vec![qname.to_ascii_lowercase()];
    loop {
        let last = chain.last().cloned().unwrap_or_default();
        let next = parsed
            .section(Section::Answer)
            .find(|rr| rr.rtype == code::CNAME && rr.owner.eq_ignore_ascii_case(&last))
            .and_then(|rr| parsed.target(rr));
        match next.map(|name| name.to_ascii_lowercase()) {
            Some(name) if !chain.contains(&name) => chain.push(name),
            _ => return chain,
        }
    }
}

fn edns(parsed: &Parsed<'_>, query: &Query, faults: &mut Vec<String>) {
    let opts: Vec<_> = parsed.records.iter().filter(|rr| rr.rtype == code::OPT).collect();
    match (opts.as_slice(), query.edns) {
        ([], None) => {}
        ([], Some(_)) => faults.push("no OPT for a client that sent one".into()),
        ([_], None) => faults.push("an OPT for a client that sent none".into()),
        ([opt], Some((_, dnssec))) => {
            if opt.owner != [0] {
                faults.push("an OPT below a name".into());
            }
            if opt.ttl >> 16 & 0xff != 0 {
                faults.push("an EDNS version other than 0".into());
            }
            if (opt.ttl & 0x8000 != 0) != dnssec {
                faults.push("DO not as in the query".into());
            }
            if !pairs(opt.rdata).1 {
                faults.push("EDNS options that do not fill the OPT".into());
            }
        }
        _ => faults.push("two OPT records".into()),
    }
    for (_, text) in parsed.errors() {
        // Rust's debug output escapes characters that are invisible or harmful: controls, U+202E, U+200B.
        let seen = |c: char| matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1;
        if !std::str::from_utf8(&text).is_ok_and(|text| text.chars().all(seen)) {
            faults.push("invisible characters in the text of an extended error".into());
        }
    }
}

/// RFC 9460 §2.2: TargetName uncompressed, keys strictly increasing, lengths right; §8: mandatory keys are there.
fn svcb(rr: &Rr<'_>) -> Result<(), &'static str> {
    let (_, at) = expand(rr.rdata, 2).map_err(|_| "a TargetName that is compressed or broken")?;
    let (params, complete) = pairs(rr.rdata.get(at..).unwrap_or(&[]));
    if !complete {
        return Err("parameters that do not fill it");
    }
    let keys: Vec<u16> = params.iter().map(|(key, _)| *key).collect();
    if !keys.is_sorted_by(|a, b| a < b) {
        return Err("keys out of order");
    }
    for (key, value) in &params {
        let right = match key {
            0 => {
                let listed = value.chunks(2).filter_map(|pair| u16_at(pair, 0));
                value.len() % 2 == 0 && !value.is_empty() && listed.into_iter().all(|key| keys.contains(&key))
            }
            2 => value.is_empty(),
            3 => value.len() == 2,
            4 => !value.is_empty() && value.len() % 4 == 0,
            6 => !value.is_empty() && value.len() % 16 == 0,
            _ => true,
        };
        if !right {
            return Err("a malformed parameter or a mandatory key that is missing");
        }
    }
    Ok(())
}
