//! What was read, setting by setting: carried over, needless, or left.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;

use super::Left;
use crate::config::domain_name;
use crate::policy::{PRESETS, Preset, Scope, special_domain};

const NETWORKS: &str = "An [[exception]] lets private addresses pass (RFC 1918 and unique-local). Where a name has to answer with others, such\n\
     # as 127.0.0.1, write them as its `networks`.";

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
    /// An address of a local name.
    Local { name: String, address: String },
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) items: Vec<Item>,
    seen: HashSet<What>,
    /// What needs nothing here, with the reason.
    pub(super) needless: Vec<Left>,
    /// What was left, with the reason.
    pub(super) left: Vec<Left>,
    /// What whoever reads the file should know first, a line each.
    pub(super) remarks: Vec<&'static str>,
    /// How many settings are the format's.
    known: usize,
}

impl What {
    fn has_control(&self) -> bool {
        let texts: &[&String] = match self {
            Self::InList { value, .. } | Self::Key { value, .. } => &[value],
            Self::Exception { domain } => &[domain],
            Self::Preset { .. } => &[],
            Self::Route { domain, server } => &[domain, server],
            Self::Local { name, address } => &[name, address],
        };
        texts.iter().any(|text| text.chars().any(char::is_control))
    }
}

impl Setting {
    pub(super) fn new(file: &Arc<str>, line: usize, text: &str) -> Self {
        let mut shown: String = text.chars().take(LONGEST_TEXT).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        Self { place: Place { file: Arc::clone(file), line }, text: shown }
    }

