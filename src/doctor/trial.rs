//! Who answers at an address, and whether names that lead inside do so there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Duration;

use crate::audit::oracle::parse::{Parsed, Section, lenient};
use crate::audit::run::ask_udp;
use crate::audit::wire::{self, Query, code, flag};
use crate::control::Probed;

/// The response code in a header's flags.
const RCODE: u16 = 0x0f;
/// How long an answer may take, and how often is asked for it.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// Public names that have answered so for years, each with its address inside; so has every name below. Their owners mean well.
const NAMES: [(&str, [u8; 4]); 5] = [
    ("localtest.me", [127, 0, 0, 1]),
    ("10.0.0.1.nip.io", [10, 0, 0, 1]),
    ("192.168.0.1.nip.io", [192, 168, 0, 1]),
    ("100.64.0.1.nip.io", [100, 64, 0, 1]),
    ("169.254.169.254.nip.io", [169, 254, 169, 254]),
];
/// One that leads outside: without an answer to it, the others say nothing.
const CONTROL: (&str, [u8; 4]) = ("1.1.1.1.nip.io", [1, 1, 1, 1]);

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A program that calls itself stubborn, with its version.
    Stubborn(String),
    /// Another program, by the version it tells, if it does.
    Other(String),
    /// Nobody.
    Nobody,
}

/// Who answers at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answerer {
    /// The address.
    pub address: SocketAddr,
    /// Who answers there.
    pub who: Who,
}

/// What became of the names that lead inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Where they were asked for.
    pub server: SocketAddr,
    /// A name that leads outside has its answer there.
    pub answers: bool,
    /// The names that did lead inside.
    pub came: Vec<&'static str>,
    /// Those that had another answer.
    pub kept: Vec<&'static str>,
    /// Those that had no answer, or a failure.
    pub silent: Vec<&'static str>,
    /// What the daemon saw of it; none where no daemon could be told beforehand.
    pub seen: Option<Seen>,
}

/// What the daemon saw of a trial.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Names that it was asked for.
    pub names: usize,
    /// Those whose answer it blocked.
    pub blocked: usize,
    /// Names that it was not asked for.
    pub missed: usize,
}

/// A trial to come: its names begin with a label that only this process knows.
#[derive(Debug)]
pub(super) struct Plan {
    server: SocketAddr,
    label: String,
}

/// What came of one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Address,
    SomethingElse,
    /// No reply, or a failure.
    Nothing,
}

/// Asks who answers: by the name that servers tell their version under (RFC 4892).
pub(super) fn who_answers(address: SocketAddr) -> Answerer {
    let told = ask(address, "version.bind", code::TXT, code::CH, 1, |reply| {
        let text = reply.section(Section::Answer).find(|rr| rr.rtype == code::TXT);
        text.map(|rr| String::from_utf8_lossy(rr.rdata.get(1..).unwrap_or_default()).into_owned())
    });
    let who = match told {
        None => Who::Nobody,
        Some(Some(text)) if text.starts_with("stubborn ") => Who::Stubborn(text),
        Some(text) => Who::Other(text.unwrap_or_default()),
    };
    Answerer { address, who }
}

impl Plan {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, label: format!("stubborn-probe-{:016x}", rand::random::<u64>()) }
    }

    fn name(&self, base: &str) -> String {
        format!("{}.{base}", self.label)
    }

    /// The names that it will ask for.
    pub(super) fn names(&self) -> Vec<String> {
        NAMES.iter().chain([&CONTROL]).map(|(base, _)| self.name(base)).collect()
    }

    /// Asks for all names at once.
    pub(super) fn run(&self) -> Trial {
        let rows: Vec<(&'static str, Heard)> = thread::scope(|scope| {
            let asking = NAMES.iter().chain([&CONTROL]).map(|row| (row.0, scope.spawn(|| self.ask(*row))));
            let asking: Vec<_> = asking.collect();
            // One that panicked has heard nothing.
            asking.into_iter().map(|(base, asked)| (base, asked.join().unwrap_or(Heard::Nothing))).collect()
        });
        let answers = rows.contains(&(CONTROL.0, Heard::Address));
        let with = |wanted: Heard| -> Vec<&'static str> {
            let rows = rows.iter().filter(|(base, heard)| *base != CONTROL.0 && *heard == wanted);
            rows.map(|(base, _)| *base).collect()
        };
        Trial {
            server: self.server,
            answers,
            came: with(Heard::Address),
            kept: with(Heard::SomethingElse),
            silent: with(Heard::Nothing),
            seen: None,
        }
    }

    /// What the daemon has seen of it.
    pub(super) fn seen(&self, probes: &[Probed]) -> Seen {
        let is_ours = |probe: &&Probed| self.names().iter().any(|name| probe.name.eq_ignore_ascii_case(name));
        let seen = probes.iter().filter(is_ours).filter(|probe| probe.seen > 0);
        let names = seen.clone().count();
        let blocked = seen.filter(|probe| probe.blocked > 0).count();
        Seen { names, blocked, missed: self.names().len().saturating_sub(names) }
    }

    fn ask(&self, (base, address): (&'static str, [u8; 4])) -> Heard {
        let leads = ask(self.server, &self.name(base), code::A, code::IN, TRIES, |reply| {
            let mut addresses = reply.section(Section::Answer).filter(|rr| rr.rtype == code::A);
            match reply.flags & RCODE {
                _ if addresses.any(|rr| rr.rdata == address) => Heard::Address,
                code::SERVFAIL => Heard::Nothing,
                _ => Heard::SomethingElse,
            }
        });
        leads.unwrap_or(Heard::Nothing)
    }
}

fn ask<T>(
    server: SocketAddr,
    name: &str,
    qtype: u16,
    qclass: u16,
    tries: usize,
    read: impl Fn(&Parsed<'_>) -> T,
) -> Option<T> {
    let query =
        Query { id: rand::random(), qname: wire::name(name), qtype, qclass, flags: flag::RD, edns: None };
    let query = query.encode();
    let reply = (0..tries).find_map(|_| ask_udp(reached(server), &query, PATIENCE).ok())?;
    Some(read(&lenient(&reply).0))
}

/// Where a packet to the unspecified address arrives.
fn reached(server: SocketAddr) -> SocketAddr {
    match server.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST, server.port()).into(),
        _ => server,
    }
}
