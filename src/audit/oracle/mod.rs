//! What a client could read in a reply, and whether the reply is one we may send.
//!
//! Three independent kinds of reader: a strict walk ([`shape`]), imitations of real client stubs ([`stubs`]) and a
//! suspicious scan of every octet ([`scan`]). None of them shares code with the guard.

pub mod parse;
pub mod scan;
pub mod shape;
pub mod stubs;

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use parse::{lenient, show};

/// What came through that must not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leaked {
    /// An address.
    Address(IpAddr),
    /// The name of something inside, which the client's system would look up or know itself.
    Name(String),
}

/// Something a reader found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leak {
    /// Which reader: `musl`, `glibc`, `c-ares`, `go`, `chromium`, `scan`, `alias`.
    pub reader: &'static str,
    /// What it read.
    pub what: Leaked,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Leaked::Address(address) => write!(f, "{} reads {address}", self.reader),
            Leaked::Name(name) => write!(f, "{} is led to {name}", self.reader),
        }
    }
}

/// What a message must not let anybody read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Secrets<'a> {
    /// The addresses the attack is about.
    pub addresses: &'a [IpAddr],
    /// The names it leads to, in wire form.
    pub names: &'a [Vec<u8>],
    /// The only addresses that may be read at all; `None` lifts this.
    pub only: Option<&'a [IpAddr]>,
}

/// Everything any reader gets out of `wire` that it must not.
pub fn leaks(wire: &[u8], qtype: u16, secrets: Secrets<'_>) -> Vec<Leak> {
    let (parsed, failed) = lenient(wire);
    let mut found = Vec::new();
    let mut note = |reader, what| {
        let leak = Leak { reader, what };
        if !found.contains(&leak) {
            found.push(leak);
        }
    };

    let readers = [
        ("musl", stubs::musl(wire, qtype)),
        ("glibc", stubs::glibc(&parsed)),
        ("c-ares", stubs::c_ares(&parsed, failed.is_some())),
        ("go", stubs::go(&parsed)),
        ("chromium", stubs::chromium(&parsed)),
        ("scan", parsed.records.iter().flat_map(|rr| scan::carried(&parsed, rr)).collect()),
    ];
    for (reader, addresses) in readers {
        for address in addresses {
            if is_secret(address, secrets) {
                note(reader, Leaked::Address(address));
            }
        }
    }

    // Octets that look like a secret in records that carry no addresses, and in what follows the last record.
    let rest = wire.get(parsed.end..).unwrap_or(&[]);
    let places = parsed.records.iter().filter(|rr| !scan::is_noise(rr.rtype)).map(|rr| rr.rdata);
    for octets in places.chain([rest]) {
        for address in secrets.addresses {
            if scan::contains(octets, *address) {
                note("scan", Leaked::Address(*address));
            }
        }
    }

    for target in parsed.records.iter().filter_map(|rr| parsed.target(rr)) {
        if secrets.names.iter().any(|name| name.eq_ignore_ascii_case(&target)) {
            note("alias", Leaked::Name(show(&target)));
        }
    }
    found
}

fn is_secret(address: IpAddr, secrets: Secrets<'_>) -> bool {
    if secrets.only.is_some_and(|only| !only.contains(&address)) || secrets.addresses.contains(&address) {
        return true;
    }
    match address {
        IpAddr::V6(v6) if !secrets.only.is_some_and(|only| only.contains(&address)) => {
            scan::embedded(v6).into_iter().any(|inner| secrets.addresses.contains(&inner.into()))
        }
        _ => false,
    }
}
