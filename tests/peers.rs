//! Real programs as clients and as upstreams: what an honest server says passes unchanged, and every client reads it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "peers/server.rs"]
mod server;
mod support;
mod support_more;
#[path = "peers/zone.rs"]
mod zone;

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::{self, LowerName};
use hickory_server::proto::serialize::binary::BinDecodable;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneHandler, ZoneType};
use stubborn::audit::oracle::parse::{Section, show};
use stubborn::audit::wire::{self, Query, Record, code, flag};
use support::{Reply, TestDaemon};
use support_more::upstream::{bind, free_address};
use support_more::{installed, query, tcp, udp};
use tempfile::TempDir;

use server::{Server, client, program};

/// An upstream and all it needs.
struct Peer {
    server: Server,
    _directory: TempDir,
}

/// NSD, which has the zone and nothing else.
fn nsd() -> Peer {
    let directory = TempDir::new().unwrap();
    let at = directory.path().display().to_string();
    let address = free_address();
    fs::write(directory.path().join("zone"), zone::signed()).unwrap();
    let config = format!(
        "server:\n ip-address: {}@{}\n server-count: 1\n username: \"\"\n chroot: \"\"\n zonesdir: \"{at}\"\n \
         database: \"\"\n pidfile: \"{at}/pid\"\n xfrdfile: \"{at}/xfrd\"\n xfrdir: \"{at}\"\n \
         zonelistfile: \"{at}/list\"\n cookie-secret-file: \"{at}/cookies\"\n rrl-ratelimit: 0\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: \"peers.example\"\n zonefile: \"{at}/zone\"\n",
        address.ip(),
        address.port()
    );
    fs::write(directory.path().join("conf"), config).unwrap();
    let mut command = Command::new(program("nsd"));
    command.arg("-d").arg("-c").arg(directory.path().join("conf"));
    Peer { server: Server::start(command, address, "nsd started"), _directory: directory }
}

/// Unbound: a recursive resolver, which has the zone from a file.
fn unbound() -> Peer {
    let directory = TempDir::new().unwrap();
    let at = directory.path().display().to_string();
    let address = free_address();
    fs::write(directory.path().join("zone"), zone::signed()).unwrap();
    let config = format!(
        "server:\n interface: {}@{}\n num-threads: 1\n username: \"\"\n chroot: \"\"\n directory: \"{at}\"\n \
         pidfile: \"{at}/pid\"\n use-syslog: no\n verbosity: 1\n module-config: \"iterator\"\n \
         do-daemonize: no\n rrset-roundrobin: no\n minimal-responses: no\n root-hints: \"{at}/hints\"\n\
         remote-control:\n control-enable: no\n\
         auth-zone:\n name: \"peers.example\"\n zonefile: \"{at}/zone\"\n for-upstream: yes\n \
         for-downstream: no\n fallback-enabled: no\n",
        address.ip(),
        address.port()
    );
    // Nobody is asked beyond this machine.
    fs::write(directory.path().join("hints"), ". IN NS root.invalid.\nroot.invalid. IN A 127.0.0.1\n")
        .unwrap();
    fs::write(directory.path().join("conf"), config).unwrap();
    let mut command = Command::new(program("unbound"));
    command.arg("-d").arg("-c").arg(directory.path().join("conf"));
    Peer { server: Server::start(command, address, "start of service"), _directory: directory }
}

type Item = (String, u16, u16, Vec<u8>);

/// The records of a section without their TTLs, in no order.
fn records(reply: &Reply, section: Section) -> Vec<Item> {
    let message = reply.message();
    let records = message.section(section).filter(|record| record.rtype != code::OPT);
    let mut records: Vec<_> = records
        .map(|rr| (show(&rr.owner).to_ascii_lowercase(), rr.rtype, rr.class, message.rdata(rr)))
        .collect();
    records.sort();
    records
}

/// How a peer's times to live may differ from the daemon's.
#[derive(Clone, Copy)]
struct Times {
    /// When it was first asked.
    since: Instant,
    /// Seconds by which it may be apart: one that counts down itself begins its seconds elsewhere than the daemon.
    apart: u32,
}

impl Times {
    /// The peer says the same times always.
    fn fixed() -> Self {
        Self { since: Instant::now(), apart: 0 }
    }

    /// The peer keeps what it says, and counts down.
    fn counted() -> Self {
        Self { since: Instant::now(), apart: 1 }
    }

    /// The daemon's may be lower by as long as it can have kept the record, and never higher.
    #[track_caller]
    fn assert_fit(self, what: &str, own: u32, ours: u32) {
        let kept = u32::try_from(self.since.elapsed().as_secs()).unwrap();
        assert!(
            ours <= own + self.apart && own <= ours + kept + self.apart,
            "{what}: TTL {ours} of {own} after {kept} s"
        );
    }
}

