//! Upstreams that are dead, slow, forged, broken or ourselves; what is kept of their answers; and starts that fail.

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

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use stubborn::audit::cases::Action;
use stubborn::audit::wire::{Message, Query, Record, code, flag, name, opt};
use support::{Reply, TestDaemon};
use support_more::upstream::{framed, free_address};
use support_more::{Call, DEADLINE, Gate, Process, ScriptedUpstream, Start, ask, query, tcp, udp, until};

const ONE_WORKER: &str = "[server]\nworkers = 1\n";

/// The TTL of the first answer record.
fn ttl(reply: &Reply) -> u32 {
    reply.message().records.first().map_or(0, |record| record.ttl)
}

fn errors(reply: &Reply) -> Vec<u16> {
    reply.errors().into_iter().map(|(code, _)| code).collect()
}

#[track_caller]
fn assert_servfail(reply: &Reply, ede: u16) {
    assert_eq!((reply.rcode(), reply.is_empty()), (code::SERVFAIL, true), "{reply:?}");
    assert_eq!(errors(reply), [ede], "{reply:?}");
    assert!(reply.soa_ttl().is_none(), "{reply:?}");
}

// ------------------------------------------------------------------------------------------------ who is asked

/// A server that answers nothing costs the first client one timeout; the others do not wait for it.
#[test]
fn a_dead_server_costs_one_timeout_once_and_comes_back_after_it_answers_a_probe() {
    let alive = Arc::new(AtomicBool::new(false));
    let first = ScriptedUpstream::start({
        let alive = Arc::clone(&alive);
        move |call| if alive.load(Ordering::SeqCst) { call.address("1.1.1.1") } else { Vec::new() }
    });
    let second = ScriptedUpstream::start(|call| call.address("8.8.8.8"));
    let config = "[upstream]\ntimeout = \"500ms\"\n";
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], config);
    ask(daemon.udp(), "n0.example").assert_addresses(&["8.8.8.8"]);
    let asked: Vec<_> = first.calls().into_iter().filter(|call| call.is_for("n0.example")).collect();
    assert_eq!(asked.len(), 2, "asked, and asked again after a while");
    daemon.wait_for_line(0, &["server avoided", &first.address().to_string()]);
    for number in 1..20 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["8.8.8.8"]);
    }
    let names: HashSet<_> = first.calls().iter().map(|call| call.name().to_ascii_lowercase()).collect();
    for number in 1..20 {
        assert!(!names.contains(&format!("n{number}.example.")), "{names:?}");
    }
    alive.store(true, Ordering::SeqCst);
    let mut number = 100;
    until("the first server is asked again", || {
        number += 1;
        let reply = ask(daemon.udp(), &format!("n{number}.example"));
        (reply.addresses() == ["1.1.1.1"]).then_some(())
    });
    daemon.wait_for_line(0, &["server answers again", &first.address().to_string()]);
    let probes = first.calls_for(".");
    assert!(probes.iter().all(|call| call.qtype() == code::NS) && !probes.is_empty(), "{names:?}");
}

