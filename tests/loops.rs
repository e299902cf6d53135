//! Servers that lead back to the daemon: found by a name of its own that comes back, and named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "fronts/programs.rs"]
#[allow(dead_code, reason = "systemd-resolved needs a machine of its own")]
mod programs;
#[path = "peers/server.rs"]
mod server;
mod support;
mod support_more;

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use programs::Front;
use stubborn::audit::cases::Action;
use stubborn::audit::wire::code;
use support::TestDaemon;
use support_more::process::PROGRAM;
use support_more::upstream::free_address;
use support_more::{Call, Gate, ScriptedUpstream, Start, ask};

/// Relays the query to `server`, and its reply back.
fn relay(call: &Call, server: SocketAddr) -> Vec<Action> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(&call.wire, server).unwrap();
    let mut room = [0; 1500];
    let length = socket.recv(&mut room).unwrap_or(0);
    vec![Action::Raw(room[..length].to_vec())]
}

#[test]
fn an_upstream_that_leads_back_is_named() {
    let (daemon_address, mended) =
        (Arc::new(OnceLock::<SocketAddr>::new()), Arc::new(AtomicBool::new(false)));
    let upstream = ScriptedUpstream::start({
        let (daemon_address, mended) = (Arc::clone(&daemon_address), Arc::clone(&mended));
        move |call| match daemon_address.get() {
            Some(daemon) if !mended.load(Ordering::SeqCst) => relay(call, *daemon),
            _ => call.address("1.1.1.1"),
        }
    });
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"1s\"\n");
    daemon_address.set(daemon.udp()).unwrap();
    let reply = ask(daemon.udp(), "a.example");
    let said = format!("the upstream {} leads back to this daemon", upstream.address());
    assert_eq!((reply.rcode(), reply.errors()), (code::SERVFAIL, vec![(22, said)]), "{reply:?}");
    daemon
        .wait_for_line(0, &["leads back to this daemon", &upstream.address().to_string(), "another server"]);
    // The log says it once, and no longer after it is mended.
    ask(daemon.udp(), "b.example");
    assert_eq!(daemon.log().matches("so questions go in a circle").count(), 1, "{}", daemon.log());
    mended.store(true, Ordering::SeqCst);
    support_more::until("it answers", || {
        (ask(daemon.udp(), "c.example").addresses() == ["1.1.1.1"]).then_some(())
    });
}

#[test]
fn an_upstream_that_is_only_silent_does_not_lead_back() {
    let upstream = ScriptedUpstream::start(|_| Vec::new());
    let daemon = TestDaemon::start(upstream.address(), "[upstream]\ntimeout = \"300ms\"\n");
    let reply = ask(daemon.udp(), "a.example");
    assert_eq!(reply.errors(), [(22, "no answer in time".to_owned())], "{reply:?}");
    // The daemon looked for a loop, and a client that guesses the name proves nothing.
    let marks: HashSet<String> =
        upstream.loop_questions().iter().map(|call| call.name().to_ascii_lowercase()).collect();
    assert!((1..=2).contains(&marks.len()), "at the start, and when it was silent: {marks:?}");
    ask(daemon.udp(), "stubborn-loop-0123456789abcdef.root-servers.net");
    assert!(!daemon.log().contains("leads back"), "{}", daemon.log());
}

/// A resolver that forwards to the daemon what ends in `domain`, and answers special names by itself as Unbound does.
struct Forwarder {
    upstream: ScriptedUpstream,
    daemon: Arc<OnceLock<SocketAddr>>,
    known: Gate,
}

impl Forwarder {
    fn start(domain: &'static str) -> Self {
        const SPECIAL: [&str; 4] = ["test.", "invalid.", "localhost.", "onion."];
        let (daemon, known) = (Arc::new(OnceLock::<SocketAddr>::new()), Gate::closed());
        let (address, gate) = (Arc::clone(&daemon), known.clone());
        let upstream = ScriptedUpstream::start(move |call| {
            let name = call.name().to_ascii_lowercase();
            if SPECIAL.iter().any(|zone| name.ends_with(zone)) || !name.ends_with(domain) {
                return call.send(&call.asked().nxdomain());
            }
            gate.pass();
            relay(call, *address.get().unwrap())
        });
        Self { upstream, daemon, known }
    }

