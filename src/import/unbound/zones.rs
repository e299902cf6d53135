//! Unbound's local zones and their data: which names are answered there, and what comes of those that are not.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::import::draft::{Draft, Later, Setting};
use crate::import::spelling;
use crate::import::tables::{BLOCKING, RECORDS};

/// What a zone's type says of the names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name with data holds every type; other names are asked.
    Transparent,
    /// A name with data holds those types; everything else is asked.
    ByType,
    /// Nobody is asked for any name.
    Closed,
    /// The data of the zone itself is that of every name in it.
    Redirect,
    /// Everything is asked, whatever data there is.
    Ignored,
    /// Nothing in it exists, whatever data there is.
    Denied,
    /// Names are answered with an address that nothing has, or with nothing.
    Blocked,
}

/// The types, and what of each is otherwise here.
const KINDS: &[(&str, Kind, Option<&str>)] = &[
    ("transparent", Kind::Transparent, None),
    ("inform", Kind::Transparent, Some("its names are not logged by themselves: see `queries` in [log]")),
    (
        "typetransparent",
        Kind::ByType,
        Some("a local name has its A and AAAA records here: the one that is not written is not asked for"),
    ),
    ("static", Kind::Closed, None),
    ("deny", Kind::Closed, Some("what has no data is NXDOMAIN; it was dropped without an answer")),
    ("refuse", Kind::Closed, Some("what has no data is NXDOMAIN; it was REFUSED")),
    ("inform_deny", Kind::Closed, Some("what has no data is NXDOMAIN; it was dropped without an answer")),
    ("redirect", Kind::Redirect, None),
    (
        "inform_redirect",
        Kind::Redirect,
        Some("its names are not logged by themselves: see `queries` in [log]"),
    ),
    ("always_transparent", Kind::Ignored, None),
    ("nodefault", Kind::Ignored, None),
    ("always_nxdomain", Kind::Denied, None),
    ("always_refuse", Kind::Denied, Some("its names are NXDOMAIN; they were REFUSED")),
    ("always_deny", Kind::Denied, Some("its names are NXDOMAIN; they were dropped without an answer")),
    ("always_nodata", Kind::Denied, Some("its names are NXDOMAIN; they were there without any data")),
    ("always_null", Kind::Blocked, None),
];

/// The zones and the data, as they are read.
#[derive(Default)]
pub(super) struct Zones {
    zones: Vec<(Setting, String, String)>,
    data: Vec<(Setting, String)>,
}

/// A record of `local-data`: `nas.lan. 3600 IN A 192.168.1.10`.
struct Record {
    name: String,
    ttl: Option<String>,
    rtype: String,
    value: String,
}

impl Zones {
    pub(super) fn zone(&mut self, from: &Setting, zone: &str, kind: &str) {
        self.zones.push((from.clone(), spelling::name(zone), kind.to_ascii_lowercase()));
    }

    pub(super) fn data(&mut self, from: &Setting, record: &str) {
        self.data.push((from.clone(), record.to_owned()));
    }

    /// Writes them, now that all are known.
    pub(super) fn write(self, draft: &mut Draft) {
        let mut kinds: HashMap<&str, Kind> = HashMap::new();
        for (_, zone, kind) in &self.zones {
            if let Some((_, kind, _)) = KINDS.iter().find(|(name, ..)| name == kind) {
                kinds.insert(zone, *kind);
            }
        }
        let mut filled = HashSet::new();
        for (from, text) in &self.data {
            if let Some(name) = data(from, text, &kinds, draft) {
                filled.insert(name);
            }
        }
        for (from, zone, kind) in &self.zones {
            match KINDS.iter().find(|(name, ..)| name == kind) {
                Some((_, kind, otherwise)) => {
                    write(from, zone, *kind, filled.contains(zone), *otherwise, draft)
                }
                None => draft.leave(from, "not a type of a zone that is known here"),
            }
        }
    }
}

