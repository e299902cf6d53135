//! Under load nothing breaks: floods, slow upstreams, reloads and a million names, and a polite client that must not
//! notice. Nothing here is about how fast anything is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    unreachable_pub,
    reason = "a test may end where it stands"
)]

#[path = "load/clients.rs"]
mod clients;
#[path = "load/garbage.rs"]
mod garbage;
#[path = "load/packet.rs"]
mod packet;
#[path = "load/pipeline.rs"]
mod pipeline;
mod support;
#[path = "load/upstream.rs"]
mod upstream;

use std::io::ErrorKind;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use clients::{Crowd, Flood, Polite, Torrent, addresses, ask_for_all, socket};
use garbage::Streams;
use pipeline::Pipeline;
use stubborn::audit::wire::name;
use support::TestDaemon;
use support::daemon::DEADLINE;
use upstream::{Fate, Upstream};

const MIB: u64 = 1 << 20;
const POLITE: [u8; 4] = [1, 1, 1, 1];
const OTHER: [u8; 4] = [8, 8, 8, 8];

const WORKERS: &str = "[server]\nworkers = 2\n";
/// Octets of the cache in a test that does not say otherwise.
const CACHE: u64 = 4 * MIB;

/// What the daemon may take besides its cache and its own text (for which another 8 MiB are meant, and which without
/// optimisation is larger); and while it is flooded, some KiB for each of the 8,192 questions that two workers let wait.
const BESIDES: u64 = 8 * MIB;
const WAITING: u64 = 48 * MIB;

/// One test at a time: each takes the machine for itself.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn start(upstream: &Upstream, more: &str) -> TestDaemon {
    TestDaemon::start(upstream.address(), &format!("{WORKERS}\n[cache]\nsize = \"{CACHE}B\"\n{more}"))
}

