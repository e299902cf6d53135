//! M14–M16: addresses in the parameters of SVCB and HTTPS records, and names in their TargetName.

use super::addresses::RANGES;
use super::{Case, Expect, Group, Kept, PUBLIC4, PUBLIC6, Setup, ip};
use crate::audit::wire::{self, Record, code, name, qname_pointer};
use crate::policy::Profile;

const ALPN: u16 = 1;
const PORT: u16 = 3;
const IPV4HINT: u16 = 4;
const ECH: u16 = 5;
const IPV6HINT: u16 = 6;

type Params = Vec<(u16, Vec<u8>)>;

fn alpn() -> (u16, Vec<u8>) {
    (ALPN, b"\x02h2\x02h3".to_vec())
}

fn hint(addresses: &[&str]) -> (u16, Vec<u8>) {
    let mut key = IPV4HINT;
    let mut value = Vec::new();
    for text in addresses {
        match ip(text) {
            std::net::IpAddr::V4(v4) => value.extend(v4.octets()),
            std::net::IpAddr::V6(v6) => {
                key = IPV6HINT;
                value.extend(v6.octets());
            }
        }
    }
    (key, value)
}

fn service(params: &Params) -> Record {
    Record::new(code::HTTPS, wire::svcb(1, &[0], params))
}

fn case(title: &'static str) -> Case {
    Case::new(Group::Hints, "M14", title).ask(code::HTTPS)
}

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    [ranges(setup), lists(), sets(), malformed(), targets(), ports(setup)].into_iter().flatten().collect()
}

/// Every row of the range tables as a hint.
fn ranges(setup: &Setup) -> Vec<Case> {
    let mut cases = Vec::new();
    for (_, range, fate, addresses) in RANGES {
        for address in *addresses {
            let record = service(&vec![alpn(), hint(&[address])]);
            let base =
                case("an address as a hint").variant(format!("{address}, {range}")).answers([record.clone()]);
            cases.push(if fate.blocks(setup.profile) {
                base.forbid([*address]).leaves([service(&vec![alpn()])])
            } else {
                let mut kept = base.keeps([record]);
                kept.group = Group::Kept;
                kept
            });
        }
    }
    cases
}

/// Lists with inside and public hints, and records of nothing else.
fn lists() -> Vec<Case> {
    let rows: [(&str, Params, Params, &[&str]); 7] = [
        (
            "the last of three",
            vec![alpn(), hint(&[PUBLIC4, "8.8.8.8", "10.0.0.1"])],
            vec![alpn(), hint(&[PUBLIC4, "8.8.8.8"])],
            &["10.0.0.1"],
        ),
        (
            "the first of two",
            vec![alpn(), hint(&["127.0.0.1", PUBLIC4])],
            vec![alpn(), hint(&[PUBLIC4])],
            &["127.0.0.1"],
        ),
        (
            "the second ipv6hint",
            vec![alpn(), hint(&[PUBLIC6, "fd00::1"])],
            vec![alpn(), hint(&[PUBLIC6])],
            &["fd00::1"],
        ),
        (
            "both families, one each",
            vec![alpn(), hint(&[PUBLIC4, "192.168.1.1"]), hint(&["::1", PUBLIC6])],
            vec![alpn(), hint(&[PUBLIC4]), hint(&[PUBLIC6])],
            &["192.168.1.1", "::1"],
        ),
        (
            "ipv6hint only, ipv4hint kept",
            vec![alpn(), hint(&[PUBLIC4]), hint(&["::1"])],
            vec![alpn(), hint(&[PUBLIC4])],
            &["::1"],
        ),
        (
            "beside port and ech",
            vec![alpn(), (PORT, vec![0x20, 0xfb]), hint(&["10.0.0.1"]), (ECH, vec![7; 70])],
            vec![alpn(), (PORT, vec![0x20, 0xfb]), (ECH, vec![7; 70])],
            &["10.0.0.1"],
        ),
        (
            "beside unknown keys",
            vec![alpn(), hint(&["10.0.0.1"]), (65_280, vec![1, 2, 3]), (65_535, vec![])],
            vec![alpn(), (65_280, vec![1, 2, 3]), (65_535, vec![])],
            &["10.0.0.1"],
        ),
    ];
    let mut cases = Vec::new();
    for (variant, before, after, secrets) in rows {
        for rtype in [code::HTTPS, code::SVCB] {
            let record = |params: &Params| Record::new(rtype, wire::svcb(1, &[0], params));
            cases.push(
                case("an inside hint in a list")
                    .variant(format!("{variant}, TYPE{rtype}"))
                    .ask(rtype)
                    .answers([record(&before)])
                    .forbid(secrets.iter().copied())
                    .leaves([record(&after)]),
            );
        }
    }
    let bare = service(&vec![hint(&["127.0.0.1"])]);
    let empty = Expect::Touched(vec![Kept::from(service(&Vec::new()))]);
    cases.push(
        case("a record of an inside hint alone")
            .answers([bare])
            .forbid(["127.0.0.1"])
            .expect(Expect::AnyOf(vec![empty, Expect::Blocked])),
    );
    cases
}