#[test]
fn a_server_that_refuses_is_noticed_at_once() {
    let second = ScriptedUpstream::of(&[("a.example", "8.8.8.8")]);
    let config = "[upstream]\ntimeout = \"30s\"\n";
    let begun = Instant::now();
    let daemon = TestDaemon::start_with(&[free_address(), second.address()], config);
    ask(daemon.udp(), "a.example").assert_addresses(&["8.8.8.8"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn with_nobody_to_answer_the_client_learns_that_at_once() {
    let daemon = TestDaemon::start(free_address(), "[upstream]\ntimeout = \"30s\"\n");
    let begun = Instant::now();
    assert_servfail(&ask(daemon.udp(), "a.example"), 22);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn after_a_failure_of_the_first_server_the_second_is_asked() {
    for rcode in [code::SERVFAIL, code::REFUSED, code::NOTIMP, code::FORMERR] {
        let first = ScriptedUpstream::start(move |call| call.rcode(rcode));
        let second = ScriptedUpstream::of(&[("a.example", "8.8.8.8")]);
        let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
        ask(daemon.udp(), "a.example").assert_addresses(&["8.8.8.8"]);
        // It answered: it is not avoided.
        ask(daemon.udp(), "b.example");
        // What it may not have understood, it was asked again without EDNS.
        let times = if matches!(rcode, code::NOTIMP | code::FORMERR) { 2 } else { 1 };
        assert_eq!((first.asked("a.example"), first.asked("b.example")), (times, times), "RCODE {rcode}");
    }
}

/// RFC 6891 §7
#[test]
fn a_server_that_does_not_know_edns_is_asked_without_it() {
    for bare in [false, true] {
        let upstream = ScriptedUpstream::start(move |call| match call.asked().edns() {
            None => call.address("1.1.1.1"),
            Some(_) if bare => {
                let header = Message { qdcount: 0, question: Vec::new(), ..call.asked().reply() };
                vec![Action::Send(header.rcode(code::FORMERR).encode())]
            }
            Some(_) => vec![Action::Send(call.asked().reply().rcode(code::FORMERR).encode())],
        });
        let daemon = TestDaemon::start(upstream.address(), "");
        let reply = ask(daemon.udp(), "a.example");
        reply.assert_addresses(&["1.1.1.1"]);
        // The client speaks EDNS with us all the same.
        assert!(reply.opt().is_some(), "{reply:?}");
        let calls = upstream.calls_for("a.example");
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert_ne!(calls[0].id(), calls[1].id());
    }
}

#[test]
fn what_all_servers_say_is_said_and_not_asked_for_again_at_once() {
    let server = || ScriptedUpstream::start(|call| call.rcode(code::SERVFAIL));
    let (first, second) = (server(), server());
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
    for _ in 0..2 {
        let reply = ask(daemon.udp(), "a.example");
        assert_eq!((reply.rcode(), reply.is_empty()), (code::SERVFAIL, true), "{reply:?}");
        assert_eq!((first.asked("a.example"), second.asked("a.example")), (1, 1));
    }
    ask(daemon.udp(), "b.example");
    assert_eq!((first.asked("b.example"), second.asked("b.example")), (1, 1), "another name is asked for");
}

/// NXDOMAIN is an answer.
#[test]
fn the_second_server_is_not_asked_for_a_name_that_does_not_exist() {
    let first = ScriptedUpstream::of(&[]);
    let second = ScriptedUpstream::of(&[("a.example", "8.8.8.8")]);
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
    assert_eq!(ask(daemon.udp(), "a.example").rcode(), code::NXDOMAIN);
    assert_eq!(second.asked("a.example"), 0);
}

// ------------------------------------------------------------------------------------------------- what comes back

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let upstream = ScriptedUpstream::start(|call| {
        let reply = call.asked().reply().answer([Record::address("1.1.1.1".parse().unwrap())]);
        // What came with TC may be cut anywhere: it is not used.
        if call.stream { call.send(&reply) } else { call.send(&reply.with(flag::TC)) }
    });
    let daemon = TestDaemon::start(upstream.address(), "");
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    let transports: Vec<_> = upstream.calls_for("a.example").iter().map(|call| call.stream).collect();
    assert_eq!(transports, [false, true]);
}

/// A server that does not mind how much was announced (1232 octets), with or without TC.
#[test]
fn a_reply_too_large_for_a_datagram_is_asked_for_again_over_tcp() {
    for flags in [0, flag::TC] {
        let upstream = ScriptedUpstream::start(move |call| {
            let address = Record::address("1.1.1.1".parse().unwrap());
            let filler = Record::new(65_300, vec![0; if call.stream { 0 } else { 30_000 }]);
            let reply = call.asked().reply().answer([address]).additional([filler]);
            let reply = if call.stream { reply } else { reply.with(flags) };
            vec![Action::Send(reply.encode())]
        });
        let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"30s\"\n");
        ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
        let transports: Vec<_> = upstream.calls_for("a.example").iter().map(|call| call.stream).collect();
        assert_eq!(transports, [false, true], "flags {flags:04x}");
    }
}

#[test]
fn a_server_that_truncates_and_has_no_tcp_is_a_failure() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut reply = buffer[..length].to_vec();
            reply[2] |= 0x82;
            socket.send_to(&reply, from).unwrap();
        }
    });
    let daemon = TestDaemon::start(address, "[upstream]\ntimeout = \"1s\"\n");
    assert_servfail(&ask(daemon.udp(), "a.example"), 22);
}

