//! M10–M13, M19, M26–M28: the message around the records: RCODE, TC, sections, streams, size.

use super::addresses::numbered;
use super::{Action, Asked, Case, Expect, Group, Kept, PUBLIC4, PUBLIC6, ZONE, ip};
use crate::audit::wire::{self, Message, Record, code, flag, name, pointer};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Shapes, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

pub(super) fn cases() -> Vec<Case> {
    let parts = [rcodes(), truncation(), sections(), other_replies(), streams(), large()];
    parts.into_iter().flatten().collect()
}

/// M10, M11: addresses under an RCODE that says there are none.
fn rcodes() -> Vec<Case> {
    let mut cases = vec![
        case("M10", "addresses under NXDOMAIN")
            .variant("inside")
            .reply(|asked| asked.nxdomain().answer([a("127.0.0.1")]))
            .forbid(["127.0.0.1"])
            .expect(Expect::Rcode(code::NXDOMAIN)),
        case("M10", "addresses under NXDOMAIN")
            .variant("public and inside")
            .reply(|asked| asked.nxdomain().answer([a(PUBLIC4), a("10.0.0.1")]))
            .forbid(["10.0.0.1"])
            .expect(Expect::Rcode(code::NXDOMAIN)),
        case("M10", "addresses under NXDOMAIN")
            .variant("behind a CNAME")
            .reply(|asked| {
                let target = "cdn.rebind-audit.example";
                asked.nxdomain().answer([Record::cname(target), a("10.0.0.1").owned_by(target)])
            })
            .forbid(["10.0.0.1"]),
    ];
    for rcode in [code::FORMERR, code::SERVFAIL, code::NOTIMP, code::REFUSED, 6, 9, 11] {
        cases.push(
            case("M11", "addresses under an error")
                .variant(format!("RCODE {rcode}"))
                .reply(move |asked| asked.reply().rcode(rcode).answer([a("127.0.0.1"), a(PUBLIC4)]))
                .forbid(["127.0.0.1"]),
        );
    }
    for (variant, rcode) in [("BADVERS", 1), ("RCODE 4080", 255)] {
        cases.push(
            case("M11", "addresses under an extended error")
                .variant(variant)
                .reply(move |asked| {
                    asked.reply().answer([a("127.0.0.1")]).additional([wire::opt(1232, rcode, 0, 0, &[])])
                })
                .forbid(["127.0.0.1"]),
        );
    }
    cases
}

/// M12: what stands in a reply that says it is cut short.
fn truncation() -> Vec<Case> {
    let cut = |asked: &Asked<'_>| asked.reply().with(flag::TC).answer([a("127.0.0.1")]);
    vec![
        case("M12", "TC beside inside addresses")
            .variant("public over TCP")
            .reply(move |asked| if asked.stream { asked.reply().answer([a(PUBLIC4)]) } else { cut(asked) })
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4]),
        case("M12", "TC beside inside addresses")
            .variant("inside over TCP")
            .reply(
                move |asked| {
                    if asked.stream { asked.reply().answer([a("127.0.0.1")]) } else { cut(asked) }
                },
            )
            .forbid(["127.0.0.1"])
            .blocked(),
        case("M12", "TC beside inside addresses")
            .variant("TCP closed")
            .script(move |asked| if asked.stream { vec![Action::Close] } else { asked.send(&cut(asked)) })
            .forbid(["127.0.0.1"]),
        case("M12", "TC beside inside addresses").variant("TC over TCP too").reply(cut).forbid(["127.0.0.1"]),
        case("M12", "TC beside a public address and an inside one")
            .variant("public over TCP")
            .reply(move |asked| {
                if asked.stream {
                    asked.reply().answer([a(PUBLIC4)])
                } else {
                    cut(asked).answer([a(PUBLIC4)])
                }
            })
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4]),
    ]
}

