//! The seeds of `tests/fuzz` are alive: each still runs through the properties, and together they reach a removal by
//! every carrier there is. `UPDATE_SEEDS=1` writes those that are made here; files beside them are regressions.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "properties/mod.rs"]
mod properties;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use properties::build::{EMBEDDINGS, embed};
use properties::message::{Labels, Msg, Part, Rec, labels};
use properties::reply::CONTROL;
use stubborn::dns::{Carrier, RecordType};

/// A client with EDNS and room for 1232 octets, the default policies.
const PLAIN: [u8; CONTROL] = [0, 77, 0, 0, 0, 0, 0, 0];
/// The same with DO.
const DNSSEC: [u8; CONTROL] = [1, 77, 0, 0, 0, 0, 0, 0];
/// The same without EDNS.
const OLD: [u8; CONTROL] = [2, 0, 0, 0, 0, 0, 0, 0];

const LOOPBACK: [u8; 4] = [127, 0, 0, 1];
const PUBLIC: [u8; 4] = [1, 1, 1, 1];

type Seeds = BTreeMap<String, Vec<u8>>;

fn octets(octets: &[u8]) -> Vec<Part> {
    vec![Part::Octets(octets.to_vec())]
}

fn record(owner: &str, rtype: u16, rdata: Vec<Part>) -> Rec {
    Rec { owner: labels(owner), rtype, class: 1, ttl: 60, rdata }
}

fn a(owner: &str, address: [u8; 4]) -> Rec {
    record(owner, 1, octets(&address))
}

fn to(owner: &str, rtype: u16, before: &[u8], target: &str) -> Rec {
    record(owner, rtype, vec![Part::Octets(before.to_vec()), Part::Name(labels(target), true)])
}

fn service(owner: &str, rtype: u16, target: &str, params: &[(u16, &[u8])]) -> Rec {
    let mut rdata = vec![Part::Octets(vec![0, 1]), Part::Name(labels(target), false)];
    for (key, value) in params {
        let length = value.len() as u16;
        rdata.push(Part::Octets([&key.to_be_bytes()[..], &length.to_be_bytes(), value].concat()));
    }
    record(owner, rtype, rdata)
}

fn reply(qtype: u16, answer: &[Rec]) -> Msg {
    Msg {
        id: 7,
        flags: 0x8180,
        question: Some((labels(NAME), qtype, 1)),
        sections: [answer.to_vec(), Vec::new(), Vec::new()],
        trailing: 0,
    }
}

const NAME: &str = "evil.example";

fn loopback6() -> [u8; 16] {
    std::net::Ipv6Addr::LOCALHOST.octets()
}

