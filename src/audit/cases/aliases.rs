//! N01–N07, N19, M18: aliases that lead to something inside by its name.

use super::{Asked, Case, Expect, Group, PUBLIC4, Setup, ip};
use crate::audit::oracle::parse::parent;
use crate::audit::wire::{self, Message, Record, code, name};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Aliases, id, title)
}

fn a(text: &str) -> Record {
    Record::address(ip(text))
}

/// Row, name of something inside.
const INSIDE: &[(&str, &str)] = &[
    ("N01", "localhost"),
    ("N01", "LocalHost"),
    ("N02", "localhost.localdomain"),
    ("N02", "foo.localhost"),
    ("N02", "a.b.c.LOCALHOST"),
    ("N02", "ip6-localhost"),
    ("N02", "ip6-loopback"),
    ("N02", "localhost6"),
    ("N02", "localhost6.localdomain6"),
    ("N06", "host.docker.internal"),
    ("N06", "gateway.docker.internal"),
    ("N06", "kubernetes.docker.internal"),
    ("N06", "kubernetes.default.svc.cluster.local"),
    ("N06", "metadata.google.internal"),
    ("N06", "printer.local"),
    ("N06", "nas.home.arpa"),
    ("N06", "router.lan"),
    ("N06", "fritz.home"),
    ("N06", "dc.corp"),
    ("N06", "mx.mail"),
    ("N06", "x.intranet"),
    ("N06", "x.test"),
    ("N07", "intranet"),
    ("N07", "router"),
    ("N07", "wpad"),
    ("N07", "isatap"),
    ("N07", "metadata"),
];

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let host = setup.host_name.iter().flat_map(|host| own_name(host)).collect();
    [cnames(), dnames(), subtrees(), srv(), uris(), pointers(), honest(), host]
        .into_iter()
        .flatten()
        .collect()
}

/// N18: some local resolvers answer the host's own name with the host's addresses, also as the target of an alias.
fn own_name(host: &str) -> Vec<Case> {
    let lead = |variant| case("N18", "an alias to this host's name").variant(variant).forbid_names([host]);
    let (target, address) = (Record::cname(host), a(PUBLIC4));
    let service = |rtype, rdata| Record::new(rtype, rdata);
    vec![
        lead("with a public address")
            .answers([target.clone(), address.clone().owned_by(host)])
            .keeps([address]),
        lead("without an end").answers([target]).blocked(),
        lead("HTTPS")
            .ask(code::HTTPS)
            .answers([service(code::HTTPS, wire::svcb(1, &name(host), &[]))])
            .blocked(),
        lead("SRV").ask(code::SRV).answers([service(code::SRV, wire::srv(11_434, host))]).blocked(),
    ]
}

fn cnames() -> Vec<Case> {
    let mut cases = Vec::new();
    for (id, target) in INSIDE {
        let base = case(id, "a CNAME to a name inside").forbid_names([*target]);
        cases.push(base.clone().variant(*target).answers([Record::cname(target)]).blocked());
        cases.push(
            base.clone()
                .variant(format!("{target}, AAAA"))
                .ask(code::AAAA)
                .answers([Record::cname(target)])
                .blocked(),
        );
        cases.push(
            base.variant(format!("{target}, with a public address"))
                .answers([Record::cname(target), a(PUBLIC4).owned_by(target)])
                .blocked(),
        );
    }
    for qtype in [code::HTTPS, code::CNAME, code::TXT] {
        cases.push(
            case("N01", "a CNAME to a name inside")
                .variant(format!("localhost, asked for TYPE{qtype}"))
                .ask(qtype)
                .answers([Record::cname("localhost")])
                .forbid_names(["localhost"])
                .blocked(),
        );
    }
    cases.push(
        case("N01", "a CNAME to a name inside")
            .variant("localhost as the last of three")
            .answers([
                Record::cname("one.rebind-audit.example"),
                Record::cname("two.rebind-audit.example").owned_by("one.rebind-audit.example"),
                Record::cname("localhost").owned_by("two.rebind-audit.example"),
            ])
            .forbid_names(["localhost"])
            .blocked(),
    );
    cases.push(
        case("N01", "a CNAME to a name inside")
            .variant("localhost in the middle, back to a public name")
            .answers([
                Record::cname("localhost"),
                Record::cname("cdn.rebind-audit.example").owned_by("localhost"),
                a(PUBLIC4).owned_by("cdn.rebind-audit.example"),
            ])
            .forbid_names(["localhost"])
            .blocked(),
    );
    cases.push(
        case("N01", "a CNAME to a name inside")
            .variant("localhost with its address")
            .answers([Record::cname("localhost"), a("127.0.0.1").owned_by("localhost")])
            .forbid_names(["localhost"])
            .forbid(["127.0.0.1"])
            .blocked(),
    );
    cases.push(
        case("N01", "a CNAME to a name inside")
            .variant("localhost under NXDOMAIN")
            .reply(|asked| asked.nxdomain().answer([Record::cname("localhost")]))
            .forbid_names(["localhost"]),
    );
    cases
}

