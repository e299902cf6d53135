//! The attacks: what an attacker's zone holds, what a page asks for first, and what it asks for then.
//!
//! In all of it `@` is the apex of a zone that no other attack and no other run has: RUN.ATTACK.evil.example.

#![allow(unreachable_pub)]

use stubborn::audit::wire::{TTL, code};

/// How stubborn is set up: each way in which a name may lead inside.
pub const CONFIG: &str = r#"
[[exception]]
domain = "nas.example.org"
networks = ["192.168.1.0/24"]

[[exception]]
domain = "ex.example.org"
exact = true

[[exception]]
preset = "plex"

[[local]]
name = "printer.example.net"
addresses = ["192.168.1.30"]

[[local]]
name = "*.dev.example.net"
addresses = ["127.0.0.1"]
"#;

/// The domains that may lead inside by that, each with what is below it, and those that do so by themselves.
pub const INSIDE: &[&str] = &[
    "nas.example.org",
    "ex.example.org",
    "plex.direct",
    "printer.example.net",
    "dev.example.net",
    "corp.example.com",
    "lan",
    "localhost",
    "localdomain",
    "local",
    "internal",
    "home.arpa",
];

/// The name of the host, where a test sets it. The public does not know it.
pub const HOST: &str = "laptop.example.edu";

/// The domains that a route of their own has, in the configuration of every test here.
pub const ROUTES: &[&str] = &["corp.example.com", "lan"];

/// A name of the plex preset.
const PLEX: &str = "192-168-1-50.0123456789abcdef.plex.direct";

/// What honest name servers say.
pub const HONEST: &[&str] = &[
    "www.example.org A 9.9.9.9",
    "www.example.org AAAA 2620:fe::9",
    "nas.example.org A 192.168.1.20",
    "nas.example.org AAAA 2620:fe::20",
    "ex.example.org A 192.168.1.22",
    "ex.example.org AAAA 2620:fe::22",
    "deep.nas.example.org A 192.168.1.21",
    "deep.nas.example.org AAAA 2620:fe::21",
    "192-168-1-50.0123456789abcdef.plex.direct A 192.168.1.50",
    "192-168-1-50.0123456789abcdef.plex.direct AAAA 2620:fe::50",
    "www.direct A 9.9.9.9",
    "www.example.net A 9.9.9.9",
    "www.example.net AAAA 2620:fe::9",
    // What the public says of the names that it does not decide on.
    "printer.example.net AAAA 2620:fe::30",
    "x.dev.example.net AAAA 2620:fe::31",
    "www.example.com A 9.9.9.9",
    "www.example.com AAAA 2620:fe::9",
    "host.corp.example.com A 10.0.0.7",
    "host.corp.example.com AAAA 2620:fe::7",
    "router.lan A 10.0.0.1",
    "router.lan AAAA 2620:fe::1",
    "www.example.edu A 9.9.9.9",
    "www.example.edu AAAA 2620:fe::9",
    "pub.example A 9.9.9.9",
    "pub.example AAAA 2620:fe::9",
    "www.honest.example A 1.1.1.1",
    "www.honest.example AAAA 2606:4700:4700::1111",
    "www.honest.example HTTPS 1 .",
    "alias.honest.example CNAME alias2.honest.example",
    "alias2.honest.example CNAME www.cdn.example",
    "k.honest.example DNAME cdn.example",
    "www.cdn.example A 9.9.9.10",
    "www.cdn.example AAAA 2620:fe::10",
    "mail.honest.example MX 10 www.honest.example",
    "_x._tcp.honest.example SRV 443 www.honest.example",
];