/// The daemon's reply says what the upstream's own says: no octet more in the answer, and none less.
#[track_caller]
fn assert_same(what: &str, own: &Reply, ours: &Reply, dnssec: bool, times: Times) {
    assert_eq!(ours.rcode(), own.rcode(), "{what}\n{own:?}\n{ours:?}");
    let (expected, found) = (records(own, Section::Answer), records(ours, Section::Answer));
    assert_eq!(found, expected, "{what}\n{own:?}\n{ours:?}");
    assert!(ours.has(flag::QR | flag::RA) && !ours.has(flag::AA), "{what} {ours:?}");
    let ttl = |reply: &Reply| reply.message().records.first().map(|record| record.ttl);
    if !found.is_empty() {
        times.assert_fit(what, ttl(own).unwrap(), ttl(ours).unwrap());
    }
    let soas = |reply: &Reply| -> Vec<Item> {
        records(reply, Section::Authority).into_iter().filter(|item| item.1 == code::SOA).collect()
    };
    assert_eq!(soas(ours), soas(own), "{what}\n{own:?}\n{ours:?}");
    if dnssec && found.is_empty() {
        // What proves that there is nothing.
        assert_eq!(records(ours, Section::Authority), records(own, Section::Authority), "{what}\n{ours:?}");
    }
    if !dnssec {
        let others = records(ours, Section::Authority).len() - soas(ours).len();
        assert_eq!(others, 0, "{what}: more than an SOA in {ours:?}");
        assert!(records(ours, Section::Additional).is_empty(), "{what} {ours:?}");
    }
}

/// Every question in every way, of the peer and of the daemon in front of it.
fn compare(peer: SocketAddr, questions: &[(&str, &str)], times: Times) {
    let daemon = TestDaemon::start(peer, "");
    for (name, rtype) in questions {
        let (name, qtype) = zone::question(name, rtype);
        for (edns, flags) in [
            (None, flag::RD),
            (Some((1232, false)), flag::RD),
            (Some((1232, true)), flag::RD),
            (Some((4096, true)), flag::RD | flag::CD),
            (Some((512, false)), flag::RD | flag::AD),
        ] {
            let dnssec = edns.is_some_and(|(_, dnssec)| dnssec);
            let asked = Query { edns, flags, ..query(&name, qtype) };
            let what = format!("{name} {rtype} {edns:?} {flags:04x}");
            let own = tcp(peer, &asked);
            assert_same(&what, &own, &tcp(daemon.tcp(), &asked), dnssec, times);
            let ours = udp(daemon.udp(), &asked);
            let limit = edns.map_or(512, |(size, _)| usize::from(size).min(1232));
            assert!(ours.0.len() <= limit, "{what}: {} octets in a datagram", ours.0.len());
            if ours.is_truncated() {
                assert!(ours.is_empty() && own.0.len() > limit.min(1100), "{what} {ours:?}");
            } else {
                assert_same(&what, &own, &ours, dnssec, times);
            }
            assert_eq!(ours.opt().is_some(), edns.is_some(), "{what} {ours:?}");
        }
    }
}

#[test]
fn what_nsd_says_passes_octet_for_octet() {
    if !installed(&["nsd"]) {
        return;
    }
    compare(nsd().server.address, zone::QUESTIONS, Times::fixed());
}

#[test]
fn what_unbound_says_passes_octet_for_octet() {
    if !installed(&["unbound"]) {
        return;
    }
    compare(unbound().server.address, zone::QUESTIONS, Times::counted());
}