/// Whoever has large answers for his own names must not take the server away from the others.
#[test]
fn a_server_that_answers_and_is_silent_over_tcp_is_not_avoided() {
    let gate = Gate::closed();
    let shut = gate.clone();
    let upstream = ScriptedUpstream::start(move |call| match (call.stream, call.is_for("large.example")) {
        (true, _) => {
            shut.pass();
            Vec::new()
        }
        (false, true) => call.send(&call.asked().reply().with(flag::TC)),
        (false, false) => call.address("1.1.1.1"),
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"1s\"\n");
    ask(daemon.udp(), "small.example").assert_addresses(&["1.1.1.1"]);
    assert_servfail(&ask(daemon.udp(), "large.example"), 22);
    assert!(upstream.calls_for("large.example").iter().any(|call| call.stream));
    ask(daemon.udp(), "other.example").assert_addresses(&["1.1.1.1"]);
    assert!(!daemon.log().contains("server avoided"), "{}", daemon.log());
    gate.open();
}

/// What a stranger could send: it is as if it had not come.
#[test]
fn forged_replies_are_ignored_and_the_right_one_is_taken() {
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other_address = UdpSocket::bind("127.0.0.2:0").unwrap();
    let upstream = ScriptedUpstream::start(move |call| {
        let forged = call.asked().reply().answer([Record::address("6.6.6.6".parse().unwrap())]);
        let with_id = |id| Message { id, ..forged.clone() }.encode();
        for socket in [&stranger, &other_address] {
            // The very reply, from another socket.
            socket.send_to(&forged.encode(), call.from).unwrap();
        }
        let mut actions: Vec<_> =
            (1..=60).map(|other| Action::Raw(with_id(call.id().wrapping_add(other)))).collect();
        let other_name = stubborn::audit::wire::question(b"\x01b\x07example\x00", code::A, code::IN);
        let other_type = stubborn::audit::wire::question(&call.asked().qname(), code::AAAA, code::IN);
        let other_class = stubborn::audit::wire::question(&call.asked().qname(), code::A, code::CH);
        for question in [other_name, other_type, other_class] {
            actions.push(Action::Raw(Message { question, ..forged.clone() }.encode()));
        }
        // No reply but the query itself, a runt, and nothing at all.
        actions.push(Action::Raw(call.wire.clone()));
        actions.push(Action::Raw(call.wire[..11].to_vec()));
        actions.push(Action::Raw(Vec::new()));
        actions.extend(call.address("1.1.1.1"));
        actions
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"10s\"\n");
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    assert_eq!(upstream.asked("a.example"), 1);
}

#[test]
fn with_forged_replies_only_there_is_no_answer() {
    let upstream = ScriptedUpstream::start(|call| {
        let forged = call.asked().reply().answer([Record::address("6.6.6.6".parse().unwrap())]);
        vec![Action::Raw(Message { id: call.id() ^ 1, ..forged }.encode())]
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"300ms\"\n");
    assert_servfail(&ask(daemon.udp(), "a.example"), 22);
}

/// The question in `call` with the case of every letter turned round.
fn turned(call: &Call) -> Vec<u8> {
    let mut question = call.asked().question();
    let name = question.len() - 4;
    for octet in question[..name].iter_mut().filter(|octet| octet.is_ascii_alphabetic()) {
        *octet ^= 0x20;
    }
    question
}

/// Somebody who guessed port and id, and not the letter case: the same question over TCP, where nobody can forge.
#[test]
fn a_reply_in_other_letter_case_is_not_believed_but_asked_for_over_tcp() {
    let upstream = ScriptedUpstream::start(|call| {
        if call.stream {
            return call.address("1.1.1.1");
        }
        let forged = call.asked().reply().answer([Record::address("6.6.6.6".parse().unwrap())]);
        vec![Action::Raw(Message { question: turned(call), ..forged }.encode())]
    });
    let daemon = TestDaemon::start(upstream.address(), "");
    for name in ["a.example", "b.example"] {
        ask(daemon.udp(), name).assert_addresses(&["1.1.1.1"]);
        // Over TCP it kept the case: it was no fault of the server's, and 0x20 stays on.
        let transports: Vec<_> = upstream.calls_for(name).iter().map(|call| call.stream).collect();
        assert_eq!(transports, [false, true]);
    }
    assert!(!daemon.log().contains("0x20"), "{}", daemon.log());
}

#[test]
fn a_server_that_folds_letter_case_is_asked_over_tcp_once_and_then_without_0x20() {
    let upstream = ScriptedUpstream::start(|call| {
        let question = call.asked().question().to_ascii_lowercase();
        let reply = call.asked().reply().answer([Record::address("1.1.1.1".parse().unwrap())]);
        call.send(&Message { question, ..reply })
    });
    let daemon = TestDaemon::start(upstream.address(), ONE_WORKER);
    let long = "a-name-with-so-many-letters-that-it-is-hardly.ever-left-in-lower-case.example";
    ask(daemon.udp(), long).assert_addresses(&["1.1.1.1"]);
    daemon.wait_for_line(0, &["0x20 is off", &upstream.address().to_string()]);
    assert!(upstream.calls_for(long).iter().any(|call| call.stream));
    for number in 0..20 {
        let name = format!("{number}.{long}");
        ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
        let calls = upstream.calls_for(&name);
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert!(!calls[0].stream && calls[0].name() == format!("{name}."), "{calls:?}");
    }
}

/// Many a home router folds letter case and has no TCP: its replies are doubted for a while, and not for ever.
#[test]
fn a_server_that_folds_letter_case_and_has_no_tcp_is_believed_in_the_end() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // The OPT record of 11 octets at the end goes, an address comes.
            let mut reply = buffer[..length - 11].to_ascii_lowercase();
            // A host with IPv6 asks for this by itself, and that would be a doubt too.
            if reply[12..].starts_with(&name("ipv4only.arpa")) {
                continue;
            }
            reply[..2].copy_from_slice(&buffer[..2]);
            reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
            reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 1, 1, 1]);
            socket.send_to(&reply, from).unwrap();
        }
    });
    let daemon = TestDaemon::start(address, ONE_WORKER);
    let long = "a-name-with-so-many-letters-that-it-is-hardly.ever-left-in-lower-case.example";
    let fails = |number: &usize| ask(daemon.udp(), &format!("{number}.{long}")).rcode() == code::SERVFAIL;
    let failed = (0..20).take_while(fails).count();
    assert_eq!(failed, 8, "questions failed");
    daemon.wait_for_line(0, &["0x20 is off", &address.to_string()]);
    ask(daemon.udp(), &format!("believed.{long}")).assert_addresses(&["1.1.1.1"]);
}

