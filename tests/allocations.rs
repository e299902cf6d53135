//! What is in the cache is answered without a call of the allocator: workers run in this process, and each call of theirs counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "allocations/counting.rs"]
mod counting;
mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::OnceLock;

use stubborn::audit::upstream::AttackUpstream;
use stubborn::audit::wire::{self, Message, Query, Record, code, flag, name, question};
use stubborn::dns::UpstreamResponse;
use stubborn::policy::{Circumstances, GuardSettings, InsideZones, Origin, Policy, enforce, preset};
use stubborn::telemetry::{LogSettings, Logging};
use support::daemon::{DEADLINE, TempConfig};
use support::workers::Workers;
use support::{Reply, Zone, address};

use counting::{Counter, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Queries of a client that are under way at a time.
const WINDOW: u16 = 16;
/// How often each client sends a window before and while calls are counted.
const WARM_ROUNDS: usize = 8;
const ROUNDS: usize = 64;
/// Sockets that ask: each worker gets some of them.
const CLIENTS: usize = 6;

const CONFIG: &str = r#"
[server]
allow-clients = ["127.0.0.1/32"]
tcp-idle-timeout = "60s"

[[exception]]
domain = "monitored.example"
mode = "monitor"

[[exception]]
domain = "exempt.example"

[[exception]]
domain = "for-a-time.example"
until = 2999-01-01T00:00:00Z

[[local]]
name = "nas.example.org"
addresses = ["192.168.1.30", "fd00::30"]

[[local]]
name = "*.dev.example.org"
addresses = ["127.0.0.1"]
"#;

/// Workers everything of which that has to do with memory is counted.
struct Counted {
    workers: Workers,
    counter: &'static Counter,
    _upstream: AttackUpstream,
    _files: TempConfig,
}

impl Counted {
    fn start(count: usize) -> Self {
        // As the daemon has it: whether an event is written is found out on the way of each query.
        static LOGGING: OnceLock<Logging> = OnceLock::new();
        LOGGING.get_or_init(|| Logging::install(LogSettings::default()).unwrap());
        let upstream = zone().serve();
        let files = TempConfig::new("");
        let hosts = files.directory().join("hosts");
        std::fs::write(&hosts, "192.168.1.31 printer.example.org\n").unwrap();
        files.write(&format!("{CONFIG}\n[names]\nhosts-files = [{hosts:?}]\n"));
        let counter: &'static Counter = Box::leak(Box::default());
        let workers = Workers::start(count, upstream.address(), &files, |job| {
            counter.watch_this_thread();
            job()
        });
        Self { workers, counter, _upstream: upstream, _files: files }
    }

    fn address(&self) -> SocketAddr {
        self.workers.address()
    }
}

/// What the upstream says; nothing of it runs out while a test runs.
fn zone() -> Zone {
    let long = |text: &str| address(text).ttl(3600);
    let cname = |target: &str| Record::cname(target).ttl(3600);
    Zone::new()
        .answers("www.example", [long("1.1.1.1"), long("8.8.8.8")])
        .answers("alias.example", [cname("www.example"), long("1.1.1.1").owned_by("www.example")])
        .reply("empty.example", |asked| asked.reply().authority([soa()]))
        .reply("none.example", |asked| asked.reply().rcode(code::NXDOMAIN).authority([soa()]))
        .answers("large.example", (0..100).map(|number| long(&format!("1.1.1.{number}"))))
        .answers("inside.example", [long("192.168.1.20")])
        .answers("mixed.example", [long("192.168.1.20"), long("1.1.1.1")])
        .answers("sinkhole.example", [long("0.0.0.0")])
        .answers("leads-inside.example", [cname("localhost"), long("127.0.0.1").owned_by("localhost")])
        .answers("monitored.example", [long("192.168.1.20")])
        .answers("exempt.example", [long("192.168.1.20")])
        .answers("for-a-time.example", [long("192.168.1.20")])
}

fn soa() -> Record {
    Record::new(code::SOA, wire::soa("ns.example", 3600)).owned_by("example").ttl(3600)
}

/// A query, what it is about, and the RCODE of the reply it gets.
struct Row {
    what: &'static str,
    octets: Vec<u8>,
    rcode: u16,
}

fn row(what: &'static str, qname: &str, qtype: u16, rcode: u16) -> Row {
    with(what, qname, qtype, Some((1232, false)), flag::RD, rcode)
}

fn with(
    what: &'static str,
    qname: &str,
    qtype: u16,
    edns: Option<(u16, bool)>,
    flags: u16,
    rcode: u16,
) -> Row {
    let query = Query { id: 0, qname: name(qname), qtype, qclass: code::IN, flags, edns };
    Row { what, octets: query.encode(), rcode }
}

fn raw(what: &'static str, message: Message, rcode: u16) -> Row {
    Row { what, octets: message.encode(), rcode }
}

/// What is answered out of the cache.
fn hits() -> Vec<Row> {
    let (plain, dnssec) = (Some((1232, false)), Some((1232, true)));
    vec![
        row("addresses", "www.example", code::A, code::NOERROR),
        row("in other letter case", "wWw.ExAmPlE", code::A, code::NOERROR),
        with("without EDNS", "www.example", code::A, None, flag::RD, code::NOERROR),
        with("with DO", "www.example", code::A, dnssec, flag::RD, code::NOERROR),
        with("with CD", "www.example", code::A, plain, flag::RD | flag::CD, code::NOERROR),
        row("an alias", "alias.example", code::A, code::NOERROR),
        row("no data", "empty.example", code::AAAA, code::NOERROR),
        row("no such name", "none.example", code::A, code::NXDOMAIN),
        with("cut short", "large.example", code::A, Some((512, false)), flag::RD, code::NOERROR),
        row("an exempt name", "exempt.example", code::A, code::NOERROR),
        row("a name that is exempt for a time", "for-a-time.example", code::A, code::NOERROR),
    ]
}

/// What the guard has taken something out of, or has something to say on.
fn judged() -> Vec<Row> {
    vec![
        row("blocked", "inside.example", code::A, code::NOERROR),
        with("blocked, without EDNS", "inside.example", code::A, None, flag::RD, code::NOERROR),
        row("one address of two", "mixed.example", code::A, code::NOERROR),
        row("a sinkhole", "sinkhole.example", code::A, code::NOERROR),
        row("an alias that leads inside", "leads-inside.example", code::A, code::NOERROR),
        row("monitored", "monitored.example", code::A, code::NOERROR),
    ]
}

/// What is no query worth an answer of its own.
fn rejected() -> Vec<Row> {
    let message = || Message {
        flags: flag::RD,
        qdcount: 1,
        question: question(&name("www.example"), code::A, code::IN),
        ..Message::default()
    };
    let twice = [message().question, message().question].concat();
    vec![
        row("a zone transfer", "www.example", code::AXFR, code::REFUSED),
        raw("another opcode", Message { flags: 2 << 11, ..message() }, code::NOTIMP),
        raw("two questions", Message { question: twice, qdcount: 2, ..message() }, code::FORMERR),
        raw("cut short", Message { counts: [None, None, Some(1)], ..message() }, code::FORMERR),
    ]
}

/// Sends windows of a query from every socket and takes the replies.
fn rounds(clients: &[UdpSocket], row: &Row, count: usize) {
    let mut query = row.octets.clone();
    let mut room = [0; 1500];
    for _ in 0..count {
        for client in clients {
            for id in 0..WINDOW {
                query[..2].copy_from_slice(&id.to_be_bytes());
                client.send(&query).unwrap();
            }
        }
        for client in clients {
            for _ in 0..WINDOW {
                let length = client.recv(&mut room).unwrap_or_else(|error| panic!("{}: {error}", row.what));
                assert_eq!(u16::from(room[3] & 0x0f), row.rcode, "{}: {:02x?}", row.what, &room[..length]);
            }
        }
    }
}

/// What every row of `rows` costs a worker, where that is anything.
fn over_udp(rows: &[Row], from: &str) -> Vec<String> {
    let workers = Counted::start(2);
    let clients: Vec<UdpSocket> = (0..CLIENTS)
        .map(|_| {
            let socket = UdpSocket::bind((from, 0)).unwrap();
            socket.connect(workers.address()).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket
        })
        .collect();
    let cost = |row: &Row| {
        rounds(&clients, row, WARM_ROUNDS);
        let queries = ROUNDS * CLIENTS * usize::from(WINDOW);
        least(row, queries, || workers.counter.during(|| rounds(&clients, row, ROUNDS)))
    };
    rows.iter().filter_map(cost).collect()
}

/// What so many queries cost, where that is anything each time. At the first try the room for replies that are sent together
/// may still grow, and something be left to do for the query that was forwarded; what a query costs is paid at every one.
fn least(row: &Row, queries: usize, mut count: impl FnMut() -> (u64, String)) -> Option<String> {
    let (calls, traces) = (0..3).map(|_| count()).min_by_key(|(calls, _)| *calls)?;
    (calls > 0).then(|| format!("{}: {calls} calls for {queries} queries\n{traces}", row.what))
}

#[track_caller]
fn assert_free(costs: &[String]) {
    assert!(costs.is_empty(), "{} rows cost something:\n{}", costs.len(), costs.join("\n"));
}

#[test]
fn a_hit_costs_no_allocation() {
    assert_free(&over_udp(&hits(), "127.0.0.1"));
}

#[test]
fn a_hit_that_is_blocked_costs_no_allocation() {
    assert_free(&over_udp(&judged(), "127.0.0.1"));
}

#[test]
fn a_message_that_is_rejected_costs_no_allocation() {
    assert_free(&over_udp(&rejected(), "127.0.0.1"));
}

/// Hits on one connection, a window of them in each write.
#[test]
fn hits_on_a_stream_cost_no_allocation() {
    let workers = Counted::start(1);
    let mut stream = TcpStream::connect(workers.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut cost = |row: &Row| {
        let length = u16::try_from(row.octets.len()).unwrap().to_be_bytes();
        let window = [&length[..], &row.octets].concat().repeat(usize::from(WINDOW));
        let mut rounds = |count: usize| {
            let mut room = [0; 4096];
            for _ in 0..count {
                stream.write_all(&window).unwrap();
                for _ in 0..WINDOW {
                    let mut length = [0; 2];
                    stream.read_exact(&mut length).unwrap();
                    let reply = &mut room[..usize::from(u16::from_be_bytes(length))];
                    stream.read_exact(reply).unwrap();
                    assert_eq!(u16::from(reply[3] & 0x0f), row.rcode, "{}", row.what);
                }
            }
        };
        rounds(WARM_ROUNDS);
        let queries = 4 * ROUNDS * usize::from(WINDOW);
        least(row, queries, || workers.counter.during(|| rounds(4 * ROUNDS)))
    };
    let costs: Vec<String> = hits().iter().filter_map(&mut cost).collect();
    assert_free(&costs);
}

/// The counter counts: a question that nobody has asked costs something.
#[test]
fn a_miss_is_counted() {
    let workers = Counted::start(1);
    let (calls, traces) = workers.counter.during(|| {
        let query = row("a miss", "www.example", code::A, code::NOERROR);
        let reply = stubborn::audit::run::ask_udp(workers.address(), &query.octets, DEADLINE).unwrap();
        Reply::new(reply).assert_addresses(&["1.1.1.1", "8.8.8.8"]);
    });
    assert!(calls > 5, "{calls} calls");
    assert!(traces.contains("src/"), "no trace of where it was:\n{traces}");
}

/// A name is read for the addresses in it once, not for each address of the reply.
#[test]
fn more_addresses_cost_no_more_readings_of_the_name() {
    let exceptions = preset("nip-io").unwrap().exceptions(&Origin::BuiltIn);
    let settings = GuardSettings { exceptions, ..GuardSettings::default() };
    let policy = Policy::new(&settings, &[], &[], InsideZones::default());
    let host = "1-2-3-4-5-6-7-8-9.".repeat(12) + "10-0-0-1.nip.io";
    let query = Message {
        flags: flag::RD,
        qdcount: 1,
        question: question(&name(&host), code::A, code::IN),
        ..Message::default()
    };
    let reply = Message { flags: flag::QR | flag::RD | flag::RA, ..query.clone() };
    let query = stubborn::dns::Query::parse(&query.encode()).unwrap();
    let circumstances =
        Circumstances { question: &query.question, trust: None, client: [127, 0, 0, 1].into(), now: 0 };
    let counter: &'static Counter = Box::leak(Box::default());
    counter.watch_this_thread();
    let cost = |count: u8| {
        let addresses = (0..count).flat_map(|one| (0..8).map(move |other| [10, 1, one, other].into()));
        let octets = reply.clone().answer(addresses.map(Record::address)).encode();
        let response = UpstreamResponse::parse(&octets, &query.question, false).unwrap();
        let mut findings = 0;
        let (calls, _) =
            counter.during(|| findings = enforce(&policy, &circumstances, &response).findings().len());
        assert_eq!(findings, usize::from(count) * 8);
        calls
    };
    let (few, many) = (cost(1), cost(250));
    assert!(few > 100, "the name is not read: {few} calls");
    assert!(many < few + 100, "{few} calls for 8 addresses, {many} for 2,000");
}