    /// It is left, and why.
    pub(super) fn left(&self, why: impl Into<String>) -> Left {
        Left {
            file: Arc::clone(&self.place.file),
            line: self.place.line,
            text: self.text.clone(),
            why: why.into(),
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
            self.needless.push(from.left("the same as before"));
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
        let domain = normal(domain);
        let is_for = |preset: &&Preset| preset.scope == Scope::Whole && preset.domains == [domain.as_str()];
        match PRESETS.iter().find(is_for) {
            Some(preset) => self.carry(from, What::Preset { name: preset.name }),
            None => self.carry(from, What::Exception { domain }),
        }
    }

    /// Carries a domain with one of its servers over.
    pub(super) fn route(&mut self, from: &Setting, domain: &str, server: String) {
        self.carry(from, What::Route { domain: normal(domain), server });
    }

    /// Carries a name with one of its addresses over; one that starts with `*.` is for all names below.
    pub(super) fn local(&mut self, from: &Setting, name: &str, address: &str) {
        if address.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified()) {
            self.leave(from, super::tables::BLOCKING);
            return;
        }
        let name = match name.strip_prefix("*.") {
            Some(below) => format!("*.{}", normal(below)),
            None => normal(name),
        };
        self.carry(from, What::Local { name, address: address.to_owned() });
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

    /// A setting that is not one of the format.
    pub(super) fn unknown(&mut self, from: &Setting) {
        self.left.push(from.left("not a setting that is known here"));
    }

    /// A server for all names was carried over.
    pub(super) fn has_servers(&self) -> bool {
        self.items
            .iter()
            .any(|item| matches!(&item.what, What::InList { table: "upstream", key: "servers", .. }))
    }

    /// Where the first of several unknown settings stands, if there is nothing else.
    pub(super) fn is_foreign(&self) -> Option<Place> {
        let first = self.left.first().filter(|_| self.known == 0)?;
        Some(Place { file: Arc::clone(&first.file), line: first.line })
    }

    /// Takes out what others of the settings make needless.
    pub(super) fn settle(&mut self) {
        let routes: Vec<_> = self
            .items
            .iter()
            .filter_map(|item| match &item.what {
                What::Route { domain, .. } => domain_name(domain).ok(),
                _ => None,
            })
            .collect();
        let mut needless = Vec::new();
        self.items.retain(|item| {
            let What::Exception { domain } = &item.what else { return true };
            let Ok(name) = domain_name(domain) else { return true };
            let why = if routes.iter().any(|route| name.as_ref().is_within(route.as_ref())) {
                "the names of a [[route]] may have inside addresses anyway"
            } else if special_domain(name.as_ref()).is_some() {
                "names in it are not asked outside; a [[route]] or [[local]] gives them an answer"
            } else {
                return true;
            };
            needless.push(item.from.left(why));
            false
        });
        self.needless.append(&mut needless);
        if self.items.iter().any(|item| matches!(item.what, What::Exception { .. })) {
            self.remarks.push(NETWORKS);
        }
    }
}

/// The domain as it is compared: what cannot be read stays as it is, for the reader to refuse.
fn normal(domain: &str) -> String {
    domain_name(domain).map_or_else(|_| domain.to_owned(), |name| name.to_string())
}

/// An address with a port, as a configuration has it; what is no address stays as it is.
pub(super) fn with_port(address: &str, port: Option<&str>) -> String {
    match (address.parse::<IpAddr>(), port.map(str::parse::<u16>)) {
        (Ok(ip), None) => ip.to_string(),
        (Ok(ip), Some(Ok(53))) => ip.to_string(),
        (Ok(ip), Some(Ok(port))) => SocketAddr::new(ip, port).to_string(),
        (_, None) => address.to_owned(),
        (_, Some(_)) => format!("{address}:{}", port.unwrap_or_default()),
    }
}

/// The reverse zones whose names are exactly those of the addresses in `network`: one where its length ends a label, else
/// those of the parts that do. `None` where these would be more than 256.
pub(super) fn reverse_zones(network: IpNet) -> Option<Vec<String>> {
    let step = match network {
        IpNet::V4(_) => 8,
        IpNet::V6(_) => 4,
    };
    let length = network.prefix_len().div_ceil(step).max(1) * step;
    let zones = |parts: Vec<IpNet>| parts.into_iter().map(|part| reverse_zone(part, step)).collect();
    (length - network.prefix_len() <= 8).then(|| zones(subnets(network, length)))
}

fn subnets(network: IpNet, length: u8) -> Vec<IpNet> {
    network.trunc().subnets(length).map(Iterator::collect).unwrap_or_default()
}

fn reverse_zone(network: IpNet, step: u8) -> String {
    let labels = usize::from(network.prefix_len() / step);
    let (digits, end): (Vec<String>, &str) = match network.addr() {
        IpAddr::V4(v4) => (v4.octets().iter().map(ToString::to_string).collect(), "in-addr.arpa"),
        IpAddr::V6(v6) => {
            let nibbles = v6.octets().into_iter().flat_map(|octet| [octet >> 4, octet & 15]);
            (nibbles.map(|nibble| format!("{nibble:x}")).collect(), "ip6.arpa")
        }
    };
    let own: Vec<&str> = digits.iter().take(labels).rev().map(String::as_str).collect();
    format!("{}.{end}", own.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_written_where_they_are_not_53() {
        for (address, port, expected) in [
            ("9.9.9.9", None, "9.9.9.9"),
            ("9.9.9.9", Some("53"), "9.9.9.9"),
            ("9.9.9.9", Some("5353"), "9.9.9.9:5353"),
            ("::1", Some("5353"), "[::1]:5353"),
            ("dns.example", Some("853"), "dns.example:853"),
            ("9.9.9.9", Some("x"), "9.9.9.9:x"),
        ] {
            assert_eq!(with_port(address, port), expected);
        }
    }

    #[test]
    fn reverse_zones_end_with_a_label() {
        for (network, expected) in [
            ("192.168.1.0/24", &["1.168.192.in-addr.arpa"][..]),
            ("10.0.0.0/8", &["10.in-addr.arpa"]),
            ("172.16.0.0/15", &["16.172.in-addr.arpa", "17.172.in-addr.arpa"]),
            ("fd00::/8", &["d.f.ip6.arpa"]),
            ("fe80::/10", &["8.e.f.ip6.arpa", "9.e.f.ip6.arpa", "a.e.f.ip6.arpa", "b.e.f.ip6.arpa"]),
        ] {
            assert_eq!(reverse_zones(network.parse().unwrap()).unwrap(), expected, "{network}");
        }
        assert_eq!(reverse_zones("0.0.0.0/0".parse().unwrap()).unwrap().len(), 256);
    }
}