/// The shapes of messages that filters and stubs read differently.
fn shapes() -> Seeds {
    let mut seeds = Seeds::new();
    let mut raw = |name: &str, control: [u8; CONTROL], wire: &[u8]| {
        let replaced = seeds.insert(name.to_owned(), [&control[..], wire].concat());
        assert!(replaced.is_none(), "{name} twice");
    };
    let mut add = |name: &str, control, message: &Msg| raw(name, control, &message.write(true));
    let with = |message: Msg, change: &dyn Fn(&mut Msg)| {
        let mut message = message;
        change(&mut message);
        message
    };
    let inside = || reply(1, &[a(NAME, LOOPBACK)]);

    add("m00-public", PLAIN, &reply(1, &[a(NAME, PUBLIC)]));
    add("m01-a-in-aaaa", PLAIN, &reply(28, &[a(NAME, LOOPBACK)]));
    add("m01-aaaa-in-a", PLAIN, &reply(1, &[record(NAME, 28, octets(&loopback6())), a(NAME, PUBLIC)]));
    add("m02-a-in-txt", PLAIN, &reply(16, &[record(NAME, 16, octets(b"\x01x")), a(NAME, LOOPBACK)]));
    add("m03-any", PLAIN, &reply(255, &[a(NAME, LOOPBACK), record(NAME, 28, octets(&loopback6()))]));
    add("m04-owner-of-another", PLAIN, &reply(1, &[a("other.example", LOOPBACK), a(NAME, PUBLIC)]));
    let chain =
        [a("c.example", LOOPBACK), to("b.example", 5, &[], "c.example"), to(NAME, 5, &[], "b.example")];
    add("m05-chain-backwards", PLAIN, &reply(1, &chain));
    let two = [to(NAME, 5, &[], "b.example"), to(NAME, 5, &[], "c.example"), a("b.example", LOOPBACK)];
    add("m05-two-cnames", PLAIN, &reply(1, &two));
    let twice = [to(NAME, 5, &[], "b.example"), to(NAME, 5, &[], "B.example"), a("b.example", PUBLIC)];
    add("m05-cname-twice", PLAIN, &reply(1, &twice));
    add("m06-loop", PLAIN, &reply(1, &[to(NAME, 5, &[], "b.example"), to("b.example", 5, &[], NAME)]));
    for links in [16, 17] {
        let name = |n: usize| if n == 0 { NAME.to_owned() } else { format!("c{n}.example") };
        let mut all: Vec<Rec> = (0..links).map(|n| to(&name(n), 5, &[], &name(n + 1))).collect();
        all.push(a(&name(links), LOOPBACK));
        add(&format!("m06-{links}-aliases"), PLAIN, &reply(1, &all));
    }
    for class in [0, 3, 254, 255] {
        let other = with(inside(), &|message| message.sections[0][0].class = class);
        add(&format!("m07-class-{class}"), PLAIN, &other);
    }
    add("m08-type257-as-asked", PLAIN, &reply(257, &[record(NAME, 257, octets(&LOOPBACK))]));
    add("m08-type257-beside", PLAIN, &reply(1, &[record(NAME, 257, octets(&LOOPBACK)), a(NAME, PUBLIC)]));
    add("m08-type65308", PLAIN, &reply(65308, &[record(NAME, 65308, octets(&loopback6()))]));
    let smuggled = |target: &[u8]| -> Labels { vec![target.to_vec(), b"example".to_vec()] };
    let fake = b"\x00\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01";
    let mut odd = reply(1, &[to(NAME, 5, &[], "x"), a("x", PUBLIC)]);
    odd.sections[0][0].rdata[1] = Part::Name(smuggled(fake), true);
    odd.sections[0][1].owner = smuggled(fake);
    add("m09-record-in-a-label", PLAIN, &odd);
    odd.sections[0][1].owner = smuggled(b"\xff\x80");
    add("m09-high-octets", PLAIN, &odd);
    add("m10-nxdomain-with-a", PLAIN, &with(inside(), &|message| message.flags |= 3));
    add("m11-refused-with-a", PLAIN, &with(inside(), &|message| message.flags |= 5));
    let opt = |ttl: u32, options: &[u8]| Rec { ttl, class: 1232, ..record("", 41, octets(options)) };
    let extended = with(inside(), &|message| message.sections[2].push(opt(0x0100_0000, &[])));
    add("m11-extended-rcode", PLAIN, &extended);
    add("m11-extended-rcode-without-edns", OLD, &extended);
    add("m12-truncated", PLAIN, &with(inside(), &|message| message.flags |= 0x0200));
    let elsewhere = with(reply(1, &[]), &|message| {
        message.sections[1].push(to(NAME, 2, &[], "ns.example"));
        message.sections[1].push(a("ns.example", LOOPBACK));
        message.sections[2].push(a(NAME, LOOPBACK));
    });
    add("m13-other-sections", PLAIN, &elsewhere);
    let soa = vec![Part::Name(labels("ns"), true), Part::Name(labels("x"), true), Part::Octets(vec![0; 20])];
    let negative =
        with(reply(1, &[]), &|message| message.sections[1].push(record("example", 6, soa.clone())));
    add("m13-nodata", PLAIN, &negative);
    let v4 = [PUBLIC, LOOPBACK].concat();
    for (name, params) in [
        ("ipv4hint", &[(1, &b"\x02h2"[..]), (4, &LOOPBACK)][..]),
        ("ipv4hint-second", &[(4, &v4), (5, b"ech")]),
        ("ipv6hint", &[(6, &loopback6())]),
        ("mandatory", &[(0, &[0, 4]), (4, &LOOPBACK)]),
        ("out-of-order", &[(6, &loopback6()), (4, &LOOPBACK)]),
        ("twice", &[(4, &PUBLIC), (4, &LOOPBACK)]),
        ("of-five-octets", &[(4, &[127, 0, 0, 1, 1])]),
        ("both", &[(4, &v4), (6, &loopback6())]),
    ] {
        add(&format!("m14-https-{name}"), PLAIN, &reply(65, &[service(NAME, 65, "", params)]));
    }
    add("m14-svcb-ipv4hint", PLAIN, &reply(64, &[service(NAME, 64, "", &[(4, &LOOPBACK)])]));
    add("m14-svcb-ipv6hint", PLAIN, &reply(64, &[service(NAME, 64, "", &[(6, &loopback6())])]));
    add("m15-https-localhost", PLAIN, &reply(65, &[service(NAME, 65, "localhost", &[])]));
    add("m15-svcb-local", PLAIN, &reply(64, &[service(NAME, 64, "nas.local", &[])]));
    add("m16-https-port", PLAIN, &reply(65, &[service(NAME, 65, "", &[(3, &[0x2c, 0xaa])])]));
    let wide = |before: &[u8]| [before, &loopback6()].concat();
    for (name, rtype, rdata) in [
        ("wks", 11, [&LOOPBACK[..], &[6, 0x80]].concat()),
        ("a6", 38, wide(&[0])),
        ("apl", 42, [&[0, 1, 8, 1, 10][..], &wide(&[0, 2, 128, 16])].concat()),
        ("ipseckey", 45, [&[10, 1, 2][..], &LOOPBACK].concat()),
        ("ipseckey-6", 45, wide(&[10, 2, 2])),
        ("l32", 105, [&[0, 10][..], &LOOPBACK].concat()),
        ("l64", 106, vec![0, 10, 0xfe, 0x80, 0, 0, 0, 0, 0, 0]),
        ("amtrelay", 260, wide(&[10, 0x82])),
    ] {
        add(&format!("m17-{name}"), PLAIN, &reply(rtype, &[record(NAME, rtype, octets(&rdata))]));
    }
    add("m18-srv", PLAIN, &reply(33, &[to(NAME, 33, &[0, 1, 0, 1, 0x2c, 0xaa], "localhost")]));
    for (name, uri) in [
        ("name", &b"http://localhost/"[..]),
        ("address", b"http://[::1]/"),
        ("octets", b"http://10.0.0.1/\xff"),
    ] {
        let rdata = octets(&[&[0, 1, 0, 1], uri].concat());
        add(&format!("m18-uri-{name}"), PLAIN, &reply(256, &[record(NAME, 256, rdata)]));
    }
    add("m18-mx", PLAIN, &reply(15, &[to(NAME, 15, &[0, 1], "localhost")]));
    add("m19-authoritative", PLAIN, &with(inside(), &|message| message.flags |= 0x0400));
    let signature = |owner, covered: u16| {
        record(owner, 46, octets(&[&covered.to_be_bytes()[..], &[0; 16], b"\x07example\0s"].concat()))
    };
    let signed = [a(NAME, LOOPBACK), a(NAME, PUBLIC), signature(NAME, 1)];
    let signed = with(reply(1, &signed), &|message| message.flags |= 0x0020);
    add("m20-signed", DNSSEC, &signed);
    let denial = with(reply(1, &[to(NAME, 5, &[], "b.example"), signature(NAME, 5)]), &|message| {
        message.flags |= 0x0020;
        message.sections[1].push(record("example", 6, soa.clone()));
        message.sections[1].push(signature("example", 6));
        message.sections[1].push(record("b.example", 47, octets(b"\x01z\0\0\x01\x40")));
        message.sections[1].push(signature("b.example", 47));
    });
    add("m20-denial", DNSSEC, &denial);
    add("m21-a-query", PLAIN, &with(inside(), &|message| message.flags = 0x0100));
    add("m21-opcode", PLAIN, &with(inside(), &|message| message.flags |= 0x2800));
    add("m21-no-question", PLAIN, &with(inside(), &|message| message.question = None));
    let huge: Vec<Rec> = (0..250).map(|n| a(NAME, if n == 200 { LOOPBACK } else { [9, 9, 9, n] })).collect();
    add("m28-large", PLAIN, &reply(1, &huge));
    add("m28-large-without-edns", OLD, &reply(1, &huge));
    let options = b"\0\x0f\0\x0a\0\x0f\x1b[31m\xff\x0a\"\0\x08\0\x07\0\x01\x18\0\x0a\0\0";
    let edns = with(inside(), &|message| message.sections[2].push(opt(0x8000, options)));
    add("m25-options", PLAIN, &edns);
    add("m25-opt-twice", PLAIN, &with(edns.clone(), &|message| message.sections[2].push(opt(0, &[]))));
    let opt_in_answer = with(inside(), &|message| message.sections[0].push(opt(0, &[])));
    add("m25-opt-in-answer", PLAIN, &opt_in_answer);
    add(
        "m25-edns-version",
        PLAIN,
        &with(inside(), &|message| message.sections[2].push(opt(0x0001_0000, &[]))),
    );
    add("m27-repeated", PLAIN, &reply(1, &[a(NAME, PUBLIC), a(NAME, PUBLIC), a(NAME, LOOPBACK)]));

    add("n01-localhost", PLAIN, &reply(1, &[to(NAME, 5, &[], "localhost")]));
    add(
        "n05-dname",
        DNSSEC,
        &reply(
            1,
            &[
                to("example", 39, &[], "localhost"),
                to(NAME, 5, &[], "evil.localhost"),
                a("evil.localhost", PUBLIC),
            ],
        ),
    );
    let subtree = |target: &str, cname: &str| {
        reply(1, &[to("example", 39, &[], target), to(NAME, 5, &[], cname), a(cname, PUBLIC)])
    };
    add("n05-dname-to-the-root", DNSSEC, &subtree("", "evil"));
    add("n05-dname-public", DNSSEC, &subtree("example.net", "evil.example.net"));
    add("n05-dname-without-do", PLAIN, &subtree("example.net", "evil.example.net"));
    add("n05-another-cname", DNSSEC, &subtree("example.net", "www.example.net"));
    add("n05-asked-for", DNSSEC, &reply(39, &[to(NAME, 39, &[], "lan")]));
    add("n19-pointer", PLAIN, &reply(12, &[to(NAME, 12, &[], "localhost")]));
    add("m18-mail", PLAIN, &reply(15, &[to(NAME, 15, &[0, 10], "localhost")]));
    add(
        "n05-two-dnames",
        PLAIN,
        &reply(
            1,
            &[
                to("example", 39, &[], "example.net"),
                to("example", 39, &[], "localhost"),
                to(NAME, 5, &[], "evil.example.net"),
                a("evil.example.net", PUBLIC),
            ],
        ),
    );
    let all: Vec<Rec> =
        [LOOPBACK, [0; 4], [10, 0, 0, 1], [169, 254, 169, 254], PUBLIC].map(|v4| a(NAME, v4)).into();
    add("a24-mixed", PLAIN, &reply(1, &all));
    add("r04-sinkhole", PLAIN, &reply(1, &[a(NAME, [0; 4])]));
    for way in 0..EMBEDDINGS {
        for (name, v4) in [("inside", LOOPBACK), ("public", PUBLIC)] {
            let answer = record(NAME, 28, octets(&embed(v4, way)));
            add(&format!("a1x-embedded-{way:02}-{name}"), PLAIN, &reply(28, &[answer]));
        }
    }
    // An exception for the name, its parent, its alias's target; a route; a client and a time they hold for.
    for (name, control) in [
        ("own-networks", [0, 77, 0x04, 0, 7, 1, 9, 0]),
        ("any-network", [0, 77, 0x19, 0, 0xff, 5, 0x29, 0]),
        ("monitor", [0, 77, 0x41, 0, 0x3f, 9, 30, 0]),
        ("target-only", [0, 77, 0x29, 0, 0x17, 9, 8, 4]),
        ("route", [0, 77, 0, 0, 0x57, 6, 200, 8]),
        ("route-names-link-local", [0, 77, 0, 0, 0x97, 6, 1, 2]),
    ] {
        let aliased: Vec<Rec> = std::iter::once(to(NAME, 5, &[], "cdn.example.net"))
            .chain(all.iter().map(|record| Rec { owner: labels("cdn.example.net"), ..record.clone() }))
            .collect();
        add(&format!("x0x-{name}"), control, &reply(1, &all));
        add(&format!("x04-{name}-aliased"), control, &reply(1, &aliased));
    }

    // What no honest writer makes.
    let wire = inside().write(true);
    let header = |at: usize, value: u8| {
        let mut wire = wire.clone();
        wire[at] = value;
        wire
    };
    raw("m21-two-questions", PLAIN, &header(5, 2));
    raw("m23-trailing", PLAIN, &[&wire[..], &wire[12..]].concat());
    raw("m23-counts-too-much", PLAIN, &header(7, 2));
    raw("m23-counts-too-little", PLAIN, &header(7, 0));
    let owner = wire.len() - 16;
    raw("m24-pointer-to-itself", PLAIN, &header(owner + 1, owner as u8));
    raw("m24-pointer-into-the-header", PLAIN, &header(owner + 1, 2));
    raw("m24-pointer-forward", PLAIN, &header(owner + 1, owner as u8 + 2));
    raw("m24-label-type", PLAIN, &header(owner, 0x41));
    raw("a23-short-rdata", PLAIN, &header(wire.len() - 5, 3));
    raw("m26-cut-short", PLAIN, &wire[..wire.len() - 1]);
    // Choices, of which a message is built.
    for (name, control) in [("built", 0x80), ("built-dnssec", 0x81)] {
        let choices: Vec<u8> = (0..120u8).map(|n| n.wrapping_mul(37) ^ n >> 2).collect();
        raw(name, [control, 77, 9, 0, 0xff, 3, 8, 1], &choices);
    }
    seeds
}

