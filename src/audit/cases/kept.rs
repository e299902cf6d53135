//! What is honest comes through, octet by octet.

use super::addresses::numbered;
use super::{Case, Expect, Group, Kept, PUBLIC4, PUBLIC6, ip};
use crate::audit::wire::{self, Record, code, flag, name};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Kept, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

pub(super) fn cases() -> Vec<Case> {
    [addresses(), types(), services(), negative(), signed(), clients(), names()]
        .into_iter()
        .flatten()
        .collect()
}

fn addresses() -> Vec<Case> {
    let many = |count: u16| (0..count).map(|number| Record::address(numbered(true, number)));
    vec![
        case("K01", "plain addresses").answers([a(PUBLIC4), a("8.8.8.8")]).keeps([a(PUBLIC4), a("8.8.8.8")]),
        case("K01", "plain addresses")
            .variant("IPv6")
            .ask(code::AAAA)
            .answers([a(PUBLIC6)])
            .keeps([a(PUBLIC6)]),
        case("K01", "a set too large for a datagram")
            .variant("400 addresses, over TCP")
            .answers(many(400))
            .keeps(many(400)),
        case("K01", "an alias")
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                a(PUBLIC4).owned_by("cdn.rebind-audit.example"),
            ])
            .keeps([Record::cname("cdn.rebind-audit.example"), a(PUBLIC4)]),
        case("K01", "an alias that leads nowhere")
            .reply(|asked| asked.nodata().answer([Record::cname("cdn.rebind-audit.example")]))
            .keeps([Record::cname("cdn.rebind-audit.example")]),
        case("K01", "an alias, asked for as such")
            .ask(code::CNAME)
            .answers([Record::cname("cdn.rebind-audit.example")])
            .keeps([Record::cname("cdn.rebind-audit.example")]),
    ]
}

/// RFC 3597: what a type holds is nobody's business.
fn types() -> Vec<Case> {
    let rows: [(&str, u16, Vec<u8>); 14] = [
        ("TXT", code::TXT, wire::txt(b"v=spf1 -all")),
        ("TXT of 4 KiB", code::TXT, wire::txt(&[b'x'; 4096])),
        ("TXT with an inside address in words", code::TXT, wire::txt(b"v=spf1 ip4:10.0.0.1 -all")),
        ("TXT with any octets", code::TXT, wire::txt(&[0, 0xff, 0x80, b'\\', b'"', 0xc0, 12])),
        ("MX", code::MX, [&[0, 10][..], &name("mail.rebind-audit.example")].concat()),
        ("SRV", code::SRV, wire::srv(443, "cdn.rebind-audit.example")),
        (
            "NAPTR",
            code::NAPTR,
            [&[0, 1, 0, 1, 1, b's', 7][..], b"SIP+D2U\x00", &name("sip.rebind-audit.example")].concat(),
        ),
        ("CAA", code::CAA, b"\x00\x05issueca.example".to_vec()),
        ("TLSA", code::TLSA, [&[3, 1, 1][..], &[0x5a; 32]].concat()),
        ("SSHFP", code::SSHFP, [&[4, 2][..], &[0x5a; 32]].concat()),
        ("URI", code::URI, b"\x00\x01\x00\x01https://rebind-audit.example/".to_vec()),
        ("HINFO", code::HINFO, b"\x03CPU\x02OS".to_vec()),
        ("an unknown type", 65_300, vec![0xc0, 12, 0, 1, 2, 3, 0xff]),
        ("an unknown type without RDATA", 65_301, Vec::new()),
    ];
    rows.into_iter()
        .map(|(variant, rtype, rdata)| {
            let record = Record::new(rtype, rdata);
            case("K02", "a record of another type")
                .variant(variant)
                .ask(rtype)
                .answers([record.clone()])
                .keeps([record])
        })
        .collect()
}

