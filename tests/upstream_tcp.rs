//! Upstreams whose answers only TCP can carry, and whose connections break.

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
use stubborn::audit::wire::flag;
use support::TestDaemon;
use support_more::upstream::framed;
use support_more::{Call, ScriptedUpstream, ask};

const CONFIG: &str = "[server]\nworkers = 1\n[upstream]\ntimeout = \"10s\"\n";

/// An upstream that truncates all over UDP; over TCP, `reply` says what is sent for a call on its connection of that
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