fn queries() -> Seeds {
    let query = |flags: u16, counts: [u8; 4], rest: &[u8]| {
        let [qd, an, ns, ar] = counts;
        [&[0, 7][..], &flags.to_be_bytes(), &[0, qd, 0, an, 0, ns, 0, ar], rest].concat()
    };
    let opt = b"\0\0\x29\x04\xd0\0\0\x80\0\0\0";
    let asked = |rtype: u8| [&b"\x03wWw\x07example\0\0"[..], &[rtype, 0, 1]].concat();
    let with_opt = [&asked(1)[..], opt].concat();
    let two = [asked(1), asked(28)].concat();
    let plain = [1, 0, 0, 0];
    [
        ("plain", query(0x0100, plain, &asked(1))),
        ("cd-ad", query(0x0130, plain, &asked(65))),
        ("edns", query(0x0100, [1, 0, 0, 1], &with_opt)),
        (
            "edns-version",
            query(0x0100, [1, 0, 0, 1], &[&asked(1)[..], b"\0\0\x29\x04\xd0\0\x01\0\0\0\0"].concat()),
        ),
        ("edns-twice", query(0x0100, [1, 0, 0, 2], &[&with_opt[..], opt].concat())),
        ("m22-two-questions", query(0x0100, [2, 0, 0, 0], &two)),
        ("no-question", query(0x0100, [0, 0, 0, 0], &[])),
        ("m23-trailing", query(0x0100, plain, &two)),
        ("m24-pointer", query(0x0100, plain, b"\xc0\x0c\0\x01\0\x01")),
        ("m26-axfr", query(0x0100, plain, &asked(252))),
        ("any", query(0x0100, plain, &asked(255))),
        ("meta", query(0x0100, plain, &asked(250))),
        ("opcode", query(0x2900, plain, &asked(1))),
        ("m21-reply", query(0x8180, plain, &asked(1))),
        ("root", query(0x0000, plain, b"\0\0\x02\0\x01")),
        (
            "long-name",
            query(
                0x0100,
                plain,
                &[[&[63u8][..], &[b'a'; 63]].concat().repeat(3), vec![0, 0, 1, 0, 1]].concat(),
            ),
        ),
        ("chaos", query(0x0100, plain, b"\x07version\x04bind\0\0\x10\0\x03")),
    ]
    .map(|(name, wire)| (name.to_owned(), wire))
    .into()
}

