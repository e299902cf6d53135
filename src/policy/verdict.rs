//! What was decided, and why, in words that the log, the EDE text and `explain` share.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::dns::{Carrier, Name, NameRef};

use super::blocked::BlockedRange;
use super::names::Inside;
use super::settings::Origin;
use super::special_domains::NotPublic;

/// The decision on one reply.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Everything in the reply that leads inside, removed or not.
    pub findings: Vec<Finding>,
    /// What it amounts to.
    pub category: Category,
    /// See [`GuardSettings::arguments`](super::GuardSettings::arguments).
    pub arguments: Option<Arc<str>>,
}

/// What a reply amounts to; also the label of the metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Category {
    /// Nothing leads inside, or what does was silently allowed.
    #[default]
    Clean,
    /// Something leads inside and was removed.
    Blocked,
    /// Nothing but 0.0.0.0 or ::, the block answer of an upstream: NODATA, no alarm.
    Sinkhole,
    /// Something leads inside, and was let through to be reported.
    Monitored,
    /// No server was asked: the name is not public.
    NotPublic,
}

impl Category {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Blocked => "blocked",
            Self::Sinkhole => "sinkhole",
            Self::Monitored => "monitored",
            Self::NotPublic => "not-public",
        }
    }
}

/// One thing in a reply that leads inside.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Where it stands.
    pub carrier: Carrier,
    /// What it is.
    pub subject: Subject,
    /// What was done about it.
    pub action: Action,
}

/// What leads inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// An address.
    Address {
        /// As it stands in the record.
        address: IpAddr,
        /// What a packet to it may reach: the address itself or one embedded in it.
        reaches: IpAddr,
        /// The range that decided.
        range: BlockedRange,
    },
    /// An alias.
    Alias {
        /// The name it leads to.
        target: Name,
        /// Why that is inside.
        inside: Inside,
    },
    /// A port outside those that serve what the record is for; strict profile only.
    Port(u16),
    /// The question itself, which no server was asked.
    NotPublic(NotPublic),
}

/// What was done about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Removed.
    Removed,
    /// Hidden: the client does not see this alias; it gets the answer behind it under the QNAME.
    Hidden,
    /// Let through by an exception or a route, written here.
    Allowed(Origin),
    /// Let through, but reported: `mode = "monitor"`, of the guard or of an exception written here.
    Monitored(Origin),
}

impl Verdict {
    /// Whether a finding was removed.
    pub(super) fn has_removed(&self) -> bool {
        self.findings.iter().any(|finding| finding.action == Action::Removed)
    }

    /// The findings that were removed or are to be reported.
    pub fn reported(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !matches!(finding.action, Action::Allowed(_) | Action::Hidden))
    }

    /// How to let `question` answer with what was found: one line, a command to paste if there is one.
    pub fn allow_line(&self, finding: &Finding, question: NameRef<'_>) -> String {
        let line = finding.subject.allow_line(question);
        match &self.arguments {
            Some(arguments) if line.starts_with("stubborn ") => line + arguments,
            _ => line,
        }
    }

    /// The finding to name first.
    pub fn leading(&self) -> Option<&Finding> {
        self.reported().next()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, reaches, range } if address == reaches => {
                write!(f, "{address} is in {range}")
            }
            Self::Address { address, reaches, range } => write!(f, "{address} reaches {reaches}, in {range}"),
            Self::NotPublic(refused) => refused.fmt(f),
            Self::Port(port) => write!(f, "port {port} is not one that serves HTTPS or DNS"),
            Self::Alias { target, inside } => match inside {
                Inside::Special(special) => {
                    write!(f, "alias {target} is under {}, not public ({})", special.name, special.reference)
                }
                Inside::SingleLabel => write!(f, "alias {target} is a single label, not public"),
                Inside::Numeric => write!(f, "alias {target} ends in a number, not public"),
                Inside::Exempt(domain, origin) => {
                    write!(f, "alias {target} leads to the exempt {domain} ({origin})")
                }
                Inside::NotAHostName => write!(f, "alias {target} is not a host name"),
                Inside::Root => write!(f, "alias {target} covers every name"),
                Inside::Above(below, origin) => write!(f, "alias {target} also covers {below} ({origin})"),
                Inside::Zone(zone, origin) => write!(f, "alias {target} leads into {zone} ({origin})"),
            },
        }
    }
}

