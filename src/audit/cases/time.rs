//! T01, T07, T08: answers that change, and how long a block reply lives.

use super::{Case, Expect, Group, Kept, PUBLIC4, PUBLIC6, ip};
use crate::audit::wire::{self, Record, code};

fn case(id: &'static str, title: &'static str) -> Case {
    Case::new(Group::Time, id, title)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (variant, ttl, public_first) in [
        ("public first, TTL 0", 0, true),
        ("public first, TTL 1", 1, true),
        ("inside first, TTL 0", 0, false),
    ] {
        let either = || Expect::AnyOf(vec![Expect::Answer(vec![Kept::address(PUBLIC4)]), Expect::Blocked]);
        cases.push(
            case("T01", "a name that flips")
                .variant(variant)
                .reply(move |asked| {
                    let public = (asked.before % 2 == 0) == public_first;
                    let address = if public { PUBLIC4 } else { "127.0.0.1" };
                    asked.reply().answer([Record::address(ip(address)).ttl(ttl)])
                })
                .forbid(["127.0.0.1"])
                .expect(either())
                .then(code::A, either())
                .then(code::A, either()),
        );
    }
    for ttl in [86_400, u32::MAX, 0x8000_0000, 0] {
        cases.push(
            case("T07", "a block reply that must not live long")
                .variant(format!("TTL {ttl}"))
                .reply(move |asked| {
                    let soa =
                        Record::new(code::SOA, wire::soa("ns.rebind-audit.example", 86_400)).ttl(86_400);
                    asked
                        .reply()
                        .answer([Record::address(ip("192.168.1.1")).ttl(ttl)])
                        .authority([soa.owned_by(super::ZONE)])
                })
                .forbid(["192.168.1.1"])
                .blocked(),
        );
    }
    for (variant, first, second) in
        [("A public, AAAA inside", PUBLIC4, "::1"), ("A inside, AAAA public", "127.0.0.1", PUBLIC6)]
    {
        let fate = |address: &str| {
            if [PUBLIC4, PUBLIC6].contains(&address) {
                Expect::Answer(vec![Kept::address(address)])
            } else {
                Expect::Blocked
            }
        };
        let secret = if first == PUBLIC4 { second } else { first };
        cases.push(
            case("T08", "one family public, the other inside")
                .variant(variant)
                .reply(move |asked| {
                    let address = if asked.qtype() == code::A { first } else { second };
                    asked.reply().answer([Record::address(ip(address))])
                })
                .forbid([secret])
                .expect(fate(first))
                .then(code::AAAA, fate(second)),
        );
    }
    cases
}
