//! M09, M21, M23–M25: messages that do not parse, do not belong to the query, or mean different things to different
//! readers. The daemon closes, never opens: SERVFAIL, or what a strict reader finds.

use super::{Action, Asked, Case, Expect, Group, Kept, PUBLIC4, ip};
use crate::audit::wire::{self, Message, Record, code, flag, label, name, pointer, qname_pointer};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Malformed, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

pub(super) fn cases() -> Vec<Case> {
    [smuggled(), strangers(), miscounted(), names(), options()].into_iter().flatten().collect()
}

/// What musl takes for a record when it comes upon it: TYPE A, CLASS IN, a TTL, 127.0.0.1.
const FAKE: [u8; 14] = [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1];

/// M09: labels with octets at which musl's skipping of names stops too early.
fn smuggled() -> Vec<Case> {
    let zero = label(&[&b"x\0"[..], &FAKE].concat());
    let high = label(&[&b"x\x80y"[..], &FAKE].concat());
    let mut cases = Vec::new();
    for (variant, odd) in [("a zero octet", zero), ("an octet of 0x80", high)] {
        let owner = [&odd[..], &qname_pointer()].concat();
        let target = [&odd[..], &name(super::ZONE)].concat();
        cases.push(
            case("M09", "a record hidden in a label")
                .variant(format!("{variant}, beside the name's own"))
                .answers([a(PUBLIC4), a(PUBLIC4).owner(owner)])
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4]),
        );
        cases.push(
            case("M09", "a record hidden in a label")
                .variant(format!("{variant}, as the target of a CNAME"))
                .answers([Record::new(code::CNAME, target.clone()), a(PUBLIC4).owner(target)])
                .forbid(["127.0.0.1"])
                .allow([PUBLIC4]),
        );
    }
    cases
}

