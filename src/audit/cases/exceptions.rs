//! X01–X06, N04, N10–N15: exceptions, reached by those they are for and by everybody else.

use super::{Case, Expect, Group, PUBLIC4, address_type, ip};
use crate::audit::oracle::parse::parent;
use crate::audit::wire::{Record, code, name};

/// The exceptions, local names and domains that these cases and those of `locals` test, in addition to the configuration under
/// test. All lie below the catalogue's own names.
pub const FIXTURE: &str = r#"
[[exception]]
domain = "exempt.rebind-audit.example"

[[exception]]
domain = "narrow.rebind-audit.example"
networks = ["192.168.1.0/24"]

[[exception]]
domain = "loopback.rebind-audit.example"
networks = ["127.0.0.1/32"]

[[exception]]
domain = "spelled.rebind-audit.example"
address-in-name = true

[[exception]]
domain = "exact.rebind-audit.example"
exact = true

[[exception]]
domain = "past.rebind-audit.example"
until = 2020-01-01T00:00:00Z

[[exception]]
domain = "later.rebind-audit.example"
until = 2099-01-01T00:00:00Z

[[exception]]
domain = "others.rebind-audit.example"
clients = ["203.0.113.77/32"]

[[exception]]
domain = "watched.rebind-audit.example"
mode = "monitor"

[[local]]
name = "*.held.rebind-audit.example"
addresses = ["192.168.1.20"]

[[local]]
name = "*.whole.rebind-audit.example"
addresses = ["192.168.1.20"]
types = "all"

[[local]]
name = "nas.empty.rebind-audit.internal"
addresses = ["192.168.1.20"]

[[local]]
name = "nas.empty.only.rebind-audit.example"
addresses = ["192.168.1.20"]

[[route]]
domain = "only.rebind-audit.example"
servers = []
"#;

fn below(zone: &str) -> String {
    format!("{{slug}}.{{nonce}}.{zone}.rebind-audit.example")
}