#[test]
fn a_lost_query_is_sent_again_from_another_port_under_another_id() {
    let upstream = ScriptedUpstream::start(|call| match call.before {
        0 if call.name().to_ascii_lowercase().starts_with('n') => Vec::new(),
        _ => call.address("1.1.1.1"),
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"20s\"\n");
    // Known to answer fast, so that the wait is short; and it stays short after a loss.
    ask(daemon.udp(), "warm.example");
    let begun = Instant::now();
    let mut ports = 0;
    for number in 0..12 {
        let name = format!("n{number}.example");
        ask(daemon.udp(), &name).assert_addresses(&["1.1.1.1"]);
        let calls = upstream.calls_for(&name);
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert_ne!(calls[0].id(), calls[1].id());
        ports += usize::from(calls[0].from != calls[1].from);
    }
    // One of sixteen sockets, each time.
    assert!(ports > 6, "{ports} of 12 were sent again from another port");
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

/// What is waited before a query is sent again does not count as the server's round trip.
#[test]
fn one_loss_does_not_make_the_next_one_cost_more() {
    let upstream =
        ScriptedUpstream::start(|call| if call.before == 0 { Vec::new() } else { call.address("1.1.1.1") });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"2s\"\n");
    for number in 0..4 {
        ask(daemon.udp(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
    }
}

#[test]
fn a_slow_first_reply_is_taken_after_the_query_was_sent_again() {
    let again = Gate::closed();
    let upstream = ScriptedUpstream::start({
        let again = again.clone();
        move |call| {
            if !call.is_for("a.example") {
                return call.send(&call.asked().nodata());
            }
            if call.before > 0 {
                again.open();
                return Vec::new();
            }
            again.pass();
            call.address("1.1.1.1")
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"20s\"\n");
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    assert_eq!(upstream.asked("a.example"), 2);
}

#[test]
fn late_duplicates_harm_nobody() {
    let upstream = ScriptedUpstream::start(|call| {
        let address = format!("1.1.1.{}", call.name()[1..].split('.').next().unwrap());
        let mut actions = call.address(&address);
        for _ in 0..20 {
            // The same once more, and with an answer that was never given.
            actions.extend(call.address(&address));
            actions.extend(call.address("6.6.6.6"));
        }
        actions
    });
    let daemon = TestDaemon::start(upstream.address(), "");
    for number in 0..200 {
        let reply = ask(daemon.udp(), &format!("n{number}.example"));
        reply.assert_addresses(&[&format!("1.1.1.{number}")]);
    }
    for number in 0..200 {
        let reply = ask(daemon.udp(), &format!("n{number}.example"));
        reply.assert_addresses(&[&format!("1.1.1.{number}")]);
    }
}

/// Fail closed: whatever cannot be read is SERVFAIL with a reason, and none of its octets pass.
#[test]
fn a_malformed_reply_is_a_failure_with_a_reason_and_never_passed_on() {
    const WHAT: [&str; 8] =
        ["count", "short", "pointer", "self-pointer", "two-opt", "early-opt", "alias-loop", "two-aliases"];
    let upstream = ScriptedUpstream::start(|call| {
        let empty = || call.asked().reply();
        let good = || empty().answer([Record::address("1.1.1.1".parse().unwrap())]);
        let opt = || opt(1232, 0, 0, 0, &[]);
        let mut octets = match call.name().to_ascii_lowercase().split('.').next().unwrap() {
            "count" => good().ancount(2),
            "short" => good(),
            "pointer" => good().answer([Record::cname("x").owner([0xc0, 0xff])]),
            "self-pointer" => empty().answer([Record::new(code::CNAME, call_pointer(call))]),
            "two-opt" => good().additional([opt(), opt()]),
            "early-opt" => good().authority([opt()]),
            "alias-loop" => empty().answer([Record::new(code::CNAME, [0xc0, 12])]),
            "two-aliases" => empty().answer([Record::cname("a.example"), Record::cname("b.example")]),
            _ => return call.send(&call.asked().nodata()),
        }
        .encode();
        if call.is_for("short.example") {
            octets.truncate(octets.len() - 1);
        }
        vec![Action::Send(octets)]
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"2s\"\n");
    for what in WHAT {
        let name = format!("{what}.example");
        for (reply, transport) in [
            (udp(daemon.udp(), &query(&name, code::A)), "UDP"),
            (tcp(daemon.tcp(), &query(&name, code::A)), "TCP"),
        ] {
            let rcode = (reply.rcode(), reply.is_empty());
            assert_eq!(rcode, (code::SERVFAIL, true), "{what} {transport} {reply:?}");
            assert_eq!(errors(&reply), [24], "{what} {transport} {reply:?}");
        }
        assert_eq!(upstream.asked(&name), 1, "{what}: a failure is remembered (RFC 9520)");
    }
}

/// A pointer to itself, as the RDATA of the first answer.
fn call_pointer(call: &Call) -> [u8; 2] {
    let rdata = 12 + call.asked().question().len() + 12;
    (0xc000 | u16::try_from(rdata).unwrap()).to_be_bytes()
}

#[test]
fn after_a_malformed_reply_the_second_server_is_asked() {
    let first = ScriptedUpstream::start(|call| {
        let reply = call.asked().reply().answer([Record::address("1.1.1.1".parse().unwrap())]);
        vec![Action::Send(reply.ancount(9).encode())]
    });
    let second = ScriptedUpstream::of(&[("a.example", "8.8.8.8")]);
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], "");
    ask(daemon.udp(), "a.example").assert_addresses(&["8.8.8.8"]);
    assert_eq!(first.asked("a.example"), 1);
}

// ----------------------------------------------------------------------------------------------- guessing is hard

/// An off-path attacker has to hit the port, the id and the letter case of one query.
#[test]
fn ports_ids_and_letter_case_are_random() {
    const QUERIES: usize = 300;
    let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
    let daemon = TestDaemon::start(upstream.address(), "");
    for number in 0..QUERIES {
        ask(daemon.udp(), &format!("{number}.abcdefghijklmnopqrstuvwxyz.example"))
            .assert_addresses(&["1.1.1.1"]);
    }
    let calls: Vec<_> =
        upstream.calls().into_iter().filter(|call| call.name().len() > 26 && !call.stream).collect();
    assert!(calls.len() >= QUERIES);

    let ids: HashSet<_> = calls.iter().map(Call::id).collect();
    // Two of 300 random ids are equal with a chance of one half; ten are not.
    assert!(ids.len() > QUERIES - 10, "{} ids", ids.len());
    for bit in 0..16 {
        let set = calls.iter().filter(|call| call.id() >> bit & 1 == 1).count();
        assert!((90..=230).contains(&set), "bit {bit} of the id is set in {set} of {}", calls.len());
    }
    let steps = |values: Vec<u16>| -> usize {
        values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect::<HashSet<_>>().len()
    };
    assert!(steps(calls.iter().map(Call::id).collect()) > QUERIES - 20, "ids follow a rule");

    let mut ports: BTreeMap<u16, usize> = BTreeMap::new();
    for call in &calls {
        *ports.entry(call.from.port()).or_default() += 1;
    }
    assert!(ports.len() >= 12, "{ports:?}");
    assert!(ports.values().all(|count| *count < QUERIES / 4), "one port is used too much: {ports:?}");
    let mut order: Vec<_> = calls.iter().map(|call| call.from.port()).collect();
    order.dedup();
    assert!(order.len() > QUERIES / 2, "a port is used many times in a row");

    for place in 0..26 {
        let letter = |call: &Call| call.name().split('.').nth(1).unwrap().as_bytes()[place];
        let upper = calls.iter().filter(|call| letter(call).is_ascii_uppercase()).count();
        assert!((90..=230).contains(&upper), "letter {place} is upper case in {upper} of {}", calls.len());
    }
}

// ---------------------------------------------------------------------------------------------------- asked once

/// Sends `query` on sockets of their own, and knows that the daemon has read each: what is asked after it on the same
/// socket, and answered at once, has been answered.
fn ask_together(server: SocketAddr, query: &Query, count: usize) -> Vec<UdpSocket> {
    let marker = Query { id: !query.id, ..support_more::query("localhost", code::A) };
    let sockets = (0..count).map(|_| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(server).unwrap();
        socket.send(&query.encode()).unwrap();
        socket.send(&marker.encode()).unwrap();
        assert_eq!(receive(&socket).message().id, marker.id);
        socket
    });
    sockets.collect()
}

fn receive(socket: &UdpSocket) -> Reply {
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).unwrap();
    Reply::new(buffer[..length].to_vec())
}

#[test]
fn the_same_question_of_many_clients_is_asked_once() {
    let gate = Gate::closed();
    let upstream = ScriptedUpstream::start({
        let gate = gate.clone();
        move |call| {
            if call.before == 0 {
                gate.pass();
            }
            call.address("1.1.1.1")
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"30s\"\n");
    let question = query("a.example", code::A);
    let sockets = ask_together(daemon.udp(), &question, 50);
    upstream.wait_for("a.example", 1);
    // Another letter case is the same question; another type is not.
    let upper = ask_together(daemon.udp(), &Query { id: 7, ..query("A.EXAMPLE", code::A) }, 3);
    ask_together(daemon.udp(), &query("a.example", code::AAAA), 1);
    gate.open();
    for socket in sockets.iter().chain(&upper) {
        receive(socket).assert_addresses(&["1.1.1.1"]);
    }
    let asked = upstream.calls_for("a.example").iter().filter(|call| call.qtype() == code::A).count();
    // Once, and once more where the gate stayed shut for longer than a lost datagram is waited for.
    assert!((1..=2).contains(&asked), "{asked} times");
}

#[test]
fn the_first_client_may_go_away_before_the_answer_comes() {
    let gate = Gate::closed();
    let upstream = ScriptedUpstream::start({
        let gate = gate.clone();
        move |call| {
            gate.pass();
            call.address("1.1.1.1")
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"30s\"\n");
    let question = query("a.example", code::A);
    let mut first = TcpStream::connect(daemon.tcp()).unwrap();
    first.write_all(&framed(&question.encode())).unwrap();
    upstream.wait_for("a.example", 1);
    drop(first);
    let sockets = ask_together(daemon.udp(), &question, 20);
    gate.open();
    for socket in &sockets {
        receive(socket).assert_addresses(&["1.1.1.1"]);
    }
    // Twice where it was sent again, as above.
    assert!(upstream.asked("a.example") <= 2);
}

// --------------------------------------------------------------------------------------------------- what is kept

fn soa(seconds: u32) -> Record {
    Record::new(code::SOA, stubborn::audit::wire::soa("ns.example", seconds)).owned_by("example").ttl(seconds)
}

#[test]
fn times_to_live_count_down_and_the_upstream_is_asked_again_when_they_are_over() {
    let upstream =
        ScriptedUpstream::start(|call| call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(2)]));
    let daemon = TestDaemon::start(upstream.address(), "[cache]\nserve-stale = \"0s\"\nprefetch = false\n");
    let begun = Instant::now();
    let mut seen = vec![ttl(&ask(daemon.udp(), "a.example"))];
    until("the upstream is asked again", || {
        let reply = ask(daemon.udp(), "a.example");
        reply.assert_addresses(&["1.1.1.1"]);
        seen.push(ttl(&reply));
        (upstream.asked("a.example") > 1).then_some(())
    });
    assert!(begun.elapsed() >= Duration::from_secs(2));
    seen.dedup();
    assert!(seen == [2, 1, 2] || seen == [2, 1, 0, 2], "{seen:?}");
}

#[test]
fn a_negative_answer_is_kept_by_its_soa_and_without_one_not_at_all() {
    let upstream = ScriptedUpstream::start(|call| {
        let reply = call.asked().reply();
        match call.name().to_ascii_lowercase().split('.').next().unwrap() {
            "nxdomain" => call.send(&reply.rcode(code::NXDOMAIN).authority([soa(60)])),
            "nodata" => call.send(&reply.authority([soa(60)])),
            "no-soa" => call.send(&reply.rcode(code::NXDOMAIN)),
            "no-soa-nodata" => call.send(&reply),
            "zero" => call.send(&reply.rcode(code::NXDOMAIN).authority([soa(0)])),
            _ => call.send(&call.asked().nxdomain()),
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "");
    for (label, rcode, asked, has_soa) in [
        ("nxdomain", code::NXDOMAIN, 1, true),
        ("nodata", code::NOERROR, 1, true),
        ("no-soa", code::NXDOMAIN, 3, false),
        ("no-soa-nodata", code::NOERROR, 3, false),
        ("zero", code::NXDOMAIN, 3, true),
    ] {
        let name = format!("{label}.example");
        for _ in 0..3 {
            let reply = ask(daemon.udp(), &name);
            assert_eq!((reply.rcode(), reply.is_empty()), (rcode, true), "{label} {reply:?}");
            assert_eq!(reply.soa_ttl().is_some(), has_soa, "{label} {reply:?}");
        }
        assert_eq!(upstream.asked(&name), asked, "{label}");
    }
}

#[test]
fn an_answer_with_a_ttl_of_zero_is_not_kept() {
    let upstream =
        ScriptedUpstream::start(|call| call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(0)]));
    let daemon = TestDaemon::start(upstream.address(), "");
    for round in 1..=3 {
        let reply = ask(daemon.udp(), "a.example");
        reply.assert_addresses(&["1.1.1.1"]);
        assert_eq!((ttl(&reply), upstream.asked("a.example")), (0, round));
    }
}

/// RFC 8767: an old answer is better than none, and worse than any other.
#[test]
fn a_stale_answer_is_given_when_no_server_answers_and_not_before() {
    let answers = Arc::new(AtomicUsize::new(0));
    let upstream = ScriptedUpstream::start({
        let mode = Arc::clone(&answers);
        move |call| match mode.load(Ordering::SeqCst) {
            0 => call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(1)]),
            1 => call.rcode(code::SERVFAIL),
            2 => Vec::new(),
            _ => call.answer([Record::address("8.8.8.8".parse().unwrap()).ttl(60)]),
        }
    });
    let config = "[upstream]\ntimeout = \"200ms\"\n[cache]\nserve-stale = \"1h\"\nprefetch = false\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    let reply = ask(daemon.udp(), "a.example");
    assert_eq!((reply.addresses(), errors(&reply)), (vec!["1.1.1.1".to_owned()], vec![]));
    // Over its time, with a server that answers: asked again, and no stale answer.
    until("the upstream is asked again", || {
        let reply = ask(daemon.udp(), "a.example");
        assert_eq!((reply.addresses(), errors(&reply)), (vec!["1.1.1.1".to_owned()], vec![]));
        (upstream.asked("a.example") > 1).then_some(())
    });
    for failure in [1, 2] {
        answers.store(failure, Ordering::SeqCst);
        until("a stale answer", || {
            let reply = ask(daemon.udp(), "a.example");
            reply.assert_addresses(&["1.1.1.1"]);
            (errors(&reply) == [3] && ttl(&reply) == 30).then_some(())
        });
        // A name that was never answered is a failure.
        assert_eq!(ask(daemon.udp(), &format!("b{failure}.example")).rcode(), code::SERVFAIL);
    }
    answers.store(3, Ordering::SeqCst);
    let reply = until("the fresh answer", || {
        let reply = ask(daemon.udp(), "a.example");
        (reply.addresses() == ["8.8.8.8"]).then_some(reply)
    });
    assert!(errors(&reply).is_empty(), "{reply:?}");
}

/// RFC 8767 §5: who has waited long enough gets the old answer, and the asking goes on: to the next server, whose answer is
/// kept, and the dead one is known from then on.
#[test]
fn a_client_that_is_given_a_stale_answer_does_not_end_the_asking() {
    let dead = Arc::new(AtomicBool::new(false));
    let first = ScriptedUpstream::start({
        let dead = Arc::clone(&dead);
        move |call| match dead.load(Ordering::SeqCst) {
            true => Vec::new(),
            false => call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(1)]),
        }
    });
    let second = ScriptedUpstream::start(|call| call.address("8.8.8.8"));
    // Longer than a client waits that can have a stale answer.
    let config = "[upstream]\ntimeout = \"2500ms\"\n[cache]\nserve-stale = \"1h\"\nprefetch = false\n";
    let daemon = TestDaemon::start_with(&[first.address(), second.address()], config);
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    dead.store(true, Ordering::SeqCst);
    let stale = until("a stale answer", || {
        let reply = ask(daemon.udp(), "a.example");
        (!errors(&reply).is_empty()).then_some(reply)
    });
    assert_eq!((stale.addresses(), errors(&stale)), (vec!["1.1.1.1".to_owned()], vec![3]));
    second.wait_for("a.example", 1);
    let fresh = until("the fresh answer", || {
        let reply = ask(daemon.udp(), "a.example");
        (reply.addresses() == ["8.8.8.8"]).then_some(reply)
    });
    assert!(errors(&fresh).is_empty(), "{fresh:?}");
    daemon.wait_for_line(0, &["server avoided"]);
}