fn texts() -> Seeds {
    [
        ("subdomain", &b"\x0f\x00www.plex.directplex.direct"[..]),
        ("n11-no-label-boundary", b"\x0f\x01evilplex.directplex.direct"),
        ("n12-left-labels", b"\x14\x00plex.direct.evil.complex.direct"),
        ("n13-escaped-dot", b"\x0c\x00evil\\.corp.xcorp.x"),
        ("letter-case", b"\x0b\x01PLEX.DirectpLEX.dIRECT"),
        ("idn", "\x0f\x00bücher.examplexn--bcher-kva.example".as_bytes()),
        ("octets", b"\x08\x00\x03a\xff\0\x01b\0\x01b\0"),
        ("escapes", b"\x09\x01\\000\\255.\\\\a\\.b"),
        ("root", b"\x01\x00.."),
    ]
    .map(|(name, octets)| (name.to_owned(), octets.to_vec()))
    .into()
}

fn configurations() -> Seeds {
    let text = |text: &str| [b"\x01", text.as_bytes()].concat();
    [
        ("shipped", vec![0]),
        ("empty", text("")),
        (
            "guard",
            text("[guard]\nmode = \"monitor\"\nblock = [\"203.0.113.7/32\"]\nnat64 = [\"64:ff9b::/96\"]\n"),
        ),
        ("exception", text("[[exception]]\ndomain = \"nas.example.org\"\nuntil = 2037-01-31T00:00:00Z\n")),
        ("route", text("[[route]]\ndomain = \"corp.example\"\nservers = [\"10.0.0.53\"]\n")),
        ("local", text("[[local]]\nname = \"*.test\"\naddresses = [\"::1\"]\n[[local]]\nname = \"*.TEST\"")),
        ("include", text("include = [\"conf.d/*.toml\"]\n[[exception]]\npreset = \"plex\"\n")),
        ("unknown-keys", text("[gaurd]\nmod = 1\n[guard]\nmod = 1\n")),
        ("broken", text("[server\nlisten = \"\u{202e}\t\n")),
        ("wide", text("[log]\r\nlevel = \"\u{1f9f1}\u{fc}\"\r\n")),
        ("values", vec![0, 0, 3, 0, 1, 0, 9, 0, 5, 0, 30, 7, 6, 0, 40, 1, 2]),
        ("lines", vec![0, 0, 3, 9, 2, 0, 9, 20, 4, 0, 30, 7, 3, 0, 40, 1, 5, 34, 92, 10, 13, 9, 200]),
    ]
    .map(|(name, octets)| (name.to_owned(), octets))
    .into()
}