/// A reply of one address to a name; `kept` or not.
fn one(id: &'static str, title: &'static str, asked: &str, address: &str, kept: bool) -> Case {
    let case = Case::new(Group::Exceptions, id, title)
        .variant(format!("{address} for {}", asked.replace("{slug}.{nonce}.", "")))
        .named(asked)
        .ask(address_type(ip(address)))
        .answers([Record::address(ip(address))]);
    let zero = ip(address).is_unspecified();
    match (kept, zero) {
        (true, _) => case.keeps_addresses([address]),
        (false, true) => case.forbid([address]).expect(Expect::Nodata),
        (false, false) => case.forbid([address]).blocked(),
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let exempt = below("exempt");
    for address in ["192.168.1.20", "10.0.0.1", "172.31.255.255", "fd12:3456::1", PUBLIC4] {
        cases.push(one("X01", "what an exception is for", &exempt, address, true));
    }
    for address in [
        "127.0.0.1",
        "0.0.0.0",
        "0.0.0.1",
        "169.254.169.254",
        "169.254.1.1",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fd00:42::42",
    ] {
        cases.push(one("X01", "what no exception implies", &exempt, address, false));
    }
    let narrow = below("narrow");
    cases.push(one("X01", "the networks of an exception", &narrow, "192.168.1.255", true));
    for address in ["192.168.0.255", "192.168.2.0", "10.0.0.1", "fd00::1"] {
        cases.push(one("X01", "the networks of an exception", &narrow, address, false));
    }
    cases.push(
        Case::new(Group::Exceptions, "X01", "the networks of an exception")
            .variant("one in, one out")
            .named(&narrow)
            .answers(["192.168.1.1", "192.168.2.1"].map(|text| Record::address(ip(text))))
            .forbid(["192.168.2.1"])
            .leaves_addresses(["192.168.1.1"]),
    );
    let loopback = below("loopback");
    cases.push(one("X01", "loopback that an exception names", &loopback, "127.0.0.1", true));
    cases.push(one("X01", "loopback that an exception does not name", &loopback, "127.0.0.2", false));
    cases.push(one("X01", "loopback that an exception does not name", &loopback, "192.168.1.1", false));

    cases.extend(spelled());
    cases.extend(spelled_in_two_ways());
    cases.extend(aliases(&exempt));
    cases.extend(kept_aliases());
    cases.extend(names());
    cases.extend(conditions());
    cases
}

/// X03: the answer must be the address in the name.
fn spelled() -> Vec<Case> {
    let title = "the address spelled in the name";
    let named = |label: &str| format!("{label}.{}", below("spelled"));
    vec![
        one("X03", title, &named("192-168-1-20"), "192.168.1.20", true),
        one("X03", title, &named("192-168-1-20"), "192.168.1.21", false),
        one("X03", title, &named("192-168-1-20"), "127.0.0.1", false),
        one("X03", title, &named("127-0-0-1"), "127.0.0.1", false),
        one("X03", title, &named("www"), "192.168.1.20", false),
        one("X03", title, &named("fd00--1"), "fd00::1", true),
        one("X03", title, &named("fd00--1"), "fd00::2", false),
        one("X03", title, &named("fd000000000000000000000000000001"), "fd00::1", true),
        Case::new(Group::Exceptions, "X03", title)
            .variant("the right one and another")
            .named(&named("192-168-1-20"))
            .answers(["192.168.1.20", "192.168.1.1"].map(|text| Record::address(ip(text))))
            .forbid(["192.168.1.1"])
            .leaves_addresses(["192.168.1.20"]),
    ]
}

/// X03: a name that somebody else may answer, or that may also be read as an address outside.
fn spelled_in_two_ways() -> Vec<Case> {
    let secret = "192.168.1.20";
    let rows: &[(&str, &[&str])] = &[
        (
            "a name that is delegated to the owner of the address in it",
            &[
                "_acme-challenge.1-2-3-4.192-168-1-20",
                "x._ACME-challenge.1-2-3-4.192-168-1-20",
                "0102_acme-challenge.0304.c0a80114",
                "x_acme-challenge.192-168-1-20",
                "_x.192-168-1-20",
            ],
        ),
        (
            "a name that also has an address outside",
            &[
                "192-168-1-20.1-2-3-4",
                "1.2.3.4.192-168-1-20",
                "01020304.192-168-1-20",
                "192-168-1-20.2606-4700--1111",
                "26064700470000000000000000001111.192-168-1-20",
                "2606-4700--192.168.1.20",
                "0-0-0-0-0-ffff-102-304.192-168-1-20",
                "64-ff9b--102-304.192-168-1-20",
                "192-168-1-20.1-2.3-4",
                "010-1-1-1.x.192-168-1-20",
            ],
        ),
    ];
    let named = |front: &str| format!("{front}.{}", below("spelled"));
    rows.iter()
        .flat_map(|(title, fronts)| {
            fronts.iter().map(move |front| one("X03", title, &named(front), secret, false))
        })
        .collect()
}

/// N04, X04, X06: an exception holds for the name that was asked, and as far as its domain goes.
fn aliases(exempt: &str) -> Vec<Case> {
    let secret = || Record::address(ip("192.168.1.20"));
    let inside = "nas.exempt.rebind-audit.example";
    let spelled = "192-168-1-20.spelled.rebind-audit.example";
    let outside = "claimable.cloud.example";
    let hit = |id, title, asked: Option<&str>, target: &'static str| {
        let case = Case::new(Group::Exceptions, id, title).variant(target);
        let case = asked.map_or(case.clone(), |name| case.named(name));
        case.answers([Record::cname(target), secret().owned_by(target)]).forbid(["192.168.1.20"]).blocked()
    };
    vec![
        hit("N04", "a public name laundered through an exception", None, inside),
        hit("N04", "a public name laundered through an exception", None, spelled),
        hit("X04", "a public name laundered through an exact exception", None, "exact.rebind-audit.example"),
        Case::new(Group::Exceptions, "N04", "a public name laundered through an exception")
            .variant("the exempt name's address in additional")
            .reply(move |asked| {
                asked.reply().answer([Record::cname(inside)]).additional([secret().owned_by(inside)])
            })
            .forbid(["192.168.1.20"]),
        hit("X06", "an exempt name that leaves its zone", Some(exempt), outside),
        Case::new(Group::Exceptions, "X06", "an exempt name that stays in its zone")
            .named(exempt)
            .answers([Record::cname(inside), secret().owned_by(inside)])
            .keeps([Record::cname(inside), secret()]),
        Case::new(Group::Exceptions, "X06", "an exempt name that leaves its zone and comes back")
            .named(exempt)
            .answers([
                Record::cname(outside),
                Record::cname(inside).owned_by(outside),
                secret().owned_by(inside),
            ])
            .forbid(["192.168.1.20"])
            .blocked(),
        Case::new(Group::Exceptions, "X06", "an exempt name that leads to localhost")
            .named(exempt)
            .answers([Record::cname("localhost")])
            .forbid_names(["localhost"])
            .blocked(),
    ]
}

