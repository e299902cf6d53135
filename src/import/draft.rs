//! What was read, setting by setting: carried over, needless, or left.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::spelling;
use super::{Left, Loss};
use crate::config::printable;
use crate::policy::{PRESETS, Preset, Scope};

/// The longest part of a setting that is repeated in a comment, in characters.
const LONGEST_TEXT: usize = 120;

/// Where a setting stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    /// From 1.
    pub(super) line: usize,
}

/// A setting and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) place: Place,
    /// As it is shown in a comment.
    pub(super) text: String,
    /// What similar settings have in common, such as `address`.
    pub(super) kind: String,
}

/// Something to be written.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) from: Setting,
    pub(super) what: What,
}

/// What is to be written: values are texts that the configuration's reader will judge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum What {
    /// A value of a list, `[table] key = [ … ]`.
    InList { table: &'static str, key: &'static str, value: String },
    /// A key of a table; the last one holds. The value is as TOML has it.
    Key { table: &'static str, key: &'static str, value: String },
    /// An exception for a domain.
    Exception { domain: String },
    /// A preset.
    Preset { name: &'static str },
    /// A server of a domain.
    Route { domain: String, server: String },
    /// A domain that is never asked outside.
    Kept { domain: String },
    /// An address of a local name.
    Local { name: String, address: String },
}

/// What is decided after everything was read.
#[derive(Debug, Clone)]
pub(super) enum Later {
    /// The default servers are asked for the domain's names, whatever holds for domains above it.
    ToDefault { domain: String },
    /// A name with the addresses of another.
    Alias { name: String, target: String },
    /// An exception: from the filter against rebinding if there was one, else from rules that block names.
    Trusted { domain: String },
    /// A reverse name, which a local name with this address has by itself.
    Pointer { name: String, address: Option<IpAddr> },
}

/// Whether the names of a route may have inside addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trust {
    /// They may: a setting says so.
    Given(Place),
    /// They may: there was no filter, and the domain and its servers are inside.
    Unfiltered,
    /// They may not, and why.
    Withheld(String),
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) items: Vec<Item>,
    pub(super) seen: HashSet<What>,
    /// What needs nothing here, with the reason.
    pub(super) needless: Vec<Left>,
    /// What was left, with the reason.
    pub(super) left: Vec<Left>,
    /// What was left and costs privacy or a server.
    pub(super) losses: Vec<Left>,
    /// Lost servers that another one has to stand in for: those of all names, or those of a domain.
    pub(super) orphans: Vec<(Setting, Option<String>)>,
    /// What whoever reads the file should know first, a line each.
    pub(super) remarks: Vec<&'static str>,
    /// What is decided after everything was read.
    pub(super) later: Vec<(Setting, Later)>,
    /// The name of the setting that let domains have inside addresses, if there was a filter against rebinding.
    pub(super) filter: Option<&'static str>,
    /// Local names that have no records of any type elsewhere.
    pub(super) whole: HashSet<String>,
    /// The trust in each route, by its domain.
    pub(super) trust: HashMap<String, Trust>,
    /// Routes that lost all their servers.
    pub(super) stranded: HashSet<String>,
    /// How many settings are the format's, and how many are not.
    known: usize,
    unknown: usize,
    first_unknown: Option<Place>,
}

impl What {
    fn has_control(&self) -> bool {
        let texts: &[&String] = match self {
            Self::InList { value, .. } | Self::Key { value, .. } => &[value],
            Self::Exception { domain } => &[domain],
            Self::Kept { domain } => &[domain],
            Self::Preset { .. } => &[],
            Self::Route { domain, server } => &[domain, server],
            Self::Local { name, address } => &[name, address],
        };
        texts.iter().any(|text| text.chars().any(char::is_control))
    }

    /// The name that it is for, if that cannot be a name of the DNS that people write: some programs have signs for every name or
    /// for sets of names.
    fn odd_name(&self) -> Option<&str> {
        let name = match self {
            Self::Exception { domain } | Self::Kept { domain } | Self::Route { domain, .. } => {
                domain.as_str()
            }
            Self::Local { name, .. } => name.strip_prefix("*.").unwrap_or(name),
            Self::InList { .. } | Self::Key { .. } | Self::Preset { .. } => return None,
        };
        (!spelling::is_plain(name)).then_some(name)
    }
}

