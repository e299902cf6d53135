//! R: harm a filter does to those it protects.

use super::{Case, Expect, Group, Kept, ip};
use crate::audit::wire::{self, Record, code};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Care, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

pub(super) fn cases() -> Vec<Case> {
    [sinkholes(), built_in(), clients()].into_iter().flatten().collect()
}

/// R04: an upstream's own block list answers with nothing but zeros.
fn sinkholes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (variant, addresses) in
        [("0.0.0.0", &["0.0.0.0"][..]), ("::", &["::"]), ("0.0.0.0 twice", &["0.0.0.0", "0.0.0.0"])]
    {
        cases.push(
            case("R04", "an upstream's sinkhole is NODATA")
                .variant(variant)
                .ask(super::address_type(ip(addresses.first().unwrap_or(&"::"))))
                .answers(addresses.iter().map(|text| a(text)))
                .forbid(["0.0.0.0", "::"])
                .expect(Expect::Nodata),
        );
    }
    cases.push(
        case("R04", "an upstream's sinkhole is NODATA")
            .variant("with its own EDE")
            .reply(|asked| {
                let why = wire::ede(15, b"on a list");
                asked.reply().answer([a("0.0.0.0")]).additional([wire::opt(
                    1232,
                    0,
                    0,
                    0,
                    &[(wire::EDE, &why)],
                )])
            })
            .forbid(["0.0.0.0"])
            .expect(Expect::Nodata),
    );
    cases
}

/// R08: names whose inside answers are the standard.
fn built_in() -> Vec<Case> {
    let discovery = ["192.0.0.170", "192.0.0.171"];
    let mapped = ["64:ff9b::192.0.0.170", "64:ff9b::192.0.0.171"];
    let kept = |texts: [&str; 2]| Expect::Answer(texts.iter().map(|text| Kept::address(text)).collect());
    vec![
        case("R08", "the discovery name of NAT64")
            .named("ipv4only.arpa")
            .reply(move |asked| {
                let texts = if asked.qtype() == code::A { discovery } else { mapped };
                asked.reply().answer(texts.map(a))
            })
            .expect(kept(discovery))
            .then(code::AAAA, kept(mapped)),
        case("R08", "a name below the discovery name of NAT64")
            .named("{slug}.{nonce}.ipv4only.arpa")
            .answers(discovery.map(a))
            .forbid(discovery)
            .blocked(),
        case("R08", "the probe of Windows")
            .named("dns.msftncsi.com")
            .reply(|asked| {
                let text = if asked.qtype() == code::A { "131.107.255.255" } else { "fd3e:4f5a:5b81::1" };
                asked.reply().answer([a(text)])
            })
            .expect(Expect::Answer(vec![Kept::address("131.107.255.255")]))
            .then(code::AAAA, Expect::Answer(vec![Kept::address("fd3e:4f5a:5b81::1")])),
        case("R08", "a name below the probe of Windows")
            .named("{slug}.{nonce}.dns.msftncsi.com")
            .ask(code::AAAA)
            .answers([a("fd3e:4f5a:5b81::1")])
            .forbid(["fd3e:4f5a:5b81::1"])
            .blocked(),
    ]
}

/// R01–R03 for clients of every kind: the block reply is the same NODATA.
fn clients() -> Vec<Case> {
    let base = || case("R02", "a block reply").answers([a("192.168.1.1")]).forbid(["192.168.1.1"]).blocked();
    vec![
        base().variant("without EDNS").without_edns(),
        base().variant("with DO").dnssec(),
        base().variant("with CD").flags(wire::flag::CD),
        base().variant("with AD").flags(wire::flag::AD),
        case("R03", "a block leaves the name's other types alone")
            .reply(|asked| match asked.qtype() {
                code::A => asked.reply().answer([a("192.168.1.1")]),
                _ => asked.reply().answer([Record::new(code::TXT, wire::txt(b"still here"))]),
            })
            .forbid(["192.168.1.1"])
            .blocked()
            .then(
                code::TXT,
                Expect::Answer(vec![Kept { rtype: code::TXT, rdata: wire::txt(b"still here") }]),
            ),
    ]
}