/// N04, N05: a cache before the client keeps the alias. It then asks for addresses of the exempt name that the alias may not have.
fn kept_aliases() -> Vec<Case> {
    let inside = "nas.exempt.rebind-audit.example";
    let alias = |title| {
        Case::new(Group::Exceptions, "N04", title)
            .answers([Record::cname(inside), Record::address(ip(PUBLIC4)).owned_by(inside)])
            .forbid_names([inside])
    };
    let subtree = |target: &'static str, cname: &'static str| {
        Case::new(Group::Exceptions, "N05", "a DNAME to a domain above an exempt one")
            .variant(target)
            .named("www.{slug}.{nonce}.other.example")
            .dnssec()
            .reply(move |asked| {
                let qname = asked.qname();
                let owner = parent(&qname).map_or(vec![0], <[u8]>::to_vec);
                let dname = Record::new(code::DNAME, name(target)).owner(owner);
                asked.reply().answer([
                    dname,
                    Record::cname(cname),
                    Record::address(ip(PUBLIC4)).owned_by(cname),
                ])
            })
            .forbid_names([target])
            .leaves_addresses([PUBLIC4])
    };
    vec![
        alias("an alias to an exempt name, with a public address").leaves_addresses([PUBLIC4]),
        alias("an alias to an exempt name, with a public address")
            .variant("with DO")
            .dnssec()
            .leaves_addresses([PUBLIC4]),
        alias("an alias to an exempt name, asked for as such").ask(code::CNAME).blocked(),
        Case::new(Group::Exceptions, "N04", "an alias to an exempt name that has nothing of that type")
            .reply(move |asked| asked.nodata().answer([Record::cname(inside)]))
            .forbid_names([inside])
            .expect(Expect::Negative(code::NOERROR)),
        Case::new(Group::Exceptions, "N04", "an alias to an exempt name that does not exist")
            .reply(move |asked| asked.nxdomain().answer([Record::cname(inside)]))
            .forbid_names([inside])
            .expect(Expect::Negative(code::NXDOMAIN)),
        Case::new(Group::Exceptions, "N04", "an alias to an exempt name, and nothing else")
            .answers([Record::cname(inside)])
            .forbid_names([inside])
            .blocked(),
        Case::new(Group::Exceptions, "N04", "a name server behind an alias to an exempt name")
            .ask(code::NS)
            .answers([
                Record::cname(inside),
                Record::new(code::NS, name("ns.rebind-audit.example")).owned_by(inside),
            ])
            .forbid_names([inside])
            .expect(Expect::Negative(code::NOERROR)),
        subtree("rebind-audit.example", "www.rebind-audit.example"),
        subtree("exempt.rebind-audit.example", "www.exempt.rebind-audit.example"),
        Case::new(Group::Exceptions, "N05", "a DNAME to a domain above an exempt one, asked for as such")
            .named("{slug}.{nonce}.other.example")
            .ask(code::DNAME)
            .dnssec()
            .answers([Record::new(code::DNAME, name("rebind-audit.example"))])
            .forbid_names(["rebind-audit.example"])
            .blocked(),
    ]
}

