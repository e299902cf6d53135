//! The oracle must be able to fail: without a guard every attack is read by somebody, and what is honest is not
//! taken for an attack.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use super::cases::{Action, Asked, Case, Expect, Group, RouteSetup, Setup, catalogue};
use super::oracle::parse::{lenient, strict};
use super::oracle::{Leaked, Secrets, leaks, stubs};
use super::run::{Exchange, Problem, Transport, ask_tcp, ask_udp, judge, play};
use super::upstream::AttackUpstream;
use super::wire::{self, Message, Query, Record, code, flag, name};
use crate::policy::{OnBlock, Profile};

const NONCE: &str = "n-0123456789ab";

fn everything() -> Setup {
    Setup {
        host: vec!["192.168.7.7".parse().unwrap(), "2a01:4f8:77::7".parse().unwrap()],
        host_name: Some("laptop.example.edu".to_owned()),
        nat64: [
            "2a00:6432::/32",
            "2a00:6440:100::/40",
            "2a00:6448:1::/48",
            "2a00:6456:1:100::/56",
            "2a00:6464:2:3::/64",
        ]
        .into_iter()
        .chain(["2a00:6496:ff9b::/96", "2a00:6432:7f00:1::/96"])
        .map(|net| net.parse().unwrap())
        .collect(),
        fixture: true,
        routes: vec![
            route("corp.example", &["10.0.0.0/8", "127.0.0.0/24"]),
            RouteSetup { of_strangers: true, ..route("com", &["192.168.0.0/16"]) },
            RouteSetup { here_only: true, ..route("home.example", &[]) },
        ],
        ..Setup::default()
    }
}

fn route(domain: &str, networks: &[&str]) -> RouteSetup {
    RouteSetup {
        domain: domain.to_owned(),
        origin: "a.toml:1".to_owned(),
        networks: networks.iter().map(|net| net.parse().unwrap()).collect(),
        exempt: Vec::new(),
        of_strangers: false,
        here_only: false,
        elsewhere: Some("nas.lab.example".to_owned()),
    }
}

fn queries(case: &Case) -> Vec<(Query, &Expect)> {
    case.steps
        .iter()
        .map(|step| {
            let query = Query {
                id: 0x1234,
                qname: name(&step.ask.name.replace("{nonce}", NONCE)),
                qtype: step.ask.qtype,
                qclass: step.ask.qclass,
                flags: step.ask.flags,
                edns: step.ask.edns,
            };
            (query, &step.expect)
        })
        .collect()
}

/// Every message the upstream of a case sends in answer to `query`, in a datagram or on a stream, to the first and
/// to later queries.
fn unfiltered(case: &Case, query: &Query) -> Vec<Vec<u8>> {
    let wire = query.encode();
    let mut messages = Vec::new();
    for (template, script) in &case.scripts {
        if !name(&template.replace("{nonce}", NONCE)).eq_ignore_ascii_case(&query.qname) {
            continue;
        }
        for (stream, before) in [(false, 0), (true, 0), (false, 1), (true, 1)] {
            for action in script(&Asked { wire: &wire, stream, before }) {
                if let Action::Send(octets) = action {
                    messages.push(octets);
                }
            }
        }
    }
    messages
}

#[test]
fn every_attack_is_read_by_somebody_when_nobody_filters() {
    for profile in [Profile::Standard, Profile::Strict] {
        let cases = catalogue(&Setup { profile, ..everything() });
        let mut missed = Vec::new();
        for case in cases.iter().filter(|case| case.in_the_open) {
            if case.forbidden.is_empty() && case.forbidden_names.is_empty() {
                continue;
            }
            let names: Vec<_> =
                case.forbidden_names.iter().map(|text| name(&text.replace("{nonce}", NONCE))).collect();
            let secrets = Secrets { addresses: &case.forbidden, names: &names, only: None };
            let read = queries(case).iter().any(|(query, _)| {
                unfiltered(case, query).iter().any(|reply| !leaks(reply, query.qtype, secrets).is_empty())
            });
            if !read {
                missed.push(case.to_string());
            }
        }
        assert!(missed.is_empty(), "attacks no reader can read:\n{}", missed.join("\n"));
    }
}