fn imports() -> Seeds {
    let texts = [
        "server=/a.example/10.0.0.53#5353\naddress=/b.example/fd00::1\n",
        "server:\n  private-domain: \"a.example\"\nforward-zone:\n  name: .\n  forward-addr: 9.9.9.9@853#a\n",
        "config dnsmasq\n\toption port '5353'\n\tlist rebind_domain 'a.example'\n",
        "dns:\n  bind_hosts: [127.0.0.1]\n  rewrites:\n  - {domain: '*.a', answer: 10.0.0.1}\n",
    ];
    let own = texts
        .iter()
        .enumerate()
        .map(|(format, text)| (format!("text-{format}"), [&[format as u8][..], text.as_bytes()].concat()));
    let changed = (0..4)
        .map(|format| (format!("changed-{format}"), vec![0x80 | format, 7, 3, 0, 9, 12, 1, 4, 30, 7, 5]));
    own.chain(changed).collect()
}

fn directory(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target)
}

/// The seeds on disk, which hold those made here.
fn on_disk(target: &str, made: &Seeds) -> Seeds {
    let directory = directory(target);
    if std::env::var_os("UPDATE_SEEDS").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        for (name, octets) in made {
            std::fs::write(directory.join(name), octets).unwrap();
        }
    }
    let found: Seeds = std::fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    for (name, octets) in made {
        assert_eq!(found.get(name), Some(octets), "{target}/{name}: run with UPDATE_SEEDS=1");
    }
    found
}