fn services() -> Vec<Case> {
    let hints4 = [1u8, 1, 1, 1, 8, 8, 8, 8].to_vec();
    let hints6 = match ip(PUBLIC6) {
        std::net::IpAddr::V6(v6) => v6.octets().to_vec(),
        std::net::IpAddr::V4(_) => Vec::new(),
    };
    let full = vec![
        (0, vec![0, 1, 0, 4]),
        (1, b"\x02h3\x02h2\x08http/1.1".to_vec()),
        (2, vec![]),
        (3, vec![0x20, 0xfb]),
        (4, hints4),
        (5, (0..=255).collect()),
        (6, hints6),
        (7, b"/dns-query{?dns}".to_vec()),
        (65_280, b"private use".to_vec()),
        (65_535, vec![]),
    ];
    let rows: [(&str, u16, Vec<u8>); 5] = [
        ("every parameter", 1, wire::svcb(1, &[0], &full)),
        ("a TargetName", 1, wire::svcb(16, &name("cdn.rebind-audit.example"), &[(1, b"\x02h2".to_vec())])),
        ("no parameters", 1, wire::svcb(1, &[0], &[])),
        ("AliasMode", 0, wire::svcb(0, &name("cdn.rebind-audit.example"), &[])),
        ("ech alone", 1, wire::svcb(1, &[0], &[(5, vec![0xfe; 300])])),
    ];
    let mut cases = Vec::new();
    for (variant, _, rdata) in rows {
        for rtype in [code::HTTPS, code::SVCB] {
            let record = Record::new(rtype, rdata.clone());
            cases.push(
                case("K03", "a service record")
                    .variant(format!("{variant}, TYPE{rtype}"))
                    .ask(rtype)
                    .answers([record.clone()])
                    .keeps([record]),
            );
        }
    }
    let set = || {
        [
            Record::new(code::HTTPS, wire::svcb(1, &[0], &[(1, b"\x02h3".to_vec())])),
            Record::new(code::HTTPS, wire::svcb(2, &name("b.rebind-audit.example"), &[])),
        ]
    };
    cases.push(
        case("K03", "a service record").variant("two of them").ask(code::HTTPS).answers(set()).keeps(set()),
    );
    cases
}

fn negative() -> Vec<Case> {
    let target = "gone.rebind-audit.example";
    vec![
        case("K04", "a name that does not exist")
            .reply(|asked| asked.nxdomain())
            .expect(Expect::Negative(code::NXDOMAIN)),
        case("K04", "a type the name does not have")
            .reply(|asked| asked.nodata())
            .expect(Expect::Negative(code::NOERROR)),
        case("K04", "an alias to a name that does not exist")
            .reply(move |asked| asked.nxdomain().answer([Record::cname(target)]))
            .expect(Expect::Negative(code::NXDOMAIN)),
        case("K04", "a name that does not exist, with proof")
            .dnssec()
            .reply(|asked| {
                let proof = Record::new(code::NSEC, [&name("z.example")[..], &[0, 1, 0x40]].concat());
                let signature = Record::new(code::RRSIG, wire::rrsig(code::NSEC, "example"));
                asked.nxdomain().authority([proof.owned_by("a.example"), signature.owned_by("a.example")])
            })
            .expect(Expect::Negative(code::NXDOMAIN)),
        case("K04", "an upstream that refuses")
            .reply(|asked| asked.reply().rcode(code::REFUSED))
            .expect(Expect::AnyOf(vec![Expect::Rcode(code::REFUSED), Expect::Rcode(code::SERVFAIL)])),
        case("K04", "an upstream that fails")
            .reply(|asked| asked.reply().rcode(code::SERVFAIL))
            .expect(Expect::Rcode(code::SERVFAIL)),
        case("K05", "an extended error of the upstream")
            .reply(|asked| {
                let why = wire::ede(9, b"no DNSKEY for rebind-audit.example");
                let opt = wire::opt(1232, 0, 0, 0, &[(wire::EDE, &why)]);
                asked.reply().rcode(code::SERVFAIL).additional([opt])
            })
            .expect(Expect::Explained(Box::new(Expect::Rcode(code::SERVFAIL)), 9)),
        case("K05", "an extended error beside an answer")
            .reply(|asked| {
                let why = wire::ede(3, b"stale");
                asked.reply().answer([a(PUBLIC4)]).additional([wire::opt(
                    1232,
                    0,
                    0,
                    0,
                    &[(wire::EDE, &why)],
                )])
            })
            .expect(Expect::Explained(Box::new(Expect::Answer(vec![Kept::address(PUBLIC4)])), 3)),
    ]
}