#[test]
fn every_case_has_an_attack_or_something_to_keep() {
    for case in catalogue(&everything()) {
        let hostile = !case.forbidden.is_empty() || !case.forbidden_names.is_empty() || case.stays_here;
        let judged = case.steps.iter().any(|step| step.expect != Expect::Safe);
        assert!(hostile || judged || !case.allowed.is_empty(), "{case}");
        assert!(hostile || case.group != Group::Addresses, "{case}");
    }
}

#[test]
fn no_reader_takes_an_honest_answer_for_an_attack() {
    for case in catalogue(&everything()).iter().filter(|case| case.group == Group::Kept) {
        for (query, expected) in queries(case) {
            for reply in unfiltered(case, &query) {
                let exchange =
                    Exchange { query: query.clone(), transport: Transport::Tcp, replies: vec![reply] };
                let problems = judge(case, expected, &exchange, NONCE);
                let leaks: Vec<_> =
                    problems.iter().filter(|problem| matches!(problem, Problem::Leak(_))).collect();
                assert!(leaks.is_empty(), "{case}: {leaks:?}");
            }
        }
    }
}

#[test]
fn what_may_be_read_is_never_what_must_not() {
    for case in catalogue(&everything()) {
        for step in &case.steps {
            for address in step.expect.addresses().iter().chain(&case.allowed) {
                assert!(!case.forbidden.contains(address), "{case}: {address}");
            }
        }
    }
}

#[test]
fn every_case_has_a_name_and_a_script_of_its_own() {
    let cases = catalogue(&everything());
    let slugs: std::collections::BTreeSet<_> = cases.iter().map(|case| &case.slug).collect();
    assert_eq!(slugs.len(), cases.len());
    for case in &cases {
        assert!(!case.scripts.is_empty(), "{case}");
        for (query, _) in queries(case) {
            assert!(query.qname.len() <= 255, "{case}");
            assert!(strict(&query.encode()).is_ok(), "{case}");
        }
        assert!(
            cases.iter().filter(|other| other.to_string() == case.to_string()).count() == 1,
            "{case} twice"
        );
    }
}

#[test]
fn the_catalogue_covers_its_rows() {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for case in catalogue(&everything()) {
        *rows.entry(case.id).or_default() += 1;
    }
    let ranges = [('A', 1..=24), ('W', 1..=3), ('M', 1..=29), ('P', 1..=3)];
    // A client with several questions never reaches the upstream.
    let elsewhere = ["M22"];
    for (letter, numbers) in ranges {
        for number in numbers {
            let row = format!("{letter}{number:02}");
            assert!(rows.contains_key(row.as_str()) || elsewhere.contains(&row.as_str()), "{row}");
        }
    }
    for row in ["N01", "N02", "N04", "N05", "N06", "N07", "N09", "N10", "N11", "N12", "N13", "N15", "N16"]
        .into_iter()
        .chain([
            "N17", "N19", "N20", "N21", "X01", "X03", "X04", "X05", "X06", "T01", "T07", "T08", "R02", "R03",
        ])
        .chain(["R04", "R08", "N08", "P04", "L01", "L02", "L03", "S01", "S02", "S03", "S04", "S05", "S06"])
    {
        assert!(rows.contains_key(row), "{row}");
    }
}

fn reply(records: impl IntoIterator<Item = Record>) -> Vec<u8> {
    Message {
        flags: flag::QR,
        qdcount: 1,
        question: wire::question(&name("a.example"), code::A, code::IN),
        ..Message::default()
    }
    .answer(records)
    .encode()
}

fn secret() -> Record {
    Record::new(code::A, [127, 0, 0, 1])
}

fn readers(wire: &[u8]) -> Vec<&'static str> {
    let loopback = ["127.0.0.1".parse().unwrap()];
    let secrets = Secrets { addresses: &loopback, ..Secrets::default() };
    leaks(wire, code::A, secrets).into_iter().map(|leak| leak.reader).collect()
}

