//! N07–N09, N16–N20, P01–P04, L01–L03: names that are answered here and reach no upstream.

use super::{Case, Expect, Group, ip};
use crate::audit::wire::{self, Record, code, name};

fn case(id: &'static str, title: &'static str, asked: &str, qtype: u16) -> Case {
    // Should the name get out all the same, it meets an upstream that answers with loopback.
    let hostile = [Record::address(ip("127.0.0.1")), Record::address(ip("::1"))];
    Case::new(Group::LocalNames, id, title)
        .variant(format!("{asked} TYPE{qtype}"))
        .named(asked)
        .ask(qtype)
        .answers(hostile)
        .expect(nothing())
        .stays_here()
}

/// NXDOMAIN or NODATA: both are answers from here.
fn nothing() -> Expect {
    Expect::AnyOf(vec![Expect::Rcode(code::NXDOMAIN), Expect::Rcode(code::NOERROR)])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for asked in ["localhost", "LOCALHOST", "foo.localhost", "a.{slug}.{nonce}.localhost"] {
        let local =
            |qtype, address| case("N02", "localhost is this host", asked, qtype).keeps_addresses([address]);
        cases.push(local(code::A, "127.0.0.1"));
        cases.push(local(code::AAAA, "::1"));
    }
    cases.push(case("N02", "localhost has no other types", "localhost", code::TXT));

    for asked in ["intranet-{slug}", "wpad", "isatap", "router-{slug}"] {
        for qtype in [code::A, code::AAAA] {
            cases.push(case("N07", "a name of one label", asked, qtype));
        }
    }
    for asked in ["10.0.2.555", "1.09.0.0", "0x7f.1", "127.1", "a.{slug}.0x7f", "{slug}.{nonce}.1"] {
        cases.push(case("N09", "a name whose last label is a number", asked, code::A));
    }
    for top in [
        "local",
        "internal",
        "home.arpa",
        "lan",
        "corp",
        "home",
        "mail",
        "test",
        "invalid",
        "onion",
        "localdomain",
        "intranet",
        "private",
    ] {
        let asked = format!("{{slug}}.{{nonce}}.{top}");
        cases.push(case("N16", "a name of an inside top-level domain", &asked, code::A));
    }
    for asked in ["host.docker.internal", "metadata.google.internal"] {
        cases.push(case("N17", "an inside name from a stranger's server", asked, code::A));
    }
    for asked in [
        "252.253.254.10.in-addr.arpa",
        "252.253.31.172.in-addr.arpa",
        "252.253.168.192.in-addr.arpa",
        "252.253.254.169.in-addr.arpa",
        "252.2.0.192.in-addr.arpa",
        "252.253.64.100.in-addr.arpa",
        "252.253.252.0.in-addr.arpa",
        "255.255.255.255.in-addr.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.5.d.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa",
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    ] {
        cases.push(case("N19", "a reverse name of an inside address", asked, code::PTR));
    }
    let localhost = super::Kept { rtype: code::PTR, rdata: name("localhost") };
    let loopback = Expect::AnyOf(vec![Expect::Answer(vec![localhost]), nothing()]);
    cases.push(
        case("N19", "the reverse name of 127.0.0.1", "1.0.0.127.in-addr.arpa", code::PTR).expect(loopback),
    );
    for asked in ["lb._dns-sd._udp.0.1.168.192.in-addr.arpa", "b._dns-sd._udp.local", "wpad.lan"] {
        cases.push(case("N20", "service discovery in a name inside", asked, code::PTR));
    }

    for qtype in [code::A, code::AAAA] {
        cases.push(case("P01", "Firefox's canary", "use-application-dns.net", qtype));
        for asked in ["mask.icloud.com", "mask-h2.icloud.com"] {
            cases.push(case("P02", "Private Relay's names", asked, qtype));
        }
    }
    for (asked, qtype) in [("_dns.resolver.arpa", code::SVCB), ("resolver.arpa", code::A)] {
        let case = case("P03", "discovery of a designated resolver", asked, qtype);
        cases.push(case.expect(Expect::Rcode(code::NOERROR)));
    }
    for asked in ["version.bind", "version.server", "hostname.bind", "id.server", "authors.bind"] {
        let mut case = case("P04", "a question about the server", asked, code::TXT).expect(Expect::Safe);
        case.steps.iter_mut().for_each(|step| step.ask.qclass = code::CH);
        cases.push(case);
    }
    cases
}

/// The local names of [`FIXTURE`](super::FIXTURE).
pub(super) fn own_names() -> Vec<Case> {
    const INSIDE: &str = "192.168.1.20";
    let held = "{slug}.{nonce}.held.rebind-audit.example";
    let whole = "{slug}.{nonce}.whole.rebind-audit.example";
    let nodata = || Expect::Negative(code::NOERROR);
    let token = || Record::new(code::TXT, wire::txt(b"from outside"));
    let outside = |variant| {
        Case::new(Group::LocalNames, "L02", "other types of a local name come from outside")
            .variant(variant)
            .named(held)
            .ask(code::TXT)
    };
    let mut cases = vec![
        case("L01", "a local name has its own address", held, code::A).keeps_addresses([INSIDE]),
        case("L01", "a local name has its own address", whole, code::A).keeps_addresses([INSIDE]),
        outside("a record").answers([token()]).keeps([token()]),
        outside("none: the upstream does not know the name")
            .reply(|asked| asked.nxdomain().authority([]))
            .expect(nodata()),
        outside("a record behind an alias, which a cache would keep for the name itself")
            .answers([
                Record::cname("cdn.rebind-audit.example"),
                token().owned_by("cdn.rebind-audit.example"),
            ])
            .forbid_names(["cdn.rebind-audit.example"])
            .leaves([token()]),
        outside("an alias, asked for as such")
            .ask(code::CNAME)
            .answers([Record::cname("cdn.rebind-audit.example")])
            .forbid_names(["cdn.rebind-audit.example"])
            .expect(nodata()),
        outside("an alias to localhost")
            .answers([Record::cname("localhost"), token().owned_by("localhost")])
            .forbid_names(["localhost"])
            .blocked(),
    ];
    for asked in ["www.{slug}.com.held.rebind-audit.example", "{slug}.co.uk.home.held.rebind-audit.example"] {
        let case = case("N08", "a public name followed by a search domain", asked, code::A);
        cases.push(case.expect(Expect::Explained(Box::new(Expect::Rcode(code::NXDOMAIN)), 15)));
    }
    for qtype in [code::AAAA, code::HTTPS, code::SVCB] {
        cases.push(case("L01", "a local name without a record of this type", held, qtype).expect(nodata()));
    }
    for qtype in [code::TXT, code::MX, code::CNAME] {
        cases.push(case("L02", "a local name with every type answered here", whole, qtype).expect(nodata()));
    }
    for (asked, rcode) in [
        ("{slug}.{nonce}.only.rebind-audit.example", code::NXDOMAIN),
        ("only.rebind-audit.example", code::NOERROR),
        ("empty.only.rebind-audit.example", code::NOERROR),
        ("empty.rebind-audit.internal", code::NOERROR),
        ("rebind-audit.internal", code::NOERROR),
    ] {
        let case =
            case("L03", "a name that exists in a domain that is never asked outside", asked, code::TXT);
        cases.push(case.expect(Expect::Negative(rcode)));
    }
    cases
}
