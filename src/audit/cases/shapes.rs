//! M01–M08, M17, M20, M29: records in the answer where a filter does not look and a client does.

use super::{Case, Expect, Group, Kept, PUBLIC4, PUBLIC6, ip};
use crate::audit::wire::{self, Record, code, flag, name};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Shapes, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

pub(super) fn cases() -> Vec<Case> {
    let parts = [
        other_types(),
        other_owners(),
        chains(),
        loops(),
        other_classes(),
        low_octets(),
        rare_types(),
        signed(),
        translated(),
    ];
    parts.into_iter().flatten().collect()
}

/// M01, M02, M03: an address that was not asked for.
fn other_types() -> Vec<Case> {
    let txt = || Record::new(code::TXT, wire::txt(b"harmless"));
    let mut cases = vec![
        case("M01", "the other family in the answer")
            .variant("AAAA beside A")
            .answers([a(PUBLIC4), a("::1")])
            .forbid(["::1"])
            .leaves_addresses([PUBLIC4]),
        case("M01", "the other family in the answer")
            .variant("A beside AAAA")
            .ask(code::AAAA)
            .answers([a("127.0.0.1"), a(PUBLIC6)])
            .forbid(["127.0.0.1"])
            .leaves_addresses([PUBLIC6]),
        case("M01", "the other family in the answer")
            .variant("A alone, asked for AAAA")
            .ask(code::AAAA)
            .answers([a("127.0.0.1")])
            .forbid(["127.0.0.1"]),
        case("M01", "the other family in the answer")
            .variant("AAAA alone, asked for A")
            .answers([a("::1")])
            .forbid(["::1"]),
        case("M01", "the other family in the answer")
            .variant("behind a CNAME")
            .ask(code::AAAA)
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                a("192.168.1.1").owned_by("cdn.rebind-audit.example"),
                a(PUBLIC6).owned_by("cdn.rebind-audit.example"),
            ])
            .forbid(["192.168.1.1"])
            .leaves([Record::cname("cdn.rebind-audit.example"), a(PUBLIC6)]),
    ];
    for qtype in [code::TXT, code::MX, code::SRV, code::HTTPS, code::PTR, code::NS, code::SOA, 65_300] {
        cases.push(
            case("M02", "an address in the answer to another type")
                .variant(format!("asked for TYPE{qtype}"))
                .ask(qtype)
                .answers([a("127.0.0.1"), a("::1")])
                .forbid(["127.0.0.1", "::1"]),
        );
    }
    cases.push(
        case("M02", "an address in the answer to another type")
            .variant("beside the TXT that was asked for")
            .ask(code::TXT)
            .answers([txt(), a("127.0.0.1")])
            .forbid(["127.0.0.1"])
            .leaves([txt()]),
    );
    cases.push(
        case("M03", "ANY with inside addresses")
            .ask(code::ANY)
            .answers([a("127.0.0.1"), a("::1"), a(PUBLIC4), txt()])
            .forbid(["127.0.0.1", "::1"])
            .expect(Expect::Minimal),
    );
    cases
}

/// M04: an owner that is neither the name nor on its way.
fn other_owners() -> Vec<Case> {
    let mut cases = Vec::new();
    for owner in ["other.example", "localhost", "rebind-audit.example", "www.plex.direct", "."] {
        let foreign = a("127.0.0.1").owner(name(owner));
        let base = case("M04", "an address of somebody else");
        cases.push(
            base.clone()
                .variant(format!("{owner}, first"))
                .answers([foreign.clone(), a(PUBLIC4)])
                .forbid(["127.0.0.1"])
                .leaves_addresses([PUBLIC4]),
        );
        cases.push(
            base.clone()
                .variant(format!("{owner}, last"))
                .answers([a(PUBLIC4), foreign.clone()])
                .forbid(["127.0.0.1"])
                .leaves_addresses([PUBLIC4]),
        );
        cases.push(base.variant(format!("{owner}, alone")).answers([foreign]).forbid(["127.0.0.1"]));
    }
    cases.push(
        case("M04", "an address of somebody else")
            .variant("the name's own address beside a CNAME")
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                a("127.0.0.1"),
                a(PUBLIC4).owned_by("cdn.rebind-audit.example"),
            ])
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
    );
    cases
}

