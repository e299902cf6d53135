//! The answers of an attacker's name server, and the questions that take advantage of them.

#![allow(unreachable_pub)]

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{self, Record, code, name};

use crate::support_more::Call;

/// Questions whose answers a resolver may keep, and questions that it might answer from these.
pub struct Attack {
    pub title: &'static str,
    pub bait: &'static [(&'static str, u16)],
    pub hook: &'static [(&'static str, u16)],
}

const A: u16 = code::A;
const AAAA: u16 = code::AAAA;

pub const ATTACKS: &[Attack] = &[
    Attack {
        title: "a DNAME to the root",
        bait: &[("pub.example.root.evil.example", A), ("root.evil.example", code::DNAME)],
        hook: &[("localhost.root.evil.example", A), ("x.localhost.root.evil.example", AAAA)],
    },
    Attack {
        title: "a DNAME to a top-level domain",
        bait: &[("www.tld.evil.example", A)],
        hook: &[("192-168-1-20.0123456789abcdef0123456789abcdef.plex.tld.evil.example", A)],
    },
    Attack {
        title: "a DNAME to a preset's domain",
        bait: &[("www.plex.evil.example", A), ("plex.evil.example", code::DNAME)],
        hook: &[("192-168-1-20.0123456789abcdef0123456789abcdef.plex.evil.example", A)],
    },
    Attack {
        title: "a DNAME above an exempt name",
        bait: &[("www.exempt.evil.example", A), ("www.exempt.evil.example", AAAA)],
        hook: &[("nas.exempt.evil.example", A)],
    },
    Attack {
        title: "a DNAME above a local name",
        bait: &[("www.local.evil.example", A), ("www.local.evil.example", code::HTTPS)],
        hook: &[("a.local.evil.example", A)],
    },
    Attack {
        title: "a DNAME to a route",
        bait: &[("www.route.evil.example", A)],
        hook: &[("host.route.evil.example", A)],
    },
    Attack {
        title: "a DNAME that its CNAME disagrees with",
        bait: &[("www.odd.evil.example", A), ("odd.evil.example", code::DNAME)],
        hook: &[("nas.odd.evil.example", A), ("nas.odd.evil.example", AAAA)],
    },
    Attack {
        title: "an alias to an exempt name that has a public address too",
        bait: &[("alias.evil.example", AAAA), ("alias.evil.example", code::CNAME)],
        hook: &[("alias.evil.example", A)],
    },
    Attack {
        title: "an alias to an exempt name that has no such record",
        bait: &[("alias.evil.example", code::TXT)],
        hook: &[("alias.evil.example", A)],
    },
    Attack {
        title: "an alias to a local name",
        bait: &[("alias-local.evil.example", AAAA), ("alias-local.evil.example", code::TXT)],
        hook: &[("alias-local.evil.example", A)],
    },
    Attack {
        title: "an alias to a route's name",
        bait: &[("alias-route.evil.example", AAAA), ("alias-route.evil.example", code::TXT)],
        hook: &[("alias-route.evil.example", A)],
    },
    Attack {
        title: "a service at an exempt name",
        bait: &[("service.evil.example", code::HTTPS)],
        hook: &[("service.evil.example", A)],
    },
];

pub enum Fate {
    Kept(&'static [&'static str]),
}

/// Honest questions, which must be answered.
pub const HONEST: &[(&str, u16, Fate)] = &[
    ("www.example", A, Fate::Kept(&["9.9.9.9"])),
    ("chain.honest.example", A, Fate::Kept(&["9.9.9.9"])),
    ("www.moved.honest.example", A, Fate::Kept(&["9.9.9.9"])),
    ("shop.moved.honest.example", AAAA, Fate::Kept(&["2620:fe::fe"])),
    ("nas.example.org", A, Fate::Kept(&["192.168.1.20"])),
    ("nas.example.org", AAAA, Fate::Kept(&["2620:fe::fe"])),
    ("192-168-1-20.0123456789abcdef0123456789abcdef.plex.direct", A, Fate::Kept(&["192.168.1.20"])),
    ("a.box.example", A, Fate::Kept(&["127.0.0.1"])),
    ("host.corp.example", A, Fate::Kept(&["10.1.2.3"])),
];

/// Owner, target.
const DNAMES: &[(&str, &str)] = &[
    ("root.evil.example", ""),
    ("tld.evil.example", "direct"),
    ("plex.evil.example", "plex.direct"),
    ("exempt.evil.example", "example.org"),
    ("local.evil.example", "box.example"),
    ("route.evil.example", "corp.example"),
    ("odd.evil.example", "example.org"),
    ("moved.honest.example", "cdn.example"),
];

/// Owner, target.
const CNAMES: &[(&str, &str)] = &[
    ("alias.evil.example", "nas.example.org"),
    ("alias-local.evil.example", "a.box.example"),
    ("alias-route.evil.example", "host.corp.example"),
    ("chain.honest.example", "cdn.example"),
];

pub fn is_inside(address: &str) -> bool {
    ["192.168.", "10.", "127.", "fd", "::1"].iter().any(|start| address.starts_with(start))
}

/// Every name has a public address of either family, and `nas.example.org` and Plex one at home.
pub fn answer(call: &Call) -> Vec<Action> {
    let qname = call.name().to_ascii_lowercase();
    let qname = qname.trim_end_matches('.');
    if qname == "service.evil.example" && call.qtype() == code::HTTPS {
        let alias = wire::svcb(0, &name("nas.example.org"), &[]);
        return call.answer([Record::new(code::HTTPS, alias)]);
    }
    for (owner, target) in DNAMES {
        if qname == *owner && call.qtype() == code::DNAME {
            return call.answer([Record::new(code::DNAME, name(target))]);
        }
        if let Some(labels) = qname.strip_suffix(&format!(".{owner}")) {
            let dname = Record::new(code::DNAME, name(if target.is_empty() { "." } else { target }));
            let end = match *owner {
                "odd.evil.example" => "www.cdn.example".to_owned(),
                _ => format!("{labels}.{target}").trim_end_matches('.').to_owned(),
            };
            let records = [dname.owned_by(owner), Record::cname(&end)];
            return call.answer(records.into_iter().chain(address(&end, call.qtype())));
        }
    }
    for (owner, target) in CNAMES {
        if qname == *owner {
            let end = address(target, call.qtype()).into_iter().filter(|_| call.qtype() != code::CNAME);
            return call.answer([Record::cname(target)].into_iter().chain(end));
        }
    }
    match address(qname, call.qtype()) {
        Some(record) => call.answer([record]),
        None => call.send(&call.asked().nodata()),
    }
}

fn address(owner: &str, qtype: u16) -> Option<Record> {
    let text = match qtype {
        A if owner == "nas.example.org" || owner.ends_with(".plex.direct") => "192.168.1.20",
        A => "9.9.9.9",
        AAAA => "2620:fe::fe",
        _ => return None,
    };
    Some(Record::address(text.parse().unwrap()).owned_by(owner))
}