/// The lines of the answer without their TTLs.
fn answer(said: &str) -> Vec<String> {
    let lines = said.lines().filter(|line| !line.starts_with(';') && !line.trim().is_empty());
    let mut lines: Vec<String> = lines
        .map(|line| {
            let mut fields: Vec<&str> = line.split_whitespace().collect();
            fields.remove(1);
            fields.join(" ").to_ascii_lowercase()
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn dig_and_kdig_read_every_answer() {
    if !installed(&["nsd", "dig", "kdig"]) {
        return;
    }
    let peer = nsd();
    let daemon = TestDaemon::start(peer.server.address, "");
    for options in [
        &["+notcp"][..],
        &["+tcp"],
        &["+dnssec"],
        &["+dnssec", "+cd"],
        &["+bufsize=512"],
        &["+bufsize=4096"],
        &["+noedns"],
        &["+nordflag"],
    ] {
        for program in ["dig", "kdig"] {
            if program == "kdig" && options == ["+nordflag"] {
                continue;
            }
            // All questions of one process, one after the other.
            let questions: Vec<_> = zone::QUESTIONS
                .iter()
                .flat_map(|(name, rtype)| [zone::question(name, rtype).0, (*rtype).to_owned()])
                .collect();
            let mut arguments = [&["+noall", "+answer", "+timeout=20"][..], options].concat();
            arguments.extend(questions.iter().map(String::as_str));
            let own = client(program, peer.server.address, &arguments);
            let ours = client(program, daemon.udp(), &arguments);
            assert_eq!(answer(&ours), answer(&own), "{program} {options:?}\n{own}\n{ours}");
            assert!(answer(&ours).len() > 25, "{program} {options:?}\n{ours}");
        }
    }
}

#[test]
fn dig_and_kdig_show_status_and_flags() {
    if !installed(&["nsd", "dig", "kdig", "delv"]) {
        return;
    }
    let peer = nsd();
    let daemon = TestDaemon::start(peer.server.address, "");
    for (arguments, status, parts) in [
        (&["www.peers.example", "A"][..], "NOERROR", &["ANSWER: 2"][..]),
        (&["www.peers.example", "TXT"], "NOERROR", &["ANSWER: 0", "AUTHORITY: 1", "SOA"]),
        (&["nothing.peers.example", "A"], "NXDOMAIN", &["ANSWER: 0", "AUTHORITY: 1", "SOA"]),
        (&["www.peers.example", "A", "+dnssec"], "NOERROR", &["ANSWER: 3", "RRSIG", "flags: do"]),
        (&["nothing.peers.example", "A", "+dnssec"], "NXDOMAIN", &["ANSWER: 0", "NSEC", "RRSIG"]),
        (&["www.peers.example", "A", "+dnssec", "+cd"], "NOERROR", &["ANSWER: 3", "cd"]),
        (&["big.peers.example", "TXT", "+ignore", "+bufsize=1232"], "NOERROR", &["ANSWER: 0", "tc"]),
        (&["big.peers.example", "TXT"], "NOERROR", &["ANSWER: 1", "15 15 15"]),
        (&["elsewhere.org", "A"], "REFUSED", &["ANSWER: 0"]),
    ] {
        let said = client("dig", daemon.udp(), arguments);
        assert!(said.contains(&format!("status: {status}")), "{arguments:?}\n{said}");
        for part in parts {
            assert!(said.contains(part), "no {part:?} for {arguments:?}\n{said}");
        }
    }
    let said = client("kdig", daemon.udp(), &["www.peers.example", "A", "+dnssec"]);
    assert!(said.contains("status: NOERROR") && said.contains("RRSIG"), "{said}");
    // Without validation, which these signatures would not stand.
    let said = client("delv", daemon.udp(), &["-i", "www.peers.example", "A"]);
    assert!(said.contains("1.1.1.1") && said.contains("8.8.8.8"), "{said}");
}

#[test]
fn dig_and_kdig_show_why_a_name_is_blocked() {
    if !installed(&["unbound", "dig", "kdig"]) {
        return;
    }
    let peer = unbound();
    let daemon = TestDaemon::start(peer.server.address, "");
    for (name, rtype, address) in [
        ("inside", "A", "192.168.1.20"),
        ("inside", "AAAA", "fd00::1"),
        ("tohome", "A", "192.168.1.20"),
        ("tohome", "AAAA", "fd00::1"),
    ] {
        let name = format!("{name}.peers.example");
        let said = client("dig", daemon.udp(), &[&name, rtype]);
        for part in
            ["status: NOERROR", "ANSWER: 0", "AUTHORITY: 1", "EDE: 15 (Blocked)", address, "stubborn allow"]
        {
            assert!(said.contains(part), "no {part:?}\n{said}");
        }
        let said = client("kdig", daemon.udp(), &["+edns", &name, rtype]);
        assert!(said.contains("EDE: 15 (Blocked)") && said.contains(address), "{said}");
        // Without EDNS there is no room for a reason.
        let said = client("dig", daemon.udp(), &[&name, rtype, "+noedns"]);
        assert!(said.contains("ANSWER: 0") && !said.contains("EDE"), "{said}");
    }
    let said = client("dig", daemon.udp(), &["mixed.peers.example", "A"]);
    assert!(said.contains("1.1.1.1") && said.contains("EDE: 15 (Blocked)"), "{said}");
    assert_eq!(answer(&said), ["mixed.peers.example. in a 1.1.1.1"], "{said}");
    let said = client("dig", daemon.udp(), &["hints.peers.example", "HTTPS"]);
    assert_eq!(answer(&said), [r#"hints.peers.example. in https 1 . alpn="h2" ipv4hint=1.1.1.1"#], "{said}");
}

// ----------------------------------------------------------------------------------------------------- hickory-server

/// The hickory library's server, in this process.
struct Hickory {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// A record of the zone, read by hickory from its octets.
fn hickory_record(owner: &str, record: Record) -> rr::Record {
    let record = record.owned_by(&format!("{owner}.peers.example")).ttl(300);
    let message = wire::Message { answer: vec![record], ..wire::Message::default() }.encode();
    rr::Record::from_bytes(&message[12..]).unwrap()
}

fn hickory() -> Hickory {
    let origin = rr::Name::from_ascii("peers.example.").unwrap();
    let mut zone: InMemoryZoneHandler<TokioRuntimeProvider> =
        InMemoryZoneHandler::empty(origin.clone(), ZoneType::Primary, AxfrPolicy::Deny);
    let address = |text: &str| Record::address(text.parse().unwrap());
    let target = |text: &str| wire::name(&format!("{text}.peers.example"));
    let soa = [target("ns"), target("hostmaster"), (1..=5u32).flat_map(u32::to_be_bytes).collect()].concat();
    let service = wire::svcb(
        1,
        &[0],
        &[
            (0, vec![0, 1, 0, 3]),
            (1, b"\x02h2\x02h3".to_vec()),
            (2, Vec::new()),
            (3, 8443u16.to_be_bytes().to_vec()),
            (4, vec![1, 1, 1, 1, 8, 8, 8, 8]),
            (5, b"\x00\x04abcd".to_vec()),
            (6, "2606:4700:4700::1111".parse::<std::net::Ipv6Addr>().unwrap().octets().to_vec()),
            (65333, b"opaque".to_vec()),
        ],
    );
    let caa = [&[128u8, 5][..], b"issueca.example; account=1"].concat();
    for (owner, record) in [
        ("", Record::new(code::SOA, soa)),
        ("", Record::new(code::NS, target("ns"))),
        ("ns", address("9.9.9.9")),
        ("www", address("1.1.1.1")),
        ("www", address("8.8.8.8")),
        ("www", address("2606:4700:4700::1111")),
        ("inside", address("192.168.1.20")),
        ("mixed", address("192.168.1.20")),
        ("mixed", address("1.1.1.1")),
        ("alias", Record::new(code::CNAME, target("alias2"))),
        ("alias2", Record::new(code::CNAME, target("www"))),
        ("tohome", Record::new(code::CNAME, target("inside"))),
        ("text", Record::new(code::TXT, wire::txt(b"one"))),
        ("big", Record::new(code::TXT, wire::txt(&[b'x'; 4000]))),
        ("mail", Record::new(code::MX, [&[0, 10][..], &target("mx")].concat())),
        ("srv", Record::new(code::SRV, wire::srv(443, "www.peers.example"))),
        ("service", Record::new(code::HTTPS, service)),
        ("_dns", Record::new(code::SVCB, wire::svcb(1, &target("www"), &[(1, b"\x03dot".to_vec())]))),
        ("_alias", Record::new(code::SVCB, wire::svcb(0, &target("www"), &[]))),
        ("caa", Record::new(code::CAA, caa)),
        ("opaque", Record::new(65280, [192, 168, 1, 20, 0, 1, 2, 0xc0, 12])),
    ] {
        assert!(zone.upsert_mut(hickory_record(owner, record), 0), "{owner}");
    }
    let mut catalog = Catalog::new();
    catalog.upsert(LowerName::new(&origin), vec![Arc::new(zone) as Arc<dyn ZoneHandler>]);
    let (udp, tcp) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = udp.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            udp.set_nonblocking(true).unwrap();
            tcp.set_nonblocking(true).unwrap();
            let mut server = hickory_server::Server::new(catalog);
            server.register_socket(tokio::net::UdpSocket::from_std(udp).unwrap());
            let listener = tokio::net::TcpListener::from_std(tcp).unwrap();
            server.register_listener(listener, Duration::from_secs(20), 64);
            // An error is the end as well: the test is over.
            let _stopped = stopped.await;
        });
    });
    Hickory { address, stop, thread: Some(thread) }
}

impl Hickory {
    fn stop(mut self) {
        drop(self.stop);
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn what_hickory_says_passes_octet_for_octet() {
    let hickory = hickory();
    let has =
        |name: &str| !["sshfp", "tlsa", "naptr", "uppercase", "wild", "anything.at.all.wild"].contains(&name);
    let questions: Vec<_> = zone::QUESTIONS.iter().copied().filter(|(name, _)| has(name)).collect();
    compare(hickory.address, &questions, Times::fixed());
    let daemon = TestDaemon::start(hickory.address, "");
    for name in ["inside", "tohome"] {
        udp(daemon.udp(), &query(&format!("{name}.peers.example"), code::A)).assert_blocked();
    }
    udp(daemon.udp(), &query("mixed.peers.example", code::A)).assert_addresses(&["1.1.1.1"]);
    hickory.stop();
}