/// M21: replies to something else, with the right one behind them.
fn strangers() -> Vec<Case> {
    // A public address: the guard cannot save who takes a stranger's word.
    const SPOOFED: &str = "9.9.9.9";
    type Change = fn(&Asked<'_>, Message) -> Message;
    let changes: [(&str, Change); 8] = [
        ("another ID", |_, message| Message { id: message.id ^ 0x5555, ..message }),
        ("QR not set", |_, message| Message { flags: message.flags & !flag::QR, ..message }),
        ("OPCODE IQUERY", |_, message| message.with(0x0800)),
        ("OPCODE UPDATE", |_, message| message.with(0x2800)),
        ("no question", |_, message| Message {
            question: Vec::new(),
            qdcount: 0,
            answer: message.answer.into_iter().map(|record| record.owner(vec![0])).collect(),
            ..message
        }),
        ("two questions", |asked, message| Message {
            question: [asked.question(), asked.question()].concat(),
            qdcount: 2,
            ..message
        }),
        ("another name", |_, message| Message {
            question: wire::question(&name("other.rebind-audit.example"), code::A, code::IN),
            ..message
        }),
        ("another type", |asked, message| Message {
            question: wire::question(&asked.qname(), code::AAAA, code::IN),
            ..message
        }),
    ];
    changes
        .into_iter()
        .map(|(variant, change)| {
            case("M21", "a reply to something else")
                .variant(variant)
                .script(move |asked| {
                    let honest = asked.send(&asked.reply().answer([a(PUBLIC4)]));
                    if asked.stream {
                        return honest;
                    }
                    let stranger = change(asked, asked.reply().answer([a(SPOOFED)]));
                    [asked.send_as_is(&stranger), honest].concat()
                })
                .forbid([SPOOFED])
                .keeps_addresses([PUBLIC4])
        })
        .collect()
}

/// M23: counts that do not fit the records, and octets behind them.
fn miscounted() -> Vec<Case> {
    let inside = || {
        let mut octets = qname_pointer();
        octets.extend(FAKE);
        octets
    };
    let mut cases = vec![
        case("M23", "a record after the counted ones")
            .script(move |asked| asked.send_as_is(&asked.reply().answer([a(PUBLIC4)]).trailing(inside())))
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M23", "ANCOUNT smaller than the answer")
            .script(|asked| asked.send_as_is(&asked.reply().answer([a(PUBLIC4), a("127.0.0.1")]).ancount(1)))
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M23", "ANCOUNT of nothing")
            .script(|asked| asked.send_as_is(&asked.reply().answer([a("127.0.0.1")]).ancount(0)))
            .forbid(["127.0.0.1"]),
        case("M23", "ANCOUNT larger than the answer")
            .script(|asked| asked.send_as_is(&asked.reply().answer([a("127.0.0.1")]).ancount(9)))
            .forbid(["127.0.0.1"]),
        case("M23", "ANCOUNT of 65535")
            .script(|asked| asked.send_as_is(&asked.reply().answer([a("127.0.0.1")]).ancount(65_535)))
            .forbid(["127.0.0.1"]),
    ];
    for keep in [1, 5, 9, 13, 15] {
        cases.push(
            case("M23", "a reply cut off in its last record")
                .variant(format!("{keep} octets missing"))
                .script(move |asked| {
                    let mut octets = asked.reply().answer([a("127.0.0.1"), a("10.0.0.1")]).encode();
                    octets.truncate(octets.len() - keep);
                    vec![Action::Send(octets)]
                })
                .forbid(["127.0.0.1", "10.0.0.1"]),
        );
    }
    for octets in [0usize, 1, 11, 12] {
        cases.push(
            case("M23", "a reply shorter than its question")
                .variant(format!("{octets} octets, then the right one"))
                .script(move |asked| {
                    let honest = asked.reply().answer([a(PUBLIC4)]);
                    let mut short = honest.encode();
                    short.truncate(octets);
                    if asked.stream {
                        asked.send(&honest)
                    } else {
                        [vec![Action::Raw(short)], asked.send(&honest)].concat()
                    }
                })
                .allow([PUBLIC4])
                .hidden(),
        );
    }
    cases
}

/// M24: names that lead astray.
fn names() -> Vec<Case> {
    let long: Vec<u8> = std::iter::repeat_n(label(&[b'a'; 63]), 4).flatten().chain([0]).collect();
    let deep: Vec<u8> = std::iter::repeat_n(label(b"a"), 130).flatten().chain([0]).collect();
    let owners: [(&str, Vec<u8>); 8] = [
        ("a pointer forward", pointer(0x3fff)),
        ("a pointer into the header", pointer(0)),
        ("a pointer to the flags", pointer(2)),
        ("a pointer into the question's type", pointer(5)),
        ("a name of 257 octets", long),
        ("130 labels", deep),
        ("a label of kind 01", vec![0x41, b'a', 0]),
        ("a label of kind 10", vec![0x81, b'a', 0]),
    ];
    let mut cases = Vec::new();
    for (variant, owner) in owners {
        cases.push(
            case("M24", "an owner that leads astray")
                .variant(variant)
                .answers([a("127.0.0.1").owner(owner), a("127.0.0.1")])
                .forbid(["127.0.0.1"]),
        );
    }
    cases.push(
        case("M24", "an owner that leads astray")
            .variant("a pointer to itself")
            .reply(|asked| {
                let here = u16::try_from(12 + asked.question().len()).unwrap_or(12);
                asked.reply().answer([a("127.0.0.1").owner(pointer(here)), a("127.0.0.1")])
            })
            .forbid(["127.0.0.1"]),
    );
    cases.push(
        case("M24", "an owner that leads astray")
            .variant("two pointers at each other")
            .reply(|asked| {
                let here = u16::try_from(12 + asked.question().len()).unwrap_or(12);
                let second = a("127.0.0.1").owner(pointer(here));
                asked.reply().answer([a("127.0.0.1").owner(pointer(here + 16)), second])
            })
            .forbid(["127.0.0.1"]),
    );
    cases.push(
        case("M24", "a CNAME that leads astray")
            .variant("into its own RDATA")
            .reply(|asked| {
                let rdata = u16::try_from(12 + asked.question().len() + 12).unwrap_or(12);
                asked.reply().answer([Record::new(code::CNAME, pointer(rdata)), a("127.0.0.1")])
            })
            .forbid(["127.0.0.1"]),
    );
    cases.push(
        case("M24", "a CNAME that leads astray")
            .variant("longer than its RDATA")
            .reply(|asked| {
                let cut = Record::new(code::CNAME, name("cdn.rebind-audit.example")).rdlength(4);
                asked.reply().answer([cut, a("127.0.0.1")])
            })
            .forbid(["127.0.0.1"])
            .hidden(),
    );
    cases.push(
        case("M24", "a CNAME that leads astray")
            .variant("shorter than its RDATA, a record behind it")
            .reply(|asked| {
                let rdata = [&name("cdn.rebind-audit.example")[..], &qname_pointer(), &FAKE].concat();
                asked.reply().answer([Record::new(code::CNAME, rdata)])
            })
            .forbid(["127.0.0.1"])
            .hidden(),
    );
    cases
}

/// M25: what an upstream puts around and into its OPT.
fn options() -> Vec<Case> {
    let honest = |asked: &Asked<'_>| asked.reply().answer([a(PUBLIC4)]);
    let opt = |options: &[(u16, &[u8])]| wire::opt(1232, 0, 0, 0, options);
    vec![
        case("M25", "two OPT records")
            .reply(move |asked| honest(asked).answer([a("127.0.0.1")]).additional([opt(&[]), opt(&[])]))
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M25", "an OPT in the answer")
            .reply(move |asked| honest(asked).answer([opt(&[]), a("127.0.0.1")]))
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M25", "an OPT below a name")
            .reply(move |asked| {
                honest(asked).answer([a("127.0.0.1")]).additional([opt(&[]).owned_by("a.example")])
            })
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M25", "EDNS version 1")
            .reply(move |asked| {
                honest(asked).answer([a("127.0.0.1")]).additional([wire::opt(1232, 0, 1, 0, &[])])
            })
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M25", "an address in an EDNS option")
            .reply(move |asked| {
                honest(asked)
                    .additional([opt(&[(65_001, &[127, 0, 0, 1]), (8, &[0, 1, 32, 0, 10, 0, 0, 1])])])
            })
            .keeps_addresses([PUBLIC4]),
        case("M25", "an OPT whose options overrun it")
            .reply(move |asked| {
                let broken = Record { rdata: vec![0, 15, 0, 200, 1], ..opt(&[]) };
                honest(asked).answer([a("127.0.0.1")]).additional([broken])
            })
            .forbid(["127.0.0.1"])
            .allow([PUBLIC4]),
        case("M25", "control characters in the text of an extended error")
            .reply(move |asked| {
                let text = wire::ede(15, b"\x1b[2J\x1b]0;owned\x07\r\n2026-11-21 forged line\x00\xff\xfe");
                honest(asked).additional([opt(&[(wire::EDE, &text)])])
            })
            .keeps_addresses([PUBLIC4]),
        case("M25", "invisible characters in the text of an extended error")
            .reply(move |asked| {
                let text = wire::ede(
                    15,
                    "a\u{202e}b\u{2066}\u{200b}\u{feff}\u{9b}31m\u{e0041}\u{ad}\u{2028}".as_bytes(),
                );
                honest(asked).additional([opt(&[(wire::EDE, &text)])])
            })
            .keeps_addresses([PUBLIC4]),
        case("M25", "the resolver's own words in the text of an extended error")
            .reply(move |asked| {
                let text = wire::ede(15, b"bank.example A blocked; to allow: stubborn allow evil.example");
                honest(asked).additional([opt(&[(wire::EDE, &text)])])
            })
            .expect(Expect::Attributed(Box::new(Expect::Answer(vec![Kept::address(PUBLIC4)])))),
        case("M25", "a text of 60 KiB in an extended error")
            .reply(move |asked| {
                let text = wire::ede(15, &[b'a'; 60_000]);
                let full = honest(asked).additional([opt(&[(wire::EDE, &text)])]);
                if asked.stream { full } else { asked.reply().with(flag::TC) }
            })
            .keeps_addresses([PUBLIC4]),
    ]
}
