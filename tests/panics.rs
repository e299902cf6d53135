//! A panic costs the message or the question it happens in; the worker goes on, and nobody waits for ever.
//!
//! The panics come from the log: an event about a name below `panic.example` is one, wherever the worker is by then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;
mod support_more;

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use stubborn::audit::wire::{Query, code};
use support::daemon::TempConfig;
use support::workers::Workers;
use support_more::upstream::framed;
use support_more::{Call, DEADLINE, ScriptedUpstream, query, tcp, udp};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

/// Answered here, so that the panic is where the message is read.
const HERE: &str = "here.panic.example";
/// Answered by the upstream, so that it is where the answer is about to be given.
const LATER: &str = "later.panic.example";
/// Never answered, so that it is where the server is found silent, before those who ask the same have their answer.
const SILENT: &str = "silent.example";

/// The streams a client may have.
const STREAMS: usize = 4;

const CONFIG: &str = r#"
[server]
tcp-connections-per-client = 4

[upstream]
timeout = "1s"

[[local]]
name = "here.panic.example"
addresses = ["192.168.1.1"]
"#;

/// A log that panics.
struct Trap;

impl Subscriber for Trap {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, event: &Event<'_>) {
        let mut found = Found(false);
        event.record(&mut found);
        assert!(!found.0, "a panic, as the test wants it");
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Found(bool);

impl Visit for Found {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        self.0 |= text.contains("panic.example") || text.contains("server avoided");
    }
}

/// A worker with that log, and its upstream.
struct Stage {
    workers: Workers,
    upstream: ScriptedUpstream,
    _config: TempConfig,
}

impl Stage {
    fn new(script: impl Fn(&Call) -> Vec<stubborn::audit::cases::Action> + Send + Sync + 'static) -> Self {
        let (upstream, config) = (ScriptedUpstream::start(script), TempConfig::new(CONFIG));
        let workers = Workers::start(1, upstream.address(), &config, |job| {
            tracing::subscriber::with_default(Trap, job)
        });
        Self { workers, upstream, _config: config }
    }

    /// With an upstream that answers everything but [`SILENT`].
    fn answering() -> Self {
        Self::new(|call| if call.is_for(SILENT) { Vec::new() } else { call.address("1.1.1.1") })
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.workers.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// What is new and what is known is answered, over UDP and TCP.
    #[track_caller]
    fn assert_serves(&self, new: &str) {
        for _ in 0..2 {
            udp(self.workers.address(), &query(new, code::A)).assert_addresses(&["1.1.1.1"]);
            tcp(self.workers.address(), &query(new, code::A)).assert_addresses(&["1.1.1.1"]);
        }
    }
}

/// The next message of a stream; `None` where it was closed.
fn next(stream: &mut TcpStream) -> Option<support::Reply> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut reply).unwrap();
    Some(support::Reply::new(reply))
}

#[test]
fn a_message_that_makes_the_worker_panic_is_not_answered_and_all_others_are() {
    let stage = Stage::answering();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(stage.workers.address()).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    // All in one batch, the bad ones among the good ones.
    for id in 0..20 {
        let name = if id % 2 == 0 { HERE } else { "localhost" };
        socket.send(&Query { id, ..query(name, code::A) }.encode()).unwrap();
    }
    let mut room = [0; 1500];
    for id in (1..20).step_by(2) {
        let length = socket.recv(&mut room).unwrap();
        assert_eq!(support::Reply::new(room[..length].to_vec()).message().id, id);
    }
    stage.assert_serves("new.example");
}

#[test]
fn a_message_that_makes_the_worker_panic_ends_its_stream_and_no_other() {
    let stage = Stage::answering();
    let mut other = stage.connect();
    // More than there are places: each is given back.
    for _ in 0..3 * STREAMS {
        let mut stream = stage.connect();
        stream.write_all(&framed(&query(HERE, code::A).encode())).unwrap();
        assert!(next(&mut stream).is_none());
    }
    other.write_all(&framed(&query("localhost", code::A).encode())).unwrap();
    next(&mut other).unwrap().assert_addresses(&["127.0.0.1"]);
    stage.assert_serves("new.example");
}

/// The client learns that it failed, and a stream stays of use.
#[test]
fn a_question_that_makes_the_worker_panic_is_a_failure() {
    let stage = Stage::answering();
    for _ in 0..3 * STREAMS {
        assert_eq!(udp(stage.workers.address(), &query(LATER, code::TXT)).rcode(), code::SERVFAIL);
        let mut stream = stage.connect();
        // Another type each, so that it is not in the cache.
        for name in [LATER, "www.example"] {
            stream.write_all(&framed(&query(name, 1000 + u16::from(rand::random::<u8>())).encode())).unwrap();
        }
        let (one, two) = (next(&mut stream).unwrap(), next(&mut stream).unwrap());
        let mut rcodes = [one.rcode(), two.rcode()];
        rcodes.sort_unstable();
        assert_eq!(rcodes, [code::NOERROR, code::SERVFAIL], "{one:?}\n{two:?}");
    }
    stage.assert_serves("new.example");
}

/// Whoever asked first asks for all who come behind, and they must not wait for what will not come.
#[test]
fn those_who_wait_for_a_question_that_panics_learn_of_it() {
    let stage = Stage::answering();
    let sockets: Vec<UdpSocket> = (0..20)
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(stage.workers.address()).unwrap();
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            socket.send(&query(SILENT, code::A).encode()).unwrap();
            socket
        })
        .collect();
    for socket in &sockets {
        let mut room = [0; 1500];
        let length = socket.recv(&mut room).unwrap();
        let reply = support::Reply::new(room[..length].to_vec());
        // Not for the server's silence (22): nobody got as far as that.
        assert!(reply.rcode() == code::SERVFAIL && reply.errors()[0].0 != 22, "{reply:?}");
    }
    // Asked once, and once more when no answer came.
    assert!(stage.upstream.asked(SILENT) <= 2, "{:?}", stage.upstream.calls_for(SILENT));
    stage.assert_serves("new.example");
}
