//! Clients that ask wrongly, strangely, too much or for what stays here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Instant;

use stubborn::audit::cases::Action;
use stubborn::audit::run::Transport;
use stubborn::audit::wire::{self, Message, Query, Record, code, flag, name, question};
use support::daemon::DEADLINE;
use support::{Reply, TestDaemon, Zone, address, forwarded, over_both};

/// A query for www.example, to be bent.
fn message() -> Message {
    Message {
        id: 0x4242,
        flags: flag::RD,
        qdcount: 1,
        question: question(&name("www.example"), code::A, code::IN),
        ..Message::default()
    }
}

fn query(qname: &str, qtype: u16) -> Message {
    Message { question: question(&name(qname), qtype, code::IN), ..message() }
}

fn www() -> Zone {
    Zone::new().addresses("www.example", &["1.1.1.1", "2606:4700:4700::1111"])
}

/// `count` A records.
fn many(count: u8) -> Vec<Record> {
    (0..count).map(|number| Record::new(code::A, [1, 1, 1, number])).collect()
}

fn connect(target: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(target).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn framed(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes()[..], octets].concat()
}

/// The next message of a stream; `None` where it ended.
fn next(stream: &mut TcpStream) -> Option<Reply> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut octets = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut octets).ok()?;
    Some(Reply::new(octets))
}

// ------------------------------------------------------------------------------------- what is no query at all

/// Nothing comes back to them: an answer would be somebody else's flood, or the start of a loop.
#[test]
fn datagrams_that_are_no_queries_are_not_answered() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let whole = message().encode();
    let mut strays: Vec<Vec<u8>> = (0..12).map(|length| whole[..length].to_vec()).collect();
    strays.push(message().with(flag::QR).encode());
    strays.push(message().with(flag::QR | flag::RA).answer([address("1.1.1.1")]).encode());
    for stray in strays {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(daemon.udp()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.send(&stray).unwrap();
        socket.send(&Message { id: 0x7777, ..message() }.encode()).unwrap();
        let mut buffer = [0; 1500];
        let length = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..2], &[0x77, 0x77], "an answer to {stray:02x?}: {:02x?}", &buffer[..length]);
    }
}