impl Subject {
    /// The name of the range, or of the rule on aliases; one of a fixed set.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Address { range, .. } => range.name,
            Self::Alias { inside: Inside::Special(_), .. } => "alias-special-use",
            Self::Alias { inside: Inside::SingleLabel, .. } => "alias-single-label",
            Self::Alias { inside: Inside::Numeric, .. } => "alias-numeric",
            Self::Alias { inside: Inside::NotAHostName, .. } => "alias-not-a-host",
            Self::Alias { inside: Inside::Exempt(..), .. } => "alias-to-exempt",
            Self::Alias { inside: Inside::Zone(..), .. } => "alias-into-zone",
            Self::Alias { inside: Inside::Root | Inside::Above(..), .. } => "alias-above-inside",
            Self::Port(_) => "service-port",
            Self::NotPublic(_) => "not-public",
        }
    }

    /// The address or name, and the range or zone it is in, as fields of a log line.
    pub fn parts(&self) -> (String, String) {
        match self {
            Self::Address { address, range, .. } => (address.to_string(), range.net.to_string()),
            Self::Alias { target, inside } => {
                let zone = match inside {
                    Inside::Zone(name, _) | Inside::Above(name, _) => name.to_string(),
                    Inside::Special(special) => special.name.to_string(),
                    _ => String::new(),
                };
                (target.to_string(), zone)
            }
            Self::Port(port) => (port.to_string(), String::new()),
            Self::NotPublic(refused) => (String::new(), refused.special.name.to_string()),
        }
    }

    /// Who set the rule.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Address { range, .. } => &range.origin,
            Self::Alias {
                inside: Inside::Zone(_, origin) | Inside::Exempt(_, origin) | Inside::Above(_, origin),
                ..
            } => origin,
            Self::Alias { .. } | Self::Port(_) | Self::NotPublic(_) => &Origin::BuiltIn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{SPECIAL_RANGES, Treatment};

    fn subject(address: &str, reaches: &str, range: &str) -> Subject {
        let range = SPECIAL_RANGES.iter().find(|row| row.name == range).unwrap();
        Subject::Address {
            address: address.parse().unwrap(),
            reaches: reaches.parse().unwrap(),
            range: BlockedRange {
                net: range.net.parse().unwrap(),
                name: range.name,
                reference: range.reference,
                treatment: Treatment::Block,
                never_implied: range.never_implied,
                origin: Origin::BuiltIn,
            },
        }
    }

    #[test]
    fn what_to_paste_is_one_command_whatever_the_name() {
        let own = subject("192.168.1.20", "192.168.1.20", "private-use");
        for (name, expected) in [
            ("Nas.Example.org", Some("nas.example.org")),
            ("_dmarc.a-b.example", Some("_dmarc.a-b.example")),
            ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
            ("-rf.example", None),
            ("--config.example", None),
            ("*.example", None),
            (r"a\032b.example", None),
            (r"$(reboot).example", None),
            (r"`reboot`.example", None),
            (r"a;b.example", None),
            (r"a'b.example", None),
            (r"a\010b.example", None),
            (r"\255.example", None),
            (r"a\.b.example", None),
            ("a/b.example", None),
            ("~root.example", None),
            ("a=b.example", None),
        ] {
            let line = own.allow_line(Name::from_text(name).unwrap().as_ref());
            match expected {
                Some(name) => assert_eq!(line, format!("stubborn allow {name} --exact --to 192.168.1.20")),
                None => assert!(line.starts_with("an [[exception]] written by hand"), "{name}: {line}"),
            }
        }
    }

    #[test]
    fn an_address_within_another_is_named_as_an_exception_can_name_it() {
        for (address, reaches, range, expected) in [
            ("64:ff9b::10.0.0.1", "10.0.0.1", "private-use", "--to 10.0.0.1 --to 64:ff9b::a00:1"),
            ("::ffff:10.0.0.1", "10.0.0.1", "private-use", "--to 10.0.0.1"),
            ("fd00::1", "fd00::1", "unique-local", "--to fd00::1"),
        ] {
            let line =
                subject(address, reaches, range).allow_line(Name::from_text("a.example").unwrap().as_ref());
            assert_eq!(line, format!("stubborn allow a.example --exact {expected}"));
        }
        let mapped = subject("::ffff:10.0.0.1", "::ffff:10.0.0.1", "ipv4-mapped");
        assert_eq!(mapped.allow_line(NameRef::ROOT), "unblock = [\"ipv4-mapped\"] in [guard]");
    }
}