/// Writes a zone.
fn write(
    from: &Setting,
    zone: &str,
    kind: Kind,
    is_filled: bool,
    otherwise: Option<&str>,
    draft: &mut Draft,
) {
    match kind {
        Kind::Transparent | Kind::ByType | Kind::Ignored => {
            draft.later(from, Later::ToDefault { domain: zone.to_owned() });
        }
        Kind::Redirect if is_filled => draft.needless(from, "its names are [[local]] names"),
        Kind::Closed | Kind::Denied | Kind::Redirect if zone == "." => {
            draft.leave(from, "not to ask anybody for any name is not what stubborn can be told");
        }
        Kind::Closed | Kind::Denied | Kind::Redirect => draft.keep(from, zone),
        Kind::Blocked => draft.leave(from, BLOCKING),
    }
    if let Some(otherwise) = otherwise {
        draft.left.push(from.left(otherwise));
    }
}

/// Writes a record as its zone has it; gives the name that it gave an address.
fn data(from: &Setting, text: &str, kinds: &HashMap<&str, Kind>, draft: &mut Draft) -> Option<String> {
    let Some(record) = Record::read(text) else {
        draft.leave(from, "it is no record of a name");
        return None;
    };
    let kind = around(&record.name, kinds).unwrap_or(Kind::Transparent);
    match (kind, record.rtype.as_str()) {
        (Kind::Ignored, _) => {
            draft.needless(from, "the type of its zone has its names asked, whatever data there is");
            return None;
        }
        (Kind::Denied | Kind::Blocked, _) => {
            draft.needless(from, "the type of its zone denies its names, whatever data there is");
            return None;
        }
        (_, "CNAME") => {
            let target = spelling::name(&record.value);
            if kind == Kind::Redirect && kinds.contains_key(record.name.as_str()) {
                let name = format!("*.{}", record.name);
                draft.later(from, Later::Alias { name, target: target.clone() });
            }
            draft.later(from, Later::Alias { name: record.name.clone(), target });
            return Some(record.name);
        }
        (_, "PTR") => {
            let address = spelling::reversed(&record.name);
            draft.later(from, Later::Pointer { name: spelling::name(&record.value), address });
            return None;
        }
        (_, "A" | "AAAA") if record.value.parse::<IpAddr>().is_ok() => {}
        _ => {
            draft.leave(from, RECORDS);
            return None;
        }
    }
    if kind == Kind::ByType {
        draft.local(from, &record.name, &record.value);
    } else {
        draft.whole(from, &record.name, &record.value);
    }
    // Only the data of the zone itself is that of every name.
    if kind == Kind::Redirect && kinds.contains_key(record.name.as_str()) {
        draft.whole(from, &format!("*.{}", record.name), &record.value);
    }
    if let Some(ttl) = record.ttl {
        draft.left.push(
            from.left(format!("all but the TTL {ttl} is carried over: local names have one TTL for all")),
        );
    }
    Some(record.name)
}

/// The kind of the narrowest zone around the name.
fn around(name: &str, kinds: &HashMap<&str, Kind>) -> Option<Kind> {
    let mut rest = name;
    loop {
        if let Some(kind) = kinds.get(rest) {
            return Some(*kind);
        }
        rest = match rest.split_once('.') {
            Some((_, parent)) if !parent.is_empty() => parent,
            _ => return kinds.get(".").copied(),
        };
    }
}

impl Record {
    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().peekable();
        let name = spelling::name(words.next()?);
        let is_ttl = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
        // The TTL and the class come in either order.
        let mut ttl = words.next_if(is_ttl);
        let _ = words.next_if(|word| word.eq_ignore_ascii_case("IN"));
        ttl = ttl.or_else(|| words.next_if(is_ttl));
        let rtype = words.next()?.to_ascii_uppercase();
        let value = words.collect::<Vec<_>>().join(" ");
        (!value.is_empty()).then(|| Self { name, ttl: ttl.map(str::to_owned), rtype, value })
    }
}