/// What has to be answered through each front, before the attacks and after them: name, type and addresses; where the name is
/// asked for another type, that there are records of it.
pub const KEPT: &[(&str, &str, &[&str])] = &[
    ("www.honest.example", "A", &["1.1.1.1"]),
    ("www.honest.example", "AAAA", &["2606:4700:4700::1111"]),
    ("www.honest.example", "HTTPS", &[]),
    ("mail.honest.example", "MX", &[]),
    ("_x._tcp.honest.example", "SRV", &[]),
    ("alias.honest.example", "A", &["9.9.9.10"]),
    ("alias.honest.example", "AAAA", &["2620:fe::10"]),
    ("alias.honest.example", "CNAME", &[]),
    ("www.k.honest.example", "A", &["9.9.9.10"]),
    ("www.k.honest.example", "AAAA", &["2620:fe::10"]),
    ("nas.example.org", "A", &["192.168.1.20"]),
    ("nas.example.org", "AAAA", &["2620:fe::20"]),
    ("deep.nas.example.org", "A", &["192.168.1.21"]),
    ("ex.example.org", "A", &["192.168.1.22"]),
    (PLEX, "A", &["192.168.1.50"]),
    ("printer.example.net", "A", &["192.168.1.30"]),
    ("x.dev.example.net", "A", &["127.0.0.1"]),
    ("host.corp.example.com", "A", &["10.0.0.7"]),
    ("router.lan", "A", &["10.0.0.1"]),
    ("www.example.org", "A", &["9.9.9.9"]),
    ("www.example.net", "A", &["9.9.9.9"]),
    ("www.example.com", "A", &["9.9.9.9"]),
];

/// A reply in so many words, whatever type is asked for.
pub struct Said {
    pub name: &'static str,
    pub rcode: u16,
    pub answer: &'static [&'static str],
    pub authority: &'static [&'static str],
    pub additional: &'static [&'static str],
}

/// An attack.
pub struct Attack {
    /// A label of its own.
    pub id: &'static str,
    /// What the attacker's zone holds.
    pub zone: &'static [&'static str],
    /// Replies that no zone gives.
    pub said: &'static [Said],
    /// Names that are asked for first, so that caches know what was said.
    pub poison: &'static [&'static str],
    /// Types these are asked for, besides those that all are.
    pub types: &'static [&'static str],
    /// Names that are asked for then.
    pub victims: &'static [&'static str],
    /// The TTL of every record.
    pub ttl: u32,
}

/// The types that are asked for first, each in a run of its own.
pub const POISON: &[&str] = &["A", "AAAA", "HTTPS", "ANY", "CNAME", "DNAME", "TXT"];

/// The types victims are asked for, each with DO and without.
pub const VICTIM: &[&str] = &["A", "AAAA", "ANY"];

const fn attack(
    id: &'static str,
    zone: &'static [&'static str],
    poison: &'static [&'static str],
    victims: &'static [&'static str],
) -> Attack {
    Attack { id, zone, said: &[], poison, types: &[], victims, ttl: TTL }
}

const fn said(
    id: &'static str,
    said: &'static [Said],
    poison: &'static [&'static str],
    victims: &'static [&'static str],
) -> Attack {
    Attack { id, zone: &[], said, poison, types: &[], victims, ttl: TTL }
}