#[test]
fn other_opcodes_are_not_implemented() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for opcode in [1u16, 2, 3, 4, 5, 6, 15] {
        let octets = message().with(opcode << 11).encode();
        for reply in [daemon.ask_raw(&octets), daemon.ask_raw_tcp(&octets)] {
            assert_eq!(reply.rcode(), code::NOTIMP, "{opcode}: {reply:?}");
            assert_eq!(reply.message().flags & flag::OPCODE, opcode << 11, "{reply:?}");
            assert!(reply.has(flag::QR) && reply.is_empty());
        }
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

/// M22: an exception for the first question must not carry the second.
#[test]
fn one_question_it_must_be() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let one = question(&name("www.example"), code::A, code::IN);
    let bent = [
        ("none", Message { question: Vec::new(), qdcount: 0, ..message() }),
        ("two", Message { question: [one.clone(), one.clone()].concat(), qdcount: 2, ..message() }),
        ("two announced", Message { qdcount: 2, ..message() }),
        ("many announced", Message { qdcount: 65_535, ..message() }),
        ("cut in the name", Message { question: one[..5].to_vec(), ..message() }),
        ("cut in the type", Message { question: one[..one.len() - 3].to_vec(), ..message() }),
        ("a pointer for a name", Message { question: [&[0xc0, 0][..], &[0, 1, 0, 1]].concat(), ..message() }),
        ("a pointer to itself", Message { question: [&[0xc0, 12][..], &[0, 1, 0, 1]].concat(), ..message() }),
        ("a label of kind 01", Message { question: vec![0x41, b'a', 0, 0, 1, 0, 1], ..message() }),
        ("a name of 256 octets", {
            let long = [wire::label(&[b'a'; 63]).repeat(3), wire::label(&[b'a'; 62]), vec![0]].concat();
            assert_eq!(long.len(), 256);
            Message { question: question(&long, code::A, code::IN), ..message() }
        }),
        ("an additional record that is not there", Message { counts: [None, None, Some(1)], ..message() }),
    ];
    for (what, bent) in bent {
        let octets = bent.encode();
        for reply in [daemon.ask_raw(&octets), daemon.ask_raw_tcp(&octets)] {
            assert_eq!((reply.rcode(), reply.is_empty()), (code::FORMERR, true), "{what}: {reply:?}");
        }
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn the_longest_name_there_can_be_is_answered() {
    let label = "a".repeat(63);
    let qname = format!("{label}.{label}.{label}.{}.example", "b".repeat(53));
    assert_eq!(name(&qname).len(), 255);
    let upstream = Zone::new().addresses(&qname, &["1.1.1.1"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    daemon.ask(&qname, code::A).assert_addresses(&["1.1.1.1"]);
}

// ------------------------------------------------------------------------------------------ types and classes

#[test]
fn any_gets_the_short_answer() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for transport in [Transport::Udp, Transport::Tcp] {
        let reply = daemon.ask_as("www.example", code::ANY, None, flag::RD, transport);
        assert_eq!((reply.rcode(), reply.types()), (code::NOERROR, vec![code::HINFO]), "{reply:?}");
        let message = reply.message();
        assert!(message.records[0].rdata.starts_with(b"\x07RFC8482"), "{reply:?}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn zone_transfers_and_other_classes_are_refused() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let mut bent: Vec<(String, Message)> = [code::AXFR, code::IXFR]
        .into_iter()
        .map(|qtype| (format!("TYPE{qtype}"), query("www.example", qtype)))
        .collect();
    for class in [0, 2, code::CH, code::HS, code::NONE, code::ANY_CLASS, 65_535] {
        let question = question(&name("www.example"), code::A, class);
        bent.push((format!("CLASS{class}"), Message { question, ..message() }));
    }
    for (what, bent) in bent {
        let octets = bent.encode();
        for reply in [daemon.ask_raw(&octets), daemon.ask_raw_tcp(&octets)] {
            let no = [code::REFUSED, code::NOTIMP, code::FORMERR].contains(&reply.rcode());
            assert!(no && reply.is_empty(), "{what}: {reply:?}");
        }
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn chaos_names_are_answered_here() {
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for asked in
        ["version.bind", "Version.Server", "version.server", "hostname.bind", "id.server", "authors.bind"]
    {
        let question = question(&name(asked), code::TXT, code::CH);
        let reply = daemon.ask_raw(&Message { question, ..message() }.encode());
        // The version is nobody's secret; the name of the host is the host's own business.
        let (rcode, records) = if asked.to_ascii_lowercase().starts_with("version") {
            (code::NOERROR, 1)
        } else {
            (code::REFUSED, 0)
        };
        assert_eq!((reply.rcode(), reply.types().len()), (rcode, records), "{asked}: {reply:?}");
        let message = reply.message();
        assert!(message.records.iter().all(|rr| rr.class == code::CH), "{asked}: {reply:?}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

// ------------------------------------------------------------------------------------------------------- EDNS

fn opt(size: u16, version: u8) -> Record {
    wire::opt(size, 0, version, 0, &[])
}

#[test]
fn edns_versions_to_come_are_answered_with_badvers() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for version in [1, 2, 255] {
        let reply = daemon.ask_raw(&message().additional([opt(1232, version)]).encode());
        assert_eq!((reply.rcode(), reply.is_empty()), (code::BADVERS, true), "{reply:?}");
        assert_eq!(reply.opt().unwrap().1 >> 16 & 0xff, 0, "{reply:?}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn opt_records_that_break_the_rules_are_a_format_error() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let overrun = Record { rdata: vec![0, 10, 0, 200, 1], ..opt(1232, 0) };
    for (what, bent) in [
        ("two", message().additional([opt(1232, 0), opt(1232, 0)])),
        ("below a name", message().additional([opt(1232, 0).owned_by("a.example")])),
        ("an option that overruns it", message().additional([overrun])),
    ] {
        let reply = daemon.ask_raw(&bent.encode());
        assert_eq!((reply.rcode(), reply.is_empty()), (code::FORMERR, true), "{what}: {reply:?}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);
}

#[test]
fn options_nobody_knows_are_ignored_and_not_echoed() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let strange = wire::opt(1232, 0, 0, 0, &[(65_001, b"hello"), (8, &[0, 1, 24, 0, 9, 9, 9])]);
    let reply = daemon.ask_raw(&message().additional([strange]).encode());
    reply.assert_addresses(&["1.1.1.1"]);
    assert!(reply.message().options().iter().all(|(option, _)| ![8, 65_001].contains(option)), "{reply:?}");
}

/// RFC 6891 §6.2.3: "Values lower than 512 MUST be treated as equal to 512."
#[test]
fn a_reply_fits_what_the_client_takes_or_is_cut_to_nothing() {
    let upstream = Zone::new()
        .answers("small.example", many(20))
        .answers("middle.example", many(40))
        .answers("large.example", many(200))
        .serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for (asked, edns, fits) in [
        ("small.example", None, true),
        ("small.example", Some(0), true),
        ("small.example", Some(511), true),
        ("middle.example", None, false),
        ("middle.example", Some(0), false),
        ("middle.example", Some(511), false),
        ("middle.example", Some(512), false),
        ("middle.example", Some(1232), true),
        ("middle.example", Some(4096), true),
        ("large.example", Some(1232), false),
    ] {
        for round in ["first", "again"] {
            let with_opt = message().additional(edns.map(|size| opt(size, 0)));
            let octets = Message { question: question(&name(asked), code::A, code::IN), ..with_opt }.encode();
            let reply = daemon.ask_raw(&octets);
            let limit = usize::from(edns.unwrap_or(512).max(512));
            assert!(reply.0.len() <= limit, "{asked} {edns:?} {round}: {} octets", reply.0.len());
            assert_eq!(reply.is_truncated(), !fits, "{asked} {edns:?} {round}: {reply:?}");
            assert_eq!(reply.is_empty(), !fits, "{asked} {edns:?} {round}: {reply:?}");
            assert_eq!(reply.opt().is_some(), edns.is_some(), "{asked} {edns:?} {round}");
            assert!(
                reply.message().section(stubborn::audit::oracle::parse::Section::Authority).next().is_none()
            );
        }
        assert!(!daemon.ask_raw_tcp(&query(asked, code::A).encode()).is_truncated());
    }
}

#[test]
fn the_limit_is_exact() {
    // Header, question, and a TXT record whose owner is a pointer: 12 + 17 + 12 + RDATA.
    let rdata = |total: usize| {
        let text = total - 12 - name("txt.example").len() - 4 - 12;
        let strings = text.div_ceil(256);
        wire::txt(&vec![b'x'; text - strings])
    };
    let upstream = Zone::new()
        .answers("txt.example", [Record::new(code::TXT, rdata(512))])
        .answers("txu.example", [Record::new(code::TXT, rdata(513))])
        .serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let fits = daemon.ask_raw(&query("txt.example", code::TXT).encode());
    assert_eq!((fits.is_truncated(), fits.0.len()), (false, 512), "{fits:?}");
    let cut = daemon.ask_raw(&query("txu.example", code::TXT).encode());
    assert_eq!((cut.is_truncated(), cut.is_empty()), (true, true), "{cut:?}");
}

// -------------------------------------------------------------------------------------------------------- TCP

#[test]
fn pipelined_queries_are_all_answered() {
    let upstream = (0..100)
        .fold(Zone::new(), |zone, number| zone.addresses(&format!("p{number}.example"), &["1.1.1.1"]));
    let upstream = upstream.serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let mut stream = connect(daemon.tcp());
    let mut octets = Vec::new();
    for id in 0..100 {
        octets.extend(framed(&Message { id, ..query(&format!("p{id}.example"), code::A) }.encode()));
    }
    stream.write_all(&octets).unwrap();
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let reply = next(&mut stream).expect("a reply to each query");
        reply.assert_addresses(&["1.1.1.1"]);
        let message = reply.message();
        let asked = format!("p{}.example", message.id);
        assert_eq!(message.questions[0].0, name(&asked));
        assert!(seen.insert(message.id), "two replies to {}", message.id);
    }
}

/// What a client does not read yet is not gathered without bound, and nothing of it is lost.
#[test]
fn answers_that_are_read_late_all_arrive() {
    const QUERIES: u16 = 2000;
    let addresses: Vec<String> = (0..200).map(|number| format!("1.1.1.{number}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let upstream = Zone::new().addresses("large.example", &addresses).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let mut stream = connect(daemon.tcp());
    stream.write_all(&framed(&query("large.example", code::A).encode())).unwrap();
    next(&mut stream).expect("a first reply");
    let mut writer = stream.try_clone().unwrap();
    let octets: Vec<u8> = (0..QUERIES)
        .flat_map(|id| framed(&Message { id, ..query("large.example", code::A) }.encode()))
        .collect();
    writer.write_all(&octets).unwrap();
    let seen: BTreeSet<u16> =
        (0..QUERIES).map(|_| next(&mut stream).expect("a reply to each query").message().id).collect();
    assert_eq!(seen.len(), usize::from(QUERIES));
}

/// RFC 7766 §6.2.1.1: the queries of a stream are worked on side by side, as those in datagrams are.
#[test]
fn a_slow_query_holds_up_no_other() {
    let upstream = www().script("silent.example", |_| Vec::new()).serve();
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"1s\"\n");
    let mut stream = connect(daemon.tcp());
    let slow = Message { id: 1, ..query("silent.example", code::A) };
    let fast = Message { id: 2, ..message() };
    stream.write_all(&[framed(&slow.encode()), framed(&fast.encode())].concat()).unwrap();
    let first = next(&mut stream).unwrap();
    assert_eq!(first.message().id, 2, "{first:?}");
    let second = next(&mut stream).unwrap();
    assert_eq!((second.message().id, second.rcode()), (1, code::SERVFAIL), "{second:?}");
}

#[test]
fn a_query_may_come_octet_by_octet() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let mut stream = connect(daemon.tcp());
    for octet in framed(&message().encode()) {
        stream.write_all(&[octet]).unwrap();
    }
    next(&mut stream).unwrap().assert_addresses(&["1.1.1.1"]);
}

/// A query of so many octets, by padding (RFC 7830).
fn padded(query: &Message, length: u16) -> Vec<u8> {
    let mut octets = query.encode();
    // One record more: the root's OPT, for replies of 1232 octets, with an option.
    octets[11] = 1;
    octets.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0]);
    let rest = length - u16::try_from(octets.len()).unwrap();
    octets.extend((rest - 2).to_be_bytes());
    octets.extend([0, 12]);
    octets.extend((rest - 6).to_be_bytes());
    octets.resize(length.into(), 0);
    octets
}

/// Where a stream is cut says nothing about it: queries that fill the room for one, or that for many, to the octet.
#[test]
fn queries_are_answered_alike_wherever_the_stream_is_cut() {
    const QUERIES: u16 = 600;
    let upstream = www().addresses("inside.example", &["192.168.1.1", "1.1.1.2"]).serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    let one = |id: u16| {
        let name = if id.is_multiple_of(2) { "www.example" } else { "inside.example" };
        let query = Message { id, ..query(name, code::A) };
        match id {
            0 => padded(&query, 60_000),
            1 => padded(&query, 510),
            2 => padded(&query, 16_382),
            _ => query.encode(),
        }
    };
    let octets: Vec<u8> = (0..QUERIES).flat_map(|id| framed(&one(id))).collect();
    let last_first: Vec<u8> = (0..QUERIES).rev().flat_map(|id| framed(&one(id))).collect();
    for (octets, size) in [511, 512, 513, 16_383, 16_384, 16_896, 65_537]
        .into_iter()
        .flat_map(|size| [(&octets, size), (&last_first, size)])
    {
        let mut stream = connect(daemon.tcp());
        let mut writer = stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || octets.chunks(size).for_each(|chunk| writer.write_all(chunk).unwrap()));
            let mut seen = BTreeSet::new();
            for _ in 0..QUERIES {
                let reply = next(&mut stream).expect("a reply to each query");
                let id = reply.message().id;
                assert!(seen.insert(id), "{id} is answered twice");
                reply.assert_addresses(&[if id.is_multiple_of(2) { "1.1.1.1" } else { "1.1.1.2" }]);
            }
        });
    }
}

#[test]
fn a_stream_of_rubbish_harms_nobody() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "");
    for rubbish in [&[0, 0][..], &[0, 1, 0], &[0, 5, 1, 2, 3, 4, 5], &[0xff; 4096], b"GET / HTTP/1.1\r\n\r\n"]
    {
        let mut stream = connect(daemon.tcp());
        // The daemon may close before all is written.
        let _written = stream.write_all(rubbish);
        let _closed = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _end = stream.read_to_end(&mut answer);
    }
    daemon.ask_as("www.example", code::A, None, flag::RD, Transport::Tcp).assert_addresses(&["1.1.1.1"]);
}

#[test]
fn an_idle_stream_is_closed() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "[server]\ntcp-idle-timeout = \"1s\"\n");
    let mut silent = connect(daemon.tcp());
    let mut halfway = connect(daemon.tcp());
    halfway.write_all(&framed(&message().encode())[..9]).unwrap();
    let mut served = connect(daemon.tcp());
    served.write_all(&framed(&message().encode())).unwrap();
    next(&mut served).unwrap().assert_addresses(&["1.1.1.1"]);
    for stream in [&mut silent, &mut halfway, &mut served] {
        let mut rest = Vec::new();
        let started = Instant::now();
        // A reset is an end too.
        let _end = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
        assert!(started.elapsed() < DEADLINE / 2, "still open");
    }
}

#[test]
fn a_client_has_only_so_many_streams() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "[server]\ntcp-connections-per-client = 2\n");
    let asks = |stream: &mut TcpStream| {
        let written = stream.write_all(&framed(&message().encode())).is_ok();
        written && next(stream).is_some()
    };
    let mut streams: Vec<TcpStream> = (0..2).map(|_| connect(daemon.tcp())).collect();
    assert!(streams.iter_mut().all(asks), "two are allowed");
    streams.push(connect(daemon.tcp()));
    let third = streams.last_mut().map(asks);
    let alive = streams.iter_mut().map(asks).filter(|answered| *answered).count();
    assert!(alive <= 2, "three streams of one client are served; the third: {third:?}");
    // Another client is not concerned.
    let other = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    other.bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, 9), 0)).into()).unwrap();
    other.connect(&daemon.tcp().into()).unwrap();
    let mut other = TcpStream::from(other);
    other.set_read_timeout(Some(DEADLINE)).unwrap();
    assert!(asks(&mut other), "a stream of another client");
    drop(streams);
    let deadline = Instant::now() + DEADLINE;
    while !asks(&mut connect(daemon.tcp())) {
        assert!(Instant::now() < deadline, "closed streams still count");
    }
}