/// Nobody waits for servers of which all failed; they are asked for it all the same.
#[test]
fn while_all_servers_fail_a_stale_answer_comes_at_once_and_the_fresh_one_as_soon_as_there_is_one() {
    let (mode, gate) = (Arc::new(AtomicUsize::new(0)), Gate::closed());
    let upstream = ScriptedUpstream::start({
        let (mode, gate) = (Arc::clone(&mode), gate.clone());
        move |call| match mode.load(Ordering::SeqCst) {
            0 => call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(1)]),
            1 => Vec::new(),
            _ if call.is_for("a.example") => {
                gate.pass();
                call.address("8.8.8.8")
            }
            _ => Vec::new(),
        }
    });
    let config = "[upstream]\ntimeout = \"20s\"\n[cache]\nserve-stale = \"1h\"\nprefetch = false\n";
    let short = config.replace("20s", "200ms");
    let daemon = TestDaemon::start(upstream.address(), &short);
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    mode.store(1, Ordering::SeqCst);
    let mut others = 0..;
    until("the server is avoided", || {
        assert_servfail(&ask(daemon.udp(), &format!("b{}.example", others.next()?)), 22);
        daemon.log().contains("server avoided").then_some(())
    });
    until("a stale answer", || (errors(&ask(daemon.udp(), "a.example")) == [3]).then_some(()));
    // From now on a question lasts longer than any client would wait.
    daemon.config().write(config);
    daemon.wait_for_line(0, &["reloaded"]);
    mode.store(2, Ordering::SeqCst);
    let before = upstream.asked("a.example");
    until("it is asked again", || {
        let reply = ask(daemon.udp(), "a.example");
        assert_eq!((reply.addresses(), errors(&reply)), (vec!["1.1.1.1".to_owned()], vec![3]));
        (upstream.asked("a.example") > before).then_some(())
    });
    // The asking is under way, and nobody waits for it: not to its end, and not for 1.8 s.
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(errors(&ask(daemon.udp(), "a.example")), [3]);
    }
    assert!(begun.elapsed() < Duration::from_millis(1800) * 20 / 2, "{:?}", begun.elapsed());
    gate.open();
    until("the fresh answer", || (ask(daemon.udp(), "a.example").addresses() == ["8.8.8.8"]).then_some(()));
}