#[test]
fn each_stub_reads_what_its_model_reads() {
    let table: [(&str, Vec<u8>, &[&str]); 7] = [
        ("plain", reply([secret()]), &["musl", "glibc", "c-ares", "go", "chromium", "scan"]),
        (
            "another owner",
            reply([secret().owned_by("b.example")]),
            &["musl", "glibc", "c-ares", "go", "scan"],
        ),
        ("class CH", reply([secret().class(code::CH)]), &["musl", "go", "scan"]),
        ("TYPE257", reply([Record::new(257, [127, 0, 0, 1])]), &["musl", "scan"]),
        ("a TXT", reply([Record::new(code::TXT, [4, 127, 0, 0, 1])]), &["scan"]),
        ("SOA timers", reply([Record::new(code::SOA, [0, 0, 127, 0, 0, 1])]), &[]),
        ("another address", reply([Record::new(code::A, [1, 1, 1, 1])]), &[]),
    ];
    for (what, wire, expected) in table {
        assert_eq!(readers(&wire), expected, "{what}");
    }
}

#[test]
fn musl_ends_at_an_rcode_and_chromium_does_not() {
    let mut wire = reply([secret()]);
    wire[3] |= 3;
    assert!(!readers(&wire).contains(&"musl"));
    assert!(readers(&wire).contains(&"chromium"));
}

#[test]
fn musl_stumbles_over_odd_labels_and_a_parser_does_not() {
    let cases = catalogue(&Setup::default());
    let smuggled: Vec<_> = cases.iter().filter(|case| case.id == "M09").collect();
    assert!(!smuggled.is_empty());
    for case in smuggled {
        let (query, _) = &queries(case)[0];
        let wire = &unfiltered(case, query)[0];
        assert!(strict(wire).is_ok(), "{case}");
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(stubs::musl(wire, code::A).contains(&loopback), "{case}");
        assert!(!stubs::chromium(&lenient(wire).0).contains(&loopback), "{case}");
    }
}

#[test]
fn an_alias_is_read_in_every_record_that_has_one() {
    let names = [name("localhost")];
    for (rtype, rdata) in [
        (code::CNAME, name("LOCALHOST")),
        (code::DNAME, name("localhost")),
        (code::SRV, wire::srv(80, "localhost")),
        (code::HTTPS, wire::svcb(0, &name("localhost"), &[])),
        (code::SVCB, wire::svcb(1, &name("localhost"), &[(1, b"\x02h2".to_vec())])),
    ] {
        let secrets = Secrets { names: &names, ..Secrets::default() };
        let found = leaks(&reply([Record::new(rtype, rdata)]), rtype, secrets);
        assert_eq!(found.len(), 1, "TYPE{rtype}");
        assert!(matches!(found[0].what, Leaked::Name(_)));
    }
}

/// What a forwarder does without looking: over UDP to UDP, over TCP to TCP.
fn relay(upstream: SocketAddr) -> SocketAddr {
    let patience = std::time::Duration::from_millis(500);
    resolver(move |query, stream| {
        let asked =
            if stream { ask_tcp(upstream, query, patience) } else { ask_udp(upstream, query, patience) };
        asked.ok()
    })
}

/// A resolver of one function, for as long as the test runs.
fn resolver(answer: impl Fn(&[u8], bool) -> Option<Vec<u8>> + Send + Sync + 'static) -> SocketAddr {
    use std::io::{Read, Write};
    let answer = Arc::new(answer);
    let (udp, tcp) = super::upstream::bind().unwrap();
    let address = udp.local_addr().unwrap();
    thread::spawn({
        let answer = Arc::clone(&answer);
        move || {
            let udp = Arc::new(udp);
            let mut buffer = [0; 65_535];
            while let Ok((length, client)) = udp.recv_from(&mut buffer) {
                let query = buffer[..length].to_vec();
                let (answer, udp) = (Arc::clone(&answer), Arc::clone(&udp));
                thread::spawn(move || {
                    answer(&query, false).map(|reply| udp.send_to(&reply, client));
                });
            }
        }
    });
    thread::spawn(move || {
        for mut stream in tcp.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                let mut length = [0; 2];
                stream.read_exact(&mut length).ok()?;
                let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
                stream.read_exact(&mut query).ok()?;
                let reply = answer(&query, true)?;
                let length = u16::try_from(reply.len()).ok()?;
                TcpStream::write_all(&mut stream, &[&length.to_be_bytes()[..], &reply].concat()).ok()
            });
        }
    });
    address
}