// ----------------------------------------------------------------------------------------------------- access

#[test]
fn strangers_are_refused() {
    let upstream = www().serve();
    let daemon = TestDaemon::start(upstream.address(), "[server]\nallow-clients = [\"127.0.0.8/32\"]\n");
    let reply = daemon.ask_raw(&message().encode());
    assert_eq!((reply.rcode(), reply.is_empty()), (code::REFUSED, true), "{reply:?}");
    assert_eq!(reply.message().questions.len(), 1, "{reply:?}");
    let mut stream = connect(daemon.tcp());
    let _written = stream.write_all(&framed(&message().encode()));
    // Over TCP the connection may be closed instead.
    if let Some(reply) = next(&mut stream) {
        assert_eq!((reply.rcode(), reply.is_empty()), (code::REFUSED, true), "{reply:?}");
    }
    assert_eq!(forwarded(&upstream), [""; 0]);

    let friend = UdpSocket::bind("127.0.0.8:0").unwrap();
    friend.connect(daemon.udp()).unwrap();
    friend.set_read_timeout(Some(DEADLINE)).unwrap();
    friend.send(&message().encode()).unwrap();
    let mut buffer = [0; 1500];
    let length = friend.recv(&mut buffer).unwrap();
    Reply::new(buffer[..length].to_vec()).assert_addresses(&["1.1.1.1"]);
}