/// What a client keeps longer than this daemon does, no change of the upstream's would reach.
#[test]
fn longer_times_to_live_are_cut_to_what_the_settings_say() {
    let upstream = ScriptedUpstream::start(|call| match call.is_for("none.example") {
        true => call.send(&call.asked().reply().rcode(code::NXDOMAIN).authority([soa(86_400)])),
        false => call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(604_800)]),
    });
    let config = "[cache]\nmax-ttl = \"1m\"\nnegative-max-ttl = \"10s\"\n";
    let daemon = TestDaemon::start(upstream.address(), config);
    // From the upstream, and from the cache.
    for (round, most) in [(0, 60), (1, 60)] {
        let reply = ask(daemon.udp(), "a.example");
        reply.assert_addresses(&["1.1.1.1"]);
        assert!((most - 30..=most).contains(&ttl(&reply)), "{round}: {reply:?}");
        let reply = ask(daemon.udp(), "none.example");
        assert!(reply.soa_ttl().is_some_and(|ttl| (1..=10).contains(&ttl)), "{round}: {reply:?}");
    }
    assert_eq!((upstream.asked("a.example"), upstream.asked("none.example")), (1, 1));
}

#[test]
fn without_serve_stale_an_old_answer_is_not_given() {
    let dead = Arc::new(AtomicBool::new(false));
    let upstream = ScriptedUpstream::start({
        let dead = Arc::clone(&dead);
        move |call| match dead.load(Ordering::SeqCst) {
            true => call.rcode(code::SERVFAIL),
            false => call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(1)]),
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "[cache]\nserve-stale = \"0s\"\n");
    ask(daemon.udp(), "a.example").assert_addresses(&["1.1.1.1"]);
    dead.store(true, Ordering::SeqCst);
    until("it fails", || (ask(daemon.udp(), "a.example").rcode() == code::SERVFAIL).then_some(()));
}