/// N10–N15: names are matched by label, never as text.
fn names() -> Vec<Case> {
    let secret = "192.168.1.20";
    let mut cases = vec![
        one("N10", "another letter case", "{slug}.{nonce}.EXEMPT.Rebind-Audit.Example", secret, true),
        one("X01", "exactly the name", "exact.rebind-audit.example", secret, true),
        one("X01", "below a name that is exempt alone", &below("exact"), secret, false),
    ];
    for asked in [
        "{slug}.{nonce}.evilexempt.rebind-audit.example",
        "{slug}.{nonce}.exempt-rebind-audit.example",
        "{slug}.{nonce}.xempt.rebind-audit.example",
    ] {
        cases.push(one("N11", "a name that ends alike", asked, secret, false));
    }
    for asked in [
        "exempt.rebind-audit.example.{slug}.{nonce}.evil.example",
        "{slug}.{nonce}.exempt.rebind-audit.example.com",
    ] {
        cases.push(one("N12", "an exempt name on the left", asked, secret, false));
    }
    for asked in [
        r"{slug}.{nonce}.evil\.exempt.rebind-audit.example",
        r"{slug}.{nonce}.exempt\.rebind-audit.example",
        r"{slug}.{nonce}.evil\.exempt\.rebind-audit\.example",
        r"{slug}.{nonce}.evil\006exempt.rebind-audit.example",
    ] {
        cases.push(one("N13", "a dot inside a label", asked, secret, false));
    }
    for asked in [
        "{slug}.{nonce}.xn--exmpt-bsa.rebind-audit.example",
        r"{slug}.{nonce}.ex\195\169mpt.rebind-audit.example",
        r"{slug}.{nonce}.evil\227\128\130exempt.rebind-audit.example",
    ] {
        // Octets that no host name has may also be turned away before anybody is asked.
        let no = Expect::AnyOf(vec![Expect::Blocked, Expect::Rcode(code::NXDOMAIN)]);
        cases.push(one("N15", "a name that looks alike", asked, secret, false).expect(no));
    }
    cases
}

/// X05 and the conditions of an exception.
fn conditions() -> Vec<Case> {
    let secret = "192.168.1.20";
    vec![
        one("X05", "an exception that has run out", &below("past"), secret, false),
        one("X05", "an exception that has not run out", &below("later"), secret, true),
        one("X01", "an exception for other clients", &below("others"), secret, false),
        one("X01", "an exception that only reports", &below("watched"), secret, true),
        Case::new(Group::Exceptions, "X01", "an exception and the other family")
            .named(&below("exempt"))
            .answers([Record::address(ip(secret)), Record::address(ip("::1"))])
            .forbid(["::1"])
            .leaves_addresses([secret]),
        Case::new(Group::Exceptions, "X01", "an exception and a hint")
            .named(&below("exempt"))
            .ask(code::HTTPS)
            .answers([Record::new(code::HTTPS, hinted(&[192, 168, 1, 20, 127, 0, 0, 1]))])
            .forbid(["127.0.0.1"])
            .leaves([Record::new(code::HTTPS, hinted(&[192, 168, 1, 20]))]),
    ]
}

fn hinted(addresses: &[u8]) -> Vec<u8> {
    crate::audit::wire::svcb(1, &[0], &[(1, b"\x02h2".to_vec()), (4, addresses.to_vec())])
}