/// The case asks for `a.<its own name>`; the DNAME stands at its own name.
fn dname(asked: &Asked<'_>, target: &str) -> Message {
    let qname = asked.qname();
    let owner = parent(&qname).map(<[u8]>::to_vec).unwrap_or(vec![0]);
    asked.reply().answer([Record::new(code::DNAME, name(target)).owner(owner)])
}

fn dnames() -> Vec<Case> {
    const NAME: &str = "a.{slug}.{nonce}.rebind-audit.example";
    let mut cases = Vec::new();
    for (target, synthesised) in [
        ("localhost", "a.localhost"),
        ("docker.internal", "a.docker.internal"),
        ("lan", "a.lan"),
        ("local", "a.local"),
        (".", "a"),
    ] {
        let base = case("N05", "a DNAME to a zone inside").named(NAME).forbid_names([synthesised]);
        let base = if target == "." { base } else { base.forbid_names([target]) };
        cases.push(
            base.clone()
                .variant(format!("{target}, with its CNAME"))
                .reply(move |asked| dname(asked, target).answer([Record::cname(synthesised)]))
                .blocked(),
        );
        cases.push(
            base.clone()
                .variant(format!("{target}, with an address"))
                .reply(move |asked| {
                    let end = a("192.168.1.1").owned_by(synthesised);
                    dname(asked, target).answer([Record::cname(synthesised), end])
                })
                .forbid(["192.168.1.1"])
                .blocked(),
        );
        if target != "." {
            cases.push(
                base.variant(format!("{target}, without its CNAME")).reply(move |asked| dname(asked, target)),
            );
        }
    }
    cases.push(
        case("N05", "an inside address behind a DNAME")
            .named(NAME)
            .reply(|asked| {
                let end = "a.cdn.rebind-audit.example";
                let message = dname(asked, "cdn.rebind-audit.example");
                message.answer([Record::cname(end), a("127.0.0.1").owned_by(end)])
            })
            .forbid(["127.0.0.1"])
            .blocked(),
    );
    let public = || {
        let mut honest = case("N05", "a public address behind a DNAME").named(NAME).reply(|asked| {
            let end = "a.cdn.rebind-audit.example";
            let message = dname(asked, "cdn.rebind-audit.example");
            message.answer([Record::cname(end), a(PUBLIC4).owned_by(end)])
        });
        honest.group = Group::Kept;
        honest
    };
    let (cname, address) = (Record::cname("a.cdn.rebind-audit.example"), a(PUBLIC4));
    let dname = Record::new(code::DNAME, name("cdn.rebind-audit.example"));
    cases.push(public().keeps([cname.clone(), address.clone()]));
    cases.push(public().variant("with DO").dnssec().keeps([dname, cname, address]));
    cases
}

/// N05: a client that keeps a DNAME makes names from it that no answer was checked for.
fn subtrees() -> Vec<Case> {
    /// A reply to `pub.example.<the case's own name>` with a DNAME to `target` at that name.
    fn reply(asked: &Asked<'_>, target: &str, cname: &str) -> Message {
        let qname = asked.qname();
        let owner = parent(&qname).and_then(parent).map_or(vec![0], <[u8]>::to_vec);
        let dname = Record::new(code::DNAME, name(target)).owner(owner);
        asked.reply().answer([dname, Record::cname(cname), a("9.9.9.9").owned_by(cname)])
    }
    let case = |title| case("N05", title).named("pub.example.{slug}.{nonce}.rebind-audit.example");
    let root = || case("a DNAME to the root").reply(|asked| reply(asked, ".", "pub.example"));
    let other = || {
        case("a CNAME that its DNAME does not make").reply(|asked| reply(asked, "cdn.example", "www.example"))
    };
    let itself = |target: &'static str| {
        let case = case("a DNAME, asked for as such").ask(code::DNAME).variant(target);
        case.answers([Record::new(code::DNAME, name(target))])
    };
    let mut cases = vec![
        root().keeps([Record::cname("pub.example"), a("9.9.9.9")]),
        root().variant("with DO").dnssec().forbid_names(["."]).blocked(),
        other().keeps([Record::cname("www.example"), a("9.9.9.9")]),
        other().variant("with DO").dnssec().expect(Expect::Rcode(code::SERVFAIL)),
        itself("cdn.rebind-audit.example").expect(Expect::Nodata),
        itself("cdn.rebind-audit.example")
            .variant("public, with DO")
            .dnssec()
            .keeps([Record::new(code::DNAME, name("cdn.rebind-audit.example"))]),
    ];
    for target in [".", "example", "localhost", "lan", "docker.internal", "home.arpa", "arpa"] {
        cases.push(itself(target).dnssec().forbid_names([target]).blocked());
    }
    cases
}