/// A stale answer is judged like any other: by the rules of now, whether its client waits for a fresh one or not.
#[test]
fn a_stale_answer_of_a_name_that_is_no_longer_exempt_is_blocked() {
    for timeout in ["20s", "200ms"] {
        let dead = Arc::new(AtomicBool::new(false));
        let upstream = ScriptedUpstream::start({
            let dead = Arc::clone(&dead);
            move |call| match dead.load(Ordering::SeqCst) {
                true => Vec::new(),
                false => call.answer([Record::address("192.168.1.20".parse().unwrap()).ttl(1)]),
            }
        });
        let config = format!("[upstream]\ntimeout = \"{timeout}\"\n[cache]\nprefetch = false\n");
        let exempt = format!("{config}[[exception]]\ndomain = \"a.example\"\n");
        let daemon = TestDaemon::start(upstream.address(), &exempt);
        ask(daemon.udp(), "a.example").assert_addresses(&["192.168.1.20"]);
        dead.store(true, Ordering::SeqCst);
        until("a stale answer", || {
            let reply = ask(daemon.udp(), "a.example");
            reply.assert_addresses(&["192.168.1.20"]);
            (errors(&reply) == [3]).then_some(())
        });
        daemon.config().write(&config);
        daemon.wait_for_line(0, &["reloaded"]);
        for round in 0..3 {
            for reply in [ask(daemon.udp(), "a.example"), tcp(daemon.tcp(), &query("a.example", code::A))] {
                assert_eq!((reply.rcode(), reply.is_empty()), (code::NOERROR, true), "{round}: {reply:?}");
                assert_eq!(errors(&reply), [15, 3], "{round}: {reply:?}");
            }
        }
    }
}

#[test]
fn do_and_cd_are_asked_and_kept_apart() {
    let upstream = ScriptedUpstream::start(|call| {
        let which = u8::from(call.dnssec_ok()) * 2 + u8::from(call.checking_disabled());
        call.address(&format!("1.1.1.{which}"))
    });
    let daemon = TestDaemon::start(upstream.address(), "");
    for round in 0..2 {
        for which in 0..4u8 {
            let flags = flag::RD | if which & 1 == 1 { flag::CD } else { 0 };
            let question = Query { flags, edns: Some((1232, which & 2 == 2)), ..query("a.example", code::A) };
            let reply = udp(daemon.udp(), &question);
            reply.assert_addresses(&[&format!("1.1.1.{which}")]);
            assert_eq!(reply.has(flag::CD), which & 1 == 1, "round {round}: {reply:?}");
        }
        assert_eq!(upstream.asked("a.example"), 4, "round {round}");
    }
    // Without EDNS is without DO.
    let plain = Query { edns: None, ..query("a.example", code::A) };
    udp(daemon.udp(), &plain).assert_addresses(&["1.1.1.0"]);
    assert_eq!(upstream.asked("a.example"), 4);
}

// -------------------------------------------------------------------------------------------------- starts that fail

/// One that keeps its address from others.
struct Holder {
    udp: UdpSocket,
    _tcp: TcpListener,
}

impl Holder {
    fn new() -> Self {
        let (udp, tcp) = support_more::upstream::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { udp, _tcp: tcp }
    }

    fn address(&self) -> SocketAddr {
        self.udp.local_addr().unwrap()
    }
}