/// A service's record.
const fn service(id: &'static str, zone: &'static [&'static str], names: &'static [&'static str]) -> Attack {
    Attack { types: &["HTTPS", "SVCB", "SRV"], ..attack(id, zone, names, names) }
}

const fn answer(name: &'static str, answer: &'static [&'static str]) -> Said {
    Said { name, rcode: code::NOERROR, answer, authority: &[], additional: &[] }
}

/// All of them.
pub const ATTACKS: &[Attack] = &[
    // A DNAME, from which whoever keeps it makes answers by itself.
    attack(
        "dname-root",
        &["k.@ DNAME ."],
        &["pub.example.k.@", "k.@"],
        &[
            "localhost.k.@",
            "nas.example.org.k.@",
            "192-168-1-50.0123456789abcdef.plex.direct.k.@",
            "printer.example.net.k.@",
            "x.dev.example.net.k.@",
            "host.corp.example.com.k.@",
            "router.lan.k.@",
        ],
    ),
    attack("dname-tld", &["k.@ DNAME org"], &["www.example.k.@"], &["nas.example.k.@"]),
    attack(
        "dname-exempt",
        &["k.@ DNAME example.org"],
        &["www.k.@", "k.@"],
        &["nas.k.@", "deep.nas.k.@", "ex.k.@"],
    ),
    attack("dname-exempt-itself", &["k.@ DNAME nas.example.org"], &["deep.k.@", "k.@"], &["deep.k.@"]),
    attack("dname-plex", &["k.@ DNAME direct"], &["www.k.@"], &["192-168-1-50.0123456789abcdef.plex.k.@"]),
    attack(
        "dname-plex-itself",
        &["k.@ DNAME plex.direct"],
        &["192-168-1-50.0123456789abcdef.k.@", "k.@"],
        &["192-168-1-50.0123456789abcdef.k.@"],
    ),
    attack("dname-local", &["k.@ DNAME example.net"], &["www.k.@"], &["printer.k.@", "x.dev.k.@"]),
    attack("dname-local-itself", &["k.@ DNAME dev.example.net"], &["x.k.@", "k.@"], &["x.k.@", "y.k.@"]),
    attack("dname-route", &["k.@ DNAME example.com"], &["www.k.@"], &["host.corp.k.@"]),
    attack("dname-route-itself", &["k.@ DNAME corp.example.com"], &["host.k.@", "k.@"], &["host.k.@"]),
    attack("dname-lan", &["k.@ DNAME lan"], &["router.k.@", "k.@"], &["router.k.@"]),
    attack("dname-localhost", &["k.@ DNAME localhost"], &["a.k.@", "k.@"], &["a.k.@", "b.k.@"]),
    attack("dname-apex", &["@ DNAME example.org"], &["www.@", "@"], &["nas.@"]),
    attack(
        "dname-second",
        &["www.@ CNAME www.k.@", "k.@ DNAME example.org"],
        &["www.@"],
        &["nas.k.@", "www.@"],
    ),
    attack(
        "dname-honest-first",
        &["k.@ DNAME m.@", "x.m.@ CNAME nas.example.org", "www.m.@ A 9.9.9.9", "m.@ A 9.9.9.9"],
        &["www.k.@", "x.k.@", "x.m.@"],
        &["x.k.@", "x.m.@", "www.x.k.@"],
    ),
    attack("dname-twice", &["j.@ DNAME k.@", "k.@ DNAME example.org"], &["www.j.@"], &["nas.j.@", "nas.k.@"]),
    Attack { ttl: 0, ..attack("dname-ttl-0", &["k.@ DNAME example.org"], &["www.k.@"], &["nas.k.@"]) },
    said(
        "dname-disagrees",
        &[answer(
            "www.k.@",
            &["k.@ DNAME example.org", "www.k.@ CNAME www.cdn.example", "www.cdn.example A 9.9.9.10"],
        )],
        &["www.k.@"],
        &["nas.k.@", "www.k.@"],
    ),
    said(
        "dname-disagrees-root",
        &[answer(
            "localhost.k.@",
            &["k.@ DNAME .", "localhost.k.@ CNAME www.cdn.example", "www.cdn.example A 9.9.9.10"],
        )],
        &["localhost.k.@"],
        &["localhost.k.@", "router.lan.k.@"],
    ),
    said(
        "dname-alone",
        &[answer("www.k.@", &["k.@ DNAME example.org", "www.example.org A 9.9.9.9"])],
        &["www.k.@"],
        &["nas.k.@"],
    ),
    said(
        "dname-with-address",
        &[answer("www.k.@", &["k.@ DNAME example.org", "www.k.@ A 9.9.9.9", "www.k.@ AAAA 2620:fe::9"])],
        &["www.k.@"],
        &["nas.k.@"],
    ),
    said(
        "dname-elsewhere",
        &[Said {
            authority: &["k.@ DNAME example.org", "@ NS ns.k.@"],
            additional: &["k.@ DNAME example.org", "nas.k.@ CNAME nas.example.org", "ns.k.@ A 192.168.1.1"],
            ..answer("www.k.@", &["www.k.@ A 9.9.9.9", "www.k.@ AAAA 2620:fe::9"])
        }],
        &["www.k.@"],
        &["nas.k.@", "ns.k.@"],
    ),
    // An alias, which whoever keeps it follows for other types by itself.
    attack(
        "cname-exempt",
        &["c.@ CNAME nas.example.org", "d.@ CNAME ex.example.org"],
        &["c.@", "d.@"],
        &["c.@", "d.@"],
    ),
    attack(
        "cname-exempt-chain",
        &["c.@ CNAME d.@", "d.@ CNAME e.@", "e.@ CNAME nas.example.org"],
        &["c.@", "d.@"],
        &["c.@", "d.@", "e.@"],
    ),
    Attack {
        types: &["DNSKEY", "DS", "MX", "NAPTR", "NS", "NSEC", "PTR", "RRSIG", "SOA", "SRV", "SVCB", "URI"],
        ..attack(
            "cname-other-types",
            &["c.@ CNAME NAS.Example.ORG", "k.@ DNAME EXAMPLE.org"],
            &["c.@", "www.k.@", "k.@"],
            &["c.@", "nas.k.@"],
        )
    },
    attack("cname-apex", &["@ CNAME nas.example.org"], &["@"], &["@"]),
    attack("cname-plex", &["c.@ CNAME 192-168-1-50.0123456789abcdef.plex.direct"], &["c.@"], &["c.@"]),
    attack(
        "cname-local",
        &["c.@ CNAME printer.example.net", "d.@ CNAME x.dev.example.net"],
        &["c.@", "d.@"],
        &["c.@", "d.@"],
    ),
    attack(
        "cname-route",
        &["c.@ CNAME host.corp.example.com", "d.@ CNAME router.lan"],
        &["c.@", "d.@"],
        &["c.@", "d.@"],
    ),
    attack(
        "cname-localhost",
        &["c.@ CNAME localhost", "d.@ CNAME a.localhost"],
        &["c.@", "d.@"],
        &["c.@", "d.@"],
    ),
    Attack { ttl: 0, ..attack("cname-ttl-0", &["c.@ CNAME nas.example.org"], &["c.@"], &["c.@"]) },
    said(
        "cname-nxdomain",
        &[Said {
            rcode: code::NXDOMAIN,
            authority: &["example.org SOA ns.honest.example"],
            ..answer("c.@", &["c.@ CNAME nas.example.org"])
        }],
        &["c.@"],
        &["c.@"],
    ),
    said("cname-without-end", &[answer("c.@", &["c.@ CNAME nas.example.org"])], &["c.@"], &["c.@"]),
    said(
        "cname-with-own-address",
        &[answer("c.@", &["c.@ CNAME nas.example.org", "c.@ A 9.9.9.9", "c.@ AAAA 2620:fe::9"])],
        &["c.@"],
        &["c.@"],
    ),
    // The name of the host, which a resolver on it may answer by itself.
    attack(
        "cname-host",
        &["c.@ CNAME laptop.example.edu", "d.@ CNAME e.@", "e.@ CNAME Laptop.Example.EDU"],
        &["c.@", "d.@"],
        &["c.@", "d.@", "e.@"],
    ),
    attack(
        "cname-host-with-address",
        &[
            "c.@ CNAME laptop.example.edu",
            "laptop.example.edu A 9.9.9.11",
            "laptop.example.edu AAAA 2620:fe::11",
        ],
        &["c.@"],
        &["c.@"],
    ),
    attack("dname-host", &["k.@ DNAME example.edu"], &["www.k.@", "k.@"], &["laptop.k.@"]),
    attack("dname-host-tld", &["k.@ DNAME edu"], &["www.example.k.@"], &["laptop.example.k.@"]),
    said(
        "cname-host-nxdomain",
        &[Said {
            rcode: code::NXDOMAIN,
            authority: &["example.edu SOA ns.honest.example"],
            ..answer("c.@", &["c.@ CNAME laptop.example.edu"])
        }],
        &["c.@"],
        &["c.@"],
    ),
    said("cname-host-without-end", &[answer("c.@", &["c.@ CNAME laptop.example.edu"])], &["c.@"], &["c.@"]),
    attack(
        "from-route-host",
        &["@.corp.example.com CNAME laptop.example.edu"],
        &["@.corp.example.com"],
        &["@.corp.example.com"],
    ),
    service(
        "service-host",
        &[
            "a.@ HTTPS 0 laptop.example.edu",
            "b.@ HTTPS 1 laptop.example.edu",
            "c.@ SVCB 1 laptop.example.edu",
            "d.@ SRV 443 laptop.example.edu",
        ],
        &["a.@", "b.@", "c.@", "d.@"],
    ),
    // What is said of others.
    said(
        "bystander",
        &[Said {
            additional: &["www.cdn.example A 192.168.1.1", "nas.example.org A 10.0.0.1"],
            ..answer(
                "c.@",
                &["c.@ A 9.9.9.9", "www.cdn.example CNAME nas.example.org", "www.example.org A 192.168.1.1"],
            )
        }],
        &["c.@"],
        &["www.cdn.example", "www.example.org"],
    ),
    // What a trusted name leads to, of which a cache keeps the end by the end's own name.
    attack(
        "from-route",
        &["@.corp.example.com CNAME t.@", "t.@ A 10.0.0.7", "t.@ AAAA fd00::7"],
        &["@.corp.example.com"],
        &["t.@"],
    ),
    attack(
        "from-route-dname",
        &["k.@.corp.example.com DNAME t.@", "x.t.@ A 10.0.0.7", "x.t.@ AAAA fd00::7"],
        &["x.k.@.corp.example.com"],
        &["x.t.@"],
    ),
    attack(
        "from-exempt",
        &["@.nas.example.org CNAME t.@", "t.@ A 192.168.1.7", "t.@ AAAA fd00::7"],
        &["@.nas.example.org"],
        &["t.@"],
    ),
    attack(
        "from-local",
        &["@.dev.example.net CNAME t.@", "t.@ A 127.0.0.1", "t.@ AAAA ::1"],
        &["@.dev.example.net"],
        &["t.@"],
    ),
    // Services, which lead a client on to other names.
    service("https-alias", &["s.@ HTTPS 0 nas.example.org", "s.@ SVCB 0 nas.example.org"], &["s.@"]),
    service("https-service", &["s.@ HTTPS 1 nas.example.org", "s.@ SVCB 1 nas.example.org"], &["s.@"]),
    service(
        "https-others",
        &[
            "a.@ HTTPS 0 printer.example.net",
            "b.@ SVCB 0 host.corp.example.com",
            "c.@ HTTPS 0 localhost",
            "d.@ HTTPS 0 router.lan",
            "e.@ SVCB 1 192-168-1-50.0123456789abcdef.plex.direct",
        ],
        &["a.@", "b.@", "c.@", "d.@", "e.@"],
    ),
    service(
        "https-by-alias",
        &["s.@ CNAME t.@", "t.@ HTTPS 0 nas.example.org", "u.@ HTTPS 0 v.@", "v.@ CNAME nas.example.org"],
        &["s.@", "u.@", "v.@"],
    ),
    service(
        "srv",
        &[
            "a.@ SRV 443 nas.example.org",
            "b.@ SRV 443 printer.example.net",
            "c.@ SRV 443 host.corp.example.com",
            "d.@ SRV 443 localhost",
        ],
        &["a.@", "b.@", "c.@", "d.@"],
    ),
    // What any resolver would have to hold back.
    attack("address", &["i.@ A 192.168.1.1", "i.@ AAAA fd00::1"], &["i.@"], &["i.@"]),
];