    fn forward_to(&self, daemon: SocketAddr) {
        self.daemon.set(daemon).unwrap();
        self.known.open();
    }
}

#[test]
fn a_loop_is_found_before_anybody_asks_and_status_names_it() {
    let front = Forwarder::start(".");
    let directory = tempfile::TempDir::new().unwrap();
    let socket = directory.path().join("control.sock");
    let start = Start::new().listen("127.0.0.1:0").upstream(front.upstream.address());
    let daemon = start.socket(&socket).start();
    front.forward_to(daemon.address());
    let named = format!("the upstream {} leads back to this daemon", front.upstream.address());
    daemon.said(0, &[&named, "a loop", "another server"]);
    let output = Command::new(PROGRAM).args(["status", "--socket"]).arg(&socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("! {named}")) && said.contains("  loop  "), "{said}");
}

#[test]
fn a_server_of_a_route_leads_back_if_it_does_so_for_the_names_of_the_route() {
    for (domain, expected) in [("corp.example.", true), (".", true), ("root-servers.net.", false)] {
        let front = Forwarder::start(domain);
        let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
        let config = format!(
            "[[route]]\ndomain = \"corp.example\"\nservers = [\"{}\"]\n[upstream]\ntimeout = \"1s\"\n",
            front.upstream.address()
        );
        let daemon = TestDaemon::start(upstream.address(), &config);
        front.forward_to(daemon.udp());
        let reply = ask(daemon.udp(), "a.b.corp.example");
        let named = reply.errors().iter().any(|(_, text)| text.contains("leads back"));
        assert_eq!(named, expected, "{domain}: {reply:?}");
        let logged = daemon.log().contains("of the route corp.example leads back to this daemon");
        assert_eq!(logged, expected, "{domain}: {}", daemon.log());
    }
}

#[test]
fn two_daemons_that_ask_each_other_both_say_so() {
    let front = Forwarder::start(".");
    let first = Start::new().listen("127.0.0.1:0").upstream(front.upstream.address()).start();
    let second = Start::new().listen("127.0.0.1:0").upstream(first.address()).start();
    front.forward_to(second.address());
    ask(first.address(), "a.example");
    ask(second.address(), "b.example");
    first.said(0, &["leads back to this daemon", &front.upstream.address().to_string()]);
    second.said(0, &["leads back to this daemon", &first.address().to_string()]);
}

/// An answer out of a front's own cache does not show that the loop is gone.
#[test]
fn a_front_that_answers_some_names_by_itself_still_leads_back() {
    let front = Forwarder::start("net.");
    let daemon = TestDaemon::start(front.upstream.address(), "[upstream]\ntimeout = \"1s\"\n");
    front.forward_to(daemon.udp());
    daemon.wait_for_line(0, &["leads back to this daemon"]);
    assert_eq!(ask(daemon.udp(), "a.example").rcode(), code::NXDOMAIN);
    let reply = ask(daemon.udp(), "b.net");
    assert!(reply.errors().iter().any(|(_, text)| text.contains("leads back")), "{reply:?}");
    assert!(!daemon.log().contains("no longer leads back"), "{}", daemon.log());
}

fn is_found_through(name: &str, start: impl FnOnce(&Path, SocketAddr) -> Front) {
    let Some(program) = programs::find(name) else { return };
    let own = free_address();
    let front = start(&program, own);
    let daemon = Start::new().listen(own).upstream(front.address()).start();
    daemon.said(0, &["leads back to this daemon", &front.address().to_string()]);
}

#[test]
fn a_loop_through_dnsmasq_is_found() {
    is_found_through("dnsmasq", programs::dnsmasq);
}

#[test]
fn a_loop_through_unbound_is_found() {
    is_found_through("unbound", programs::unbound);
}

#[test]
fn a_loop_through_bind_is_found() {
    is_found_through("named", programs::named);
}

#[test]
fn a_loop_through_powerdns_recursor_is_found() {
    is_found_through("pdns_recursor", programs::pdns_recursor);
}

#[test]
fn a_loop_through_knot_resolver_that_forwards_is_found() {
    is_found_through("kresd", programs::kresd_forward);
}

#[test]
fn a_loop_through_knot_resolver_as_a_stub_is_found() {
    is_found_through("kresd", programs::kresd_stub);
}