/// Octets of memory by the name of a line in `/proc/PID/status`: `RssAnon` without the program's text, `RssFile` that text,
/// `VmHWM` the most there ever was of both.
fn memory(daemon: &TestDaemon, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[track_caller]
fn assert_memory_below(daemon: &TestDaemon, bound: u64) {
    let most = memory(daemon, "VmHWM") - memory(daemon, "RssFile");
    eprintln!("{} KiB at most", most / 1024);
    assert!(most <= bound, "{most} octets, and {bound} were allowed");
}

/// Whether a name in wire form is below a domain.
fn is_below(qname: &[u8], domain: &str) -> bool {
    qname.ends_with(&name(domain))
}

/// Names the polite client asks for again and again.
fn favourites() -> Vec<Vec<u8>> {
    (0..20).map(|number| packet::query(&format!("n{number}.polite.example"))).collect()
}

/// An upstream that answers one name in ten, and all the polite client's: it is asked for more than it can do.
fn overtaxed() -> Upstream {
    let mut count = 0u64;
    Upstream::start(move |qname| {
        if is_below(qname, "polite.example") {
            return Fate::Answered(POLITE, 3600);
        }
        count += 1;
        if count.is_multiple_of(10) { Fate::Answered(OTHER, 3600) } else { Fate::Ignored }
    })
}

/// Questions for what is cached arrive and are answered, while four others want ten times what the upstream can do.
#[test]
fn a_flood_of_unique_names_leaves_hits_alone() {
    let _turn = alone();
    let upstream = overtaxed();
    let daemon = start(&upstream, "");
    let (favourites, mut polite) = (favourites(), Polite::new("127.0.0.1", daemon.udp()));
    favourites.iter().for_each(|query| polite.ask(query, POLITE));
    let flood = Flood::of_names(&addresses(9, 4), daemon.udp(), "flood.example");
    while polite.asked < 400 || flood.sent() < 50_000 {
        favourites.iter().for_each(|query| polite.ask(query, POLITE));
    }
    let (sent, answered) = (flood.sent(), upstream.answered());
    assert!(sent > 3 * answered, "no flood: {sent} questions, of which {answered} were answered");
    polite.assert_served();
    assert_memory_below(&daemon, CACHE + BESIDES + WAITING);
}

/// One client asks for more than can wait, all of it in vain. Another asks for names nobody has asked for before.
#[test]
fn a_flood_of_one_client_leaves_the_new_names_of_others_alone() {
    let _turn = alone();
    let upstream = Upstream::start(|qname| match is_below(qname, "polite.example") {
        true => Fate::Answered(POLITE, 3600),
        false => Fate::Ignored,
    });
    let daemon = start(&upstream, "");
    let flood = Flood::of_names(&["127.0.9.1"; 4].map(str::to_owned), daemon.udp(), "flood.example");
    let mut polite = Polite::new("127.0.0.1", daemon.udp());
    let favourites = favourites();
    // Until more was asked than may wait; these are in the cache from the first time on, or are not.
    favourites.iter().for_each(|query| polite.ask(query, POLITE));
    while flood.sent() < 50_000 {
        favourites.iter().for_each(|query| polite.ask(query, POLITE));
    }
    let mut query = packet::numbered("polite.example");
    for number in 0..300 {
        packet::number(&mut query, number);
        polite.ask(&query, POLITE);
    }
    assert!(upstream.ignored() > 100, "no flood");
    polite.assert_served();
    assert_memory_below(&daemon, CACHE + BESIDES + WAITING);
}

/// Two clients do that to four workers: each worker's places are shared out fairly, and what the workers share is not short.
#[test]
fn a_flood_of_two_clients_to_many_workers_leaves_the_new_names_of_others_alone() {
    let _turn = alone();
    let upstream = Upstream::start(|qname| match is_below(qname, "polite.example") {
        true => Fate::Answered(POLITE, 3600),
        false => Fate::Ignored,
    });
    let config = "[server]\nworkers = 4\n[upstream]\ntimeout = \"20s\"\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    // From some ports, so that every worker gets its part.
    let from = ["127.0.9.1", "127.0.9.2"].repeat(5).into_iter().map(str::to_owned).collect::<Vec<_>>();
    let flood = Flood::of_names(&from, daemon.udp(), "flood.example");
    // Most of all places are taken: two thirds of a worker's 4096, where both clients have it.
    while upstream.ignored() < 12_000 {
        assert!(flood.sent() < 5_000_000, "no flood: {} questions", upstream.ignored());
        std::thread::yield_now();
    }
    let mut query = packet::numbered("polite.example");
    let mut polite = Polite::new("127.0.0.1", daemon.udp());
    for number in 0..200 {
        packet::number(&mut query, number);
        polite.ask(&query, POLITE);
    }
    polite.assert_served();
}

/// So many of other clients' questions may be answered while one waits that an upstream or a stream answers, some 30 rounds of
/// all that they have under way. (A worker that is not through with those who ask before it looks at anything else answers tens
/// of thousands.)
const MEANWHILE: u64 = 2_000;

/// A worker, alone, and a client to whom it has given the answer to a query.
fn one_worker() -> (Upstream, TestDaemon, Vec<u8>, Polite) {
    let upstream = Upstream::start(|_| Fate::Answered(POLITE, 3600));
    let daemon = TestDaemon::start(upstream.address(), "[server]\nworkers = 1\n");
    let (known, mut polite) = (packet::query("known.example"), Polite::new("127.0.0.1", daemon.udp()));
    polite.ask(&known, POLITE);
    (upstream, daemon, known, polite)
}

/// Until a load is under way.
fn wait_for_answers(answered: impl Fn() -> u64) {
    let begun = Instant::now();
    while answered() < MEANWHILE {
        assert!(begun.elapsed() < DEADLINE, "{} answers", answered());
        std::thread::yield_now();
    }
}

/// Clients that ask for what is known faster than it is answered, and have no more under way than is read at once: a worker
/// never finds its socket empty.
#[test]
fn hits_of_many_leave_the_new_names_and_the_streams_of_others_alone() {
    const QUESTIONS: u64 = 40;
    let _turn = alone();
    let (_upstream, daemon, known, mut polite) = one_worker();
    let crowd = Crowd::start(2, 30, daemon.udp(), &known);
    wait_for_answers(|| crowd.answered());
    let mut query = packet::numbered("polite.example");
    for (what, on_stream) in [("new names", false), ("streams", true)] {
        let before = crowd.answered();
        for number in 0..QUESTIONS {
            packet::number(&mut query, number);
            match on_stream {
                true => polite.ask_on_stream(&known, POLITE),
                false => polite.ask(&query, POLITE),
            }
        }
        let meanwhile = (crowd.answered() - before) / QUESTIONS;
        eprintln!("{what}: {meanwhile} answers to others for each");
        assert!((1..MEANWHILE).contains(&meanwhile), "{what}: {meanwhile} answers to others for each");
    }
    assert_eq!(polite.answered, polite.asked);
}

/// The same for one who writes a stream as fast as it is read.
#[test]
fn a_stream_of_many_queries_leaves_the_datagrams_of_others_alone() {
    const QUESTIONS: u64 = 40;
    let _turn = alone();
    let (_upstream, daemon, known, mut polite) = one_worker();
    let torrent = Torrent::start(daemon.tcp(), &known);
    wait_for_answers(|| torrent.answered());
    let before = torrent.answered();
    for _ in 0..QUESTIONS {
        polite.ask(&known, POLITE);
    }
    let meanwhile = (torrent.answered() - before) / QUESTIONS;
    eprintln!("{meanwhile} answers on the stream for each");
    assert!((1..MEANWHILE).contains(&meanwhile), "{meanwhile} answers on the stream for each");
    assert_eq!(polite.answered, polite.asked);
}

#[test]
fn a_flood_of_garbage_harms_nobody() {
    let _turn = alone();
    let upstream = Upstream::start(|_| Fate::Answered(POLITE, 3600));
    let mut daemon = start(&upstream, "");
    let (favourites, mut polite) = (favourites(), Polite::new("127.0.0.1", daemon.udp()));
    favourites.iter().for_each(|query| polite.ask(query, POLITE));
    {
        let flood = Flood::start(&addresses(9, 4), daemon.udp(), || garbage::datagram);
        // All from one address: it gets no more streams than one client may have.
        let streams = Streams::start(4, daemon.tcp());
        while polite.asked < 400 || flood.sent() < 50_000 || streams.opened() < 200 {
            favourites.iter().for_each(|query| polite.ask(query, POLITE));
            polite.ask_on_stream(&favourites[0], POLITE);
        }
        assert!(flood.received() > 0, "no datagram was worth an error reply");
    }
    polite.assert_served();
    let mut after = Polite::new("127.0.0.1", daemon.udp());
    let new = packet::query("after.polite.example");
    (0..100).for_each(|_| after.ask(&new, POLITE));
    after.ask_on_stream(&new, POLITE);
    assert_eq!(after.answered, after.asked);
    assert!(daemon.is_running() && !daemon.log().contains("bug"), "{}", daemon.log());
    assert_memory_below(&daemon, CACHE + BESIDES);
}

/// No answer of the upstream to those who wait, no wait for those who ask for what is known.
#[test]
fn a_slow_upstream_does_not_slow_hits() {
    const CLIENTS: u8 = 40;
    const EACH: u64 = 10;
    /// As many as the buffer of the upstream's socket takes for sure.
    const AT_ONCE: u64 = 20;
    let _turn = alone();
    let upstream = Upstream::start(|qname| match () {
        () if is_below(qname, "polite.example") => Fate::Answered(POLITE, 3600),
        () if is_below(qname, "slow.example") => Fate::Held(OTHER),
        () => Fate::Ignored,
    });
    let daemon = start(&upstream, "[upstream]\ntimeout = \"30s\"\n");
    let (favourites, mut polite) = (favourites(), Polite::new("127.0.0.1", daemon.udp()));
    favourites.iter().for_each(|query| polite.ask(query, POLITE));
    let waiting: Vec<_> =
        addresses(9, CLIENTS).iter().map(|from| socket(from, daemon.udp(), DEADLINE)).collect();
    let (mut slow, mut silent) = (packet::numbered("slow.example"), packet::numbered("silent.example"));
    let total = u64::from(CLIENTS) * EACH;
    for (number, client) in (0..total).zip(waiting.iter().cycle()) {
        for query in [&mut slow, &mut silent] {
            packet::number(query, number);
            client.send(query).unwrap();
        }
        let sent = number + 1;
        while sent.is_multiple_of(AT_ONCE) && (upstream.held() < sent || upstream.ignored() < sent) {
            favourites.iter().for_each(|query| polite.ask(query, POLITE));
        }
    }
    while polite.asked < 2000 || upstream.held() < total || upstream.ignored() < total {
        favourites.iter().for_each(|query| polite.ask(query, POLITE));
    }
    assert_eq!(polite.answered, polite.asked);
    let mut room = [0; 1500];
    for client in &waiting {
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.recv(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock, "one was answered");
        client.set_nonblocking(false).unwrap();
    }
    upstream.release();
    for client in &waiting {
        for _ in 0..EACH {
            let length = client.recv(&mut room).expect("an answer once there is one");
            assert!(packet::answers(&room[..length], OTHER));
        }
    }
}

/// A client with many questions under way gets an answer to each, by one of the two policies.
#[test]
fn reloads_lose_no_query() {
    const RELOADS: u64 = 40;
    let _turn = alone();
    let inside = [192, 168, 1, 20];
    let upstream = Upstream::start(move |_| Fate::Answered(inside, 3600));
    let policies = ["", "[[exception]]\ndomain = \"nas.example\"\n"].map(|text| format!("{WORKERS}{text}"));
    let daemon = TestDaemon::start(upstream.address(), &policies[0]);
    let query = packet::query("nas.example");
    let mut clients = [Pipeline::datagrams(daemon.udp()), Pipeline::stream(daemon.tcp())];
    let (mut allowed, mut blocked) = (0, 0);
    let mut exchange = |clients: &mut [Pipeline]| {
        for reply in clients.iter_mut().flat_map(|client| client.exchange(&query)) {
            let reply = support::Reply::new(reply);
            match reply.is_empty() {
                true => reply.assert_blocked(),
                false => reply.assert_addresses(&["192.168.1.20"]),
            }
            *(if reply.is_empty() { &mut blocked } else { &mut allowed }) += 1;
        }
        (allowed, blocked)
    };
    for reload in 1..=RELOADS {
        for _ in 0..4 {
            exchange(&mut clients);
        }
        // Nobody waits for the last change to take effect. The signal adds a reload to the one by the file's event.
        daemon.config().write(&policies[(reload % 2) as usize]);
        daemon.signal("HUP");
    }
    daemon.config().write(&policies[1]);
    daemon.signal("HUP");
    // A line that says "reloaded" may still be of the change before: what counts is what is answered.
    let deadline = Instant::now() + DEADLINE;
    let (after, blocked) = loop {
        let (before, _) = exchange(&mut clients);
        let (after, blocked) = exchange(&mut clients);
        if after > before {
            break (after, blocked);
        }
        assert!(Instant::now() < deadline, "the last change did not take effect");
    };
    assert!(blocked > 0, "one policy was never seen");
    let reloads = daemon.log().matches("reloaded: ").count();
    eprintln!("{reloads} reloads, {after} answers and {blocked} block replies");
    assert!(reloads >= 10, "{reloads} reloads");
}

/// Asks for so many names, each once, all answered; returns the memory taken after half of them and after all.
fn unique_names(count: u64, daemon: &TestDaemon) -> (u64, u64) {
    let half = |numbers: std::ops::Range<u64>| {
        let answered = ask_for_all(numbers.clone(), "unique.example", daemon.udp());
        let asked = numbers.end - numbers.start;
        assert!(answered * 100 >= asked * 99, "{answered} of {asked} questions were answered");
        memory(daemon, "RssAnon")
    };
    (half(0..count / 2), half(count / 2..count))
}

/// What a daemon takes does not grow any more, and is little more than its cache may take.
#[track_caller]
fn assert_flat((half, whole): (u64, u64), cache: u64) {
    eprintln!("{} KiB after half of the names, {} KiB after all", half / 1024, whole / 1024);
    assert!(half.abs_diff(whole) <= 4 * MIB, "{half} octets after half of the names, {whole} after all");
    let bound = cache + BESIDES;
    assert!(whole <= bound, "{whole} octets, and {bound} were allowed");
}

/// Memory does not grow with the number of names ever asked for. An entry takes more than 150 octets, so that these names
/// fill the cache more than five times.
#[test]
fn after_many_unique_names_the_memory_is_what_the_cache_may_take() {
    let _turn = alone();
    let upstream = Upstream::start(|_| Fate::Answered(OTHER, 3600));
    let daemon = start(&upstream, "");
    assert_flat(unique_names(150_000, &daemon), CACHE);
    // Those in the middle are gone. (The first may stay: what comes once drives out what came once.)
    let asked = upstream.answered();
    ask_for_all(70_000..71_000, "unique.example", daemon.udp());
    assert!(upstream.answered() > asked + 900, "{asked} questions, then {}", upstream.answered());
}

/// The same with a million names and a cache of the default size.
#[test]
fn after_a_million_unique_names_the_memory_is_what_the_cache_may_take() {
    let _turn = alone();
    let upstream = Upstream::start(|_| Fate::Answered(OTHER, 3600));
    let daemon = TestDaemon::start(upstream.address(), WORKERS);
    assert_flat(unique_names(1_000_000, &daemon), 16 * MIB);
}
