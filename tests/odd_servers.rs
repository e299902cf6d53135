//! Upstreams that answer some questions oddly and others well.

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

use std::time::{Duration, Instant};

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{Message, Record, code, name};
use support::TestDaemon;
use support_more::{Call, ScriptedUpstream, ask, query, udp};

const HTTPS: u16 = 65;

fn good() -> ScriptedUpstream {
    ScriptedUpstream::of(&[("a.example", "8.8.8.8"), ("b.example", "8.8.8.8")])
}

/// A reply without the question. Its header counts `more` records that are missing.
fn bare(call: &Call, rcode: u16, more: &[Record]) -> Vec<Action> {
    let message = Message { qdcount: 0, question: Vec::new(), ..call.asked().reply() };
    vec![Action::Send(message.rcode(rcode).answer(more.iter().cloned()).encode())]
}

// ------------------------------------------------------------------------------------------ without the question

#[test]
fn a_reply_without_the_question_is_asked_for_again_over_tcp() {
    for rcode in [code::NOERROR, code::NXDOMAIN] {
        for more in [vec![], vec![Record::address("6.6.6.6".parse().unwrap())]] {
            let upstream = ScriptedUpstream::start(move |call| match call.stream {
                true => call.address("1.1.1.1"),
                false => bare(call, rcode, &more),
            });
            let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"10s\"\n");
            let begun = Instant::now();
            for number in 0..3 {
                ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "RCODE {rcode}: {:?}", begun.elapsed());
        }
    }
}

/// Nothing of it is believed, and nobody waits for the end of the timeout.
#[test]
fn without_the_question_over_tcp_either_it_is_a_failure() {
    for rcode in [code::NOERROR, code::NXDOMAIN] {
        let upstream = ScriptedUpstream::start(move |call| bare(call, rcode, &[]));
        let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"20s\"\n");
        let begun = Instant::now();
        let reply = ask(daemon.udp(), "a.example");
        assert_eq!((reply.rcode(), reply.is_empty()), (code::SERVFAIL, true), "{reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "RCODE {rcode}: {:?}", begun.elapsed());
    }
}

// ------------------------------------------------------------------------------------------------------ no answer

/// The root's name servers: "ask there".
fn upward(call: &Call) -> Message {
    let referral = Record::new(code::NS, name("a.root-servers.net")).owned_by(".").ttl(60);
    call.asked().reply().authority([referral])
}

#[test]
fn after_an_empty_answer_the_next_server_is_asked() {
    type Lame = fn(&Call) -> Message;
    let table: [(&str, Lame); 2] = [("an upward referral", upward), ("nothing", |call| call.asked().reply())];
    for (what, lame) in table {
        let first = ScriptedUpstream::start(move |call| call.send(&lame(call)));
        let second = good();
        let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
        for name in ["a.example", "b.example"] {
            let reply = ask(daemon.udp(), name);
            assert_eq!(reply.addresses(), ["8.8.8.8"], "{what}: {reply:?}");
            assert_eq!(first.asked(name), 1, "{what}: it is not avoided");
        }
        // What the second says counts, whatever it is.
        assert_eq!(ask(daemon.udp(), "none.example").rcode(), code::NXDOMAIN, "{what}");
    }
}

#[test]
fn an_empty_answer_is_better_than_a_failure_or_none() {
    for failing in [true, false] {
        let first = ScriptedUpstream::start(|call| call.send(&call.asked().reply()));
        let second = ScriptedUpstream::start(move |call| match failing {
            true => call.rcode(code::SERVFAIL),
            false => Vec::new(),
        });
        for servers in [[first.address(), second.address()], [second.address(), first.address()]] {
            let daemon = TestDaemon::start_with(&servers, "[upstream]\ntimeout = \"500ms\"\n");
            let reply = ask(daemon.udp(), "a.example");
            assert_eq!((reply.rcode(), reply.is_empty()), (code::NOERROR, true), "{servers:?}: {reply:?}");
        }
    }
}

/// No data, with the SOA that says so.
#[test]
fn no_data_is_an_answer() {
    let first = ScriptedUpstream::start(|call| call.send(&call.asked().nodata()));
    let second = good();
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
    let reply = ask(daemon.udp(), "a.example");
    assert_eq!((reply.rcode(), reply.is_empty()), (code::NOERROR, true), "{reply:?}");
    assert_eq!(second.asked("a.example"), 0);
}

// -------------------------------------------------------------------------------------------- one kind of question

/// Whatever it answers: the root's name servers, or only addresses.
#[test]
fn a_server_that_is_silent_to_one_type_is_not_avoided() {
    for knows_root in [true, false] {
        let first = ScriptedUpstream::start(move |call| match call.qtype() {
            code::A => call.address("1.1.1.1"),
            code::NS if knows_root => call.send(&call.asked().nodata()),
            _ => Vec::new(),
        });
        let second = ScriptedUpstream::start(|call| call.send(&call.asked().nodata()));
        let daemon =
            TestDaemon::start_with(&[first.address(), second.address()], "[upstream]\ntimeout = \"300ms\"\n");
        let mut asked = 0;
        let mut numbers = 0..;
        support_more::until("the first server is silent to some questions", || {
            let name = format!("n{}.example", numbers.next()?);
            let reply = udp(daemon.udp(), &query(&name, HTTPS));
            assert_eq!(reply.rcode(), code::NOERROR, "{reply:?}");
            asked += usize::from(first.calls_for(&name).iter().any(|call| call.qtype() == HTTPS));
            (asked == 3).then_some(())
        });
        // It is still asked first, once that was found out.
        support_more::until("the first server is asked first", || {
            let name = format!("a{}.example", numbers.next()?);
            (ask(daemon.udp(), &name).addresses() == ["1.1.1.1"]).then_some(())
        });
        assert!(!daemon.log().contains("server avoided"), "{knows_root}: {}", daemon.log());
    }
}

/// A router that only answers for addresses is asked for a name that no server can find.
#[test]
fn a_server_that_is_silent_to_one_name_is_not_avoided() {
    let upstream = ScriptedUpstream::start(|call| match call.qtype() {
        code::A if !call.name().to_ascii_lowercase().starts_with("slow") => call.address("1.1.1.1"),
        code::AAAA => call.send(&call.asked().nodata()),
        _ => Vec::new(),
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"300ms\"\n");
    let mut numbers = 0..;
    support_more::until("it is found out if the server is there", || {
        let reply = ask(daemon.udp(), &format!("slow{}.example", numbers.next()?));
        assert_eq!(reply.rcode(), code::SERVFAIL, "{reply:?}");
        (upstream.asked("a.root-servers.net") > 0).then_some(())
    });
    for number in 0..3 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
    }
    assert!(!daemon.log().contains("server avoided"), "{}", daemon.log());
}

/// A client that asks meanwhile does not wait for a server that may be gone.
#[test]
fn while_a_silent_server_is_probed_the_others_are_asked() {
    let first = ScriptedUpstream::start(|_| Vec::new());
    let second = ScriptedUpstream::start(|call| call.address("8.8.8.8"));
    let config = "[upstream]\ntimeout = \"3s\"\n";
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], config);
    ask(daemon.udp(), "n0.example").assert_addresses(&["8.8.8.8"]);
    let begun = Instant::now();
    for number in 1..10 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["8.8.8.8"]);
        assert_eq!(first.asked(&format!("n{number}.example")), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    daemon.wait_for_line(0, &["server avoided", &first.address().to_string()]);
}
