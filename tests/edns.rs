//! Upstreams, and networks on the way to them, that do not support EDNS (RFC 6891).

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

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{Message, Query, Record, code, opt, soa};
use support::TestDaemon;
use support_more::{Call, ScriptedUpstream, ask, query, udp, until};

const CONFIG: &str = "[server]\nworkers = 1\n[upstream]\ntimeout = \"2s\"\n";
const OFF: &str = "only without EDNS";

/// How the upstream answers a query with EDNS.
type Hostile = fn(&Call) -> Vec<Action>;

fn has_edns(call: &Call) -> bool {
    call.asked().edns().is_some()
}

/// Without an OPT record.
fn plainly(message: &Message) -> Vec<Action> {
    vec![Action::Send(message.encode())]
}

fn rcode(call: &Call, rcode: u16) -> Vec<Action> {
    plainly(&call.asked().reply().rcode(rcode))
}

/// A header, and no question.
fn bare(call: &Call, rcode: u16) -> Vec<Action> {
    plainly(&Message { qdcount: 0, question: Vec::new(), ..call.asked().reply() }.rcode(rcode))
}

fn soa_of_root() -> Record {
    Record::new(code::SOA, soa("ns.example", 60)).owned_by("example").ttl(60)
}

const HOSTILE: [(&str, Hostile); 14] = [
    ("silence", |_| Vec::new()),
    ("NXDOMAIN", |call| rcode(call, code::NXDOMAIN)),
    ("NXDOMAIN with a SOA", |call| {
        plainly(&call.asked().reply().rcode(code::NXDOMAIN).authority([soa_of_root()]))
    }),
    ("no data", |call| rcode(call, code::NOERROR)),
    ("no data with a SOA", |call| plainly(&call.asked().reply().authority([soa_of_root()]))),
    ("SERVFAIL", |call| rcode(call, code::SERVFAIL)),
    ("REFUSED", |call| rcode(call, code::REFUSED)),
    ("FORMERR", |call| rcode(call, code::FORMERR)),
    ("NOTIMP", |call| rcode(call, code::NOTIMP)),
    ("BADVERS", |call| plainly(&call.asked().reply().additional([opt(1232, 1, 0, 0, &[])]))),
    ("a header with FORMERR", |call| bare(call, code::FORMERR)),
    ("a header with REFUSED", |call| bare(call, code::REFUSED)),
    ("a header with NXDOMAIN", |call| bare(call, code::NXDOMAIN)),
    ("a header without an error", |call| bare(call, code::NOERROR)),
];

#[test]
fn a_server_that_does_not_support_edns_is_asked_without_after_a_single_wait() {
    for (what, hostile) in HOSTILE {
        let upstream =
            ScriptedUpstream::start(
                move |call| {
                    if has_edns(call) { hostile(call) } else { call.address("1.1.1.1") }
                },
            );
        let daemon = TestDaemon::start(upstream.address(), CONFIG);
        let begun = Instant::now();
        let first = ask(daemon.udp(), "n0.example");
        assert_eq!(first.addresses(), ["1.1.1.1"], "{what}: {first:?}");
        // The client speaks EDNS with us all the same.
        assert!(first.opt().is_some(), "{what}: {first:?}");
        let log = daemon.wait_for_line(0, &[OFF, &upstream.address().to_string()]);
        for number in 1..6 {
            let name = format!("n{number}.example");
            ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
            let calls = upstream.calls_for(&name);
            assert!(calls.len() == 1 && !has_edns(&calls[0]), "{what}: {calls:?}");
        }
        // The signatures are lost, and the answer is not.
        let with_do = Query { edns: Some((1232, true)), ..query("n6.example", code::A) };
        udp(daemon.udp(), &with_do).assert_addresses(&["1.1.1.1"]);
        assert!(begun.elapsed() < Duration::from_secs(4), "{what}: {:?}", begun.elapsed());
        assert_eq!(daemon.log().matches(OFF).count(), 1, "{what}: {log:?}");
    }
}

/// Another in its place, say, after the network has changed.
#[test]
fn a_server_that_stops_supporting_edns_fails_at_most_one_question() {
    for (what, hostile) in HOSTILE {
        let changed = Arc::new(AtomicBool::new(false));
        let upstream = ScriptedUpstream::start({
            let changed = Arc::clone(&changed);
            move |call| match changed.load(Ordering::SeqCst) && has_edns(call) {
                true => hostile(call),
                false => call.address("1.1.1.1"),
            }
        });
        let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"500ms\"\n");
        ask(daemon.udp(), "before.example").assert_addresses(&["1.1.1.1"]);
        changed.store(true, Ordering::SeqCst);
        let answers =
            |number: usize| ask(daemon.udp(), &format!("n{number}.example")).rcode() == code::NOERROR;
        let failed = (0..6).filter(|number| !answers(*number)).count();
        assert!(failed <= usize::from(what == "silence"), "{what}: {failed} failed");
        daemon.wait_for_line(0, &[OFF]);
    }
}

