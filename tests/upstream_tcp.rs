//! Upstreams whose answers need TCP, and whose connections break.

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

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{EDE, Query, Record, code, ede, flag, opt};
use support::TestDaemon;
use support_more::upstream::framed;
use support_more::{Call, ScriptedUpstream, ask, query, tcp, udp};

const CONFIG: &str = "[server]\nworkers = 1\n[upstream]\ntimeout = \"10s\"\n";

/// An upstream that truncates everything over UDP. Over TCP, `reply` returns what is sent for a call on the connection of this
/// number.
fn truncating(reply: impl Fn(usize, &Call) -> Vec<u8> + Send + Sync + 'static) -> ScriptedUpstream {
    let connections: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
    ScriptedUpstream::start(move |call| {
        if !call.stream {
            return call.send(&call.asked().reply().with(flag::TC));
        }
        let mut connections = connections.lock().unwrap();
        let known = connections.iter().position(|from| *from == call.from);
        let number = known.unwrap_or_else(|| {
            connections.push(call.from);
            connections.len() - 1
        });
        drop(connections);
        vec![Action::Raw(reply(number, call))]
    })
}

/// The honest reply, with its length.
fn honest(call: &Call) -> Vec<u8> {
    match &call.address("1.1.1.1")[..] {
        [Action::Send(octets)] => framed(octets),
        _ => panic!("one message"),
    }
}

#[test]
fn a_misframed_reply_fails_no_question() {
    let upstream = truncating(|number, call| {
        let mut reply = honest(call);
        // The third question on the first connection.
        if number == 0 && call.is_for("n2.example") {
            reply[1] -= 2;
        }
        reply
    });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    let begun = Instant::now();
    for number in 0..12 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_connection_that_falls_silent_fails_no_question() {
    let upstream = truncating(|number, call| match (number, call.is_for("n0.example")) {
        (0, false) => Vec::new(),
        _ => honest(call),
    });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    for number in 0..6 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
    }
}

/// The most octets of a reply (RFC 1035 §4.2.2), less an OPT record without options.
const MOST: usize = 65_535 - 11;

/// A reply of as many octets as the name's first label says, as the daemon writes it to a client without EDNS.
fn of_length(call: &Call) -> Vec<u8> {
    let Some(length) = call.name().get(1..6).and_then(|digits| digits.parse::<usize>().ok()) else {
        return honest(call);
    };
    let before_rdata = 12 + "nDDDDD.example".len() + 2 + 4 + 12;
    // Empty strings.
    let text = Record::new(code::TXT, vec![0; length - before_rdata]);
    let reply = call.asked().reply().answer([text]);
    // What an upstream says of itself goes where there is no room.
    let said = ede(0, b"a long story");
    let opt = opt(1232, 0, 0, 0, &[(EDE, &said)]);
    let with_error = reply.clone().additional([opt]);
    let octets = [with_error, reply].map(|message| message.encode());
    framed(octets.iter().find(|octets| octets.len() <= 65_535).unwrap())
}

#[test]
fn a_reply_passes_up_to_the_longest_that_has_room_for_an_opt_record() {
    let upstream = truncating(|_, call| of_length(call));
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    for (length, passes) in [
        (64_511, true),
        (64_512, true),
        (MOST - 40, true),
        (MOST - 10, true),
        (MOST - 1, true),
        (MOST, true),
        (MOST + 1, false),
        (65_535, false),
    ] {
        let name = format!("n{length}.example");
        // The first reply comes from the upstream, the others out of the cache.
        for edns in [Some((1232, false)), None, Some((1232, true)), Some((1232, false))] {
            let what = format!("{name} {edns:?}");
            let asked = Query { edns, ..query(&name, code::TXT) };
            let reply = tcp(daemon.tcp(), &asked);
            assert_eq!(reply.opt().is_some(), edns.is_some(), "{what}");
            if !passes {
                assert_eq!((reply.rcode(), reply.is_empty()), (code::SERVFAIL, true), "{what}");
                continue;
            }
            assert_eq!((reply.rcode(), reply.is_truncated()), (code::NOERROR, false), "{what}");
            let told = reply.0.len() - length;
            let opt = edns.map_or(0, |_| 11);
            assert!(told == opt || (told > opt && length + told <= 65_535), "{what}: {told} more octets");
            // A datagram has no room for it.
            let datagram = udp(daemon.udp(), &asked);
            assert!(datagram.is_truncated() && datagram.is_empty(), "{what}: {datagram:?}");
        }
        if passes {
            let streams = upstream.calls().iter().filter(|call| call.stream && call.is_for(&name)).count();
            assert_eq!(streams, 2, "{name}: kept, with the records of DNSSEC and without");
        }
    }
}