/// Sets of several records, chains and signatures.
fn sets() -> Vec<Case> {
    let first = || service(&vec![alpn(), hint(&[PUBLIC4])]);
    let second = |params: &Params| {
        let target = name("other.rebind-audit.example");
        Record::new(code::HTTPS, wire::svcb(2, &target, params))
    };
    let signature = Record::new(code::RRSIG, wire::rrsig(code::HTTPS, super::ZONE));
    vec![
        case("an inside hint in the second record")
            .answers([first(), second(&vec![alpn(), hint(&["10.0.0.1"])])])
            .forbid(["10.0.0.1"])
            .leaves([first(), second(&vec![alpn()])]),
        case("an inside hint behind a CNAME")
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                service(&vec![alpn(), hint(&["10.0.0.1"])]).owned_by("cdn.rebind-audit.example"),
            ])
            .forbid(["10.0.0.1"])
            .leaves([Record::cname("cdn.rebind-audit.example"), service(&vec![alpn()])]),
        case("an inside hint that is signed")
            .dnssec()
            .answers([service(&vec![alpn(), hint(&["10.0.0.1"])]), signature])
            .forbid(["10.0.0.1"])
            .leaves([service(&vec![alpn()])]),
        case("an inside hint that is mandatory")
            .answers([service(&vec![(0, vec![0, 4]), alpn(), hint(&["10.0.0.1"])])])
            .forbid(["10.0.0.1"]),
        case("an inside hint of a record in the additional section")
            .ask(code::A)
            .reply(|asked| {
                let extra = service(&vec![alpn(), hint(&["10.0.0.1"])]);
                asked.reply().answer([Record::address(ip(PUBLIC4))]).additional([extra])
            })
            .forbid(["10.0.0.1"])
            .leaves_addresses([PUBLIC4]),
        case("an inside hint of a record that was not asked for")
            .ask(code::A)
            .answers([Record::address(ip(PUBLIC4)), service(&vec![alpn(), hint(&["10.0.0.1"])])])
            .forbid(["10.0.0.1"])
            .leaves_addresses([PUBLIC4]),
    ]
}

