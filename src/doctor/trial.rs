//! Who answers at an address, and whether names that lead inside do so there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::audit::oracle::parse::{Parsed, Section, lenient};
use crate::audit::run::ask_udp;
use crate::audit::wire::{self, Query, code, flag};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Public names that have answered so for years, each with its address inside. Their owners mean well.
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
    /// stubborn, with its version.
    Stubborn(String),
    /// Somebody else, by the version it tells, if it does.
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
    /// Those that did not.
    pub kept: Vec<&'static str>,
}

/// Asks who answers: by the name that servers tell their version under (RFC 4892).
pub(super) fn who_answers(address: SocketAddr) -> Answerer {
    let told = ask(address, "version.bind", code::TXT, code::CH, |reply| {
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

/// Asks there for names that lead inside.
pub(super) fn try_names(server: SocketAddr) -> Trial {
    let leads = |(name, address): (&str, [u8; 4])| {
        let asked = ask(server, name, code::A, code::IN, |reply| {
            let mut addresses = reply.section(Section::Answer).filter(|rr| rr.rtype == code::A);
            addresses.any(|rr| rr.rdata == address)
        });
        asked == Some(true)
    };
    let answers = leads(CONTROL);
    let (came, kept): (Vec<_>, Vec<_>) = NAMES.into_iter().filter(|_| answers).partition(|row| leads(*row));
    let names = |rows: Vec<(&'static str, _)>| rows.into_iter().map(|(name, _)| name).collect();
    Trial { server, answers, came: names(came), kept: names(kept) }
}

fn ask<T>(
    server: SocketAddr,
    name: &str,
    qtype: u16,
    qclass: u16,
    read: impl Fn(&Parsed<'_>) -> T,
) -> Option<T> {
    let query =
        Query { id: rand::random(), qname: wire::name(name), qtype, qclass, flags: flag::RD, edns: None };
    let reply = ask_udp(reached(server), &query.encode(), PATIENCE).ok()?;
    Some(read(&lenient(&reply).0))
}

/// Where a packet to the unspecified address arrives.
fn reached(server: SocketAddr) -> SocketAddr {
    match server.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => (Ipv4Addr::LOCALHOST, server.port()).into(),
        _ => server,
    }
}