/// Cases whose reply a bare relay gives without anybody having to wait.
fn prompt(cases: Vec<Case>) -> Vec<Case> {
    cases.into_iter().filter(|case| !matches!(case.id, "M12" | "M21" | "M23" | "M26")).collect()
}

#[test]
fn a_relay_that_filters_nothing_is_caught_in_every_attack() {
    let cases = prompt(catalogue(&everything()));
    let upstream = AttackUpstream::start(&cases).unwrap();
    let target = relay(upstream.address());
    let mut findings = play(target, &cases, &upstream, Transport::Udp, true);
    findings.extend(play(target, &cases, &upstream, Transport::Tcp, false));
    let caught = |case: &Case| findings.iter().any(|finding| finding.slug == case.slug);
    let missed: Vec<String> = cases
        .iter()
        .filter(|case| case.in_the_open && !(case.forbidden.is_empty() && case.forbidden_names.is_empty()))
        // A relay passes on the first datagram only.
        .filter(|case| case.id != "M27" && !caught(case))
        .map(Case::to_string)
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let forwarded = cases.iter().filter(|case| case.stays_here);
    for case in forwarded {
        assert!(caught(case), "{case}");
    }
}

#[test]
fn a_guard_that_says_nothing_at_all_fails_on_what_is_honest_and_leaks_nothing() {
    let cases = prompt(catalogue(&everything()));
    let upstream = AttackUpstream::start(&cases).unwrap();
    // NODATA for everything, with the SOA and the reason a block reply has.
    let target = resolver(|query, stream| {
        let asked = Asked { wire: query, stream, before: 0 };
        let why = wire::ede(15, b"everything is blocked");
        let edns = asked.edns().map(|(_, dnssec)| {
            wire::opt(1232, 0, 0, if dnssec { wire::DO } else { 0 }, &[(wire::EDE, &why)])
        });
        let soa = Record::new(code::SOA, wire::soa("rebind-audit.example", 10)).ttl(10);
        Some(asked.reply().authority([soa.owner(asked.qname())]).additional(edns).encode())
    });
    let findings = play(target, &cases, &upstream, Transport::Udp, false);
    for finding in &findings {
        assert!(matches!(finding.problem, Problem::Unexpected(_)), "{finding}");
    }
    for case in cases.iter().filter(|case| case.group == Group::Kept) {
        let negative = case.steps.iter().all(|step| step.expect == Expect::Negative(code::NOERROR));
        let caught = findings.iter().any(|finding| finding.slug == case.slug);
        assert!(caught || negative, "{case}");
    }
}

#[test]
fn on_block_changes_what_a_block_reply_is() {
    let cases = catalogue(&Setup { on_block: OnBlock::Nxdomain, ..Setup::default() });
    let case = cases.iter().find(|case| case.id == "A01" && case.group == Group::Addresses).unwrap();
    let (query, expected) = &queries(case)[0];
    let asked = query.encode();
    let asked = Asked { wire: &asked, stream: false, before: 0 };
    let why = wire::ede(15, b"blocked");
    let reply = asked.nxdomain().additional([wire::opt(1232, 0, 0, 0, &[(wire::EDE, &why)])]);
    let exchange =
        Exchange { query: query.clone(), transport: Transport::Tcp, replies: vec![reply.encode()] };
    assert_eq!(judge(case, expected, &exchange, NONCE), []);
}