fn signed() -> Vec<Case> {
    let signature = |rtype| Record::new(code::RRSIG, wire::rrsig(rtype, super::ZONE));
    let key = || Record::new(code::DNSKEY, [&[1, 1, 3, 13][..], &[0x5a; 64]].concat());
    let target = "cdn.rebind-audit.example";
    let chain = move || {
        [
            Record::cname(target),
            signature(code::CNAME),
            a(PUBLIC4).owned_by(target),
            signature(code::A).owned_by(target),
        ]
    };
    vec![
        case("K06", "signed addresses")
            .dnssec()
            .reply(move |asked| asked.reply().with(flag::AD).answer([a(PUBLIC4), signature(code::A)]))
            .keeps([a(PUBLIC4), signature(code::A)]),
        case("K06", "a signed alias").dnssec().answers(chain()).keeps(chain()),
        case("K06", "signed addresses for a client without DO")
            .answers([a(PUBLIC4), signature(code::A)])
            .keeps([a(PUBLIC4)]),
        case("K06", "keys")
            .dnssec()
            .ask(code::DNSKEY)
            .answers([key(), signature(code::DNSKEY)])
            .keeps([key(), signature(code::DNSKEY)]),
        case("K06", "a delegation's digest")
            .dnssec()
            .ask(code::DS)
            .answers([Record::new(code::DS, [&[0x30, 0x39, 13, 2][..], &[0x5a; 32]].concat())])
            .keeps([Record::new(code::DS, [&[0x30, 0x39, 13, 2][..], &[0x5a; 32]].concat())]),
    ]
}

fn clients() -> Vec<Case> {
    let base = || case("K07", "a client").answers([a(PUBLIC4)]).keeps([a(PUBLIC4)]);
    let many = |count: u16| (0..count).map(|number| Record::address(numbered(true, number)));
    vec![
        base().variant("without EDNS").without_edns(),
        base().variant("with DO").dnssec(),
        base().variant("with CD").flags(flag::CD),
        base().variant("with AD").flags(flag::AD),
        case("K07", "a client")
            .variant("without EDNS, over TCP")
            .without_edns()
            .answers(many(40))
            .keeps(many(40)),
    ]
}

fn names() -> Vec<Case> {
    let mut cases: Vec<Case> = [
        "_sip._tcp.{slug}.{nonce}.rebind-audit.example",
        "localhost.{slug}.{nonce}.rebind-audit.example",
        "127.0.0.1.{slug}.{nonce}.rebind-audit.example",
        "lan.{slug}.{nonce}.rebind-audit.example",
        "xn--bcher-kva.{slug}.{nonce}.rebind-audit.example",
        r"a\.b.{slug}.{nonce}.rebind-audit.example",
        r"a\032b.{slug}.{nonce}.rebind-audit.example",
        r"\001\127.{slug}.{nonce}.rebind-audit.example",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.{slug}.{nonce}.rebind-audit.example",
        "{slug}.{nonce}.homelan.example",
        "{slug}.{nonce}.notlocal.example",
        "{slug}.{nonce}.test.example",
    ]
    .into_iter()
    .map(|asked| {
        case("K08", "an unusual name").variant(asked).named(asked).answers([a(PUBLIC4)]).keeps([a(PUBLIC4)])
    })
    .collect();
    // RFC 6763 §4.1.1: the names of service instances are UTF-8.
    for (variant, qtype, rdata) in [
        ("SRV", code::SRV, wire::srv(631, "printer.rebind-audit.example")),
        ("TXT", code::TXT, wire::txt(b"rp=ipp/print")),
    ] {
        let record = Record::new(qtype, rdata);
        cases.push(
            case("K08", "the name of a service instance")
                .variant(variant)
                .named(r"B\195\188ro\032Drucker._ipp._tcp.{slug}.{nonce}.rebind-audit.example")
                .ask(qtype)
                .answers([record.clone()])
                .keeps([record]),
        );
    }
    let root = Record::new(code::NS, name("a.root-servers.net"));
    cases.push(
        case("K08", "the root's servers").named(".").ask(code::NS).answers([root.clone()]).keeps([root]),
    );
    cases
}