#[test]
fn a_server_that_is_this_daemon_is_refused_at_the_start() {
    let port = free_address().port();
    for (listen, server) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        (format!("0.0.0.0:{port}"), format!("127.8.9.10:{port}")),
        (format!("[::]:{port}"), format!("[::1]:{port}")),
        (format!("127.0.0.1:{port}"), format!("[::ffff:127.0.0.1]:{port}")),
    ] {
        let ended = Start::new().listen(&listen).upstream(&server).fail();
        assert_eq!(ended.code, Some(2), "{listen} {server}: {ended:?}");
        assert!(ended.said.contains("is this daemon itself"), "{ended:?}");
        assert!(ended.said.contains("--upstream"), "it says what to do: {ended:?}");
    }
}

#[test]
fn a_busy_port_names_its_holder() {
    let holder = Holder::new();
    let upstream = ScriptedUpstream::of(&[]);
    let config = tempfile::tempdir().unwrap();
    for workers in [1, 2] {
        let path = support_more::process::write(config.path(), &format!("[server]\nworkers = {workers}\n"));
        let start = || Start::new().config(&path).upstream(upstream.address());
        let ended = start().listen(holder.address()).fail();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let own = format!("process {}", std::process::id());
        let address = holder.address().to_string();
        for part in [address.as_str(), "in use by", own.as_str(), "--listen"] {
            assert!(ended.said.contains(part), "no {part:?}: {ended:?}");
        }
        // A second daemon where the first is.
        let first = start().listen("127.0.0.1:0").start();
        let ended = start().listen(first.address()).fail();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let held = format!("stubborn (process {})", first.pid());
        assert!(ended.said.contains(&held), "no {held:?}: {ended:?}");
    }
}

#[test]
fn an_address_of_another_machine_is_said_to_be_one() {
    let ended = Start::new().listen("192.0.2.99:0").upstream("127.0.0.1:1").fail();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.said.contains("192.0.2.99:0 is not an address of this machine"), "{ended:?}");
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn without_permission_for_a_low_port_both_ways_out_are_named() {
    let low = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if low.trim().parse::<u16>().unwrap() <= 53 {
        eprintln!("SKIPPED: any user may listen on port 53 here");
        return;
    }
    // Where the program was built need not be open to others.
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("stubborn");
    std::fs::copy(support_more::process::PROGRAM, &copy).unwrap();
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let drop_rights = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let copy = copy.to_str().unwrap();
    let words: Vec<_> = if is_root() { drop_rights.into_iter().chain([copy]).collect() } else { vec![copy] };
    let start = Start::new().program(words);
    let ended = start.listen("127.0.0.1:53").upstream("127.0.0.1:1").fail();
    assert_eq!(ended.code, Some(2), "{ended:?}");
    for part in
        ["127.0.0.1:53", "setcap cap_net_bind_service", "AmbientCapabilities", "--listen 127.0.0.1:5335"]
    {
        assert!(ended.said.contains(part), "no {part:?}: {ended:?}");
    }
}

// ------------------------------------------------------------------------------------------------------------ the end

/// Whoever was heard is answered.
#[test]
fn sigterm_lets_queries_under_way_end_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let gate = Gate::closed();
        let upstream = ScriptedUpstream::start({
            let gate = gate.clone();
            move |call| {
                if call.is_for("ipv4only.arpa") {
                    return call.rcode(code::NXDOMAIN);
                }
                gate.pass();
                call.address("1.1.1.1")
            }
        });
        let config = tempfile::tempdir().unwrap();
        let path = support_more::process::write(config.path(), "[upstream]\ntimeout = \"20s\"\n");
        let mut daemon =
            Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
        const UDP: usize = 150;
        const TCP: usize = 60;
        let sockets: Vec<_> = (0..UDP)
            .map(|number| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_read_timeout(Some(DEADLINE)).unwrap();
                socket.connect(daemon.address()).unwrap();
                socket.send(&query(&format!("u{number}.example"), code::A).encode()).unwrap();
                socket
            })
            .collect();
        let mut stream = TcpStream::connect(daemon.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        for number in 0..TCP {
            stream.write_all(&framed(&query(&format!("t{number}.example"), code::A).encode())).unwrap();
        }
        upstream.wait_for_all(UDP + TCP);
        // A client that only sits there keeps nobody from going.
        let _idle = TcpStream::connect(daemon.address()).unwrap();
        daemon.signal(signal);
        daemon.said(0, &["stopping", signal]);
        gate.open();
        for socket in &sockets {
            receive(socket).assert_addresses(&["1.1.1.1"]);
        }
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        assert_eq!(replies(&received), TCP, "replies over TCP after SIG{signal}");
        assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
        daemon.said(0, &["stopped", "drained=", "abandoned=0"]);
    }
}

/// How many whole messages a stream holds.
fn replies(mut stream: &[u8]) -> usize {
    let mut count = 0;
    while let Some((length, rest)) = stream.split_first_chunk::<2>() {
        let Some(rest) = rest.get(usize::from(u16::from_be_bytes(*length))..) else { break };
        (stream, count) = (rest, count + 1);
    }
    count
}

#[test]
fn what_never_ends_is_abandoned_after_a_while_and_that_is_said() {
    let upstream = ScriptedUpstream::start(|_| Vec::new());
    let config = tempfile::tempdir().unwrap();
    let path = support_more::process::write(config.path(), "[upstream]\ntimeout = \"30s\"\n");
    let mut daemon: Process =
        Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&query("a.example", code::A).encode(), daemon.address()).unwrap();
    upstream.wait_for("a.example", 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait().code(), Some(0), "{}", daemon.log());
    daemon.said(0, &["stopped", "drained=0 abandoned=1"]);
}