// ------------------------------------------------------------------------------------------ names of this host

#[test]
fn the_zones_of_rfc_6303_stay_here() {
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), "[names]\nhosts-files = []\n");
    let mut zones: Vec<String> =
        ["0", "127", "10", "254.169", "168.192", "2.0.192", "100.51.198", "113.0.203"]
            .into_iter()
            .map(|zone| format!("{zone}.in-addr.arpa"))
            .collect();
    zones.push("255.255.255.255.in-addr.arpa".into());
    zones.extend((16..=31).map(|second| format!("{second}.172.in-addr.arpa")));
    // RFC 7793.
    zones.extend((64..=127).map(|second| format!("{second}.100.in-addr.arpa")));
    let zeros = "0.".repeat(31);
    zones.push(format!("0.{zeros}ip6.arpa"));
    zones.push(format!("1.{zeros}ip6.arpa"));
    zones.extend(
        ["c.f", "d.f", "8.e.f", "9.e.f", "a.e.f", "b.e.f", "8.b.d.0.1.0.0.2"]
            .map(|zone| format!("{zone}.ip6.arpa")),
    );
    for zone in &zones {
        for asked in [zone.clone(), format!("9.{zone}")] {
            if name(&asked).len() > 74 {
                continue;
            }
            let reply = daemon.ask(&asked, code::PTR);
            let local = [code::NOERROR, code::NXDOMAIN].contains(&reply.rcode());
            assert!(local, "{asked}: {reply:?}");
            assert_eq!(upstream.asked(&asked), 0, "{asked} was forwarded");
        }
    }
    // Their neighbours are public.
    for asked in [
        "1.0.32.172.in-addr.arpa",
        "1.0.15.172.in-addr.arpa",
        "1.63.100.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
    ] {
        daemon.ask(asked, code::PTR);
        assert_eq!(upstream.asked(asked), 1, "{asked}");
    }
}