/// M18: SRV is the one service record browsers' relatives follow.
fn srv() -> Vec<Case> {
    let mut cases: Vec<Case> = ["localhost", "nas.local", "host.docker.internal", "router.lan", "intranet"]
        .into_iter()
        .map(|target| {
            case("M18", "an SRV target inside")
                .variant(target)
                .named("_http._tcp.{slug}.{nonce}.rebind-audit.example")
                .ask(code::SRV)
                .answers([Record::new(code::SRV, wire::srv(11_434, target))])
                .forbid_names([target])
                .blocked()
        })
        .collect();
    let public = Record::new(code::SRV, wire::srv(443, "cdn.rebind-audit.example"));
    cases.push(
        case("M18", "an SRV target inside")
            .variant("beside a public one")
            .ask(code::SRV)
            .answers([Record::new(code::SRV, wire::srv(11_434, "localhost")), public.clone()])
            .forbid_names(["localhost"])
            .leaves([public]),
    );
    cases
}

/// M18: a URI in every spelling that a client may follow.
fn uris() -> Vec<Case> {
    let uri = |uri: &str| Record::new(code::URI, [b"\0\x01\0\x01", uri.as_bytes()].concat());
    let asked = |variant: &str| {
        case("M18", "a URI that leads inside")
            .variant(variant.escape_default().to_string())
            .ask(code::URI)
            .answers([uri(variant)])
    };
    let inside = [
        "http://localhost/",
        "http:localhost/",
        "HTTP:/localhost/",
        "http:///localhost/",
        "http:\\\\localhost\\",
        "http://public.example\\@localhost/",
        "http://%6cocalhost/",
        "\thttp://local\nhost/",
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "sip:x@127.0.0.1",
        "sip:localhost",
        "turn:nas.local:3478",
        "//localhost/",
        "localhost:11434/api",
    ];
    let mut cases: Vec<Case> = inside.iter().map(|text| asked(text).blocked()).collect();
    for text in
        ["https://cdn.example/?next=http:localhost", "sip:x@cdn.example", "tel:+1-201-555", "urn:isbn:1"]
    {
        let mut honest = asked(text).keeps([uri(text)]);
        honest.group = Group::Kept;
        cases.push(honest);
    }
    cases
}

/// N19: the owner of a public address may not give it an inside name. M18: targets that no web page makes a client connect to
/// are kept.
fn pointers() -> Vec<Case> {
    let asked = |target: &str| {
        case("N19", "a public address with a name inside")
            .variant(target)
            .named("{slug}.{nonce}.1.1.1.in-addr.arpa")
            .ask(code::PTR)
            .answers([Record::new(code::PTR, name(target))])
    };
    let inside = ["localhost", "router.lan", "nas.local", "metadata.google.internal", "intranet", "10.0.0.1"];
    let mut cases: Vec<Case> =
        inside.into_iter().map(|target| asked(target).forbid_names([target]).blocked()).collect();
    cases.push(asked("one.one.one.one").keeps([Record::new(code::PTR, name("one.one.one.one"))]));
    let named = |before: &[u8], target: &str| [before, &name(target)].concat();
    for (variant, rtype, rdata) in [
        ("MX", code::MX, named(&[0, 10], "localhost")),
        ("NS", code::NS, name("ns.local")),
        ("NAPTR", code::NAPTR, named(b"\0\x01\0\x01\x01s\x07SIP+D2U\0", "sip.lan")),
    ] {
        let mut kept = case("M18", "a target that is reported and kept")
            .variant(variant)
            .ask(rtype)
            .answers([Record::new(rtype, rdata.clone())])
            .keeps([Record::new(rtype, rdata)]);
        kept.group = Group::Kept;
        cases.push(kept);
    }
    cases
}

/// Names that only look like the ones above.
fn honest() -> Vec<Case> {
    [
        "localhost.rebind-audit.example",
        "notlocalhost.example",
        "internal.example",
        "home.arpa.example",
        "lan.example",
        "local.example",
        "x.network",
        r"a\.localhost.example",
    ]
    .into_iter()
    .map(|target| {
        Case::new(Group::Kept, "N11", "a CNAME to a name that only looks inside")
            .variant(target)
            .answers([Record::cname(target), a(PUBLIC4).owned_by(target)])
            .keeps([Record::cname(target), a(PUBLIC4)])
    })
    .collect()
}