/// Records RFC 9460 forbids, each readable by somebody.
fn malformed() -> Vec<Case> {
    let loopback = [127u8, 0, 0, 1];
    let rows: [(&str, Vec<u8>); 10] = [
        ("keys out of order", wire::svcb(1, &[0], &[hint(&["127.0.0.1"]), alpn()])),
        ("a key twice", wire::svcb(1, &[0], &[hint(&[PUBLIC4]), hint(&["127.0.0.1"])])),
        ("a hint of 5 octets", wire::svcb(1, &[0], &[(IPV4HINT, [&loopback[..], &[1]].concat())])),
        (
            "a hint of 3 octets before the right one",
            wire::svcb(1, &[0], &[(IPV4HINT, vec![127, 0, 0]), hint(&["127.0.0.1"])]),
        ),
        ("a hint whose length points past the end", {
            let mut rdata = wire::svcb(1, &[0], &[]);
            rdata.extend([0, 4, 0, 8]);
            rdata.extend(loopback);
            rdata
        }),
        ("octets after the last parameter", {
            let mut rdata = wire::svcb(1, &[0], &[hint(&["127.0.0.1"])]);
            rdata.extend([0, 9, 0]);
            rdata
        }),
        ("a compressed TargetName", wire::svcb(1, &qname_pointer(), &[hint(&["127.0.0.1"])])),
        (
            "parameters in AliasMode",
            wire::svcb(0, &name("cdn.rebind-audit.example"), &[hint(&["127.0.0.1"])]),
        ),
        (
            "mandatory lists a key that is not there",
            wire::svcb(1, &[0], &[(0, vec![0, 9]), hint(&["127.0.0.1"])]),
        ),
        ("mandatory lists itself", wire::svcb(1, &[0], &[(0, vec![0, 0, 0, 4]), hint(&["127.0.0.1"])])),
    ];
    let mut cases = Vec::new();
    for (variant, rdata) in rows {
        let broken = Record::new(code::HTTPS, rdata);
        cases.push(
            case("an inside hint in a malformed record")
                .variant(variant)
                .answers([broken.clone()])
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4]),
        );
        cases.push(
            case("an inside hint in a malformed record")
                .variant(format!("{variant}, beside a right one"))
                .answers([service(&vec![alpn(), hint(&["8.8.8.8"])]), broken])
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4, "8.8.8.8"]),
        );
    }
    cases
}

/// M15: a TargetName is an alias.
fn targets() -> Vec<Case> {
    let mut cases = Vec::new();
    for target in
        ["localhost", "a.localhost", "router.lan", "host.docker.internal", "printer.local", "intranet"]
    {
        for (mode, priority) in [("AliasMode", 0), ("ServiceMode", 1)] {
            for rtype in [code::HTTPS, code::SVCB] {
                let params = if priority == 0 { Vec::new() } else { vec![alpn()] };
                cases.push(
                    Case::new(Group::Aliases, "M15", "a TargetName inside")
                        .variant(format!("{target}, {mode}, TYPE{rtype}"))
                        .ask(rtype)
                        .answers([Record::new(rtype, wire::svcb(priority, &name(target), &params))])
                        .forbid_names([target])
                        .blocked(),
                );
            }
        }
    }
    let honest = service(&vec![alpn()]);
    let inside = Record::new(code::HTTPS, wire::svcb(2, &name("localhost"), &[alpn()]));
    cases.push(
        Case::new(Group::Aliases, "M15", "a TargetName inside")
            .variant("beside an honest record")
            .ask(code::HTTPS)
            .answers([honest.clone(), inside])
            .forbid_names(["localhost"])
            .leaves([honest]),
    );
    cases
}

/// M16: a port is not an address, but the strict profile may mind one that no web server has.
fn ports(setup: &Setup) -> Vec<Case> {
    let before = service(&vec![alpn(), (PORT, 11_434u16.to_be_bytes().to_vec()), hint(&[PUBLIC4])]);
    let after = service(&vec![alpn(), hint(&[PUBLIC4])]);
    let case = Case::new(Group::Kept, "M16", "a port parameter").ask(code::HTTPS).answers([before.clone()]);
    let kept = |record: Record| Expect::Answer(vec![Kept::from(record)]);
    vec![case.expect(match setup.profile {
        Profile::Standard => kept(before),
        Profile::Strict => Expect::AnyOf(vec![kept(before), kept(after), Expect::Blocked]),
    })]
}