#[test]
fn special_names_stay_here_for_every_type() {
    let upstream = Zone::new().serve();
    let daemon = TestDaemon::start(upstream.address(), "[names]\nhosts-files = []\n");
    for asked in [
        "localhost",
        "x.localhost",
        "nas.local",
        "nas.lan",
        "nas.internal",
        "nas.home.arpa",
        "x.test",
        "x.invalid",
        "x.onion",
        "10.0.2.555",
        "0x7f.1",
        "use-application-dns.net",
        "mask.icloud.com",
        "mask-h2.icloud.com",
        "_dns.resolver.arpa",
    ] {
        for qtype in [code::A, code::AAAA, code::HTTPS, code::TXT, code::SVCB] {
            // The canaries are for address lookups; their other types are nobody's harm.
            let canary = asked.ends_with(".net") || asked.ends_with(".com");
            if canary && ![code::A, code::AAAA].contains(&qtype) {
                continue;
            }
            let reply = daemon.ask(asked, qtype);
            assert!(
                [code::NOERROR, code::NXDOMAIN].contains(&reply.rcode()),
                "{asked} TYPE{qtype}: {reply:?}"
            );
            assert_eq!(upstream.asked(asked), 0, "{asked} TYPE{qtype} was forwarded");
        }
    }
}

