//! Whether a reply is the one a case expects.

use super::cases::{Case, Expect, Kept};
use super::oracle::parse::{Parsed, Section, lenient, u32_at};
use super::wire::{Query, TTL, code, flag};
use crate::policy::OnBlock;

/// The INFO-CODE "Blocked" (RFC 8914 §4.16).
const BLOCKED: u16 = 15;

/// What `reply` is in place of what was expected, if anything.
pub fn check(expected: &Expect, reply: &[u8], query: &Query, case: &Case) -> Option<String> {
    let (parsed, _) = lenient(reply);
    verdict(expected, &parsed, query, case).err()
}

fn verdict(expected: &Expect, parsed: &Parsed<'_>, query: &Query, case: &Case) -> Result<(), String> {
    match expected {
        Expect::Safe => Ok(()),
        Expect::Answer(kept) => {
            rcode(parsed, code::NOERROR)?;
            answer(parsed, kept)
        }
        Expect::Touched(kept) => {
            rcode(parsed, code::NOERROR)?;
            answer(parsed, kept)?;
            demand(parsed.flags & flag::AD == 0, || "AD is set on an answer that was touched".into())
        }
        Expect::Blocked => blocked(parsed, query, case),
        Expect::Nodata => {
            rcode(parsed, code::NOERROR)?;
            empty(parsed)?;
            short_lived(parsed, case)
        }
        Expect::Negative(expected) => {
            rcode(parsed, *expected)?;
            let aliases =
                parsed.section(Section::Answer).all(|rr| matches!(rr.rtype, code::CNAME | code::DNAME));
            demand(aliases, || format!("a negative reply with {}", summary(parsed)))?;
            let soa = parsed.section(Section::Authority).any(|rr| rr.rtype == code::SOA);
            demand(soa, || "a negative reply without an SOA".into())
        }
        Expect::Rcode(expected) => {
            rcode(parsed, *expected)?;
            empty(parsed)
        }
        Expect::Minimal => {
            rcode(parsed, code::NOERROR)?;
            let mut answers = parsed.section(Section::Answer);
            let one = matches!((answers.next(), answers.next()), (Some(rr), None) if rr.rtype == code::HINFO);
            demand(one, || format!("expected one HINFO record, got {}", summary(parsed)))
        }
        Expect::AnyOf(expects) => {
            let mut failures = Vec::new();
            for expected in expects {
                match verdict(expected, parsed, query, case) {
                    Ok(()) => return Ok(()),
                    Err(failure) => failures.push(failure),
                }
            }
            Err(failures.join("; or "))
        }
        Expect::Explained(expected, info_code) => {
            verdict(expected, parsed, query, case)?;
            explained(parsed, query, *info_code)
        }
        Expect::Attributed(expected) => {
            verdict(expected, parsed, query, case)?;
            let errors = parsed.errors();
            let foreign = errors.iter().all(|(_, text)| text.starts_with(b"upstream: "));
            demand(foreign, || "an extended error that shows an upstream's words as the resolver's".into())
        }
    }
}

fn demand(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn rcode(parsed: &Parsed<'_>, expected: u16) -> Result<(), String> {
    let got = parsed.rcode();
    demand(got == expected, || format!("expected RCODE {expected}, got {got} with {}", summary(parsed)))
}

fn empty(parsed: &Parsed<'_>) -> Result<(), String> {
    let empty = parsed.section(Section::Answer).next().is_none();
    demand(empty, || format!("expected no answer, got {}", summary(parsed)))
}

/// The records of the answer section are `kept` in any order, and no TTL has grown.
fn answer(parsed: &Parsed<'_>, kept: &[Kept]) -> Result<(), String> {
    let mut got: Vec<Kept> =
        parsed.section(Section::Answer).map(|rr| Kept { rtype: rr.rtype, rdata: parsed.rdata(rr) }).collect();
    let mut expected: Vec<Kept> = kept.iter().map(fold).collect();
    got.sort();
    expected.sort();
    demand(got == expected, || {
        let missing = expected.iter().filter(|record| !got.contains(record)).count();
        let surplus = got.iter().filter(|record| !expected.contains(record)).count();
        format!(
            "expected {} records, got {}: {missing} missing, {surplus} not expected: {}",
            expected.len(),
            got.len(),
            summary(parsed)
        )
    })?;
    let grown = parsed.section(Section::Answer).find(|rr| rr.ttl > TTL);
    demand(grown.is_none(), || "a TTL longer than the upstream's".into())
}

/// The names in RDATA in lower case, as the reader gives them.
fn fold(kept: &Kept) -> Kept {
    let rdata = match kept.rtype {
        code::CNAME | code::NS | code::PTR | code::DNAME => kept.rdata.to_ascii_lowercase(),
        code::MX => {
            let (preference, exchange) = kept.rdata.split_at_checked(2).unwrap_or((&kept.rdata, &[]));
            [preference, &exchange.to_ascii_lowercase()].concat()
        }
        _ => kept.rdata.clone(),
    };
    Kept { rtype: kept.rtype, rdata }
}

fn blocked(parsed: &Parsed<'_>, query: &Query, case: &Case) -> Result<(), String> {
    empty(parsed)?;
    demand(parsed.flags & flag::AD == 0, || "AD is set on a block reply".into())?;
    match case.on_block {
        OnBlock::Nodata => rcode(parsed, code::NOERROR)?,
        OnBlock::Nxdomain => rcode(parsed, code::NXDOMAIN)?,
        OnBlock::Refused => rcode(parsed, code::REFUSED)?,
    }
    if case.on_block != OnBlock::Refused {
        let soa = parsed.section(Section::Authority).any(|rr| rr.rtype == code::SOA);
        demand(soa, || "a block reply without an SOA: clients may keep it for as long as they like".into())?;
        short_lived(parsed, case)?;
    }
    explained(parsed, query, BLOCKED)
}

/// T07: neither the TTL of the SOA nor its MINIMUM lets a client keep the reply for long.
fn short_lived(parsed: &Parsed<'_>, case: &Case) -> Result<(), String> {
    for rr in parsed.section(Section::Authority).filter(|rr| rr.rtype == code::SOA) {
        let minimum = rr.rdata.len().checked_sub(4).and_then(|at| u32_at(rr.rdata, at)).unwrap_or(u32::MAX);
        let lives = rr.ttl.min(minimum);
        demand(lives <= case.block_ttl, || format!("a block reply that lives {lives} s"))?;
    }
    Ok(())
}

fn explained(parsed: &Parsed<'_>, query: &Query, info_code: u16) -> Result<(), String> {
    let errors = parsed.errors();
    let found = query.edns.is_none() || errors.iter().any(|(code, _)| *code == info_code);
    demand(found, || format!("no extended error {info_code}"))
}

/// The answer section in a few words.
fn summary(parsed: &Parsed<'_>) -> String {
    let types: Vec<String> =
        parsed.section(Section::Answer).take(6).map(|rr| format!("TYPE{}", rr.rtype)).collect();
    let count = parsed.section(Section::Answer).count();
    match count {
        0 => "no answer".into(),
        _ => format!("{count} answers ({}{})", types.join(" "), if count > 6 { " …" } else { "" }),
    }
}