impl Setting {
    /// A setting that is called what its text begins with.
    pub(super) fn new(file: &Arc<str>, line: usize, text: &str) -> Self {
        let kind = text.split(['=', ':', ' ', '\t']).next().unwrap_or(text);
        Self::of(file, line, kind, text)
    }

    /// A setting that is one of many under the name `kind`.
    pub(super) fn of(file: &Arc<str>, line: usize, kind: &str, text: &str) -> Self {
        let mut shown: String = text.chars().take(LONGEST_TEXT).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { place: Place { file: Arc::clone(file), line }, text: shown, kind: kind.to_owned() }
    }

    /// It is left, and why.
    pub(super) fn left(&self, why: impl Into<String>) -> Left {
        Left {
            file: Arc::clone(&self.place.file),
            line: self.place.line,
            text: self.text.clone(),
            kind: self.kind.clone(),
            why: why.into(),
            loss: None,
        }
    }
}

impl Draft {
    /// Carries something over. What was carried over before, in the same words, is not written again.
    pub(super) fn carry(&mut self, from: &Setting, what: What) {
        self.known += 1;
        if what.has_control() {
            self.left.push(from.left("it has control characters in it"));
            return;
        }
        if let Some(name) = what.odd_name() {
            let name = printable(name);
            self.left.push(
                from.left(format!("\"{name}\" is not a domain: write one for each name that is meant")),
            );
            return;
        }
        if let What::Key { table, key, .. } = &what {
            let (table, key) = (*table, *key);
            let is_it = |item: &Item| matches!(&item.what, What::Key { table: t, key: k, .. } if (*t, *k) == (table, key));
            if let Some(at) = self.items.iter().position(is_it) {
                let before = self.items.remove(at);
                self.needless.push(before.from.left("a later line says otherwise"));
                self.seen.remove(&before.what);
            }
        }
        if self.seen.insert(what.clone()) {
            self.items.push(Item { from: from.clone(), what });
        } else {
            self.needless.push(from.left("an earlier line says the same"));
        }
    }

    /// Carries over what a setting implies, unless it is there.
    pub(super) fn imply(&mut self, from: &Setting, what: What) {
        if !self.seen.contains(&what) {
            self.carry(from, what);
        }
    }

    /// Carries a text over as the value of a key.
    pub(super) fn text(&mut self, from: &Setting, table: &'static str, key: &'static str, value: &str) {
        self.key(from, table, key, toml::Value::String(value.to_owned()).to_string());
    }

    /// Carries a value of a list over.
    pub(super) fn list(
        &mut self,
        from: &Setting,
        table: &'static str,
        key: &'static str,
        value: impl Into<String>,
    ) {
        self.carry(from, What::InList { table, key, value: value.into() });
    }

    /// Carries a key over; the value is as TOML has it.
    pub(super) fn key(
        &mut self,
        from: &Setting,
        table: &'static str,
        key: &'static str,
        value: impl Into<String>,
    ) {
        self.carry(from, What::Key { table, key, value: value.into() });
    }

    /// Carries a number over.
    pub(super) fn number(&mut self, from: &Setting, table: &'static str, key: &'static str, value: &str) {
        match value.trim().parse::<u32>() {
            Ok(number) => self.key(from, table, key, number.to_string()),
            Err(_) => self.leave(from, "no number"),
        }
    }

    /// Carries a number of seconds over as a duration.
    pub(super) fn seconds(&mut self, from: &Setting, table: &'static str, key: &'static str, value: &str) {
        match value.trim().parse::<u64>() {
            Ok(seconds) => self.key(from, table, key, format!("\"{seconds}s\"")),
            Err(_) => self.leave(from, "no number of seconds"),
        }
    }

    /// Carries a domain over that may answer with inside addresses; where a preset is for it, as the preset, which lets less
    /// through.
    pub(super) fn exception(&mut self, from: &Setting, domain: &str) {
        let domain = spelling::name(domain);
        let is_for = |preset: &&Preset| {
            preset.scope == Scope::Whole && preset.domains == [domain.as_str()] && preset.is_narrow()
        };
        match PRESETS.iter().find(is_for) {
            Some(preset) => self.carry(from, What::Preset { name: preset.name }),
            None => self.carry(from, What::Exception { domain }),
        }
    }