/// N18: servers accept the machine's own name as a Host, so its address comes from here.
#[test]
fn the_machine_s_own_name_stays_here() {
    over_both(|ask| {
        let Ok(hostname) = std::fs::read_to_string("/proc/sys/kernel/hostname") else { return };
        let hostname = hostname.trim();
        let upstream = Zone::new().addresses(hostname, &["127.0.0.1"]).serve();
        let daemon = TestDaemon::start(upstream.address(), "");
        ask(&daemon, hostname, code::A);
        assert_eq!(upstream.asked(hostname), 0, "{hostname}");
    });
}

#[test]
fn canaries_are_forwarded_when_the_configuration_says_so() {
    let names = ["use-application-dns.net", "mask.icloud.com"];
    let upstream = names.iter().fold(Zone::new(), |zone, name| zone.addresses(name, &["1.1.1.1"]));
    let upstream = upstream.addresses("_dns.resolver.arpa", &[]).serve();
    let config = "[names]\nfirefox-canary = false\nprivate-relay = false\ndesignated-resolver = false\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    for name in names {
        daemon.ask(name, code::A).assert_addresses(&["1.1.1.1"]);
    }
    daemon.ask("_dns.resolver.arpa", code::SVCB);
    assert_eq!(upstream.asked("_dns.resolver.arpa"), 1);
}

// -------------------------------------------------------------------------------------- upstreams that misbehave

