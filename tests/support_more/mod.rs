//! What the tests of the daemon as a process share, besides `support`: a daemon started in any way, and an upstream
//! whose every datagram a test decides.

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod gate;
pub mod isolated;
pub mod namespace;
pub mod process;
pub mod programs;
pub mod upstream;

pub use gate::Gate;
pub use isolated::{ip, isolated, run, set_host_name};
pub use process::{Ended, Process, Start};
pub use programs::{find, installed};
pub use upstream::{Call, ScriptedUpstream};

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stubborn::audit::run;
use stubborn::audit::wire::{self, Query, code, flag};

use crate::support::Reply;

/// How long anything may take before a test gives up. Nothing waits this long unless it fails.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A query as most clients send it.
pub fn query(name: &str, qtype: u16) -> Query {
    Query {
        id: rand::random(),
        qname: wire::name(name),
        qtype,
        qclass: code::IN,
        flags: flag::RD,
        edns: Some((1232, false)),
    }
}

/// Asks over UDP; an answer that was cut short is returned so.
#[track_caller]
pub fn udp(server: SocketAddr, query: &Query) -> Reply {
    let reply = run::ask_udp(server, &query.encode(), DEADLINE);
    Reply::new(reply.unwrap_or_else(|error| panic!("no answer from {server} over UDP: {error}")))
}

/// Asks over TCP, on a connection of its own.
#[track_caller]
pub fn tcp(server: SocketAddr, query: &Query) -> Reply {
    let reply = run::ask_tcp(server, &query.encode(), DEADLINE);
    Reply::new(reply.unwrap_or_else(|error| panic!("no answer from {server} over TCP: {error}")))
}

/// Asks for the addresses of a name over UDP.
#[track_caller]
pub fn ask(server: SocketAddr, name: &str) -> Reply {
    udp(server, &query(name, code::A))
}

/// Does `step` until it gives something: the event that is waited for, with a deadline.
#[track_caller]
pub fn until<T>(what: &str, mut step: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = step() {
            return found;
        }
        assert!(Instant::now() < deadline, "it did not come to this in time: {what}");
    }
}