/// M05: chains in every order.
fn chains() -> Vec<Case> {
    let links = |address: &str| {
        [
            Record::cname("one.rebind-audit.example"),
            Record::cname("two.rebind-audit.example").owned_by("one.rebind-audit.example"),
            Record::cname("three.rebind-audit.example").owned_by("two.rebind-audit.example"),
            a(address).owned_by("three.rebind-audit.example"),
        ]
    };
    let mut cases = Vec::new();
    for (variant, order) in [
        ("in order", [0, 1, 2, 3]),
        ("address first", [3, 0, 1, 2]),
        ("backwards", [3, 2, 1, 0]),
        ("mixed", [1, 3, 0, 2]),
    ] {
        let shuffled = move |address: &str| {
            let links = links(address);
            order.iter().filter_map(|place| links.get(*place).cloned()).collect::<Vec<_>>()
        };
        cases.push(
            case("M05", "an alias chain out of order")
                .variant(variant)
                .answers(shuffled("192.168.1.1"))
                .forbid(["192.168.1.1"])
                .blocked(),
        );
        let mut honest = case("M05", "an alias chain out of order")
            .variant(format!("{variant}, public"))
            .answers(shuffled(PUBLIC4))
            .keeps(links(PUBLIC4));
        honest.group = Group::Kept;
        cases.push(honest);
    }
    let twice = [Record::cname("a.rebind-audit.example"), Record::cname("b.rebind-audit.example")];
    let ends =
        [a(PUBLIC4).owned_by("a.rebind-audit.example"), a("127.0.0.1").owned_by("b.rebind-audit.example")];
    for (variant, order) in [("the public one first", [0, 1]), ("the inside one first", [1, 0])] {
        let records = order.iter().filter_map(|place| twice.get(*place).cloned());
        cases.push(
            case("M05", "two CNAMEs at one name")
                .variant(variant)
                .answers(records.chain(ends.clone()))
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4]),
        );
    }
    cases.push(
        case("M05", "an alias chain out of order")
            .variant("owner in another letter case")
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                a("10.0.0.1").owned_by("CDN.Rebind-Audit.Example"),
            ])
            .forbid(["10.0.0.1"])
            .blocked(),
    );
    cases
}

/// M06: chains without an end, or with a far one.
fn loops() -> Vec<Case> {
    let far = |links: usize, address: &str| {
        let link = |number: usize| format!("l{number}.rebind-audit.example");
        let mut records = vec![Record::cname(&link(1))];
        records.extend((1..links).map(|number| Record::cname(&link(number + 1)).owned_by(&link(number))));
        records.push(a(address).owned_by(&link(links)));
        records
    };
    let mut cases = vec![
        case("M06", "a chain that leads back")
            .variant("to the name itself")
            .reply(|asked| {
                let back = Record::new(code::CNAME, asked.qname());
                asked.reply().answer([back, a("127.0.0.1")])
            })
            .forbid(["127.0.0.1"]),
        case("M06", "a chain that leads back")
            .variant("over another name")
            .reply(|asked| {
                asked.reply().answer([
                    Record::cname("loop.rebind-audit.example"),
                    Record::new(code::CNAME, asked.qname()).owned_by("loop.rebind-audit.example"),
                    a("127.0.0.1").owned_by("loop.rebind-audit.example"),
                ])
            })
            .forbid(["127.0.0.1"]),
    ];
    for links in [11, 17, 40] {
        cases.push(
            case("M06", "an address at the end of a long chain")
                .variant(format!("{links} links"))
                .answers(far(links, "127.0.0.1"))
                .forbid(["127.0.0.1"]),
        );
    }
    let mut honest = case("M06", "a public address at the end of a long chain")
        .variant("8 links")
        .answers(far(8, PUBLIC4))
        .keeps(far(8, PUBLIC4));
    honest.group = Group::Kept;
    cases.push(honest);
    cases
}

/// M07: musl and Go do not look at the class.
fn other_classes() -> Vec<Case> {
    let mut cases = Vec::new();
    for class in [code::CH, code::HS, code::NONE, code::ANY_CLASS, 0, 2, 32_769, 65_535] {
        let base = case("M07", "an address of another class");
        cases.push(
            base.clone()
                .variant(format!("CLASS{class}, alone"))
                .answers([a("127.0.0.1").class(class)])
                .forbid(["127.0.0.1"]),
        );
        cases.push(
            base.variant(format!("CLASS{class}, beside a right one"))
                .answers([a(PUBLIC4), a("127.0.0.1").class(class)])
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4]),
        );
    }
    cases
}