/// T04: there is one guard, whichever upstream answered.
#[test]
fn the_next_upstream_is_judged_like_the_first() {
    over_both(|ask| {
        let hostile = || {
            Zone::new().addresses("evil.example", &["192.168.1.1"]).addresses("good.example", &["1.1.1.1"])
        };
        type Fail = fn(Zone) -> Zone;
        let failing: [(&str, Fail); 3] = [
            ("silent", |zone| {
                zone.script("evil.example", |_| Vec::new()).script("good.example", |_| Vec::new())
            }),
            ("refusing", |zone| {
                zone.reply("evil.example", |asked| asked.reply().rcode(code::REFUSED))
                    .reply("good.example", |asked| asked.reply().rcode(code::REFUSED))
            }),
            ("failing", |zone| {
                zone.reply("evil.example", |asked| asked.reply().rcode(code::SERVFAIL))
                    .reply("good.example", |asked| asked.reply().rcode(code::SERVFAIL))
            }),
        ];
        for (what, first) in failing {
            let first = first(Zone::new()).serve();
            let second = hostile().serve();
            let upstreams = [first.address(), second.address()];
            let daemon = TestDaemon::start_with(&upstreams, "[upstream]\ntimeout = \"300ms\"\n");
            let reply = ask(&daemon, "evil.example", code::A);
            assert!(reply.addresses().is_empty(), "{what}: {reply:?}");
            reply.assert_blocked();
            ask(&daemon, "good.example", code::A).assert_addresses(&["1.1.1.1"]);
        }
    });
}

#[test]
fn an_upstream_that_never_answers_is_a_failure_in_time() {
    let upstream = Zone::new().script("silent.example", |_| Vec::new()).serve();
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"200ms\"\n");
    let started = Instant::now();
    assert_eq!(daemon.ask("silent.example", code::A).rcode(), code::SERVFAIL);
    assert!(started.elapsed() < DEADLINE / 2);
}

/// RFC 7766 §6.2.4: what was under way on a stream that the server closes is asked again.
#[test]
fn a_stream_that_the_upstream_closes_takes_no_other_query_with_it() {
    let names: Vec<String> = (0..40).map(|number| format!("n{number}.example")).collect();
    let zone = names.iter().enumerate().fold(Zone::new(), |zone, (number, name)| {
        let closes = number % 4 == 0;
        zone.script(name, move |asked| match (asked.stream, closes) {
            (false, _) => asked.send(&asked.reply().with(flag::TC)),
            (true, true) => vec![Action::Close],
            (true, false) => asked.send(&asked.reply().answer([address("1.1.1.1")])),
        })
    });
    let upstream = zone.serve();
    let daemon = TestDaemon::start(upstream.address(), "[server]\nworkers = 1\n");
    let target = &daemon;
    let lost: Vec<&String> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            names.iter().map(|name| scope.spawn(move || (name, target.ask(name, code::A)))).collect();
        let replies = asked.into_iter().map(|asked| asked.join().unwrap()).enumerate();
        replies
            .filter(|(number, (_, reply))| number % 4 != 0 && reply.addresses() != ["1.1.1.1"])
            .map(|(_, (name, _))| name)
            .collect()
    });
    assert!(lost.is_empty(), "{lost:?}");
}

/// T03: a page that asks for thousands of names of its own.
#[test]
fn a_flood_of_unique_names_leaves_local_names_and_the_guard_alone() {
    let upstream = Zone::new().addresses("evil.example", &["192.168.1.1"]).serve();
    let mut daemon = TestDaemon::start(upstream.address(), "[cache]\nsize = \"64KiB\"\n");
    daemon.ask("evil.example", code::A).assert_blocked();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(daemon.udp()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 1500];
    for batch in 0..100 {
        for number in 0..30u16 {
            let asked = name(&format!("u{batch}-{number}.flood.example"));
            let query = Query {
                id: number,
                qname: asked,
                qtype: code::A,
                qclass: code::IN,
                flags: flag::RD,
                edns: None,
            };
            socket.send(&query.encode()).unwrap();
        }
        for _ in 0..30 {
            socket.recv(&mut buffer).unwrap();
        }
    }
    daemon.ask("localhost", code::A).assert_addresses(&["127.0.0.1"]);
    daemon.ask("evil.example", code::A).assert_blocked();
    assert!(daemon.is_running());
}