/// M13: the sections a filter does not read.
fn sections() -> Vec<Case> {
    let mut cases = Vec::new();
    for owner in ["", "ns.rebind-audit.example"] {
        let place = move |record: Record| if owner.is_empty() { record } else { record.owned_by(owner) };
        let whose = if owner.is_empty() { "the name's own" } else { "a server's" };
        for secret in ["127.0.0.1", "192.168.1.1", "::1"] {
            let qtype = super::address_type(ip(secret));
            let public = if qtype == code::A { PUBLIC4 } else { PUBLIC6 };
            let base = case("M13", "an inside address outside the answer").ask(qtype).forbid([secret]);
            cases.push(
                base.clone()
                    .variant(format!("{secret}, {whose}, additional"))
                    .reply(move |asked| asked.reply().answer([a(public)]).additional([place(a(secret))]))
                    .leaves_addresses([public]),
            );
            cases.push(
                base.clone()
                    .variant(format!("{secret}, {whose}, authority"))
                    .reply(move |asked| asked.reply().answer([a(public)]).authority([place(a(secret))]))
                    .leaves_addresses([public]),
            );
            cases.push(
                base.variant(format!("{secret}, {whose}, additional only"))
                    .reply(move |asked| asked.nodata().additional([place(a(secret))])),
            );
        }
    }
    for (qtype, rdata) in [
        (code::MX, [&[0, 10][..], &name("mail.rebind-audit.example")].concat()),
        (code::SRV, wire::srv(443, "mail.rebind-audit.example")),
        (code::HTTPS, wire::svcb(1, &name("mail.rebind-audit.example"), &[])),
    ] {
        cases.push(
            case("M13", "an inside address as glue of a target")
                .variant(format!("asked for TYPE{qtype}"))
                .ask(qtype)
                .reply({
                    let rdata = rdata.clone();
                    move |asked| {
                        let glue = a("192.168.1.1").owned_by("mail.rebind-audit.example");
                        asked.reply().answer([Record::new(qtype, rdata.clone())]).additional([glue])
                    }
                })
                .forbid(["192.168.1.1"])
                .leaves([Record::new(qtype, rdata)]),
        );
    }
    // With an SOA it is an answer that may be kept.
    for (variant, kept) in [("", false), ("beside an SOA", true)] {
        cases.push(
            case("N21", "a referral to a server inside")
                .variant(variant)
                .reply(move |asked| {
                    let server = "ns.rebind-audit.example";
                    let ns = Record::new(code::NS, name(server)).owned_by("rebind-audit.example");
                    let reply = if kept { asked.nodata() } else { asked.reply() };
                    reply.authority([ns]).additional([a("192.168.3.5").owned_by(server)])
                })
                .forbid(["192.168.3.5"]),
        );
    }
    cases
}

/// M19, M27: answers that look more official, and answers that come twice.
fn other_replies() -> Vec<Case> {
    vec![
        case("M19", "an authoritative answer")
            .reply(|asked| asked.reply().with(flag::AA).answer([a("192.168.1.1")]))
            .forbid(["192.168.1.1"])
            .blocked(),
        case("M27", "a second datagram with an inside address")
            .script(|asked| {
                let message = |address| asked.reply().answer([a(address)]);
                [asked.send(&message(PUBLIC4)), asked.send(&message("127.0.0.1"))].concat()
            })
            .forbid(["127.0.0.1"])
            .expect(Expect::AnyOf(vec![Expect::Answer(vec![Kept::address(PUBLIC4)]), Expect::Blocked])),
        case("M27", "a datagram without the question")
            .reply(|asked| match asked.stream {
                true => asked.reply().answer([a(PUBLIC4)]),
                false => {
                    let bare = Message { qdcount: 0, question: Vec::new(), ..asked.reply() };
                    bare.answer([a("127.0.0.1")])
                }
            })
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4]),
        case("M27", "NXDOMAIN to a query with EDNS, an address to the one without")
            .script(|asked| match asked.edns() {
                Some(_) => asked.send_as_is(&asked.nxdomain().answer([a("127.0.0.1")])),
                None => asked.send(&asked.reply().answer([a(PUBLIC4)])),
            })
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4]),
    ]
}