    /// Carries a domain with one of its servers over.
    pub(super) fn route(&mut self, from: &Setting, domain: &str, server: String) {
        self.carry(from, What::Route { domain: spelling::name(domain), server });
    }

    /// Carries over a domain that is never asked outside.
    pub(super) fn keep(&mut self, from: &Setting, domain: &str) {
        self.carry(from, What::Kept { domain: spelling::name(domain) });
    }

    /// Carries a name with one of its addresses over; one that starts with `*.` is for all names below.
    pub(super) fn local(&mut self, from: &Setting, name: &str, address: &str) {
        let address = spelling::network(address);
        if address.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            self.leave(from, super::tables::BLOCKING);
            return;
        }
        self.carry(from, What::Local { name: local_name(name), address });
    }

    /// Carries over a local name that has no records of any type elsewhere.
    pub(super) fn whole(&mut self, from: &Setting, name: &str, address: &str) {
        self.whole.insert(local_name(name));
        self.local(from, name, address);
    }

    /// Puts a decision off until everything was read.
    pub(super) fn later(&mut self, from: &Setting, later: Later) {
        self.known += 1;
        self.later.push((from.clone(), later));
    }

    /// Counts a setting that is carried over together with others.
    pub(super) fn part(&mut self) {
        self.known += 1;
    }

    /// A setting that needs nothing here.
    pub(super) fn needless(&mut self, from: &Setting, why: &str) {
        self.known += 1;
        self.needless.push(from.left(why));
    }

    /// A setting that is not carried over.
    pub(super) fn leave(&mut self, from: &Setting, why: impl Into<String>) {
        self.known += 1;
        self.left.push(from.left(why));
    }

    /// A setting that is not carried over, with the loss of a server.
    pub(super) fn lose(&mut self, from: &Setting, why: impl Into<String>) {
        self.known += 1;
        self.lost(from, Loss::Server, why);
    }

    /// A setting that is not carried over, with a loss of privacy.
    pub(super) fn lose_privacy(&mut self, from: &Setting, why: impl Into<String>) {
        self.known += 1;
        self.lost(from, Loss::Privacy, why);
    }

    /// Clients were served over an encrypted connection.
    pub(super) fn lose_service(&mut self, from: &Setting) {
        self.known += 1;
        self.lost(
            from,
            Loss::Service,
            "clients asked over an encrypted connection: stubborn serves plain DNS only",
        );
    }

    /// Notes a loss of a setting that was counted before.
    pub(super) fn lost(&mut self, from: &Setting, loss: Loss, why: impl Into<String>) {
        let left = Left { loss: Some(loss), ..from.left(why) };
        self.losses.push(left.clone());
        self.left.push(left);
    }

    /// A server for all names was lost: if none is left in the end, the file has to say who is asked.
    pub(super) fn orphan(&mut self, from: &Setting) {
        self.orphans.push((from.clone(), None));
    }

    /// A setting that is not one of the format.
    pub(super) fn unknown(&mut self, from: &Setting) {
        self.unknown += 1;
        self.first_unknown.get_or_insert_with(|| from.place.clone());
        self.left.push(from.left("not a setting that is known here"));
    }

    /// The servers for all names, with their settings.
    pub(super) fn servers(&self) -> impl Iterator<Item = (&Setting, &String)> {
        self.items.iter().filter_map(|item| match &item.what {
            What::InList { table: "upstream", key: "servers", value } => Some((&item.from, value)),
            _ => None,
        })
    }

    /// How many settings are the format's, and how many are not.
    pub(super) fn fit(&self) -> (usize, usize) {
        (self.known, self.unknown)
    }

    /// Where the first setting stands that is not the format's.
    pub(super) fn first_unknown(&self) -> Option<Place> {
        self.first_unknown.clone()
    }
}

fn local_name(name: &str) -> String {
    match name.trim().strip_prefix("*.") {
        Some(below) => format!("*.{}", spelling::name(below)),
        None => spelling::name(name),
    }
}