/// M08: musl reads the low octet of TYPE only.
fn low_octets() -> Vec<Case> {
    let mut cases = Vec::new();
    for rtype in [257, 513, 0x8001, 65_281] {
        cases.push(
            case("M08", "a type whose low octet is A's")
                .variant(format!("TYPE{rtype} beside A"))
                .answers([a(PUBLIC4), Record::new(rtype, [127, 0, 0, 1])])
                .forbid(["127.0.0.1"])
                .leaves_addresses([PUBLIC4]),
        );
        cases.push(
            case("M08", "a type whose low octet is A's")
                .variant(format!("TYPE{rtype}, asked for as such"))
                .ask(rtype)
                .answers([Record::new(rtype, [127, 0, 0, 1])])
                .forbid(["127.0.0.1"]),
        );
    }
    for rtype in [284, 540, 65_308] {
        cases.push(
            case("M08", "a type whose low octet is AAAA's")
                .variant(format!("TYPE{rtype} beside AAAA"))
                .ask(code::AAAA)
                .answers([Record::new(rtype, std::net::Ipv6Addr::LOCALHOST.octets()), a(PUBLIC6)])
                .forbid(["::1"])
                .leaves_addresses([PUBLIC6]),
        );
    }
    cases
}

/// M17: types that carry addresses and that no browser asks for.
fn rare_types() -> Vec<Case> {
    let loopback = [127u8, 0, 0, 1];
    let relay = |kind: u8| [&[10, kind][..], &loopback].concat();
    [
        ("A6", code::A6, [&[0][..], &[0; 10], &[0xff, 0xff], &loopback].concat()),
        ("WKS", code::WKS, [&loopback[..], &[6, 0x40]].concat()),
        ("APL", code::APL, [&[0, 1, 32, 4][..], &loopback].concat()),
        ("L32", code::L32, [&[0, 10][..], &loopback].concat()),
        ("IPSECKEY", code::IPSECKEY, [&[10, 1, 2][..], &loopback, &[1, 2, 3, 4]].concat()),
        ("AMTRELAY", code::AMTRELAY, relay(1)),
    ]
    .into_iter()
    .map(|(variant, rtype, rdata)| {
        case("M17", "a rare type that carries an inside address")
            .variant(variant)
            .ask(rtype)
            .answers([Record::new(rtype, rdata)])
            .forbid(["127.0.0.1"])
    })
    .collect()
}

/// M20: a signature makes no address public.
fn signed() -> Vec<Case> {
    let signature = |rtype| Record::new(code::RRSIG, wire::rrsig(rtype, super::ZONE));
    let mut cases = Vec::new();
    for (variant, bits) in [("DO", 0), ("DO and CD", flag::CD), ("DO and AD", flag::AD)] {
        let base = case("M20", "a signed inside address").dnssec().flags(bits);
        cases.push(
            base.clone()
                .variant(format!("{variant}, alone"))
                .reply(move |asked| {
                    asked.reply().with(flag::AD).answer([a("192.168.1.1"), signature(code::A)])
                })
                .forbid(["192.168.1.1"])
                .blocked(),
        );
        cases.push(
            base.variant(format!("{variant}, beside a public one"))
                .reply(move |asked| {
                    let records = [a("192.168.1.1"), a(PUBLIC4), signature(code::A)];
                    asked.reply().with(flag::AD).answer(records)
                })
                .forbid(["192.168.1.1"])
                .leaves_addresses([PUBLIC4]),
        );
    }
    cases.push(
        case("M20", "an inside address that claims to be validated")
            .flags(flag::AD)
            .reply(|asked| asked.reply().with(flag::AD).answer([a("127.0.0.1"), a(PUBLIC4)]))
            .forbid(["127.0.0.1"])
            .leaves_addresses([PUBLIC4]),
    );
    cases
}

/// M29: what DNS64 makes of an inside address, where the address itself is held back.
fn translated() -> Vec<Case> {
    let pairs = [("192.168.1.1", "64:ff9b::192.168.1.1", true), (PUBLIC4, "64:ff9b::1.1.1.1", false)];
    let row = |(plain, translated, inside): (&'static str, &'static str, bool)| {
        let fate = |address: &str| match inside {
            true => Expect::Blocked,
            false => Expect::Answer(vec![Kept::address(address)]),
        };
        let case = case("M29", "an address that DNS64 has translated")
            .variant(if inside { "inside" } else { "public" })
            .reply(move |asked| {
                asked.reply().answer([a(if asked.qtype() == code::A { plain } else { translated })])
            })
            .expect(fate(plain))
            .then(code::AAAA, fate(translated));
        if inside { case.forbid([plain, translated]) } else { case }
    };
    pairs.into_iter().map(row).collect()
}
