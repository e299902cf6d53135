//! Unbound's local zones and their data: which names are answered there, and what happens to the others.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use crate::import::draft::{Draft, Later, Setting};
use crate::import::spelling;
use crate::import::tables::{BLOCKING, RECORDS};

/// What a zone's type means for the names in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A name with data has only that data; other names are asked outside.
    Transparent,
    /// Only the types with data are answered; everything else is asked outside.
    ByType,
    /// Nothing is asked outside.
    Closed,
    /// Every name in the zone has the data of the zone itself.
    Redirect,
    /// Everything is asked outside, whatever data there is.
    Ignored,
    /// Nothing in it exists, whatever data there is.
    Denied,
    /// Names are answered with an address that nothing uses, or with NODATA.
    Blocked,
}

/// The types, and how each differs here.
const KINDS: &[(&str, Kind, Option<&str>)] = &[
    ("transparent", Kind::Transparent, None),
    ("inform", Kind::Transparent, Some("its names have no log of their own: see `queries` in [log]")),
    (
        "typetransparent",
        Kind::ByType,
        Some("a local name has only the A and AAAA records written here: a missing one is not asked outside"),
    ),
    ("static", Kind::Closed, None),
    ("deny", Kind::Closed, Some("names without data are NXDOMAIN; they were dropped without an answer")),
    ("refuse", Kind::Closed, Some("names without data are NXDOMAIN; they were REFUSED")),
    (
        "inform_deny",
        Kind::Closed,
        Some("names without data are NXDOMAIN; they were dropped without an answer"),
    ),
    ("redirect", Kind::Redirect, None),
    ("inform_redirect", Kind::Redirect, Some("its names have no log of their own: see `queries` in [log]")),
    ("always_transparent", Kind::Ignored, None),
    ("nodefault", Kind::Ignored, None),
    ("always_nxdomain", Kind::Denied, None),
    ("always_refuse", Kind::Denied, Some("its names are NXDOMAIN; they were REFUSED")),
    ("always_deny", Kind::Denied, Some("its names are NXDOMAIN; they were dropped without an answer")),
    ("always_nodata", Kind::Denied, Some("its names are NXDOMAIN; they were NODATA")),
    ("always_null", Kind::Blocked, None),
];

/// The zones and their data, as they are read.
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

    /// Writes them, after all were read.
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
                None => draft.leave(from, "not a known type of zone"),
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
            draft.leave(from, "stubborn cannot be told to ask nobody for any name");
        }
        Kind::Closed | Kind::Denied | Kind::Redirect => draft.keep(from, zone),
        Kind::Blocked => draft.leave(from, BLOCKING),
    }
    if let Some(otherwise) = otherwise {
        draft.left.push(from.left(otherwise));
    }
}

/// Writes a record by the type of its zone. Returns the name, if the record gave it an address.
fn data(from: &Setting, text: &str, kinds: &HashMap<&str, Kind>, draft: &mut Draft) -> Option<String> {
    let Some(record) = Record::read(text) else {
        draft.leave(from, "it is not a record of a name");
        return None;
    };
    let kind = around(&record.name, kinds).unwrap_or(Kind::Transparent);
    match (kind, record.rtype.as_str()) {
        (Kind::Ignored, _) => {
            draft.needless(
                from,
                "by the type of its zone, its names are asked outside, whatever data there is",
            );
            return None;
        }
        (Kind::Denied | Kind::Blocked, _) => {
            draft.needless(from, "by the type of its zone, its names do not exist, whatever data there is");
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
            from.left(format!("carried over without the TTL {ttl}: all local names have the same TTL")),
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