/// M26: more on the stream than was asked for.
fn streams() -> Vec<Case> {
    let second = |asked: &Asked<'_>, extra: Vec<Action>| {
        let honest: Message = asked.reply().answer([a(PUBLIC4)]);
        if asked.stream {
            [asked.send(&honest), extra].concat()
        } else {
            asked.send(&asked.reply().with(flag::TC))
        }
    };
    vec![
        case("M26", "a second message on the stream")
            .script(move |asked| {
                let other = asked.send(&asked.reply().answer([a("127.0.0.1")]));
                second(asked, other)
            })
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4]),
        case("M26", "octets after the message on the stream")
            .script(move |asked| second(asked, vec![Action::Raw(vec![127, 0, 0, 1]), Action::Close]))
            .forbid(["127.0.0.1"])
            .keeps_addresses([PUBLIC4])
            .hidden(),
        case("M26", "a length two octets short on the stream")
            .script(|asked| {
                let honest = asked.reply().answer([a(PUBLIC4)]);
                match (asked.stream, asked.before) {
                    (false, _) => asked.send(&asked.reply().with(flag::TC)),
                    (true, 0 | 1) => {
                        let octets = honest.encode();
                        let length = u16::try_from(octets.len()).unwrap_or_default().saturating_sub(2);
                        vec![Action::Raw([&length.to_be_bytes()[..], &octets].concat())]
                    }
                    (true, _) => asked.send(&honest),
                }
            })
            .keeps_addresses([PUBLIC4]),
        case("M26", "a message of 64 KiB on the stream")
            .script(|asked| {
                let many = (0..2_000).map(|number| Record::address(numbered(true, number)));
                let full = asked.reply().answer(many.chain([a("127.0.0.1")])).additional([filler(33_000)]);
                asked.send(&full)
            })
            .forbid(["127.0.0.1"])
            .leaves((0..2_000).map(|number| Record::address(numbered(true, number)))),
    ]
}

fn filler(octets: usize) -> Record {
    Record::new(65_300, vec![0; octets]).owner(pointer(12))
}

/// M28: what is large is judged before it is cut.
fn large() -> Vec<Case> {
    let public = |count: u16| (0..count).map(|number| Record::address(numbered(true, number)));
    vec![
        case("M28", "a set too large for a datagram")
            .variant("500 addresses, the first inside")
            .answers([a("127.0.0.1")].into_iter().chain(public(500)))
            .forbid(["127.0.0.1"])
            .leaves(public(500)),
        case("M28", "a set too large for a datagram")
            .variant("no EDNS, 40 addresses, the last inside")
            .without_edns()
            .answers(public(40).chain([a("127.0.0.1")]))
            .forbid(["127.0.0.1"])
            .leaves(public(40)),
        case("M28", "a set too large for a datagram")
            .variant("a datagram over the size the client takes")
            .script(move |asked| asked.send_as_is(&asked.reply().answer(public(200).chain([a("127.0.0.1")]))))
            .forbid(["127.0.0.1"])
            .expect(Expect::AnyOf(vec![
                Expect::Touched(public(200).map(Kept::from).collect()),
                Expect::Safe,
            ])),
        case("M28", "more proofs than any denial has")
            .variant("65 NSEC, with DO")
            .dnssec()
            .reply(|asked| {
                let nsec = |number: u8| {
                    Record::new(code::NSEC, [&[1, number][..], &name(ZONE), &[0, 1, 0x40]].concat())
                };
                asked.nodata().authority((b'0'..b'0' + 65).map(nsec))
            })
            .hidden()
            .expect(Expect::Rcode(code::SERVFAIL)),
    ]
}