#[test]
fn one_lost_datagram_does_not_switch_edns_off() {
    let upstream =
        ScriptedUpstream::start(|call| if call.before == 0 { Vec::new() } else { call.address("1.1.1.1") });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    ask(daemon.udp(), "n0.example").assert_addresses(&["1.1.1.1"]);
    let mut numbers = 1..;
    until("a question is asked with EDNS", || {
        let name = format!("n{}.example", numbers.next()?);
        ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
        has_edns(&upstream.calls_for(&name)[0]).then_some(())
    });
    // It is known now, and what is lost is sent again with EDNS.
    ask(daemon.udp(), "known.example").assert_addresses(&["1.1.1.1"]);
    assert!(upstream.calls_for("known.example").iter().all(has_edns));
    assert!(!daemon.log().contains(OFF), "{}", daemon.log());
}

/// Whoever is authoritative for a name decides whether a resolver finds it in time.
#[test]
fn names_that_make_a_server_silent_do_not_make_it_forget_edns() {
    let upstream = ScriptedUpstream::start(|call| match call.name().to_ascii_lowercase() {
        name if name.starts_with("silent") => Vec::new(),
        name if name.starts_with("lost") && call.before == 0 => Vec::new(),
        _ => call.address("1.1.1.1"),
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"500ms\"\n");
    ask(daemon.udp(), "known.example").assert_addresses(&["1.1.1.1"]);
    for number in 0..4 {
        let silent = format!("silent{number}.example");
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| ask(daemon.udp(), &silent).rcode());
            // With and without an answer to somebody else meanwhile.
            if number % 2 == 0 {
                until("it is asked", || (upstream.asked(&silent) > 0).then_some(()));
                ask(daemon.udp(), &format!("other{number}.example")).assert_addresses(&["1.1.1.1"]);
            }
            assert_eq!(asking.join().unwrap(), code::SERVFAIL);
        });
        // What is lost is sent again with EDNS.
        let name = format!("lost{number}.example");
        ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
        let calls = upstream.calls_for(&name);
        assert!(calls.len() == 2 && calls.iter().all(has_edns), "{number}: {calls:?}");
    }
    assert!(!daemon.log().contains(OFF), "{}", daemon.log());
}

/// Whoever is authoritative for a name may fail at first and answer then. Some servers pass that on without an OPT record.
#[test]
fn names_that_fail_at_first_do_not_switch_edns_off() {
    let upstream = ScriptedUpstream::start(|call| match call.name().to_ascii_lowercase() {
        name if name.starts_with("failing") && call.before == 0 => rcode(call, code::SERVFAIL),
        _ => call.address("1.1.1.1"),
    });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    ask(daemon.udp(), "known.example").assert_addresses(&["1.1.1.1"]);
    for number in 0..12 {
        let name = format!("failing{number}.example");
        ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
        let edns: Vec<bool> = upstream.calls_for(&name).iter().map(has_edns).collect();
        assert_eq!(edns, [true, false], "{number}");
    }
    ask(daemon.udp(), "after.example").assert_addresses(&["1.1.1.1"]);
    assert!(upstream.calls_for("after.example").iter().all(has_edns));
    assert!(!daemon.log().contains(OFF), "{}", daemon.log());
}

#[test]
fn one_odd_reply_does_not_switch_edns_off_for_a_server_that_speaks_it() {
    let upstream =
        ScriptedUpstream::start(|call| match call.name().to_ascii_lowercase().starts_with("odd") {
            true if has_edns(call) => rcode(call, code::NXDOMAIN),
            _ => call.address("1.1.1.1"),
        });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    for number in 0..8 {
        for name in [format!("even{number}.example"), format!("odd{number}.example")] {
            ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
            assert!(has_edns(&upstream.calls_for(&name)[0]), "{name}");
        }
    }
    assert!(!daemon.log().contains(OFF), "{}", daemon.log());
}

/// Without an OPT record it is not believed before it was asked for without EDNS. It is the answer all the same.
#[test]
fn a_name_that_does_not_exist_does_not_switch_edns_off() {
    let upstream = ScriptedUpstream::start(|call| rcode(call, code::NXDOMAIN));
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    for number in 0..3 {
        let name = format!("n{number}.example");
        assert_eq!(ask(daemon.udp(), &name).rcode(), code::NXDOMAIN);
        let edns: Vec<bool> = upstream.calls_for(&name).iter().map(has_edns).collect();
        assert_eq!(edns, [true, false]);
    }
    assert!(!daemon.log().contains(OFF), "{}", daemon.log());
}

/// A router that answers as if there were no OPT record in the query.
#[test]
fn a_server_that_ignores_edns_is_asked_once_for_a_name_that_does_not_exist() {
    let upstream = ScriptedUpstream::start(|call| match call.is_for("a.example") {
        true => plainly(&call.asked().reply().answer([Record::address("1.1.1.1".parse().unwrap())])),
        false => rcode(call, code::NXDOMAIN),
    });
    let daemon = TestDaemon::start(upstream.address(), CONFIG);
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    assert_eq!(ask(daemon.udp(), "b.example").rcode(), code::NXDOMAIN);
    assert_eq!(upstream.asked("b.example"), 1);
}
