//! Other resolvers between a client and the daemon: the daemon's answers in their caches lead nobody inside. Each resolver is
//! first asked for bait, whose aliases it may keep, and then for the names that these aliases would lead to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "fronts/attacks.rs"]
mod attacks;
#[path = "fronts/programs.rs"]
mod programs;
mod support;
mod support_more;

use std::net::SocketAddr;
use std::time::Duration;

use stubborn::audit::run;
use stubborn::audit::wire::{Query, code};
use support::{Reply, TestDaemon};
use support_more::upstream::free_address;
use support_more::{ScriptedUpstream, installed, ip, isolated, query, tcp, udp, until};

use attacks::{ATTACKS, Fate, HONEST};
use programs::{Program, resolved};

/// The daemon, its upstream, and a name that means something inside in every way there is.
struct Stage {
    daemon: TestDaemon,
    _public: ScriptedUpstream,
    _inner: ScriptedUpstream,
}

fn stage() -> Stage {
    let public = ScriptedUpstream::start(attacks::answer);
    let inner = ScriptedUpstream::of(&[("host.corp.example", "10.1.2.3")]);
    let config = format!(
        "[[exception]]\ndomain = \"nas.example.org\"\nexact = true\n\
         [[exception]]\npreset = \"plex\"\n\
         [[local]]\nname = \"a.box.example\"\naddresses = [\"127.0.0.1\"]\n\
         [[route]]\ndomain = \"corp.example\"\nservers = [\"{}\"]\nnetworks = [\"10.0.0.0/8\"]\n",
        inner.address()
    );
    Stage { daemon: TestDaemon::start(public.address(), &config), _public: public, _inner: inner }
}

/// Asks as `dig` does, with DO or without, over TCP where the datagram was cut short.
fn ask(front: SocketAddr, name: &str, qtype: u16, dnssec: bool) -> Reply {
    let query = Query { edns: Some((1232, dnssec)), ..query(name, qtype) };
    let reply = udp(front, &query);
    if reply.has(stubborn::audit::wire::flag::TC) { tcp(front, &query) } else { reply }
}

/// Waits until the resolver answers.
fn wait_for(front: SocketAddr) {
    let query = query("ready.example", code::A);
    until("the resolver in front answers", || {
        let reply = run::ask_udp(front, &query.encode(), Duration::from_millis(300)).ok()?;
        (Reply::new(reply).addresses() == ["9.9.9.9"]).then_some(())
    });
}

/// Nothing of the catalogue leads inside through `front`, in whatever order it is asked.
fn play(front: SocketAddr) {
    let mut wrong = Vec::new();
    for _ in 0..2 {
        for dnssec in [false, true] {
            for attack in ATTACKS {
                for (name, qtype) in attack.bait.iter().chain(attack.hook) {
                    let reply = ask(front, name, *qtype, dnssec);
                    for address in reply.addresses() {
                        if attacks::is_inside(&address) {
                            wrong.push(format!("{}: {name} TYPE{qtype}: {address}\n{reply:?}", attack.title));
                        }
                    }
                }
            }
            for (name, qtype, fate) in HONEST {
                let reply = ask(front, name, *qtype, dnssec);
                let Fate::Kept(addresses) = fate;
                if reply.addresses() != *addresses {
                    wrong.push(format!("{name} TYPE{qtype} should be {addresses:?}: {reply:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn play_behind(program: Program) {
    if !installed(&[program.name]) {
        return;
    }
    let stage = stage();
    let address = free_address();
    let _front = program.start(address, stage.daemon.target().udp);
    wait_for(address);
    play(address);
}

#[test]
fn bind_is_not_led_inside() {
    play_behind(programs::BIND);
}

#[test]
fn unbound_is_not_led_inside() {
    play_behind(programs::UNBOUND);
}

#[test]
fn knot_resolver_is_not_led_inside() {
    play_behind(programs::KNOT_RESOLVER);
}

/// It believes that there is a network only where an interface has an address and a route.
#[test]
fn systemd_resolved_is_not_led_inside() {
    let Some(program) = resolved::program() else { return };
    if !isolated() {
        return;
    }
    support_more::namespace::network();
    ip("route add default via 1.2.3.1");
    let stage = stage();
    let _front = resolved::start(&program, stage.daemon.target().udp);
    wait_for(resolved::ADDRESS);
    play(resolved::ADDRESS);
}

/// The daemon itself, asked without anybody in between: what a stub resolver with a cache gets.
#[test]
fn a_client_of_the_daemon_is_not_led_inside() {
    let stage = stage();
    play(stage.daemon.target().udp);
}