#[test]
fn every_carrier_is_removed_by_some_seed() {
    let seeds = on_disk("reply", &shapes());
    let mut parsed = 0;
    let mut removed: Vec<Carrier> = Vec::new();
    for (name, octets) in &seeds {
        println!("{name}");
        let summary = properties::reply::check(octets);
        parsed += usize::from(summary.parsed);
        removed.extend(summary.removed);
    }
    assert!(parsed > 100, "only {parsed} of {} seeds are still usable replies", seeds.len());
    let rdata = [1, 5, 11, 12, 28, 33, 38, 39, 42, 45, 64, 65, 105, 106, 256, 260];
    let hinted = [64, 65].map(RecordType);
    let carriers = rdata
        .map(|number| Carrier::Rdata(RecordType(number)))
        .into_iter()
        .chain(hinted.map(Carrier::Ipv4Hint))
        .chain(hinted.map(Carrier::Ipv6Hint))
        .chain([257, 65308].map(|number| Carrier::LooksLikeAddress(RecordType(number))));
    for carrier in carriers {
        assert!(removed.contains(&carrier), "no seed has {carrier} removed");
    }
}

#[test]
fn queries_names_and_configurations_hold_too() {
    for octets in on_disk("query", &queries()).values() {
        properties::query::check(octets);
    }
    for octets in on_disk("names", &texts()).values() {
        properties::names::check(octets);
    }
    for octets in on_disk("config", &configurations()).values() {
        properties::config::check(octets);
    }
    for octets in on_disk("import", &imports()).values() {
        properties::import::check(octets);
    }
}
