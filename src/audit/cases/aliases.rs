//! N01–N07, M18: aliases that lead to something inside by its name.

use super::{Asked, Case, Expect, Group, Kept, PUBLIC4, ip};
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

pub(super) fn cases() -> Vec<Case> {
    [cnames(), dnames(), srv(), honest()].into_iter().flatten().collect()
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
    let cname = Kept::from(Record::cname("a.cdn.rebind-audit.example"));
    let address = Kept::address(PUBLIC4);
    let dname_kept = Kept::from(Record::new(code::DNAME, name("cdn.rebind-audit.example")));
    let mut honest = case("N05", "a public address behind a DNAME")
        .named(NAME)
        .reply(|asked| {
            let end = "a.cdn.rebind-audit.example";
            let message = dname(asked, "cdn.rebind-audit.example");
            message.answer([Record::cname(end), a(PUBLIC4).owned_by(end)])
        })
        .expect(Expect::AnyOf(vec![
            Expect::Answer(vec![cname.clone(), address.clone()]),
            Expect::Answer(vec![cname, address, dname_kept]),
        ]));
    honest.group = Group::Kept;
    cases.push(honest);
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
